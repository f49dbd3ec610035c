/** The clients of the broker, from the socket to the accepted client; those that were turned away, and why. */
import type { Socket } from 'node:net';
import type { AuthenticateError, Client, ConnectPacket, PublishPacket } from 'aedes';
import type { MqttAccess, MqttCredential } from '../../core/access-ports.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { Turnstile } from '../../core/turns.ts';
import { dropWill, endedByAedes, readOn, tellTwiceApart } from '../patches/aedes.ts';
import { Arrivals } from './arrivals.ts';
import type { Audience } from './audience.ts';
import { counters, REFUSED, type Refused } from './broker-counts.ts';
import { ComeBack } from './come-back.ts';
import { Credentials, type Refused as LogInRefused, refusalError } from './credentials.ts';
import type { Refusal } from './endings.ts';
import { FrameGuard } from './frame-guard.ts';
import * as limits from './limits.ts';
import { PartialPackets } from './packet-cutter.ts';
import { Places } from './places.ts';
import type { Sessions } from './sessions.ts';
import { SharedRates } from './shared-rates.ts';
import { addressKey, Newcomers } from './shares.ts';
import { ANONYMOUS, mayRead, publishRight } from './topic-rules.ts';
import { TurnedAway } from './turned-away.ts';
import type { Publisher } from './withheld.ts';

export interface ClientsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly audience: Audience;
  readonly sessions: Sessions;
  /** Largest packet after the CONNECT, bytes; absent: MAX_PACKET. */
  readonly maxPacket?: number | undefined;
  /** `sluice/<gateway>` */
  readonly root: string;
  /** Absent: there are no accounts, and everybody is anonymous. */
  readonly access: MqttAccess | undefined;
  /** There is space again for a client that was behind. */
  readonly relieved: (client: Client) => void;
}

interface Arriving {
  readonly socket: Socket;
  /** undefined: this board. */
  readonly address: string | undefined;
  readonly handle: (guard: FrameGuard) => Client;
}
/** No address. */
const THIS_BOARD = '';

