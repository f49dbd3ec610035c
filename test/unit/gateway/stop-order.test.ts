/** The end of a gateway: who is stopped before whom, and what a part that hangs takes from the others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Started, type StoppedParts, stopInOrder } from '../../../src/gateway/stop-order.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const HANGS = new Promise<never>(() => {});

/** Parts that note that they were stopped. @param hangs those whose stop never resolves */
function bench(hangs: readonly string[] = []) {
  const clock = new ManualClock();
  const story: string[] = [];
  const stops = (name: string) => async (): Promise<void> => {
    story.push(name);
    if (hangs.includes(name)) await HANGS;
    else await Promise.resolve();
  };
  const part = (name: string) => ({ stop: stops(name) });
  const now = (name: string) => () => void story.push(name);
  const parts: StoppedParts = {
    commands: { stop: now('commands'), flush: now('commands told') },
    actions: { stop: now('actions'), end: now('actions over') },
    outside: { flush: now('outside told') },
    watch: { stop: now('watch') },
    ...{ flows: part('flows'), safe: part('safe'), plant: part('plant'), access: part('access') },
    ...{ forwarders: part('forwarders'), broker: part('broker'), tls: part('tls') },
  };
  const started: Started = {
    log: { commitSoon: now('commit soon'), close: stops('log') },
    logWatch: { stop: now('log watch') },
    clockReport: { stop: now('clock report') },
    ingest: { stop: now('ingest') },
    counters: { stop: now('counters') },
    times: part('times'),
    admin: part('admin'),
    lock: { release: now('lock') },
  };
  return { clock, story, parts, started };
}

/** Stops it, and lets so much time pass. @returns the parts in their order, and whether the stop is over */
async function stopped(b: ReturnType<typeof bench>, ms: number, exchange: Promise<unknown> = Promise.resolve()) {
  let over = false;
  const stop = stopInOrder(b.parts, { clock: b.clock, exchange, started: () => b.started }).then(() => {
    over = true;
  });
  await b.clock.advance(ms);
  if (over) await stop;
  return { over, story: b.story };
}

const before = (story: readonly string[], first: string, second: string): void => {
  assert.ok(story.includes(first) && story.includes(second), `${first}, ${second} in ${story.join(', ')}`);
  assert.ok(story.indexOf(first) < story.indexOf(second), `${first} before ${second}: ${story.join(', ')}`);
};

test('no command comes in, safe values go out, and what was read is committed before the end', async () => {
  const { over, story } = await stopped(bench(), 100);
  assert.ok(over);
  assert.deepEqual(story.slice(0, 2), ['actions', 'commands'], 'rules do nothing and no command is taken any more');
  // Safe values need the buses; what the buses read last needs the ingest; and all of it belongs into the log.
  for (const [first, second] of [
    ...[['flows', 'safe'] as const, ['safe', 'plant'] as const, ['plant', 'ingest'] as const, ['ingest', 'log'] as const],
    ...[['commands told', 'ingest'] as const, ['outside told', 'ingest'] as const, ['commit soon', 'forwarders'] as const],
    ...[['forwarders', 'log'] as const, ['access', 'log'] as const, ['log', 'admin'] as const],
    ...[['forwarders', 'actions over'] as const, ['actions over', 'log'] as const],
  ])
    before(story, first, second);
  assert.equal(story.at(-1), 'lock', 'nobody else opens the files before they are closed');
});

test('whatever hangs, the others are stopped and the log is closed, within five seconds', async () => {
  const parts = ['flows', 'plant', 'forwarders', 'broker', 'tls', 'access', 'times'];
  for (const hangs of [...parts.map((name) => [name]), parts]) {
    const { over, story } = await stopped(bench(hangs), 5000, hangs === parts ? HANGS : undefined);
    assert.ok(over, `${hangs.join(', ')} hang`);
    for (const name of [...parts, 'ingest', 'log', 'admin', 'lock']) assert.ok(story.includes(name), `${name} beside ${hangs}`);
  }
});

test('buses that a reload exchanges are waited for, but not for long', async () => {
  const b = bench();
  const exchange = Promise.withResolvers<void>();
  const early = await stopped(b, 500, exchange.promise);
  assert.deepEqual([early.over, early.story], [false, ['actions', 'commands', 'flows']]);
  exchange.resolve();
  await b.clock.advance(100);
  before(b.story, 'flows', 'safe');
  assert.equal(b.story.at(-1), 'lock');
});

test('a start that was not over: what exists is stopped, also what comes meanwhile', async () => {
  const b = bench();
  const lock = b.started.lock;
  let started: Started = {
    ...{ log: undefined, logWatch: undefined, clockReport: undefined, ingest: undefined, counters: undefined },
    ...{ times: undefined, admin: undefined, lock },
  };
  const exchange = Promise.withResolvers<void>();
  const stop = stopInOrder(b.parts, { clock: b.clock, exchange: exchange.promise, started: () => started });
  await b.clock.advance(10);
  exchange.resolve();
  await b.clock.advance(10);
  await stop;
  assert.ok(!b.story.includes('commands told') && !b.story.includes('access'));
  assert.equal(b.story.at(-1), 'lock');

  // The log was opened while the stop waited: it is closed too.
  const late = bench();
  started = { ...started, lock };
  const opening = Promise.withResolvers<void>();
  const second = stopInOrder(late.parts, { clock: late.clock, exchange: opening.promise, started: () => started });
  await late.clock.advance(10);
  started = late.started;
  opening.resolve();
  await late.clock.advance(10);
  await second;
  before(late.story, 'log', 'lock');
});
