/** Faults of the disk under a running process: strace makes its system calls on a file fail, or late, until told to stop. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../peers/peers.ts';
import { type Child, startChild } from './child.ts';

export interface Injected {
  /** The disk is well again. */
  end(): Promise<void>;
}

/**
 * @param calls as `strace -e inject` takes them, such as `fdatasync,fsync:error=EIO`
 * @param files only calls on them. They have to exist
 * @returns undefined after the test was marked as skipped
 */
export async function inject(
  t: TestContext,
  pid: number,
  calls: string,
  ...files: readonly string[]
): Promise<Injected | undefined> {
  const strace = peer(t, 'strace', 'apt-get install -y strace');
  if (strace === undefined) return undefined;
  const names = calls.slice(0, calls.indexOf(':'));
  const child: Child = startChild(t, strace, [
    ...['-f', '-o', '/dev/null', ...files.flatMap((file) => ['-P', path.resolve(file)])],
    ...['-e', `trace=${names}`, '-e', `inject=${calls}`, '-p', String(pid)],
  ]);
  await child.line(/attached/);
  return {
    end: async () => {
      await child.stop('SIGINT');
    },
  };
}
