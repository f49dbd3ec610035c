/** The consumers of examples/consumer as child processes: workers for PostgreSQL, and the one for SQLite. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from './child.ts';

export const CONSUMERS = path.join(import.meta.dirname, '..', '..', 'examples', 'consumer');

/** A program that is killed and started again with the same words. It does not outlive the test. */
export class Restarted {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #child: Child;
  /** What it wrote in all its runs. */
  readonly #said: string[] = [];

  constructor(t: TestContext, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    [this.#program, this.#args, this.#env] = [program, args, env];
    this.#child = new Child(program, args, { env });
    t.after(() => this.#child.stop('SIGKILL'));
  }

  get child(): Child {
    return this.#child;
  }
  /** Lines of this run. */
  get lines(): readonly string[] {
    return [...this.#child.stdout, ...this.#child.stderr];
  }
  /** Lines of all runs. */
  get said(): readonly string[] {
    return [...this.#said, ...this.lines];
  }

  /** SIGKILL, and the next run at once. */
  async again(): Promise<void> {
    await this.#child.stop('SIGKILL');
    this.#said.push(...this.lines);
    this.#child = new Child(this.#program, this.#args, { env: this.#env });
  }
}

/** A worker of postgres.py. @param more its name, and options */
export function worker(t: TestContext, python: string, port: number, dsn: string, ...more: string[]): Restarted {
  const words = ['-u', path.join(CONSUMERS, 'postgres.py'), '127.0.0.1', String(port), dsn, ...more];
  return new Restarted(t, python, words);
}
