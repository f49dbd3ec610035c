/**
 * The threads of the store that can wait give way to the main thread, which polls, judges and sends. On a board with one or two cores
 * a packing or a read of history would otherwise hold up an alarm, and the program that the alarm goes to, for a time slice of the
 * scheduler. The writer does not give way: beside a busy program the commits would wait for it.
 */
import { readlinkSync } from 'node:fs';
import os from 'node:os';

/** Above the main thread in `nice`. Node-RED has 10 more (systemd/sluice-node-red.service), so the store comes before it. */
const BEHIND = 8;

/** For the calling thread. Where the system has no threads with a priority of their own, or forbids it, all goes on as it was. */
export function standBehind(): void {
  if (process.platform !== 'linux') return;
  try {
    // `PID/task/TID`. Linux takes the number of a thread where Node says process.
    const thread = Number(readlinkSync('/proc/thread-self').split('/')[2]);
    if (thread !== process.pid) os.setPriority(thread, Math.min(os.getPriority(thread) + BEHIND, 19));
  } catch {
    // Without /proc, or under a filter of system calls.
  }
}
