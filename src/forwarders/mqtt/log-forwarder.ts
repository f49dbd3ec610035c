/**
 * A forwarder with a cursor: what comes next is the outlet's to know, delivery is in ../drain.ts, topics and payloads are
 * the dialect's, the connection and its return are in link.ts. Here they are put together, and counted.
 */
import { SluiceError } from '../../core/errors.ts';
import type { Forwarder, ForwarderReport } from '../../core/ports.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Outlet } from '../../store/delivery/outlet.ts';
import type { Lane } from '../../store/files/lane-state.ts';
import { type Carried, Drain, type DrainTarget } from '../drain.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { Connection } from './connection.ts';
import type { Courier } from './courier.ts';
import type { LogDialect, LogSpeaker, OutMessage } from './dialect.ts';
import { dialectContext, Link, type LinkOptions, type LinkWork } from './link.ts';

const TEND = 1000;
/** How much larger the next batch may be after one was acknowledged. */
const GROWTH = 1.1;

export interface LogForwarderOptions extends ForwarderContext, LinkOptions {
  readonly dialect: LogDialect;
}

export class LogForwarder implements Forwarder, LinkWork {
  readonly name: string;
  readonly #options: LogForwarderOptions;
  #parts: { readonly speaker: LogSpeaker; readonly outlet: Outlet; readonly link: Link } | undefined;
  #drain: Drain | undefined;
  /** Why the log does not give what waits. */
  readonly #unread = new Map<Carried, string>();
  #tending: (() => void) | undefined;
  /** Milliseconds of connection that went by without a known clock (contract, rule 8). */
  #held = 0;
  /** Readings of the next batch: halved when one is not acknowledged, since a poor line may not carry it in time. */
  #size: number;
  #unacked = false;
  #carried = false;
  /** Bytes that the last batch of each lane was on the wire. */
  readonly #bytes: Record<Lane, number> = { data: 0, history: 0 };
  #last: Partial<Record<Lane, { log: number; last: number }>> = {};
  #counters = { published: 0, acked: 0, refused: 0, retries: 0, readings: 0, bytes: 0 };
  #lastAck: number | undefined;

  constructor(options: LogForwarderOptions) {
    this.name = options.name;
    this.#options = options;
    this.#size = options.settings.batch.maxReadings;
  }

  /** Here and not before: a predecessor of the same name may have changed until now what is kept under it. */
  attach(): void {
    if (this.#parts !== undefined) return;
    const { name, settings, log, gateway, dialect } = this.#options;
    const speaker = dialect.create(dialectContext(this.#options, (message) => this.#link.say(message)));
    const outlet = log.outlet(name, settings.from, gateway, dialect.format.name, speaker.formatOptions);
    this.#parts = { speaker, outlet, link: new Link(this.#options, speaker, this) };
  }

  get #attached() {
    if (this.#parts === undefined) throw new SluiceError('internal', `${this.name} is not started yet`);
    return this.#parts;
  }
  get #speaker(): LogSpeaker {
    return this.#attached.speaker;
  }
  get #outlet(): Outlet {
    return this.#attached.outlet;
  }
  get #link(): Link {
    return this.#attached.link;
  }

