/** A folder and processes of one measurement; everything goes when it ends, also when it fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Child, type ChildOptions } from '../../test/harness/child.ts';

export class Workspace {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'));
  readonly #last: (() => unknown)[] = [];

  /** Runs `work` in a workspace of its own. */
  static async use<T>(work: (space: Workspace) => Promise<T>): Promise<T> {
    const space = new Workspace();
    try {
      return await work(space);
    } finally {
      for (const run of space.#last.reverse()) await run();
      rmSync(space.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  /** Called at the end, the last one first. */
  after(run: () => unknown): void {
    this.#last.push(run);
  }

  spawn(command: string, args: readonly string[], options: ChildOptions = {}): Child {
    const child = new Child(command, args, options);
    this.after(() => child.stop('SIGKILL'));
    return child;
  }
}
