/** Units of two points that a condition compares. It takes the numbers as they are, so 3 kW would be less than 20 W. */
import { conversion, type Dimension, dimensionOf, isNumber, isOwnScale } from '../core/dimensions.ts';

interface Measured {
  /** `device.point` */
  readonly point: string;
  /** UCUM; undefined: not written. */
  readonly unit: string | undefined;
}

/** @returns why the numbers of both cannot be compared, as a sentence; undefined: they can, or a unit is not known */
export function unlikeFault(one: Measured, other: Measured): string | undefined {
  const [a, b] = [one.unit, other.unit];
  if (a === undefined || b === undefined) return undefined;
  const [first, second] = [dimensionOf(a), dimensionOf(b)];
  if (first === undefined || second === undefined) return undefined;
  if (isScaleWithout(first, second) || isScaleWithout(second, first) || isOneLevel(a, b)) return undefined;
  const by = conversion(b, a);
  const units = `${one.point} is in ${a} and ${other.point} in ${b}`;
  if (by === undefined) return `${units}: they measure different things; write another point`;
  if (by.offset === 0 && Math.abs(by.scale - 1) < 1e-9) return undefined;
  return `${units}, and a rule compares the numbers as they are; give both one unit, for example with a computed point: {compute: sum, from: [${other.point}], unit: '${a}'}`;
}

/** `[pH]` beside `{pH}` or `1`: people write both for one scale, and a number alone is on no other one. */
function isScaleWithout(scale: Dimension, number: Dimension): boolean {
  return isOwnScale(scale) && isNumber(number);
}

/** `dB` beside `dB[SPL]`: a level, with and without what 0 dB is. Two levels that both say it are different things. */
function isOneLevel(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return /^[a-zA-Z]{0,2}B$/.test(short) && /^\[[^\]]*\]$/.test(long.slice(short.length)) && long.startsWith(short);
}
