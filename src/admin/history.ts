/** What the log kept and what it took away, as the admin room asks for it. */
import { SluiceError } from '../core/errors.ts';
import { plainValue } from '../core/point.ts';
import { qualityOf, reasonName } from '../core/reasons.ts';
import type { RemovedPoint } from '../store/hot/removals.ts';
import type { Log } from '../store/log.ts';
import { exportHeader, unknownWords } from '../store/read/export-lines.ts';
import type { ExportResult } from '../store/threads/messages.ts';
import type { ExportQuery, HistoryQuery, HistoryReply, RemovedQuery, RemovedReply } from './target.ts';

/** Pieces of some hundred kilobytes; the next one is made when it is asked for. */
export async function* exportText({ keeper }: Pick<Log, 'keeper'>, query: ExportQuery): AsyncGenerator<string> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const slice: ExportResult = await keeper.export({
      after,
      from: query.from ?? 0,
      to: query.to ?? Number.MAX_SAFE_INTEGER,
      points: query.points,
      format: query.format,
      every: query.every,
    });
    if (slice.unknown !== undefined) throw new SluiceError('not-found', unknownWords(slice.unknown));
    const text = after === 0 ? exportHeader(query.format, query.every) + slice.text : slice.text;
    if (text !== '') yield text;
    after = slice.next;
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

export async function removedOf({ keeper }: Pick<Log, 'keeper'>, query: RemovedQuery): Promise<RemovedReply> {
  const { points, more } = await keeper.removed(query);
  const told = ({ readings, span }: RemovedPoint['thinned']) => ({ readings, from: span?.[0] ?? null, to: span?.[1] ?? null });
  return {
    points: points.map(([point, { thinned, dropped, aged, lost }]) => ({
      ...{ point, thinned: told(thinned), dropped: told(dropped), aged: told(aged), undelivered: lost },
    })),
    next: more ? (points.at(-1)?.[0] ?? null) : null,
  };
}
