import type { Log } from '../../src/store/log.ts';
import { waitFor } from './wait-for.ts';

/** Waits until all that is left of a damaged log.db has come back; its repair is in `log.opened.repairs` then. */
export async function salvageOver(log: Log): Promise<void> {
  await waitFor('the end of the salvage', () => log.salvage === undefined);
}
