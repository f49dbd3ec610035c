/** A folder and processes of one measurement; everything goes when it ends, also when it fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child, type ChildOptions } from '../../test/harness/child.ts';

/** With which a measurement is stopped. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export class Workspace {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  readonly #last: (() => unknown)[] = [];

  /** Runs `work` in a workspace of its own. */
  static async use<T>(work: (space: Workspace) => Promise<T>): Promise<T> {
    const space = new Workspace();
    const stopped = () => void space.#end().finally(() => process.exit(1));
    for (const signal of SIGNALS) process.once(signal, stopped);
    try {
      return await work(space);
    } finally {
      for (const signal of SIGNALS) process.off(signal, stopped);
      await space.#end();
    }
  }

  async #end(): Promise<void> {
    for (const run of this.#last.splice(0).reverse()) await run();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Called at the end, the last one first. */
  after(run: () => unknown): void {
    this.#last.push(run);
  }

  /** What the harness of tests asks of a test; what is missing ends the measurement. */
  get asTest(): TestContext {
    const skip = (why: string): never => {
      throw new Error(`this measurement ${why}`);
    };
    return { after: (run: () => unknown) => this.after(run), skip } as unknown as TestContext;
  }

  spawn(command: string, args: readonly string[], options: ChildOptions = {}): Child {
    const child = new Child(command, args, options);
    this.after(() => child.stop('SIGKILL'));
    return child;
  }
}
