/**
 * The forwarder to an upstream MQTT broker. It owns the loop: connect, drain, wait with back-off and jitter, again; for
 * ever, whatever the broker does. Delivery itself is in ../drain.ts, what comes next is the outlet's to know.
 */
import { type Payload, payloadBytes } from '../../codecs/format.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Forwarder, ForwarderReport } from '../../core/ports.ts';
import type { Lane } from '../../store/delivery/lanes.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Outlet } from '../../store/delivery/outlet.ts';
import { type Carried, Drain, type Outcome } from '../drain.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { type Failure, failureOf, RetryPlan } from './retry-plan.ts';
import { type MqttForwarderSettings, parseBrokerUrl } from './schema.ts';

const CONNECT_TIMEOUT = 10_000;
const ACK_TIMEOUT = 15_000;
const STABLE = 10_000;
const TEND = 1000;
/** How much larger the next batch may be after one was acknowledged. */
const GROWTH = 1.1;
/** Topics that may wait to be cleared. */
const MAX_GONE = 1000;

export interface UpstreamOptions extends ForwarderContext {
  readonly name: string;
  readonly settings: MqttForwarderSettings;
  readonly ackTimeout?: number;
  /** Tests open what they like. */
  readonly connect?: (options: ConnectionOptions) => Promise<Connection>;
}

