/** A program in a terminal of its own: what is typed is echoed, Ctrl-C reaches it, and it writes as it does for people. */
import { readFileSync } from 'node:fs';
import { Child } from './child.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
const CONTROLS = /\u001b\[[\d;?]*[A-Za-z]|\r/g;
/** A program that Ctrl-C does not end by then is killed. */
const PATIENCE_MS = 20_000;

export class Terminal {
  readonly #child: Child;
  readonly #pidFile: string;
  /** Lines that were looked at, counted as `joinLines` joins them. */
  seen = 0;

  /** @param pidFile where the number of the program is kept */
  constructor(command: string, cwd: string, env: NodeJS.ProcessEnv, pidFile: string) {
    this.#pidFile = pidFile;
    this.#child = new Child('script', ['-qefc', `echo $$ >${pidFile}; exec ${command}`, '/dev/null'], { cwd, env, stdin: true });
  }

  /** Without colours. */
  get lines(): string[] {
    return this.#child.stdout.map((line) => line.replaceAll(CONTROLS, ''));
  }

  /** Exit code or signal name; undefined while it runs. */
  get over(): number | string | undefined {
    return this.#child.over;
  }

  type(line: string): void {
    this.#child.write(line);
  }

  /** Ctrl-C, and waits for the end. */
  async stop(): Promise<void> {
    if (this.over === undefined) this.type('\u0003');
    const timer = setTimeout(() => this.#kill(), PATIENCE_MS);
    await this.#child.ended;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.#kill();
    await this.#child.ended;
  }

  /** The program and not `script` alone: that would be a terminal that was closed, and the gateway goes on then. */
  #kill(): void {
    if (this.over !== undefined) return;
    try {
      process.kill(Number(readFileSync(this.#pidFile, 'utf8')), 'SIGKILL');
    } catch {
      this.#child.signal('SIGKILL');
    }
  }
}
