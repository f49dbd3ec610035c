/**
 * getsockopt(2) of the C library, for which Node has no call. It is called through koffi, which is loaded by the first who asks: a
 * board where nobody does never spends these 7 MB.
 */
import type { Socket } from 'node:net';

/** @returns 0, or -1 */
export type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: number[]) => number;

/** Architectures with the numbers of include/uapi/asm-generic/socket.h; others are not asked. */
const GENERIC: readonly string[] = ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'loong64'];
let found: Promise<GetSockOpt | undefined> | undefined;

/** @returns undefined where this machine has no such call (no koffi, another architecture) */
export function getSockOpt(): Promise<GetSockOpt | undefined> {
  found ??= GENERIC.includes(process.arch)
    ? import('koffi').then(
        ({ default: koffi }): GetSockOpt =>
          koffi
            .load(null)
            .func('int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)') as GetSockOpt,
        () => undefined,
      )
    : Promise.resolve(undefined);
  return found;
}

/** Node has no public name for it; test/unit/access/peer.test.ts is the canary. @returns undefined when the connection is gone */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