export class Clients {
  /** Connections for which there was no space, and clients that were ended from here. */
  readonly refused = counters(REFUSED);
  readonly credentials: Credentials;
  readonly turnstile: Turnstile;
  readonly #o: ClientsOptions;
  readonly #turnedAway: TurnedAway;
  readonly #partial = new PartialPackets(
    limits.MAX_PARTIAL,
    (guard) =>
      (guard as FrameGuard).refuse('partial', 'too many packets that are not whole, and it had the one that waited for longest'),
    (guard) => this.#places.accountOf(guard as FrameGuard) ?? '',
  );
  readonly #lingering = { now: 0, most: limits.MAX_LINGERING, refused: 0 };
  readonly #newcomers = new Newcomers<Socket>(limits.MAX_PER_ADDRESS);
  readonly #places: Places<FrameGuard>;
  readonly #rates: SharedRates;
  readonly #comeBack: ComeBack;
  readonly #guards = new Set<FrameGuard>();
  /** Connections that wait for their first turn; bounded by MAX_SOCKETS, and those of other machines by MAX_PER_ADDRESS. */
  readonly #arriving = new Arrivals<Arriving>();
  /** Turns that were asked for, for them. */
  #turns = 0;
  /** The client that holds a client id now. An older one of the same id is closed, and its connection ends in the next turn. */
  readonly #current = new Map<string, Client>();

  constructor(options: ClientsOptions) {
    this.#o = options;
    this.credentials = new Credentials(options.access);
    this.turnstile = new Turnstile(options.clock);
    this.#turnedAway = new TurnedAway(options);
    this.#places = new Places(options.clock);
    this.#rates = new SharedRates(options.clock);
    this.#comeBack = new ComeBack(options.clock);
  }

  get unsentBytes(): number {
    return this.#guards.values().reduce((sum, guard) => sum + guard.unsent, 0);
  }

  /** Bytes of packets that are not whole yet. */
  get partialBytes(): number {
    return this.#partial.bytes;
  }

  /** Connections closed at once, for want of room to let them read why. */
  get notLingered(): number {
    return this.#lingering.refused;
  }

  /** Whether it has its id now; no other one has taken it over. */
  holds(client: Client): boolean {
    return this.#current.get(client.id) === client;
  }

  /** Resolves when the client of that id has space for more, or there is none. */
  async roomy(id: string): Promise<void> {
    const client = this.#current.get(id);
    if (client !== undefined) await guardOf(client).roomy();
  }

  /** Resolves when every client that hears this topic has space for more. One that takes nothing is not waited for longer. */
  async ready(topic: string): Promise<void> {
    const { clock, audience } = this.#o;
    const hearing = [...this.#current.values()].filter((client) => audience.hears(client, topic));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(limits.DRAIN_TIMEOUT, resolve);
    await Promise.race([Promise.all(hearing.map((client) => guardOf(client).roomy())), late]);
    cancel();
  }

  /** Takes a connection when it is its turn: many at once would hold up the polls. @param handle gives it to the broker */
  connected(socket: Socket, handle: (guard: FrameGuard) => Client): void {
    // Nobody else listens for its end before its turn.
    socket.on('error', () => socket.destroy());
    const address = addressKey(socket.remoteAddress);
    if (address !== undefined) {
      // Now, and not in its turn: what is beyond its share would wait in front of others.
      const first = this.#newcomers.arrives(socket, address);
      if (first !== undefined) {
        first.destroy();
        this.refused.address++;
        this.#turnedAway.log('address', {});
      }
      socket.once('close', () => this.#newcomers.leaves(socket));
    }
    const arriving = { socket, address, handle };
    const key = address ?? THIS_BOARD;
    this.#arriving.add(arriving, key);
    socket.once('close', () => this.#arriving.remove(arriving, key));
    // One that has gone leaves its turn to others.
    if (this.#turns >= this.#arriving.size) return;
    this.#turns++;
    this.turnstile.later(() => {
      this.#turns--;
      const next = this.#arriving.next();
      if (next?.socket.destroyed === false) this.#begin(next);
    });
  }

  #begin({ socket, address, handle }: Arriving): void {
    socket.setNoDelay(true);
    // Finds peers that vanished without a word although they asked for no keep-alive.
    socket.setKeepAlive(true, 60_000);
    const guard = new FrameGuard(
      socket,
      {
        beforeConnect: limits.MAX_PACKET_BEFORE_CONNECT,
        afterConnect: this.#o.maxPacket ?? limits.MAX_PACKET,
        packetTimeout: limits.PACKET_TIMEOUT,
        drainTimeout: limits.DRAIN_TIMEOUT,
        unsent: limits.MAX_UNSENT,
        topicBytes: limits.MAX_TOPIC,
        topicLevels: limits.MAX_LEVELS,
        filterLevels: limits.MOST_LEVELS,
        filters: limits.REQUESTS_AT_ONCE,
      },
      { clock: this.#o.clock, turnstile: this.turnstile, partial: this.#partial, lingering: this.#lingering },
    );
    this.#guards.add(guard);
    const ends = this.#rates.begins(guard.requests, address);
    displace(this.#places.arrives(guard));
    const client = handle(guard);
    tellTwiceApart(client);
    guard.relieved = () => this.#o.relieved(client);
    guard.answered = (refusal, { client, level }) => {
      this.refused[refusal]++;
      // Not `level`: a log line has its own.
      const facts = { client, ...(level === undefined ? {} : { protocolLevel: level }) };
      this.#turnedAway.log(refusal === 'version' ? 'version' : 'id', facts);
    };
    guard.once('close', () => {
      ends();
      this.#guards.delete(guard);
      this.#places.leaves(guard);
      this.#o.audience.leave(client);
      if (this.#current.get(client.id) !== client) return;
      this.#current.delete(client.id);
      this.#o.sessions.away(client.id);
    });
  }

  /** A CONNECT arrived: the keep-alive is bounded. */
  connects(client: Client, packet: ConnectPacket): void {
    this.#newcomers.asks(guardOf(client).socket);
    this.#places.asks(guardOf(client));
    this.credentials.connects(client, packet);
    if ((packet.keepalive ?? 0) > limits.MAX_KEEPALIVE) packet.keepalive = limits.MAX_KEEPALIVE;
  }

  /** It becomes a client. Resolves with why not; never rejects. */
  async admit(
    client: Client,
    username: string | undefined,
    password: Uint8Array | undefined,
  ): Promise<AuthenticateError | undefined> {
    if (client.id.length > limits.MAX_CLIENT_ID) return this.#refuse(client, { code: 2, why: 'identifier rejected', kind: 'id' });
    const refused = await this.credentials.check(client, username, password, guardOf(client).socket);
    if (refused !== undefined) return this.#refuse(client, refused);
    if (this.#comeBack.isEarly(client.id))
      return this.#refuse(client, { code: 3, why: 'the disk does not keep up, and it came back too soon', kind: 'early' });
    // The log-in may have taken a while.
    if (client.closed || guardOf(client).destroyed) return refusalError({ code: 3, why: 'it is gone', kind: 'places' });
    const mayWill = (credential: MqttCredential, topic: string) => publishRight(credential, topic, this.#o.root) === 'message';
    const hasWill = this.credentials.will(client, mayWill);
    const { owner } = this.credentials.of(client);
    if (owner !== ANONYMOUS) guardOf(client).requests.known();
    const before = this.#current.get(client.id);
    if (!client.clean && !this.#o.sessions.accepts(client.id, owner))
      return this.#refuse(client, { code: 3, why: 'there is no space for its session', kind: 'sessions' });
    // A will is a message of its account: who comes and breaks off without end publishes one each time.
    if (hasWill && !this.#rates.take(owner))
      return this.#refuse(client, { code: 3, why: 'its account asks for too much', kind: 'account-requests' });
    const listens = (): boolean => this.#o.audience.listens(client);
    const place = this.#places.accepts(guardOf(client), owner, listens, before === undefined ? undefined : guardOf(before));
    if (place === 'full') return this.#refuse(client, { code: 3, why: 'every place is taken', kind: 'places' });
    if (place === 'share') return this.#refuse(client, { code: 3, why: 'its account has its places', kind: 'account' });
    guardOf(client).once('close', this.#rates.join(guardOf(client).requests, owner));
    if (owner !== ANONYMOUS) this.#newcomers.leaves(guardOf(client).socket);
    displace(place.displaced);
    this.#current.set(client.id, client);
    // Now, and not when aedes gets there: this one may break before, and nobody would know the older one.
    before?.close();
    if (!client.clean) this.#resume(client);
    return undefined;
  }

  /** It published where it may not. @returns why its connection ends */
  published(client: Client | null, { topic, qos, payload }: Pick<PublishPacket, 'topic' | 'qos' | 'payload'>): Error {
    // null: the will of a client of another broker, of which there is none.
    if (client !== null) {
      guardOf(client).refusal = 'publish';
      this.#turnedAway.log('publish', { client: client.id, topic, qos, bytes: payload.length });
    }
    return new Error('it may not publish on this topic');
  }

  /** The disk does not keep up with what its account publishes. Its connection ends. */
  behind(client: Client): void {
    guardOf(client).refusal = 'behind';
    // Several messages of one connection may be too many at once; its end is one.
    if (!this.#comeBack.ended(client.id, guardOf(client))) return;
    this.#turnedAway.log('behind', { client: client.id });
  }

  /** It waits for the acknowledgements of what it published. */
  publisher(client: Client): Publisher {
    const guard = guardOf(client);
    return {
      connection: guard,
      get isOver() {
        return guard.destroyed;
      },
      withhold: (messageId) => (client.connecting || client.connected ? guard.answers.withhold(messageId) : undefined),
      readOn: () => readOn(client),
      whenOver: (run) => guard.once('close', run),
      behind: () => {
        this.behind(client);
        guard.refuse('behind', `the disk did not take a message for ${limits.WITHHELD_WITHIN} ms`);
      },
    };
  }

  /** The broker ended a connection. */
  failed(client: Client, error: Error): void {
    const { lost } = guardOf(client);
    const refusal = guardOf(client).refusal ?? endedByAedes(error);
    // Those that went by themselves broke no rule.
    if (client.closed || (lost && refusal === undefined)) return;
    this.refused[refusal ?? 'clients']++;
    if (refusal !== undefined && SIZES.has(refusal))
      this.#turnedAway.log('size', { client: client.id ?? undefined, fault: error.message });
    else if (refusal !== undefined && isRule(refusal))
      this.#turnedAway.log('rule', { client: client.id ?? undefined, rule: refusal, fault: error.message });
    this.#o.logger.debug({ client: client.id, error: error.message }, 'An MQTT client was disconnected.');
  }

  end(): void {
    this.#turnedAway.end();
    for (const { socket } of this.#arriving) socket.destroy();
    for (const guard of [...this.#guards]) guard.destroy();
  }

  #resume(client: Client): void {
    const { sessions } = this.#o;
    const credential = this.credentials.of(client);
    // Its account may have been made again with fewer topics while no broker ran; the queue may hold messages of the others.
    if (sessions.asked(client.id).some((topic) => !mayRead(credential, topic))) sessions.end(client.id);
    const { flights } = guardOf(client);
    sessions.resume(client.id, credential.owner, (messageId) => flights.has(messageId));
  }

  /** A credential was removed or changed. */
  revoked(owner: string): void {
    for (const client of [...this.#current.values()])
      if (this.credentials.of(client).owner === owner) {
        // Its rights are others now, or gone.
        dropWill(client);
        guardOf(client).refuse('clients', 'its account was removed or changed');
      }
    if (this.#o.access?.has(owner) === false) this.#o.sessions.endOf((one) => one === owner);
  }

  #refuse(client: Client, refused: LogInRefused): AuthenticateError {
    this.refused[NO_PLACE.has(refused.kind) ? (refused.kind as Refused) : 'clients']++;
    this.#turnedAway.log(refused.kind, { client: client.id });
    return refusalError(refused);
  }
}

/** Every connection is given to the broker behind one. */
export function guardOf(client: Client): FrameGuard {
  return client.conn as FrameGuard;
}

/** What a client is refused for when there is no room for it. */
const NO_PLACE: ReadonlySet<string> = new Set([
  'places',
  'account',
  'account-requests',
  'sessions',
  'id',
  'early',
] satisfies Refused[]);
/** Packets that cost too much. */
const SIZES: ReadonlySet<string> = new Set(['size', 'partial', 'unfinished'] satisfies Refused[]);
/** Rules of the protocol. */
const RULES: ReadonlySet<string> = new Set(['order', 'header', 'length', 'text', 'value', 'topic']);

function isRule(refusal: Refusal): boolean {
  return RULES.has(refusal);
}

function displace(guard: FrameGuard | undefined): void {
  guard?.refuse('displaced', 'another client took its place');
}
