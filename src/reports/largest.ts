/** The points of an event with the largest counts by name, and the others as one sum. */

/** Points named in one event; the others are summed up. */
export const NAMED = 50;

/**
 * @param withheld points that no event names, `device.point`; they count among the others
 * @returns the largest first, and what is left of the sum
 */
export function largest(
  counts: ReadonlyMap<string, number>,
  withheld: (point: string) => boolean,
): { named: [point: string, readings: number][]; others: number } {
  const named = [...counts]
    .filter(([point]) => !withheld(point))
    .sort((a, b) => b[1] - a[1])
    .slice(0, NAMED);
  return { named, others: sum(counts) - named.reduce((total, [, n]) => total + n, 0) };
}

export function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}
