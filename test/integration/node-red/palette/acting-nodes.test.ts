/** The nodes that act (*write*, *alarm in*, *alarm action*, *reading out*), against a strict fake of the gateway. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Fields } from '../../../fakes/flows-gateway.ts';
import { paletteBench, tab } from '../../../harness/palette-bench.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

const words = (message: Fields | undefined): string => (message?.error as { message: string } | undefined)?.message ?? '';
const codeOf = (message: Fields | undefined): unknown => (message?.error as { code?: string } | undefined)?.code;
const write = (more: object = {}) => ({
  ...{ id: 'n1', type: 'sluice write', point: 'fridge.setpoint', pointType: 'point', value: 'payload', valueType: 'msg' },
  ...{ within: '', withinUnit: 's' },
  ...more,
});

test('a write goes out once, and the message continues with the answer of the gateway', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = ({ value }) => ({ result: { point: 'fridge.setpoint', value, readBack: true } });
  await deploy(tab(write({ within: '10' })));
  await until('n1', 'connected');
  const before = Date.now();
  send('n1', { payload: 4.5, keep: true });
  await waitFor('a message', () => got.length === 1 && completed.length === 1);
  assert.deepEqual(got[0]?.result, { point: 'fridge.setpoint', value: 4.5, readBack: true });
  assert.deepEqual([got[0]?.payload, got[0]?.keep, got[0]?.point], [4.5, true, 'fridge.setpoint']);
  assert.equal(gateway.calls.length, 1);
  assert.ok(Number(gateway.calls[0]?.expires) >= before + 10_000);
});

test('a message says until when a write may begin, by the clock of the gateway', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, caught, send, deploy, until } = await paletteBench(t);
  // Two years before the clock of the system.
  const now = Date.now() - 63_072_000_000;
  gateway.time = now;
  gateway.answer = ({ value }) => ({ result: { point: 'fridge.setpoint', value, readBack: true } });
  await deploy(tab(write({ within: '10' }), write({ id: 'n2' })));
  await until('n1', 'connected');
  await until('n2', 'connected');
  const ask = async (id: string, expires: unknown) => {
    const before = got.length;
    send(id, { payload: 4.5, expires });
    await waitFor('a message', () => got.length > before);
    return gateway.calls.at(-1)?.expires;
  };
  assert.equal(await ask('n1', now + 1), now + 1);
  assert.ok(Number(await ask('n1', now + 3_600_000)) < now + 3_000_000, 'the node says 10 s');
  assert.equal(await ask('n2', now - 5), now - 5, 'the gateway judges it');
  assert.equal(await ask('n2', null), undefined);
  const { length } = gateway.calls;
  for (const wrong of ['tomorrow', 1.5, -1, {}, Number.NaN]) {
    const before = caught.length;
    send('n2', { payload: 4.5, expires: wrong });
    await waitFor('an error', () => caught.length > before);
    assert.match(words(caught.at(-1)), /msg\.expires says until when/);
  }
  assert.equal(gateway.calls.length, length);
});

test('a refused write is an error with the code of the gateway, and no message', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, caught, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ error: { code: 'forbidden', message: 'flows may not write fridge.setpoint' } });
  await deploy(tab(write()));
  await until('n1', 'connected');
  send('n1', { payload: 4.5 });
  await waitFor('an error', () => caught.length === 1);
  assert.equal(words(caught[0]), 'flows may not write fridge.setpoint');
  assert.equal(codeOf(caught[0]), 'forbidden');
  assert.deepEqual([got.length, completed.length], [0, 0]);
});

test('hostile values never reach the gateway, and each is an error in words', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, caught, send, deploy, until, errors } = await paletteBench(t);
  await deploy(tab(write(), write({ id: 'n2', point: 'where', pointType: 'msg' })));
  await until('n1', 'connected');
  const cyclic: Fields = {};
  cyclic.self = cyclic;
  const payloads: unknown[] = [
    cyclic,
    [1],
    null,
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    'x'.repeat(1_000_000),
    () => 1,
    Symbol('s'),
  ];
  for (const payload of [...payloads, Buffer.alloc(10)]) {
    const before = caught.length;
    // Straight to the node: Node-RED would clone what is between nodes.
    send('n1', { payload });
    await waitFor(`an error for ${typeof payload}`, () => caught.length > before);
    assert.match(words(caught.at(-1)), /^the value is /);
  }
  const thrower = Object.defineProperty({}, 'payload', {
    enumerable: true,
    get() {
      throw new Error('no');
    },
  });
  const before = errors().length;
  send('n1', thrower as Fields);
  // Node-RED cannot copy this one for the Catch node.
  await waitFor('an error in the log', () => errors().length > before);
  for (const where of ['__proto__', 'a.b.c', {}, 'fridge.*', 'a.b, c.d']) {
    const caughtBefore = caught.length;
    send('n2', { where, payload: 1 });
    await waitFor('an error', () => caught.length > caughtBefore);
  }
  assert.deepEqual(gateway.calls, []);
  assert.deepEqual(gateway.faults, []);
});

const readingsOf = (call: Fields | undefined): Fields[] => (call?.readings ?? []) as Fields[];
const out = (more: object = {}) => ({
  ...{ id: 'n1', type: 'sluice reading out', point: 'derived.mean', pointType: 'point', value: 'payload', valueType: 'msg' },
  ...{ unit: '', time: '', timeType: 'now', wires: [] },
  ...more,
});

test('reading out gives value, unit and time, and is done when the gateway has it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ result: { taken: 1 } });
  await deploy(tab(out({ unit: 'Cel' }), out({ id: 'n2', point: 'topic', pointType: 'msg', time: 'time', timeType: 'msg' })));
  await until('n1', 'connected');
  send('n1', { payload: 3.1 });
  await waitFor('the first', () => completed.length === 1);
  const [first] = readingsOf(gateway.calls[0]);
  assert.deepEqual([first?.point, first?.value, first?.unit], ['derived.mean', 3.1, 'Cel']);
  assert.equal(typeof first?.time, 'number');
  send('n2', { topic: 'derived.state', payload: 'open', time: 1795572676314 });
  await waitFor('the second', () => completed.length === 2);
  assert.deepEqual(gateway.calls[1]?.readings, [{ point: 'derived.state', time: 1795572676314, value: 'open' }]);
  send('n1', { payload: 1, quality: 'bad', reason: 'sensor-fault' });
  send('n1', { payload: 1, quality: 'uncertain', reason: 'out-of-range' });
  await waitFor('both', () => completed.length === 4);
  const rest = gateway.calls.slice(2).flatMap(readingsOf);
  assert.deepEqual(
    rest.map(({ value, bad }) => [value, bad]),
    [
      [undefined, 'sensor-fault'],
      [1, 'out-of-range'],
    ],
  );
  assert.deepEqual(gateway.faults, []);
});

test('a refused reading is the error of its message, and the others are done', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, caught, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = ({ readings }) => {
    const refused = (readings as Fields[]).filter(({ point }) => point === 'derived.no');
    return {
      result: { taken: 1, refused: refused.map(({ point }) => ({ point, code: 'not-found', message: `there is no ${point}` })) },
    };
  };
  await deploy(tab(out({ point: 'topic', pointType: 'msg' })));
  await until('n1', 'connected');
  for (const topic of ['derived.a', 'derived.no', 'derived.b']) send('n1', { topic, payload: 1 });
  await waitFor('all ends', () => completed.length === 2 && caught.length === 1);
  assert.equal(words(caught[0]), 'there is no derived.no');
  assert.equal(codeOf(caught[0]), 'not-found');
});

test('every refused reading of a call is an error, also those that the gateway does not name', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, caught, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = ({ readings }) => {
    const all = readings as Fields[];
    const at = all.flatMap(({ value }, i) => (Number(value) % 4 === 0 ? [] : [i]));
    const named = at.slice(0, 20).map(() => ({ point: 'derived.mean', code: 'not-found', message: 'there is none' }));
    return { result: { taken: all.length - at.length, ...(at.length > 0 ? { refused: named, refusedAt: at } : {}) } };
  };
  await deploy(tab(out()));
  await until('n1', 'connected');
  for (let i = 0; i < 100; i++) send('n1', { payload: i });
  await waitFor('all of them', () => completed.length + caught.length === 100);
  assert.deepEqual([completed.length, caught.length], [25, 75]);
  assert.ok(completed.every(({ payload }) => Number(payload) % 4 === 0));
  const named = caught.filter((message) => /there is none/.test(words(message))).length;
  assert.ok(named >= 20 && named < 75, `${named} of them were named`);
  assert.ok(caught.every((message) => /there is none|refused this reading too/.test(words(message))));
});

test('a flood is throttled, shown, reported once a second, and never more than a thousand wait', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, caught, completed, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => 'never';
  await deploy(tab(out()));
  await until('n1', 'connected');
  for (let i = 0; i < 20_000; i++) send('n1', { payload: i });
  await until('n1', 'throttled');
  assert.equal(gateway.calls.length, 1, 'one call is with the gateway');
  assert.ok(caught.length >= 1 && caught.length < 10, `${caught.length} errors`);
  assert.match(words(caught[0]), /1000 readings wait for the gateway: \d+ messages? (was|were) left out/);
  assert.equal(completed.length, 0);
  // The connection ends: each that waited has its error, and the next reading goes through.
  await gateway.vanish();
  await waitFor('an error for each that waited', () => caught.length > 900);
  assert.ok(caught.length < 1100);
});

test('a closed node ends what waits, and the connection has nothing left of it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, send, deploy, redeploy, until, errors } = await paletteBench(t);
  gateway.answer = () => 'never';
  // With a Catch node Node-RED logs no error.
  const flow = (...nodes: object[]) => tab(...(nodes as never[])).filter(({ type }) => type !== 'catch');
  await deploy(flow(out()));
  await until('n1', 'connected');
  for (let i = 0; i < 10; i++) send('n1', { payload: i });
  await waitFor('a call', () => gateway.calls.length === 1);
  for (let i = 0; i < 10; i++) send('n1', { payload: i });
  await redeploy(flow());
  await waitFor('the connections end', () => gateway.connections.size === 0);
  const ended = errors().filter((text) => String(text).includes('the node was closed before'));
  assert.equal(ended.length, 20 - readingsOf(gateway.calls[0]).length);
});

const ALARM = {
  ...{ v: 1, rule: 'fridge-warm', occurrence: 2, state: 'active-unacknowledged', severity: 'critical', value: 9 },
  ...{ time: 1795572676314, message: 'too warm' },
};
const alarmIn = (more: object = {}) => ({
  ...{ id: 'n1', type: 'sluice alarm in', rules: ['*'], severities: [], states: [], present: true },
  ...more,
});

test('alarm in sends each change, and first the present state where it is wanted', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  gateway.present = [ALARM];
  await deploy(tab(alarmIn(), alarmIn({ id: 'n2', present: false })));
  await until('n1', 'connected');
  await waitFor('the present state', () => got.length === 1);
  const [{ _msgid, alarm, ...message } = {}] = got;
  assert.deepEqual(message, {
    ...{ topic: 'fridge-warm', payload: 'active-unacknowledged', rule: 'fridge-warm', severity: 'critical', occurrence: 2 },
    ...{ value: 9, time: 1795572676314, message: 'too warm', present: true },
  });
  assert.equal((alarm as Fields).v, 1);
  gateway.alarm({ ...ALARM, state: 'normal' });
  await waitFor('the change for both', () => got.length === 3);
  assert.deepEqual(
    got.slice(1).map(({ payload, present }) => [payload, present]),
    [
      ['normal', false],
      ['normal', false],
    ],
  );
  assert.equal(gateway.subscribed.length, 1, 'all nodes share one subscription');
});

test('a change of an alarm during an outage comes, a state that stayed does not come again', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, socket, got, deploy, until } = await paletteBench(t);
  gateway.present = [ALARM, { ...ALARM, rule: 'other', occurrence: 1 }];
  await deploy(tab(alarmIn({ present: false })));
  await until('n1', 'connected');
  await waitFor('the subscription', () => gateway.subscribed.length === 1);
  await gateway.vanish();
  gateway.present = [
    { ...ALARM, state: 'active-acknowledged' },
    { ...ALARM, rule: 'other', occurrence: 1 },
  ];
  await gateway.listen(socket);
  await waitFor('the change', () => got.length === 1);
  assert.deepEqual([got[0]?.topic, got[0]?.payload, got[0]?.present], ['fridge-warm', 'active-acknowledged', true]);
  gateway.alarm({ ...ALARM, rule: 'other', state: 'normal' });
  await waitFor('the next', () => got.length === 2);
  assert.equal(got[1]?.topic, 'other');
});

test('alarm in filters by rule, severity and state, and shows a rule that is not there', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, deploy, until } = await paletteBench(t);
  await deploy(
    tab(
      alarmIn({ rules: ['fridge-*'], severities: ['critical'], states: ['normal'] }),
      alarmIn({ id: 'n2', rules: ['gone'] }),
      alarmIn({ id: 'n3', rules: [] }),
    ),
  );
  await until('n1', 'connected');
  await until('n2', 'unknown rule');
  await until('n3', 'no rule');
  await waitFor('the subscription', () => gateway.subscriptions === 1);
  gateway.alarm(ALARM);
  gateway.alarm({ ...ALARM, state: 'normal', severity: 'info' });
  gateway.alarm({ ...ALARM, state: 'normal', rule: 'pump-hot' });
  gateway.alarm({ ...ALARM, state: 'normal', occurrence: 7 });
  await waitFor('the one that passes', () => got.length === 1);
  assert.equal(got[0]?.occurrence, 7);
});

const action = (more: object = {}) => ({
  ...{ id: 'n1', type: 'sluice alarm action', action: 'acknowledge', rule: 'topic', ruleType: 'msg', for: '1', forUnit: 'h' },
  ...{ reason: '', reasonType: 'str' },
  ...more,
});

test('alarm action acknowledges, shelves, and ends a shelving, also as a message says', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, got, send, deploy, until } = await paletteBench(t);
  gateway.answer = ({ rule }) => ({ result: { rule, state: 'shelved' } });
  await deploy(
    tab(
      action(),
      action({
        id: 'n2',
        action: 'shelve',
        rule: 'fridge-warm',
        ruleType: 'rule',
        for: '30',
        forUnit: 'min',
        reason: 'cleaning',
      }),
      action({ id: 'n3', action: 'unshelve' }),
      action({ id: 'n4', action: 'msg', reason: 'new sensor' }),
      action({ id: 'n5', action: 'out-of-service', reason: 'new sensor' }),
    ),
  );
  await until('n5', 'connected');
  send('n1', { topic: 'fridge-warm', occurrence: 7 });
  send('n2', {});
  send('n3', { topic: 'fridge-warm' });
  send('n4', { topic: 'fridge-warm', action: 'shelve', for: 1000 });
  send('n4', { topic: 'fridge-warm', action: 'out-of-service', for: 28_800_000 });
  send('n5', { topic: 'fridge-warm', for: 60_000 });
  send('n5', { topic: 'fridge-warm' });
  await waitFor('seven answers', () => got.length === 7);
  assert.deepEqual(
    gateway.calls.map(({ type, id, ...call }) => call),
    [
      { do: 'acknowledge', rule: 'fridge-warm', occurrence: 7 },
      { do: 'shelve', rule: 'fridge-warm', for: 1_800_000, reason: 'cleaning' },
      { do: 'shelve', rule: 'fridge-warm', for: null },
      { do: 'shelve', rule: 'fridge-warm', for: 1000, reason: 'new sensor' },
      { do: 'out-of-service', rule: 'fridge-warm', reason: 'new sensor', for: 28_800_000 },
      { do: 'out-of-service', rule: 'fridge-warm', reason: 'new sensor', for: 60_000 },
      { do: 'out-of-service', rule: 'fridge-warm', reason: 'new sensor' },
    ],
  );
  assert.deepEqual(got[0]?.result, { rule: 'fridge-warm', state: 'shelved' });
});

test('alarm action reports what it cannot do', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, caught, send, deploy, until } = await paletteBench(t);
  gateway.answer = () => ({ error: { code: 'forbidden', message: 'flows may not acknowledge fridge-warm' } });
  await deploy(tab(action(), action({ id: 'n2', action: 'shelve', for: '' }), action({ id: 'n4', action: 'msg' })));
  await until('n4', 'connected');
  for (const [id, message, expected] of [
    ['n1', { topic: 'fridge-warm' }, /may not acknowledge/],
    ['n1', { topic: 'fridge-*' }, /is no|no rule|one rule/],
    ['n1', { topic: 7 }, /no rule is named/],
    ['n2', { topic: 'fridge-warm' }, /needs a time/],
    ['n4', { topic: 'fridge-warm', action: 'explode' }, /msg\.action says what to do/],
  ] as const) {
    const before = caught.length;
    send(id, { ...message });
    await waitFor('an error', () => caught.length > before);
    assert.match(words(caught.at(-1)), expected);
  }
  assert.deepEqual(gateway.faults, []);
});

test('readings, writes and history go by the clock of the gateway and not of the system', async (t) => {
  if (!nodeRedPeer(t)) return;
  const { gateway, completed, send, deploy, until } = await paletteBench(t);
  const DAY = 86_400_000;
  gateway.time = Date.now() + 400 * DAY;
  const history = {
    id: 'n3',
    type: 'sluice history',
    point: 'fridge.temperature',
    pointType: 'point',
    from: '1',
    fromType: 'ago',
  };
  await deploy(
    tab(out(), write({ id: 'n2', within: '10', wires: [] }), {
      ...history,
      fromUnit: 'h',
      to: '',
      toType: 'now',
      most: '10',
      wires: [],
    }),
  );
  await until('n1', 'connected');
  const ask = async (id: string): Promise<Fields> => {
    const calls = gateway.calls.length;
    send(id, { payload: 1 });
    return waitFor(`the call of ${id}`, () => gateway.calls[calls]);
  };
  const days = (time: unknown): number => Math.round((Number(time) - Date.now()) / DAY);
  assert.equal(days(readingsOf(await ask('n1'))[0]?.time), 400);
  assert.equal(days((await ask('n2')).expires), 400);
  assert.equal(days((await ask('n3')).to), 400);
  // The gateway gets a better time.
  for (const one of gateway.connections) one.send({ type: 'clock', time: Date.now() - 30 * DAY });
  await waitFor('the new time', async () => days(readingsOf(await ask('n1'))[0]?.time) === -30);
  assert.ok(completed.length > 0);
  assert.deepEqual(gateway.faults, []);
});
