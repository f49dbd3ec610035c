/**
 * Number truth: what a display on the instrument shows is what we report. 23.4 that travelled as a float32 reads 23.4 and
 * not 23.399999618530273; 3 steps of 0.1 are 0.3 and not 0.30000000000000004.
 */
const POWERS = Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));
/** 10^k, exact up to k = 22. */
export function powerOfTen(k: number): number {
  return POWERS[k] ?? Number(`1e${k}`);
}

/** Decimals after the point in the shortest notation of a number: 0.05 -> 2, 1e-7 -> 7, 120 -> 0. */
export function decimalsOf(value: number): number {
  const [mantissa = '', exponent = '0'] = String(Math.abs(value)).split('e');
  return Math.max(0, (mantissa.split('.')[1]?.length ?? 0) - Number(exponent));
}

/** How many decimals the last value of a point had: the best guess for its next one. */
export interface Grid {
  decimals: number;
}

/**
 * The double whose shortest decimal is the shortest one that still rounds to `value` in a narrower format. Whole numbers
 * below 2^53 stay as they are (a counter in a float32 must not be rounded), NaN and infinities too.
 * @param snap rounds a double to the narrower format (Math.fround)
 * @param grid decimals to try first (those of the last value make the search two steps long); takes the decimals found.
 */
export function shortest(value: number, snap: (x: number) => number, grid: Grid = { decimals: 1 }): number {
  const size = Math.abs(value);
  if (!(size < 9007199254740992) || (size < 1e-4 && size > 0)) return shortestByText(value, snap, grid);
  if (value === Math.trunc(value)) {
    grid.decimals = 0;
    return value;
  }
  // A grid of k+1 decimals contains the grid of k, so "k decimals are enough" holds for all larger k as well.
  let k = Math.min(Math.max(grid.decimals, 1), 13);
  let found = Math.round(value * powerOfTen(k)) / powerOfTen(k);
  if (snap(found) === value) {
    for (; k > 1; k--) {
      const coarser = Math.round(value * powerOfTen(k - 1)) / powerOfTen(k - 1);
      if (snap(coarser) !== value) break;
      found = coarser;
    }
  } else {
    do {
      if (++k > 14) return shortestByText(value, snap, grid);
      found = Math.round(value * powerOfTen(k)) / powerOfTen(k);
    } while (snap(found) !== value);
  }
  grid.decimals = k;
  return found;
}

/** The slow way, for the very large and the very small: significant digits instead of decimals. */
function shortestByText(value: number, snap: (x: number) => number, grid: Grid): number {
  grid.decimals = 0;
  if (!Number.isFinite(value)) return value;
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (snap(candidate) === value) {
      grid.decimals = decimalsOf(candidate);
      return candidate;
    }
  }
  return value;
}

/** The sum as a person would write it: 0.3 - 0.1 is 0.2 and not 0.19999999999999998 (15 digits always survive a double). */
export function decimalSum(a: number, b: number): number {
  const sum = a + b;
  return Number.isInteger(a) && Number.isInteger(b) ? sum : Number(sum.toPrecision(15));
}

/** value × 10^exponent, as moving the point does it: 1.1 and 1 give 11 and not 11.000000000000002. */
export function movePoint(value: number, exponent: number): number {
  const [mantissa = '', power = '0'] = value.toExponential().split('e');
  return Number(`${mantissa}e${Number(power) + exponent}`);
}

export interface Scaling {
  /** The value of a whole raw number. */
  apply(raw: number): number;
  /** The value of a raw number that has `decimals` decimals itself. */
  applyDecimal(raw: number, decimals: number): number;
  /** Back to raw, not rounded to a whole number. */
  invert(value: number): number;
}

/**
 * value = raw × scale + offset in decimals: (raw × n + o) / 10^d with whole n and o, so the one division is the only
 * rounding. Where the whole numbers would leave 2^53 (a scale of 1/3) plain doubles are used.
 * @param largestRaw the largest magnitude of a raw value
 */
export function scaling(scale: number, offset: number, largestRaw: number): Scaling {
  const decimals = Math.max(decimalsOf(scale), decimalsOf(offset));
  const unit = powerOfTen(Math.min(decimals, 22));
  const n = Math.round(scale * unit);
  const o = Math.round(offset * unit);
  const exact = decimals <= 22 && n / unit === scale && o / unit === offset;
  const whole = exact && Math.abs(n) * Math.min(largestRaw, 2 ** 32) + Math.abs(o) < 2 ** 53;
  const apply = whole ? (raw: number) => (raw * n + o) / unit : (raw: number) => raw * scale + offset;
  return {
    apply,
    applyDecimal(raw, rawDecimals) {
      const value = raw * scale + offset;
      const total = decimals + rawDecimals;
      const unit10 = powerOfTen(total);
      // A double has no decimal grid to snap to beyond 15 significant digits.
      return total <= 15 && Math.abs(value) * unit10 < 1e15 ? Math.round(value * unit10) / unit10 : value;
    },
    invert: whole ? (value) => (value * unit - o) / n : (value) => (value - offset) / scale,
  };
}

/** A float16 bit pattern (IEEE 754 binary16) as a number. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest float16 bit pattern, ties to even; infinity where the number is too large. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(size || 2 ** -24)), -14);
  const steps = size / 2 ** (exponent - 10);
  let whole = Math.floor(steps);
  const rest = steps - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole++;
  // A subnormal has exponent field 0 and no hidden bit; the sum carries into the exponent by itself.
  return sign | (exponent === -14 && whole < 1024 ? whole : ((exponent + 15) << 10) + (whole - 1024));
}

export function snapToFloat16(value: number): number {
  return float16ToNumber(numberToFloat16(value));
}
