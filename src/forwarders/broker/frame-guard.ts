/**
 * Stands between a socket and the broker. It keeps a client from making the broker hold much memory, from keeping it busy,
 * from holding up others, and from sending what MQTT does not allow:
 * - the broker gets whole packets that passed the check (packet-check.ts), in order; one that did not ends the connection;
 * - a packet that declares more than the limit ends the connection when its header arrives, before a byte of it is kept;
 * - an acknowledgement that does not fit its message ends the connection (flights.ts);
 * - answers leave in the order of what they answer (answers.ts);
 * - what follows a CONNECT waits until it is accepted; one of another MQTT version is answered here;
 * - a client that asks for more than its share is disconnected; all together get so many packets through in a turn;
 * - the broker never waits for a client: what is written lies here, and `roomy` says when there is space again;
 * - a peer that makes no progress for `drainTimeout` while much waits for it is cut off, however large a write is (outbound.ts).
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { reset } from '../../access/doors/reset.ts';
import type { Clock } from '../../core/clock.ts';
import type { Turnstile } from '../../core/turns.ts';
import { Answers } from './answers.ts';
import { type Answered, type Ending, endingOf, type Refusal, TOO_MANY } from './endings.ts';
import { otherVersion } from './first-packet.ts';
import { Flights } from './flights.ts';
import type { GuardLimits, GuardShares } from './guard-parts.ts';
import { LAST_BYTES, LAST_WORD, type Lingering, linger } from './linger.ts';
import { rewrite31 } from './mqtt31.ts';
import { Outbound } from './outbound.ts';
import { checkBody, checkFirst, checkLength, type Level, levelOf, PACKET } from './packet-check.ts';
import { PacketCutter } from './packet-cutter.ts';
import { Requests } from './requests.ts';

/** Bytes from which on nothing more is gathered. Far below `unsent`: what is only gathered makes no client congested. */
const GATHERED = 16 * 1024;

type Done = (error: Error | null | undefined) => void;

