/** What a client of the socket for flows may cost: processor time, memory, and tries of the token. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import * as limits from '../../../src/node-red/door/limits.ts';
import { doorBench, shapeOf } from '../../fakes/door-source.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { standsStill, waitFor } from '../../harness/wait-for.ts';

/** Every look at it takes a millisecond. */
class SlowClock extends ManualClock {
  #looks = 0;

  override monotonic(): number {
    return super.monotonic() + this.#looks++;
  }
}

const status = (n: number) => ({ type: 'call', id: `c${n}`, do: 'status' });

test('door: lines of a client are worked on for a quarter of each second', async (t) => {
  const clock = new SlowClock();
  const { client, door } = await doorBench(t, clock);
  const flow = await client();
  const before = door.status().lines;
  for (let n = 0; n < 2000; n++) flow.say(status(n));
  const seen = () => door.status().lines - before;
  const last = await standsStill('the end of the first share', seen);
  assert.ok(last > 10 && last <= limits.IN_SECOND, `${last} lines of one millisecond or more each`);
  await waitFor('the others in the seconds after it', async () => {
    await clock.advance(1000);
    return seen() === 2000;
  });
  // The last answers are still on their way then, and may wait for their own share.
  await waitFor('an answer to each', async () => {
    await clock.advance(1000);
    return flow.lines.filter(({ type }) => type === 'answer').length === 2000;
  });
});

test('door: a client that takes no answers gets nothing more done', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  for (let i = 0; i < 900; i++)
    world.latest.set(`d.p${i}`, { device: 'd', point: `p${i}`, type: 'float64', time: 5, value: i, unit: 'Cel', reason: 0 });
  const flow = await client();
  flow.socket.pause();
  for (let n = 0; n < 500; n++) flow.say({ type: 'call', id: `l${n}`, do: 'latest', points: ['*'] });
  const last = await standsStill('it to stand still', () => door.status().calls);
  assert.ok(last < 60, `${last} answers of 90 KB for a client that takes none`);
  flow.socket.resume();
  await waitFor('all answers', () => flow.lines.filter(({ type }) => type === 'answer').length === 500);
});

test('door: after a wrong token nothing more is read', async (t) => {
  const { stranger, token, door, world } = await doorBench(t, systemClock);
  const guess = await stranger();
  guess.hello('wrong');
  await waitFor('the first try', () => door.status().lines === 1);
  guess.hello(token);
  guess.say({ type: 'call', id: 'c', do: 'put', readings: [{ point: 'a.b', value: 1 }] });
  await guess.line('the error', ({ type }) => type === 'error');
  await guess.ended();
  assert.deepEqual([guess.lines.length, door.status().lines, world.puts], [1, 1, []]);
});

test('door: lines for clients with many subscriptions are made within the share of each', async (t) => {
  const clock = new SlowClock();
  const { client, door, world } = await doorBench(t, clock);
  const flows = [await client(), await client()];
  for (const flow of flows) {
    for (let i = 0; i < 64; i++) flow.say({ type: 'subscribe', id: `s${i}`, points: ['*'], mode: 'every', credit: 1024 });
    await waitFor('the subscriptions', async () => {
      await clock.advance(1000);
      return door.status().subscriptions >= 64 * (flows.indexOf(flow) + 1);
    });
  }
  await clock.advance(1000);
  const shape = shapeOf('d', 'a');
  for (let i = 0; i < 40; i++) {
    world.sample(shape, i);
    // A line of each subscription follows before the next reading.
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
  }
  const last = await standsStill('the end of the first share', () => door.status().readings);
  assert.ok(last < 128 * 20, `${last} readings with a clock that moves with each look`);
  await waitFor('all of them in the seconds after it', async () => {
    await clock.advance(1000);
    return door.status().readings === 128 * 40;
  });
  for (const flow of flows)
    for (let i = 0; i < 64; i++) {
      const values = () => flow.readings(`s${i}`).map(({ value }) => value);
      await waitFor('its readings', () => values().length === 40);
      assert.deepEqual(
        values(),
        Array.from({ length: 40 }, (_, n) => n),
      );
    }
});

test('door: all clients together have 128 subscriptions', async (t) => {
  const { client, door } = await doorBench(t, systemClock);
  const flows = [await client(), await client(), await client()];
  for (const flow of flows) {
    for (let i = 0; i < 60; i++) flow.say({ type: 'subscribe', id: `s${i}`, points: ['*'] });
    await flow.call({ do: 'status' });
  }
  assert.equal(door.status().subscriptions, limits.ALL_SUBSCRIPTIONS);
  const refusals = flows[2]?.lines.filter(({ type, error }) => type === 'answer' && error !== undefined) ?? [];
  assert.deepEqual([refusals.length, (refusals[0]?.error as { code?: string } | undefined)?.code], [52, 'busy']);
  // The others have them all: a client that comes then still has some of its own.
  const late = await client();
  for (let i = 0; i < 10; i++) late.say({ type: 'subscribe', id: `s${i}`, points: ['*'] });
  await late.call({ do: 'status' });
  assert.equal(door.status().subscriptions, limits.ALL_SUBSCRIPTIONS + limits.OWN_SUBSCRIPTIONS);
  flows[0]?.socket.destroy();
  await waitFor('its end', () => door.status().connections === 3);
  flows[2]?.say({ type: 'subscribe', id: 's59', points: ['*'] });
  await waitFor('room', () => door.status().subscriptions === 77);
});

