/**
 * One connection to the socket for flows. Invariants:
 * - before a good hello nothing is said and nothing is done; the first line is the hello;
 * - what waits is bounded: lines of one read (intake.ts), MOST_SUBSCRIPTIONS with their queues (subscriptions.ts), MOST_CALLS, and
 *   UNSENT bytes and one line on the way to the client. Beyond that no line is read, so a client that reads nothing gets nothing done.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Sample } from '../../core/point.ts';
import type { NoticeMessage } from '../../core/ports.ts';
import type { Calls } from './calls.ts';
import type { DoorCounts } from './counts.ts';
import { Intake } from './intake.ts';
import * as limits from './limits.ts';
import { type Call, type ClientLine, parseLine } from './lines.ts';
import type { DoorSource } from './source.ts';
import { Subscriptions } from './subscriptions.ts';
import { Throttled } from './throttled.ts';
import { WorkShare } from './work-share.ts';

export interface SessionSide {
  readonly clock: Clock;
  readonly source: DoorSource;
  readonly calls: Calls;
  readonly counts: DoorCounts;
  /** Whether this is the token of the process that runs now. Takes the same time wherever they differ. */
  readonly isToken: (token: string) => boolean;
  /** One more reading or alarm was dropped because a client took too few. */
  readonly left: () => void;
  /** The hello was good. @returns false: there are too many already */
  readonly greeted: (session: Session) => boolean;
  readonly ended: (session: Session) => void;
  /** The line of the inventory as it is now. */
  readonly inventoryLine: () => string;
  /** All connections with a good hello count. */
  readonly all: { readonly clients: () => number; readonly subscriptions: () => number };
}

export class Session {
  readonly #socket: Socket;
  readonly #s: SessionSide;
  readonly #share: WorkShare;
  readonly #intake: Intake;
  readonly #subscriptions: Subscriptions;
  readonly #calls = new Set<string>();
  readonly #throttled: Throttled;
  readonly #gone = new AbortController();
  #greeted = false;
  #over = false;
  /** The clock that the client knows: UTC ms minus monotonic ms. */
  #offset = 0;
  #inventory: string | undefined;
  #flushing = false;
  #cancelHello: (() => void) | undefined;

