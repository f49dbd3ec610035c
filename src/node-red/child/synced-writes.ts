/**
 * What Node-RED writes of flows is on the disk before it answers a deploy. A power cut takes what is not: a file that was never synced
 * comes back empty, and a new name that was never synced comes back as the old file.
 * - Node-RED syncs its files before it renames them. Node refuses fs.fsync on a bare number behind its fence, because a number may
 *   belong to anything; a handle of the same file may be synced.
 * - Node-RED does not sync the folder that gets the new name.
 */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';

/** The fence lets these through: they are the files that are open already. */
export const OPEN_FILES = '/proc/self/fd/';

type Done = (error: Error | null) => void;

/**
 * Before Node-RED is loaded: it takes a copy of these functions.
 * @param folder of flows.json; names elsewhere are left as they are
 */
export function syncWrites(folder: string): void {
  const { rename } = fs;
  const synced = (from: fs.PathLike, to: fs.PathLike, done: Done): void =>
    rename(from, to, (error) => {
      if (error !== null || path.dirname(String(to)) !== folder) done(error);
      else syncOf(folder).then(() => done(null), done);
    });
  Object.assign(fs, { rename: synced });
  if (process.permission === undefined || process.permission.has('fs.write')) return;
  const fsync = (fd: number, done: Done): void => {
    syncOf(`${OPEN_FILES}${fd}`).then(() => done(null), done);
  };
  Object.assign(fs, { fsync });
}

async function syncOf(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
