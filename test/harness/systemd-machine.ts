/**
 * A machine with a real systemd, for units as they are shipped (systemd-machine.sh). It has the users `sluice` and `sluice-flows`,
 * this repository as /opt/sluice, and a network without an outside. It ends with the test, and all of its processes with it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { asRoot, cannot, peer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';
import { scratch } from './scratch.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const BUNDLE = path.join(ROOT, 'dist', 'cli', 'main.js');
const PROGRAM = '/usr/lib/systemd/systemd';
/** Commands that wait for a unit may take as long as it does. */
const COMMAND_WITHIN = DEADLINE_MS;

let machines = 0;

export class SystemdMachine {
  readonly #pid: number;
  readonly #t: TestContext;
  readonly #within: number;

  /** @param within milliseconds that a command may take */
  constructor(t: TestContext, pid: number, within = COMMAND_WITHIN) {
    this.#t = t;
    this.#pid = pid;
    this.#within = within;
  }

  /** A path of the machine, as the test opens it. */
  at(file: string): string {
    return `/proc/${this.#pid}/root${file}`;
  }

  write(file: string, text: string): void {
    mkdirSync(path.dirname(this.at(file)), { recursive: true });
    writeFileSync(this.at(file), text);
  }

  /** Runs a command in it. @returns its output */
  run(...command: string[]): { readonly code: number | null; readonly out: string } {
    const { status, stdout, stderr } = spawnSync('env', [...this.#enter, ...command], {
      encoding: 'utf8',
      timeout: this.#within,
    });
    return { code: status, out: `${stdout}${stderr}`.trim() };
  }

  /** @throws where it fails */
  must(...command: string[]): string {
    const { code, out } = this.run(...command);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${out}`);
    return out;
  }

  /** A program in it that ends with the test. */
  start(...command: string[]): Child {
    return startChild(this.#t, 'env', [...this.#enter, ...command]);
  }

  /** `systemctl show`: one property of a unit. */
  show(unit: string, property: string): string {
    return this.must('systemctl', 'show', '--value', `--property=${property}`, unit);
  }

  /** Processes of a unit, by the numbers of this machine. */
  processes(unit: string): number[] {
    const file = ['systemd', 'unified', '.']
      .map((top) => path.join(this.at('/sys/fs/cgroup'), top, 'system.slice', unit, 'cgroup.procs'))
      .find((one) => existsSync(one));
    if (file === undefined) return [];
    // Numbers as the one who reads sees them.
    return readFileSync(file, 'latin1').split('\n').filter(Boolean).map(Number);
  }

  /** A value of the kernel about a unit: `memory.limit_in_bytes` or `memory.max`, as the hierarchy has it. */
  limit(unit: string, controller: string, names: readonly string[]): string | undefined {
    const file = names
      .flatMap((name) => [controller, '.'].map((top) => path.join(this.at('/sys/fs/cgroup'), top, 'system.slice', unit, name)))
      .find((one) => existsSync(one));
    return file === undefined ? undefined : readFileSync(file, 'latin1').trim();
  }

  journal(unit: string): string {
    return this.run('journalctl', '--no-pager', '-o', 'cat', '-u', unit).out;
  }

  get #enter(): string[] {
    // Nothing of the environment of the test: paths in it mean other files there.
    return [
      ...['-i', 'PATH=/usr/sbin:/usr/bin', 'nsenter'],
      `--target=${this.#pid}`,
      '--mount',
      '--pid',
      '--uts',
      '--ipc',
      '--net',
      '--cgroup',
      '--root',
      '--wdns=/',
      '--',
    ];
  }
}

/** undefined after the test was marked as skipped: no systemd may run as process 1 of a namespace here. */
export async function systemdMachine(t: TestContext): Promise<SystemdMachine | undefined> {
  if (!asRoot(t, 'run systemd in namespaces of its own')) return undefined;
  if (peer(t, PROGRAM, 'apt-get install -y systemd') === undefined) return undefined;
  if (peer(t, 'nsenter', 'apt-get install -y util-linux') === undefined) return undefined;
  if (!existsSync(BUNDLE)) throw new Error(`the units start ${BUNDLE}; build it: sh scripts/setup.sh`);
  const fault = namespaceFault();
  if (fault !== undefined) {
    cannot(t, `run systemd in namespaces of its own: ${fault}`);
    return undefined;
  }
  const name = `sluice-test-${process.pid}-${++machines}`;
  const folder = scratch(t, 'machine');
  const shell = startChild(t, 'sh', [path.join(import.meta.dirname, 'systemd-machine.sh'), name, folder, ROOT]);
  t.after(async () => {
    await shell.stop('SIGKILL');
    await removeGroups(name);
  });
  const pid = await waitFor(
    () => `systemd; its script wrote:\n${[...shell.stdout, ...shell.stderr].join('\n')}`,
    () => {
      if (shell.over !== undefined) throw new Error(`the script ended with ${shell.over}`);
      const child = Number(readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, 'latin1').trim());
      return child > 0 && readFileSync(`/proc/${child}/cmdline`, 'latin1').startsWith(PROGRAM) ? child : undefined;
    },
  );
  const machine = new SystemdMachine(t, pid);
  await waitFor(
    () => `systemd to run; it is ${machine.run('systemctl', 'is-system-running').out}`,
    () => /^(running|degraded)$/.test(machine.run('systemctl', 'is-system-running').out),
  );
  machine.must('ip', 'link', 'set', 'lo', 'up');
  return machine;
}

/** Why no namespaces with groups of their own can be made here, in the words of unshare; undefined: they can. */
export function namespaceFault(): string | undefined {
  const all = ['--fork', '--pid', '--mount', '--cgroup', '--uts', '--ipc', '--net'];
  const { status, stderr } = spawnSync('unshare', [...all, 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], { encoding: 'utf8' });
  if (status !== 0) return stderr.trim().split('\n')[0] ?? 'unshare fails';
  const groups = readFileSync('/proc/self/cgroup', 'latin1');
  const writable = spawnSync('sh', ['-c', 'd=$(find /sys/fs/cgroup -name cgroup.procs -prune -print -quit); test -w "$d"']);
  return groups !== '' && writable.status === 0 ? undefined : 'the control groups are read-only';
}

/** Groups of ended processes, the innermost first. */
async function removeGroups(name: string): Promise<void> {
  const found = spawnSync('find', ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${name}*`], { encoding: 'utf8' });
  for (const folder of found.stdout.split('\n').filter(Boolean))
    await waitFor(`an empty group ${folder}`, () => {
      rmdirSync(folder);
      return true;
    });
}
