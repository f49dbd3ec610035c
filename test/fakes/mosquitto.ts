/** A real Mosquitto as upstream, and its own subscriber that writes down all it gets. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';
import { peer } from './peers.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

const BROKER = 'apt-get install -y mosquitto';
const CLIENTS = 'apt-get install -y mosquitto-clients';

export interface MosquittoOptions {
  /**
   * Keeps sessions and queued messages on disk: written on every change and at a clean stop. Without it a stop forgets
   * what a subscriber has not received yet, although the publisher got its PUBACK: that is the broker's loss.
   */
  readonly persistence?: boolean;
  readonly port?: number;
  /** More lines for mosquitto.conf. */
  readonly extra?: readonly string[];
}

export class Mosquitto {
  readonly port: number;
  readonly folder: string;
  readonly #program: string;
  #child: Child | undefined;

  private constructor(program: string, folder: string, port: number) {
    this.#program = program;
    this.folder = folder;
    this.port = port;
  }

  /** A broker that is configured and not started; undefined after a skip. It does not outlive the test. */
  static async create(t: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto | undefined> {
    const program = peer(t, 'mosquitto', BROKER);
    if (program === undefined) return undefined;
    const folder = scratch(t, 'mosquitto');
    const broker = new Mosquitto(program, folder, options.port ?? (await freePort()));
    const lines = [
      `listener ${broker.port} 127.0.0.1`,
      'allow_anonymous true',
      'log_dest stderr',
      // Nothing that a slow test machine has to wait for may be thrown away.
      'max_queued_messages 0',
      'max_queued_bytes 0',
      // As root it would otherwise become the user mosquitto, who cannot write in this folder.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      ...(options.persistence
        ? ['persistence true', `persistence_location ${folder}/`, 'autosave_on_changes true', 'autosave_interval 1']
        : ['persistence false']),
      ...(options.extra ?? []),
    ];
    writeFileSync(path.join(folder, 'mosquitto.conf'), `${lines.join('\n')}\n`);
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

  /** Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.running) return;
    const child = new Child(this.#program, ['-c', path.join(this.folder, 'mosquitto.conf')]);
    this.#child = child;
    await waitFor(
      () => `mosquitto to listen on ${this.port}:\n${child.stderr.join('\n')}`,
      async () => {
        if (child.over !== undefined) throw new Error(`mosquitto ended: ${child.stderr.join('\n')}`);
        return accepts(this.port);
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
 * `mosquitto_sub` with a persistent session and QoS 1 into a file. It reconnects by itself, and what it wrote survives
 * its end, so it can be stopped and started again under one client id.
 */
export class Subscriber {
  readonly file: string;
  readonly #program: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  private constructor(program: string, file: string, args: readonly string[]) {
    this.#program = program;
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
    const program = peer(t, 'mosquitto_sub', CLIENTS);
    if (program === undefined) return undefined;
    const id = options.id ?? 'subscriber';
    const file = path.join(scratch(t, 'subscriber'), 'received.txt');
    writeFileSync(file, '');
    const subscriber = new Subscriber(program, file, [
      ...['-h', '127.0.0.1', '-p', String(port), '-i', id, '-c', '-q', '1', '-k', '10', '-d'],
      // Hexadecimal, so that a payload with a line break stays one line.
      ...['-F', 'message\t%q\t%r\t%t\t%x'],
      ...topics.flatMap((topic) => ['-t', topic]),
    ]);
    t.after(() => subscriber.kill());
    await subscriber.resume();
    return subscriber;
  }

  async resume(): Promise<void> {
    const before = readFileSync(this.file, 'latin1').split('SUBACK').length;
    // Straight to the file, so that a kill loses nothing that passed through us; by line, since it holds back what -d tells.
    const out = openSync(this.file, 'a');
    try {
      this.#child = new Child('stdbuf', ['-oL', this.#program, ...this.#args], { output: out });
    } finally {
      closeSync(out);
    }
    await waitFor(
      () => `the subscriber's SUBACK: ${readFileSync(this.file, 'utf8').slice(-500)}`,
      () => readFileSync(this.file, 'latin1').split('SUBACK').length > before,
    );
  }

  /**
   * A clean end; the session stays. Not SIGKILL: libmosquitto acknowledges a message before it hands it over, so a kill
   * in between loses one that the broker need not send again.
   */
  async pause(): Promise<void> {
    await this.#child?.stop('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL');
  }

  /** Everything received so far, in order of arrival. */
  messages(): Received[] {
    const out: Received[] = [];
    const text = readFileSync(this.file, 'latin1');
    // The last line may be half written.
    for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
      if (!line.startsWith('message\t')) continue;
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
