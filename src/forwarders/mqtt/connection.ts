/**
 * One connection to a broker, for as long as it lasts: a fresh mqtt.js client that never reconnects and never queues.
 * mqtt.js would hold what is published offline in memory for ever and send it again without DUP; so nothing is
 * published unless connected, and a connection that broke is thrown away with everything in it.
 */
import type { IClientOptions } from 'mqtt';
import client from 'mqtt/lib/client';
import type { Payload } from '../../codecs/format.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { encodeNumbersOnDemand } from '../patches/mqtt-packet.ts';
import { hostAndPort } from './address.ts';
import { Allowance } from './allowance.ts';
import { Answers } from './answers.ts';
import { clientSettings, routeOf } from './client-settings.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { OutMessage } from './dialect.ts';
import { GuardedStream } from './guarded-stream.ts';
import { commandedLimits, INBOUND_LIMITS, InboundCheck } from './inbound-check.ts';
import { BrokerTerms, RECEIVE_MAXIMUM, repeatedProperty, saidOf, Turns } from './mqtt5.ts';
import { Questions } from './questions.ts';
import { REASONS } from './reason-codes.ts';
import { connectWords, endedWords, hungUp, hungUpWords, readFault, type Stage } from './refusal-words.ts';
import { ConnectError, failureOfCode } from './retry-plan.ts';
import { openWire, tlsFault, type Wire } from './wire/open-wire.ts';

// The entry of the package loads its own ways to a broker, through proxies and web sockets; ours are in wire/.
const { default: MqttClient } = client;

/** "Disconnect with Will Message". */
const WITH_WILL = 4;
/** "No matching subscribers": the broker has the message, and keeps nothing of it that is not retained. */
const NO_SUBSCRIBERS = 16;

/** Gets the messages of subscriptions. */
type Received = (topic: string, payload: Uint8Array, retained: boolean) => void;

export class Connection {
  /** Resolves, once, when the connection is gone, with the cause when there is one. */
  readonly closed: Promise<Error | undefined>;
  readonly #client: InstanceType<typeof MqttClient>;
  readonly #check: InboundCheck;
  readonly #options: ConnectionOptions;
  /** Monotonic: when the way to the broker was there, and when its last byte came. */
  readonly openedAt: number;
  readonly #heard: { readonly at: number };
  #open = true;
  #fault: Error | undefined;
  readonly #answers: Answers;
  readonly #questions = new Questions();
  /** The PUBACK that is being read says that there is no subscriber. */
  #unheard = false;
  /** The connection was ended from here. */
  #ended = false;
  /** What the CONNACK says that the broker takes. */
  #terms: BrokerTerms;
  #turns = new Turns(Number.POSITIVE_INFINITY);
  readonly #allowance: Allowance | undefined;
  /** How the broker ended the connection, where it said so. */
  #goodbye: { readonly code: number; readonly said: string } | undefined;
  /** What it said beside a code in its last answers: CONNACK, or the refusal of a message. */
  #said = '';
  #received: Received | undefined;
  /** What came before somebody took it; at most RECEIVE_MAXIMUM. A broker that kept a session sends it right behind its CONNACK. */
  readonly #early: Parameters<Received>[] = [];

