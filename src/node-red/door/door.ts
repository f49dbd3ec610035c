/**
 * The fourth door of the gateway: a Unix socket on which flows get readings and alarms, ask, act as far as they are granted, and
 * give readings (docs/reference/flows-socket.md). Invariants:
 * - a connection counts for nothing before its hello has the token of the process that runs now. The token is of one start, and
 *   lies in no file and no environment;
 * - whatever clients do, memory and processor time are bounded (limits.ts), and acquisition, rules and delivery never wait;
 * - when the process ends, its connections end.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { isSecretOf, randomText, sha256 } from '../../access/secrets.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { FlowDoorStatus } from '../../core/flow-supervisor.ts';
import type { Logger } from '../../core/logger.ts';
import type { Inventory, LiveSink } from '../../core/ports.ts';
import { LeftOut } from '../../drivers/sender.ts';
import { Calls } from './calls.ts';
import { newCounts } from './counts.ts';
import { inventoryLine } from './inventory-line.ts';
import * as limits from './limits.ts';
import { type DoorPlace, letIn, prepare, socketOf } from './place.ts';
import { Session } from './session.ts';
import type { DoorSource } from './source.ts';

export interface FlowDoorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly source: DoorSource;
  /** Whether flows can give readings now. */
  readonly changed: (open: boolean) => void;
}

export class FlowDoor {
  readonly #o: FlowDoorOptions;
  readonly #calls: Calls;
  readonly #counts = newCounts();
  /** Clients take less than comes. */
  readonly #slow: LeftOut;
  /** Every connection until it is closed; undefined: it ends already. The oldest first. */
  readonly #sockets = new Map<net.Socket, Session>();
  readonly #sessions = new Set<Session>();
  #server: net.Server | undefined;
  #place: DoorPlace | undefined;
  /** SHA-256. */
  #token: string | undefined;
  #fault: string | undefined;
  #endFeed: (() => void) | undefined;
  #line: { readonly of: Inventory; readonly rules: unknown; readonly text: string } | undefined;

  constructor(options: FlowDoorOptions) {
    this.#o = options;
    this.#calls = new Calls(options.source, this.#counts);
    this.#slow = new LeftOut(() =>
      options.logger.warn(
        { part: 'flows' },
        'A flow takes fewer readings than come. The oldest that wait are dropped and counted.',
      ),
    );
  }

  /** For a process that is about to start. @returns undefined where the socket cannot be made; the status says why */
  async open(place: DoorPlace): Promise<{ readonly socket: string; readonly token: string } | undefined> {
    try {
      await this.#listen(place);
    } catch (thrown) {
      this.close();
      this.#fault = toError(thrown).message;
      this.#o.logger.warn(
        { part: 'flows', error: this.#fault },
        'The socket for flows cannot be made. Flows run without the gateway.',
      );
      return undefined;
    }
    this.#fault = undefined;
    const token = randomText(randomBytes);
    this.#token = sha256(token);
    return { socket: socketOf(place), token };
  }

  /** The process is over, and its token with it. */
  ended(): void {
    this.#token = undefined;
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** There is no process, and none is about to start. */
  close(): void {
    this.ended();
    this.#server?.close();
    this.#server = undefined;
    this.#place = undefined;
    this.#endFeed?.();
    this.#endFeed = undefined;
    this.#o.changed(false);
  }

  /** Devices, points or rules are others. */
  inventoryChanged(): void {
    for (const session of this.#sessions) session.inventoryChanged();
  }

  /** A rule triggers a flow. @returns false: no flow of this name listens now */
  trigger(flow: string, alarm: object): boolean {
    let heard = false;
    for (const session of this.#sessions) heard = session.trigger(flow, { ...alarm, trigger: flow }) || heard;
    return heard;
  }

  status(): FlowDoorStatus {
    return {
      open: this.#server !== undefined,
      fault: this.#fault,
      connections: this.#sessions.size,
      subscriptions: this.#subscriptions(),
      ...this.#counts,
      ...(this.#slow.isFlood(this.#o.clock.monotonic())
        ? { slow: `a flow takes fewer readings than come; ${this.#counts.dropped} were dropped since the start of the gateway` }
        : {}),
    };
  }

  #subscriptions(): number {
    let subscriptions = 0;
    for (const session of this.#sessions) subscriptions += session.subscriptions;
    return subscriptions;
  }

  async #listen(place: DoorPlace): Promise<void> {
    if (this.#server !== undefined && JSON.stringify(this.#place) === JSON.stringify(place)) return;
    this.close();
    prepare(place);
    const server = net.createServer((socket) => this.#connected(socket));
    const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(socketOf(place), resolve);
    try {
      await listening;
      letIn(place);
    } catch (cause) {
      server.close();
      throw new SluiceError('unsupported', `the socket for flows cannot be made: ${toError(cause).message}`, { cause });
    }
    server.on('error', (thrown) =>
      this.#o.logger.warn({ part: 'flows', error: thrown.message }, 'The socket for flows has a fault.'),
    );
    this.#server = server;
    this.#place = place;
    this.#endFeed = this.#o.source.feed(this.#sink);
    this.#o.changed(true);
  }

  readonly #sink: LiveSink = {
    sample: (sample) => {
      if (this.#sessions.size === 0) return;
      const { source } = this.#o;
      const [offset, known] = [source.offset(), source.clockKnown()];
      for (const session of this.#sessions) session.sample(sample, offset, known);
    },
    notice: (notice) => {
      if (notice.kind === 'alarm') for (const session of this.#sessions) session.alarm(notice);
    },
    inventory: () => {},
  };

  #connected(socket: net.Socket): void {
    // A flood of connections costs those that have no token, the oldest first.
    const strangers = [...this.#sockets].filter(([, session]) => !this.#sessions.has(session));
    if (strangers.length >= limits.MOST_STRANGERS || this.#sockets.size >= limits.MOST_CONNECTIONS) {
      this.#counts.refusedConnections++;
      const [oldest] = strangers;
      (oldest?.[0] ?? socket).destroy();
      if (oldest === undefined) return;
      this.#sockets.delete(oldest[0]);
    }
    const session = new Session(socket, {
      ...{ clock: this.#o.clock, source: this.#o.source, calls: this.#calls, counts: this.#counts },
      left: () => {
        this.#counts.dropped++;
        this.#slow.add(this.#o.clock.monotonic());
      },
      isToken: (token) => this.#token !== undefined && isSecretOf(token, this.#token),
      greeted: (one) => {
        if (this.#sessions.size >= limits.MOST_SESSIONS) return false;
        this.#sessions.add(one);
        return true;
      },
      ended: (one) => this.#sessions.delete(one),
      inventoryLine: () => this.#inventoryLine(),
      all: { clients: () => this.#sessions.size, subscriptions: () => this.#subscriptions() },
    });
    this.#sockets.set(socket, session);
    socket.on('close', () => this.#sockets.delete(socket));
    session.start();
  }

  /** Made once for all connections. */
  #inventoryLine(): string {
    const { source } = this.#o;
    const [of, rules] = [source.inventory(), source.rules()];
    if (this.#line?.of !== of || this.#line.rules !== rules) this.#line = { of, rules, text: inventoryLine(of, rules) };
    return this.#line.text;
  }
}
