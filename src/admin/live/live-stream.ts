/**
 * One reader of `/api/v1/live`: server-sent events about what changed since the last round. Invariants:
 * - nothing is kept for a reader but what it has: the next round is made when the last one has left, so a slow reader gets fewer
 *   rounds, each with the newest of everything. Bound: one text for each part of the state, and one event under way;
 * - an id names what its reader has. With `after=ID` it gets what came since, in this start of the daemon; else everything;
 * - a change of the clock gives each reading another time: all of them are sent again;
 * - parts of the state come when they differ from what was sent; what changes with every commit comes less often.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import type { Inventory } from '../../core/ports.ts';
import { LIVE_READINGS } from '../limits.ts';
import { jsonText } from '../respond.ts';
import { type LiveSource, liveReading } from './live-source.ts';
import type { LiveInventory, LiveReading, LiveState } from './live-types.ts';

/** These change all the time: they come with one round of so many. */
const SELDOM: ReadonlySet<keyof LiveState> = new Set(['log', 'machine']);
const SELDOM_ROUNDS = 5;

export interface LiveQuery {
  /** Id of the last event that the reader has. */
  readonly after?: string | undefined;
  /** Milliseconds between rounds. */
  readonly every: number;
}

export class LiveStream {
  readonly #source: LiveSource;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #every: number;
  readonly #sent = new Map<keyof LiveState, string>();
  #inventory: Inventory | undefined;
  #newest: number;
  #steps: number;
  #rounds = 0;

  constructor(source: LiveSource, clock: Pick<Clock, 'after'>, { after, every }: LiveQuery) {
    this.#source = source;
    this.#clock = clock;
    this.#every = every;
    this.#newest = numberOf(after, source);
    this.#steps = source.steps();
  }

  /** Until `gone`. Rejects when the source does. */
  async run(out: Writable, gone: AbortSignal): Promise<void> {
    try {
      while (!gone.aborted) {
        for (const event of this.#round()) {
          if (!out.write(event)) await once(out, 'drain', { signal: gone });
          if (gone.aborted) return;
        }
        await this.#wait(gone);
      }
    } catch (thrown) {
      if (!gone.aborted) throw thrown;
    }
  }

  *#round(): Generator<string> {
    const inventory = this.#source.inventory();
    const newest = this.#source.newest();
    const steps = this.#source.steps();
    if (steps !== this.#steps) this.#newest = 0;
    this.#steps = steps;
    if (inventory !== this.#inventory) {
      this.#inventory = inventory;
      yield eventOf('inventory', liveInventory(inventory));
    }
    const parts = this.#changedParts(this.#source.state());
    if (parts !== '') yield `event: state\ndata: {${parts}}\n\n`;
    yield* this.#readings(newest);
    // The last of a round: only now has the reader all that the id says.
    yield `id: ${timesOf(this.#source.boot(), steps)}-${newest}\n${eventOf('beat', { ...this.#source.time(), every: this.#every })}`;
    this.#newest = newest;
    this.#rounds++;
  }

  #changedParts(state: LiveState): string {
    const parts: string[] = [];
    for (const key of Object.keys(state) as (keyof LiveState)[]) {
      if (SELDOM.has(key) && this.#rounds % SELDOM_ROUNDS !== 0) continue;
      const text = jsonText(state[key]);
      if (this.#sent.get(key) === text) continue;
      this.#sent.set(key, text);
      parts.push(`${JSON.stringify(key)}:${text}`);
    }
    return parts.join(',');
  }

  *#readings(newest: number): Generator<string> {
    if (newest === this.#newest) return;
    let batch = emptyBatch();
    let count = 0;
    for (const latest of this.#source.changed(this.#newest)) {
      batch[latest.device] ??= {};
      (batch[latest.device] as Record<string, LiveReading>)[latest.point] = liveReading(latest);
      if (++count % LIVE_READINGS !== 0) continue;
      yield eventOf('readings', batch);
      batch = emptyBatch();
    }
    if (count % LIVE_READINGS !== 0) yield eventOf('readings', batch);
  }

  #wait(gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        gone.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#clock.after(this.#every, done);
      gone.addEventListener('abort', done);
    });
  }
}

/** Without inherited names: a device may be called `constructor`. */
const emptyBatch = (): Record<string, Record<string, LiveReading>> => Object.create(null);

/** Within it a reading has one time. */
const timesOf = (boot: string, steps: number): string => (steps === 0 ? boot : `${boot}.${steps}`);

/** 0: everything is new. An id of another start of the daemon, or of another time, says nothing about this one. */
function numberOf(after: string | undefined, source: LiveSource): number {
  const [, of, number] = /^(.*)-(\d{1,15})$/.exec(after ?? '') ?? [];
  return of === timesOf(source.boot(), source.steps()) && Number(number) <= source.newest() ? Number(number) : 0;
}

const eventOf = (event: string, data: object): string => `event: ${event}\ndata: ${jsonText(data)}\n\n`;

function liveInventory({ devices }: Inventory): LiveInventory {
  return Object.fromEntries(
    Object.entries(devices).map(([device, { bus, points }]) => [
      device,
      { bus, points: Object.fromEntries(Object.entries(points).map(([name, { type, unit }]) => [name, { type, unit }])) },
    ]),
  );
}
