/**
 * Keeps a revision of every deploy. Invariants:
 * - One thing at a time: a look at the flows, or a change of them by the gateway (`exclusively`). A bounded number waits.
 * - A deploy has the name of the person whose request went through the editor within NAMED before it, else `unknown`.
 * - Flows that deploy without end cost at most LOOKS looks at once and one more in each REFILL. What comes between is kept with the
 *   next look, and counted.
 * - Nothing here throws to the gateway. What cannot be kept is a fault in words, reported once, and tried again.
 */
import type { Clock } from '../../core/clock.ts';
import type { Principal } from '../../core/commands.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { FlowChange, FlowDeploys } from '../../core/flow-deploys.ts';
import type { Logger } from '../../core/logger.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import type { FlowAddress } from '../flow-start.ts';
import type { FlowWatcher } from '../supervisor-side.ts';
import { type PresentFlows, presentFlows } from './flow-client.ts';
import { hashOf } from './revision-file.ts';
import { type NewRevision, type RevisionStore, type StoredRevision, UNKNOWN_WHO } from './revision-store.ts';

/** A request of a person goes to Node-RED and becomes a deploy within this time, ms. */
const NAMED = 15_000;
const LOOKS = 20;
const REFILL = 30_000;
/** After what could not be kept, ms. */
const AGAIN = 60_000;
/** Flows that went on for so long without an end ran well, ms. */
export const WELL_AFTER = 600_000;
/** Changes that wait for one that is under way. */
const MOST_WAITING = 8;

export interface RecorderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  readonly store: RevisionStore;
  /** Node-RED now. */
  readonly address: () => FlowAddress | undefined;
  /** UTC ms, and whether it is known. */
  readonly time: () => { readonly utc: number; readonly known: boolean };
  /** Node-RED began without flows. */
  readonly lost: () => void;
  /** For tests. */
  readonly ask?: (at: FlowAddress) => Promise<PresentFlows>;
}

export type RevisionAbout = Pick<NewRevision, 'who' | 'door' | 'origin' | 'of'>;

export class FlowRecorder implements FlowWatcher, FlowDeploys {
  readonly #o: RecorderOptions;
  #named: { readonly by: Principal; readonly at: number } | undefined;
  /** Who made the deploy that the next look finds. */
  #who: Principal | undefined;
  /** The process has run since then with the flows that it has, monotonic ms. */
  #since: number | undefined;
  #current: StoredRevision | undefined;
  #fault: string | undefined;
  #opened: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #looks = LOOKS;
  #filledAt = 0;
  #pending = false;
  #cancel: (() => void) | undefined;
  /** Deploys that had to wait because too many came, since the start. */
  held = 0;

  constructor(options: RecorderOptions) {
    this.#o = options;
  }

  /** The revision that Node-RED has now. */
  get current(): StoredRevision | undefined {
    return this.#current;
  }
  /** Why the newest flows have no revision, in words. */
  get fault(): string | undefined {
    return this.#fault;
  }

