/** 0..1 from a name and a seed (FNV-1a, then mixed), always the same. */
export function hash01(seed: number, ...names: string[]): number {
  let h = (seed ^ 0x811c9dc5) >>> 0;
  for (const char of names.join('\u0000')) h = Math.imul(h ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
