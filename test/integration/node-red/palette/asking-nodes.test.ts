/** The nodes that ask (*latest*, *history*, *status*), in the runtime of Node-RED, against a strict fake of the gateway. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { FakeAnswer, Fields } from '../../../fakes/flows-gateway.ts';
import { paletteBench, tab } from '../../../harness/palette-bench.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

const READING = { point: 'fridge.temperature', device: 'fridge', value: 4.2, unit: 'Cel', quality: 'good', time: 1795572676314 };
const PUMP = { point: 'pump.pressure', device: 'pump', value: 6, unit: 'bar', quality: 'good', time: 1795572676000 };
const payload = (message: Fields | undefined): Fields => (message?.payload ?? {}) as Fields;
const words = (message: Fields | undefined): string => (message?.error as { message: string } | undefined)?.message ?? '';
const latest = (more: object = {}) => ({
  ...{ id: 'n1', type: 'sluice latest', point: 'fridge.temperature', pointType: 'point', result: 'value' },
  ...more,
});
const answers =
  (...readings: object[]) =>
  ({ points }: Fields): FakeAnswer => ({
    result: { readings: readings.filter((one) => (points as string[]).includes((one as typeof READING).point)) },
  });

test('latest puts the reading into the message that asked, and what was there stays', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = answers(READING);
  await deploy(tab(latest()));
  await until('n1', 'connected');
  send('n1', { payload: 'old', reason: 'old', keep: { a: 1 } });
  await waitFor('a message', () => got.length === 1 && completed.length === 1);
  const [{ _msgid, ...message } = {}] = got;
  assert.deepEqual(message, {
    ...{ topic: 'fridge.temperature', payload: 4.2, unit: 'Cel', quality: 'good', time: 1795572676314 },
    ...{ point: 'fridge.temperature', device: 'fridge', keep: { a: 1 } },
  });
});

test('latest gives a list or an object, of patterns and of points that a message names', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, send, deploy, until } = await paletteBench(t);
  gateway.answer = answers(READING, PUMP);
  await deploy(
    tab(
      latest({ point: '*.*e', result: 'object' }),
      latest({ id: 'n2', point: 'wanted', pointType: 'msg', result: 'list' }),
      latest({ id: 'n3', point: '["pump.pressure","fridge.temperature"]', pointType: 'jsonata', result: 'object' }),
    ),
  );
  await until('n3', 'connected');
  await waitFor('the list of points', () => gateway.hellos === 1);
  send('n1', {});
  await waitFor('a message', () => got.length === 1);
  assert.deepEqual(got[0]?.payload, { 'fridge.temperature': 4.2, 'pump.pressure': 6 });
  send('n2', { wanted: 'pump.pressure, fridge.temperature' });
  await waitFor('the next message', () => got.length === 2);
  assert.deepEqual(got[1]?.payload, [READING, PUMP]);
  send('n3', {});
  await waitFor('the last message', () => got.length === 3);
  assert.deepEqual(got[2]?.payload, { 'fridge.temperature': 4.2, 'pump.pressure': 6 });
  assert.deepEqual(gateway.faults, []);
});

test('a point called __proto__ is a key like any other', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ result: JSON.parse('{"readings":[{"point":"__proto__","value":1,"quality":"good","time":1}]}') });
  await deploy(tab(latest({ result: 'object' })));
  await until('n1', 'connected');
  send('n1', {});
  await waitFor('a message', () => got.length === 1);
  assert.deepEqual(Object.keys(got[0]?.payload as object), ['__proto__']);
  assert.equal(({} as Record<string, unknown>).value, undefined);
});

test('what latest cannot ask or does not get is an error for the Catch node', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, caught, send, deploy, until } = await paletteBench(t);
  const refused: FakeAnswer = { error: { code: 'busy', message: 'the gateway has much to do' } };
  gateway.answer = ({ points }) => ((points as string[])[0] === 'pump.pressure' ? refused : { result: { readings: [] } });
  await deploy(
    tab(
      latest(),
      latest({ id: 'n2', point: 'pump.pressure' }),
      latest({ id: 'n3', point: 'absent', pointType: 'msg' }),
      latest({ id: 'n4', point: 'tank.*' }),
      latest({ id: 'n5', point: '$error("own")', pointType: 'jsonata' }),
    ),
  );
  await until('n1', 'connected');
  for (const id of ['n1', 'n2', 'n3', 'n4', 'n5']) {
    const before = caught.length;
    send(id, {});
    await waitFor(`an error of ${id}`, () => caught.length > before);
  }
  const said = caught.map(words);
  assert.match(said[0] ?? '', /there is no reading of fridge\.temperature yet/);
  assert.match(said[1] ?? '', /the gateway has much to do/);
  assert.match(said[2] ?? '', /no point is named/);
  assert.match(said[3] ?? '', /tank\.\* matches no point/);
  assert.match(said[4] ?? '', /own/);
  assert.equal(got.length, 0);
});

test('a call that hangs when the gateway goes ends with an error, and the next one works', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, got, caught, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => 'never';
  await deploy(tab(latest()));
  await until('n1', 'connected');
  send('n1', {});
  await waitFor('the call', () => gateway.calls.length === 1);
  await gateway.vanish();
  await waitFor('an error', () => caught.length === 1);
  assert.match(words(caught[0]), /the connection to the gateway ended/);
  send('n1', {});
  await waitFor('an error at once', () => caught.length === 2);
  gateway.answer = answers(READING);
  await gateway.listen(socket);
  await until('n1', 'connected');
  send('n1', {});
  await waitFor('a message', () => got.length === 1);
});

test('never more than 32 of many calls are with the gateway, and each has its answer', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, caught, send, deploy, until, statuses } = await paletteBench(t);
  gateway.answer = answers(READING);
  await deploy(tab(latest()));
  await until('n1', 'connected');
  for (let i = 0; i < 1500; i++) send('n1', { i });
  await waitFor('an end for each', () => got.length === 1000 && caught.length >= 1);
  assert.match(words(caught[0]), /left out/);
  assert.deepEqual(gateway.faults, []);
  // It stands for 5 s, and may be over here.
  await waitFor('the status', () => statuses('n1').some(({ text }) => text === 'throttled'));
});

const history = (more: object = {}) => ({
  ...{
    id: 'n1',
    type: 'sluice history',
    point: 'fridge.temperature',
    pointType: 'point',
    from: '24',
    fromType: 'ago',
    fromUnit: 'h',
  },
  ...{ to: '', toType: 'now', toUnit: 'h', every: '', everyUnit: 'min', most: '5000' },
  ...more,
});

test('history puts all parts of the answer together, with the range and the unit', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, send, deploy, until } = await paletteBench(t);
  const rows = Array.from({ length: 1200 }, (_, i) => ({ time: i, value: i, quality: 'good' }));
  gateway.answer = () => ({
    parts: [rows.slice(0, 500), rows.slice(500, 1000), rows.slice(1000)],
    result: { point: 'fridge.temperature', unit: 'Cel', count: 1200, truncated: true },
  });
  await deploy(tab(history({ every: '1', everyUnit: 'h', most: '1200' })));
  await until('n1', 'connected');
  send('n1', {});
  await waitFor('a message', () => got.length === 1);
  const { payload: found, topic, unit, from, to, every, truncated } = got[0] ?? {};
  assert.deepEqual(found, rows);
  assert.deepEqual([topic, unit, every, truncated], ['fridge.temperature', 'Cel', 3_600_000, true]);
  assert.equal(Number(to) - Number(from), 86_400_000);
  assert.deepEqual((({ id, ...call }) => call)(gateway.calls[0] as Fields), {
    type: 'call',
    do: 'history',
    point: 'fridge.temperature',
    from,
    to,
    every: 3_600_000,
    most: 1200,
  });
});

test('history takes times of each form, and says what is wrong with others', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, caught, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ result: {} });
  await deploy(
    tab(
      history({ from: 'start', fromType: 'msg', to: '2026-11-26T10:00:00Z', toType: 'str' }),
      history({ id: 'n2', most: '0' }),
      history({ id: 'n3', point: 'fridge.*' }),
      history({ id: 'n4', every: 'often' }),
    ),
  );
  await until('n1', 'connected');
  const end = Date.parse('2026-11-26T10:00:00Z');
  for (const start of [end - 1000, new Date(end - 1000), '2026-11-26T09:59:59.000Z', String(end - 1000)]) {
    const before = got.length;
    send('n1', { start });
    await waitFor('a message', () => got.length > before);
    assert.deepEqual([got.at(-1)?.from, got.at(-1)?.to], [end - 1000, end]);
  }
  for (const [id, start, expected] of [
    ['n1', 'yesterday', /the start is no time/],
    ['n1', end + 1, /the range of time is empty/],
    ['n1', null, /the start is no time/],
    ['n1', {}, /the start is no time/],
    ['n2', 0, /rows can be asked for/],
    ['n3', 0, /is not one point/],
    ['n4', 0, /"often" is no time/],
  ] as const) {
    const before = caught.length;
    send(id, { start });
    await waitFor(`an error of ${id}`, () => caught.length > before);
    assert.match(words(caught.at(-1)), expected);
  }
  assert.deepEqual(gateway.faults, []);
});

test('status answers a message, and reports when the connection comes and goes', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, got, caught, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ result: { clock: { known: true }, alarms: 2 } });
  await deploy(tab({ id: 'n1', type: 'sluice status', every: '', everyUnit: 'min', changes: true }));
  await until('n1', 'connected');
  await waitFor('the first message', () => got.length === 1);
  assert.deepEqual(got[0]?.payload, { connected: true, gateway: 'ghat-1' });
  send('n1', { mine: 1 });
  await waitFor('the answer', () => got.length === 2);
  assert.deepEqual(got[1]?.payload, { clock: { known: true }, alarms: 2, connected: true, gateway: 'ghat-1' });
  assert.deepEqual([got[1]?.topic, got[1]?.mine], ['status', 1]);
  await gateway.vanish();
  await waitFor('the loss', () => got.length === 3);
  assert.equal(payload(got[2]).connected, false);
  send('n1', {});
  await waitFor('an error', () => caught.length === 1);
  await gateway.listen(socket);
  await waitFor('the return', () => got.length === 4);
  assert.equal(payload(got[3]).connected, true);
});

test('status asks by itself every so often, and is silent about changes where nobody wants them', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ result: { alarms: 2 } });
  await deploy(tab({ id: 'n1', type: 'sluice status', every: '1', everyUnit: 's', changes: false }));
  await until('n1', 'connected');
  await waitFor('two messages', () => got.length === 2);
  assert.deepEqual(
    got.map((message) => payload(message).alarms),
    [2, 2],
  );
});
