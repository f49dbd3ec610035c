/**
 * Clients of QoS 2 whose state can be rebuilt as it was at any moment of a disk's record (recording-disk.ts): mqtt.js, whose stores note
 * what goes in and out, and a publisher of bare packets that keeps messages between PUBREC and PUBREL. What a client sends is noted
 * before that, and what it receives is noted afterwards. So at the moment of a cut a client has nothing that the broker did not send.
 */
import { connect, type Socket } from 'node:net';
import mqtt from 'mqtt';
import { generate, type Packet, parser } from 'mqtt-packet';
import { waitFor } from './wait-for.ts';

export const TOPIC = 'plant/t';

/** The moment of a record. Whatever one callback does happens in one moment: a cut finds all of it or nothing. */
export class Moments {
  readonly #read: () => number;
  #now: number | undefined;

  constructor(read: () => number) {
    this.#read = read;
  }
  get now(): number {
    if (this.#now === undefined) {
      this.#now = this.#read();
      queueMicrotask(() => {
        this.#now = undefined;
      });
    }
    return this.#now;
  }
}

interface Noted {
  readonly at: number;
  readonly messageId: number;
  /** undefined: it goes. */
  readonly packet: mqtt.Packet | undefined;
}

export class NotedStore extends mqtt.Store {
  readonly notes: Noted[] = [];
  readonly #moments: Moments;

  constructor(moments: Moments) {
    super({ clean: false });
    this.#moments = moments;
  }
  override put(...args: Parameters<mqtt.Store['put']>): this {
    const [packet] = args;
    this.#note(packet.messageId, { ...packet });
    return super.put(...args);
  }
  override del(...args: Parameters<mqtt.Store['del']>): this {
    this.#note(args[0].messageId, undefined);
    return super.del(...args);
  }
  #note(messageId: number | undefined, packet: mqtt.Packet | undefined): void {
    this.notes.push({ at: this.#moments.now, messageId: messageId ?? 0, packet });
  }

  /** The contents of all messages that went in. */
  contents(until: number): string[] {
    return this.notes.flatMap(({ at, packet }) => (at <= until && packet?.cmd === 'publish' ? [String(packet.payload)] : []));
  }
  /** Its packets of then. */
  at(moment: number): mqtt.Store {
    const store = new mqtt.Store({ clean: false });
    for (const { at, messageId, packet } of this.notes) {
      if (at > moment) break;
      if (packet === undefined) store.del({ messageId }, () => {});
      else store.put({ ...packet }, () => {});
    }
    return store;
  }
}

interface Stores {
  readonly incomingStore?: mqtt.Store;
  readonly outgoingStore?: mqtt.Store;
}

/** Identifiers are used again as soon as they are free. @returns also whether the broker had its session */
export async function open(port: number, clientId: string, stores: Stores, onMessage: (content: string) => void = () => {}) {
  const client = mqtt.connect({
    ...{ protocol: 'mqtt', host: '127.0.0.1', port, clientId, clean: false, reconnectPeriod: 0, keepalive: 0 },
    ...{ messageIdProvider: new mqtt.UniqueMessageIdProvider(), ...stores },
  });
  client.on('message', (_topic, payload) => onMessage(payload.toString()));
  client.on('error', () => {});
  const present = new Promise<boolean>((resolve, reject) => {
    client.once('packetreceive', (packet) => resolve(packet.cmd === 'connack' && packet.sessionPresent));
    client.once('close', () => reject(new Error(`${clientId} was cut off`)));
  });
  // With what it had in its store behind it.
  const ready = new Promise<void>((resolve) => client.once('connect', () => resolve()));
  return { client, present: await present, ready };
}

type Step = 'published' | 'received' | 'released' | 'completed';

interface Held {
  readonly content: string;
  step: Step;
}

/** A publisher that releases messages when it is asked to. */
export class Holder {
  readonly #id: string;
  readonly #moments: Moments;
  readonly #notes: { readonly at: number; readonly messageId: number; readonly content: string; readonly step: Step }[] = [];
  #held = new Map<number, Held>();
  #socket: Socket | undefined;
  #connack: Packet | undefined;
  /** What came since the connection began. */
  readonly came = { pubrec: 0, pubcomp: 0 };

  constructor(id: string, moments: Moments) {
    this.#id = id;
    this.#moments = moments;
  }

  /** It as it was then, without a connection. */
  at(moment: number): Holder {
    const then = new Holder(this.#id, this.#moments);
    for (const { at, messageId, content, step } of this.#notes) {
      if (at > moment) break;
      // Anew for each message: those of later ones come behind.
      if (step === 'published') then.#held.delete(messageId);
      if (step === 'completed') then.#held.delete(messageId);
      else then.#held.set(messageId, { content, step });
    }
    return then;
  }
  contents(until: number): string[] {
    return this.#notes.flatMap(({ at, content, step }) => (at <= until && step === 'published' ? [content] : []));
  }
  ids(...steps: readonly Step[]): number[] {
    return [...this.#held].flatMap(([id, { step }]) => (steps.includes(step) ? [id] : []));
  }

  async connect(port: number): Promise<boolean> {
    const socket = connect(port, '127.0.0.1');
    const read = parser();
    read.on('packet', (packet) => this.#got(packet));
    socket.on('data', (chunk) => read.parse(chunk));
    socket.on('error', () => {});
    this.#socket = socket;
    this.#write({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: this.#id, clean: false, keepalive: 0 });
    const answer = await waitFor(`the CONNACK of ${this.#id}`, () => this.#connack, { every: 1 });
    return answer.cmd === 'connack' && answer.sessionPresent;
  }
  close(): void {
    this.#socket?.destroy();
  }

  /** A new message, with the lowest identifier that is free. */
  publish(content: string): void {
    let messageId = 1;
    while (this.#held.has(messageId)) messageId++;
    this.#held.set(messageId, { content, step: 'published' });
    this.#note(messageId);
    this.#send(messageId, false);
  }
  /** As one that has not got its PUBREC. */
  repeat(messageId: number): void {
    this.#send(messageId, true);
  }
  release(messageId: number): void {
    const held = this.#held.get(messageId);
    if (held !== undefined && held.step !== 'released') {
      held.step = 'released';
      this.#note(messageId);
    }
    this.#write({ cmd: 'pubrel', messageId });
  }

  #send(messageId: number, dup: boolean): void {
    const payload = this.#held.get(messageId)?.content ?? '';
    this.#write({ cmd: 'publish', topic: TOPIC, payload, qos: 2, messageId, dup, retain: false });
  }
  #got(packet: Packet): void {
    if (packet.cmd === 'connack') this.#connack = packet;
    if (packet.cmd !== 'pubrec' && packet.cmd !== 'pubcomp') return;
    this.came[packet.cmd]++;
    const messageId = packet.messageId ?? 0;
    const held = this.#held.get(messageId);
    if (held === undefined) return;
    const next = packet.cmd === 'pubcomp' ? 'completed' : held.step === 'published' ? 'received' : held.step;
    if (next === held.step) return;
    held.step = next;
    this.#note(messageId);
    if (next === 'completed') this.#held.delete(messageId);
  }
  #note(messageId: number): void {
    const held = this.#held.get(messageId);
    if (held !== undefined) this.#notes.push({ at: this.#moments.now, messageId, content: held.content, step: held.step });
  }
  #write(packet: Packet): void {
    this.#socket?.write(generate(packet));
  }
}
