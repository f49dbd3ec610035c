/**
 * What the broker keeps across restarts: sessions with their queues, and retained messages of clients. The store has the
 * messages of clients; those of the gateway are in the log, and are read from there. Invariants:
 * - a store that fails makes sessions as durable as the memory is, and is reported. What clients publish for them waits for its
 *   acknowledgement (withheld.ts), and nothing else does;
 * - nothing is written for a message that was delivered and acknowledged before its turn came.
 */
import type { Readable } from 'node:stream';
import type { BrokerChange, BrokerStore, BrokerStoreStatus } from '../../core/broker-store.ts';
import { toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { Admission, type Publication } from './admission.ts';
import { DiskWait } from './disk-wait.ts';
import type { Turns } from './lanes.ts';
import * as limits from './limits.ts';
import type { Numbers } from './live-feed.ts';
import type { OwnBacklog } from './own-backlog.ts';
import { BrokerPersistence, type Sent } from './persistence.ts';
import type { Span } from './queue.ts';
import { restore, restoreOwn } from './restore.ts';
import type { Retained } from './retained.ts';
import { type Place, SessionJournal } from './session-journal.ts';
import { Sessions, type SessionsOptions } from './sessions.ts';
import type { Publisher } from './withheld.ts';

export interface KeptOptions extends Pick<SessionsOptions, 'clock' | 'roomy' | 'onOverflow' | 'onLost'> {
  readonly root: string;
  readonly logger: Logger;
  readonly retained: Retained;
  readonly store: BrokerStore | undefined;
  readonly backlog: OwnBacklog | undefined;
  /** Whether an owner of sessions is still there. */
  readonly isOwner: (owner: string) => boolean;
  /** The lowest number of the log that waits to be published. */
  readonly waitsFrom: () => number | undefined;
  /** Who goes on in a turn of the event loop. Absent: nobody waits for one. */
  readonly turns?: Turns | undefined;
  /** A client as who waits for the acknowledgements of what it published. */
  readonly publisher: (client: object) => Publisher;
  /** Readings that a session missed and that its queue has no space for. */
  readonly onLeft: (client: string, left: Span) => void;
}

/** The disk does not keep up with what an account publishes: its client is ended. */
export const BEHIND = new Error('the disk does not keep up with what its account publishes');
/** It sends again what is not acknowledged. */
const GONE = new Error('its client is gone');

const MEMORY: BrokerStoreStatus = { state: 'memory', fault: undefined, bytes: 0, commits: 0, failures: 0, repairs: 0 };

export class Kept {
  readonly sessions: Sessions;
  readonly #o: KeptOptions;
  readonly #journal: SessionJournal;
  readonly #admission: Admission;
  /** Numbers of the gateway's own messages that are being published. */
  readonly #spans = new WeakMap<Buffer, Span>();
  #notedAway: number;
  #persistence: BrokerPersistence | undefined;

  constructor(options: KeptOptions) {
    this.#o = options;
    const { clock, store, root, retained } = options;
    this.#journal = new SessionJournal(store);
    this.#notedAway = clock.monotonic();
    this.sessions = new Sessions({
      ...{ clock, roomy: options.roomy, onOverflow: options.onOverflow, onLost: options.onLost },
      alarms: `${root}/alarm/`,
      again: `${root}/resend/`,
      journal: this.#journal,
      place: () => this.#place(),
    });
    retained.onDisplaced = (topic) => this.#journal.unretained(topic, 'later');
    this.#admission = new Admission(this.sessions, retained, this.#journal, store, clock, options.turns);
  }

  persistence(
    retained: (filters: readonly string[]) => Readable,
    granted: (client: object, topic: string) => boolean,
    sent: (client: object, packet: Sent) => void = () => {},
    holds: (client: { readonly id: string }) => boolean = () => true,
  ): BrokerPersistence {
    const { store, clock } = this.#o;
    const disk = store && new DiskWait(store, clock, limits.SUBSCRIBE_WITHIN);
    this.#persistence = new BrokerPersistence({
      ...{ sessions: this.sessions, admission: this.#admission, journal: this.#journal, retained, granted, sent, holds },
      settled: () => disk?.tried() ?? Promise.resolve(true),
      publisher: this.#o.publisher,
      span: (payload) => this.#spans.get(payload),
    });
    return this.#persistence;
  }

  /** Sessions and retained messages of the last run. */
  async open(): Promise<void> {
    const { store, retained, logger } = this.#o;
    const rows = await store?.open(() => this.#rows());
    const orphans = rows === undefined ? 0 : restore(rows, { sessions: this.sessions, retained, journal: this.#journal });
    if (orphans > 0) logger.info({ rows: orphans }, 'Rows of broker.db that belonged to no session and no message were deleted.');
    // Accounts change while no broker runs as well.
    this.sessions.endOf((owner) => !this.#o.isOwner(owner));
  }

  /** What the gateway published before now and sessions did not get. What it publishes from now on comes behind that. */
  async fill(): Promise<void> {
    const { backlog, root, clock, logger, onLeft } = this.#o;
    const to = this.#place();
    if (backlog === undefined || to === undefined) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(limits.BACKLOG_WITHIN, resolve);
    const filled = restoreOwn(this.sessions, backlog, root, to, (session, left) => onLeft(session.id, left)).catch(
      (thrown: unknown) => {
        logger.warn(
          { error: toError(thrown).message },
          'The log could not be read for the sessions of MQTT clients; what they missed before this start is in the log only.',
        );
      },
    );
    await Promise.race([filled, late]);
    cancel();
  }

  /** The numbers of what is published next with this payload. */
  mark(payload: Buffer, { first, last }: Numbers): void {
    const log = this.#o.backlog?.next().log;
    if (log !== undefined) this.#spans.set(payload, { log, first, last });
  }

  /** QoS 2 messages whose content found no space until their PUBREL. */
  get withoutContent(): number {
    return this.#persistence?.withoutContent ?? 0;
  }

  /** Messages that wait for the disk before they are acknowledged. */
  get withheld(): { readonly count: number; readonly bytes: number } {
    return this.#admission.withheld;
  }

  /**
   * A client of an account publishes. Calls back when the message may be handed on, or with why its connection ends: BEHIND, or it is over.
   * @param client absent: nobody waits for an answer
   */
  admit(packet: Publication, from: string, next: (error?: Error) => void, client?: object): void {
    const by = client === undefined ? undefined : () => this.#o.publisher(client);
    if (!this.#admission.arrives(packet, from)) next(BEHIND);
    // A repeated QoS 2 message is recognised later (incomingStorePacket).
    else if (packet.qos !== 1) next();
    else void this.#admission.take(packet, by).then((goesOn) => next(goesOn ? undefined : GONE));
  }

  sweep(): void {
    this.sessions.expire();
    const now = this.#o.clock.monotonic();
    if (now - this.#notedAway < limits.AWAY_EVERY) return;
    this.#notedAway = now;
    this.sessions.noteAway();
  }

  status(): BrokerStoreStatus {
    return this.#o.store?.status() ?? MEMORY;
  }

  async close(): Promise<void> {
    this.sessions.allAway();
    await this.#o.store?.close();
  }

  *#rows(): Generator<BrokerChange> {
    yield* this.sessions.rows();
    yield* this.#o.retained.rows();
  }

  #place(): Place | undefined {
    const next = this.#o.backlog?.next();
    const waiting = this.#o.waitsFrom();
    return next === undefined || waiting === undefined ? next : { log: next.log, seq: Math.min(next.seq, waiting) };
  }
}
