/** Whether a number can be what an instrument measures: what a person looks for who does not know type and order yet. */

/** Widest values by unit (UCUM) that instruments in the field show. */
const BOUNDS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  Cel: [-60, 400],
  '%': [0, 100],
  V: [-1500, 1500],
  A: [-5000, 5000],
  Hz: [0, 1000],
  W: [-1e7, 1e7],
  'kW.h': [0, 1e8],
  'W.h': [0, 1e10],
  bar: [-1, 1000],
  hPa: [300, 1200],
  ppm: [0, 50_000],
  '[pH]': [0, 14],
  deg: [0, 360],
  'm/s': [0, 100],
};
/** Nothing that is measured is smaller than this and not 0, or larger than that. */
const SMALLEST = 1e-5;
const LARGEST = 1e9;

/** @param value in its unit. 0 is possible, but shows nothing; see `nonZero` */
export function plausible(value: number, unit?: string): boolean {
  if (!Number.isFinite(value)) return false;
  const size = Math.abs(value);
  if (size !== 0 && (size < SMALLEST || size > LARGEST)) return false;
  const [min, max] = BOUNDS[unit ?? ''] ?? [-LARGEST, LARGEST];
  return value >= min && value <= max;
}

/** A raw number without any unit: a float of everyday size, or an integer whose upper bits are not in use. */
export function plausibleRaw(value: number, type: string): boolean {
  if (!Number.isFinite(value) || value === 0) return false;
  const size = Math.abs(value);
  if (type.startsWith('float')) return size >= 1e-3 && size <= 1e7;
  return size <= (type.endsWith('16') ? 20_000 : 5_000_000);
}
