/** A disk that stops answering and goes on later: no read, write or flush of it ends meanwhile, and none fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { nbdDisk } from './nbd-disk.ts';

export interface HangingDisk {
  /** Where it is mounted. */
  readonly folder: string;
  hang(): void;
  goOn(): void;
}

/** @returns undefined after the test was marked as skipped */
export async function hangingDisk(t: TestContext, megabytes: number): Promise<HangingDisk | undefined> {
  const base = mkdtempSync(path.join(tmpdir(), 'sluice-hanging-'));
  const disk = await nbdDisk(t, base, ['memory', `${megabytes}M`], true, true);
  // Behind the end of the disk: nobody removes what is on it. A gateway that hung with it may make a last file.
  t.after(() => rmSync(base, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  return (
    disk && {
      folder: disk.folder,
      hang: () => void disk.server.signal('SIGSTOP'),
      goOn: () => void disk.server.signal('SIGCONT'),
    }
  );
}
