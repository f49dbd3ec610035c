/** A forwarder without a cursor, before a broker that does not take an alarm now. The broker and the clock are made up. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { LiveDialect, OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { LiveForwarder, type LiveForwarderOptions } from '../../../src/forwarders/mqtt/live-forwarder.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const later = () => new SluiceError('upstream-busy', 'quota exceeded', { data: { reason: 151 } });

/** @param answer to the message of this number on a topic, from 0; undefined: it is taken */
function bench(answer: (topic: string, nth: number) => SluiceError | undefined) {
  const clock = new ManualClock();
  const published: { at: number; message: string }[] = [];
  const counts = new Map<string, number>();
  let connections = 0;
  let cut = (): void => {};
  const connect = async (): Promise<Connection> => {
    connections++;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const connection = {
      ...{ open: true, closed, lost: () => new SluiceError('upstream-connect', 'the connection to the broker was lost') },
      destroy: () => {
        connection.open = false;
        resolve();
      },
      end: async () => connection.destroy(),
      publish: async ({ topic, payload }: OutMessage) => {
        const nth = counts.get(topic) ?? 0;
        counts.set(topic, nth + 1);
        published.push({ at: clock.monotonic(), message: `${topic} ${payload}` });
        const error = answer(topic, nth);
        if (error !== undefined) throw error;
      },
    };
    cut = () => connection.destroy();
    return connection as unknown as Connection;
  };
  const message = (topic: string, payload: string): OutMessage => ({ topic, payload, qos: 1, retain: true });
  const dialect = {
    ...{ kind: 'live', name: 'made-up' },
    create: () => ({
      ...{ will: () => undefined, greet: () => [], farewell: () => [], values: () => [] },
      alarm: ({ key, json }: { key: string; json: string }) => [message(key, json)],
    }),
  } as unknown as LiveDialect;
  const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger } as unknown as Logger;
  const forwarder = new LiveForwarder({
    ...{ name: 'house', gateway: 'g1', clock, logger, random: () => 1, network: () => '', clockKnown: () => true, connect },
    ...{ settings: { url: 'mqtt://a' }, log: { clock: {} }, memory: () => ({ load: () => undefined, save() {} }), dialect },
    ...{ latest: { get: () => undefined, all: () => [] }, site: {} },
  } as unknown as LiveForwarderOptions);
  forwarder.start();
  let seq = 0;
  return {
    ...{ clock, forwarder, published, cut: () => cut(), connections: () => connections },
    messages: () => published.map((one) => one.message),
    alarm: (key: string, json: string) => forwarder.notice({ kind: 'alarm', key, seq: ++seq, json }),
  };
}

test('an alarm that the broker does not take now is offered again, and others leave meanwhile', async () => {
  const b = bench((topic, nth) => (topic === 'hot' && nth < 2 ? later() : undefined));
  await b.clock.advance(1);
  b.alarm('hot', 'raised');
  await b.clock.advance(1);
  b.alarm('wet', 'raised');
  await b.clock.advance(500);
  assert.deepEqual(b.messages(), ['hot raised', 'wet raised']);
  assert.match(b.forwarder.status().fault ?? '', /quota exceeded/);
  await b.clock.advance(60_000);
  assert.deepEqual(b.messages(), ['hot raised', 'wet raised', 'hot raised', 'hot raised']);
  assert.equal(b.forwarder.status().fault, undefined);
  assert.equal(b.connections(), 1);
  await b.forwarder.stop(0);
});

test('an alarm that is never taken is offered ever more seldom', async () => {
  const b = bench(later);
  await b.clock.advance(1);
  b.alarm('hot', 'raised');
  await b.clock.advance(3_600_000);
  const pauses = b.published.slice(1).map(({ at }, i) => (at - (b.published[i]?.at ?? 0)) / 1000);
  assert.deepEqual(pauses.slice(0, 7), [1, 2, 4, 8, 16, 30, 30]);
  assert.equal(Math.max(...pauses), 30);
  await b.forwarder.stop(0);
  const { length } = b.published;
  await b.clock.advance(60_000);
  assert.equal(b.published.length, length, 'nothing leaves after the stop');
});

test('a newer transition takes the place of one that waits', async () => {
  const b = bench((_, nth) => (nth === 0 ? later() : undefined));
  await b.clock.advance(1);
  b.alarm('hot', 'raised');
  await b.clock.advance(500);
  b.alarm('hot', 'cleared');
  await b.clock.advance(60_000);
  assert.deepEqual(b.messages(), ['hot raised', 'hot cleared']);
  assert.equal(b.forwarder.status().fault, undefined);
  await b.forwarder.stop(0);
});

test('an alarm that waits when its connection breaks begins the next one', async () => {
  const b = bench((_, nth) => (nth < 5 ? later() : undefined));
  await b.clock.advance(1);
  b.alarm('hot', 'raised');
  await b.clock.advance(20_000);
  assert.equal(b.published.length, 5);
  b.cut();
  await b.clock.advance(10_000);
  assert.equal(b.connections(), 2);
  assert.equal(b.published.length, 6, 'before its pause of 16 s is over');
  await b.clock.advance(60_000);
  assert.equal(b.published.length, 6);
  await b.forwarder.stop(0);
});

test('a refusal without a reason counts as final after twelve, and a rule that is gone as well', async () => {
  const unclear = () => new SluiceError('upstream-busy', 'unspecified error', { data: { reason: 128, unclear: true } });
  const b = bench((topic) => (topic === 'hot' ? unclear() : later()));
  await b.clock.advance(1);
  b.alarm('hot', 'raised');
  b.alarm('gone', 'raised');
  await b.clock.advance(600_000);
  assert.equal(b.messages().filter((message) => message === 'hot raised').length, 12);
  assert.equal(b.forwarder.status().counters.refused, 1);
  b.forwarder.republish(['gone']);
  const { length } = b.published;
  await b.clock.advance(600_000);
  assert.equal(b.published.length, length);
  assert.equal(b.forwarder.status().fault, undefined);
  await b.forwarder.stop(0);
});
