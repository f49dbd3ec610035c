/** What the broker keeps, without a broker: on a file, or in memory. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { BrokerRepair, BrokerStore } from '../../src/core/broker-store.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { Kept } from '../../src/forwarders/broker/kept.ts';
import type { Turns } from '../../src/forwarders/broker/lanes.ts';
import type { OwnBacklog } from '../../src/forwarders/broker/own-backlog.ts';
import type { BrokerPersistence } from '../../src/forwarders/broker/persistence.ts';
import { Retained } from '../../src/forwarders/broker/retained.ts';
import type { Sessions } from '../../src/forwarders/broker/sessions.ts';
import type { Publisher } from '../../src/forwarders/broker/withheld.ts';
import { BrokerFile } from '../../src/store/broker-store.ts';
import { ManualClock } from './manual-clock.ts';

export const ROOT = 'sluice/g1';

/** Two folders, as a gateway has them. */
export class Folders {
  readonly stateDir: string;
  readonly runtimeDir: string;

  constructor(folder: string) {
    this.stateDir = path.join(folder, 'state');
    this.runtimeDir = path.join(folder, 'run');
    for (const dir of [this.stateDir, this.runtimeDir]) mkdirSync(dir, { recursive: true });
  }
  get file(): string {
    return path.join(this.stateDir, 'broker.db');
  }
}

/** The connection of a client that publishes. */
export class Connection implements Publisher {
  isOver = false;
  /** How often it was ended because of the disk. */
  behinds = 0;
  /** How often what it sends behind a message was let through. */
  reads = 0;
  #whenOver: (() => void)[] = [];
  readonly #end = Promise.withResolvers<never>();
  readonly #acknowledged = new Map<number, Promise<void>>();

  constructor() {
    this.#end.promise.catch(() => {});
  }

  get connection(): object {
    return this;
  }
  withhold(messageId: number): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#acknowledged.set(messageId, promise);
    return resolve;
  }
  readOn(): void {
    this.reads++;
  }
  whenOver(run: () => void): void {
    this.#whenOver.push(run);
  }
  behind(): void {
    this.behinds++;
    this.end();
  }
  end(): void {
    this.isOver = true;
    this.#end.reject(new Error('the connection is over'));
    for (const run of this.#whenOver.splice(0)) run();
  }
  /** Resolves when the PUBACK of a message may leave. */
  acknowledged(messageId: number): Promise<void> {
    return Promise.race([this.#acknowledged.get(messageId), this.#end.promise]);
  }
}

export interface BenchOptions {
  readonly folders?: Folders | undefined;
  readonly clock?: Clock;
  readonly store?: BrokerStore;
  readonly backlog?: OwnBacklog;
  readonly turns?: Turns;
}

export class KeptBench {
  readonly retained = new Retained(ROOT, { get: () => undefined, all: () => [] });
  readonly kept: Kept;
  readonly store: BrokerStore | undefined;
  readonly sessions: Sessions;
  readonly persistence: BrokerPersistence;
  readonly faults: (string | undefined)[] = [];
  readonly repairs: BrokerRepair[] = [];
  readonly overflows: string[] = [];
  readonly lost: [client: string, messages: number, why: string][] = [];
  readonly left: unknown[] = [];
  #counter = 0;
  #messageId = 0;

  /** A disk that a test plays has a clock that a test moves: a pause of the machine makes it late for nobody. */
  constructor({
    folders,
    store,
    backlog,
    turns,
    clock = store === undefined ? systemClock : new ManualClock(),
  }: BenchOptions = {}) {
    this.store =
      store ??
      (folders === undefined
        ? undefined
        : new BrokerFile({
            ...{ stateDir: folders.stateDir, runtimeDir: folders.runtimeDir, clock },
            onFault: (fault) => this.faults.push(fault),
            onRepair: (repair) => this.repairs.push(repair),
          }));
    this.kept = new Kept({
      ...{ clock, root: ROOT, logger: silentLogger, retained: this.retained, store: this.store, backlog, turns },
      isOwner: () => true,
      roomy: async () => {},
      // A disk under load is late by itself.
      publisher: (client) => (client instanceof Connection ? client : new Connection()),
      waitsFrom: () => undefined,
      onOverflow: (client) => this.overflows.push(client),
      onLeft: (client, span) => this.left.push([client, span]),
      onLost: (...lost) => this.lost.push(lost),
    });
    this.sessions = this.kept.sessions;
    this.persistence = this.kept.persistence(
      (filters) => Readable.from([...this.retained.matching(filters)].filter((packet) => packet !== undefined)),
      () => true,
    );
  }

  static async open(options: BenchOptions = {}): Promise<KeptBench> {
    const bench = new KeptBench(options);
    await bench.kept.open();
    await bench.kept.fill();
    return bench;
  }

  /** A client with a persistent session that subscribes. */
  async client(id: string, filter: string, qos = 1): Promise<void> {
    this.sessions.resume(id);
    await this.persistence.addSubscriptions({ id }, [{ topic: filter, qos }]);
  }

  /** What aedes does with a client's message; resolves when it was acknowledged. */
  async publish(
    topic: string,
    content: string,
    qos: 0 | 1 | 2 = 1,
    retain = false,
    from = 'user:pub',
    by = new Connection(),
  ): Promise<void> {
    const payload = Buffer.from(content);
    const packet = { cmd: 'publish', topic, payload, qos, retain, dup: false, messageId: ++this.#messageId } as const;
    const refused = await new Promise<Error | undefined>((resolve) => this.kept.admit(packet, from, resolve, by));
    if (refused !== undefined) throw refused;
    const acknowledged = by.acknowledged(packet.messageId);
    await this.deliver({ ...packet, messageId: undefined });
    await acknowledged;
  }

  /** The message is handed on. */
  async deliver(packet: {
    cmd: 'publish';
    topic: string;
    payload: Buffer;
    qos: number;
    retain: boolean;
    dup: boolean;
    messageId?: undefined;
  }): Promise<void> {
    // Over when it returns: one that is retained is overtaken by none behind it.
    if (packet.retain) void this.persistence.storeRetained(packet);
    if (packet.qos === 0) return;
    const subs = await this.persistence.subscriptionsByTopic(packet.topic);
    await this.persistence.outgoingEnqueueCombi(subs, { ...packet, brokerId: 'b', brokerCounter: ++this.#counter });
  }

  /** Takes and acknowledges what waits for a client, at most so many. */
  async drain(id: string, most = Number.POSITIVE_INFINITY): Promise<string[]> {
    const seen: string[] = [];
    this.sessions.resume(id);
    if (most === 0) return seen;
    let number = 0;
    for await (const packet of this.sessions.queues.replay(id)) {
      const sent = { cmd: packet.cmd, brokerCounter: packet.brokerCounter, messageId: packet.messageId ?? 40_000 + number++ };
      await this.persistence.outgoingUpdate({ id }, sent);
      seen.push(packet.cmd === 'publish' ? packet.payload.toString() : packet.cmd);
      await this.persistence.outgoingClearMessageId({ id }, { cmd: 'puback', messageId: sent.messageId });
      if (seen.length >= most) break;
    }
    this.sessions.away(id);
    return seen;
  }

  /** What waits for a client, without taking it. */
  waiting(id: string): string[] {
    return (this.sessions.get(id)?.queue.entries ?? []).map(({ payload }) => payload.toString());
  }
  retainedTopics(): string[] {
    return [...this.retained.matching(['#'])].flatMap((packet) => (packet === undefined ? [] : [packet.topic]));
  }
}
