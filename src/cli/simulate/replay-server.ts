/**
 * Plays a recording of one bus back: each request gets what it got then, sound, damaged, late or nothing, in the order of
 * the recording, and from the beginning again when that is exhausted. What was never asked then is not answered.
 */
import type { Line } from './line.ts';
import { bodyOf, type FrameKind, type Recording } from './recording.ts';
import { type Listener, listenError, listenerFor, type Streams } from './servers.ts';

/** Bytes kept while a request is not complete; more is noise. */
const MAX_BUFFER = 1024;
/** How many different requests without an answer are reported. */
const MOST_REPORTED = 20;

/** Where a bus is played: on a serial line of so many ms a character, or at an address (port 0 takes any). */
export type Stage =
  | { readonly line: Line; readonly character: number }
  | { readonly on: 'tcp' | 'udp'; readonly host: string; readonly port: number };

export class ReplayServer implements Streams {
  readonly bus: string;
  readonly #recording: Recording;
  readonly #stage: Stage;
  readonly #unknown: (request: string) => void;
  readonly #turns = new Map<string, number>();
  readonly #reported = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #listener: Listener | undefined;
  #port = 0;

  /** @param unknown gets each request that the recording does not have, once: unit, function and data in hexadecimal */
  constructor(bus: string, recording: Recording, stage: Stage, unknown: (request: string) => void) {
    this.bus = bus;
    this.#recording = recording;
    this.#stage = stage;
    this.#unknown = unknown;
  }

  get port(): number {
    return this.#port;
  }

  /** @throws SluiceError `listen-failed`, `bus-open` */
  async start(): Promise<void> {
    if ('line' in this.#stage) {
      const { line } = this.#stage;
      const take = this.stream((bytes) => line.write(bytes));
      await line.open((data) => void take(data));
      return;
    }
    const { on, host, port } = this.#stage;
    const listener = listenerFor(on, host, this);
    try {
      this.#port = await listener.listen(host, port);
    } catch (cause) {
      throw listenError(host, port, cause as NodeJS.ErrnoException);
    }
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await this.#listener?.close();
    if ('line' in this.#stage) await this.#stage.line.close();
  }

  stream(send: (bytes: Uint8Array) => void): (data: Buffer) => boolean {
    let rest: Buffer = Buffer.alloc(0);
    return (data) => {
      rest = Buffer.concat([rest, data]).subarray(-MAX_BUFFER);
      for (;;) {
        const found = nextRequest(rest, this.#recording.kind);
        if (found === undefined) return true;
        rest = rest.subarray(found.end);
        this.#answer(found.frame, found.body, send);
      }
    };
  }

  #answer(frame: Buffer, body: Buffer, send: (bytes: Uint8Array) => void): void {
    const key = body.toString('hex');
    const outcomes = this.#recording.requests.get(key);
    if (outcomes === undefined) {
      if (this.#reported.has(key) || this.#reported.size >= MOST_REPORTED) return;
      this.#reported.add(key);
      this.#unknown(key);
      return;
    }
    const turn = this.#turns.get(key) ?? 0;
    this.#turns.set(key, turn + 1);
    const character = 'line' in this.#stage ? this.#stage.character : 0;
    for (const { after, bytes, shift } of outcomes[turn % outcomes.length] ?? []) {
      const reply = Buffer.from(bytes);
      // The transaction id is the one of today, or as far from it as it was then.
      if (this.#recording.kind === 'mbap' && reply.length >= 2) reply.writeUInt16BE((frame.readUInt16BE(0) + shift) & 0xffff, 0);
      // The request has arrived whole, and the line takes its time for the reply.
      const wait = after - (frame.length + reply.length) * character;
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          send(reply);
        },
        Math.max(0, wait),
      );
      this.#timers.add(timer);
    }
  }
}

/** The first sound request in the bytes; what stands before it is skipped. */
function nextRequest(bytes: Buffer, kind: FrameKind): { frame: Buffer; body: Buffer; end: number } | undefined {
  for (let at = 0; at < bytes.length; at++) {
    const length = requestLength(bytes.subarray(at), kind);
    if (length === undefined || at + length > bytes.length) {
      // A network has no noise: what is not complete yet stands at the front.
      if (kind === 'mbap') return undefined;
      continue;
    }
    const frame = bytes.subarray(at, at + length);
    const body = bodyOf(frame, kind);
    if (body !== undefined) return { frame, body, end: at + length };
  }
  return undefined;
}

function requestLength(bytes: Buffer, kind: FrameKind): number | undefined {
  if (kind === 'mbap') return bytes.length < 6 ? undefined : 6 + bytes.readUInt16BE(4);
  if (kind === 'ascii') {
    const end = bytes.indexOf(0x0a);
    return bytes[0] !== 0x3a || end < 0 ? undefined : end + 1;
  }
  const code = bytes[1];
  if (code === undefined) return undefined;
  if (code <= 6) return 8;
  if (code === 43) return 7;
  return bytes[6] === undefined ? undefined : 9 + bytes[6];
}
