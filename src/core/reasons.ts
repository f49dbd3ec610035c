/**
 * Why a reading is not good. The number is what the log keeps (never renumber), the name is what batches, topics and
 * pages show; docs/reference/reasons.md explains each, and a test fails when one is missing there.
 */
export const REASONS = [
  { code: 1, name: 'timeout', quality: 'bad' },
  { code: 2, name: 'disconnected', quality: 'bad' },
  { code: 3, name: 'crc', quality: 'bad' },
  { code: 4, name: 'bad-reply', quality: 'bad' },
  { code: 5, name: 'exception', quality: 'bad' },
  { code: 6, name: 'not-a-number', quality: 'bad' },
  { code: 7, name: 'invalid', quality: 'bad' },
  { code: 8, name: 'unparsable', quality: 'bad' },
  { code: 9, name: 'not-there', quality: 'bad' },
  { code: 10, name: 'not-ready', quality: 'bad' },
  { code: 128, name: 'out-of-range', quality: 'uncertain' },
  { code: 129, name: 'too-fast', quality: 'uncertain' },
  { code: 130, name: 'retained', quality: 'uncertain' },
  { code: 131, name: 'partial', quality: 'uncertain' },
] as const;

export type ReasonName = (typeof REASONS)[number]['name'];
export type Quality = 'good' | 'uncertain' | 'bad';

/** No reason: the reading is good. */
export const GOOD = 0;
/** Not a reason: the record has no reading of this point (a sensor's sentence left it out). */
export const ABSENT = 255;

const byCode = new Map<number, (typeof REASONS)[number]>(REASONS.map((r) => [r.code, r]));
const byName = new Map<string, number>(REASONS.map((r) => [r.name, r.code]));

/** The number of a reason, as readings carry it. */
export function reasonCode(name: ReasonName): number {
  return byName.get(name) as number;
}
/** The name of a reason number; an unknown number (a log of a newer version) is given as it is. */
export function reasonName(code: number): string {
  return byCode.get(code)?.name ?? `reason-${code}`;
}
/** 0 is good, 1..127 bad, 128..254 uncertain. */
export function qualityOf(code: number): Quality {
  return code === GOOD ? 'good' : code >= 128 ? 'uncertain' : 'bad';
}
