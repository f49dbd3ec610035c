/**
 * How far the peer of a connection is, as the kernel knows it (struct tcp_info of linux/tcp.h). The peer's window says more than its
 * acknowledgements: its kernel acknowledges what its program does not read, and offers that much less room.
 */
import type { Socket } from 'node:net';
import { descriptorOf, getSockOpt } from '../ask-kernel.ts';

export interface Standing {
  /** Bytes that our kernel has and the peer has not. */
  readonly waiting: number;
  /** Bytes that the peer has room for; less than before while its program has not read all. Absent: nobody knows. */
  readonly window?: number;
  /** Bytes that the peer has taken or has room for since it connected. It stands still while the program of the peer reads nothing. Absent: nobody knows. */
  readonly edge?: number;
}

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** Offsets; `tcpi_snd_wnd` is there since Linux 5.5. All of them are little-endian where getsockopt is asked. */
const ACKED = 120;
const NOT_SENT = 144;
const SENT = 200;
const SENT_AGAIN = 208;
const WINDOW = 228;
const BYTES = 232;

export type AskStanding = (socket: Socket) => Standing | undefined;

/** @returns undefined where this machine does not tell */
export async function kernelStanding(): Promise<AskStanding | undefined> {
  const getsockopt = await getSockOpt();
  if (getsockopt === undefined) return undefined;
  return (socket) => {
    const fd = descriptorOf(socket);
    if (fd === undefined) return undefined;
    const value = Buffer.alloc(BYTES);
    const length = [BYTES];
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, value, length) !== 0 || length[0] !== BYTES) return undefined;
    const number = (at: number): number => Number(value.readBigUInt64LE(at));
    const acknowledged = number(ACKED);
    const waiting = value.readUInt32LE(NOT_SENT) + number(SENT) - number(SENT_AGAIN) - acknowledged;
    const window = value.readUInt32LE(WINDOW);
    return { waiting: Math.max(0, waiting), window, edge: acknowledged + window };
  };
}
