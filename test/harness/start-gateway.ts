/** A gateway as a user runs it: `sluice run -c FILE` in a process of its own, with a folder of its own. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { request } from '../../src/admin/client.ts';
import type { GatewayStatus, ReloadReply } from '../../src/admin/target.ts';
import { Child, startChild } from './child.ts';
import { scratch } from './scratch.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

const SOURCES = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
/** `npm test` names the bundle that it has just built, so that the suites run what is installed; a file alone runs the sources. */
export const MAIN = process.env.SLUICE_TEST_PROGRAM ?? SOURCES;
const NODE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];

export interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class Gateway {
  readonly folder: string;
  readonly config: string;
  /** Words in front of its command: it starts in a place of its own (closed-net.ts). */
  before: readonly string[] = [];
  #child: Child | undefined;
  readonly #logsBefore: LogLine[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.config = path.join(folder, 'gateway.yaml');
  }

  get stateDir(): string {
    return path.join(this.folder, 'state');
  }
  get runtimeDir(): string {
    return path.join(this.folder, 'run');
  }
  get socket(): string {
    return path.join(this.stateDir, 'sluice.sock');
  }
  /** The section `gateway:` of its configuration, with the folders above. */
  get section(): string {
    return `gateway: {id: g1, stateDir: ${this.stateDir}, runtimeDir: ${this.runtimeDir}}`;
  }
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the gateway was not started');
    return pid;
  }
  /** Exit code or signal of the last run; undefined while it runs. */
  get over(): number | string | undefined {
    return this.#child?.over;
  }
  get stderr(): readonly string[] {
    return this.#child?.stderr ?? [];
  }

  /** Replaces the configuration; a running gateway sees it after `signal('SIGHUP')`. */
  write(yaml: string): void {
    writeFileSync(this.config, yaml);
  }

  /**
   * Returns when the process is started; use `waitForLog` or the socket to wait for more.
   * @param user the user id that it runs under
   * @param from the sources, for a test that loads something into them first
   */
  start(env: NodeJS.ProcessEnv = {}, user?: number, from: 'as installed' | 'sources' = 'as installed'): void {
    const main = from === 'sources' ? SOURCES : MAIN;
    if (this.#child !== undefined) this.#logsBefore.push(...parse(this.#child));
    const [program = '', ...words] = [...this.before, process.execPath, ...NODE_FLAGS, main, 'run', '-c', this.config];
    this.#child = new Child(program, words, { cwd: this.folder, env, user });
  }

  /** Starts the process and waits until it says that it runs. The parameters are those of `start`. */
  async up(...how: Parameters<Gateway['start']>): Promise<void> {
    this.start(...how);
    await this.waitForLog(/The gateway is running/);
  }

  status(): Promise<GatewayStatus> {
    return request(this.socket, 'GET', '/api/v1/status', undefined, DEADLINE_MS) as Promise<GatewayStatus>;
  }

  /** Replaces the configuration of a running gateway. @returns what changed */
  async reload(yaml: string): Promise<readonly string[]> {
    this.write(yaml);
    return ((await request(this.socket, 'POST', '/api/v1/reload', undefined, DEADLINE_MS)) as ReloadReply).changes;
  }

  /** Where the embedded broker listens, as soon as it does. */
  async brokerPort(): Promise<number> {
    return (await waitFor('the embedded broker', async () => (await this.status()).broker?.address)).port;
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.signal(signal) ?? false;
  }

  /** SIGTERM, and waits: exit code or signal name. */
  stop(): Promise<number | string> {
    return this.#child?.stop('SIGTERM') ?? Promise.resolve('never started');
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** JSON log lines of all runs. */
  logs(): LogLine[] {
    return [...this.#logsBefore, ...(this.#child === undefined ? [] : parse(this.#child))];
  }

  /** Waits for a log line of the present run. */
  waitForLog(pattern: RegExp, timeout?: number): Promise<LogLine> {
    return waitFor(
      () =>
        `a log line like ${pattern}; ${this.over === undefined ? 'still running' : `ended with ${this.over}`}; last lines:\n${this.tail()}`,
      () => (this.#child === undefined ? undefined : parse(this.#child).find((line) => pattern.test(line.msg))),
      timeout === undefined ? {} : { timeout },
    );
  }

  /** The last lines of both streams, for messages of failing tests. */
  tail(lines = 30): string {
    return [...(this.#child?.stdout.slice(-lines) ?? []), ...(this.#child?.stderr.slice(-lines) ?? [])].join('\n');
  }
}

/** A gateway that is configured and not started. It does not outlive the test. `yaml` gets the folder of the state. */
/** @param folder where it has everything, on a disk of its own for example */
export function makeGateway(t: TestContext, yaml: (gateway: Gateway) => string, folder = scratch(t, 'gateway')): Gateway {
  const gateway = new Gateway(folder);
  gateway.write(yaml(gateway));
  t.after(() => gateway.kill());
  return gateway;
}

/** Runs a command of `sluice` to its end. */
export async function sluice(
  t: TestContext,
  ...args: string[]
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const child = startChild(t, process.execPath, [MAIN, ...args]);
  const code = await child.ended;
  return { code, stdout: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
}

function parse(child: Child): LogLine[] {
  const lines: LogLine[] = [];
  for (const text of [...child.stdout, ...child.stderr]) {
    if (!text.startsWith('{')) continue;
    try {
      lines.push(JSON.parse(text) as LogLine);
    } catch {
      // a line that the kill cut off
    }
  }
  return lines;
}
