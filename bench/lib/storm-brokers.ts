/** The brokers of the storms, each with a plain address and one with TLS: Sluice as a whole gateway, Mosquitto, aedes alone. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Child } from '../../test/harness/child.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { findProgram } from '../../test/peers/peers.ts';
import { decimal } from '../data/decimal.ts';
import { Alarms } from './beats.ts';
import type { LogIn } from './mqtt-wire.ts';
import { builtApart } from './raised.ts';
import { pidOf, SLUICE, startMosquitto } from './site.ts';
import { Subscriber } from './subscriber.ts';
import type { Workspace } from './workspace.ts';

export const BROKERS = { sluice: 'Sluice', mosquitto: 'Mosquitto', aedes: 'aedes alone', apart: 'Sluice, broker apart' } as const;
export type Kind = keyof typeof BROKERS;

export interface Broker {
  readonly pid: number;
  readonly port: number;
  readonly tlsPort: number;
  readonly httpsPort?: number | undefined;
  readonly device?: LogIn | undefined;
  readonly reader?: LogIn | undefined;
  readonly beats?: LogIn | undefined;
  readonly healthy?: LogIn | undefined;
  /** Its broker is beside the gateway and has none of its alarms. */
  readonly apart?: boolean;
  /** What it says of itself. */
  readonly said?: () => Said;
  readonly devices?: Devices;
  /** As they arrive at the upstream broker. */
  readonly upstream?: Alarms;
}

/** Every one at an interval of its own, so that the polls are spread over all moments. The first RULES have a rule. */
export const DEVICES = 60;
export const RULES = 20;
const POINTS = 20;
export const intervalOf = (device: number): number => 1000 + 5 * device;

/** Polls of a device: number, microseconds of its arrival, microseconds of the reply. */
export type Poll = readonly [number: number, arrived: number, replied: number];

export class Devices {
  readonly #child: Child;

  constructor(child: Child) {
    this.#child = child;
  }

  /** Those since the last call, by device. */
  async polls(): Promise<Poll[][]> {
    const seen = this.#child.stdout.length;
    this.#child.write('take');
    const line = await waitFor('the devices', () => this.#child.stdout.slice(seen).find((l) => l.startsWith('polls ')), {
      every: 5,
    });
    return (JSON.parse(line.slice(6)) as number[][]).map((flat) =>
      Array.from({ length: flat.length / 3 }, (_, i) => flat.slice(3 * i, 3 * i + 3) as unknown as Poll),
    );
  }
}

