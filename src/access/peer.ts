/**
 * Who is at the other end of a Unix socket, as the kernel says (unix(7): SO_PEERCRED, SO_PEERGROUPS of socket(7)): the user and the
 * groups that its process had when it connected. It is asked for at the first request that acts.
 */
import type { Socket } from 'node:net';
import { SluiceError } from '../core/errors.ts';
import { descriptorOf, type GetSockOpt, getSockOpt } from './ask-kernel.ts';

export interface Peer {
  readonly uid: number;
  readonly gid: number;
  /** Its other groups. */
  readonly groups: readonly number[];
}

/** Numbers of include/uapi/asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
/** Groups of a process (NGROUPS_MAX), and how many are asked for at first. */
const MOST_GROUPS = 65_536;
const FEW_GROUPS = 64;
const NOBODY = 65_534;

export type AskKernel = (socket: Socket) => Peer;

/** @returns undefined where this machine has no such call (no koffi, another architecture) */
export async function kernelPeers(): Promise<AskKernel | undefined> {
  const getsockopt = await getSockOpt();
  return getsockopt && ((socket) => peerOf(socket, getsockopt));
}

/** All in one go: between finding the descriptor and asking about it nothing else may close it. */
function peerOf(socket: Socket, getsockopt: GetSockOpt): Peer {
  const fd = descriptorOf(socket);
  if (fd === undefined) throw new SluiceError('forbidden', 'the connection is gone, so nobody can say who asked');
  const ask = (name: number, bytes: number): { ok: boolean; numbers: Uint32Array; length: number } => {
    const value = new Uint8Array(bytes);
    const length = [bytes];
    const ok = getsockopt(fd, SOL_SOCKET, name, value, length) === 0;
    return { ok, numbers: new Uint32Array(value.buffer), length: length[0] ?? 0 };
  };
  const credentials = ask(SO_PEERCRED, 12);
  if (!credentials.ok || credentials.length !== 12) throw new SluiceError('forbidden', 'the kernel does not say who you are');
  let groups = ask(SO_PEERGROUPS, FEW_GROUPS * 4);
  if (!groups.ok && groups.length > FEW_GROUPS * 4 && groups.length <= MOST_GROUPS * 4)
    groups = ask(SO_PEERGROUPS, groups.length);
  // struct ucred: pid, uid, gid.
  const [, uid = NOBODY, gid = NOBODY] = credentials.numbers;
  return { uid, gid, groups: groups.ok ? [...groups.numbers.subarray(0, groups.length / 4)] : [] };
}
