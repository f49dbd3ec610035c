/** The readings of one point from the log, in pieces, with those that no file has yet. */
import { SluiceError } from '../../core/errors.ts';
import type { Log } from '../../store/log.ts';
import { unknownWords } from '../../store/read/export-lines.ts';
import { exportSlices } from '../../store/read/export-slices.ts';
import type { HistoryCall } from './lines.ts';
import type { HistoryReading } from './source.ts';

export async function* pointHistory(
  log: Pick<Log, 'keeper' | 'uncommitted'>,
  { device, point, from, to, every }: HistoryCall,
): AsyncGenerator<readonly HistoryReading[]> {
  const range = { from, to, points: [`${device}.${point}`], format: 'jsonl' as const, ...(every === undefined ? {} : { every }) };
  for await (const { text, unknown } of exportSlices(log, range)) {
    if (unknown !== undefined) throw new SluiceError('not-found', unknownWords(unknown));
    const readings: HistoryReading[] = [];
    for (const line of text.split('\n')) {
      const reading = line === '' ? undefined : readingIn(line, point);
      if (reading !== undefined) readings.push(reading);
    }
    yield readings;
  }
}

/** A line of an export (store/read/export-lines.ts), which the gateway has just made. */
function readingIn(text: string, point: string): HistoryReading | undefined {
  const line = JSON.parse(text) as Record<string, unknown>;
  const { time, values, bad, uncertain, clock } = line as {
    readonly time: number;
    readonly values?: Readonly<Record<string, number | boolean | string>>;
    readonly bad?: Readonly<Record<string, string>>;
    readonly uncertain?: Readonly<Record<string, string>>;
    readonly clock?: 'estimated';
  };
  if (values === undefined) {
    const { point: _, unit: __, ...bucket } = line;
    return bucket;
  }
  const marked = clock === undefined ? {} : { clock };
  const why = own(bad, point);
  if (why !== undefined) return { time, value: null, quality: 'bad', reason: why, ...marked };
  const value = own(values, point);
  if (value === undefined) return undefined;
  const doubt = own(uncertain, point);
  return {
    time,
    value,
    quality: doubt === undefined ? 'good' : 'uncertain',
    ...(doubt === undefined ? {} : { reason: doubt }),
    ...marked,
  };
}

/** A point may be called `constructor`. */
function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}
