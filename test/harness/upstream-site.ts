/** A log and one forwarder of it with the dialect `json`, against whatever broker a test has. */
import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { Shape } from '../../src/core/point.ts';
import type { ForwarderContext } from '../../src/forwarders/forwarder-kind.ts';
import { jsonDialect } from '../../src/forwarders/mqtt/dialects/json/dialect.ts';
import type { LinkOptions } from '../../src/forwarders/mqtt/link.ts';
import { LogForwarder } from '../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../src/forwarders/mqtt/schema.ts';
import type { TlsSettings } from '../../src/forwarders/mqtt/wire/tls-material.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import { scratch } from './scratch.ts';

const shape: Shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] };
const wordy: Shape = { device: 'd', points: [{ name: 'text', type: 'string', storage: 'string' }] };

/** As a person writes them, but for what the loading of a configuration makes of files. */
interface SiteSettings {
  readonly [key: string]: unknown;
  readonly tls?: TlsSettings | undefined;
  readonly password?: string | undefined;
}

export class UpstreamSite {
  readonly log: Log;
  readonly forwarder: LogForwarder;
  readonly events: Record<string, string | number>[] = [];
  #appended = 0;
  #closed: Promise<void> | undefined;

  private constructor(log: Log, { tls, password, ...settings }: SiteSettings, special: Partial<ForwarderContext & LinkOptions>) {
    this.log = log;
    this.forwarder = new LogForwarder({
      ...forwarderContext(log, { event: (_event, _message, data) => void this.events.push(data) }),
      ...{ name: 'cloud', dialect: jsonDialect },
      settings: {
        ...mqttForwarderSchema([jsonDialect]).parse({ batch: { maxAge: '20ms' }, ...settings }),
        ...(tls !== undefined && { tls }),
        ...(password !== undefined && { password: { fresh: () => password } }),
      } as never,
      ...special,
    });
  }

  /** Not started. @param place of the log; absent: a folder of its own */
  static async open(
    t: TestContext,
    settings: SiteSettings,
    special: Partial<ForwarderContext & LinkOptions> = {},
    place?: string,
  ): Promise<UpstreamSite> {
    // Before the folder goes.
    let close = async () => {};
    t.after(() => close());
    const folder = place ?? scratch(t, 'upstream');
    const log = await Log.open({
      ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
      ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
    });
    log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
    log.setInventory('{}');
    const site = new UpstreamSite(log, settings, special);
    close = () => site.close();
    return site;
  }

  close(): Promise<void> {
    this.#closed ??= this.forwarder.stop(0).then(() => this.log.close(10_000));
    return this.#closed;
  }

  /** Readings 0, 1, 2, … */
  add(count: number): void {
    for (let i = 0; i < count; i++)
      assert.ok(this.log.append({ shape, at: systemClock.monotonic(), values: [this.#appended++], reasons: null }));
  }

  /** A reading of so many letters. */
  addText(letters: number): void {
    assert.ok(this.log.append({ shape: wordy, at: systemClock.monotonic(), values: ['x'.repeat(letters)], reasons: null }));
  }

  get appended(): number {
    return this.#appended;
  }
  get fault(): string {
    return this.forwarder.status().fault ?? '';
  }
}
