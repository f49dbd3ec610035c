/** A full log and a Mosquitto with and without TLS; gateways drain copies of that log, one after another. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/harness/free-port.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../../test/peers/mosquitto.ts';
import { findProgram } from '../../test/peers/peers.ts';
import { built } from './built.ts';
import type { DrainPlan, DrainResult } from './drain-gateway.ts';
import { DEVICES, fillLog, POINTS } from './full-log.ts';
import type { Workspace } from './workspace.ts';

const LONGEST = 10 * 60_000;
/** The flags of bin/sluice. */
export const GATEWAY_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1', '--max-old-space-size=96'];

export interface DrainKeys {
  readonly format: string;
  readonly batch?: object;
  readonly [more: string]: unknown;
}

export class DrainRun {
  /** Readings of the log. */
  readonly readings: number;
  readonly #space: Workspace;
  readonly #data: string;
  readonly #full: string;
  readonly #urls: { readonly plain: string; readonly tls: string };
  readonly #ca: string;
  readonly #gateway: string;

  private constructor(
    space: Workspace,
    data: string,
    { full, readings, gateway, ...at }: Record<'full' | 'gateway' | 'plain' | 'tls' | 'ca', string> & { readings: number },
  ) {
    this.#space = space;
    this.#data = data;
    this.#full = full;
    this.readings = readings;
    this.#urls = at;
    this.#ca = at.ca;
    this.#gateway = gateway;
  }

  /** @param data the name of a data set @param readings about so many */
  static async open(space: Workspace, data: string, readings: number): Promise<DrainRun> {
    const program = findProgram('mosquitto');
    if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
    const [cert, key] = [path.join(space.folder, 'cert.pem'), path.join(space.folder, 'key.pem')];
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`;
    execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
    const [port, tlsPort] = [await freePort(), await freePort()];
    const extra = ['set_tcp_nodelay true', `listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`];
    const broker = space.spawn(program, ['-c', writeBrokerConfig(space.folder, port, { extra })]);
    await waitFor('Mosquitto to run', () => broker.stderr.some((line) => /running/.test(line)));
    const full = path.join(space.folder, 'full');
    // Bytes of a reading in units, a little less than it is, so that there are enough.
    const filled = fillLog(path.join(full, 'state'), data, readings * (data === 'decimal' ? 0.4 : 2.5));
    const urls = { plain: `mqtt://127.0.0.1:${port}`, tls: `mqtts://127.0.0.1:${tlsPort}` };
    // From source, the first alarm would wait for types that are stripped.
    const gateway = await built('bench/lib/drain-gateway.ts');
    return new DrainRun(space, data, { full, gateway, readings: filled.readings, ...urls, ca: cert });
  }

  /** A gateway drains a copy. @param alone milliseconds of live readings and alarms, once the backlog is gone */
  async drain(name: string, { keys, tls, alone }: { keys: DrainKeys; tls: boolean; alone: number }): Promise<DrainResult> {
    const folder = path.join(this.#space.folder, 'run');
    mkdirSync(folder);
    cpSync(this.#full, folder, { recursive: true });
    const url = tls ? this.#urls.tls : this.#urls.plain;
    const plan: DrainPlan = {
      stateDir: path.join(folder, 'state'),
      runtimeDir: path.join(folder, 'runtime'),
      ...{ data: this.#data, devices: DEVICES, points: POINTS, alone },
      settings: { ...keys, url, batch: { maxAge: '10ms', ...keys.batch } },
      ca: tls ? this.#ca : undefined,
    };
    const child = this.#space.spawn(process.execPath, [...GATEWAY_FLAGS, this.#gateway, JSON.stringify(plan)], {
      env: { MALLOC_ARENA_MAX: '2' },
    });
    const last = () => child.stderr.slice(-20).join('\n');
    await waitFor(
      () => `${name}:\n${last()}`,
      () => child.over !== undefined,
      { every: 100, timeout: LONGEST },
    );
    if (child.over !== 0) throw new Error(`${name} ended (${child.over}):\n${last()}`);
    const result = JSON.parse(child.stdout.at(-1) ?? '') as DrainResult;
    if (result.fault !== undefined) throw new Error(`${name}: ${result.fault}`);
    if (result.readings !== this.readings)
      console.error(`${name}: ${result.readings} of ${this.readings} readings were acknowledged`);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    return result;
  }
}
