/**
 * Where the socket for flows lies, and who may connect. It lies in a folder that only the gateway can change, so nobody can put a
 * link or another socket in its place. What is foreign there is refused and not removed.
 */
import { chmodSync, lchownSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { SluiceError, toError } from '../../core/errors.ts';

/** The kernel takes no longer name for a socket. */
const LONGEST = 107;
const DOOR = 'flows.sock';

export interface DoorPlace {
  /** Belongs to the gateway. */
  readonly folder: string;
  /** The mode of a folder that the gateway makes for this; undefined: the folder is there for other things, and stays as it is. */
  readonly folderMode?: number | undefined;
  readonly mode: number;
  /** The user who may connect; undefined: the one of the gateway, or everybody, as `mode` says. */
  readonly uid?: number | undefined;
}

export function socketOf({ folder }: DoorPlace): string {
  return `${folder}/${DOOR}`;
}

/** Makes the folder where it is missing, and removes what an earlier gateway left. @throws SluiceError in words for people */
export function prepare(place: DoorPlace): void {
  const { folder, folderMode } = place;
  const socket = socketOf(place);
  if (Buffer.byteLength(socket) > LONGEST)
    throw fault(`${socket} is too long for a socket (${LONGEST} bytes); choose a shorter gateway.stateDir`);
  if (folderMode !== undefined)
    try {
      mkdirSync(folder, { mode: folderMode });
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== 'EEXIST')
        throw fault(`the folder of the socket for flows cannot be made: ${toError(thrown).message}`, thrown);
    }
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true)
    throw fault(
      `${folder} is ${found === undefined ? 'missing' : 'no folder'}, and the socket for flows needs it; move away what is there`,
    );
  const own = process.getuid?.() ?? 0;
  if (found.uid !== own)
    throw fault(`${folder} belongs to another user (uid ${found.uid}), so the socket for flows is not made there; move it away`);
  if (folderMode !== undefined) chmodSync(folder, folderMode);
  const there = lstatSync(socket, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw fault(`${socket} is no socket, and the socket for flows needs its place; move it away`);
  rmSync(socket);
}

/** The socket is there: from now on the client may connect. */
export function letIn(place: DoorPlace): void {
  const socket = socketOf(place);
  if (place.uid !== undefined) lchownSync(socket, place.uid, -1);
  chmodSync(socket, place.mode);
}

function fault(message: string, cause?: unknown): SluiceError {
  return new SluiceError('unsupported', message, { cause });
}