export class Upstream implements Forwarder {
  readonly name: string;
  readonly #options: UpstreamOptions;
  #attached: Outlet | undefined;
  #state: ForwarderReport['state'] = 'stopped';
  #stopping = false;
  #askStop: () => void = () => {};
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#askStop = resolve;
  });
  #loop: Promise<void> | undefined;
  #connection: Connection | undefined;
  #connecting: AbortController | undefined;
  #drain: Drain | undefined;
  #wake: (() => void) | undefined;
  #fault: string | undefined;
  /** Why the log does not give what waits. */
  readonly #unread = new Map<Carried, string>();
  #nextTry: number | undefined;
  #tending: (() => void) | undefined;
  /** Milliseconds of connection that went by without a known clock (contract, rule 8). */
  #held = 0;
  readonly #gone: Set<string>;
  /** Readings of the next batch: halved when one is not acknowledged, since a poor line may not carry it in time. */
  #size: number;
  #unacked = false;
  #last: Partial<Record<Lane, { log: number; last: number }>> = {};
  #counters = { connects: 0, published: 0, acked: 0, refused: 0, retries: 0, readings: 0, bytes: 0, violations: 0 };
  #lastAck: number | undefined;

  constructor(options: UpstreamOptions) {
    this.name = options.name;
    this.#options = options;
    this.#size = options.settings.batch.maxReadings;
    this.#gone = new Set(options.goneRules.slice(0, MAX_GONE));
  }

  attach(): void {
    const { log, name, settings, gateway } = this.#options;
    this.#attached ??= log.outlet(name, settings.from, gateway, settings.format);
  }

  get #outlet(): Outlet {
    if (this.#attached === undefined) throw new SluiceError('internal', `${this.name} is not started yet`);
    return this.#attached;
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.attach();
    this.#loop = this.#run();
    this.#tend();
  }

  /** Sends what is live, lets it be acknowledged, says goodbye, ends within `within` ms. The cursor stays. */
  async stop(within: number): Promise<void> {
    this.#stopping = true;
    this.#askStop();
    this.#tending?.();
    this.#drain?.finish();
    this.#wake?.();
    // A broker that takes the connection and never answers is not waited for.
    this.#connecting?.abort();
    const late = this.#options.clock.after(within, () => this.#connection?.destroy());
    await this.#loop;
    late();
    this.#state = 'stopped';
  }

  /** The inventory changed, rules went. What cannot be told now is told when the next connection begins. */
  republish(goneRules: readonly string[]): void {
    for (const rule of goneRules) if (this.#gone.size < MAX_GONE) this.#gone.add(rule);
    const connection = this.#connection;
    if (connection?.open) void this.#greet(connection).catch(() => connection.destroy());
  }

  get connected(): boolean {
    return this.#state === 'connected';
  }

  status(): ForwarderReport {
    return {
      name: this.name,
      type: 'mqtt',
      state: this.#state,
      url: this.#options.settings.url,
      mode: this.#outlet.live ? 'live' : 'history',
      fault: this.#fault ?? [...this.#unread.values()][0],
      nextTry: this.#nextTry,
      lastAck: this.#lastAck,
      oldestLive: this.#outlet.waiting(1).oldest,
      waiting: { data: this.#outlet.backlog('data')?.from, history: this.#outlet.backlog('history')?.from },
      counters: { ...this.#counters },
    };
  }

  async #run(): Promise<void> {
    const { clock, logger, random } = this.#options;
    const plan = new RetryPlan();
    // A new forwarder's start is in the file before anything leaves (contract, rule 9).
    await Promise.race([this.#outlet.ready(), this.#stopAsked]);
    while (!this.#stopping) {
      const begun = clock.monotonic();
      const { acked, connects } = this.#counters;
      let failure: Failure = 'lost';
      try {
        await this.#session();
      } catch (thrown) {
        const error = toError(thrown);
        if (this.#fault === undefined)
          logger.warn({ forwarder: this.name, error: error.message }, 'The upstream broker is not available; readings are kept.');
        this.#fault = error.message;
        failure = failureOf(error);
        if (failure === 'protocol') this.#counters.violations++;
      }
      this.#connection = undefined;
      if (this.#stopping) return;
      if (this.#unacked) this.#size = Math.max(1, Math.floor(this.#size / 2));
      this.#unacked = false;
      // A connection that carried something, or lasted, was a good one: the next wait is short again.
      const lasted = this.#counters.connects > connects && clock.monotonic() - begun > STABLE;
      const good = this.#counters.acked > acked || lasted;
      if (good && failure !== 'protocol') plan.succeeded();
      this.#state = 'waiting';
      const pause = plan.next(failure, random());
      this.#nextTry = clock.monotonic() + pause;
      await this.#pause(pause);
      this.#nextTry = undefined;
    }
  }

  /** One connection from CONNECT to its end. @throws what ended it, unless it was asked to end */
  async #session(): Promise<void> {
    const { settings, clock, logger, gateway, log } = this.#options;
    const address = parseBrokerUrl(settings.url);
    if ('wrong' in address) throw new SluiceError('internal', address.wrong);
    this.#state = 'connecting';
    // The client is heavy: nobody loads it who only looks at the configuration.
    const connect = this.#options.connect ?? (await import('./connection.ts')).Connection.open;
    if (this.#stopping) return;
    this.#connecting = new AbortController();
    const connection = await connect({
      ...address,
      clientId: settings.clientId ?? `sluice-${gateway}-${this.name}`,
      username: settings.username,
      password: settings.password?.reveal(),
      will: { topic: `${this.#root}/status`, payload: '{"v":1,"online":false}' },
      connectTimeout: CONNECT_TIMEOUT,
      ackTimeout: this.#options.ackTimeout ?? ACK_TIMEOUT,
      clock,
      signal: this.#connecting.signal,
    });
    this.#connecting = undefined;
    this.#connection = connection;
    if (this.#stopping) {
      await connection.end(500);
      return;
    }
    await this.#greet(connection);
    this.#counters.connects++;
    this.#state = 'connected';
    if (this.#fault !== undefined)
      logger.info({ forwarder: this.name, after: this.#fault }, 'The upstream broker is available again.');
    else logger.info({ forwarder: this.name }, 'Connected to the upstream broker.');
    this.#fault = undefined;
    const drain = new Drain(
      {
        log,
        outlet: this.#outlet,
        maxReadings: () => this.#size,
        maxAge: settings.batch.maxAge,
        clock,
        hold: () => !this.#options.clockKnown() && this.#held < this.#options.clockHold(),
        refused: (what, error) => this.#refused(what, error),
        unread: (of, error) => this.#cannotRead(of, error),
        sent: (batch) => this.#sent(batch),
        delivered: (batch) => this.#delivered(batch),
      },
      {
        batch: async ({ lane, messages }) => {
          for (const { payload } of messages) {
            const outcome = await this.#deliver(connection, `${this.#root}/${lane}`, payload, false);
            if (outcome !== 'accept') return outcome;
          }
          return 'accept';
        },
        channel: (notice) => this.#topicOf(notice),
        notice: (notice) => {
          const retain = notice.kind === 'alarm' && this.#options.hasRule(notice.key);
          return this.#deliver(connection, this.#topicOf(notice), notice.json, retain);
        },
      },
    );
    this.#drain = drain;
    void connection.closed.then(() => drain.end());
    try {
      if (!this.#stopping) await drain.run();
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    } finally {
      this.#drain = undefined;
    }
    if (!this.#stopping)
      throw (await connection.closed) ?? new SluiceError('upstream-connect', 'the broker closed the connection');
    if (connection.open) {
      await connection.publish(`${this.#root}/status`, '{"v":1,"online":false}', true).catch(() => undefined);
      await connection.end(1000);
    }
  }

  get #root(): string {
    return `sluice/${this.#options.gateway}`;
  }

  #topicOf({ kind, key }: OutNotice): string {
    return kind === 'alarm' ? `${this.#root}/alarm/${key}` : `${this.#root}/event`;
  }

  async #deliver(connection: Connection, topic: string, payload: Payload, retain: boolean): Promise<Outcome> {
    try {
      await connection.publish(topic, payload, retain);
      return 'accept';
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || thrown.code !== 'upstream-refused') throw thrown;
      return { reject: thrown };
    }
  }

  async #greet(connection: Connection): Promise<void> {
    await connection.publish(`${this.#root}/status`, this.#options.status(), true);
    await connection.publish(`${this.#root}/inventory`, this.#options.inventory(), true);
    for (const rule of this.#gone) {
      if (!this.#options.hasRule(rule)) await connection.publish(`${this.#root}/alarm/${rule}`, '', true);
      this.#gone.delete(rule);
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
    // Slowly up again: where the limit is the broker's, each try beyond it costs a connection.
    this.#size = Math.min(Math.ceil(this.#size * GROWTH), this.#options.settings.batch.maxReadings);
    this.#counters.acked++;
    this.#counters.readings += batch.readings;
    this.#counters.bytes += payloadBytes(batch.messages);
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
      'The upstream broker refused a message for good; it is passed over.',
    );
    this.#options.event('refused', `The broker of ${this.name} refused a message for good; it was passed over.`, {
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
        'The log cannot be read; what waits in it is asked for again.',
      );
    this.#unread.set(of, error.message);
  }

  #tend(): void {
    const { clock, logger } = this.#options;
    this.#tending = clock.after(TEND, () => {
      if (this.#state === 'connected' && !this.#options.clockKnown()) this.#held += TEND;
      const change = this.#outlet.tend(this.#state === 'connected', clock.monotonic(), this.#options.settings.batch.maxAge);
      if (change === 'lag') logger.info({ forwarder: this.name }, 'Live delivery lags; readings from now on go to history.');
      else if (change === 'resume') logger.info({ forwarder: this.name }, 'Readings are live again.');
      this.#tend();
    });
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#options.clock.after(ms, wake);
      this.#wake = wake;
    });
  }
}
