/**
 * A file of `sluice capture --replay`, made ready for playing: for each request what came back then, in order. Pure.
 *
 * - A request is known by its unit, function and data; checksum and transaction id do not matter.
 * - A frame that came belongs to the newest request that it answers and that has no answer yet, so a late reply is played
 *   as late. Noise and damaged replies belong to the request before them.
 */
import { crc16 } from '../../codecs/modbus-checksums.ts';
import { SluiceError } from '../../core/errors.ts';

/** How frames stand on the wire. */
export type FrameKind = 'rtu' | 'ascii' | 'mbap';

export interface PlayedAnswer {
  /** From the first byte of the request to the last byte of this, ms. */
  readonly after: number;
  /** As they were on the wire. */
  readonly bytes: Uint8Array;
  /** Its transaction id less that of the request: 0, but for what answered another one. */
  readonly shift: number;
}

export interface Recording {
  readonly protocol: string;
  readonly kind: FrameKind;
  /** By unit and PDU in hexadecimal. */
  readonly requests: ReadonlyMap<string, readonly (readonly PlayedAnswer[])[]>;
}

const KINDS: Readonly<Record<string, FrameKind>> = {
  'modbus-rtu': 'rtu',
  'modbus-rtu-over-tcp': 'rtu',
  'modbus-ascii': 'ascii',
  'modbus-tcp': 'mbap',
  'modbus-udp': 'mbap',
};
/** A reply that comes later than this answers nothing any more, ms. */
const LATEST = 120_000;
/** Requests without an answer that are remembered. */
const OPEN = 64;

interface Asked {
  readonly time: number;
  readonly body: Buffer;
  /** The transaction id of MBAP. */
  readonly transaction: number | undefined;
  readonly answers: PlayedAnswer[];
  answered: boolean;
}

/** @throws SluiceError `usage` with the line that is wrong */
export function parseRecording(text: string, file: string): Recording {
  const wrong = (line: number, why: string) =>
    new SluiceError('usage', `${file}:${line}: ${why}; make it with sluice capture BUS --replay`);
  const lines = text.split('\n');
  const head = parsed(lines[0] ?? '');
  if (head?.type !== 'capture' || head.v !== 1) throw wrong(1, 'this is not a capture');
  const kind = KINDS[String(head.protocol)];
  if (kind === undefined) throw wrong(1, `captures of ${String(head.protocol)} cannot be played`);
  const requests = new Map<string, (readonly PlayedAnswer[])[]>();
  let open: Asked[] = [];
  let last: Asked | undefined;
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line === '') continue;
    const item = parsed(line);
    if (item?.type === 'missed') continue;
    const { way, time, bytes } = item ?? {};
    if (typeof time !== 'number' || typeof bytes !== 'string' || !/^([0-9a-f]{2})+$/i.test(bytes))
      throw wrong(i + 1, 'this is not a frame');
    const frame = Buffer.from(bytes, 'hex');
    if (way === 'out') {
      const body = bodyOf(frame, kind);
      if (body === undefined) throw wrong(i + 1, 'this request is damaged');
      last = { time, body, transaction: kind === 'mbap' ? frame.readUInt16BE(0) : undefined, answers: [], answered: false };
      open = [...open, last].slice(-OPEN);
      const key = body.toString('hex');
      requests.set(key, [...(requests.get(key) ?? []), last.answers]);
    } else if (way === 'in') {
      const body = bodyOf(frame, kind);
      const transaction = kind === 'mbap' ? frame.readUInt16BE(0) : undefined;
      const asked = open.findLast(
        (a) =>
          !a.answered && time - a.time < LATEST && a.transaction === transaction && body !== undefined && answers(a.body, body),
      );
      if (asked !== undefined) asked.answered = true;
      play(asked ?? last, time, frame);
    } else if (way === 'noise') play(last, time, frame);
    else throw wrong(i + 1, '"way" is out, in or noise');
  }
  if (requests.size === 0) throw wrong(1, 'there is no request in this capture');
  return { protocol: String(head.protocol), kind, requests };
}

/** @param asked what it is played after; nothing before the first request */
function play(asked: Asked | undefined, time: number, bytes: Buffer): void {
  const shift = asked?.transaction === undefined || bytes.length < 2 ? 0 : bytes.readUInt16BE(0) - asked.transaction;
  asked?.answers.push({ after: Math.max(0, time - asked.time), bytes, shift });
}

/** Whether the reply (unit and PDU) has the form that the request asks for. */
function answers(request: Buffer, reply: Buffer): boolean {
  if (request[0] !== reply[0]) return false;
  const code = request[1] ?? 0;
  if (reply[1] === (code | 0x80)) return true;
  if (reply[1] !== code) return false;
  if (code < 1 || code > 4) return true;
  const count = request.readUInt16BE(4);
  return reply[2] === (code <= 2 ? Math.ceil(count / 8) : count * 2);
}

/** Unit and PDU of a sound frame; undefined of any other. */
export function bodyOf(frame: Buffer, kind: FrameKind): Buffer | undefined {
  if (kind === 'mbap') return frame.length >= 8 ? frame.subarray(6) : undefined;
  if (kind === 'rtu') {
    const end = frame.length - 2;
    return end >= 2 && crc16(frame, 0, end) === frame.readUInt16LE(end) ? frame.subarray(0, end) : undefined;
  }
  const hex = /^:((?:[0-9A-Fa-f]{2}){3,})\r?\n$/.exec(frame.toString('latin1'))?.[1];
  if (hex === undefined) return undefined;
  const bytes = Buffer.from(hex, 'hex');
  return (bytes.reduce((sum, byte) => sum + byte, 0) & 255) === 0 ? bytes.subarray(0, -1) : undefined;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