  constructor(socket: Socket, side: SessionSide) {
    this.#socket = socket;
    this.#s = side;
    const { clock, counts, left, source } = side;
    this.#throttled = new Throttled(clock, (what, dropped, why) => this.#say({ type: 'throttled', what, dropped, why }));
    const isBehind = (): boolean => this.#isBehind;
    this.#share = new WorkShare(clock, side.all.clients, () => this.#drained());
    this.#intake = new Intake({
      ...{ clock, share: this.#share, socket, isBehind },
      take: (line) => this.#take(line),
      tooLong: () => this.fail(`a line has at most ${limits.LONGEST_IN} bytes`),
    });
    this.#subscriptions = new Subscriptions({
      ...{ clock, source, counts, isBehind, left },
      ready: () => this.#flushSoon(),
      say: (line) => this.#say(line),
      write: (line) => this.#write(`${line}\n`),
      mayAdd: () => side.all.subscriptions() < limits.ALL_SUBSCRIPTIONS,
      dropped: (id, n) => this.#throttled.add(`subscribe:${id}`, n, 'the client takes less than comes'),
    });
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  start(): void {
    const socket = this.#socket;
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
    socket.on('drain', () => this.#drained());
    socket.on('data', (chunk: Buffer) => this.#intake.push(chunk));
    this.#cancelHello = this.#s.clock.after(limits.HELLO_WITHIN, () => this.fail('no hello came'));
  }

  /** Says why, and ends the connection. */
  fail(message: string): void {
    if (this.#over) return;
    this.#socket.pause();
    this.#over = true;
    this.#socket.end(`${JSON.stringify({ type: 'error', message })}\n`);
    // One that does not read would keep its place.
    const cancel = this.#s.clock.after(limits.WRONG_AFTER, () => this.#socket.destroy());
    this.#socket.once('close', cancel);
    this.#end();
  }

  sample(sample: Sample, offset: number, known: boolean): void {
    const { clock } = this.#s;
    const begin = clock.monotonic();
    this.#sayClock(offset);
    this.#subscriptions.sample(sample, offset, known);
    this.#share.spent(clock.monotonic() - begin);
  }

  alarm(notice: NoticeMessage): void {
    this.#subscriptions.alarm(notice);
  }

  /** @returns whether somebody listens */
  trigger(flow: string, line: object): boolean {
    return this.#greeted && this.#subscriptions.trigger(flow, line);
  }

  inventoryChanged(): void {
    if (!this.#greeted) return;
    this.#inventory = this.#s.inventoryLine();
    this.#flushSoon();
  }

  /** The client has not taken what it was sent. */
  get #isBehind(): boolean {
    return this.#socket.writableLength >= limits.UNSENT;
  }

  #drained(): void {
    if (this.#over) return;
    this.#flush();
    this.#intake.work();
  }

  #take(text: string): void {
    const { counts } = this.#s;
    counts.lines++;
    const line = parseLine(text);
    if (!this.#greeted) {
      this.#greet(line);
      return;
    }
    if ('fault' in line) {
      counts.faults++;
      if (line.id === undefined) this.fail(line.fault);
      else this.#answer(line.id, { error: { code: 'request-invalid', message: line.fault } });
      return;
    }
    this.#sayClock(this.#s.source.offset());
    switch (line.type) {
      case 'hello':
        this.fail('the hello comes once');
        return;
      case 'subscribe':
        this.#subscribe(line);
        return;
      case 'unsubscribe':
        this.#subscriptions.remove(line.id);
        return;
      case 'credit':
        this.#subscriptions.credit(line.id, line.n);
        return;
      case 'call':
        this.#call(line.id, line.call);
    }
  }

  #greet(line: ReturnType<typeof parseLine>): void {
    const { clock, counts, greeted, inventoryLine, isToken, source } = this.#s;
    if ('fault' in line || line.type !== 'hello') {
      counts.refusedHellos++;
      this.fail('fault' in line ? line.fault : 'the first line is a hello');
      return;
    }
    if (!isToken(line.token)) {
      counts.refusedHellos++;
      // Nothing more is read.
      this.#intake.close();
      this.#socket.pause();
      const cancel = clock.after(limits.WRONG_AFTER, () =>
        this.fail('the token is not the one of this start of Node-RED; the gateway gives it to the process that it starts'),
      );
      this.#gone.signal.addEventListener('abort', cancel);
      return;
    }
    if (!greeted(this)) {
      this.fail(`${limits.MOST_SESSIONS} clients are connected already`);
      return;
    }
    this.#cancelHello?.();
    this.#greeted = true;
    const { write = [], acknowledge = [], shelve = [], reset = [], outOfService = [] } = source.grants();
    const grants = { write, acknowledge, shelve, reset, outOfService };
    this.#offset = source.offset();
    this.#say({ type: 'welcome', v: 1, gateway: source.gateway(), time: source.now(), grants });
    this.#write(inventoryLine());
  }

  #subscribe(line: Extract<ClientLine, { type: 'subscribe' }>): void {
    if (this.#subscriptions.add(line)) return;
    this.#answer(line.id, {
      error: {
        code: 'busy',
        message: `${limits.MOST_SUBSCRIPTIONS} subscriptions are the most of a connection, and ${limits.ALL_SUBSCRIPTIONS} of all beyond the first ${limits.OWN_SUBSCRIPTIONS} of each`,
      },
    });
  }

  #call(id: string, call: Call): void {
    const { calls, counts } = this.#s;
    counts.calls++;
    if (this.#calls.has(id) || this.#calls.size >= limits.MOST_CALLS) {
      const message = this.#calls.has(id) ? `a call with the id ${id} waits already` : `${limits.MOST_CALLS} calls wait already`;
      this.#answer(id, { error: { code: 'busy', message } });
      return;
    }
    // Most are done at once: their answers need no turn of their own.
    const now = calls.now(call, (dropped, why) => this.#throttled.add('put', dropped, why));
    if (now !== undefined) {
      this.#answer(id, now);
      return;
    }
    this.#calls.add(id);
    const part = async (readings: string): Promise<void> => {
      this.#write(`{"type":"part","id":${JSON.stringify(id)},"readings":${readings}}\n`);
      while (this.#isBehind && !this.#gone.signal.aborted) await this.#taken();
      if (this.#gone.signal.aborted) throw new SluiceError('busy', 'the client is gone');
    };
    calls
      .later(call, part, this.#gone.signal)
      .then(
        (result) => ({ result }),
        (thrown: unknown) => ({ error: errorOf(thrown) }),
      )
      .then((answer) => {
        this.#calls.delete(id);
        this.#answer(id, answer);
      })
      .catch((thrown: unknown) => this.#socket.destroy(toError(thrown)));
  }

  /** Resolves when the client has taken what it was sent, or is gone. Rejects where it takes nothing: others wait for the turn. */
  #taken(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = (): void => {
      cancel();
      this.#socket.removeListener('drain', done);
      this.#gone.signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = this.#s.clock.after(limits.TAKEN_WITHIN, () => {
      const seconds = limits.TAKEN_WITHIN / 1000;
      reject(new SluiceError('timeout', `the client took nothing of the answer for ${seconds} s; read it as it comes`));
      done();
    });
    this.#socket.once('drain', done);
    this.#gone.signal.addEventListener('abort', done);
    return promise;
  }

  #answer(id: string, answer: object): void {
    const line = JSON.stringify({ type: 'answer', id, ...answer });
    if (Buffer.byteLength(line) < limits.LONGEST_OUT) this.#write(`${line}\n`);
    else
      this.#say({
        ...{ type: 'answer', id },
        error: { code: 'request-invalid', message: 'the answer is longer than a line may be; ask for less at a time' },
      });
  }

  /**
   * The clock of the gateway need not be the system's: a client that takes its own time would be refused. One that takes nothing
   * hears the newest when it goes on.
   */
  #sayClock(offset: number): void {
    if (offset === this.#offset || this.#isBehind) return;
    this.#offset = offset;
    this.#say({ type: 'clock', time: this.#s.source.now() });
  }

  /** Once for all that comes in this turn. */
  #flushSoon(): void {
    if (this.#flushing || this.#over) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#over) return;
    if (this.#inventory !== undefined && !this.#isBehind) {
      this.#write(this.#inventory);
      this.#inventory = undefined;
    }
    const { clock } = this.#s;
    const turn = this.#share.turn();
    const begin = clock.monotonic();
    const more = this.#subscriptions.flush(() => clock.monotonic() - begin < turn);
    this.#share.spent(clock.monotonic() - begin);
    if (more && turn > 0) this.#flushSoon();
  }

  #say(line: object): void {
    this.#write(`${JSON.stringify(line)}\n`);
  }

  #write(text: string): void {
    if (!this.#over && this.#socket.writable) this.#socket.write(text);
  }

  #end(): void {
    if (this.#gone.signal.aborted) return;
    this.#over = true;
    this.#intake.close();
    this.#share.end();
    this.#gone.abort();
    this.#cancelHello?.();
    this.#throttled.end();
    this.#subscriptions.end();
    this.#s.ended(this);
  }
}

function errorOf(thrown: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = thrown instanceof SluiceError ? thrown : new SluiceError('internal', toError(thrown).message);
  return { code, message };
}