  start(): void {
    if (this.#tending !== undefined) return;
    this.attach();
    this.#link.start();
    this.#tend();
  }

  /** Sends what is live, lets it be acknowledged, says goodbye, ends within `within` ms. The cursor stays. */
  async stop(within: number): Promise<void> {
    this.#tending?.();
    await this.#parts?.link.stop(within);
  }

  /** The inventory changed, rules went. What cannot be said now is said when the next connection begins. */
  republish(goneRules: readonly string[]): void {
    this.#parts?.speaker.changed?.(goneRules);
    this.#parts?.link.greet();
  }

  get connected(): boolean {
    return this.#parts?.link.state === 'connected';
  }

  status(): ForwarderReport {
    const { state, fault, nextTry, connects, violations } = this.#link;
    const live = this.#outlet.waiting(Number.MAX_SAFE_INTEGER);
    return {
      ...{ name: this.name, type: 'mqtt', state, nextTry, url: this.#options.settings.url },
      mode: this.#outlet.live ? 'live' : 'history',
      fault: fault ?? [...this.#unread.values()][0],
      lastAck: this.#lastAck,
      oldestLive: live.oldest,
      liveReadings: live.readings,
      waiting: { data: this.#outlet.backlog('data')?.from, history: this.#outlet.backlog('history')?.from },
      counters: { ...this.#counters, connects, violations },
    };
  }

  // The link calls the following.

  /** A new forwarder's start is in the file before anything leaves (contract, rule 9). */
  ready(): Promise<void> {
    return this.#outlet.ready();
  }

  async run(courier: Courier, connection: Connection): Promise<void> {
    const { settings, clock, log, clockKnown, clockHold } = this.#options;
    const drain = new Drain(
      {
        ...{ log, clock, outlet: this.#outlet, maxAge: settings.batch.maxAge },
        maxReadings: () => this.#size,
        hold: () => (!clockKnown() && this.#held < clockHold()) || this.#speaker.holds?.() === true,
        refused: (what, error) => this.#refused(what, error),
        unread: (of, error) => this.#cannotRead(of, error),
        sent: (batch) => this.#sent(batch),
        delivered: (batch) => this.#delivered(batch),
      },
      this.#target(courier),
    );
    this.#drain = drain;
    void connection.closed.then(() => drain.end());
    try {
      if (!this.#link.stopping) await drain.run();
    } finally {
      this.#drain = undefined;
    }
  }

  finish(): void {
    this.#drain?.finish();
  }

  over(): boolean {
    if (this.#unacked) this.#size = Math.max(1, Math.floor(this.#size / 2));
    this.#unacked = false;
    const carried = this.#carried;
    this.#carried = false;
    return carried;
  }

  #target(courier: Courier): DrainTarget {
    const speaker = this.#speaker;
    return {
      batch: async (batch) => {
        const outcome = await courier.deliver(this.#counted(batch));
        return outcome === 'accept' && speaker.outcome !== undefined ? speaker.outcome(batch) : outcome;
      },
      channel: (notice) => speaker.channel(notice),
      notice: (notice) => courier.deliver(speaker.notice(notice)),
    };
  }

  *#counted(batch: OutBatch): Generator<OutMessage> {
    this.#bytes[batch.lane] = 0;
    for (const message of this.#speaker.batch(batch)) {
      this.#bytes[batch.lane] += Buffer.byteLength(message.payload);
      yield message;
    }
  }

  #sent(batch: OutBatch): void {
    const before = this.#last[batch.lane];
    if (before?.log === batch.log && batch.first <= before.last) this.#counters.retries++;
    this.#last[batch.lane] = { log: batch.log, last: batch.last };
    this.#counters.published++;
    this.#unacked = true;
  }

  #delivered(batch: OutBatch): void {
    this.#unacked = false;
    this.#carried = true;
    // Slowly up again: where the limit is the broker's, each try beyond it costs a connection.
    this.#size = Math.min(Math.ceil(this.#size * GROWTH), this.#options.settings.batch.maxReadings);
    this.#counters.acked++;
    this.#counters.readings += batch.readings;
    this.#counters.bytes += this.#bytes[batch.lane];
    this.#lastAck = this.#options.clock.monotonic();
  }

  #refused(what: OutBatch | OutNotice, error: SluiceError): void {
    this.#counters.refused++;
    const range =
      'lane' in what
        ? { lane: what.lane, first: what.first, last: what.last, readings: what.readings }
        : { kind: what.kind, key: what.key, seq: what.seq };
    this.#options.logger.error(
      { forwarder: this.name, ...range, error: error.message },
      'The upstream broker refused a message for good; the gateway skips it.',
    );
    this.#options.event('refused', `The broker of ${this.name} refused a message for good; the gateway skipped it.`, {
      forwarder: this.name,
      ...range,
    });
  }

  #cannotRead(of: Carried, error: SluiceError | undefined): void {
    const { logger } = this.#options;
    if (error === undefined) {
      if (this.#unread.delete(of) && this.#unread.size === 0) logger.info({ forwarder: this.name }, 'The log can be read again.');
      return;
    }
    if (this.#unread.size === 0)
      logger.error(
        { forwarder: this.name, error: error.message },
        'The log cannot be read; the gateway asks again for what waits.',
      );
    this.#unread.set(of, error.message);
  }

  #tend(): void {
    const { clock, logger, settings, clockKnown } = this.#options;
    this.#tending = clock.after(TEND, () => {
      if (this.connected && !clockKnown()) this.#held += TEND;
      const change = this.#outlet.tend(this.connected, clock.monotonic(), settings.batch.maxAge);
      if (change === 'lag') logger.info({ forwarder: this.name }, 'Live delivery is late; readings from now on go to history.');
      else if (change === 'resume') logger.info({ forwarder: this.name }, 'Readings are live again.');
      this.#tend();
    });
  }
}
