/**
 * Alarms of `sparkplug-b` beside a backlog: how many batches of history leave between an alarm and its message. The log is real, and
 * the clock stands still: whatever waits for a pause waits for ever.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { LogDialect, OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { sparkplugBDialect } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/dialect.ts';
import { LogForwarder } from '../../../src/forwarders/mqtt/log-forwarder.ts';
import { mqttForwarderSchema } from '../../../src/forwarders/mqtt/schema.ts';
import { Log } from '../../../src/store/log.ts';
import { forwarderContext } from '../../fakes/forwarder-context.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PUMP: Shape = { device: 'pump', points: [{ name: 'n', type: 'uint32', storage: 'number' }] };
/** Records, each a batch of its own. */
const BACKLOG = 300;
/** One is under way when the alarm comes, and one leaves beside the births. */
const BETWEEN = 2;

/** A broker without a wire: it takes everything, and notes it. */
class Wire {
  readonly words: string[] = [];
  received: (topic: string, payload: Uint8Array, retained: boolean) => void = () => {};
  readonly roundTrip = 0;
  open = true;
  readonly closed: Promise<undefined>;
  #close = (): void => {};

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#close = () => resolve(undefined);
    });
  }

  count(word: string, upTo = this.words.length): number {
    return this.words.slice(0, upTo).filter((one) => one === word).length;
  }
  async publish({ topic }: OutMessage): Promise<void> {
    this.words.push(topic.split('/')[2] ?? '');
    await new Promise((resolve) => setImmediate(resolve));
  }
  subscribe(): Promise<void> {
    return Promise.resolve();
  }
  proven(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
  lost(): Error {
    return new Error('the connection was lost');
  }
  async end(): Promise<void> {
    this.destroy();
  }
  destroy(): void {
    this.open = false;
    this.#close();
  }
}

async function started(t: TestContext, options: object = {}) {
  let close = async () => {};
  t.after(() => close());
  const folder = scratch(t, 'sparkplug-alarms');
  const log = await Log.open({
    ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  log.setClock(0, false);
  log.setInventory('{}');
  for (let i = 0; i < BACKLOG; i++) log.append({ shape: PUMP, at: i, values: [i], reasons: null });
  await log.flush();
  const clock = new ManualClock();
  const wire = new Wire();
  const settings = mqttForwarderSchema([sparkplugBDialect]).parse({
    ...{ url: 'mqtt://127.0.0.1:1', format: 'sparkplug-b', 'sparkplug-b': { group: 'plant', ...options } },
    ...{ from: 'oldest', batch: { maxReadings: 1 } },
  });
  const kept: string[] = [];
  const dialect: LogDialect = {
    ...sparkplugBDialect,
    create(context) {
      const speaker = sparkplugBDialect.create(context);
      const noticed = speaker.noticed?.bind(speaker);
      speaker.noticed = async (notice) => {
        const outcome = (await noticed?.(notice)) ?? 'accept';
        if (outcome === 'keep') kept.push(notice.key);
        return outcome;
      };
      return speaker;
    },
  };
  const upstream = new LogForwarder({
    ...forwarderContext(log, {
      clock,
      now: () => clock.wall(),
      // Its bucket is full from the first moment.
      random: () => 1,
      inventory: () => '{"devices":{"pump":{"points":{"n":{"type":"uint32"}}}}}',
      site: { point: () => undefined, made: () => undefined, rules: () => [{ name: 'full', device: 'pump' }], alarms: () => [] },
    }),
    ...{ name: 'cloud', dialect, settings: settings as never },
    connect: () => Promise.resolve(wire as unknown as Connection),
  });
  close = async () => {
    const stopped = upstream.stop(0);
    await clock.advance(1000);
    await stopped;
    await log.close(10_000);
  };
  upstream.start();
  const raise = (rule: string): void => {
    log.notice('alarm', rule, 1, { rule, state: 'active-unacknowledged', time: 1 });
  };
  return { wire, upstream, raise, kept };
}

test('an alarm that births do not name leaves before all but two batches of history', async (t) => {
  const { wire, upstream, raise } = await started(t);
  raise('full');
  // From then on no alarm is looked for in the file.
  await waitFor('the first alarm, and history', () => wire.count('NDATA') === 1 && wire.count('DDATA') > 0, { every: 1 });
  const { published } = upstream.status().counters;
  raise('gone');
  await waitFor('the second alarm, or the end of history', () => wire.count('NDATA') === 2 || wire.count('DDATA') === BACKLOG);
  const alarm = wire.words.lastIndexOf('NDATA');
  const between = wire.count('DDATA', wire.count('NDATA') === 2 ? alarm : undefined) - published;
  assert.ok(between <= BETWEEN, `${between} batches left between the alarm and its message`);
  assert.equal(wire.count('NBIRTH'), 2, 'births name the rule first');
  await waitFor('all of history', () => wire.count('DDATA') === BACKLOG);
});

test('alarms that waited for the primary host leave right behind the births', async (t) => {
  const { wire, raise, kept } = await started(t, { primaryHost: 'scada' });
  raise('full');
  await waitFor('the alarm to be kept', () => kept.length === 1);
  assert.equal(wire.words.length, 0);
  wire.received('spBv1.0/STATE/scada', Buffer.from('{"online":true,"timestamp":1}'), true);
  await waitFor('the alarm', () => wire.count('NDATA') === 1);
  const between = wire.count('DDATA', wire.words.indexOf('NDATA'));
  assert.ok(between <= BETWEEN, `${between} batches left between the births and the alarm`);
  await waitFor('all of history', () => wire.count('DDATA') === BACKLOG);
});
