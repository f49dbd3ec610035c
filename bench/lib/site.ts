/** The other side of a measurement: devices in a process of their own, Mosquitto, the gateway as users start it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Child } from '../../test/harness/child.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../../test/peers/mosquitto.ts';
import { findProgram } from '../../test/peers/peers.ts';
import type { DataSet } from '../data/data-set.ts';
import type { Workspace } from './workspace.ts';

/** Another built tree can be measured, for comparison. */
const ROOT = process.env.SLUICE_BENCH_ROOT ?? path.join(import.meta.dirname, '..', '..');
export const SLUICE = path.join(ROOT, 'bin', 'sluice');

export interface Responder {
  readonly child: Child;
  readonly port: number;
}

/** @param words as responder.ts takes them, for example `decimal 100` */
export async function startResponder(space: Workspace, ...words: string[]): Promise<Responder> {
  const child = space.spawn(process.execPath, [path.join(import.meta.dirname, 'responder.ts'), ...words], { stdin: true });
  const line = await child.line(/^listening (\d+)$/);
  return { child, port: Number(line.split(' ')[1]) };
}

/** Replies that the devices have given so far. */
export async function countPolls({ child }: Responder): Promise<number> {
  const seen = child.stdout.length;
  child.write('count');
  const line = await waitFor('the devices to count', () => child.stdout.slice(seen).find((l) => l.startsWith('requests ')));
  return Number(line.split(' ')[1]);
}

/** @returns its port */
export async function startMosquitto(space: Workspace, wanted?: number): Promise<number> {
  const program = findProgram('mosquitto');
  if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
  const port = wanted ?? (await freePort());
  // Its default holds small messages back for up to 40 ms; that would be its latency, not ours.
  const file = writeBrokerConfig(space.folder, port, { extra: ['set_tcp_nodelay true'] });
  const child = space.spawn(program, ['-c', file]);
  await waitFor('Mosquitto to run', () => child.stderr.some((l) => /running/.test(l)));
  return port;
}

export interface SiteOptions {
  readonly dataSet: DataSet;
  readonly devices: number;
  readonly responder: number;
  readonly interval: string;
  readonly upstream?: number | undefined;
  readonly batch?: { readonly maxReadings?: number; readonly maxAge?: string } | undefined;
  /** A port, or true for any. */
  readonly embedded?: boolean | number | undefined;
  readonly commitEvery?: string;
  readonly rules?: Readonly<Record<string, unknown>>;
  /** Devices are spread over so many buses (1), which are polled side by side. */
  readonly buses?: number;
  /** More keys of each device. */
  readonly device?: Readonly<Record<string, unknown>>;
  readonly stateDir?: string;
  /** Further buses and devices. */
  readonly more?: { readonly buses: Readonly<Record<string, unknown>>; readonly devices: Readonly<Record<string, unknown>> };
  /** Keys of the section. */
  readonly nodeRed?: Readonly<Record<string, unknown>>;
}

const POINTS = 'the points';

/** Writes a configuration; JSON is YAML. @returns the file */
export async function writeSite(space: Workspace, options: SiteOptions): Promise<string> {
  const buses: Record<string, unknown> = {};
  const devices: Record<string, unknown> = {};
  const points = Object.fromEntries(options.dataSet.points.map(({ name, ...point }) => [name, { table: 'holding', ...point }]));
  for (let i = 0; i < options.devices; i++) {
    const wire = i % (options.buses ?? 1);
    const bus = `plant-${wire}`;
    buses[bus] = { protocol: 'modbus-tcp', host: `127.0.0.${wire + 1}`, port: options.responder };
    devices[`d${i}`] = { bus, unit: i + 1, interval: options.interval, ...options.device, points: POINTS };
  }
  const site = {
    gateway: {
      id: 'bench',
      stateDir: options.stateDir ?? path.join(space.folder, 'state'),
    },
    buses: { ...buses, ...options.more?.buses },
    devices: { ...devices, ...options.more?.devices },
    rules: options.rules ?? {},
    buffer: { commitEvery: options.commitEvery ?? '10s' },
    ...(options.nodeRed === undefined ? {} : { nodeRed: options.nodeRed }),
    ...(options.embedded
      ? { broker: { listen: { host: '127.0.0.1', port: options.embedded === true ? await freePort() : options.embedded } } }
      : {}),
    ...(options.upstream === undefined
      ? {}
      : {
          forwarders: {
            cloud: {
              type: 'mqtt',
              url: `mqtt://127.0.0.1:${options.upstream}`,
              ...(options.batch === undefined ? {} : { batch: options.batch }),
            },
          },
        }),
  };
  const file = path.join(space.folder, 'gateway.yaml');
  // All devices have the same points: written once, under an anchor.
  const text = JSON.stringify(site, null, 1)
    .replace(`"${POINTS}"`, `&points ${JSON.stringify(points)}`)
    .replaceAll(`"${POINTS}"`, '*points ');
  writeFileSync(file, text);
  return file;
}

/**
 * `sluice run`, as users start it: with the flags of bin/sluice. The shell execs, so the pid is the daemon's.
 * @param root of another built tree
 * @param before a program that runs it, with its arguments
 */
export function startGateway(space: Workspace, config: string, root = ROOT, before: readonly string[] = []): Child {
  const [program = '', ...args] = [...before, path.join(root, 'bin', 'sluice'), 'run', '-c', config];
  return space.spawn(program, args);
}

export function pidOf(child: Child): number {
  if (child.pid === undefined) throw new Error('the process was not started');
  return child.pid;
}
