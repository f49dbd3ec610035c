/**
 * The broker inside the gateway: current readings, latest values, alarms and events for all connected clients. Invariants:
 * - a client without an account subscribes and nothing else; topic-rules.ts says what the others may;
 * - no client, however slow or hostile, holds up another or makes memory grow past the bounds of limits.ts;
 * - it has no cursor: messages that a slow or absent subscriber misses are counted, reported, and still in the log;
 * - it never holds up the caller: every call of LiveSink returns at once;
 * - an address in use is tried again for ever; the gateway goes on without.
 */
import type { Aedes, Client } from 'aedes';
import { type ListenAddress, Listener } from '../../access/doors/listener.ts';
import { noticeJson } from '../../codecs/notice-json.ts';
import { toError } from '../../core/errors.ts';
import type { LogRecord, Sample } from '../../core/point.ts';
import type { Inventory, LiveSink, NoticeMessage } from '../../core/ports.ts';
import { EventQuota } from '../../core/quota.ts';
import { Audience } from './audience.ts';
import type { EmbeddedBrokerOptions, EmbeddedBrokerStatus } from './broker-types.ts';
import { Clients, guardOf } from './clients.ts';
import type { BrokerSide } from './device-door.ts';
import { Kept } from './kept.ts';
import * as limits from './limits.ts';
import { LiveFeed, type Numbers } from './live-feed.ts';
import { makeAedes } from './make-aedes.ts';
import { Replays } from './replays.ts';
import { Retained } from './retained.ts';
import { SlowClients } from './slow-clients.ts';
import { type SystemCounts, SystemTopics } from './system-topics.ts';
import { Traffic } from './traffic.ts';

interface Published {
  /** The numbers of its records in the log. */
  readonly numbers?: Numbers | undefined;
  readonly done?: (() => void) | undefined;
}

const TOO_MUCH = 'more messages wait for it than are kept; the oldest are left out here and remain in the log';

export class EmbeddedBroker implements LiveSink {
  readonly #o: EmbeddedBrokerOptions;
  readonly #audience = new Audience();
  readonly #kept: Kept;
  readonly #retained: Retained;
  readonly #feed: LiveFeed;
  readonly #slow: SlowClients;
  readonly #listeners: readonly Listener[];
  readonly #events: EventQuota;
  readonly #clients: Clients;
  readonly #replays: Replays<Client>;
  readonly #traffic: Traffic;
  readonly #system: SystemTopics;
  readonly #devices: BrokerSide;
  #running = false;
  #fault: string | undefined;
  #aedes: Aedes | undefined;
  #starting: Promise<void> | undefined;
  #cancelSweep: (() => void) | undefined;
  #endRevoked: (() => void) | undefined;
  #inFlight = 0;
  #published = 0;
  #busy = 0;