test('door: no line is longer than it may be, and none of its readings is lost', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  const value = '\u0001'.repeat(250);
  for (let i = 0; i < 500; i++)
    world.latest.set(`d.p${i}`, { device: 'd', point: `p${i}`, type: 'string', time: 5, value, reason: 0 });
  world.pieces = [Array.from({ length: 700 }, (_, i) => ({ time: i, value, quality: 'good' }))];
  const flow = await client();
  const lengths: number[] = [];
  let length = 0;
  flow.socket.on('data', (text: string) => {
    for (const [i, part] of text.split('\n').entries()) {
      if (i > 0) lengths.push(length);
      length = (i > 0 ? 0 : length) + Buffer.byteLength(part);
    }
  });
  flow.say({ type: 'subscribe', id: 's', points: ['*'], initial: true });
  await waitFor('all readings', () => flow.readings('s').length === 500);
  const past = await flow.call({ do: 'history', point: 'd.p1' });
  assert.deepEqual(
    past.parts.map((one) => (one as { time: number }).time),
    Array.from({ length: 700 }, (_, i) => i),
  );
  world.latest.clear();
  for (let i = 0; i < 300; i++)
    world.latest.set(`d.p${i}`, { device: 'd', point: `p${i}`, type: 'string', time: 5, value: 'স'.repeat(250), reason: 0 });
  const bangla = await flow.call({ do: 'latest', points: ['d.*'] });
  assert.equal((bangla.result?.readings as unknown[] | undefined)?.length, 300);
  for (let i = 300; i < 500; i++)
    world.latest.set(`d.p${i}`, { device: 'd', point: `p${i}`, type: 'string', time: 5, value: 'স'.repeat(250), reason: 0 });
  assert.equal((await flow.call({ do: 'latest', points: ['d.*'] })).error?.code, 'request-invalid');
  assert.ok(Math.max(...lengths) < limits.LONGEST_OUT, `a line of ${Math.max(...lengths)} bytes`);
});

test('door: a client that takes nothing of its history ends no history of others', async (t) => {
  const clock = new ManualClock();
  const { client, door, world } = await doorBench(t, clock);
  const piece = Array.from({ length: 1000 }, (_, i) => ({ time: i, value: i, quality: 'good', reason: 'x'.repeat(100) }));
  world.history = async function* () {
    for (let i = 0; i < 50; i++) yield piece;
  };
  const stalled = await client();
  stalled.socket.pause();
  for (let i = 0; i < limits.HISTORIES_AT_ONCE; i++)
    stalled.say({ type: 'call', id: `h${i}`, do: 'history', point: 'd.a', most: 50_000 });
  await waitFor('both histories', () => world.asked > 4 && world.histories === limits.HISTORIES_AT_ONCE);
  await standsStill('both to stand still', () => world.asked);
  const other = await client();
  other.say({ type: 'call', id: 'mine', do: 'history', point: 'd.a', most: 10 });
  await waitFor('its call', () => door.status().calls === limits.HISTORIES_AT_ONCE + 1);
  assert.equal(world.mostHistories, limits.HISTORIES_AT_ONCE);
  await clock.advance(limits.TAKEN_WITHIN);
  const answer = await other.line('the answer', ({ type }) => type === 'answer');
  assert.deepEqual(answer.result, { point: 'd.a', count: 10, truncated: true });
  stalled.socket.resume();
  const ended = await stalled.line('the end of its own', ({ type }) => type === 'answer');
  assert.equal((ended.error as { code: string }).code, 'timeout');
});

test('door: what a client that stands still misses is counted at once, and told when it goes on', async (t) => {
  const clock = new ManualClock();
  const { client, world, door } = await doorBench(t, clock);
  const subscribe = { type: 'subscribe', id: 's', points: ['*'], mode: 'every', credit: 1024 };
  const [stalled, other] = [await client(), await client()];
  for (const one of [stalled, other]) one.say(subscribe);
  await waitFor('the subscriptions', () => door.status().subscriptions === 2);
  assert.equal(door.status().slow, undefined);
  stalled.socket.pause();
  const shape = shapeOf('d', 'a');
  let offered = 0;
  await waitFor('readings that are dropped', async () => {
    for (let i = 0; i < 500; i++) world.sample(shape, offered++);
    other.say({ type: 'credit', id: 's', n: 500 });
    await clock.advance(1000);
    await waitFor('all of them at the other', () => other.readings('s').length === offered);
    return door.status().dropped > 1500;
  });
  assert.match(door.status().slow ?? '', /^a flow takes fewer readings than come; \d+ were dropped/);
  const { dropped } = door.status();
  stalled.socket.resume();
  stalled.say({ type: 'credit', id: 's', n: 1024 });
  const told = (): number =>
    stalled.lines
      .filter(({ type, what }) => type === 'throttled' && what === 'subscribe:s')
      .reduce((sum, line) => sum + Number(line.dropped), 0);
  await waitFor('all that is left, and the number of the others', async () => {
    stalled.say({ type: 'credit', id: 's', n: 100 });
    await clock.advance(1000);
    return stalled.readings('s').length + told() === offered;
  });
  assert.deepEqual([told(), door.status().dropped], [dropped, dropped]);
  const values = stalled.readings('s').map(({ value }) => Number(value));
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
  );
  assert.equal(values.at(-1), offered - 1, 'the newest is there');
  await clock.advance(60_000);
  assert.equal(door.status().slow, undefined, 'a minute later it is over');
});

test('door: history of a device that objects have by nature is not there', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  world.pieces = [];
  const flow = await client();
  const { result } = await flow.call({ do: 'history', point: 'constructor.name' });
  assert.deepEqual(result, { point: 'constructor.name', count: 0 });
});
