/** Exchanges as people read them: frames in bytes, how long it took, what it means. */
import type { ReadReply } from '../../admin/target.ts';
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { payloadOf } from '../../codecs/modbus-pdu.ts';
import type { PlannedRequest } from '../../drivers/modbus/bus.ts';
import { tellSample } from '../../gateway/admin-target.ts';
import { paint } from '../running.ts';

export type Readings = ReadReply['readings'];

const ARROW = { out: '→', in: '←', noise: '?' } as const;

/** `→ 01 04 00 01 00 02 20 0b`, one line a frame; noise is what belongs to no frame, damaged replies included. */
export function frameLines(reply: ExchangeReply): string[] {
  const lines = reply.frames.map(({ way, bytes }) => {
    const text = `  ${ARROW[way]} ${bytes.replace(/(..)(?=.)/g, '$1 ')}`;
    return way === 'noise' ? paint(33, `${text}  (no sound frame)`) : text;
  });
  if (reply.latency !== null) lines.push(`  answered after ${reply.latency.toFixed(1)} ms`);
  return lines;
}

/** The readings of a good reply; none of a failed one. */
export function readingsOf(planned: PlannedRequest, reply: ExchangeReply): Readings {
  if (reply.pdu === null) return [];
  const sample = planned.decode(payloadOf(Buffer.from(reply.pdu, 'hex')), reply.time);
  const readings: Readings[number][] = [];
  tellSample(sample, 0, (item) => {
    if (item.type !== 'reading') return;
    const { type: _, device: __, ...reading } = item;
    readings.push(reading);
  });
  return readings;
}