  constructor(options: EmbeddedBrokerOptions) {
    this.#o = options;
    const { root, clock, latest, encodeBatch, logger } = options;
    this.#retained = new Retained(root, latest);
    this.#events = new EventQuota({ clock, tell: options.onEvent });
    this.#replays = new Replays(
      this.#retained,
      (client) => ({
        over: () => client.closed,
        granted: (filter) => this.#audience.granted(client, filter),
        roomy: () => guardOf(client).roomy(),
      }),
      () => new Promise((resolve) => this.#clients.turnstile.later(resolve)),
    );
    this.#devices = {
      kept: (filters) => this.#retained.matching(filters),
      publish: (topic, payload) => {
        if (!this.#audience.wants(topic)) return false;
        // QoS 0: no session keeps it for a client that is away.
        this.#publish(topic, payload, 0);
        return true;
      },
    };
    this.#listeners = options.listen.slice(0, limits.MAX_LISTENERS).map(
      (listen) =>
        new Listener({
          ...{ listen, logger, clock, who: 'The embedded broker', key: 'broker.listen' },
          ...{ maxSockets: limits.MAX_SOCKETS, asksCertificate: true },
          onListen: (fault) => options.onListen?.(listen, fault),
          connected: (socket) => {
            const aedes = this.#aedes;
            if (aedes === undefined || !this.#running) socket.destroy();
            else this.#clients.connected(socket, (guard) => aedes.handle(guard));
          },
        }),
    );
    this.#kept = new Kept({
      ...{ clock, root, logger, retained: this.#retained, store: options.store, backlog: options.backlog },
      isOwner: (owner) => options.access?.has(owner) ?? true,
      roomy: (id) => this.#clients.roomy(id),
      publisher: (client) => this.#clients.publisher(client as Client),
      waitsFrom: () => this.#feed.waitsFrom,
      turns: { enter: () => this.#clients.turnstile.enter(), later: (run) => this.#clients.turnstile.later(run) },
      onOverflow: (client) => this.#report('overflow', client, TOO_MUCH),
      onLeft: (client, { log, first, last }) => this.#report('overflow', client, TOO_MUCH, { log, first, last }),
      onLost: (client, messages, why) =>
        this.#report(why, client, `its session ${why === 'expired' ? 'was not used for a day' : 'made room for a new one'}`, {
          messages,
        }),
    });
    this.#clients = new Clients({
      ...{ clock, logger, audience: this.#audience, sessions: this.#kept.sessions, root, access: options.access },
      maxPacket: options.maxPacket,
      relieved: (client) => this.#slow.relieved(client),
    });
    this.#slow = new SlowClients({ root, latest, logger, retained: this.#retained, sessions: this.#kept.sessions });
    this.#traffic = new Traffic({
      devices: options.devices,
      ...{ root, clients: this.#clients, audience: this.#audience, kept: this.#kept, slow: this.#slow, command: options.command },
      publish: (topic, json) => new Promise((done) => this.#publish(topic, json, 1, { done })),
    });
    this.#system = new SystemTopics({
      clock,
      counts: () => this.#counts(),
      wanted: () => this.#audience.wantsSystem,
      publish: (topic, text) => this.#publish(topic, text, 0),
    });
    this.#retained.system = this.#system;
    this.#feed = new LiveFeed({
      ...{ root, clock, latest, encodeBatch },
      retained: this.#retained,
      listens: (topic) => this.#audience.wants(topic),
      keeps: (topic) => this.#kept.sessions.wants(topic),
      revision: () => this.#audience.revision + this.#kept.sessions.revision,
      ready: () =>
        this.#inFlight < Math.min(limits.MAX_IN_FLIGHT, Math.max(1, limits.MAX_DELIVERIES / Math.max(1, this.#audience.size))),
      atOnce: () => Math.max(1, Math.floor(limits.DELIVERIES_PER_TURN / Math.max(1, this.#audience.size))),
      nextTurn: (run) => this.#clients.turnstile.later(run),
      publish: (topic, payload, qos, numbers) => this.#publish(topic, payload, qos, { numbers }),
    });
  }

  /** Returns at once; listens in the background and keeps trying. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#endRevoked = this.#o.access?.onRevoked((owner) => this.#clients.revoked(owner));
    this.#setStatus(true);
    this.#starting = this.#createBroker();
    this.#sweep();
    this.#system.start();
  }

  /** Resolves when each of its addresses is open or has a fault. */
  async tried(): Promise<void> {
    await this.#starting;
    if (this.#running && this.#fault === undefined) await Promise.all(this.#listeners.map((listener) => listener.tried));
  }

  /** Its addresses that are not open. */
  get notOpen(): readonly ListenAddress[] {
    return this.#o.listen.filter((_, i) => this.#listeners[i]?.address === undefined);
  }

  /** Says goodbye on `…/status`, closes every connection and frees the address, within STOP_WITHIN. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#o.devices?.closed(this.#devices);
    this.#cancelSweep?.();
    this.#system.stop();
    this.#endRevoked?.();
    this.#feed.stop();
    this.#events.flush();
    await this.#starting;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#o.clock.after(limits.STOP_WITHIN, resolve);
    const aedes = this.#aedes;
    if (aedes !== undefined) {
      const gone = new Promise<void>((done) => this.#setStatus(false, done));
      await Promise.race([gone, late]);
      await Promise.race([new Promise<void>((done) => aedes.close(done)), late]);
    }
    cancel();
    this.#clients.end();
    this.#aedes = undefined;
    await Promise.all([...this.#listeners.map((listener) => listener.stop()), this.#kept.close()]);
  }

  sample(sample: Sample, record: LogRecord | undefined, more?: readonly LogRecord[]): void {
    if (this.#aedes !== undefined) this.#feed.sample(sample, record, more);
  }

  notice(notice: NoticeMessage): void {
    const topic = notice.kind === 'alarm' ? `${this.#o.root}/alarm/${notice.key}` : `${this.#o.root}/event`;
    const json = noticeJson(notice.kind, notice.json);
    if (notice.kind === 'alarm') this.#retained.set(topic, json);
    this.#publish(topic, json, 1, notice.unnumbered !== true ? { numbers: { first: notice.seq, last: notice.seq } } : {});
  }

  /** A message of a rule. @param topic below the root @returns false: it cannot be taken now */
  act(topic: string, payload: string): boolean {
    if (this.#aedes === undefined || this.#inFlight >= limits.MAX_IN_FLIGHT) return false;
    this.#publish(`${this.#o.root}/${topic}`, payload, 1);
    return true;
  }

  inventory(inventory: Inventory): void {
    for (const topic of this.#retained.inventory(inventory)) this.#publish(topic, '', 0);
    this.#retain(`${this.#o.root}/inventory`, JSON.stringify(inventory));
  }

  /** The rules that exist now: retained alarms of all others are cleared. Call it after a reload. */
  rules(names: Iterable<string>): void {
    const prefix = `${this.#o.root}/alarm/`;
    const known = new Set(Array.from(names, (name) => prefix + name));
    for (const topic of [...this.#retained.topics()]) if (topic.startsWith(prefix) && !known.has(topic)) this.#retain(topic, '');
  }

  status(): EmbeddedBrokerStatus {
    const address = this.#listeners.find((one) => one.address !== undefined)?.address;
    const backlog = this.#listeners.reduce((sum, one) => sum + one.dropped, 0);
    const { ended } = this.#kept.sessions;
    const { pushedOut } = this.#kept.sessions.queues;
    const { withheld } = this.#kept;
    return {
      state: !this.#running ? 'stopped' : address === undefined ? 'waiting' : 'listening',
      fault: this.#fault ?? this.#listeners.find(({ fault }) => fault !== undefined)?.fault,
      address,
      listeners: this.#listeners.map((one, i) => {
        const { host, port } = one.address ?? (this.#o.listen[i] as ListenAddress);
        return { host, port, tls: one.tls, ...(one.fault === undefined ? {} : { fault: one.fault }) };
      }),
      clients: this.#aedes?.connectedClients ?? 0,
      sessions: this.#kept.sessions.count,
      queuedMessages: this.#kept.sessions.queues.messages,
      queuedBytes: this.#kept.sessions.queues.bytes,
      ...{ retained: this.#retained.count, retainedBytes: this.#retained.bytes },
      store: this.#kept.status(),
      ...{ withheldMessages: withheld.count, withheldBytes: withheld.bytes },
      unsentBytes: this.#clients.unsentBytes,
      partialBytes: this.#clients.partialBytes,
      published: this.#published,
      dropped: {
        ...{ sessions: pushedOut.queue, 'account-queues': pushedOut.share, 'all-queues': pushedOut.total },
        ...{ slow: this.#slow.dropped, busy: this.#busy + this.#feed.dropped },
        ...{ retained: this.#retained.refused, 'all-retained': this.#retained.displaced },
        ...{ incoming: this.#kept.withoutContent, exchange: this.#o.devices?.unheard ?? 0 },
      },
      refused: { ...this.#clients.refused, backlog },
      reached: {
        ...{ ...this.#audience.denied, expired: ended.expired, lingering: this.#clients.notLingered },
        ...{ 'account-sessions': ended.share, 'all-sessions': ended.total },
      },
    };
  }

  #counts(): SystemCounts {
    const away = [...this.#kept.sessions.all()].filter(({ awaySince }) => awaySince !== undefined);
    return {
      ...{ connected: this.#aedes?.connectedClients ?? 0, away: away.length, retained: this.#retained.all },
      ...{ received: this.#traffic.received, sent: this.#traffic.sentMessages },
      subscriptions: this.#audience.size + away.reduce((sum, { filters }) => sum + filters.size, 0),
    };
  }

  #setStatus(online: boolean, done?: () => void): void {
    const { boot, version } = this.#o.identity;
    const status = online ? { v: 1, online, time: this.#o.now(), boot, version } : { v: 1, online };
    this.#retain(`${this.#o.root}/status`, JSON.stringify(status), done);
  }

  #retain(topic: string, json: string, done?: () => void): void {
    this.#retained.set(topic, json);
    this.#publish(topic, json, 1, { done });
  }

  /** The retain flag stays off: `Retained` answers new subscribers, and live messages do not carry it. */
  #publish(topic: string, payload: string | Uint8Array, qos: 0 | 1, { numbers, done }: Published = {}): void {
    const aedes = this.#aedes;
    if (aedes === undefined || this.#inFlight >= 2 * limits.MAX_IN_FLIGHT) {
      if (aedes !== undefined) this.#busy++;
      done?.();
      return;
    }
    this.#inFlight++;
    this.#published++;
    const bytes =
      typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (numbers !== undefined) this.#kept.mark(bytes, numbers);
    aedes.publish({ cmd: 'publish', topic, payload: bytes, qos, dup: false, retain: false }, () => {
      this.#inFlight--;
      done?.();
    });
  }

  #report(kind: string, client: string, what: string, data: Readonly<Record<string, string | number>> = {}): void {
    // The name was chosen by the client: shortened, and JSON escapes the rest.
    const name = client.slice(0, 64);
    this.#events.tell(kind, {
      event: 'overload',
      severity: 'warning',
      message: `MQTT subscriber ${JSON.stringify(name)}: ${what}`,
      data: { client: name, ...data },
    });
  }

  async #createBroker(): Promise<void> {
    try {
      const aedes = await makeAedes({
        ...{ audience: this.#audience, clients: this.#clients, kept: this.#kept, replays: this.#replays, traffic: this.#traffic },
      });
      await this.#kept.open();
      this.#aedes = aedes;
      // Before anybody is there: what is published meanwhile comes behind what was before.
      await this.#kept.fill();
      if (!this.#running) return;
      this.#o.devices?.opened(this.#devices);
      for (const listener of this.#listeners) listener.start();
    } catch (thrown) {
      this.#fault = toError(thrown).message;
      this.#o.logger.error({ error: toError(thrown) }, 'The embedded broker cannot start; the gateway continues without it.');
    }
  }

  #sweep(): void {
    this.#cancelSweep = this.#o.clock.after(limits.SESSION_SWEEP, () => {
      this.#kept.sweep();
      this.#sweep();
    });
  }
}
