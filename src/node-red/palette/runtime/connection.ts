/**
 * The one connection to a gateway that all nodes of a runtime share.
 *
 * Invariants:
 * - It lives until `close`. In between it connects again by itself, with growing pauses.
 * - A call ends once: with an answer, an error, a time-out or the end of the connection. At most `CALLS_AT_ONCE` are with the
 *   gateway and `MOST_WAITING` wait here; a further one is refused at once.
 * - Anything that is no line of the protocol ends the connection. The flows go on; their nodes show it.
 */
import type { Duplex } from 'node:stream';
import { Lines } from '../../lines.ts';
import { Subscriptions } from './subscriptions.ts';
import {
  CALLS_AT_ONCE,
  type FromGateway,
  type Inventory,
  LONGEST_FROM_GATEWAY,
  LONGEST_TO_GATEWAY,
  parseFromGateway,
  VERSION,
} from './wire.ts';

/** Calls that wait for their turn. */
const MOST_WAITING = 1000;
/** Parts of one answer: readings. The gateway sends at most as many as were asked for. */
const MOST_PARTS = 100_000;
/** Bytes that the gateway has not taken: it stands still, and gets nothing more. */
const MOST_UNSENT = 1024 * 1024;
const WELCOME_WITHIN = 10_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** A connection that lived so long was a good one: the next pause is the first one again. */
const GOOD_AFTER = 10_000;

export class CallError extends Error {
  /** The code of the gateway (docs/reference/errors.md), or `not-connected`, `timeout`, `busy`, `too-large`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  /** Node-RED shows this. */
  override toString(): string {
    return this.message;
  }
}

export interface ConnectionParts {
  readonly open: () => Duplex;
  readonly token: string;
  readonly client: string;
  /** 0 to 1. */
  readonly random: () => number;
}

export type ConnectionState = 'connecting' | 'connected' | 'disconnected';

interface Call {
  readonly line: string;
  readonly parts: unknown[];
  readonly timer: NodeJS.Timeout;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: CallError) => void;
}
export interface Answer {
  readonly result: unknown;
  /** The readings of the parts that came before it. */
  readonly readings: readonly unknown[];
}