export class FrameGuard extends Duplex {
  /** Set when it was ended from here. */
  refusal: Refusal | undefined;
  /** The peer ended the connection, or it broke. */
  lost = false;
  /** Called when bytes that waited have gone and few are left. */
  relieved: (() => void) | undefined;
  /** Called when a CONNECT was refused from here with an answer: its version, or its client id. */
  answered: ((why: Answered, facts: { readonly client?: string | undefined; readonly level?: number }) => void) | undefined;
  readonly requests: Requests;
  /** What it waits for. */
  readonly answers: Answers;
  /** Messages that it has to acknowledge. */
  readonly flights = new Flights();
  /** For who is at the other end. */
  readonly socket: Socket;
  readonly #socket: Socket;
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  readonly #turnstile: Turnstile;
  readonly #cutter: PacketCutter<Ending>;
  readonly #out: Outbound;
  readonly #lingering: Lingering;
  /** The version of the CONNECT that passed. */
  #level: Level | undefined;
  #accepted = false;
  /** It said DISCONNECT: what follows is not read. */
  #over = false;
  /** Bytes that may still come and are not read; undefined unless it was turned away. */
  #unread: number | undefined;
  /** Bytes that wait for their turn; the socket is paused meanwhile. */
  #held: Buffer | undefined;
  #cancelLate: (() => void) | undefined;
  /** The peer has ended its side while bytes waited: they still have their turn, and the guard its place until then. */
  #ended = false;
  /** Ends the turn in which packets are gathered. */
  #gathering: NodeJS.Immediate | undefined;
  /** Alarms whose turn is not over: while there is one, nothing is gathered. */
  #hurried = 0;
  /** Two replays and its own requests, at most, that wait for space. */
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, limits: GuardLimits, { clock, turnstile, partial, lingering }: GuardShares) {
    // A write never asks its caller to wait: who sends looks at `congested`.
    super({ writableHighWaterMark: Number.MAX_SAFE_INTEGER, decodeStrings: true });
    this.#socket = socket;
    this.socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    this.#turnstile = turnstile;
    this.#lingering = lingering;
    this.requests = new Requests(clock);
    this.#out = new Outbound(socket, clock, limits.drainTimeout, {
      took: () => this.#relieve(),
      stalled: () => this.refuse('slow', `it read nothing for ${limits.drainTimeout} ms`),
    });
    this.answers = new Answers({
      write: (answer) => {
        if (!this.destroyed) super.write(answer);
      },
      free: () => this.#turnstile.wait(() => this.#again()),
    });
    this.#cutter = new PacketCutter<Ending>(
      {
        begins: (first) => this.#begins(first),
        declares: (first, length) => this.#declares(first, length),
        endless: () => ({ refusal: 'header', words: 'a packet length of more than four bytes' }),
        whole: (bytes, at, body, end) => this.#whole(bytes, at, body, end),
      },
      (bytes) => partial.keeps(this, bytes),
    );
    socket.on('data', (chunk: Buffer) => this.#feed(chunk));
    socket.on('end', () => {
      this.lost = true;
      // What it sent before has its turn first.
      if (this.#held === undefined) this.#peerEnded();
      else this.#ended = true;
    });
    socket.on('error', (error) => {
      this.lost = true;
      this.destroy(error);
    });
    socket.on('close', () => {
      this.lost ||= !this.destroyed;
      if (!this.#ended || this.#held === undefined) this.destroy();
    });
  }

  /** Bytes that wait here. */
  get unsent(): number {
    return this.writableLength - this.#out.taken;
  }
  /** True while so much waits for this client that live messages should pass it by; its own requests wait. */
  get congested(): boolean {
    return this.unsent >= this.#limits.unsent;
  }
  /** Resolves when there is space for more, or the connection is over. */
  async roomy(): Promise<void> {
    while (this.congested && !this.destroyed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The CONNECT is accepted: what follows it may come. */
  accept(): void {
    this.#accepted = true;
    this.#again();
  }

  /** Ends the connection. */
  refuse(why: Refusal, message: string): void {
    if (this.destroyed) return;
    this.refusal = why;
    this.destroy(new Error(message));
  }

  /** What is written until aedes has written in its next turn leaves at once, and what was gathered leaves before it. */
  hurry(): void {
    if (this.#gathering !== undefined) this.#scatter();
    this.#hurried++;
    // aedes makes its own immediate when this call has returned: ours comes behind it.
    queueMicrotask(() =>
      setImmediate(() => {
        this.#hurried--;
      }),
    );
  }

  /** aedes corks for each packet. Small packets that are written in one turn of the event loop leave in one system call. */
  override cork(): void {
    this.answers.next();
    super.cork();
    if (this.#hurried > 0) return;
    if (this.#gathering !== undefined) {
      if (this.unsent >= GATHERED) this.#scatter();
      return;
    }
    super.cork();
    this.#gathering = setImmediate(() => this.#scatter());
  }

  override uncork(): void {
    this.answers.next();
    super.uncork();
  }

  override write(piece: unknown, encoding?: BufferEncoding | Done, done?: Done): boolean {
    return this.answers.takes(piece) || super.write(piece, encoding as BufferEncoding, done);
  }

  override _read(): void {
    if (this.#held === undefined) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], done);
  }

  // Without it each of the small pieces that a packet is written in would become a system call.
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(
      chunks.map((c) => c.chunk),
      done,
    );
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#out.stop();
    this.#cutter.drop();
    this.#onTime();
    // A CONNECT that the broker refused, with more behind it: its answer has to arrive.
    if (!this.#accepted && this.#held !== undefined && this.#socket.bytesWritten > 0 && !this.lost)
      linger(this.#socket, this.#clock, this.#lingering);
    else if (this.refusal === 'slow' || this.congested) reset(this.#socket);
    else this.#socket.destroy();
    this.#held = undefined;
    for (const wake of this.#waiting.splice(0)) wake();
    done(error);
  }

  #send(chunks: Buffer[], done: (error?: Error | null) => void): void {
    this.#out.send(chunks, (error) => {
      if (error) this.lost = true;
      done(error);
    });
  }

  #scatter(): void {
    clearImmediate(this.#gathering);
    this.#gathering = undefined;
    this.uncork();
  }

  #relieve(): void {
    if (this.destroyed || this.unsent >= this.#limits.unsent / 2) return;
    for (const wake of this.#waiting.splice(0)) wake();
    this.relieved?.();
  }

  #feed(chunk: Buffer): void {
    if (this.#unread !== undefined) {
      this.#unread -= chunk.length;
      if (this.#unread < 0) this.destroy();
      return;
    }
    if (this.congested) {
      // Answers to further requests would only add to the bytes that this client does not take.
      this.#hold(chunk);
      void this.roomy().then(() => this.#again());
      return;
    }
    let wanted = true;
    const taken = this.#cutter.take(chunk, (packets) => {
      this.#onTime();
      wanted = this.push(packets) && wanted;
    });
    if (typeof taken !== 'number') {
      this.#end(taken);
      return;
    }
    if (this.#cutter.waits) {
      this.#hold(chunk.subarray(taken));
      // After a CONNECT `accept` goes on, before an answer that is owed `free` does, after a DISCONNECT nothing does.
      if (!this.#closedToMore && !this.answers.blocked) this.#turnstile.wait(() => this.#again());
      return;
    }
    if (this.#cutter.partial)
      this.#cancelLate ??= this.#clock.after(this.#limits.packetTimeout, () =>
        this.refuse('unfinished', `a packet that is not whole after ${this.#limits.packetTimeout} ms`),
      );
    if (wanted) this.#socket.resume();
    else this.#socket.pause();
  }

  #hold(chunk: Buffer): void {
    this.#held = chunk;
    // What it sends is not read now, so it cannot be late.
    this.#onTime();
    this.#socket.pause();
  }

  #again(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined || this.destroyed) return;
    this.#feed(held);
    if (this.#ended && this.#held === undefined) this.#peerEnded();
  }

  #peerEnded(): void {
    if (this.#unread === undefined) this.push(null);
    else this.destroy();
  }

  /** No part of a packet waits for the rest of it. */
  #onTime(): void {
    this.#cancelLate?.();
    this.#cancelLate = undefined;
  }

  /** Nothing more may come now, or at all. */
  get #closedToMore(): boolean {
    return this.#over || (this.#level !== undefined && !this.#accepted);
  }

  #begins(first: number): Ending | false | undefined {
    if (this.#closedToMore) return false;
    const broken = checkFirst(first, this.#level);
    return broken === undefined ? undefined : endingOf(broken);
  }

  #declares(first: number, length: number): Ending | undefined {
    const limit = this.#level === undefined ? this.#limits.beforeConnect : this.#limits.afterConnect;
    if (length > limit) return { refusal: 'size', words: `a packet of ${length} bytes; at most ${limit} are accepted` };
    const broken = checkLength(first, length);
    return broken === undefined ? undefined : endingOf(broken);
  }

  #whole(bytes: Buffer, at: number, body: number, end: number): Ending | false | undefined {
    if (!this.#turnstile.enter()) return false;
    const first = bytes[at] as number;
    const type = first >> 4;
    const checked = checkBody(bytes, first, body, end, this.#level, this.#limits);
    if (typeof checked !== 'number') {
      const other = checked.connack === 1 ? otherVersion(bytes.subarray(at, end)) : undefined;
      if (other === undefined) return endingOf(checked);
      const { level, clientId, answer } = other;
      return { refusal: 'version', words: 'another version of MQTT', answer, client: clientId, level };
    }
    if (!this.answers.admits(bytes, at, body)) return false;
    const acknowledges = type >= PACKET.puback && type <= PACKET.pubcomp;
    if (!(acknowledges ? this.requests.acknowledged() : this.requests.take(1 + checked))) return TOO_MANY[this.requests.refusal];
    if (acknowledges) {
      const broken = this.flights.acknowledged(type, bytes.readUInt16BE(body));
      if (broken !== undefined) return endingOf(broken);
    }
    if (type === PACKET.connect) this.#level = levelOf(bytes, body, end)?.level === 3 ? 3 : 4;
    if (type === PACKET.disconnect) this.#over = true;
    if (this.#level === 3) rewrite31(bytes, at, body, end);
    return undefined;
  }

  #end(ending: Ending): void {
    if (ending.answer === undefined) {
      this.refuse(ending.refusal, ending.words);
      return;
    }
    const { refusal, answer, client, level } = ending;
    // What is unread when a connection is destroyed takes the answer with it, so the peer closes first, within a bound.
    this.refusal = refusal;
    this.#unread = LAST_BYTES;
    this.#held = undefined;
    this.answers.next();
    this.end(answer);
    const cancel = this.#clock.after(LAST_WORD, () => this.destroy());
    this.once('close', cancel);
    this.answered?.(refusal, { ...(client === undefined ? {} : { client }), ...(level === undefined ? {} : { level }) });
  }
}
