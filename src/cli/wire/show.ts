/** Exchanges as people read them: frames in bytes, how long it took, what it means. */
import { isUtf8 } from 'node:buffer';
import type { ReadReply } from '../../admin/target.ts';
import { tellSample } from '../../admin/tell-sample.ts';
import type { ExchangeReply, WireFrame } from '../../admin/wire-target.ts';
import { payloadOf } from '../../codecs/modbus-pdu.ts';
import type { DeviceRequest } from '../../drivers/modbus/bus.ts';
import { paint } from '../running.ts';
import { clean } from '../terminal/clean.ts';

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

/** `← 74 3D 32 31 0d 0a  "t=21\\r\\n"`: bytes of a serial instrument, and the text that they are where most can be read. */
export function lineBytes({ way, bytes }: WireFrame): string {
  const data = Buffer.from(bytes, 'hex');
  const readable = data.filter((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 13 || byte === 10).length;
  const text = readable * 10 >= data.length * 9 ? `  ${JSON.stringify(data.toString('latin1'))}` : '';
  return `  ${ARROW[way]} ${bytes.replace(/(..)(?=.)/g, '$1 ')}${clean(text)}`;
}

/** `← zigbee2mqtt/fridge {"temperature":4.2}`: a PUBLISH packet of QoS 0, as the driver gives it. */
export function messageLine({ way, bytes }: WireFrame): string {
  const packet = Buffer.from(bytes, 'hex');
  let at = 1;
  while (((packet[at] ?? 0) & 128) !== 0) at++;
  const start = at + 3;
  const end = start + packet.readUInt16BE(at + 1);
  const payload = packet.subarray(end);
  const kept = ((packet[0] ?? 0) & 1) === 1 ? paint(33, ' (kept by the broker)') : '';
  const text = isUtf8(payload) ? clean(payload.toString('utf8')) : payload.toString('hex');
  return `${ARROW[way]} ${clean(packet.toString('utf8', start, end))} ${text}${kept}`;
}

/** The readings of a good reply; none of a failed one. */
export function readingsOf(planned: DeviceRequest, reply: ExchangeReply): Readings {
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
