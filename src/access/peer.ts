/**
 * Who is at the other end of a Unix socket, as the kernel says (unix(7): SO_PEERCRED, SO_PEERGROUPS of socket(7)): the user and the
 * groups that its process had when it connected. Node has no call for that, so the C library is called through koffi, which is
 * loaded at the first request that acts: a board without such requests never spends these 7 MB.
 */
import type { Socket } from 'node:net';
import { SluiceError } from '../core/errors.ts';

export interface Peer {
  readonly uid: number;
  readonly gid: number;
  /** Its other groups. */
  readonly groups: readonly number[];
}

/** Numbers of include/uapi/asm-generic/socket.h; some architectures have others, and are not asked. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
const GENERIC: readonly string[] = ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'loong64'];
/** Groups of a process (NGROUPS_MAX), and how many are asked for at first. */
const MOST_GROUPS = 65_536;
const FEW_GROUPS = 64;
const NOBODY = 65_534;

type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: number[]) => number;
export type AskKernel = (socket: Socket) => Peer;

/** @returns undefined where this machine has no such call (no koffi, another architecture) */
export async function kernelPeers(): Promise<AskKernel | undefined> {
  if (!GENERIC.includes(process.arch)) return undefined;
  const getsockopt = await import('koffi').then(
    ({ default: koffi }): GetSockOpt =>
      koffi
        .load(null)
        .func('int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)') as GetSockOpt,
    () => undefined,
  );
  return getsockopt && ((socket) => peerOf(socket, getsockopt));
}

/** All in one go: between finding the descriptor and asking about it nothing else may close it. */
function peerOf(socket: Socket, getsockopt: GetSockOpt): Peer {
  const fd = descriptorOf(socket);
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

function descriptorOf(socket: Socket): number {
  // Node has no public name for it; test/unit/access/peer.test.ts is the canary.
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  if (typeof fd !== 'number' || fd < 0) throw new SluiceError('forbidden', 'the connection is gone, so nobody can say who asked');
  return fd;
}
