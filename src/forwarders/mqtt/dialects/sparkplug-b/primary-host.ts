/** Whether the primary host of this edge node is there, as its STATE says. Everything here comes from outside. */
import type { Clock } from '../../../../core/clock.ts';

/** Milliseconds until a broker that has no STATE counts as one where the host is not. */
const SILENT = 30_000;
/** Bytes of a STATE. */
const MOST_BYTES = 1024;

export class PrimaryHost {
  /** Its newest STATE on this connection. A host has a time of its own at each broker. */
  #newest: { readonly online: boolean; readonly timestamp: number } | undefined;

  #waiting: (() => void) | undefined;

  /** A connection begins, or is over. */
  forget(): void {
    this.#newest = undefined;
    this.#rest();
  }
  /** @param silent called when there is no STATE within SILENT; once on each connection */
  await(clock: Clock, silent: () => void): void {
    if (this.#newest === undefined) this.#waiting ??= clock.after(SILENT, silent);
  }
  #rest(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
  get online(): boolean {
    return this.#newest?.online === true;
  }

  /** @returns what it says now; undefined: it is no STATE, or an older one than that before */
  take(payload: Uint8Array): 'online' | 'offline' | undefined {
    const state = stateOf(payload);
    if (state === undefined || state.timestamp < (this.#newest?.timestamp ?? 0)) return undefined;
    this.#newest = state;
    this.#rest();
    return state.online ? 'online' : 'offline';
  }
}

function stateOf(payload: Uint8Array): { online: boolean; timestamp: number } | undefined {
  if (payload.length > MOST_BYTES) return undefined;
  let state: unknown;
  try {
    state = JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
  const { online, timestamp } = (typeof state === 'object' && state !== null ? state : {}) as Record<string, unknown>;
  if (typeof online !== 'boolean' || typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0)
    return undefined;
  return { online, timestamp };
}
