/**
 * Room for a start. On a full disk no log can be opened, because SQLite makes files beside it, so nobody would poll or alarm until a
 * person made room. The gateway keeps a file of 4 MiB in the state directory, and empties it when a start finds the disk full. The log
 * then opens, and reports what it cannot write. Invariants:
 * - Who calls holds the lock of the folder. What is in the place of the file and no plain file stays as it is, and gives nothing.
 * - The room that a start did not need is kept again as soon as the gateway runs: a kill or a power cut leaves room for the next start.
 * - An empty file says that its room was taken. A disk that never had LEAST_FREE free has none, because its log needs the space.
 * - A steady disk costs no write: neither a start that is not full nor one that fails writes the room again.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, ftruncateSync, lstatSync, openSync, rmSync, type Stats } from 'node:fs';
import { lstat, open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { inTurn } from '../access/state-file.ts';
import { littleBytes } from '../store/files/free-space.ts';

export const ROOM_FILE = 'start.spare';
export const ROOM = 4 * 1024 * 1024;
/** The disk has so much free when the file is first made. */
const LEAST_FREE = 16 * ROOM;
/** What a gateway that runs on a full disk keeps for its commits; more than a start needs (free-space.ts). */
const LEFT = 512 * 1024;
/** The file grows by this at least. */
const STEP = 256 * 1024;
/** Others write a file of the folder between two of these. */
const PIECE = 1024 * 1024;

const random = promisify(randomBytes);

export class StartRoom {
  readonly #stateDir: string;
  readonly #file: string;
  #lent = false;
  #ended = false;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#file = path.join(stateDir, ROOM_FILE);
  }

  /** Gives the room to the log where the disk is full. Never throws. @returns that the disk is full, in words; undefined: nothing was given */
  lend(): string | undefined {
    const full = littleBytes(this.#stateDir);
    if (full === undefined) return undefined;
    try {
      if (!isRoom(lstatSync(this.#file))) return undefined;
      emptied(this.#file);
    } catch {
      // There is none, or the disk is read-only as well: the log says what it cannot do.
      return undefined;
    }
    this.#lent = true;
    return full;
  }

  /** Keeps room for the next start. What it has then is on the disk. Never rejects. */
  async keep(): Promise<void> {
    if (this.#ended) return;
    try {
      const found = await inTurn(() => lstat(this.#file).catch(ifMissing));
      if (found !== undefined && !isOurs(found)) return;
      const held = found !== undefined && isRoom(found) ? found.size : 0;
      if (held >= ROOM) return;
      const { bavail, bsize } = await inTurn(() => statfs(this.#stateDir));
      const free = bavail * bsize;
      const size = free >= LEAST_FREE ? ROOM : found !== undefined || this.#lent ? Math.min(ROOM, held + free - LEFT) : 0;
      if (size - held >= STEP) await this.#grow(held, size);
    } catch {
      // The disk is full or failing, which the log reports. The next start looks again.
    }
  }

  /** Nothing of it is written any more. */
  end(): void {
    this.#ended = true;
  }

  /** @throws what the file system says; then it holds what it held */
  async #grow(from: number, to: number): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await inTurn(() => open(this.#file, flags, 0o600));
    try {
      await inTurn(() => file.truncate(from));
      for (let at = from; at < to && !this.#ended; at += PIECE) {
        // Zeros are no room on a file system that compresses.
        const piece = await random(Math.min(PIECE, to - at));
        await inTurn(async () => {
          await file.appendFile(piece);
          await file.sync();
        });
      }
    } catch (thrown) {
      // Others took the space meanwhile, and the log needs what is left.
      await inTurn(() => file.truncate(from));
      throw thrown;
    } finally {
      await inTurn(() => file.close());
    }
  }
}

/** A second name elsewhere is a file of a person. */
const isOurs = (found: Stats): boolean => found.isFile() && found.nlink === 1;
/** A sparse file holds nothing. */
const isRoom = (found: Stats): boolean => isOurs(found) && found.size > 0 && found.blocks * 512 >= found.size;

function ifMissing(thrown: unknown): undefined {
  if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
}

function emptied(file: string): void {
  try {
    const fd = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      ftruncateSync(fd, 0);
      // A journal may hold the blocks back until then.
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // A file of another user, or a file system that needs room to make a file shorter.
    rmSync(file);
  }
}
