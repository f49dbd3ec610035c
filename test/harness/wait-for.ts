import { setTimeout as sleep } from 'node:timers/promises';

/** Generous on purpose: it bounds a test that hangs and is never what a test measures. */
export const DEADLINE_MS = 240_000;

/**
 * Asks `probe` again and again until it gives something true, and returns that. A rejection of `probe` counts as "not yet".
 * @param what completes the sentence "waited in vain for …"; a function is asked when time is up.
 */
export async function waitFor<T>(
  what: string | (() => string),
  probe: () => T | Promise<T>,
  options: { timeout?: number; every?: number } = {},
): Promise<NonNullable<T>> {
  const timeout = options.timeout ?? DEADLINE_MS;
  const end = performance.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const result = await probe();
      if (result) return result;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`waited ${timeout / 1000} s in vain for ${typeof what === 'string' ? what : what()}`, { cause: last });
    await sleep(options.every ?? 20);
  }
}

/** Looks that must agree: one alone may come right after a pause of the whole machine, before the work that waited. */
const STILL = 10;

/** Waits until a number is above 0 and stays what it is. @param what completes the sentence "waited in vain for …" */
export async function standsStill(what: string, number: () => number): Promise<number> {
  let [last, same] = [-1, 0];
  await waitFor(
    what,
    () => {
      const now = number();
      same = now === last && now > 0 ? same + 1 : 0;
      last = now;
      return same >= STILL;
    },
    { every: 50 },
  );
  return last;
}
