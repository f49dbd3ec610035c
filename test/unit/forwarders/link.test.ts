/** Connections that nobody answers: which broker is next, after what pause, and what the log says of it. The brokers are made up. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { Connection } from '../../../src/forwarders/mqtt/connection.ts';
import type { Speaker } from '../../../src/forwarders/mqtt/dialect.ts';
import { Link, type LinkOptions } from '../../../src/forwarders/mqtt/link.ts';
import type { LinkWork } from '../../../src/forwarders/mqtt/link-work.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const SECOND = 1000;

/** One connection: what the broker does with it. */
interface Deal {
  /** The broker acknowledged something. */
  readonly carries?: boolean;
  /** How it ends, and after how many ms; absent: it stays. */
  readonly ends?: { readonly after: number; readonly error: SluiceError };
}
const UNANSWERED: Deal = {
  ends: { after: 15 * SECOND, error: new SluiceError('upstream-timeout', 'the broker did not acknowledge within 15 s') },
};

/** @param deal with the connection of this number to this broker @param renewAfter of its log-in @param ask the first broker */
function bench(
  urls: string[],
  deal: (host: string, nth: number) => Deal,
  { renewAfter, ask, received }: { renewAfter?: number; ask?: LinkOptions['ask']; received?: Speaker['received'] } = {},
) {
  const clock = new ManualClock();
  const begun: { at: number; host: string }[] = [];
  const ended: number[] = [];
  const lines: string[] = [];
  const connections: Connection[] = [];
  const say = (_: unknown, message: string) => void lines.push(message);
  const logger = { debug() {}, info: say, warn: say, error: say, child: () => logger } as unknown as Logger;
  const counts = new Map<string, number>();
  let carried = false;
  const connect = async ({ host }: { readonly host: string }): Promise<Connection> => {
    const nth = counts.get(host) ?? 0;
    counts.set(host, nth + 1);
    begun.push({ at: clock.monotonic(), host });
    const { carries = false, ends } = deal(host, nth);
    let fault: SluiceError | undefined;
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    const opened = clock.monotonic();
    const connection = {
      ...{ open: true, closed, openedAt: opened, heardAt: opened },
      lost: () => fault ?? new SluiceError('upstream-connect', 'the connection to the broker was lost'),
      destroy: () => {
        if (connection.open) ended.push(clock.monotonic());
        connection.open = false;
        resolve(fault);
      },
      end: async () => connection.destroy(),
      publish: async () => {},
      subscribe: async () => {},
    };
    connections.push(connection as unknown as Connection);
    carried ||= carries;
    if (ends !== undefined)
      clock.after(ends.after, () => {
        fault = ends.error;
        connection.destroy();
      });
    return connection as unknown as Connection;
  };
  let finish = (): void => {};
  const work: LinkWork = {
    ready: async () => {},
    run: (_, connection) => Promise.race([connection.closed.then(() => {}), new Promise<void>((resolve) => (finish = resolve))]),
    finish: () => finish(),
    over: () => {
      const had = carried;
      carried = false;
      return had;
    },
  };
  const options = {
    ...{ name: 'cloud', gateway: 'g1', clock, logger, random: () => 1, network: () => '', clockKnown: () => true },
    ...{ settings: { url: urls }, log: { clock: {} }, memory: () => ({ load: () => undefined, save() {} }), connect, ask },
  } as unknown as LinkOptions;
  const speaker: Speaker = {
    will: () => undefined,
    greet: () => [],
    farewell: () => [],
    login: () => (renewAfter === undefined ? {} : { renewAfter }),
    ...(received && { received, subscriptions: ['a'] }),
  };
  const link = new Link(options, speaker, work);
  link.start();
  return {
    ...{ clock, link, begun, ended, lines, connections },
    hosts: () => begun.map(({ host }) => host),
    /** Milliseconds between the end of a connection and the begin of the next one. */
    pauses: () => ended.flatMap((at, i) => (begun[i + 1] === undefined ? [] : [(begun[i + 1]?.at ?? 0) - at])),
  };
}

test('a broker is left after the second connection in a row without an answer', async () => {
  const b = bench(['mqtt://a', 'mqtt://b'], (host) => (host === 'a' ? UNANSWERED : { carries: true }));
  await b.clock.advance(60 * SECOND);
  assert.deepEqual(b.hosts(), ['a', 'a', 'b']);
  assert.equal(b.link.state, 'connected');
  await b.link.stop(0);
});

test('a slow link that works at its second connection stays at its broker', async () => {
  const slow: Deal = { ...UNANSWERED, carries: true };
  const b = bench(['mqtt://a', 'mqtt://b'], (_, nth) => (nth % 2 === 0 ? UNANSWERED : slow));
  await b.clock.advance(300 * SECOND);
  assert.ok(b.begun.length > 8);
  assert.deepEqual(new Set(b.hosts()), new Set(['a']));
  await b.link.stop(0);
});

for (const urls of [['mqtt://a'], ['mqtt://a', 'mqtt://b']])
  test(`with ${urls.length} brokers that never answer the pauses grow, and the log stays short`, async () => {
    const b = bench(urls, () => UNANSWERED);
    await b.clock.advance(1800 * SECOND);
    assert.ok(b.begun.length > 20 && b.begun.length < 90, String(b.begun.length));
    assert.equal(Math.max(...b.pauses()), 30 * SECOND);
    assert.ok(b.lines.length <= 8, b.lines.join('\n'));
    await b.link.stop(0);
  });

test('after brokers that never answered, the log says when a connection stays', async () => {
  const b = bench(['mqtt://a'], (_, nth) => (nth < 6 ? UNANSWERED : { carries: true }));
  await b.clock.advance(600 * SECOND);
  assert.equal(b.lines.at(-1), 'The upstream broker is available again.');
  assert.equal(b.begun.length, 7);
  await b.link.stop(0);
});

test('a log-in that is renewed does not put off the question to the first broker', async () => {
  const MINUTE = 60 * SECOND;
  const questions: number[] = [];
  const refused: Deal = { ends: { after: 0, error: new SluiceError('upstream-connect', 'the connection was refused') } };
  let away = true;
  const b = bench(['mqtt://a', 'mqtt://b'], (host) => (host === 'a' && away ? refused : { carries: true }), {
    renewAfter: 46 * MINUTE,
    ask: async () => {
      questions.push(Math.round(b.clock.monotonic() / MINUTE));
      if (away) throw new Error('refused');
      return new PassThrough();
    },
  });
  await b.clock.advance(6 * 60 * MINUTE);
  assert.deepEqual(questions, [10, 30, 70, 130, 190, 250, 310]);
  assert.ok(b.ended.length > 6, 'the log-in was renewed');
  away = false;
  await b.clock.advance(60 * MINUTE);
  assert.deepEqual([questions.at(-1), b.link.url], [370, 'mqtt://a']);
  await b.link.stop(0);
});

test('a message that the dialect stumbles over is counted and named once, and ends nothing', async () => {
  const received = () => {
    throw new TypeError('no text can be made of it');
  };
  const b = bench(['mqtt://a'], () => ({}), { received });
  await b.clock.advance(SECOND);
  const [connection] = b.connections as unknown as { open: boolean; received: (...message: unknown[]) => void }[];
  assert.ok(connection);
  for (let i = 0; i < 9; i++) connection.received('a', Buffer.from('{}'), false);
  assert.deepEqual([connection.open, b.link.violations, b.link.state], [true, 9, 'connected']);
  assert.equal(b.lines.filter((line) => /cannot be used/.test(line)).length, 1);
  await b.link.stop(0);
});
