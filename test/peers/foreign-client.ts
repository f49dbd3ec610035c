/** paho for Python and mqtt.js behind one interface: each client is a process, so that a test can kill it or make it stand still. */
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Child, startChild } from '../harness/child.ts';
import { waitFor } from '../harness/wait-for.ts';
import { pythonPeer } from './peers.ts';

type Qos = 0 | 1 | 2;

export interface ClientOrder {
  readonly port: number;
  readonly id: string;
  readonly clean: boolean;
  readonly user?: string;
  readonly password?: string;
  /** Files. With `ca` the connection is TLS. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos: Qos; readonly retain: boolean };
}

export type ToDo =
  | { readonly do: 'subscribe'; readonly filter: string; readonly qos: Qos }
  | { readonly do: 'publish'; readonly topic: string; readonly payload: string; readonly qos: Qos; readonly retain?: boolean }
  | { readonly do: 'leave' };

export interface Came {
  readonly connack?: number;
  readonly present?: boolean;
  readonly suback?: number;
  readonly puback?: number;
  readonly message?: string;
  readonly payload?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly closed?: boolean;
  readonly failed?: string;
}

export const LIBRARIES = ['paho', 'mqtt.js'] as const;
export type Library = (typeof LIBRARIES)[number];

export class ForeignClient {
  readonly child: Child;

  private constructor(child: Child) {
    this.child = child;
  }

  /** Resolves when the broker has answered CONNECT, or ended the connection. Undefined after a skip. */
  static async start(t: TestContext, library: Library, order: ClientOrder): Promise<ForeignClient | undefined> {
    const isPaho = library === 'paho';
    const program = isPaho ? pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt') : process.execPath;
    if (program === undefined) return undefined;
    const script = path.join(import.meta.dirname, isPaho ? 'mqtt-client.py' : 'mqtt-client.ts');
    const options = isPaho ? [] : ['--disable-warning=ExperimentalWarning'];
    const client = new ForeignClient(startChild(t, program, [...options, script, JSON.stringify(order)], { stdin: true }));
    await waitFor(
      () => `an answer to the CONNECT of ${library}; it wrote:\n${client.child.stderr.join('\n')}`,
      () => client.came().some((one) => one.connack !== undefined || one.closed === true || one.failed !== undefined),
    );
    return client;
  }

  /** All that it reported, in order. */
  came(): Came[] {
    return this.child.stdout.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Came);
  }
  /** The return code of CONNACK; undefined: the connection ended without one. */
  get connack(): number | undefined {
    return this.came().find(({ connack }) => connack !== undefined)?.connack;
  }
  get present(): boolean | undefined {
    return this.came().find(({ connack }) => connack !== undefined)?.present;
  }
  /** The broker ended the connection, or it never was one. */
  get closed(): boolean {
    return this.child.over !== undefined || this.came().some(({ closed }) => closed === true);
  }
  messages(topic?: string): string[] {
    return this.came().flatMap((one) =>
      one.message !== undefined && (topic === undefined || one.message === topic) ? [one.payload ?? ''] : [],
    );
  }

  /** @returns the code of SUBACK: the granted QoS, or 128 */
  async subscribe(filter: string, qos: Qos = 1): Promise<number | undefined> {
    const before = this.#count('suback');
    this.#do({ do: 'subscribe', filter, qos });
    await waitFor(`the SUBACK of ${filter}`, () => this.#count('suback') > before || this.closed);
    return this.came().findLast(({ suback }) => suback !== undefined)?.suback;
  }

  /** With QoS 1. @returns whether it was acknowledged; the connection has ended otherwise */
  async publish(topic: string, payload: string, retain = false): Promise<boolean> {
    const before = this.#count('puback');
    this.#do({ do: 'publish', topic, payload, qos: 1, retain });
    await waitFor(`the PUBACK of ${topic}`, () => this.#count('puback') > before || this.closed);
    return this.#count('puback') > before;
  }

  async message(topic: string, payload: string): Promise<void> {
    await waitFor(
      () => `${payload} on ${topic}; there were ${JSON.stringify(this.came().slice(-10))}`,
      () => this.messages(topic).includes(payload),
    );
  }

  /** DISCONNECT, and the end. */
  async leave(): Promise<void> {
    this.#do({ do: 'leave' });
    await this.child.ended;
  }

  #do(what: ToDo): void {
    this.child.write(JSON.stringify(what));
  }
  #count(kind: 'suback' | 'puback'): number {
    return this.came().filter((one) => one[kind] !== undefined).length;
  }
}
