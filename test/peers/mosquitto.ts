/** A real Mosquitto as upstream, and a subscriber (paho) that writes down all it gets. */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { peer, pythonPeer } from './peers.ts';

const BROKER = 'apt-get install -y mosquitto';
const CLIENTS = 'apt-get install -y python3-paho-mqtt';

export interface MosquittoOptions {
  /**
   * Keeps sessions and queued messages on disk: written on every change and at a clean stop. Without it a stop forgets
   * what a subscriber has not received yet, although the publisher got its PUBACK: that is the broker's loss.
   */
  readonly persistence?: boolean;
  readonly port?: number;
  /** Log-ins and their files belong to the listener that they stand under. */
  readonly perListener?: boolean;
  /** More lines for mosquitto.conf. */
  readonly extra?: readonly string[];
}

/** `mosquitto.conf` in that folder. @returns the file */
export function writeBrokerConfig(
  folder: string,
  port: number,
  { persistence, perListener, extra = [] }: MosquittoOptions = {},
): string {
  const lines = [
    // It has to stand before all others.
    ...(perListener === true ? ['per_listener_settings true'] : []),
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'log_dest stderr',
    // Nothing that a slow machine has to wait for may be thrown away.
    'max_queued_messages 0',
    'max_queued_bytes 0',
    // As root it would otherwise become the user mosquitto, who cannot write in this folder.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    ...(persistence
      ? ['persistence true', `persistence_location ${folder}/`, 'autosave_on_changes true', 'autosave_interval 1']
      : ['persistence false']),
    ...extra,
  ];
  const file = path.join(folder, 'mosquitto.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

export class Mosquitto {
  readonly port: number;
  readonly folder: string;
  readonly #program: string;
  /** The ports of all listeners. It opens one after the other. */
  readonly #ports: readonly number[];
  #child: Child | undefined;

  private constructor(program: string, folder: string, port: number, extra: readonly string[] = []) {
    this.#program = program;
    this.folder = folder;
    this.port = port;
    this.#ports = [port, ...extra.flatMap((line) => /^listener (\d+)/.exec(line)?.[1] ?? []).map(Number)];
  }

  /** A broker that is configured and not started; undefined after a skip. It does not outlive the test. */
  static async create(t: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto | undefined> {
    const program = peer(t, 'mosquitto', BROKER);
    if (program === undefined) return undefined;
    const folder = scratch(t, 'mosquitto');
    const broker = new Mosquitto(program, folder, options.port ?? (await freePort()), options.extra);
    writeBrokerConfig(folder, broker.port, options);
    t.after(() => broker.kill());
    return broker;
  }

  /** As `create`, and running. */
  static async start(t: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto | undefined> {
    const broker = await Mosquitto.create(t, options);
    await broker?.start();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }
  get running(): boolean {
    return this.#child !== undefined && this.#child.over === undefined;
  }
  /** What the running (or last) broker wrote to its log. */
  get log(): readonly string[] {
    return this.#child?.stderr ?? [];
  }

  /** Resolves when each of its listeners accepts connections. */
  async start(): Promise<void> {
    if (this.running) return;
    const child = new Child(this.#program, ['-c', path.join(this.folder, 'mosquitto.conf')]);
    this.#child = child;
    await waitFor(
      () => `mosquitto to listen on ${this.#ports}:\n${child.stderr.join('\n')}`,
      async () => {
        if (child.over !== undefined) throw new Error(`mosquitto ended: ${child.stderr.join('\n')}`);
        return (await Promise.all(this.#ports.map(accepts))).every((open) => open);
      },
    );
  }

  /** A clean stop (SIGTERM): with persistence it saves. */
  async stop(): Promise<void> {
    await this.#child?.stop('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** For a broker that stands still: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.signal(signal) ?? false;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly bytes: Buffer;
  readonly qos: number;
  readonly retained: boolean;
}

/**
 * subscriber.py (paho) with a persistent session and QoS 1 into a file. It reconnects by itself, and what it wrote survives
 * its end, so it can be stopped and started again under one client id.
 */
export class Subscriber {
  readonly file: string;
  readonly #python: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  private constructor(python: string, file: string, args: readonly string[]) {
    this.#python = python;
    this.file = file;
    this.#args = args;
  }

  /** Resolves when the session exists at the broker. Undefined after a skip. */
  static async start(
    t: TestContext,
    port: number,
    topics: readonly string[],
    options: { id?: string } = {},
  ): Promise<Subscriber | undefined> {
    const python = pythonPeer(t, 'paho.mqtt.client', CLIENTS);
    if (python === undefined) return undefined;
    const file = path.join(scratch(t, 'subscriber'), 'received.txt');
    writeFileSync(file, '');
    const script = path.join(import.meta.dirname, 'subscriber.py');
    const subscriber = new Subscriber(python, file, [script, String(port), options.id ?? 'subscriber', file, ...topics]);
    t.after(() => subscriber.kill());
    await subscriber.resume();
    return subscriber;
  }

  /** @param timeout milliseconds until it gives up; default: as long as any wait */
  async resume(timeout?: number): Promise<void> {
    const acks = () => readFileSync(this.file, 'latin1').split('SUBACK').length;
    const before = acks();
    const child = new Child(this.#python, this.#args);
    this.#child = child;
    await waitFor(
      () => `the subscriber's SUBACK; sessions known: ${this.sessions.join(' ')}; ${child.stderr.join('\n')}`,
      () => acks() > before,
      timeout === undefined ? {} : { timeout },
    );
  }

  /** A broker that had its session did not know it when it came back: what was published in between went nowhere. */
  get forgotten(): boolean {
    return this.sessions.slice(1).includes('0');
  }

  /** For each connection: 1 where the broker knew the session, 0 where it did not. */
  get sessions(): string[] {
    return Array.from(readFileSync(this.file, 'latin1').matchAll(/^CONNACK\t([01])$/gm), ([, present]) => present ?? '');
  }

  /** It ends at once; the session stays. */
  async pause(): Promise<void> {
    await this.kill();
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** Everything received so far, in order of arrival. */
  messages(): Received[] {
    const out: Received[] = [];
    const text = readFileSync(this.file, 'latin1');
    for (const line of text.split('\n')) {
      // A line may be half written.
      if (!line.startsWith('message\t') || !line.endsWith('\t.')) continue;
      const [, qos, retained, topic, hex = ''] = line.split('\t');
      const bytes = Buffer.from(hex, 'hex');
      out.push({
        topic: Buffer.from(topic ?? '', 'latin1').toString('utf8'),
        payload: bytes.toString('utf8'),
        bytes,
        qos: Number(qos),
        retained: retained === '1',
      });
    }
    return out;
  }
}
