import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of its own for a test, removed at its end. */
export function scratch(t: TestContext, name = 'test'): string {
  const folder = mkdtempSync(path.join(tmpdir(), `sluice-${name}-`));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
