/** Deterministic noise for the data sets: the same seed gives the same bytes on every machine. */
export type Random = () => number;

/** Normal with a standard deviation of about 0.7: the sum of six uniforms, good enough for instruments. */
export function noise(random: Random): number {
  let sum = 0;
  for (let i = 0; i < 6; i++) sum += random();
  return sum - 3;
}
