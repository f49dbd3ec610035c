/** Values, their quality and sizes in words. Pure. */
import { unitWords } from '../../../core/unit-words.ts';
import type { JsonValue, LiveReading } from '../../live/live-types.ts';
import { hasOwn } from '../parts/own.ts';
import { en, type WordKey } from './en.ts';
import type { Words } from './words.ts';

export type Quality = 'good' | 'uncertain' | 'bad';

export function qualityOf([, value, reason]: LiveReading): Quality {
  return value === null ? 'bad' : reason === undefined ? 'good' : 'uncertain';
}

/** `no answer`; a reason of a newer gateway is given as it is. */
export function reasonWords(words: Words, reason: string | undefined): string {
  const key = `reason.${reason}`;
  return hasOwn(en, key) ? words.t(key as WordKey) : words.t('reason.unknown', { code: reason ?? '' });
}

/** `bad: no answer`; empty for a good reading. */
export function qualityWords(words: Words, reading: LiveReading): string {
  const quality = qualityOf(reading);
  if (quality === 'good') return '';
  return words.t(quality === 'bad' ? 'value.bad' : 'value.uncertain', { reason: reasonWords(words, reading[2]) });
}

/** Numbers of float32 points carry seven digits; more would be noise of the conversion. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return String(Number(value.toPrecision(7)));
}

/** To a thousandth of what a chart spans: more digits say nothing there. @param spread highest minus lowest; 0: a flat line */
export function roundedTo(spread: number, value: number): number {
  const size = spread > 0 ? spread : Math.abs(value);
  if (size === 0 || !Number.isFinite(size)) return value;
  const decimals = 3 - Math.floor(Math.log10(size)) - 1;
  return decimals > 15 ? value : Number(value.toFixed(Math.max(0, decimals)));
}

/** A value without its unit; null: none. */
export function valueText(words: Words, value: JsonValue, type?: string): string {
  if (value === null) return '–';
  if (typeof value === 'boolean') return words.t(value ? 'value.true' : 'value.false');
  if (typeof value === 'number') return words.digits(numberText(value));
  return type === 'int64' || type === 'uint64' ? words.digits(value) : value;
}

export const unitText = (unit: string | undefined): string => (unit === undefined ? '' : unitWords(unit));

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `3.2 GB`. Steps of 1024, as in the configuration file and in `sluice status`: `maxSize: 256MB` is 256 MB here too. */
export function bytesText(words: Words, bytes: number): string {
  let size = bytes;
  let step = 0;
  while (size >= 1024 && step < SIZES.length - 1) {
    size /= 1024;
    step++;
  }
  return `${words.digits(step === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1))} ${SIZES[step]}`;
}
