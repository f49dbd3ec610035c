/**
 * Memory of a running gateway that was attacked. V8 collects garbage later on a busy machine, and what is kept stays. Each look asks for
 * something, because V8 collects while it works. An answer that nobody takes is dropped after 30 s, so the wait is shorter than that.
 */
import { waitFor } from './wait-for.ts';

const WITHIN = 20_000;

/** @param resident of the process, in a unit of the caller. @param ask makes the gateway work */
export async function memoryFalls(resident: () => number, most: number, ask: () => Promise<unknown>): Promise<void> {
  await waitFor(
    () => `less than ${most} in memory: ${resident()}`,
    async () => {
      if (resident() < most) return true;
      await ask();
      return false;
    },
    { timeout: WITHIN, every: 500 },
  );
}
