/** The clusters of bench/fleet.ts: three nodes of RabbitMQ or NATS on loopback, with what a fleet of gateways needs from them. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Pair } from '../../test/harness/certificates.ts';
import { NATS, type NatsNode, natsNodes } from '../../test/peers/nats.ts';
import { findProgram } from '../../test/peers/peers.ts';
import { LOGIN, RABBITMQ, RABBITMQ_SERVER, type RabbitNode, type RabbitPlace, rabbitNodes } from '../../test/peers/rabbitmq.ts';
import { leftInNats, leftInRabbit } from './fleet-left.ts';
import { type Held, NATS_PAGE, ofNats, ofRabbit, RABBIT_COLUMNS } from './fleet-queues.ts';
import type { Left } from './fleet-words.ts';
import { cpuSeconds, memory } from './proc.ts';
import type { Workspace } from './workspace.ts';

/** `nats-1`: one message of a subscription under way at once, which keeps the order. */
export const ENGINES = ['rabbitmq', 'nats-1', 'nats'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EngineOptions {
  /** Messages to the platform that wait for their PUBACK. */
  readonly inFlight: number;
  /** For nodes with TLS. */
  readonly tls?: Pair | undefined;
  /** RabbitMQ gives sessions that a client resumes; NATS does it anyway. */
  readonly tickets?: boolean;
  /** RabbitMQ: `cluster_partition_handling`; absent: what it does by itself. */
  readonly partitions?: 'pause_minority' | undefined;
  /** RabbitMQ: hosts of its nodes; absent: loopback. */
  readonly places?: readonly RabbitPlace[] | undefined;
  /** NATS: `sync_interval`; absent: what it does by itself. */
  readonly sync?: string | undefined;
}

export interface Node {
  readonly name: string;
  readonly url: string;
  /** Its files. */
  readonly store: string;
  readonly pid: number | undefined;
  readonly log: readonly string[];
  launch(): void;
  ready(): Promise<void>;
  kill(): Promise<void>;
}

export class Engine {
  readonly name: EngineName;
  readonly nodes: readonly Node[];
  /** Keys of a forwarder, and options of a client. */
  readonly login: object;
  /** CPU seconds of processes that ended. */
  #ended = 0;
  /** To be done once, when the nodes run for the first time; absent: nothing. */
  readonly prepare: (() => void) | undefined;
  /** What the engine says of its replicas. */
  readonly replicas: () => Promise<string>;
  /** NATS: the node that leads the stream of messages; otherwise empty. */
  readonly leader: () => Promise<string>;
  /** What the nodes still have for the session of a client; undefined: none of them can say. */
  readonly held: (client: string) => Promise<Held | undefined>;
  /** The messages for it that can be read where they lie, while it is away. */
  readonly left: (client: string) => Promise<readonly Left[]>;

  private constructor(
    name: EngineName,
    nodes: readonly Node[],
    login: object,
    prepare: (() => void) | undefined,
    replicas: () => Promise<string>,
    leader: () => Promise<string>,
    held: Engine['held'],
    left: Engine['left'],
  ) {
    this.name = name;
    this.nodes = nodes;
    this.login = login;
    this.prepare = prepare;
    this.replicas = replicas;
    this.leader = leader;
    this.held = held;
    this.left = left;
  }

  static async make(space: Workspace, name: EngineName, options: EngineOptions): Promise<Engine> {
    const { inFlight, tls } = options;
    const folder = path.join(space.folder, name);
    mkdirSync(folder);
    const spawn: Workspace['spawn'] = (...args) => space.spawn(...args);
    if (name === 'rabbitmq') {
      if (findProgram(RABBITMQ_SERVER) === undefined) throw new Error(`this measurement needs RabbitMQ: ${RABBITMQ}`);
      const nodes = await rabbitNodes(3, folder, spawn, { ...options, prefetch: inFlight });
      return new Engine(
        name,
        nodes,
        LOGIN,
        () => unlimited(nodes),
        () => members(nodes),
        () => Promise.resolve(''),
        (client) => Promise.resolve(heldByRabbit(nodes, client)),
        async (client) => leftInRabbit(nodes, client),
      );
    }
    const program = findProgram('nats-server');
    if (program === undefined) throw new Error(`this measurement needs NATS: ${NATS}`);
    const nodes = await natsNodes(program, 3, folder, spawn, {
      tls,
      sync: options.sync,
      pending: name === 'nats-1' ? 1 : inFlight,
    });
    return new Engine(
      name,
      nodes,
      {},
      undefined,
      async () => streams(await (nodes[1] as NatsNode).ask(NATS_PAGE)),
      async () => leaderOf(await (nodes[1] as NatsNode).ask(NATS_PAGE)),
      () => heldByNats(nodes),
      () => leftInNats(nodes),
    );
  }

  /** All nodes at once. */
  async launch(): Promise<void> {
    for (const node of this.nodes) node.launch();
    for (const node of this.nodes) await node.ready();
  }
  /** It does not wait: the cluster works with two nodes. @returns seconds until the node is up to date; undefined: it is not yet */
  restart(node: Node): () => number | undefined {
    const begun = performance.now();
    let took: number | undefined;
    node.launch();
    node.ready().then(
      () => {
        took = (performance.now() - begun) / 1000;
      },
      () => {},
    );
    return () => took;
  }
  /** As a power cut does. */
  async kill(...nodes: readonly Node[]): Promise<void> {
    for (const { pid } of nodes) if (pid !== undefined) this.#ended += cpuSeconds(pid);
    await Promise.all(nodes.map((node) => node.kill()));
  }
  /** CPU seconds of all nodes so far. */
  get cpu(): number {
    return this.nodes.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : cpuSeconds(pid)), this.#ended);
  }
  /** Megabytes of the nodes that run. */
  get rss(): number {
    return this.nodes.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : memory(pid).rss), 0);
  }
}

