import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A test, or a measurement: what is given to `after` runs at its end. */
export interface Ends {
  after(run: () => unknown): void;
}

/** A folder of its own for a test, removed at its end. @param under /dev/shm where many commits shall cost no disk */
export function scratch(t: Ends, name = 'test', under = tmpdir()): string {
  const folder = mkdtempSync(path.join(under, `sluice-${name}-`));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
