/** Real RabbitMQ nodes with the MQTT plugin and quorum queues, one or a cluster, on loopback. The settings are those of the how-to page. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Pair } from '../harness/certificates.ts';
import type { Child } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { waitFor } from '../harness/wait-for.ts';
import type { Spawn } from './nats.ts';

export const RABBITMQ = 'apt-get install -y rabbitmq-server';
/** The scripts in sbin change the user; these run as whoever calls them. */
const BIN = '/usr/lib/rabbitmq/bin';
export const RABBITMQ_SERVER = `${BIN}/rabbitmq-server`;
export const LOGIN = { username: 'fleet', password: 'secret-of-the-fleet-1' };

export interface RabbitOptions {
  /** PUBLISH packets of one subscriber that wait for their PUBACK. */
  readonly prefetch?: number;
  /** A client without a user name is the same user. */
  readonly anonymous?: boolean;
  /** Its MQTT port speaks TLS. */
  readonly tls?: Pair | undefined;
  /** TLS 1.3 gives tickets, with which a client resumes its session. */
  readonly tickets?: boolean;
  /** `cluster_partition_handling`; absent: what RabbitMQ does by itself. */
  readonly partitions?: 'pause_minority' | undefined;
  /** Where each node lives; absent: all of them on the loopback of this process. */
  readonly places?: readonly RabbitPlace[] | undefined;
}

/** A host of its own. */
export interface RabbitPlace {
  /** IPv4, for clients and for the other nodes. */
  readonly clients: string;
  readonly cluster: string;
  /** A command that runs another one there. */
  readonly enter: readonly string[];
}

const HERE: RabbitPlace = { clients: '127.0.0.1', cluster: '127.0.0.1', enter: [] };

function at({ enter }: RabbitPlace, command: string, ...words: readonly string[]): [command: string, words: string[]] {
  const [first = command, ...rest] = [...enter, command, ...words];
  return [first, rest];
}

export class RabbitNode {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  /** Its files; a link to another folder may take its place while it does not run. */
  readonly store: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #place: RabbitPlace;
  readonly #spawn: Spawn;
  #child: Child | undefined;

  constructor(
    name: string,
    { port, url, store }: Pick<RabbitNode, 'port' | 'url' | 'store'>,
    env: NodeJS.ProcessEnv,
    place: RabbitPlace,
    spawn: Spawn,
  ) {
    this.name = name;
    this.port = port;
    this.url = url;
    this.store = store;
    this.#env = env;
    this.#place = place;
    this.#spawn = spawn;
  }

  get pid(): number | undefined {
    return this.#child?.over === undefined ? this.#child?.pid : undefined;
  }
  get log(): readonly string[] {
    return this.#child?.stdout ?? [];
  }

  /** Does not wait: the nodes of a new cluster look for each other. */
  launch(): void {
    this.#child = this.#spawn(...at(this.#place, RABBITMQ_SERVER), { env: this.#env });
  }

