/**
 * Node-RED as a child of the gateway, in a session and a process group of its own: under another user where the gateway is root, or
 * under the same user where the configuration says that this is known to be unsafe.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { promisify } from 'node:util';
import type { NodeRedConfig } from '../config/node-red.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { DoorPlace } from './door/place.ts';
import { childEnvironment, grantsOf, kernelLimits, nodeFlags } from './fence.ts';
import { endLeftovers, MARK } from './leftovers.ts';
import { Lines } from './lines.ts';
import { MemoryWatch } from './memory-watch.ts';
import { LONGEST_LINE, LONGEST_TEXT, parseFromChild, type ToChild } from './messages.ts';
import { endOf, lastOf, mayHaveOwnTasks, ownTasks } from './own-tasks.ts';
import { readPaced } from './paced-reader.ts';
import { CHILD_PROGRAM, installFault, NODE_RED_FOLDER } from './place.ts';
import { PROGRAM_WITHIN } from './programs.ts';
import type { FlowProcess, FlowWay, ProcessListener } from './way.ts';

/** The kernel takes no longer name for a socket. */
const LONGEST_SOCKET = 100;
/** Orders that the process does not take; one that hangs gets no more. */
const MOST_UNSENT = 64 * 1024;
/** The socket in the folder of Node-RED, and the name that it gets in the state directory. */
const SOCKET = 'editor.sock';

export interface ChildWayOptions {
  readonly clock: Clock;
  readonly stateDir: string;
  readonly config: NodeRedConfig;
  /** For tests: where Node-RED is installed. */
  readonly installed?: string;
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

export class ChildWay implements FlowWay {
  readonly runsAs: 'user' | 'same-user';
  readonly folder: string;
  readonly socket: string;
  readonly #o: ChildWayOptions;

  constructor(options: ChildWayOptions) {
    this.#o = options;
    this.runsAs = options.config.unsafeSameUser ? 'same-user' : 'user';
    this.folder = flowFolder(options.stateDir, options.config);
    this.socket = path.join(this.folder, SOCKET);
  }