  deploying(by: Principal, what: FlowChange): () => void {
    if (what !== 'flows') return () => {};
    const named = { by, at: this.#o.clock.monotonic() };
    this.#named = named;
    // A flow that deploys after a refusal would pass for this person.
    return () => {
      if (this.#named === named) this.#named = undefined;
    };
  }

  deployed(): void {
    const now = this.#o.clock.monotonic();
    if (this.#named !== undefined && now - this.#named.at <= NAMED) this.#who = this.#named.by;
    this.#since = now;
    this.#lookSoon();
  }

  lost(): void {
    this.#since = this.#o.clock.monotonic();
    this.#o.lost();
  }

  passed(): void {
    const { clock, logger, store } = this.#o;
    const current = this.#current;
    if (current === undefined || this.#since === undefined || store.well === current.number) return;
    if (clock.monotonic() - this.#since < WELL_AFTER) return;
    this.exclusively(() => store.markWell(current.number)).catch((thrown: unknown) =>
      logger.warn({ error: toError(thrown).message }, 'It cannot be kept on disk which flows of Node-RED ran well.'),
    );
    // Once, also where the disk does not take it.
    this.#since = undefined;
  }

  ended(): void {
    this.#since = undefined;
    this.#current = undefined;
    this.#pending = false;
    this.#cancel?.();
  }

  /** Runs alone. Rejects with `busy` where too many wait. */
  async exclusively<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING) throw new SluiceError('busy', 'other changes of the flows are under way; try again');
    this.#waiting++;
    const before = this.#last;
    const mine = (async () => {
      await before.catch(() => {});
      await this.open();
      return run();
    })();
    this.#last = mine;
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  /** Reads the revisions that are there, once. Rejects where the folder cannot be used; the next call tries again. */
  open(): Promise<void> {
    this.#opened ??= this.#o.store.open().catch((thrown: unknown) => {
      this.#opened = undefined;
      throw new SluiceError('access-write', `the folder of revisions of flows cannot be used: ${toError(thrown).message}`);
    });
    return this.#opened;
  }

  /** The flows of now, without a revision of them. */
  present(at: FlowAddress): Promise<PresentFlows> {
    return (this.#o.ask ?? presentFlows)(at);
  }

  /** Keeps the flows of now. Only within `exclusively`. @param about of a change by the gateway; rejects where they cannot be kept */
  async look(at: FlowAddress, about?: RevisionAbout): Promise<{ present: PresentFlows; revision: StoredRevision }> {
    try {
      const present = await this.present(at);
      const revision = await this.#keep(present, about);
      this.#fault = undefined;
      return { present, revision };
    } catch (thrown) {
      this.#failed(toError(thrown));
      throw thrown;
    }
  }

  async #keep({ summary, content }: PresentFlows, about: RevisionAbout | undefined): Promise<StoredRevision> {
    const { store, logger } = this.#o;
    const hash = hashOf(content);
    const { newest } = store;
    if (newest?.hash === hash) {
      this.#current = newest;
      this.#who = undefined;
      return newest;
    }
    const who = this.#who;
    this.#who = undefined;
    this.#named = undefined;
    const { utc, known } = this.#o.time();
    const revision = await store.add(
      {
        ...(about ?? (who === undefined ? nobody(newest !== undefined) : { who: who.who, door: who.door, origin: 'deploy' })),
        ...{ time: Math.max(0, Math.round(utc)), ...(known ? {} : { estimated: true }) },
      },
      summary,
      content,
    );
    this.#current = revision;
    const { number, origin, nodes, tabs } = revision;
    logger.info(
      { part: 'flows', revision: number, who: revision.who, origin, nodes, tabs: tabs.length },
      'The flows of Node-RED changed.',
    );
    return revision;
  }

  #lookSoon(): void {
    if (this.#pending) return;
    // What waits to be tried again is tried now.
    this.#cancel?.();
    this.#pending = true;
    const { clock } = this.#o;
    const now = clock.monotonic();
    const filled = Math.floor((now - this.#filledAt) / REFILL);
    if (filled > 0) {
      this.#looks = Math.min(LOOKS, this.#looks + filled);
      this.#filledAt += filled * REFILL;
    }
    if (this.#looks > 0) {
      this.#looks--;
      this.#look();
      return;
    }
    this.held++;
    this.#cancel = clock.after(Math.max(0, this.#filledAt + REFILL - now), () => {
      this.#looks = 0;
      this.#filledAt = clock.monotonic();
      this.#look();
    });
  }

  #look(): void {
    this.exclusively(async () => {
      // A deploy from now on needs another look.
      this.#pending = false;
      const at = this.#o.address();
      if (at !== undefined) await this.look(at);
    }).catch((thrown: unknown) => {
      this.#pending = false;
      this.#failed(toError(thrown));
      if (this.#o.address() === undefined) return;
      this.#cancel?.();
      this.#cancel = this.#o.clock.after(AGAIN, () => this.#look());
    });
  }

  #failed(error: Error): void {
    if (this.#o.address() === undefined) return;
    const message = `The flows that Node-RED has now have no revision: ${error.message}.`;
    if (this.#fault === undefined) {
      this.#o.logger.warn({ part: 'flows', error: error.message }, 'The flows that Node-RED has now have no revision.');
      this.#o.tell({ event: 'flows', severity: 'warning', message, data: { what: 'revision' } });
    }
    this.#fault = message;
  }
}

/** @param before flows were seen earlier: somebody deployed others, and no request of a person was seen */
function nobody(before: boolean): RevisionAbout {
  return { who: UNKNOWN_WHO, origin: before ? 'deploy' : 'found' };
}
