/**
 * How long a device takes until it begins its answer, which the plan of its requests and the budget of its bus go by: what the
 * configuration says, else what this or an earlier run measured, else an assumption. Pure.
 *
 * Measured is a low percentile of the newest replies (../latency.ts), so that a busy board or a lost turn does not show. What
 * the board and the adapter add to each reply is in it, as it costs as much wire time as the device itself.
 */
import type { ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { DEFAULT_RESPONSE_TIME, type WireProtocol } from './wire-cost.ts';

export interface AnswerTime {
  /** Milliseconds. */
  readonly ms: number;
  readonly from: 'configured' | 'measured' | 'assumed';
}

/** By so much, relative and in ms, a time has to change before it is another one. */
const CHANGE = { share: 0.1, ms: 0.3 };

/** Another unit or another way to it is another device; names have no slash. */
export function timeKey({ name, protocol }: ResolvedBus, device: ResolvedDevice): string {
  return [name, device.name, protocol, String(device.settings.unit)].join('/');
}

export function answerTime(protocol: WireProtocol, configured: number | undefined, measured: number | undefined): AnswerTime {
  if (configured !== undefined) return { ms: configured, from: 'configured' };
  if (measured !== undefined) return { ms: measured, from: 'measured' };
  return { ms: DEFAULT_RESPONSE_TIME[protocol], from: 'assumed' };
}

export function isOtherTime(a: number | undefined, b: number): boolean {
  return a === undefined || Math.abs(a - b) > Math.max(CHANGE.ms, CHANGE.share * Math.max(a, b));
}
