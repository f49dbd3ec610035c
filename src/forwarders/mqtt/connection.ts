/**
 * One connection to a broker, for as long as it lasts: a fresh mqtt.js client that never reconnects and never queues.
 * mqtt.js would hold what is published offline in memory for ever and send it again without DUP; so nothing is
 * published unless connected, and a connection that broke is thrown away with everything in it.
 */
import { createConnection } from 'node:net';
import { type IClientOptions, MqttClient } from 'mqtt';
import type { Payload } from '../../codecs/format.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { encodeNumbersOnDemand } from '../patches/mqtt-packet.ts';
import type { OutMessage } from './dialect.ts';
import { GuardedStream } from './guarded-stream.ts';
import { COMMANDED_LIMITS, INBOUND_LIMITS, InboundCheck } from './inbound-check.ts';
import { connectWords, hungUp, hungUpWords } from './refusal-words.ts';
import { ConnectError, failureOfCode } from './retry-plan.ts';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly will: OutMessage | undefined;
  /** Milliseconds until CONNACK must have come. */
  readonly connectTimeout: number;
  /** Milliseconds until a PUBACK must have come. */
  readonly ackTimeout: number;
  readonly clock: Clock;
  /** Commands may come: the far side may send more of its own than a few messages. */
  readonly asked?: boolean;
  /** Gives up waiting for CONNACK. */
  readonly signal: AbortSignal;
}

/** Seconds without traffic after which the broker is asked whether it is there. */
const KEEPALIVE = 30;

export class Connection {
  /** Resolves, once, when the connection is gone, with the cause when there is one. */
  readonly closed: Promise<Error | undefined>;
  readonly #client: MqttClient;
  readonly #check: InboundCheck;
  readonly #options: ConnectionOptions;
  #open = true;
  #fault: Error | undefined;
  /** What waits for an answer, with the topic of a message; oldest first. */
  readonly #waiting = new Map<(error: Error) => void, string | undefined>();
  /** The connection was ended from here. */
  #ended = false;
  /** Gets the messages of subscriptions. */
  received: ((topic: string, payload: Uint8Array, retained: boolean) => void) | undefined;

  /** @throws ConnectError, SluiceError upstream-protocol */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const settings: IClientOptions = {
      clientId: options.clientId,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE,
      reconnectPeriod: 0,
      // Ours ends first, and is known from other faults.
      connectTimeout: 2 * options.connectTimeout,
      queueQoSZero: false,
      resubscribe: false,
      ...(options.will === undefined ? {} : { will: { ...options.will, payload: bytes(options.will.payload) } }),
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
    };
    encodeNumbersOnDemand();
    const check = new InboundCheck(() => options.clock.monotonic(), options.asked === true ? COMMANDED_LIMITS : INBOUND_LIMITS);
    // Without noDelay an alarm behind a batch waits for the broker's delayed TCP acknowledgement: 40 ms.
    const wire = () => createConnection({ host: options.host, port: options.port, noDelay: true });
    const client = new MqttClient(() => new GuardedStream(wire(), check), settings);
    const connection = new Connection(client, check, options);
    const abort = (): void => connection.destroy();
    options.signal.addEventListener('abort', abort, { once: true });
    let late = false;
    const cancel = options.clock.after(options.connectTimeout, () => {
      late = true;
      connection.destroy();
    });
    const connected = new Promise<true>((resolve) => client.once('connect', () => resolve(true)));
    const outcome = await Promise.race([connected, connection.closed]);
    cancel();
    options.signal.removeEventListener('abort', abort);
    if (outcome === true) return connection;
    if (outcome instanceof SluiceError) throw outcome;
    const code: unknown = outcome !== undefined && 'code' in outcome ? outcome.code : undefined;
    throw new ConnectError(
      late ? 'silent' : outcome === undefined ? 'hung-up' : failureOfCode(code),
      connectWords({ ...options, named: options.username !== undefined }, late ? 'late' : outcome),
      outcome,
    );
  }

  private constructor(client: MqttClient, check: InboundCheck, options: ConnectionOptions) {
    this.#client = client;
    this.#check = check;
    this.#options = options;
    client.on('error', (error) => {
      this.#fault ??= toError(error);
      // The library goes on after a packet that it cannot read, and has lost its place then.
      this.#client.stream.destroy();
    });
    client.on('message', (topic, payload, packet) => this.received?.(topic, payload, packet.retain));
    // This handler is there from the first moment: a connection may be gone before a caller could ask whether it was made.
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#open = false;
        client.end(true);
        const lost = this.lost();
        for (const reject of this.#waiting.keys()) reject(lost);
        this.#waiting.clear();
        resolve(this.#fault);
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Resolves with the PUBACK, and for QoS 0 once the message is written. One that takes too long closes the connection: its
   * answer must not count later for something else.
   * @throws SluiceError upstream-connect, upstream-timeout, upstream-refused (the broker will never take it)
   */
  publish({ topic, payload, qos, retain }: OutMessage): Promise<void> {
    return this.#answered(qos > 0 ? topic : undefined, (done) => {
      if (qos > 0) this.#check.owe();
      const message = typeof payload === 'string' ? payload : bytes(payload);
      this.#client.publish(topic, message, { qos, retain }, done);
    });
  }

  /** Asks for messages with QoS 1; `received` gets them. @throws SluiceError as `publish` */
  subscribe(filters: readonly string[]): Promise<void> {
    return this.#answered(undefined, (done) => {
      this.#check.owe();
      this.#client.subscribe([...filters], { qos: 1 }, done);
    });
  }

  #answered(topic: string | undefined, send: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (!this.#open) return Promise.reject(this.lost());
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        cancel();
        this.#waiting.delete(fail);
        reject(error);
      };
      const cancel = this.#options.clock.after(this.#options.ackTimeout, () => {
        fail(new SluiceError('upstream-timeout', `the broker did not acknowledge within ${this.#options.ackTimeout / 1000} s`));
        this.destroy();
      });
      this.#waiting.set(fail, topic);
      send((error) => {
        if (!this.#waiting.has(fail)) return;
        if (error === null || error === undefined) {
          cancel();
          this.#waiting.delete(fail);
          resolve();
          return;
        }
        const code: unknown = 'code' in error ? error.code : undefined;
        // From 0x80 on the broker refuses this very message or subscription.
        if (typeof code === 'number' && code >= 0x80)
          fail(new SluiceError('upstream-refused', `the broker refused it (reason ${code})`, { cause: error }));
        else fail(this.lost(error));
      });
    });
  }

  /** Why it is over. A fault that the guard of the connection found goes unchanged to everything that waits for an answer. */
  lost(cause: unknown = this.#fault): SluiceError {
    if (this.#fault instanceof SluiceError) return this.#fault;
    const oldest = this.#waiting.values().find((topic) => topic !== undefined);
    let words = 'the connection to the broker was lost';
    if (!this.#ended && hungUp(this.#fault)) words = hungUpWords(oldest, this.#options.clientId);
    else if (this.#fault !== undefined) words += `: ${this.#fault.message}`;
    return new SluiceError('upstream-connect', words, cause === undefined ? {} : { cause });
  }

  /** Says goodbye (the broker then keeps the will to itself) and closes, within `within` ms. */
  async end(within: number): Promise<void> {
    if (!this.#open) return;
    const late = this.#options.clock.after(within, () => this.destroy());
    this.#client.end(false);
    await this.closed;
    late();
  }

  /** Closes at once, as a cut line would. */
  destroy(): void {
    this.#ended = true;
    this.#client.stream.destroy();
  }
}

function bytes(payload: Payload): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}
