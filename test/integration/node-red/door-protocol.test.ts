/** The lines of the socket for flows, over a real socket: hello, subscriptions and credit, calls and grants, and every bound. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import * as limits from '../../../src/node-red/door/limits.ts';
import { doorBench, shapeOf } from '../../fakes/door-source.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import type { FlowsClient } from '../../harness/flows-client.ts';
import { standsStill, waitFor } from '../../harness/wait-for.ts';

const isError = ({ type }: { type: string }) => type === 'error';

test('door: nothing is said and done before a good hello', async (t) => {
  const { stranger, world, door, token } = await doorBench(t, systemClock);
  const first = await stranger();
  first.say({ type: 'call', id: 'c1', do: 'put', readings: [{ point: 'a.b', value: 1 }] });
  await first.line('the error', isError);
  await first.ended();
  for (const line of [
    'GET / HTTP/1.1',
    '[]',
    '{}',
    'null',
    `{"type":"hello","v":2,"token":"${token}"}`,
    '{"type":"hello","v":1}',
  ]) {
    const other = await stranger();
    other.socket.write(`${line}\n`);
    await other.line(`the answer to ${line}`, isError);
    await other.ended();
  }
  assert.deepEqual([world.puts.length, door.status().connections, door.status().refusedHellos], [0, 0, 7]);
});

test('door: a wrong token ends the connection, also with lines behind it', async (t) => {
  const { stranger, world, token } = await doorBench(t, systemClock);
  const guess = await stranger();
  const put = { type: 'call', id: 'c1', do: 'put', readings: [{ point: 'a.b', value: 1 }] };
  const hello = { type: 'hello', v: 1, token: `${token.slice(1)}x`, client: '' };
  guess.socket.write([hello, put, { ...hello, token }, put].map((line) => `${JSON.stringify(line)}\n`).join(''));
  await guess.line('the error', isError);
  await guess.ended();
  assert.deepEqual([guess.lines.map(({ type }) => type), world.puts], [['error'], []]);
});

test('door: without a hello the connection ends after 5 s', async (t) => {
  const clock = new ManualClock();
  const { stranger } = await doorBench(t, clock);
  const silent = await stranger();
  await waitFor('the session', async () => {
    await clock.advance(1000);
    return silent.lines.some(isError);
  });
  await waitFor('the end', async () => {
    await clock.advance(1000);
    return silent.closed;
  });
});

test('door: the token is of one start, and its connections end with it', async (t) => {
  const { client, stranger, door, token, socket } = await doorBench(t, systemClock);
  const old = await client();
  door.ended();
  await old.ended();
  const again = await door.open({ folder: socket.replace('/flows.sock', ''), mode: 0o600 });
  assert.equal(again?.socket, socket);
  assert.notEqual(again?.token, token);
  const late = await stranger();
  late.hello(token);
  await late.line('the refusal', isError);
});

test('door: a subscription gets lines as far as its credit goes', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  const shape = shapeOf('d', 'a', 'b');
  const flow = await client();
  flow.say({ type: 'subscribe', id: 's1', points: ['d.*'], credit: 2 });
  await flow.call({ do: 'status' });
  for (let i = 0; i < 5; i++) {
    world.sample(shape, i, i + 100);
    await flow.call({ do: 'status' });
  }
  const lines = () => flow.lines.filter(({ type }) => type === 'readings');
  assert.equal(lines().length, 2);
  assert.deepEqual(
    flow.readings('s1').map(({ point, value, unit, quality, device }) => [point, value, unit, quality, device]),
    [
      ['d.a', 0, 'Cel', 'good', 'd'],
      ['d.b', 100, 'Cel', 'good', 'd'],
      ['d.a', 1, 'Cel', 'good', 'd'],
      ['d.b', 101, 'Cel', 'good', 'd'],
    ],
  );
  flow.say({ type: 'credit', id: 's1', n: 1 });
  await waitFor('the third line', () => lines().length === 3);
  assert.deepEqual(
    flow
      .readings('s1')
      .slice(4)
      .map(({ value }) => value),
    [4, 104],
    'only the newest waited',
  );
  assert.equal(
    lines().every(({ dropped }) => dropped === 0),
    true,
  );
});

test('door: with mode every the newest 1,000 readings wait, and the others are counted', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  const shape = shapeOf('d', 'a');
  const flow = await client();
  flow.say({ type: 'subscribe', id: 's1', points: ['*.a'], mode: 'every', credit: 1 });
  await flow.call({ do: 'status' });
  world.sample(shape, -1);
  await waitFor('the first', () => flow.readings('s1').length === 1);
  for (let i = 0; i < 2500; i++) world.sample(shape, i);
  const told = await flow.line('the line about it', ({ type }) => type === 'throttled');
  assert.deepEqual([told.what, told.dropped], ['subscribe:s1', 1500]);
  flow.say({ type: 'credit', id: 's1', n: 100 });
  await waitFor('what waited', () => flow.readings('s1').length === 1001);
  const values = flow.readings('s1').map(({ value }) => value as number);
  assert.deepEqual([values[1], values.at(-1)], [1500, 2499]);
  const dropped = flow.lines.filter(({ type }) => type === 'readings').map((line) => line.dropped);
  assert.deepEqual(dropped, [0, 1500, 0]);
  assert.equal(door.status().dropped, 1500);
});

test('door: with every, one reading of a point comes in this time, the newest', async (t) => {
  const clock = new ManualClock();
  const { client, world } = await doorBench(t, clock);
  const shape = shapeOf('d', 'a');
  const flow = await client();
  flow.say({ type: 'subscribe', id: 's1', points: ['d.a'], mode: 'every', every: 1000, credit: 100 });
  await flow.call({ do: 'status' });
  for (let i = 0; i < 25; i++) {
    world.sample(shape, i);
    await clock.advance(100);
  }
  await clock.advance(2000);
  await waitFor('the readings', () => flow.readings('s1').length >= 4);
  await flow.call({ do: 'status' });
  assert.deepEqual(
    flow.readings('s1').map(({ value }) => value),
    [0, 9, 19, 24],
  );
});

test('door: quality good leaves out what is not, and initial brings what is there', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  const like = { type: 'float64', time: 5, value: 1, unit: 'Cel', reason: 0 };
  world.latest.set('d.a', { ...like, device: 'd', point: 'a' });
  world.latest.set('d.b', { ...like, device: 'd', point: 'b', value: null, reason: 1 });
  world.known = false;
  const flow = await client();
  flow.say({ type: 'subscribe', id: 'all', points: ['d.*'], initial: true });
  flow.say({ type: 'subscribe', id: 'good', points: ['d.*'], initial: true, quality: 'good' });
  await waitFor('both', () => flow.readings('all').length === 2 && flow.readings('good').length === 1);
  const same = { device: 'd', unit: 'Cel', time: 5, clock: 'estimated', initial: true };
  assert.deepEqual(flow.readings('all'), [
    { ...same, point: 'd.a', value: 1, quality: 'good' },
    { ...same, point: 'd.b', value: null, quality: 'bad', reason: 'timeout' },
  ]);
});

test('door: alarms come with the present state of each rule first', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  for (const rule of ['a', 'b', 'c']) world.rules.set(rule, { severity: 'critical', points: ['d.a'] });
  world.notices.push({ kind: 'alarm', key: 'a', seq: 4, json: '{"v":1,"seq":4,"rule":"a","state":"active-unacknowledged"}' });
  world.notices.push({ kind: 'alarm', key: 'gone', seq: 5, json: '{"v":1,"seq":5,"rule":"gone","state":"normal"}' });
  const flow = await client();
  flow.say({ type: 'subscribe', id: 'x', alarms: ['a', 'b'], credit: 3 });
  await flow.call({ do: 'status' });
  world.alarm('b', 7);
  world.alarm('c', 8);
  world.alarm('a', 9);
  await flow.call({ do: 'status' });
  const told = () => flow.lines.filter(({ type }) => type === 'alarm').map(({ rule, state, present }) => [rule, state, present]);
  assert.deepEqual(told(), [
    ['a', 'active-unacknowledged', true],
    ['b', 'normal', true],
    ['b', 'normal', undefined],
  ]);
  flow.say({ type: 'credit', id: 'x', n: 5 });
  await waitFor('the last one', () => told().length === 4);
  const { result } = await flow.call({ do: 'alarms' });
  assert.ok(result);
  assert.deepEqual(
    (result.alarms as { rule: string }[]).map(({ rule }) => rule),
    ['a', 'b', 'c'],
  );
});

test('door: wrong calls, subscriptions and credits are refused under their id', async (t) => {
  const { client, door } = await doorBench(t, systemClock);
  const flow = await client();
  const wrong = [
    { type: 'subscribe', points: [] },
    { type: 'subscribe', points: ['D.*'] },
    { type: 'subscribe', points: new Array(65).fill('d.a') },
    { type: 'subscribe', points: ['d.a'], credit: 0 },
    { type: 'subscribe', points: ['d.a'], credit: 1e9 },
    { type: 'subscribe', points: ['d.a'], mode: 'some' },
    { type: 'subscribe', alarms: ['a.b'] },
    { type: 'credit', n: -1 },
    { type: 'credit', n: 1.5 },
    { type: 'credit', n: 2 ** 53 },
    { type: 'credit' },
    { type: 'call', do: 'nothing' },
    { type: 'call', do: 'latest', points: 'd.a' },
    { type: 'call', do: 'history', point: 'd.*' },
    { type: 'call', do: 'history', point: 'd.a', from: 5, to: 4 },
    { type: 'call', do: 'history', point: 'd.a', from: -1 },
    { type: 'call', do: 'history', point: 'd.a', every: 10 },
    { type: 'call', do: 'history', point: 'd.a', most: 50_001 },
    { type: 'call', do: 'write', point: 'd.a' },
    { type: 'call', do: 'write', point: 'd.a', value: { a: 1 } },
    { type: 'call', do: 'write', point: '__proto__.a', value: 1 },
    { type: 'call', do: 'acknowledge', rule: '*' },
    { type: 'call', do: 'shelve', rule: 'a' },
    { type: 'call', do: 'out-of-service', rule: 'a', reason: ' ' },
    { type: 'call', do: 'in-service' },
    { type: 'call', do: 'reset', rule: 'a', occurrence: 0 },
    { type: 'call', do: 'shelve', rule: 'a', for: -1 },
    { type: 'call', do: 'put', readings: new Array(501).fill({}) },
  ];
  wrong.forEach((line, i) => {
    flow.say({ ...line, id: `w${i}` });
  });
  await waitFor('an answer to each', () => flow.lines.filter(({ type }) => type === 'answer').length === wrong.length);
  const codes = new Set(flow.lines.flatMap((line) => (line.type === 'answer' ? [(line.error as { code: string }).code] : [])));
  assert.deepEqual([...codes], ['request-invalid']);
  assert.equal(door.status().faults, wrong.length);
  assert.deepEqual((await flow.call({ do: 'status' })).result, { gateway: { id: 'g1' } });
  flow.say({ type: 'credit', id: 'unknown', n: 1 });
  flow.say({ type: 'unsubscribe', id: 'unknown' });
  flow.say({ type: 'dance', id: 'd' });
  await flow.line('the error', isError);
  await flow.ended();
});

test('door: only what is granted acts, and everything else is refused by its name', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  const flow = await client();
  const calls = [
    { do: 'write', point: 'd.a', value: 4.5 },
    { do: 'acknowledge', rule: 'a' },
    { do: 'shelve', rule: 'a', for: 1000 },
    { do: 'reset', rule: 'a' },
  ];
  for (const call of calls) {
    const { error } = await flow.call(call);
    assert.equal(error?.code, 'forbidden');
    assert.match(error?.message ?? '', new RegExp(`nodeRed\\.grants\\.${call.do} in the configuration`));
  }
  assert.deepEqual([world.done, world.refused.length], [[], 4]);
  world.grants = { write: ['d.a', 'e.*'], acknowledge: ['a'], shelve: ['*'], reset: ['a'] };
  for (const call of calls) assert.ok((await flow.call(call)).result);
  assert.equal((await flow.call({ do: 'write', point: 'd.ab', value: 1 })).error?.code, 'forbidden');
  assert.equal((await flow.call({ do: 'write', point: 'e.x', value: 1 })).result?.value, 1);
  assert.equal((await flow.call({ do: 'acknowledge', rule: 'b' })).error?.code, 'forbidden');
  assert.deepEqual(world.done[0]?.[1], { who: 'flows', door: 'node-red', role: 'operator' });
  const { commands, refusedCommands } = door.status();
  assert.deepEqual([commands, refusedCommands], [5, 6]);
});

test('door: a write that expired is not done', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  world.grants = { write: ['*'] };
  const flow = await client();
  const late = await flow.call({ do: 'write', point: 'd.a', value: 1, expires: 1e12 - 1 });
  assert.equal(late.error?.code, 'expired');
  world.known = false;
  assert.equal((await flow.call({ do: 'write', point: 'd.a', value: 1, expires: 2e12 })).error?.code, 'clock-unknown');
  assert.deepEqual(world.done, []);
});

test('door: 32 calls wait, 4 commands run, and what waits when the client goes is not done', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  world.grants = { write: ['*'] };
  const { promise, resolve } = Promise.withResolvers<void>();
  world.commandWaits = promise;
  const flow = await client();
  for (let i = 0; i < 40; i++) flow.say({ type: 'call', id: `w${i}`, do: 'write', point: 'd.a', value: i });
  flow.say({ type: 'call', id: 'w0', do: 'write', point: 'd.a', value: 0 });
  await waitFor('the refusals', () => flow.lines.filter(({ type }) => type === 'answer').length === 9);
  assert.ok(flow.lines.filter(({ type }) => type === 'answer').every((l) => (l.error as { code: string }).code === 'busy'));
  assert.equal(world.done.length, limits.COMMANDS_AT_ONCE);
  flow.socket.destroy();
  await waitFor('the end', () => door.status().connections === 0);
  resolve();
  await waitFor('the others', () => door.status().refusedCommands === 28);
  assert.equal(world.done.length, limits.COMMANDS_AT_ONCE);
});

test('door: history comes in parts as fast as they are read, from two calls at one time', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  const piece = Array.from({ length: 1000 }, (_, i) => ({ time: i, value: i, quality: 'good', reason: 'x'.repeat(100) }));
  world.pieces = new Array(50).fill(piece);
  const flow = await client();
  flow.socket.pause();
  for (let i = 0; i < 30; i++) flow.say({ type: 'call', id: `h${i}`, do: 'history', point: 'd.a', most: 50_000 });
  await waitFor('the first pieces', () => world.asked > 4);
  const asked = await standsStill('an end of what is read for a client that takes nothing', () => world.asked);
  assert.ok(asked < 60, `${asked} pieces for a client that takes nothing`);
  flow.socket.resume();
  await waitFor('all answers', () => flow.lines.filter(({ type }) => type === 'answer').length === 30);
  assert.equal(world.mostHistories, limits.HISTORIES_AT_ONCE);
  const [answer] = flow.lines.filter(({ type }) => type === 'answer');
  assert.deepEqual(answer?.result, { point: 'd.a', count: 50_000 });
  assert.ok(flow.lines.every((line) => line.type !== 'part' || (line.readings as unknown[]).length <= 500));
});

test('door: history ends at most, and says that there is more', async (t) => {
  const { client, world } = await doorBench(t, systemClock);
  world.pieces = [
    [
      { time: 1, value: 1, quality: 'good' },
      { time: 2, value: 2, quality: 'good' },
    ],
    [{ time: 3, value: 3, quality: 'good' }],
  ];
  const flow = await client();
  const some = await flow.call({ do: 'history', point: 'd.a', most: 2 });
  assert.deepEqual([some.parts.length, some.result], [2, { point: 'd.a', count: 2, truncated: true }]);
  const all = await flow.call({ do: 'history', point: 'd.a', most: 3, every: 1000 });
  assert.deepEqual([all.parts.length, all.result], [3, { point: 'd.a', every: 1000, count: 3 }]);
});

test('door: each reading of a put is checked on its own', async (t) => {
  const clock = new ManualClock();
  const { client, world, door } = await doorBench(t, clock);
  world.putAnswer = ({ point }) =>
    point === 'full' ? 'replaced' : point === 'no' ? { code: 'not-found', message: 'none' } : 'taken';
  const flow = await client();
  const now = clock.monotonic() + 1e12;
  const readings = [
    { point: 'd.a', value: 1, unit: 'Cel' },
    { point: 'd.b', value: null },
    { point: 'd.c', value: 2, bad: 'no such reason', time: now - 60_000 },
    { point: 'd.full', value: true },
    ...[{ point: 'd.no', value: 1 }, 7, null, {}, { point: 'D.a', value: 1 }, { point: 'd.a', value: [1] }],
    ...[
      { point: 'd.a', value: 1, unit: 5 },
      { point: 'd.a', value: 'x'.repeat(300) },
    ],
    ...[-1, 253_402_300_800_000, now - 60_001, now + 60_000, 'now', {}].map((time) => ({ point: 'd.a', value: 1, time })),
  ];
  const { result } = await flow.call({ do: 'put', readings });
  assert.ok(result);
  assert.deepEqual([result.taken, result.leftOut, (result.refused as unknown[]).length], [4, 1, 14]);
  assert.deepEqual(
    result.refusedAt,
    Array.from({ length: 14 }, (_, i) => i + 4),
  );
  assert.deepEqual(
    world.puts.slice(0, 4).map(({ at: _, ...put }) => put),
    [
      { device: 'd', point: 'a', value: 1, unit: 'Cel' },
      { device: 'd', point: 'b', value: null },
      { device: 'd', point: 'c', value: 2, reason: 'invalid' },
      { device: 'd', point: 'full', value: true },
    ],
  );
  const { puts, refusedPuts, leftOutPuts } = door.status();
  assert.deepEqual([puts, refusedPuts, leftOutPuts], [4, 14, 1]);
  const told = await waitFor('the line about it', async () => {
    await clock.advance(1000);
    return flow.lines.find(({ type }) => type === 'throttled');
  });
  assert.deepEqual([told.what, told.dropped], ['put', 1]);
  const many = await flow.call({ do: 'put', readings: new Array(500).fill({}) });
  assert.ok(many.result);
  assert.equal((many.result.refused as unknown[]).length, limits.NAMED_REFUSALS);
  assert.deepEqual(
    many.result.refusedAt,
    Array.from({ length: 500 }, (_, i) => i),
    'each refusal has its place',
  );
});

test('door: a change of the inventory comes, and a large one says that it is cut', async (t) => {
  const { client, world, door } = await doorBench(t, systemClock);
  const flow = await client();
  const points = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`point-${i}`, { type: 'float64', unit: 'Cel', writable: false }]),
  );
  const devices = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`device-${i}`, { bus: 'b', points }]));
  world.inventory = { v: 1, revision: 2, devices };
  door.inventoryChanged();
  const line = await flow.line('the inventory', ({ type, revision }) => type === 'inventory' && revision === 2);
  assert.equal(line.truncated, true);
  assert.ok(Object.keys(line.devices as object).length > 40);
  assert.ok(Buffer.byteLength(JSON.stringify(line)) <= limits.LONGEST_OUT);
});

test('door: a line that is too long ends the connection, and a long one does not', async (t) => {
  const { client } = await doorBench(t, systemClock);
  const flow = await client();
  flow.say({ type: 'call', id: 'long', do: 'status', more: 'x'.repeat(60_000) });
  await flow.line('the answer', ({ type, id }) => type === 'answer' && id === 'long');
  flow.socket.write('x'.repeat(70_000));
  assert.match(String((await flow.line('the error', isError)).message), /65536 bytes/);
  await flow.ended();
});

test('door: subscriptions, clients and strangers have their bounds', async (t) => {
  // Its time stands still: a stranger would be gone after 5 s.
  const { client, stranger, door, token } = await doorBench(t, new ManualClock());
  const flow = await client();
  for (let i = 0; i < 65; i++) flow.say({ type: 'subscribe', id: `s${i}`, points: ['*'] });
  const refusal = await flow.line('the refusal', ({ type, id }) => type === 'answer' && id === 's64');
  assert.equal((refusal.error as { code: string }).code, 'busy');
  flow.say({ type: 'subscribe', id: 's3', points: ['d.*'] });
  await flow.call({ do: 'status' });
  assert.equal(door.status().subscriptions, 64);
  for (let i = 1; i < limits.MOST_SESSIONS; i++) await client();
  const ninth = await stranger();
  ninth.hello(token);
  assert.match(String((await ninth.line('the error', isError)).message), /8 clients/);
  await ninth.ended();
  const strangers: FlowsClient[] = [];
  for (let i = 0; i < 40; i++) strangers.push(await stranger());
  await waitFor('the oldest to go', () => strangers.slice(0, 24).every(({ closed }) => closed));
  assert.equal(strangers.slice(-limits.MOST_STRANGERS).filter(({ closed }) => closed).length, 0);
  assert.ok((await flow.call({ do: 'status' })).result, 'who has the token stays');
});

test('door: a client hears of each change of the clock before an answer', async (t) => {
  const clock = new ManualClock();
  const { client, world } = await doorBench(t, clock);
  const flow = await client();
  const welcome = flow.lines.find(({ type }) => type === 'welcome');
  assert.equal(welcome?.time, 1e12);
  await flow.call({ do: 'status' });
  assert.ok(flow.lines.every(({ type }) => type !== 'clock'));
  world.offset = 2e12;
  await flow.call({ do: 'status' });
  const [change, answer] = flow.lines.slice(-2);
  assert.deepEqual([change, answer?.type], [{ type: 'clock', time: 2e12 }, 'answer']);
  world.offset = 3e12;
  world.sample(shapeOf('d', 'a'), 1);
  assert.equal((await flow.line('the next change', ({ type, time }) => type === 'clock' && time === 3e12)).type, 'clock');
  await flow.call({ do: 'status' });
  assert.equal(flow.lines.filter(({ type }) => type === 'clock').length, 2);
});
