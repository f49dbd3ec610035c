/**
 * Node-RED syncs its files before it renames them. Node refuses fs.fsync on a bare number behind its fence, because a number may
 * belong to anything; a handle of the same file may be synced. Without this, a power cut could empty a flow that was just deployed.
 */
import fs from 'node:fs';
import { open } from 'node:fs/promises';

/** The fence lets these through: they are the files that are open already. */
export const OPEN_FILES = '/proc/self/fd/';

export function syncBehindFence(): void {
  if (process.permission === undefined || process.permission.has('fs.write')) return;
  const fsync = (fd: number, done: (error: Error | null) => void): void => {
    synced(fd).then(() => done(null), done);
  };
  Object.assign(fs, { fsync });
}

async function synced(fd: number): Promise<void> {
  const handle = await open(`${OPEN_FILES}${fd}`, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