  async ready(): Promise<void> {
    await waitFor(
      () => `${this.name} to be ready:\n${this.log.slice(-20).join('\n')}`,
      () => {
        if (this.#child?.over !== undefined) throw new Error(`rabbitmq-server ended: ${this.log.slice(-20).join('\n')}`);
        return this.log.some((line) => line.includes('Server startup complete'));
      },
      { every: 100, timeout: 400_000 },
    );
  }

  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  /**
   * Names of queues and their bindings go to the disk at once. A node that is killed may forget new ones otherwise, and then
   * acknowledges what nobody gets.
   */
  settle(): void {
    this.ctl('rabbitmqctl', 'eval', 'mnesia:sync_log().');
  }

  /** It has a queue for the session of this client, and topics that lead there. */
  routes(client: string): boolean {
    return this.ctl('rabbitmqctl', 'list_bindings', 'source_name', 'destination_name')
      .split('\n')
      .some((line) => line.startsWith('amq.topic') && line.includes(`mqtt-subscription-${client}`));
  }

  /** The node ends as by a power cut. */
  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** What a command line program of RabbitMQ says; it takes some CPU seconds. */
  ctl(program: 'rabbitmqctl' | 'rabbitmq-queues', ...words: string[]): string {
    return execFileSync(...at(this.#place, `${BIN}/${program}`, '-q', ...words), {
      encoding: 'utf8',
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 300_000,
    });
  }
}

/**
 * Nodes that are configured and not started; all nodes of a new cluster are launched before one is waited for. Their names are looked up at an epmd of their own,
 * which `spawn` starts here.
 */
export async function rabbitNodes(
  count: 1 | 3,
  folder: string,
  spawn: Spawn,
  { prefetch = 100, anonymous = false, tls, tickets = false, partitions, places }: RabbitOptions = {},
): Promise<RabbitNode[]> {
  const epmd = `${await freePort()}`;
  for (const place of places ?? [HERE]) spawn(...at(place, 'epmd', '-port', epmd, '-address', place.cluster));
  const placeOf = (i: number): RabbitPlace => places?.[i] ?? HERE;
  const names = Array.from({ length: count }, (_, i) => `fleet${i + 1}@${placeOf(i).cluster}`);
  const cookie = path.join(folder, '.erlang.cookie');
  writeFileSync(cookie, `cookie${Math.random().toString(36).slice(2)}${epmd}`);
  chmodSync(cookie, 0o400);
  const nodes: RabbitNode[] = [];
  for (const [i, name] of names.entries()) {
    const place = placeOf(i);
    const home = path.join(folder, name.split('@')[0] as string);
    mkdirSync(home, { recursive: true });
    const port = await freePort();
    const lines = [
      'listeners.tcp = none',
      ...(tls === undefined ? [] : ['mqtt.listeners.tcp = none']),
      `mqtt.listeners.${tls === undefined ? 'tcp' : 'ssl'}.1 = ${place.clients}:${port}`,
      `mqtt.allow_anonymous = ${anonymous}`,
      ...(anonymous ? [`anonymous_login_user = ${LOGIN.username}`, `anonymous_login_pass = ${LOGIN.password}`] : []),
      'mqtt.durable_queue_type = quorum',
      `mqtt.prefetch = ${prefetch}`,
      `default_user = ${LOGIN.username}`,
      `default_pass = ${LOGIN.password}`,
      'log.console = true',
      'log.file = false',
      'disk_free_limit.absolute = 50MB',
      ...(partitions === undefined ? [] : [`cluster_partition_handling = ${partitions}`]),
      ...(count === 1 ? [] : ['cluster_formation.peer_discovery_backend = classic_config']),
      ...(count === 1 ? [] : names.map((other, i) => `cluster_formation.classic_config.nodes.${i + 1} = ${other}`)),
    ];
    writeFileSync(path.join(home, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
    writeFileSync(path.join(home, 'enabled_plugins'), '[rabbitmq_mqtt].\n');
    writeFileSync(path.join(home, 'env.conf'), '');
    writeFileSync(path.join(home, 'advanced.config'), advancedOf(tls, tickets));
    nodes.push(
      new RabbitNode(
        name,
        {
          port,
          url: `${tls === undefined ? 'mqtt' : 'mqtts'}://${place.clients}:${port}`,
          store: path.join(home, 'data'),
        },
        {
          HOME: folder,
          ERL_EPMD_PORT: epmd,
          ERL_EPMD_ADDRESS: place.cluster,
          RABBITMQ_NODENAME: name,
          RABBITMQ_USE_LONGNAME: 'true',
          RABBITMQ_DIST_PORT: `${await freePort()}`,
          RABBITMQ_CONF_ENV_FILE: path.join(home, 'env.conf'),
          RABBITMQ_CONFIG_FILE: path.join(home, 'rabbitmq.conf'),
          RABBITMQ_ADVANCED_CONFIG_FILE: path.join(home, 'advanced.config'),
          RABBITMQ_ENABLED_PLUGINS_FILE: path.join(home, 'enabled_plugins'),
          RABBITMQ_MNESIA_BASE: path.join(home, 'data'),
          RABBITMQ_LOG_BASE: path.join(home, 'log'),
          RABBITMQ_GENERATED_CONFIG_DIR: path.join(home, 'generated'),
          RABBITMQ_PID_FILE: path.join(home, 'pid'),
          RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-kernel inet_dist_use_interface {${place.cluster.replaceAll('.', ',')}}`,
          // The script then becomes the node, so that a signal reaches it.
          RUNNING_UNDER_SYSTEMD: 'true',
        },
        place,
        spawn,
      ),
    );
  }
  return nodes;
}

/** What rabbitmq.conf has no key for. */
function advancedOf(tls: Pair | undefined, tickets: boolean): string {
  if (tls === undefined) return '[].\n';
  const kept = tickets ? ', {session_tickets, stateless}' : '';
  const options = `{certfile, "${tls.cert}"}, {keyfile, "${tls.key}"}, {verify, verify_none}${kept}`;
  return `[{rabbit, [{ssl_options, [${options}]}]}].\n`;
}
