/** What a caller on the Unix socket shows to be root or the user of the gateway; admin-key.ts says what for. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';

export const KEY_FILE = 'admin.key';
/** The header in which it is shown. */
export const KEY_HEADER = 'x-sluice-key';
/** Bytes of the file that are read. */
export const LONGEST_KEY = 100;

/** For a caller. @returns undefined: there is none, or this user may not read it */
export async function readAdminKey(stateDir: string): Promise<string | undefined> {
  try {
    await using handle = await open(
      path.join(stateDir, KEY_FILE),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    if (!(await handle.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_KEY), 0, LONGEST_KEY, 0);
    return buffer.toString('latin1', 0, bytesRead).trim();
  } catch {
    return undefined;
  }
}
