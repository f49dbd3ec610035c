/** Real NATS servers with JetStream and MQTT, one or a cluster, on loopback. What a node is given here is what the how-to page names. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Pair } from '../harness/certificates.ts';
import type { Child, ChildOptions } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { waitFor } from '../harness/wait-for.ts';

export const NATS = 'apt-get install -y nats-server';

/** Starts a process that does not outlive its owner. */
export type Spawn = (command: string, args: readonly string[], options?: ChildOptions) => Child;

export interface NatsOptions {
  /** PUBLISH packets of one subscription that wait for their PUBACK. */
  readonly pending?: number;
  /** Seconds after which a message without a PUBACK is sent again. */
  readonly ackWait?: number;
  /** Its MQTT port speaks TLS. */
  readonly tls?: Pair | undefined;
  /** When files are written through to the disk, as the configuration says it; absent: what the server does by itself. */
  readonly sync?: string | undefined;
}

interface Ports {
  readonly port: number;
  readonly client: number;
  readonly monitor: number;
  /** It is no node of a cluster. */
  readonly alone: boolean;
  readonly tls: boolean;
}

export class NatsNode {
  readonly name: string;
  readonly port: number;
  /** Its port for the protocol of NATS. */
  readonly client: number;
  /** Its files; a link to another folder may take its place while it does not run. */
  readonly store: string;
  readonly #scheme: 'mqtt' | 'mqtts';
  readonly #monitor: number;
  readonly #file: string;
  readonly #program: string;
  readonly #spawn: Spawn;
  readonly #alone: boolean;
  #child: Child | undefined;

  constructor(program: string, name: string, ports: Ports, file: string, spawn: Spawn) {
    this.#program = program;
    this.name = name;
    this.store = path.join(path.dirname(file), 'js');
    this.#scheme = ports.tls ? 'mqtts' : 'mqtt';
    this.port = ports.port;
    this.client = ports.client;
    this.#monitor = ports.monitor;
    this.#alone = ports.alone;
    this.#file = file;
    this.#spawn = spawn;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }
  get pid(): number | undefined {
    return this.#child?.over === undefined ? this.#child?.pid : undefined;
  }
  get log(): readonly string[] {
    return this.#child?.stderr ?? [];
  }

  /** Does not wait: a node of a cluster is ready when the others are there. */
  launch(): void {
    this.#child = this.#spawn(this.#program, ['-c', this.#file]);
  }

  /** Resolves when its JetStream is up to date with the cluster. */
  async ready(): Promise<void> {
    await waitFor(
      () => `${this.name} to be ready:\n${this.log.slice(-20).join('\n')}`,
      async () => {
        if (this.#child?.over !== undefined) throw new Error(`nats-server ended: ${this.log.slice(-20).join('\n')}`);
        if (!(await this.ask('healthz')).includes('"ok"')) return false;
        const { meta_cluster: meta } = JSON.parse(await this.ask('jsz')) as { meta_cluster?: { leader?: string } };
        return this.#alone || meta?.leader !== undefined;
      },
      { every: 100, timeout: 120_000 },
    );
  }

  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** What a page of its monitor port says. */
  async ask(page: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#monitor}/${page}`, { signal: AbortSignal.timeout(5000) });
    return answer.text();
  }
}

/** Servers that are configured and not started. Three are a cluster with three replicas of everything. */
export async function natsNodes(
  program: string,
  count: 1 | 3,
  folder: string,
  spawn: Spawn,
  { pending = 1000, ackWait = 30, tls, sync }: NatsOptions = {},
): Promise<NatsNode[]> {
  const nodes = [];
  const all = [];
  for (let i = 1; i <= count; i++)
    all.push({
      name: `n${i}`,
      port: await freePort(),
      monitor: await freePort(),
      client: await freePort(),
      route: await freePort(),
    });
  for (const { name, port, monitor, client, route } of all) {
    const home = path.join(folder, name);
    mkdirSync(home, { recursive: true });
    const routes = all.map((other) => `"nats-route://127.0.0.1:${other.route}"`).join(', ');
    const lines = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${client}"`,
      `http: "127.0.0.1:${monitor}"`,
      // A batch of readings may be larger than the megabyte that is the default.
      'max_payload: 8MB',
      `jetstream { store_dir: "${home}/js", max_memory_store: 256MB, max_file_store: 8GB${sync === undefined ? '' : `, sync_interval: ${sync}`} }`,
      ...(count === 1 ? [] : [`cluster { name: fleet, listen: "127.0.0.1:${route}", routes: [${routes}] }`]),
      'mqtt {',
      `  listen: "127.0.0.1:${port}"`,
      `  ack_wait: "${ackWait}s"`,
      `  max_ack_pending: ${pending}`,
      `  stream_replicas: ${count}`,
      `  consumer_replicas: ${count}`,
      ...(tls === undefined ? [] : [`  tls { cert_file: "${tls.cert}", key_file: "${tls.key}", timeout: 10 }`]),
      '}',
    ];
    const file = path.join(home, 'nats.conf');
    writeFileSync(file, `${lines.join('\n')}\n`);
    nodes.push(new NatsNode(program, name, { port, client, monitor, alone: count === 1, tls: tls !== undefined }, file, spawn));
  }
  return nodes;
}
