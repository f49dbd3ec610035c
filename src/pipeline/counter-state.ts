/** The state of a counter that the log keeps beside its records, as plain JSON. */
import type { Amount, CounterKey } from '../codecs/counter.ts';

export interface SavedCounter extends CounterKey {
  /** As texts: `12.5`, and 64-bit integers as `12n`. */
  readonly value: string;
  readonly cumulative: string;
  /** UTC ms at which the value had last changed; undefined when nobody knew what time it was. */
  readonly time?: number | undefined;
  /** Name of the log, and the number that its next item got: records from there on are newer than this. */
  readonly log: string;
  readonly seq: number;
}

/** States of rules and counters share a table; the name of a rule has no dot. */
export function isCounterState(key: string): boolean {
  return key.includes('.') && !key.startsWith('@');
}

/** undefined: it is no state of a counter. */
export function parseSaved(json: unknown): SavedCounter | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const saved = json as Partial<SavedCounter>;
  const texts = [saved.device, saved.point, saved.total, saved.fingerprint, saved.value, saved.cumulative, saved.log];
  if (!texts.every((text) => typeof text === 'string') || !Number.isSafeInteger(saved.seq)) return undefined;
  if (![saved.value, saved.cumulative].every((text = '') => AMOUNT.test(text) && isAmount(amountOf(text)))) return undefined;
  return { ...(saved as SavedCounter), time: typeof saved.time === 'number' ? saved.time : undefined };
}

/** At most 20 digits of a whole number, and no power beyond those of a double. */
const AMOUNT = /^(\d{1,20}n|\d{1,309}(\.\d{1,400})?(e[+-]?\d{1,3})?)$/;

export function isAmount(value: unknown): value is Amount {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value));
}

export function textOf(amount: Amount): string {
  return typeof amount === 'bigint' ? `${amount}n` : String(amount);
}

export function amountOf(text: string): Amount {
  return text.endsWith('n') ? BigInt(text.slice(0, -1)) : Number(text);
}