  /** @throws ConnectError, SluiceError upstream-protocol */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const settings = clientSettings(options);
    encodeNumbersOnDemand();
    const route = routeOf(options);
    const gaveUp = new AbortController();
    const abort = (): void => gaveUp.abort();
    if (options.signal.aborted) abort();
    options.signal.addEventListener('abort', abort, { once: true });
    let late = false;
    let stage: Stage = 'tcp';
    const heard = { said: '' };
    const giveUp = (): void => {
      late = true;
      abort();
    };
    const cancel = options.clock.after(options.connectTimeout, giveUp);
    const opened = options.clock.after(options.openTimeout ?? options.connectTimeout, giveUp);
    try {
      const wire = await openWire({ ...route, signal: gaveUp.signal }, (reached) => {
        opened();
        if (!late) stage = reached;
      });
      return await Connection.#over(wire, settings, options, gaveUp.signal, heard);
    } catch (thrown) {
      if (thrown instanceof SluiceError && !late) throw thrown;
      const fault = thrown === undefined ? undefined : toError(thrown);
      const known = late || fault === undefined ? undefined : tlsFault(route, fault);
      if (known !== undefined) throw known;
      const code: unknown = fault !== undefined && 'code' in fault ? fault.code : undefined;
      throw new ConnectError(
        late ? 'silent' : fault === undefined ? 'hung-up' : failureOfCode(code),
        connectWords(
          { ...options, named: options.username !== undefined, protocol: options.mqtt5 === undefined ? 4 : 5, ...heard },
          late ? stage : fault,
        ),
        fault,
      );
    } finally {
      cancel();
      opened();
      options.signal.removeEventListener('abort', abort);
    }
  }

  /** @throws what ended it before a CONNACK; undefined where the broker just closed it */
  static async #over(
    wire: Wire,
    settings: IClientOptions,
    options: ConnectionOptions,
    signal: AbortSignal,
    heard: { said: string },
  ): Promise<Connection> {
    const check = new InboundCheck(
      () => options.clock.monotonic(),
      options.asked === true ? commandedLimits(options.limits?.command) : INBOUND_LIMITS,
    );
    const will = options.will?.();
    const { excess = () => undefined } = options;
    const last = { at: options.clock.monotonic() };
    const guard = {
      fault: (chunk: Uint8Array) => {
        last.at = options.clock.monotonic();
        return excess() ?? check.fault(chunk);
      },
    };
    const client = new MqttClient(() => new GuardedStream(wire.stream, guard, () => options.meter?.look()), {
      ...settings,
      ...(will === undefined ? {} : { will: { ...will, payload: bytes(will.payload) } }),
    });
    const connection = new Connection(client, check, options, last, wire.lastWords);
    const abort = (): void => connection.destroy();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const connected = new Promise<true>((resolve) => client.once('connect', () => resolve(true)));
    const outcome = await Promise.race([connected, connection.closed]);
    signal.removeEventListener('abort', abort);
    heard.said = connection.#said;
    if (outcome !== true) throw outcome;
    const { wrong } = connection.#terms;
    if (wrong === undefined) return connection;
    connection.destroy();
    throw new ConnectError('protocol', `the broker ${hostAndPort(options)} ${wrong}`, undefined);
  }

  private constructor(
    client: InstanceType<typeof MqttClient>,
    check: InboundCheck,
    options: ConnectionOptions,
    heard: { readonly at: number },
    lastWords: Wire['lastWords'],
  ) {
    this.#client = client;
    this.#check = check;
    this.#options = options;
    this.#heard = heard;
    this.openedAt = heard.at;
    const { limits } = options;
    this.#allowance = limits && new Allowance(limits, options.clock);
    this.#answers = new Answers(options.clock, options.ackTimeout, {
      late: (fault) => {
        // The reason of the end for everything else that waits, and for the loop around it.
        this.#fault ??= fault;
        this.destroy();
      },
      lost: (cause) => this.lost(cause),
      said: () => this.#said,
    });
    client.on('error', (error) => {
      this.#fault ??= readFault(toError(error));
      // The library goes on after a packet that it cannot read, and has lost its place then.
      this.#client.stream.destroy();
    });
    this.#terms = new BrokerTerms(options.mqtt5, undefined);
    client.on('packetreceive', (packet) => {
      const twice = repeatedProperty(packet);
      if (twice !== undefined) {
        this.#fault ??= new SluiceError('upstream-protocol', `the broker broke the rules of MQTT: a packet has ${twice} twice`);
        this.#client.stream.destroy();
        // The library goes on with the packet, and throws at a list where it wants a number.
        Object.assign(packet, { properties: {} });
        return;
      }
      if (packet.cmd === 'connack') {
        this.#terms = new BrokerTerms(options.mqtt5, packet);
        this.#turns = new Turns(Math.min(this.#terms.receiveMaximum, limits?.unacknowledged ?? Number.POSITIVE_INFINITY));
        this.#said = saidOf(packet);
      } else if (packet.cmd === 'puback' || packet.cmd === 'suback') this.#said = saidOf(packet);
      else if (packet.cmd === 'pingresp') this.#questions.answered();
      this.#unheard = packet.cmd === 'puback' && packet.reasonCode === NO_SUBSCRIBERS;
    });
    client.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') this.#questions.written();
      if (cmd === 'disconnect') lastWords?.();
    });
    client.on('disconnect', ({ reasonCode = 0, properties }) => {
      this.#goodbye = { code: reasonCode, said: saidOf({ properties }) };
    });
    client.on('message', (topic, payload, { retain }) => {
      // A packet that breaks the rules says nothing.
      if (this.#fault !== undefined) return;
      if (this.#received !== undefined) this.#received(topic, payload, retain);
      else if (options.asked === true && this.#early.length < RECEIVE_MAXIMUM) this.#early.push([topic, payload, retain]);
    });
    // This handler is there from the first moment: a connection may be gone before a caller could ask whether it was made.
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#open = false;
        client.end(true);
        this.#answers.close(this.lost());
        this.#turns.close();
        this.#allowance?.close();
        resolve(this.#fault);
      });
    });
  }

  set received(take: Received) {
    this.#received = take;
    for (const early of this.#early.splice(0)) take(...early);
  }

  /** Monotonic time at which the oldest answer is late, and the connection ends. */
  get answerBy(): number | undefined {
    return this.#answers.by;
  }
  get heardAt(): number {
    return this.#heard.at;
  }
  get open(): boolean {
    return this.#open;
  }
  /** Milliseconds of the answer that came fastest; 0 before the first. */
  get roundTrip(): number {
    return this.#answers.roundTrip;
  }

  /**
   * Resolves with the PUBACK, and for QoS 0 once the message is written. One that takes too long closes the connection: its
   * answer must not count later for something else. Messages leave in the order of the calls, and with QoS 1 as many at once
   * as the broker allows.
   * @throws SluiceError upstream-connect, upstream-timeout, upstream-refused (the broker will never take it), upstream-busy,
   *   upstream-too-large (nothing was sent; `data` has `bytes` and `limit`)
   */
  async publish(message: OutMessage): Promise<void> {
    const { topic, qos } = message;
    const payload = typeof message.payload === 'string' ? message.payload : bytes(message.payload);
    const length = Buffer.byteLength(payload);
    const excess = this.#terms.excess(topic, length, this.#options.limits?.payload);
    if (excess !== undefined)
      throw new SluiceError(
        'upstream-too-large',
        `a message on ${topic} has ${excess.bytes} bytes, and the broker takes ${excess.limit} at most; the gateway sends smaller batches`,
        { data: excess },
      );
    const free = this.#allowance?.take(length, message.retain ? topic : undefined);
    if (free !== undefined && !(await free)) throw this.lost();
    if (qos === 0) return this.#send(message, payload);
    const turn = this.#turns.take();
    if (turn !== undefined && !(await turn)) throw this.lost();
    const turns = this.#turns;
    try {
      await this.#send(message, payload);
    } finally {
      turns.give();
    }
  }

  #send({ topic, qos, retain, unheard }: OutMessage, payload: string | Buffer): Promise<void> {
    return this.#answered(qos > 0 ? topic : undefined, (done) => {
      if (qos > 0) this.#check.owe();
      const { topic: short, ...dressed } = this.#terms.dress(topic, retain);
      this.#client.publish(short, payload, { qos, ...dressed }, (error) => {
        if (qos > 0 && !error && this.#unheard) unheard?.();
        done(error);
      });
    });
  }

  /** Asks for messages with QoS 1; `received` gets them. @throws SluiceError as `publish` */
  subscribe(filters: readonly string[]): Promise<void> {
    return this.#answered(undefined, (done) => {
      this.#check.owe();
      this.#client.subscribe([...filters], { qos: 1 }, (error, _, packet) => {
        // The library has the codes in the packet alone.
        const code = packet?.granted.find((granted) => typeof granted === 'number' && granted >= 0x80);
        done(error && code !== undefined ? Object.assign(error, { code }) : error);
      });
    });
  }

  /**
   * Resolves when the broker answers a question (PINGREQ) that is sent now: it reads what comes in order, so it has read everything
   * that was sent before. @throws SluiceError as `publish`
   */
  proven(): Promise<void> {
    return this.#answered(undefined, (done) => {
      this.#check.owe();
      this.#questions.ask(() => this.#client.sendPing(), done);
    });
  }

  #answered(topic: string | undefined, send: (done: (error?: Error | null) => void) => void): Promise<void> {
    return this.#open ? this.#answers.to(topic, send) : Promise.reject(this.lost());
  }

  /** Why it is over. A fault that the guard of the connection found goes unchanged to everything that waits for an answer. */
  lost(cause: unknown = this.#fault): SluiceError {
    if (this.#fault instanceof SluiceError) return this.#fault;
    if (this.#goodbye !== undefined && !this.#ended && this.#goodbye.code >= 0x80) {
      const { code, said } = this.#goodbye;
      return new ConnectError(REASONS[code]?.failure ?? 'lost', endedWords(code, said, this.#options.clientId), toError(cause));
    }
    const oldest = this.#answers.topic;
    let words = 'the connection to the broker was lost';
    const data = { hungUp: !this.#ended && hungUp(this.#fault), topic: oldest };
    if (data.hungUp) words = hungUpWords(oldest, this.#options.clientId);
    else if (this.#fault !== undefined) words += `: ${this.#fault.message}`;
    return new SluiceError('upstream-connect', words, cause === undefined ? { data } : { cause, data });
  }

  /**
   * Says goodbye and closes, within `within` ms. The broker then keeps the will to itself.
   * @param withWill with MQTT 5 it publishes it
   */
  async end(within: number, withWill = false): Promise<void> {
    if (!this.#open) return;
    const late = this.#options.clock.after(within, () => this.destroy());
    if (withWill && this.#options.mqtt5 !== undefined) this.#client.end(false, { reasonCode: WITH_WILL });
    else this.#client.end(false);
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
