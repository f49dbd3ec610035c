/** What the log kept and what it took away, as the admin room asks for it. */
import { SluiceError } from '../core/errors.ts';
import { plainValue } from '../core/point.ts';
import { qualityOf, reasonName } from '../core/reasons.ts';
import { readSentence } from '../core/saved-sentence.ts';
import { otherWords } from '../core/sentence.ts';
import type { RemovedPoint } from '../store/hot/removals.ts';
import type { Log } from '../store/log.ts';
import { exportHeader, unknownWords } from '../store/read/export-lines.ts';
import { exportSlices } from '../store/read/export-slices.ts';
import { MAX_ALARM_CHANGES } from './limits.ts';
import type { AlarmChange, AlarmChanges } from './live/live-types.ts';
import type {
  AlarmChangesQuery,
  ExportQuery,
  HistoryQuery,
  HistoryReply,
  RemovedQuery,
  RemovedReply,
  WaitingReply,
} from './log-questions.ts';

/** Pieces of some hundred kilobytes; the next one is made when it is asked for. */
export async function* exportText(log: Pick<Log, 'keeper' | 'uncommitted'>, query: ExportQuery): AsyncGenerator<string> {
  const { points, format, every, alarms } = query;
  const range = { from: query.from ?? 0, to: query.to ?? Number.MAX_SAFE_INTEGER };
  let head = exportHeader(format, every);
  for await (const slice of exportSlices(log, { ...range, points, format, every, alarms })) {
    if (slice.unknown !== undefined) throw new SluiceError('not-found', unknownWords(slice.unknown));
    const text = head + slice.text;
    head = '';
    if (text !== '') yield text;
  }
}

/** Only of what is committed: charts that are drawn again and again must not write the card. */
export async function historyOf({ keeper }: Pick<Log, 'keeper'>, query: HistoryQuery): Promise<HistoryReply> {
  const { device, point, from, to } = query;
  const { found } = await keeper.query(query);
  if (found === undefined)
    throw new SluiceError('not-found', `the log has no readings of ${device}.${point}; \`sluice status\` names the devices`);
  const marked = (estimated: boolean) => (estimated ? { estimated: true as const } : {});
  const head = { point: `${device}.${point}`, unit: found.unit, from, to };
  if (found.width === undefined) {
    const readings = found.readings.map(({ time, value, reason, estimated }) => ({
      ...{ time, value: value === null ? null : plainValue(value, found.type), quality: qualityOf(reason) },
      ...(reason === 0 ? {} : { reason: reasonName(reason) }),
      ...marked(estimated),
    }));
    return { ...head, width: null, readings };
  }
  const number = (v: number) => (Number.isFinite(v) ? v : null);
  const buckets = found.buckets.map(({ time, min, max, mean, count, bad, estimated }) => ({
    ...{ time, min: number(min), max: number(max), mean: number(mean), count, bad },
    ...marked(estimated),
  }));
  return { ...head, width: found.width, buckets };
}

/** @param rules that watch the point, as configured now */
export async function alarmChangesOf(
  log: Pick<Log, 'keeper' | 'uncommitted'>,
  rules: ReadonlySet<string>,
  { from, to }: AlarmChangesQuery,
): Promise<AlarmChanges> {
  const changes: AlarmChange[] = [];
  let cut = false;
  if (rules.size === 0) return { changes, cut };
  for await (const { text } of exportSlices(log, { from, to, format: 'jsonl', alarms: true })) {
    for (const line of text.split('\n')) {
      const change = line === '' ? undefined : changeOf(line);
      if (change === undefined || change.time < from || !rules.has(change.rule)) continue;
      changes.push(change);
      if (changes.length <= MAX_ALARM_CHANGES) continue;
      changes.shift();
      cut = true;
    }
  }
  return { changes, cut };
}

/** undefined: the line was damaged on the card. */
function changeOf(line: string): AlarmChange | undefined {
  try {
    const { said, ...change } = JSON.parse(line) as AlarmChange & { readonly said?: unknown };
    const { rule, occurrence, state, severity, time, message, cause, firstOut } = change;
    if (typeof time !== 'number' || typeof rule !== 'string') return undefined;
    const messages = said === undefined ? undefined : otherWords(readSentence(said), message);
    return { rule, occurrence, state, severity, time, message, messages, cause, firstOut };
  } catch {
    return undefined;
  }
}

export async function removedOf({ keeper }: Pick<Log, 'keeper'>, query: RemovedQuery): Promise<RemovedReply> {
  const { points, more } = await keeper.removed(query);
  const rangeOf = ({ readings, span }: RemovedPoint['thinned']) => ({ readings, from: span?.[0] ?? null, to: span?.[1] ?? null });
  return {
    points: points.map(([point, { thinned, dropped, aged, lost }]) => ({
      ...{ point, thinned: rangeOf(thinned), dropped: rangeOf(dropped), aged: rangeOf(aged), undelivered: lost },
    })),
    next: more ? (points.at(-1)?.[0] ?? null) : null,
  };
}

/** One after the other: a question to the files for each forwarder. */
export async function waitingOf(log: Pick<Log, 'unsent'>, names: readonly string[]): Promise<WaitingReply> {
  const forwarders: WaitingReply['forwarders'][number][] = [];
  for (const name of names) {
    const unsent = await log.unsent(name);
    if (unsent !== undefined) forwarders.push({ name, ...unsent });
  }
  return { forwarders };
}
