/**
 * Memory of a running gateway that was attacked. V8 collects garbage later on a busy machine, and what is kept stays. Work lets it collect,
 * so each look asks for something. A quarter of a minute more would let what a queue or an answer holds for 30 s pass for garbage.
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
