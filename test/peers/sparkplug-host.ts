/** A host application of Sparkplug B as a foreign program: sparkplug-host.py, with a decoder that protoc makes of sparkplug_b.proto. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../harness/child.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { peer, pythonPeer } from './peers.ts';

const INSTALL = 'apt-get install -y protobuf-compiler python3-protobuf python3-paho-mqtt';
const HERE = import.meta.dirname;

export interface HeardMetric {
  readonly name: string;
  readonly alias: number;
  readonly type: number;
  readonly time: number;
  readonly value: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
}
/** What the program writes down; the keys depend on `kind`. */
export interface Line {
  readonly kind: 'ready' | 'ordered' | 'message' | 'violation' | 'nbirth' | 'ndeath' | 'dbirth' | 'ddeath' | 'value';
  readonly word: string;
  readonly words: string;
  readonly topic: string;
  readonly device: string;
  readonly bytes: number;
  readonly bd: number;
  readonly mine: boolean;
  readonly again: boolean;
  readonly names: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
  readonly metrics: readonly HeardMetric[];
  readonly of: string;
  readonly name: string;
  readonly type: number;
  readonly time: number;
  readonly value: unknown;
  readonly historical: boolean;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The folder with the decoder, and the path of protoc; undefined after a skip. */
export function decoder(t: TestContext): { folder: string; protoc: string; python: string } | undefined {
  const protoc = peer(t, 'protoc', INSTALL);
  if (protoc === undefined) return undefined;
  const python = pythonPeer(t, 'google.protobuf', INSTALL);
  if (python === undefined) return undefined;
  const folder = scratch(t, 'protoc');
  const made = spawnSync(protoc, [`--proto_path=${HERE}`, `--python_out=${folder}`, 'sparkplug_b.proto']);
  if (made.status !== 0) throw new Error(made.stderr.toString());
  return { folder, protoc, python };
}

export class SparkplugHost {
  readonly #file: string;
  readonly #child: Child;
  #ordered = 0;

  private constructor(file: string, child: Child) {
    this.#file = file;
    this.#child = child;
  }

  /** Subscribed when it resolves. Undefined after a skip. */
  static async start(t: TestContext, port: number, group: string): Promise<SparkplugHost | undefined> {
    const made = decoder(t);
    if (made === undefined || pythonPeer(t, 'paho.mqtt.client', INSTALL) === undefined) return undefined;
    const file = path.join(scratch(t, 'sparkplug-host'), 'heard.jsonl');
    writeFileSync(file, '');
    const script = path.join(HERE, 'sparkplug-host.py');
    const child = new Child(made.python, [script, String(port), group, made.folder, file], { stdin: true });
    t.after(() => child.stop('SIGKILL'));
    const host = new SparkplugHost(file, child);
    await waitFor(
      () => `the host to subscribe: ${child.stderr.join('\n')}`,
      () => host.heard('ready').length > 0,
    );
    return host;
  }

  /** See sparkplug-host.py. Resolves when it was published. */
  async order(order: object): Promise<void> {
    const before = ++this.#ordered;
    this.#child.write(JSON.stringify(order));
    await waitFor(
      () => `an order to the host: ${this.#child.stderr.join('\n')}`,
      () => this.heard('ordered').length >= before,
    );
  }

  lines(): Line[] {
    const text = readFileSync(this.#file, 'utf8');
    // A line may be half written.
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }
  heard(kind: Line['kind']): Line[] {
    return this.lines().filter((line) => line.kind === kind);
  }
  get violations(): string[] {
    return this.heard('violation').map(({ topic, words }) => `${topic}: ${words}`);
  }
}