export class Connection {
  state: ConnectionState = 'connecting';
  /** Why there is none. */
  fault = '';
  gateway = '';
  grants: Readonly<Record<string, readonly string[]>> = {};
  /** The newest; it stays while there is no connection. */
  inventory: Inventory | undefined;
  readonly counters = { connects: 0, faults: 0, refused: 0, timeouts: 0 };
  readonly subscriptions: Subscriptions;
  readonly #parts: ConnectionParts;
  readonly #listeners = new Set<() => void>();
  readonly #calls = new Map<string, Call>();
  readonly #waiting = new Map<string, Call>();
  #socket: Duplex | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  /** The clock of the gateway against the time of this process, ms. */
  #ahead: number | undefined;
  #since = 0;
  #next = 1;
  #closed = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.subscriptions = new Subscriptions({
      send: (line) => this.#send(line),
      overrun: () => this.#lost('the gateway sends more than it was asked for'),
    });
  }

  start(): void {
    this.#connect();
  }

  /** @returns ends it. The listener is called after each change of the state and of the inventory. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** UTC ms by the clock of the gateway, which need not be the one of the system: it may have its time of a GPS receiver. */
  now(): number {
    return this.#ahead === undefined ? Date.now() : Math.round(this.#ahead + performance.now());
  }

  /** Listeners, calls and subscriptions that are left; a test wants zero. */
  get size(): number {
    return this.#listeners.size + this.#calls.size + this.#waiting.size + this.subscriptions.size;
  }

  /**
   * @param within ms until the answer
   * @throws CallError with the code of the gateway, or `not-connected`, `timeout`, `busy`, `too-large`
   */
  call(what: string, fields: Readonly<Record<string, unknown>>, within: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.state !== 'connected') {
        reject(
          new CallError('not-connected', `there is no connection to the gateway${this.fault === '' ? '' : ` (${this.fault})`}`),
        );
        return;
      }
      const id = `c${this.#next++}`;
      const line = JSON.stringify({ type: 'call', id, do: what, ...fields });
      if (Buffer.byteLength(line) > LONGEST_TO_GATEWAY) {
        reject(new CallError('too-large', `the call is longer than ${LONGEST_TO_GATEWAY / 1024} KiB; send less at a time`));
        return;
      }
      if (this.#waiting.size >= MOST_WAITING) {
        this.counters.refused++;
        reject(new CallError('busy', `${MOST_WAITING} calls wait for the gateway; send fewer`));
        return;
      }
      const timer = setTimeout(() => {
        this.counters.timeouts++;
        this.#finish(id)?.reject(new CallError('timeout', `the gateway did not answer within ${within / 1000} s`));
      }, within);
      this.#waiting.set(id, { line, parts: [], timer, resolve, reject });
      this.#sendCalls();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#endCalls('the connection was closed');
    this.subscriptions.stop();
    this.state = 'disconnected';
  }

  #connect(): void {
    clearTimeout(this.#timer);
    const socket = this.#parts.open();
    this.#socket = socket;
    const lost = (why: string): void => {
      if (this.#socket === socket) this.#lost(why);
    };
    const lines = new Lines(LONGEST_FROM_GATEWAY, (line) => {
      // The line that is cut comes as well.
      if (lines.cut > 0) lost('a line of the gateway was too long');
      else if (this.#socket === socket) this.#take(line);
    });
    socket.on('data', (chunk: Buffer) => lines.push(chunk));
    socket.on('error', (error) => lost(error.message));
    socket.on('close', () => lost('the gateway ended the connection'));
    this.#timer = setTimeout(() => lost('the gateway did not answer'), WELCOME_WITHIN);
    const { token, client } = this.#parts;
    this.#send({ type: 'hello', v: VERSION, token, client });
  }

  #take(text: string): void {
    const line = parseFromGateway(text);
    if (line === undefined || (line.type !== 'welcome' && line.type !== 'error' && this.state !== 'connected')) {
      this.counters.faults++;
      this.#lost('the gateway sent something that is no line of the protocol');
      return;
    }
    this.#act(line);
  }

  #act(line: FromGateway): void {
    switch (line.type) {
      case 'welcome':
        this.#clockIs(line.time);
        this.#welcome(line.v, line.gateway, line.grants);
        break;
      case 'clock':
        this.#clockIs(line.time);
        break;
      case 'inventory':
        this.inventory = line;
        this.#changed();
        break;
      case 'readings':
        this.subscriptions.readings(line.id, line.readings);
        break;
      case 'alarm':
        this.subscriptions.alarm(line.id, line);
        break;
      case 'part': {
        const parts = this.#calls.get(line.id)?.parts;
        if (parts !== undefined && parts.length + line.readings.length <= MOST_PARTS)
          for (const one of line.readings) parts.push(one);
        break;
      }
      case 'answer': {
        if (line.error !== undefined && this.subscriptions.refused(line.id, line.error.message)) break;
        const call = this.#finish(line.id);
        if (line.error !== undefined) call?.reject(new CallError(line.error.code, line.error.message));
        else call?.resolve({ result: line.result, readings: call.parts });
        break;
      }
      case 'throttled':
        this.subscriptions.throttled(line.what, line.dropped);
        break;
      case 'error':
        this.#lost(line.message);
        break;
      case 'other':
        break;
    }
  }

  #clockIs(time: number | undefined): void {
    this.#ahead = time === undefined ? undefined : time - performance.now();
  }

  #welcome(version: number, gateway: string, grants: Readonly<Record<string, readonly string[]>>): void {
    if (version !== VERSION) {
      this.#lost(`the gateway speaks version ${version} of the protocol, this palette version ${VERSION}`);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#since = performance.now();
    this.counters.connects++;
    this.state = 'connected';
    this.fault = '';
    this.gateway = gateway;
    this.grants = grants;
    this.subscriptions.connected();
    this.#changed();
  }

  #lost(why: string): void {
    if (this.#closed) return;
    this.#socket?.destroy();
    this.#socket = undefined;
    if (this.state === 'connected' && performance.now() - this.#since > GOOD_AFTER) this.#pause = FIRST_PAUSE;
    this.state = 'disconnected';
    this.fault = why.slice(0, 200);
    this.subscriptions.disconnected();
    clearTimeout(this.#timer);
    const pause = this.#pause * (0.8 + 0.4 * this.#parts.random());
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#endCalls(why);
    this.#changed();
  }

  #send(line: Readonly<Record<string, unknown>>): void {
    this.#write(JSON.stringify(line));
  }

  #write(line: string): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    if (socket.writableLength > MOST_UNSENT) this.#lost('the gateway does not read');
    else socket.write(`${line}\n`);
  }

  #sendCalls(): void {
    for (const [id, call] of this.#waiting) {
      if (this.#calls.size >= CALLS_AT_ONCE || this.state !== 'connected') return;
      this.#waiting.delete(id);
      this.#calls.set(id, call);
      this.#write(call.line);
    }
  }

  #finish(id: string): Call | undefined {
    const call = this.#calls.get(id) ?? this.#waiting.get(id);
    if (call === undefined) return undefined;
    clearTimeout(call.timer);
    // A call that timed out here is still one of the gateway's; the gateway bounds them itself.
    this.#calls.delete(id);
    this.#waiting.delete(id);
    this.#sendCalls();
    return call;
  }

  #endCalls(why: string): void {
    const all = [...this.#calls.values(), ...this.#waiting.values()];
    this.#calls.clear();
    this.#waiting.clear();
    for (const { timer, reject } of all) {
      clearTimeout(timer);
      reject(new CallError('not-connected', `the connection to the gateway ended: ${why}`));
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
