import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of its own for a test, removed at its end. @param under /dev/shm where many commits shall cost no disk */
export function scratch(t: TestContext, name = 'test', under = tmpdir()): string {
  const folder = mkdtempSync(path.join(under, `sluice-${name}-`));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
