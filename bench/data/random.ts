/** Deterministic noise for the data sets: the same seed gives the same bytes on every machine. */
export type Random = () => number;

/** mulberry32: 0 up to 1, 32 bits of state. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Normal with a standard deviation of about 0.7: the sum of six uniforms, good enough for instruments. */
export function noise(random: Random): number {
  let sum = 0;
  for (let i = 0; i < 6; i++) sum += random();
  return sum - 3;
}
