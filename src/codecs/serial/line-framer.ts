/** Frames by line terminator. */
import { Skipped } from './skipped.ts';
import type { Frame, Framer, LineFrame } from './types.ts';
import { MAX_FRAME } from './types.ts';

/**
 * A port is opened in the middle of a line as a rule, and the tail of `T=121.5` reads like a value. So the line under way
 * when the port opens is thrown away, unless nothing came for this long (milliseconds) after opening.
 */
const QUIET = 100;
/** Milliseconds. Bytes with less between them belong to one line, also when the device is asked in the middle of it. */
const APART = 40;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

export class LineFramer implements Framer {
  readonly skipped = new Skipped();
  readonly crcErrors = 0;
  private readonly terminator: Uint8Array;
  private readonly start: Uint8Array;
  private readonly optionalReturn: boolean;
  private readonly maxLength: number;
  /** The line so far, with as much of its terminator as has come. */
  private readonly line: Uint8Array;
  private length = 0;
  /** Skipping up to the next terminator: the line is too long, or its beginning was missed. */
  private lost: 'long' | 'missed' | undefined;
  private openedAt: number | undefined;
  /** When the last byte came. */
  private lastAt = Number.NEGATIVE_INFINITY;
  /** The device was asked in the middle of a line: what follows without a pause is the rest of that. */
  private cut = false;

  constructor(config: LineFrame) {
    const text = new TextEncoder();
    this.terminator = config.terminator === undefined ? Uint8Array.of(NEWLINE) : text.encode(config.terminator);
    this.optionalReturn = config.terminator === undefined || config.terminator === '\n';
    this.start = text.encode(config.start ?? '');
    this.maxLength = Math.min(config.maxLength, MAX_FRAME);
    this.line = new Uint8Array(this.maxLength + this.terminator.length + 1);
  }

  push(chunk: Uint8Array, at: number): Frame[] {
    if (this.openedAt !== undefined && chunk.length > 0) {
      this.lost = at - this.openedAt < QUIET ? 'missed' : undefined;
      this.openedAt = undefined;
    }
    if (this.cut && at - this.lastAt >= APART) this.begin();
    if (chunk.length > 0) this.lastAt = at;
    const frames: Frame[] = [];
    for (const byte of chunk) {
      if (this.length === this.line.length) {
        // Too long. The last bytes stay, since they may be the first of the terminator.
        const keep = this.terminator.length - 1;
        this.skipped.add(this.length - keep);
        this.line.copyWithin(0, this.length - keep, this.length);
        this.length = keep;
        this.lost = 'long';
      }
      this.line[this.length++] = byte;
      if (this.terminated()) {
        const frame = this.take();
        if (frame !== undefined) frames.push({ bytes: frame, payload: frame, at });
      }
    }
    return frames;
  }

  reset(at: number): void {
    this.begin();
    this.openedAt = at;
  }

  quietIn(at: number): number | undefined {
    if (!this.cut && !this.line.subarray(0, this.length).some(isText)) return undefined;
    return Math.max(0, APART - (at - this.lastAt));
  }

  restart(at: number): void {
    const isUnderWay = (this.quietIn(at) ?? 0) > 0;
    this.begin();
    if (!isUnderWay) return;
    this.lost = 'missed';
    this.cut = true;
  }

  /** What comes next begins a line. */
  private begin(): void {
    this.skipped.half(this.length);
    this.length = 0;
    this.lost = undefined;
    this.openedAt = undefined;
    this.cut = false;
  }

  private terminated(): boolean {
    const from = this.length - this.terminator.length;
    if (from < 0) return false;
    for (let i = this.terminator.length - 1; i >= 0; i--) if (this.line[from + i] !== this.terminator[i]) return false;
    return true;
  }

  /** Empty lines are neither frames nor skipped. */
  private take(): Uint8Array | undefined {
    const total = this.length;
    this.cut = false;
    let end = total - this.terminator.length;
    this.length = 0;
    if (this.lost !== undefined) {
      if (this.lost === 'missed') this.skipped.half(total);
      else this.skipped.add(total);
      this.lost = undefined;
      return undefined;
    }
    if (this.optionalReturn && end > 0 && this.line[end - 1] === CARRIAGE_RETURN) end--;
    if (end === 0) return undefined;
    const begin = lastIndexOf(this.line, this.start, end);
    if (begin < 0 || end - begin > this.maxLength) {
      this.skipped.add(total);
      return undefined;
    }
    // One that began in the same line was cut off.
    if (begin > 0 && lastIndexOf(this.line, this.start, begin) >= 0) this.skipped.half(begin);
    else this.skipped.add(begin);
    this.skipped.found();
    return this.line.slice(begin, end);
  }
}

/** The rest of a line end, as of `\r\n` where the terminator is `\r`, begins no line. */
function isText(byte: number): boolean {
  return byte !== NEWLINE && byte !== CARRIAGE_RETURN;
}

/** Where `needle` last begins in `data[0..end)`; 0 for an empty one, -1 when nowhere. */
function lastIndexOf(data: Uint8Array, needle: Uint8Array, end: number): number {
  if (needle.length === 0) return 0;
  for (let at = end - needle.length; at >= 0; at--) {
    let i = 0;
    while (i < needle.length && data[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}
