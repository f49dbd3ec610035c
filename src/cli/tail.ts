import { stream } from '../admin/client.ts';
import type { TailMissed } from '../admin/tail-stream.ts';
import type { TailItem } from '../admin/target.ts';
import { withUnit } from '../core/unit-words.ts';
import { localClock } from './local-time.ts';
import { paint, type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';

export async function tail(options: RunningOptions): Promise<void> {
  for await (const item of stream(socketOf(options), '/api/v1/tail')) {
    process.stdout.write(`${options.json ? JSON.stringify(item) : line(item as TailItem | TailMissed)}\n`);
  }
}

export function line(item: TailItem | TailMissed): string {
  if (item.type === 'reading') return readingLine(item);
  if (item.type === 'alarm') {
    const text = `${localClock(item.time)}  ${item.state === 'normal' ? 'normal' : 'ALARM'}  ${item.rule} (${item.severity}): ${clean(item.message)}`;
    return item.state === 'normal' ? paint(32, text) : paint(31, text);
  }
  return paint(
    33,
    `(this reader is too slow: ${item.conflated} older readings of points and ${item.dropped} more lines left out)`,
  );
}

/** `14:41:02.120+06:00  fridge.temperature  4.2 °C` */
export function readingLine(item: {
  time: number;
  device?: string;
  point: string;
  value: unknown;
  unit?: string | undefined;
  quality: string;
  reason?: string | undefined;
  asked?: false | undefined;
}): string {
  const name = item.device === undefined ? item.point : `${item.device}.${item.point}`;
  const value =
    item.quality === 'bad'
      ? paint(31, `bad (${item.reason}${item.asked === false ? ', not asked again yet' : ''})`)
      : withUnit(clean(String(item.value)), item.unit);
  return `${localClock(item.time)}  ${name.padEnd(28)}  ${value}${item.quality === 'uncertain' ? paint(33, ` uncertain (${item.reason})`) : ''}`;
}
