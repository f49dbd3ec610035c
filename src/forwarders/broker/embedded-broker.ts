/**
 * The broker inside the gateway: current readings, latest values, alarms and events for whoever is connected. Invariants:
 * - clients subscribe and nothing else: what they publish, their wills and `$` topics are refused or ignored;
 * - no client, however slow or hostile, holds up another or makes memory grow past the bounds of limits.ts;
 * - it has no cursor: what a slow or absent subscriber misses is counted, told, and still in the log;
 * - it never holds up the caller: every call of LiveSink returns at once;
 * - an address in use is tried again for ever; the gateway goes on without.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Aedes, AedesPublishPacket, AuthenticateError, Client } from 'aedes';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import { listenFault } from '../../core/listen-fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { LogRecord, Sample } from '../../core/point.ts';
import type { GatewayEvent, Inventory, LatestValues, LiveSink, NoticeMessage } from '../../core/ports.ts';
import { encodeNumbersOnDemand } from '../patches/mqtt-packet.ts';
import { Audience } from './audience.ts';
import { FrameGuard } from './frame-guard.ts';
import * as limits from './limits.ts';
import { type EncodeBatch, LiveFeed } from './live-feed.ts';
import { BrokerPersistence } from './persistence.ts';
import { Retained } from './retained.ts';
import { Sessions } from './sessions.ts';
import { SlowClients } from './slow-clients.ts';

export interface EmbeddedBrokerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** `sluice/<gateway>`, without a slash at the end. */
  readonly root: string;
  /** What `…/status` says. */
  readonly identity: { readonly boot: string; readonly version: string };
  readonly logger: Logger;
  readonly clock: Clock;
  /** UTC ms as the gateway knows it. */
  readonly now: () => number;
  readonly latest: LatestValues;
  /** Builds the payload of one `data` message; called only when somebody listens. */
  readonly encodeBatch: EncodeBatch;
  /** Takes what an operator should know (`overload`). It may end in `notice` of this broker. */
  readonly onEvent: (event: GatewayEvent) => void;
  /** It cannot have its address, with the words for it; undefined: it has got it. Once each. */
  readonly onListen?: (fault: string | undefined) => void;
}

export interface EmbeddedBrokerStatus {
  readonly state: 'stopped' | 'waiting' | 'listening';
  /** Why it waits. */
  readonly fault?: string | undefined;
  readonly address?: { readonly host: string; readonly port: number } | undefined;
  readonly clients: number;
  readonly sessions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Bytes that wait for connected clients, outside the queues of sessions. */
  readonly unsentBytes: number;
  /** Messages handed to the broker since the start. */
  readonly published: number;
  /** Messages that a subscriber did not get: its queue was full; it was too slow; the broker was too busy. */
  readonly dropped: { readonly sessions: number; readonly slow: number; readonly busy: number };
  /** Connections closed because there were too many, and those that broke a rule. */
  readonly refused: { readonly connections: number; readonly clients: number };
}

export class EmbeddedBroker implements LiveSink {
  readonly #o: EmbeddedBrokerOptions;
  readonly #audience = new Audience();
  readonly #sessions: Sessions;
  readonly #retained: Retained;
  readonly #feed: LiveFeed;
  readonly #slow: SlowClients;
  readonly #guards = new Set<FrameGuard>();
  /** The client that holds a client id now; an older one of the same id may still be closing. */
  readonly #current = new Map<string, Client>();
  /** CONNECTs that are refused with `identifier rejected` (MQTT-3.1.3-8). */
  readonly #unnamed = new WeakSet<Client>();
  #state: EmbeddedBrokerStatus['state'] = 'stopped';
  #fault: string | undefined;
  #aedes: Aedes | undefined;
  #server: Server | undefined;
  #starting: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #cancelSweep: (() => void) | undefined;
  #retryIn = limits.LISTEN_RETRY_MIN;
  #inFlight = 0;
  #published = 0;
  #busy = 0;
  #refusedConnections = 0;
  #refusedClients = 0;

