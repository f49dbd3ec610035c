/** One request by hand with the frames that it made on the wire, for a person who has to see what really went over it. */

import type { Frame, Looked } from '../../core/bus-frames.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Answer } from './calls.ts';
import type { Tap } from './port.ts';

/**
 * @param ask makes the request; @param serial replies carry no transaction id
 * @throws SluiceError when nothing could be sent: `bus-closed`, `request-invalid`, or too many wait
 */
export async function trace(ask: (tap: Tap) => Promise<Answer>, serial: boolean, now: () => number): Promise<Looked> {
  const seen: Frame[] = [];
  const tap: Tap = (way, bytes, at) => void seen.push({ way, bytes: Uint8Array.from(bytes), at });
  try {
    const { pdu, at, latency } = await ask(tap);
    return { frames: ownFrames(seen, serial), pdu, at, latency };
  } catch (thrown) {
    if (!(thrown instanceof SluiceError) || seen.length === 0) throw thrown;
    const frames = ownFrames(seen, serial);
    const sent = frames.find((f) => f.way === 'out');
    const answer = frames.findLast((f) => f.way === 'in');
    const latency = thrown.code === 'exception' && sent && answer ? answer.at - sent.at : undefined;
    return { frames, at: answer?.at ?? now(), latency, error: thrown };
  }
}

/** On a network the transaction id (the first two bytes) tells ours from those of others on the way. */
function ownFrames(seen: readonly Frame[], serial: boolean): Frame[] {
  const own = seen.find((f) => f.way === 'out');
  if (own === undefined) return [];
  const ours = (f: Frame) =>
    f.way === 'out' ? f === own : serial || f.way === 'noise' || (f.bytes[0] === own.bytes[0] && f.bytes[1] === own.bytes[1]);
  return seen.filter(ours);
}