  clear(): Promise<void> {
    return endLeftovers(this.#o.stateDir, this.#o.clock);
  }

  async start(listener: ProcessListener): Promise<FlowProcess> {
    const { config, stateDir } = this.#o;
    const fault = installFault(this.#o.installed) ?? (await userFault(config)) ?? this.#nameFault();
    if (fault !== undefined) throw new SluiceError('unsupported', fault);
    const user = config.unsafeSameUser ? undefined : await findUser(config.user ?? '');
    this.#makeFolder(user);
    clearPlace(this.#adopted);
    const limits = await hasProgram('prlimit');
    const before = kernelLimits(config.memory, config.disk, user !== undefined, limits);
    const command = [
      process.execPath,
      ...nodeFlags(grantsOf(config.allow), config.memory, this.folder),
      ...[CHILD_PROGRAM, this.#o.installed ?? NODE_RED_FOLDER, `${MARK}=${stateDir}`],
    ];
    const own = user !== undefined && (await mayHaveOwnTasks(user));
    const [program = '', ...words] = own ? ownTasks(user, before, command) : [...before, ...command];
    const child = spawn(program, words, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: childEnvironment(this.folder, [MARK, stateDir]),
      ...(own ? {} : user),
    });
    const { promise: spawned, resolve, reject } = Promise.withResolvers<void>();
    child.once('spawn', resolve);
    child.once('error', (thrown) => reject(new SluiceError('unsupported', `Node-RED cannot be started: ${thrown.message}`)));
    await spawned;
    return new Child(child, this.#o, listener);
  }

  /**
   * The socket lies in a folder that the flows may change. A second name of it in the state directory cannot be exchanged for a link
   * to somewhere else, and only the gateway enters there.
   */
  async adopt(): Promise<string> {
    const user = this.#o.config.unsafeSameUser ? undefined : await findUser(this.#o.config.user ?? '');
    clearPlace(this.#adopted);
    linkSync(this.socket, this.#adopted);
    const { uid } = lstatSync(this.#adopted);
    if (!lstatSync(this.#adopted).isSocket() || uid !== (user?.uid ?? process.getuid?.())) {
      rmSync(this.#adopted, { force: true });
      throw new SluiceError('forbidden', `${this.socket} is not the socket of Node-RED`);
    }
    return this.#adopted;
  }

  /** A user of its own cannot enter the state directory, and a socket in its folder could be exchanged for another one. */
  async door(): Promise<DoorPlace> {
    const { config, stateDir } = this.#o;
    if (config.unsafeSameUser) return { folder: stateDir, mode: 0o600 };
    const user = await findUser(config.user ?? '');
    return { folder: `${stateDir}-flows`, folderMode: 0o711, mode: 0o600, uid: user?.uid };
  }

  get #adopted(): string {
    return path.join(this.#o.stateDir, 'node-red.sock');
  }

  #nameFault(): string | undefined {
    return Buffer.byteLength(this.socket) <= LONGEST_SOCKET
      ? undefined
      : `${this.socket} is too long for a socket (${LONGEST_SOCKET} bytes); choose a shorter gateway.stateDir`;
  }

  /** Only Node-RED enters it. The gateway never writes into it. */
  #makeFolder(user: User | undefined): void {
    const uid = user?.uid ?? process.getuid?.() ?? 0;
    try {
      mkdirSync(this.folder, { mode: 0o700 });
      if (user !== undefined) chownSync(this.folder, user.uid, user.gid);
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== 'EEXIST')
        throw new SluiceError('unsupported', `the folder of Node-RED cannot be made: ${toError(thrown).message}`, {
          cause: thrown,
        });
    }
    const found = lstatSync(this.folder);
    if (!found.isDirectory() || found.uid !== uid)
      throw new SluiceError(
        'unsupported',
        `${this.folder} ${found.isDirectory() ? `belongs to another user (uid ${found.uid})` : 'is no folder'}; move it away, or run chown ${uid} ${this.folder}`,
      );
    if ((found.mode & 0o077) !== 0) chmodSync(this.folder, 0o700);
    // The path is one that only its user can change, and a link itself is removed.
    clearPlace(this.socket);
  }
}

/** For a socket: a killed process left one, or a flow put something there. @throws SluiceError */
function clearPlace(socket: string): void {
  try {
    rmSync(socket, { force: true });
  } catch (cause) {
    throw new SluiceError(
      'unsupported',
      `the socket of the editor needs the place of ${socket}, and what is there cannot be removed (${toError(cause).message}); move it away`,
      { cause },
    );
  }
}

class Child implements FlowProcess {
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  #memory: MemoryWatch | undefined;
  #over = false;
  /** The process of Node-RED itself, behind the programs in front of it. */
  pid: number | undefined;
  /** It was ended for this reason. */
  #cause: string | undefined;

  constructor(child: ChildProcess, { clock, stateDir, config }: ChildWayOptions, listener: ProcessListener) {
    this.#child = child;
    this.#channel = child.stdio[3] as Duplex;
    this.#channel.on('error', () => {});
    const orders = new Lines(LONGEST_LINE, (line) => {
      const message = parseFromChild(line);
      if (message === undefined) return;
      if (message.type === 'hello' && child.pid !== undefined && this.pid === undefined) {
        this.pid = lastOf(child.pid);
        this.#memory = new MemoryWatch(this.pid, config.memory, clock, (why) => {
          this.#cause = why;
          this.kill();
        });
        this.#memory.start();
      }
      if (message.type === 'ready') void this.#memory?.settle();
      listener.message(message);
    });
    readPaced(this.#channel, clock, (chunk) => orders.push(chunk));
    for (const stream of [child.stdout, child.stderr] as (Readable | null)[]) {
      if (stream === null) continue;
      const lines = new Lines(LONGEST_TEXT, (line) => listener.output(line));
      readPaced(stream, clock, (chunk) => lines.push(chunk));
    }
    child.on('exit', (code, signal) => {
      this.#over = true;
      this.#memory?.stop();
      const why = this.#cause ?? endOf(code, signal);
      // What it started ends with it, and only then it is over.
      this.kill();
      endLeftovers(stateDir, clock, 0).then(
        () => listener.ended(why),
        (thrown: unknown) => listener.ended(`${why}, and ${toError(thrown).message}`),
      );
    });
  }

  send(message: ToChild): void {
    if (!this.#over && this.#channel.writable && this.#channel.writableLength < MOST_UNSENT)
      this.#channel.write(`${JSON.stringify(message)}\n`);
  }

  end(): void {
    this.#signal('SIGTERM');
  }

  kill(): void {
    this.#signal('SIGKILL');
  }

  /** The whole group. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nothing of it is left.
    }
  }
}

/** Under the same user everything lies in the state directory; another user cannot enter that one. */
export function flowFolder(stateDir: string, config: Pick<NodeRedConfig, 'unsafeSameUser'>): string {
  return config.unsafeSameUser ? path.join(stateDir, 'node-red') : `${stateDir}-node-red`;
}

/** Why it cannot run under the user that is configured; undefined where it can. */
export async function userFault({ user, unsafeSameUser }: NodeRedConfig): Promise<string | undefined> {
  if (unsafeSameUser || user === undefined) return undefined;
  if (process.getuid?.() !== 0)
    return `only a gateway that runs as root can start Node-RED under the user ${user}; remove nodeRed.user and use the service of systemd, or run the gateway as root`;
  const found = await findUser(user);
  if (found === undefined)
    return `this machine has no user ${user}; make one: useradd --system --no-create-home --shell /usr/sbin/nologin ${user}`;
  return found.uid === 0 ? `${user} is root, which nothing holds back; name a user of its own` : undefined;
}

const run = promisify(execFile);

/** As the system knows it, wherever it keeps its users. */
async function findUser(name: string): Promise<User | undefined> {
  try {
    const ask = async (what: string) => Number((await run('id', [what, '--', name], { timeout: PROGRAM_WITHIN })).stdout.trim());
    const [uid, gid] = [await ask('-u'), await ask('-g')];
    return Number.isSafeInteger(uid) && Number.isSafeInteger(gid) ? { uid, gid } : undefined;
  } catch {
    return undefined;
  }
}

async function hasProgram(name: string): Promise<boolean> {
  try {
    await run(name, ['--version'], { timeout: PROGRAM_WITHIN });
    return true;
  } catch {
    return false;
  }
}