  constructor(options: EmbeddedBrokerOptions) {
    this.#o = options;
    const { root, clock, latest, encodeBatch, logger } = options;
    this.#retained = new Retained(root, latest);
    this.#sessions = new Sessions({
      clock,
      alarms: `${root}/alarm/`,
      onOverflow: (client) =>
        this.#tell(client, 'more messages wait for it than are kept; the oldest are left out here and remain in the log'),
      onLost: (client, messages, why) =>
        this.#tell(client, `its session ${why === 'expired' ? 'was not used for a day' : 'made room for a new one'}`, messages),
    });
    this.#slow = new SlowClients({ root, latest, logger, retained: this.#retained, sessions: this.#sessions });
    this.#feed = new LiveFeed({
      ...{ root, clock, latest, encodeBatch },
      retained: this.#retained,
      listens: (topic) => this.#audience.wants(topic),
      keeps: (topic) => this.#sessions.wants(topic),
      revision: () => this.#audience.revision + this.#sessions.revision,
      ready: () => this.#inFlight < limits.MAX_IN_FLIGHT,
      publish: (topic, payload, qos) => this.#publish(topic, payload, qos),
    });
  }

  /** Returns at once; listens in the background and keeps trying. */
  start(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'waiting';
    this.#retryIn = limits.LISTEN_RETRY_MIN;
    this.#setStatus(true);
    this.#starting = this.#createBroker();
    this.#sweep();
  }

  /** Says goodbye on `…/status`, closes every connection and frees the address, within STOP_WITHIN. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#cancelRetry?.();
    this.#cancelSweep?.();
    this.#feed.stop();
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
    for (const guard of this.#guards) guard.destroy();
    this.#aedes = undefined;
    const server = this.#server;
    this.#server = undefined;
    if (server?.listening === true) await new Promise((done) => server.close(done));
  }

  sample(sample: Sample, record: LogRecord | undefined): void {
    if (this.#aedes !== undefined) this.#feed.sample(sample, record);
  }

  notice(notice: NoticeMessage): void {
    const topic = notice.kind === 'alarm' ? `${this.#o.root}/alarm/${notice.key}` : `${this.#o.root}/event`;
    if (notice.kind === 'alarm') this.#retained.set(topic, notice.json);
    this.#publish(topic, notice.json, 1);
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
    const address = this.#server?.address();
    return {
      state: this.#state,
      fault: this.#fault,
      address: typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : undefined,
      clients: this.#aedes?.connectedClients ?? 0,
      sessions: this.#sessions.count,
      queuedMessages: this.#sessions.queuedMessages,
      queuedBytes: this.#sessions.queuedBytes,
      unsentBytes: this.#guards.values().reduce((sum, guard) => sum + guard.writableLength, 0),
      published: this.#published,
      dropped: { sessions: this.#sessions.dropped, slow: this.#slow.dropped, busy: this.#busy + this.#feed.dropped },
      refused: { connections: this.#refusedConnections, clients: this.#refusedClients },
    };
  }

  #setStatus(online: boolean, done?: () => void): void {
    const { boot, version } = this.#o.identity;
    const status = online ? { v: 1, online, time: this.#o.now(), boot, version } : { v: 1, online };
    this.#retain(`${this.#o.root}/status`, JSON.stringify(status), done);
  }

  #retain(topic: string, json: string, done?: () => void): void {
    this.#retained.set(topic, json);
    this.#publish(topic, json, 1, done);
  }

  /** The retain flag stays off: `Retained` answers new subscribers, and live messages do not carry it. */
  #publish(topic: string, payload: string | Uint8Array, qos: 0 | 1, done?: () => void): void {
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
    aedes.publish({ cmd: 'publish', topic, payload: bytes, qos, dup: false, retain: false }, () => {
      this.#inFlight--;
      done?.();
    });
  }

  #tell(client: string, what: string, messages?: number): void {
    // The name was chosen by the client: shortened, and JSON escapes the rest.
    const name = client.slice(0, 64);
    this.#o.onEvent({
      event: 'overload',
      severity: 'warning',
      message: `MQTT subscriber ${JSON.stringify(name)}: ${what}`,
      data: { client: name, ...(messages === undefined ? {} : { messages }) },
    });
  }

  async #createBroker(): Promise<void> {
    try {
      // Here and not at the top: a gateway without an embedded broker does not pay for it.
      const { Aedes } = await import('aedes');
      encodeNumbersOnDemand();
      const aedes = await Aedes.createBroker({
        persistence: new BrokerPersistence(this.#sessions, this.#retained, (client, topic) =>
          this.#audience.granted(client, topic),
        ),
        concurrency: 2 * limits.MAX_IN_FLIGHT,
        // Only clusters need heartbeats; aedes quadruples it, and timers end at 2^31 ms.
        heartbeatInterval: 2 ** 29 - 1,
        connectTimeout: limits.CONNECT_TIMEOUT,
        drainTimeout: limits.DRAIN_TIMEOUT,
        queueLimit: limits.MAX_QUEUED_BEFORE_CONNECT,
        maxTopicLevels: limits.MAX_LEVELS,
        preConnect: (client, packet, next) => {
          delete packet.will;
          if ((packet.keepalive ?? 0) > limits.MAX_KEEPALIVE) packet.keepalive = limits.MAX_KEEPALIVE;
          if (packet.clientId === '' && packet.clean !== true) this.#unnamed.add(client);
          next(null, true);
        },
        authenticate: (client, username, _password, next) => {
          const refusal = this.#refusal(client, username);
          if (refusal === undefined) this.#admit(client);
          next(refusal ?? null, refusal === undefined);
        },
        authorizePublish: (_client, _packet, next) => next(new Error('clients may not publish here')),
        authorizeSubscribe: (client, subscription, next) =>
          next(null, this.#audience.grant(client, subscription.topic, subscription.qos) ? subscription : null),
        authorizeForward: (client, packet) => this.#forward(client, packet),
      });
      this.#aedes = aedes;
      aedes.on('connackSent', (packet, client) => {
        if (packet.returnCode === 0 && client.conn instanceof FrameGuard) client.conn.accepted = true;
      });
      aedes.on('unsubscribe', (filters, client) => this.#audience.remove(client, filters));
      for (const event of ['clientError', 'connectionError'] as const)
        aedes.on(event, (client, error) => {
          if (client.closed) return;
          this.#refusedClients++;
          this.#o.logger.debug({ client: client.id, error: error.message }, 'An MQTT client was disconnected.');
        });
      this.#listen();
    } catch (thrown) {
      this.#fault = toError(thrown).message;
      this.#o.logger.error({ error: toError(thrown) }, 'The embedded broker cannot start; the gateway goes on without it.');
    }
  }

  #listen(): void {
    if (this.#state === 'stopped') return;
    const { host, port } = this.#o.listen;
    const server = createServer((socket) => this.#connected(socket));
    server.maxConnections = limits.MAX_CONNECTIONS;
    server.on('drop', () => {
      this.#refusedConnections++;
    });
    server.once('listening', () => {
      if (this.#state === 'stopped') {
        server.close();
        return;
      }
      this.#state = 'listening';
      if (this.#fault !== undefined) {
        this.#o.logger.info({ host, port }, 'The embedded broker has got its address and listens.');
        this.#o.onListen?.(undefined);
      }
      this.#fault = undefined;
      this.#retryIn = limits.LISTEN_RETRY_MIN;
    });
    server.on('error', (error) => {
      const first = this.#fault === undefined;
      this.#fault = listenFault(this.#o.listen, error, 'broker.listen');
      if (first) {
        this.#o.logger.error({ host, port, error: this.#fault }, 'The embedded broker cannot listen; it keeps trying.');
        this.#o.onListen?.(this.#fault);
      }
      this.#cancelRetry = this.#o.clock.after(this.#retryIn, () => this.#listen());
      this.#retryIn = Math.min(this.#retryIn * 2, limits.LISTEN_RETRY_MAX);
    });
    this.#server = server;
    server.listen(port, host);
  }

  #connected(socket: Socket): void {
    const aedes = this.#aedes;
    if (aedes === undefined || this.#state === 'stopped') {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    // Finds peers that vanished without a word although they asked for no keep-alive.
    socket.setKeepAlive(true, 60_000);
    const guard = new FrameGuard(
      socket,
      {
        beforeConnect: limits.MAX_PACKET_BEFORE_CONNECT,
        afterConnect: limits.MAX_PACKET,
        drainTimeout: limits.DRAIN_TIMEOUT,
        unsent: limits.MAX_UNSENT,
      },
      this.#o.clock,
    );
    this.#guards.add(guard);
    const client = aedes.handle(guard);
    guard.relieved = () => this.#slow.relieved(client);
    guard.once('close', () => {
      this.#guards.delete(guard);
      this.#audience.leave(client);
      if (this.#current.get(client.id) !== client) return;
      this.#current.delete(client.id);
      this.#sessions.away(client.id);
    });
  }

  #refusal(client: Client, username: string | undefined): AuthenticateError | undefined {
    const refuse = (returnCode: number, why: string) => {
      this.#refusedClients++;
      return Object.assign(new Error(why), { returnCode }) as AuthenticateError;
    };
    if (client.id.length > limits.MAX_CLIENT_ID || this.#unnamed.has(client)) return refuse(2, 'identifier rejected');
    // No user exists yet, so a name cannot be right; taking it would look as if it had been checked.
    if (username !== undefined) return refuse(4, 'bad user name or password');
    return undefined;
  }

  #admit(client: Client): void {
    this.#current.set(client.id, client);
    if (!client.clean) this.#sessions.resume(client.id);
  }

  #forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    if (client.closed) return null;
    if (packet.retain) {
      const qos = Math.min(packet.qos, this.#audience.qos(client, packet.topic)) as 0 | 1;
      return qos === packet.qos ? packet : { ...packet, qos };
    }
    return this.#slow.passes(client, packet) ? packet : null;
  }

  #sweep(): void {
    this.#cancelSweep = this.#o.clock.after(limits.SESSION_SWEEP, () => {
      this.#sessions.expire();
      this.#sweep();
    });
  }
}
