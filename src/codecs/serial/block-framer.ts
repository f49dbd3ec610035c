/**
 * Binary frames. A candidate stands where the start bytes stand; it becomes a frame when length, stop bytes and checksum
 * are right. Otherwise the search goes on one byte after the false start, so noise in front never costs a clean frame.
 */
import { ByteQueue } from './byte-queue.ts';
import type { Checksum } from './checksum.ts';
import { CHECKSUMS } from './checksum.ts';
import { parseHex } from './hex.ts';
import { Skipped } from './skipped.ts';
import type { BytesFrame, ChecksumRange, FixedFrame, Frame, Framer, LengthField } from './types.ts';
import { MAX_FRAME } from './types.ts';

/** 'short': not all of it is here yet. 'noise': no frame begins here. 'crc': it does, but it is damaged. */
type Verdict = 'short' | 'noise' | 'crc' | number;

export class BlockFramer implements Framer {
  readonly skipped = new Skipped();
  crcErrors = 0;
  private readonly start: Uint8Array;
  private readonly stop: Uint8Array;
  private readonly length: number | LengthField;
  private readonly minLength: number;
  private readonly maxLength: number;
  private readonly checksum: Checksum;
  private readonly checksumRange: ChecksumRange;
  private readonly gap: number;
  private readonly queue: ByteQueue;
  private lastAt = Number.NEGATIVE_INFINITY;
  /** Bytes that went out of the queue by a search. */
  private dropped = 0;
  /** The end of a false frame, counted as `dropped` is. */
  private wrongEnd = 0;

  constructor(config: BytesFrame | (FixedFrame & { readonly start: string })) {
    this.start = parseHex(config.start);
    this.length = config.length;
    this.gap = config.gap ?? Number.POSITIVE_INFINITY;
    const bytes = config.type === 'bytes' ? config : undefined;
    this.stop = parseHex(bytes?.stop ?? '');
    this.checksum = CHECKSUMS[bytes?.checksum?.type ?? 'none'];
    this.checksumRange = bytes?.checksum ?? { type: 'none', from: 0 };
    this.minLength = this.start.length + this.stop.length + this.checksum.bytes;
    this.maxLength = Math.min(typeof config.length === 'number' ? config.length : (bytes?.maxLength ?? MAX_FRAME), MAX_FRAME);
    const header = typeof config.length === 'number' ? 0 : config.length.offset + 2;
    this.queue = new ByteQueue(2 * Math.max(this.maxLength, header, this.start.length));
  }

  push(chunk: Uint8Array, at: number): Frame[] {
    const frames: Frame[] = [];
    // A half frame after a pause never gets whole; frames hidden behind its false start come out now.
    if (at - this.lastAt >= this.gap) {
      this.cutOff();
      this.search(frames, true);
    }
    if (chunk.length > 0) this.lastAt = at;
    // After a search less than one frame remains, so there is always space for one more.
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + this.queue.free);
      this.queue.push(part, at);
      from += part.length;
      this.search(frames, false);
    }
    return frames;
  }

  reset(): void {
    this.cutOff();
    this.skipped.add(this.queue.length);
    this.queue.drop(this.queue.length);
    this.lastAt = Number.NEGATIVE_INFINITY;
  }

  restart(): void {
    this.reset();
  }

  /** A block begins with its start, so its rest is never read as one. */
  quietIn(): undefined {
    return undefined;
  }

  /** No more bytes come for the queue: it counts as half a frame if it begins with all start bytes, and not with a byte that may be noise. */
  private cutOff(): void {
    if (this.queue.length >= Math.max(1, this.start.length)) this.skipped.halves++;
    this.wrongEnd = 0;
  }

  private search(frames: Frame[], final: boolean): void {
    const data = this.queue.view();
    let head = 0;
    while (head < data.length) {
      const verdict = this.judge(data.subarray(head));
      if (typeof verdict === 'number') {
        const bytes = data.slice(head, head + verdict);
        frames.push({ bytes, payload: this.payload(bytes), at: this.queue.timeOf(head + verdict - 1) });
        // Another frame began before the end of a wrong one: that one was cut off.
        if (this.dropped + head < this.wrongEnd) this.skipped.halves++;
        this.wrongEnd = 0;
        head += verdict;
        this.skipped.found();
      } else if (verdict === 'short' && !final) break;
      else {
        if (verdict === 'crc') this.crcErrors++;
        if (verdict !== 'short') this.noteWrong(data.subarray(head), this.dropped + head);
        this.skipped.add(1);
        head++;
      }
    }
    this.queue.drop(head);
    this.dropped += head;
  }

  /** No frame begins here, although it looks so: where it would have ended. */
  private noteWrong(data: Uint8Array, at: number): void {
    if (at < this.wrongEnd || !this.start.every((byte, i) => data[i] === byte)) return;
    const total = this.total(data) ?? 0;
    if (total >= this.minLength && total <= this.maxLength) this.wrongEnd = at + total;
  }

  private judge(data: Uint8Array): Verdict {
    for (let i = 0; i < this.start.length; i++) {
      if (i >= data.length) return 'short';
      if (data[i] !== this.start[i]) return 'noise';
    }
    const total = this.total(data);
    if (total === undefined) return 'short';
    if (total < this.minLength || total > this.maxLength) return 'noise';
    if (data.length < total) return 'short';
    const stopAt = total - this.stop.length;
    for (let i = 0; i < this.stop.length; i++) if (data[stopAt + i] !== this.stop[i]) return 'noise';
    if (this.checksum.bytes === 0) return total;
    const place = checksumPlace(this.checksumRange, total, this.stop.length);
    if (place === undefined) return 'noise';
    const { from, end, at } = place;
    const expected = this.checksum.compute(data, from, end);
    for (let i = 0; i < expected.length; i++) if (data[at + i] !== expected[i]) return 'crc';
    return total;
  }

  private payload(bytes: Uint8Array): Uint8Array {
    const tail = bytes.length - this.stop.length - this.checksum.bytes;
    const place = checksumPlace(this.checksumRange, bytes.length, this.stop.length);
    return bytes.subarray(
      payloadOffset(this.start.length, this.length),
      place?.at === tail ? tail : bytes.length - this.stop.length,
    );
  }

  private total(data: Uint8Array): number | undefined {
    if (typeof this.length === 'number') return this.length;
    const { offset, type, endian, add } = this.length;
    if (data.length < offset + (type === 'uint8' ? 1 : 2)) return undefined;
    const first = data[offset] as number;
    const second = data[offset + 1] ?? 0;
    return (type === 'uint8' ? first : endian === 'big' ? first * 256 + second : second * 256 + first) + add;
  }
}

/** Where the payload begins: after the start bytes and a length field that follows them. */
export function payloadOffset(startLength: number, length: number | LengthField): number {
  return typeof length === 'number' ? startLength : Math.max(startLength, length.offset + (length.type === 'uint8' ? 1 : 2));
}

/** The bytes that the checksum of a frame of `total` bytes covers (`end` is past the last byte), and its place; undefined: does not fit. */
export function checksumPlace(
  range: ChecksumRange,
  total: number,
  stopLength: number,
): { from: number; end: number; at: number } | undefined {
  const absolute = (index: number) => (index < 0 ? total + index : index);
  const { bytes } = CHECKSUMS[range.type];
  const at = absolute(range.at ?? total - stopLength - bytes);
  const from = absolute(range.from);
  const end = range.to === undefined ? at : absolute(range.to) + 1;
  return from < 0 || at < 0 || from > end || end > total || at + bytes > total ? undefined : { from, end, at };
}
