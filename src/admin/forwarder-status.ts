/** A forwarder in the status. */
import type { ForwarderReport } from '../core/ports.ts';
import type { ForwarderStatus } from './target.ts';

/**
 * @param oldest what the log has for each forwarder and lane: its time, UTC ms
 * @param now monotonic ms; with `offset` it is UTC
 */
export function forwarderStatus(
  status: ForwarderReport,
  oldest: readonly (readonly [name: string, lane: string, time: number])[],
  now: number,
  offset: number,
): ForwarderStatus {
  const lag = (lane: 'data' | 'history'): number => {
    if (status.waiting[lane] === undefined) return 0;
    // The lag of readings in memory is of now; that of readings in the file is of the last commit.
    if (lane === 'data' && status.oldestLive !== undefined) return Math.max(0, Math.round(now - status.oldestLive));
    const time = oldest.find(([name, l]) => name === status.name && l === lane)?.[2];
    return time === undefined ? 0 : Math.max(0, Math.round(now + offset - time));
  };
  return {
    name: status.name,
    type: status.type,
    url: status.url,
    state: status.state,
    fault: status.fault,
    nextTry: status.nextTry === undefined ? null : Math.round(status.nextTry) + offset,
    mode: status.mode,
    lastAck: status.lastAck === undefined ? null : Math.round(status.lastAck) + offset,
    lag: { data: lag('data'), history: lag('history') },
    waiting: status.liveReadings,
    batchLimit: status.batchLimit ?? null,
    counters: status.counters,
    wire:
      status.wire === undefined ? null : { ...status.wire, month: status.wire.month ?? null, perDay: status.wire.perDay ?? null },
  };
}
