/** Waits between tries, milliseconds: the first, doubled after each failure, the longest. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/**
 * Each wait is shortened at random, by up to a half: what failed together must not come again together.
 * @param failures before this one; 0 for the first
 * @param random 0..1
 */
export function waitAfter({ first, longest }: Backoff, failures: number, random: number): number {
  return Math.min(first * 2 ** failures, longest) * (0.5 + random / 2);
}