/** A message that a session did not acknowledge 20 times would be thrown away. */
function unlimited(nodes: readonly RabbitNode[]): void {
  nodes[0]?.ctl('rabbitmqctl', 'set_policy', 'fleet', '.*', '{"delivery-limit":-1}', '--apply-to', 'quorum_queues');
}

function members(nodes: readonly RabbitNode[]): Promise<string> {
  const out = nodes[1]?.ctl('rabbitmqctl', 'list_queues', 'name', 'type', 'members', 'policy', 'messages', '--formatter', 'json');
  return Promise.resolve((out ?? '').replace(/\s+/g, ' '));
}

function heldByRabbit(nodes: readonly RabbitNode[], client: string): Held | undefined {
  for (const node of nodes) {
    if (node.pid === undefined) continue;
    try {
      const held = ofRabbit(node.ctl('rabbitmqctl', 'list_queues', ...RABBIT_COLUMNS, '--formatter', 'json'), client);
      if (held !== undefined) return held;
    } catch {
      // It pauses, or has no leader for the queue: another one may know.
    }
  }
  return undefined;
}

/** The platform has the only subscriptions to these topics. */
async function heldByNats(nodes: readonly NatsNode[]): Promise<Held | undefined> {
  const pages = new Map<string, string>();
  for (const node of nodes) {
    const page = await node.ask(NATS_PAGE).catch(() => undefined);
    if (page !== undefined) pages.set(node.name, page);
  }
  return pages.size === 0 ? undefined : ofNats(pages);
}

interface Stream {
  readonly name: string;
  readonly cluster?: { readonly leader?: string };
  readonly config: { readonly num_replicas: number; readonly retention: string };
  readonly state: { readonly messages: number };
  readonly consumer_detail?: readonly { readonly config: { readonly num_replicas?: number; readonly filter_subject?: string } }[];
}

function leaderOf(text: string): string {
  return streamsOf(text).find(({ name }) => name === '$MQTT_msgs')?.cluster?.leader ?? '';
}

function streamsOf(text: string): readonly Stream[] {
  const { account_details: accounts = [] } = JSON.parse(text) as {
    account_details?: { stream_detail?: readonly Stream[] }[];
  };
  return accounts.flatMap(({ stream_detail: all = [] }) => all);
}

function streams(text: string): string {
  return streamsOf(text)
    .map(
      ({ name, config, state, consumer_detail: consumers = [] }) =>
        `${name}: ${config.num_replicas} replicas, ${config.retention}, ${state.messages} messages, ${consumers.length} consumers`,
    )
    .join('; ');
}
