/** The clusters of bench/fleet.ts: three nodes of RabbitMQ or NATS on loopback, with what a fleet of gateways needs from them. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { NATS, natsNodes } from '../../test/peers/nats.ts';
import { findProgram } from '../../test/peers/peers.ts';
import { LOGIN, RABBITMQ, RABBITMQ_SERVER, type RabbitNode, rabbitNodes } from '../../test/peers/rabbitmq.ts';
import { cpuSeconds, memory } from './proc.ts';
import type { Workspace } from './workspace.ts';

/** `nats-1`: one message of a subscription under way at once, which keeps the order. */
export const ENGINES = ['rabbitmq', 'nats-1', 'nats'] as const;
export type EngineName = (typeof ENGINES)[number];

interface Node {
  readonly name: string;
  readonly url: string;
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

  private constructor(
    name: EngineName,
    nodes: readonly Node[],
    login: object,
    prepare: (() => void) | undefined,
    replicas: () => Promise<string>,
  ) {
    this.name = name;
    this.nodes = nodes;
    this.login = login;
    this.prepare = prepare;
    this.replicas = replicas;
  }

  /** @param inFlight messages to the platform that wait for their PUBACK */
  static async make(space: Workspace, name: EngineName, inFlight: number): Promise<Engine> {
    const folder = path.join(space.folder, name);
    mkdirSync(folder);
    const spawn: Workspace['spawn'] = (...args) => space.spawn(...args);
    if (name === 'rabbitmq') {
      if (findProgram(RABBITMQ_SERVER) === undefined) throw new Error(`this measurement needs RabbitMQ: ${RABBITMQ}`);
      const nodes = await rabbitNodes(3, folder, spawn, { prefetch: inFlight });
      return new Engine(
        name,
        nodes,
        LOGIN,
        () => unlimited(nodes),
        () => members(nodes),
      );
    }
    const program = findProgram('nats-server');
    if (program === undefined) throw new Error(`this measurement needs NATS: ${NATS}`);
    const nodes = await natsNodes(program, 3, folder, spawn, { pending: name === 'nats-1' ? 1 : inFlight });
    return new Engine(name, nodes, {}, undefined, async () =>
      streams(await (nodes[1] as (typeof nodes)[number]).ask('jsz?accounts=true&streams=true&config=true&consumers=true')),
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

interface Stream {
  readonly name: string;
  readonly config: { readonly num_replicas: number; readonly retention: string };
  readonly state: { readonly messages: number };
  readonly consumer_detail?: readonly { readonly config: { readonly num_replicas?: number; readonly filter_subject?: string } }[];
}

function streams(text: string): string {
  const { account_details: accounts = [] } = JSON.parse(text) as {
    account_details?: { stream_detail?: readonly Stream[] }[];
  };
  return accounts
    .flatMap(({ stream_detail: all = [] }) => all)
    .map(
      ({ name, config, state, consumer_detail: consumers = [] }) =>
        `${name}: ${config.num_replicas} replicas, ${config.retention}, ${state.messages} messages, ${consumers.length} consumers`,
    )
    .join('; ');
}