/** @param program a built main.js with other limits; absent: the installed one @param flags of Node, for such a program */
export async function startBroker(
  space: Workspace,
  kind: Kind,
  program?: string,
  flags: readonly string[] = [],
): Promise<Broker> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  if (kind === 'sluice' || kind === 'apart')
    return startSluice(
      space,
      { port, tlsPort },
      { program: kind === 'apart' ? await builtApart() : program, apart: kind === 'apart', flags },
    );
  const [cert, key] = [path.join(space.folder, 'cert.pem'), path.join(space.folder, 'key.pem')];
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout ${key} -out ${cert}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
  let child: Child;
  if (kind === 'mosquitto') {
    const program = findProgram('mosquitto');
    if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
    const lines = ['persistence false', 'allow_anonymous true', 'set_tcp_nodelay true', 'log_dest stderr', 'user root'];
    const listeners = [`listener ${port} 127.0.0.1`, `listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
    const file = path.join(space.folder, 'mosquitto.conf');
    writeFileSync(file, `${[...lines, ...listeners].join('\n')}\n`);
    child = space.spawn(program, ['-c', file]);
  } else
    child = space.spawn(process.execPath, [path.join(import.meta.dirname, 'storm-aedes.ts'), `${port}`, `${tlsPort}`, cert, key]);
  await waitFor('the broker to run', () => [...child.stderr, ...child.stdout].some((line) => /running/.test(line)));
  return { pid: pidOf(child), port, tlsPort };
}

interface Variant {
  readonly program: string | undefined;
  readonly apart: boolean;
  readonly flags: readonly string[];
}

async function startSluice(
  space: Workspace,
  ports: { readonly port: number; readonly tlsPort: number },
  { program, apart, flags: more }: Variant,
): Promise<Broker> {
  const folder = path.join(space.folder, `sluice-${ports.port}`);
  mkdirSync(folder);
  const set = decimal(POINTS);
  const responder = space.spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'late-devices.ts'), `${DEVICES}`, `${set.registers}`],
    { stdin: true },
  );
  const line = await responder.line(/^listening (\d+)$/);
  const upstreamPort = await startMosquitto(space);
  const upstream = new Alarms();
  const subscriber = new Subscriber(upstreamPort, ['sluice/storm/alarm/#'], (arrival) => upstream.take(arrival));
  space.after(() => subscriber.close());
  await subscriber.ready();
  const points = Object.fromEntries(set.points.map(({ name, ...point }) => [name, { table: 'holding', ...point }]));
  const all = Array.from({ length: DEVICES }, (_, i) => i);
  const host = '127.0.0.1';
  const httpsPort = await freePort();
  const site = {
    gateway: { id: 'storm', stateDir: path.join(folder, 'state') },
    buses: Object.fromEntries(
      all.map((i) => [`plant-${i}`, { protocol: 'modbus-tcp', host: `127.0.0.${i + 2}`, port: Number(line.split(' ')[1]) }]),
    ),
    devices: Object.fromEntries(
      all.map((i) => [`d${i}`, { bus: `plant-${i}`, unit: i + 1, interval: `${intervalOf(i)}ms`, points }]),
    ),
    rules: Object.fromEntries(all.slice(0, RULES).map((i) => [`r${i}`, { point: `d${i}.t0`, above: 150, severity: 'critical' }])),
    ...(apart
      ? {}
      : {
          broker: {
            listen: [
              { host, port: ports.port },
              { host, port: ports.tlsPort, tls: true },
            ],
          },
        }),
    dashboard: { listen: [{ host, port: httpsPort, tls: true }] },
    forwarders: { cloud: { type: 'mqtt', url: `mqtt://127.0.0.1:${upstreamPort}` } },
  };
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(config, JSON.stringify(site));
  // The flags of bin/sluice.
  const flags = ['--max-semi-space-size=1', '--max-old-space-size=96', ...more];
  const gateway =
    program === undefined
      ? space.spawn(SLUICE, ['run', '-c', config])
      : space.spawn(process.execPath, [...flags, program, 'run', '-c', config], {
          env: { MALLOC_ARENA_MAX: '2', SLUICE_BENCH_APART: `${ports.port}` },
        });
  await waitFor(
    () => `the broker to listen:\n${[...gateway.stdout, ...gateway.stderr].slice(-20).join('\n')}`,
    () => {
      try {
        const { broker } = saidOf(config);
        if (apart) return true;
        return broker?.state === 'listening' && broker.listeners.every((one) => one.fault === undefined);
      } catch {
        return false;
      }
    },
    { every: 500, timeout: 60_000 },
  );
  const topics = ['--device', '--publish', 'storm/#', '--subscribe', 'storm/#'];
  run(config, 'secret-of-the-bench-1', 'user', 'add', 'admin', '--role', 'administrator', '--password-stdin');
  const deviceOf = (name: string): LogIn => ({ name, password: run(config, '', 'user', 'add', name, ...topics) });
  const tokenOf = (name: string): LogIn => ({ name, password: run(config, '', 'token', 'add', name, '--role', 'viewer') });
  return {
    said: () => saidOf(config),
    ...{ apart, pid: pidOf(gateway), ...ports, httpsPort, devices: new Devices(responder), upstream },
    ...{ device: deviceOf('storm'), beats: deviceOf('beats'), reader: tokenOf('reads'), healthy: tokenOf('healthy') },
  };
}

/** Parts of the state that a gateway shows. */
export interface Said {
  readonly buses: readonly { readonly devices: readonly { readonly counters: { readonly missedPolls: number } }[] }[];
  readonly broker?: {
    readonly state: string;
    /** Messages of clients that it retains. */
    readonly retained: number;
    readonly retainedBytes: number;
    readonly refused: Readonly<Record<string, number>>;
    readonly dropped: Readonly<Record<string, number>>;
    readonly listeners: readonly { readonly fault?: string }[];
  };
}

function saidOf(config: string): Said {
  return JSON.parse(execFileSync(SLUICE, ['status', '--json', '-c', config], { encoding: 'utf8', stdio: 'pipe' })) as Said;
}

/** A command with the running gateway. @returns the secret that it prints */
function run(config: string, input: string, ...words: string[]): string {
  const out = execFileSync(SLUICE, [...words, '-c', config], {
    encoding: 'utf8',
    input: `${input}\n`,
    stdio: 'pipe',
  });
  return out.trim().split('\n').at(-1) ?? '';
}
