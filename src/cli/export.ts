/** `sluice export`: readings and buckets as lines, or charts, to standard output. */
import { SluiceError } from '../core/errors.ts';
import { isAgo, isLocal, parseStep, parseTime, STEP_WORDS, TIME_WORDS } from '../core/times.ts';
import { onOutputFault } from './exit.ts';
import { ExportProgress } from './export-progress.ts';
import { localDate } from './local-time.ts';
import { type LogQuery, type LogSource, logSource, type Range, type SourceOptions, timezoneOf } from './log-source.ts';

export interface ExportOptions extends SourceOptions {
  readonly bundle?: string;
  readonly forwarder?: string;
  readonly stick?: boolean;
  readonly max?: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: 'csv' | 'jsonl' | 'svg';
  readonly every?: string;
  readonly points?: string;
  readonly quiet?: boolean;
}
/** A difference of clocks from this on is reported, milliseconds. */
const APART = 60_000;

export async function exportLog(options: ExportOptions): Promise<void> {
  // Before anything is opened: what was written is understood, whatever the time is.
  const isOfZone = [options.from, options.to].some((text) => text !== undefined && isLocal(text));
  const zone = isOfZone ? await timezoneOf(options) : undefined;
  const written = rangeOf(options, Date.now(), zone);
  if (options.bundle !== undefined) {
    const { from, to } = written;
    const range = { ...(options.from !== undefined && { from }), ...(options.to !== undefined && { to }) };
    await (await import('./bundle/export-bundle.ts')).exportBundle({ ...options, bundle: options.bundle }, range);
    return;
  }
  for (const name of ['forwarder', 'stick', 'max'] as const)
    if (options[name] !== undefined) throw new SluiceError('usage', `--${name} belongs to --bundle`);
  const source = await logSource(options);
  try {
    const range = rangeAt(options, source.now, zone);
    const { format } = options;
    if (format === 'svg') await write(await (await import('./chart/export-chart.ts')).chartOf(source, range, options));
    else await lines(source, { ...range, format }, range.now, options);
  } finally {
    source.close();
  }
}

async function lines(source: LogSource, query: LogQuery, now: number, { quiet }: ExportOptions): Promise<void> {
  const pieces = source.ask(query);
  const first = await pieces.next();
  // A bar between the lines of a terminal would only disturb.
  const shown = process.stderr.isTTY === true && process.stdout.isTTY !== true && quiet !== true;
  const progress = shown ? new ExportProgress(process.stderr, query.from, Math.min(query.to, now)) : undefined;
  try {
    for (let piece = first; piece.done !== true; piece = await pieces.next()) {
      await write(piece.value);
      progress?.took(piece.value);
    }
  } finally {
    progress?.end();
  }
}

/** @param now what `24h` counts back from, UTC ms @param zone of times without an offset */
function rangeOf(options: ExportOptions, now: number, zone: string | undefined): Range {
  const range: Range = {
    now,
    bounded: options.from !== undefined,
    from: timeOf(options.from, now, zone) ?? 0,
    to: timeOf(options.to, now, zone) ?? Number.MAX_SAFE_INTEGER,
    every: everyOf(options.every),
    points: options.points?.split(',').filter((p) => p !== ''),
  };
  if (range.from > range.to) throw new SluiceError('usage', '--from is later than --to');
  return range;
}

/** Counts back from the gateway's time, which the system clock may not have, and says so where it does not. */
function rangeAt(options: ExportOptions, now: number | undefined, zone: string | undefined): Range {
  const system = Date.now();
  const counts = [options.from, options.to].some((text) => text !== undefined && isAgo(text));
  if (now !== undefined && counts && Math.abs(now - system) > APART)
    process.stderr.write(
      `sluice: it is ${localDate(now)} for the gateway, and ${localDate(system)} for the system clock; times are counted back from the time of the gateway\n`,
    );
  return rangeOf(options, now ?? system, zone);
}

function timeOf(text: string | undefined, now: number, zone: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = parseTime(text, now, zone);
  if (time === undefined) throw new SluiceError('usage', `"${text}" is not a time: ${TIME_WORDS}`);
  return time;
}

function everyOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const every = parseStep(text);
  if (every === undefined) throw new SluiceError('usage', `--every ${text}: ${STEP_WORDS}`);
  return every;
}

/** Waits while the reader of the output is slower. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else onOutputFault(error);
    });
  });
}
