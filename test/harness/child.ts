/** A child process that a test started: its output, its end, and signals to its pid alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { waitFor } from './wait-for.ts';

/** Milliseconds after which a child that ignores its signal is killed: a machine that stands still for a while is not the child's fault. */
const KILL_AFTER = 120_000;
/** Milliseconds after its end for its last words. Programs that it started may hold its output open for ever. */
const LAST_WORDS = 10_000;
/** Lines kept per stream; a child that floods is cut at the front. */
const MAX_LINES = 200_000;

export interface ChildOptions {
  readonly cwd?: string;
  /** Besides the environment of the test. */
  readonly env?: NodeJS.ProcessEnv;
  /** `write` gives it lines. */
  readonly stdin?: boolean;
  /** Runs as this user, with the group of the same number and no other. Only root can. */
  readonly user?: number | undefined;
}

export class Child {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #process: ChildProcess;
  readonly #name: string;
  /** Resolves with exit code or signal name, after both streams have ended. */
  readonly ended: Promise<number | string>;
  #over: number | string | undefined;

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#name = `${command} ${args.join(' ')}`;
    this.#process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
      stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    // A line for a process that has ended must not hide why the test failed.
    this.#process.stdin?.on('error', () => {});
    for (const [stream, lines] of [
      [this.#process.stdout, this.stdout],
      [this.#process.stderr, this.stderr],
    ] as const) {
      let rest = '';
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        if (lines.length > MAX_LINES) lines.splice(0, lines.length - MAX_LINES);
      });
      stream?.on('end', () => {
        if (rest !== '') lines.push(rest);
      });
    }
    this.ended = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message));
      this.#process.once('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
    });
    this.ended.then(
      (how) => {
        this.#over = how;
      },
      () => {},
    );
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }
  /** Exit code or signal name; undefined while it runs. */
  get over(): number | string | undefined {
    return this.#over;
  }

  write(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** No line follows. */
  endInput(): void {
    this.#process.stdin?.end();
  }

  /** Sends a signal to this process; false when it is gone already. */
  signal(signal: NodeJS.Signals): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.kill(signal);
  }

  /** Signals and waits for the end; a child that ignores it for KILL_AFTER is killed. Its output is left LAST_WORDS after its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    this.signal(signal);
    const kill = setTimeout(() => this.signal('SIGKILL'), KILL_AFTER);
    let leave: NodeJS.Timeout | undefined;
    const gone = () => {
      leave ??= setTimeout(() => {
        for (const stream of [this.#process.stdout, this.#process.stderr]) stream?.destroy();
      }, LAST_WORDS);
    };
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) gone();
    else this.#process.once('exit', gone);
    try {
      return await this.ended;
    } finally {
      clearTimeout(kill);
      clearTimeout(leave);
    }
  }

  /** A line of either stream that matches; fails at once when the child ends without it. */
  async line(pattern: RegExp): Promise<string> {
    const find = () => this.stdout.find((l) => pattern.test(l)) ?? this.stderr.find((l) => pattern.test(l));
    const found = await waitFor(
      () => `a line like ${pattern} of ${this.#name}; it wrote:\n${[...this.stdout, ...this.stderr].slice(-30).join('\n')}`,
      () => find() ?? (this.#over === undefined ? undefined : { ended: this.#over }),
    );
    if (typeof found === 'string') return found;
    throw new Error(`${this.#name} ended (${found.ended}) without a line like ${pattern}; it wrote:\n${this.stderr.join('\n')}`);
  }
}

/** Starts a child that does not outlive the test. */
export function startChild(t: TestContext, command: string, args: readonly string[], options: ChildOptions = {}): Child {
  const child = new Child(command, args, options);
  t.after(() => child.stop('SIGKILL'));
  return child;
}
