/**
 * A recipe of the pages, run as it stands: its forwarder is loaded by the loader of the gateway and has a log behind it. A proxy
 * leads every name to the scripted peer, so addresses, TLS names and log-ins are those of the page.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { loadConfigText } from '../../src/config/load.ts';
import type { Shape } from '../../src/core/point.ts';
import type { Forwarder } from '../../src/core/ports.ts';
import type { RemoteCaller } from '../../src/core/remote-commands.ts';
import type { ForwarderContext } from '../../src/forwarders/forwarder-kind.ts';
import { createMqttForwarder } from '../../src/forwarders/mqtt/kind.ts';
import type { LinkOptions } from '../../src/forwarders/mqtt/link.ts';
import type { MqttForwarderSettings } from '../../src/forwarders/mqtt/schema.ts';
import { DIALECTS, kinds } from '../../src/gateway/registry.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import { socksProxy } from '../fakes/proxies.ts';
import { SkipClock } from '../fakes/skip-clock.ts';
import { Consumer } from '../oracles/consumer.ts';
import type { Pair } from './certificates.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

const PAGES = path.join(import.meta.dirname, '../../docs/how-to');
const shape: Shape = {
  device: 'pump',
  points: [
    { name: 'n', type: 'uint32', storage: 'number' },
    { name: 'text', type: 'string', storage: 'string' },
  ],
};

export interface Asked {
  readonly command: Readonly<Record<string, unknown>>;
  readonly caller: RemoteCaller;
}

export interface RecipeOptions {
  /** Port of the peer. */
  readonly port: number;
  /** Certificate of the authority that signed the peer. */
  readonly ca: string;
  /** Contents of the files that the recipe names, beside the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** Changes to what the recipe says, after it was loaded. */
  readonly change?: Readonly<Record<string, unknown>>;
  readonly special?: Partial<ForwarderContext & LinkOptions>;
}

/** The forwarders of a page in docs/how-to, as YAML. */
export function recipeOf(page: string): string {
  const text = readFileSync(path.join(PAGES, page), 'utf8');
  const [, yaml] = /```yaml\n(forwarders:\n[\s\S]*?)```/.exec(text) ?? [];
  return yaml ?? assert.fail(`${page} has no recipe`);
}

export class RecipeSite {
  readonly log: Log;
  readonly forwarder: Forwarder;
  readonly clock: SkipClock;
  readonly events: { readonly event: string; readonly message: string }[] = [];
  readonly asked: Asked[] = [];
  readonly settings: MqttForwarderSettings;
  clockKnown = true;
  #added = 0;

  private constructor(
    log: Log,
    clock: SkipClock,
    name: string,
    settings: MqttForwarderSettings,
    special: RecipeOptions['special'],
  ) {
    this.log = log;
    this.clock = clock;
    this.settings = settings;
    const context = forwarderContext(log, {
      ...{ gateway: 'ghat-1', clock, now: () => clock.wall(), clockKnown: () => this.clockKnown },
      inventory: () =>
        JSON.stringify({ v: 1, revision: 1, devices: { pump: { bus: 'field', points: { n: { type: 'uint32' } } } } }),
      event: (event, message) => void this.events.push({ event, message }),
      commands: {
        take: (payload, caller) => void this.asked.push({ command: JSON.parse(Buffer.from(payload).toString()), caller }),
      },
      ...special,
    });
    this.forwarder = createMqttForwarder(DIALECTS, { ...context, name, settings });
  }

  /** Not started. @param yaml as `recipeOf` gives it */
  static async open(t: TestContext, yaml: string, options: RecipeOptions): Promise<RecipeSite> {
    let close = async () => {};
    t.after(() => close());
    const folder = scratch(t, 'recipe');
    for (const [name, content] of Object.entries(options.files ?? {})) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content, { mode: 0o600 });
    }
    const site = 'gateway: {id: ghat-1}\nbuses: {}\ndevices: {}\n';
    const { config, faults, warnings } = loadConfigText(site + yaml, path.join(folder, 'gateway.yaml'), kinds, {
      profileDirs: [],
    });
    assert.deepEqual([...faults, ...warnings], [], 'the recipe is accepted without a word');
    const [resolved] = config?.forwarders.values() ?? [];
    const loaded = (resolved ?? assert.fail('no forwarder')).settings as unknown as MqttForwarderSettings;
    const proxy = await socksProxy(t, undefined, options.port);
    const settings: MqttForwarderSettings = {
      ...loaded,
      ...{ tls: { ...loaded.tls, ca: options.ca }, proxy: { url: `socks5://127.0.0.1:${proxy.port}` } },
      ...options.change,
    };
    const clock = new SkipClock(Date.now());
    const log = await Log.open({
      ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock },
      ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
    });
    log.setClock(Math.round(clock.wall() - clock.monotonic()), false);
    log.setInventory('{}');
    const made = new RecipeSite(log, clock, resolved?.name ?? '', settings, options.special);
    close = async () => {
      await made.forwarder.stop(0);
      await log.close(10_000);
    };
    return made;
  }

  /** Readings 0, 1, 2, … @param letters of a text beside each */
  add(count: number, letters = 0): void {
    for (let i = 0; i < count; i++)
      assert.ok(
        this.log.append({ shape, at: this.clock.monotonic(), values: [this.#added++, 'x'.repeat(letters)], reasons: null }),
      );
  }

  get added(): number {
    return this.#added;
  }
  get fault(): string {
    return this.forwarder.status().fault ?? '';
  }

  /** Waits until nothing is owed. */
  async delivered(what: string): Promise<void> {
    await this.log.flush();
    await waitFor(
      () => `${what}; ${JSON.stringify(this.forwarder.status())}`,
      () => {
        const { waiting } = this.forwarder.status();
        return waiting.data === undefined && waiting.history === undefined;
      },
    );
  }

  async connected(): Promise<void> {
    await waitFor(
      () => `the connection: ${this.fault}`,
      () => this.forwarder.connected,
    );
  }

  /** Holds that a consumer by marks gets each reading once. @param messages on the topics of the gateway, in the order of arrival */
  once(messages: Iterable<{ topic: string; payload: string }>): void {
    const consumer = new Consumer().feedAll(messages);
    assert.deepEqual(consumer.judge(), []);
    assert.deepEqual(
      consumer.records().map((record) => record.values.n),
      Array.from({ length: this.#added }, (_, n) => n),
    );
  }
}

/** Key and certificate of a peer, as a server of TLS takes them. */
export function serverOf({ cert, key }: Pair): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
