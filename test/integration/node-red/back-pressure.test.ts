/**
 * Flows that flood or stand still, in the real Node-RED of a running gateway: they are throttled, they hear of it, and everybody sees
 * it. What was taken and what was left out are together what the flow sent.
 */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { answerTcp, type FakeDevice } from '../../fakes/modbus-device.ts';
import { doorSite } from '../../harness/door-site.ts';
import type { FlowsClient } from '../../harness/flows-client.ts';
import type { NodeRedSite } from '../../harness/node-red-site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

type Node = Readonly<Record<string, unknown>>;
const TAB = { id: 'tab', type: 'tab', label: 'test' };
const says = (id: string, func: string, ...to: string[]): Node => ({
  ...{ id, type: 'function', z: 'tab', x: 400, y: 100, outputs: 1, libs: [], func, wires: [to] },
});
const ours = (id: string, type: string, more: Node, ...to: string[]): Node => ({
  ...{ id, type, z: 'tab', x: 100, y: 100, name: '', gateway: '', wires: [to] },
  ...more,
});
/** Pressed by the test. */
const button = (id: string, ...to: string[]): Node => ({
  ...{ id, type: 'inject', z: 'tab', x: 50, y: 50, once: false, repeat: '', crontab: '', props: [{ p: 'payload' }] },
  ...{ payload: '1', payloadType: 'num', topic: '', wires: [to] },
});
/** Counts what happens to the messages of a node: done, left out as its errors say, and other errors by their texts. */
const counters = (of: string): Node[] => [
  { id: 'complete', type: 'complete', z: 'tab', x: 50, y: 200, scope: [of], uncaught: false, wires: [['good']] },
  says('good', "flow.set('done', (flow.get('done') || 0) + 1);"),
  { id: 'catch', type: 'catch', z: 'tab', x: 50, y: 300, scope: [of], uncaught: false, wires: [['bad']] },
  says(
    'bad',
    `const text = msg.error.message;
const [, n] = /(\\d+) messages? (?:was|were) left out/.exec(text) || [];
const key = n === undefined ? 'other' : /perSecond/.test(text) ? 'replaced' : 'refused';
flow.set(key, (flow.get(key) || 0) + Number(n || 1));
flow.set('errors', (flow.get('errors') || 0) + 1);
if (key === 'other') flow.set('text', text);`,
  ),
  { id: 'status', type: 'status', z: 'tab', x: 50, y: 400, scope: [of], wires: [['dot']] },
  says('dot', "flow.set('dots', [...(flow.get('dots') || []), msg.status.fill + ' ' + msg.status.text]);"),
  button('tell', 'told'),
  says(
    'told',
    "const n = (flow.get('asked') || 0) + 1; flow.set('asked', n); node.warn('told ' + n + ' ' + JSON.stringify(Object.fromEntries(flow.keys().map((key) => [key, flow.get(key)]))));",
  ),
];

interface Told {
  readonly done?: number;
  readonly refused?: number;
  readonly replaced?: number;
  readonly other?: number;
  readonly errors?: number;
  readonly text?: string;
  readonly dots?: readonly string[];
  readonly seen?: number;
  readonly last?: Readonly<Record<string, number>>;
}

const press = (site: NodeRedSite, id: string): Promise<unknown> =>
  waitFor(`the button ${id}`, async () => (await site.ask('POST', `/inject/${id}`, {})).code === 200);

/** What the flow has counted. */
async function ask(site: NodeRedSite): Promise<Told> {
  const lines = () => site.gateway.logs().filter(({ msg }) => /^told \d+ /.test(msg));
  const before = lines().length;
  await press(site, 'tell');
  const line = await waitFor('what the flow counted', () => lines()[before]);
  return JSON.parse(line.msg.replace(/^told \d+ /, '')) as Told;
}

/** The nodes of a deploy are connected: what comes before is an error of its own. */
const connected = (site: NodeRedSite): Promise<unknown> =>
  waitFor('a green dot', async () => (await ask(site)).dots?.at(-1) === 'green connected', { every: 300 });

const exported = (site: NodeRedSite, point: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const at = `/api/v1/export?from=1h&points=${point}&format=jsonl`;
    const asked = http.get({ socketPath: site.gateway.socket, path: at }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      res.on('end', () => resolve(text.split('\n').filter((line) => line.includes('"values"')).length));
    });
    asked.on('error', reject);
  });

const FLOOD = 5000;
const DERIVED = {
  buses: '  derived: {protocol: flows}',
  devices: `  calc: {bus: derived, silentAfter: 1h, points: {double: {}}}
  rooms: {bus: derived, silentAfter: 1h, accept: {prefix: room-, points: 5}}`,
  rest: 'rules:\n  double-high: {point: calc.double, above: 1e9}\n',
};
const out = (more: Node): Node =>
  ours('out', 'sluice reading out', { value: 'payload', valueType: 'msg', unit: '', time: '', timeType: 'now', ...more });
const flood = (of: string): Node[] => [TAB, button('go', 'flood'), says('flood', of, 'out')];
const device = async (site: NodeRedSite, name: string) => {
  const { buses } = await site.gateway.status();
  return buses.flatMap(({ devices }) => devices).find((one) => one.name === name) ?? assert.fail(name);
};

test('reading out that floods: each message is done, left out or replaced, with a count', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', DERIVED);
  await site.gateway.up();
  await site.until('running');
  const many = `for (let i = 0; i < ${FLOOD}; i++) node.send({ payload: i }); return null;`;
  const flow = [...flood(many), out({ point: 'calc.double', pointType: 'point' }), ...counters('out')];
  assert.equal(await site.deploy(flow), 204);
  await connected(site);
  let told: Told = {};
  for (let times = 1; times <= 3; times++) {
    await press(site, 'go');
    await waitFor(
      () => `an end of each message: ${JSON.stringify(told)}`,
      async () => {
        told = await ask(site);
        return (told.done ?? 0) + (told.refused ?? 0) + (told.other ?? 0) === FLOOD * times;
      },
      { every: 300 },
    );
  }
  assert.equal(told.other, undefined, told.text);
  assert.ok((told.refused ?? 0) > FLOOD, 'most of them find no room');
  assert.ok((told.errors ?? 0) < 60, `${told.errors} errors for ${told.refused} messages`);
  assert.ok(told.dots?.includes('yellow throttled'), JSON.stringify(told.dots));

  // The gateway hands over each reading that still waits. It tells the flow how many were replaced by newer ones.
  const { counters: of, fault } = await waitFor('the last one that waits', async () => {
    const now = await device(site, 'calc');
    const { replies, leftOut = 0 } = now.counters;
    return replies + leftOut === told.done ? now : undefined;
  });
  assert.match(fault ?? '', /^flows give more than 10 readings a second of a point, or 100 in all$/);
  const { door } = await site.flows();
  assert.deepEqual([door?.puts, door?.refusedPuts, door?.leftOutPuts], [told.done, 0, of.leftOut]);
  await waitFor('the number of those that were replaced', async () => {
    told = await ask(site);
    return told.replaced === of.leftOut;
  });
  await waitFor('each reading in the log', async () => (await exported(site, 'calc.double')) === of.replies);
  const { stdout } = await sluice(t, 'status', '--socket', site.gateway.socket);
  assert.match(stdout, /flows give more than 10 readings a second of a point/);
  // Each question of this test is a line as well.
  const asks = site.gateway.logs().filter(({ msg }) => /^told \d+ /.test(msg)).length;
  assert.ok((await site.flows()).lines.passed - asks < 300);
  await waitFor('a green dot again', async () => (await ask(site)).dots?.at(-1) === 'green connected');
  await site.assertPolled();
});

test('reading out with names without end: five points are made, the rest are errors', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', DERIVED);
  await site.gateway.up();
  await site.until('running');
  const many = `for (let i = 0; i < ${FLOOD}; i++) node.send({ payload: i, topic: 'rooms.room-' + i }); return null;`;
  const flow = [...flood(many), out({ point: 'topic', pointType: 'msg' }), ...counters('out')];
  assert.equal(await site.deploy(flow), 204);
  await connected(site);
  await press(site, 'go');
  let told: Told = {};
  await waitFor(
    () => `an end of each message: ${JSON.stringify(told)}`,
    async () => {
      told = await ask(site);
      return (told.done ?? 0) + (told.refused ?? 0) + (told.other ?? 0) === FLOOD;
    },
    { every: 300 },
  );
  assert.equal(told.done, 5);
  assert.match(told.text ?? '', /has all 5 points that it accepts|refused this reading too/);
  const { door } = await site.flows();
  assert.deepEqual([door?.puts, door?.refusedPuts], [5, told.other]);
  assert.match((await device(site, 'rooms')).fault ?? '', /has all 5 points that it accepts; raise accept\.points/);
  const client = await site.client();
  const inventory = client.lines.find(({ type }) => type === 'inventory')?.devices as Record<string, { points: object }>;
  assert.equal(Object.keys(inventory.rooms?.points ?? {}).length, 5);
});

test('alarm action beyond its bound: each message is refused or left out, the audit is short', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', DERIVED);
  await site.gateway.up();
  await site.until('running');
  const many = `for (let i = 0; i < ${FLOOD}; i++) node.send({ topic: 'double-high' }); return null;`;
  const act = ours('out', 'sluice alarm action', {
    ...{ action: 'acknowledge', rule: 'topic', ruleType: 'msg', for: '1', forUnit: 'h', reason: '', reasonType: 'str' },
  });
  assert.equal(await site.deploy([...flood(many), act, ...counters('out')]), 204);
  await connected(site);
  await press(site, 'go');
  let told: Told = {};
  await waitFor(
    () => `an end of each message: ${JSON.stringify(told)}`,
    async () => {
      told = await ask(site);
      return (told.done ?? 0) + (told.refused ?? 0) + (told.other ?? 0) === FLOOD;
    },
    { every: 300 },
  );
  assert.deepEqual([told.done, (told.other ?? 0) >= 1000, (told.refused ?? 0) > 0], [undefined, true, true]);
  assert.match(told.text ?? '', /^flows may not acknowledge double-high/);
  assert.ok(told.dots?.includes('yellow throttled'), JSON.stringify(told.dots));
  assert.equal((await site.flows()).door?.refusedCommands, told.other);
  const audited = site.gateway.logs().filter(({ msg }) => /^acknowledge double-high was not done by a flow/.test(msg));
  assert.ok(audited.length > 0 && audited.length <= 60, `${audited.length} of ${told.other} in the log`);
});

const SOURCES = 20;
const SOURCE = {
  buses: '  derived: {protocol: flows}',
  devices: `  src: {bus: derived, silentAfter: 1h, perSecond: {point: 100, device: 1000}, points: {${Array.from({ length: SOURCES }, (_, i) => `p${i}: {}`).join(', ')}}}`,
};

/** Gives readings of all sources as they are taken, about fifty times a second. @returns ends it, with the number of readings */
function offers(client: FlowsClient): () => Promise<number> {
  let [n, over] = [0, false];
  const run = (async () => {
    while (!over) {
      const readings = Array.from({ length: SOURCES }, (_, i) => ({ point: `src.p${i}`, value: n }));
      assert.deepEqual((await client.call({ do: 'put', readings })).result, { taken: SOURCES });
      client.say({ type: 'credit', id: 'good', n: 100 });
      n++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    over = true;
    await run;
    return n * SOURCES;
  };
}

test('reading in whose flow stalls: counted, shown, made good, and nobody else waits', { timeout: 400_000 }, async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', SOURCE);
  await site.gateway.up();
  const { pid } = await site.until('running');
  const readingIn = ours(
    'in',
    'sluice reading in',
    { points: ['src.*'], mode: 'every', every: '', everyUnit: 's', quality: 'good', initial: true },
    'count',
  );
  const flow = [
    ...[TAB, readingIn],
    says(
      'count',
      "if (flow.get('seen') === undefined) node.warn('first of all ' + msg.topic); flow.set('seen', (flow.get('seen') || 0) + 1); flow.set('last', { ...flow.get('last'), [msg.topic]: msg.payload });",
    ),
    ...[button('busy', 'stall'), button('forever', 'hang')],
    says('stall', "node.warn('stalls'); setTimeout(() => { const end = Date.now() + 7000; while (Date.now() < end); }, 200);"),
    says('hang', "node.warn('hangs'); setTimeout(() => { for (;;); }, 200);"),
    ...counters('in'),
  ];
  assert.equal(await site.deploy(flow), 204);
  await waitFor('its subscription', async () => (await site.flows()).door?.subscriptions === 1);
  const client = await site.client();
  client.say({ type: 'subscribe', id: 'good', points: ['src.*'], mode: 'every', credit: 1024 });
  await waitFor('another subscription', async () => (await site.flows()).door?.subscriptions === 2);
  const stop = offers(client);
  await press(site, 'busy');
  await site.gateway.waitForLog(/^stalls$/);
  const during = await waitFor('readings that are dropped', async () => {
    const { door } = await site.flows();
    return (door?.dropped ?? 0) > 1000 ? door : undefined;
  });
  assert.match(during.slow ?? '', /^a flow takes fewer readings than come; \d+ were dropped/);
  const { stdout } = await sluice(t, 'status', '--socket', site.gateway.socket);
  assert.match(stdout, /a flow is throttled/);
  let told = await ask(site);
  await waitFor('the throttled dot', async () => {
    told = await ask(site);
    return told.dots?.includes('yellow throttled');
  });
  const offered = await stop();
  await waitFor('all of them at the other client', () => client.readings('good').length === offered);
  await waitFor(
    () => `each reading, seen or dropped, of ${offered}: ${JSON.stringify(told)}`,
    async () => {
      told = await ask(site);
      return (told.seen ?? 0) + ((await site.flows()).door?.dropped ?? 0) === offered;
    },
    { every: 300 },
  );
  const last = offered / SOURCES - 1;
  assert.deepEqual(
    told.last,
    Object.fromEntries(Array.from({ length: SOURCES }, (_, i) => [`src.p${i}`, last])),
    'the newest of each point came',
  );
  await waitFor('a green dot again', async () => (await ask(site)).dots?.at(-1) === 'green connected');
  assert.ok(!(await ask(site)).dots?.some((dot) => /disconnected/.test(dot)), 'the node was never blank');
  assert.equal((await site.flows()).pid, pid);

  // One that never comes back is ended, and the present readings come first afterwards.
  const { dropped = 0 } = (await site.flows()).door ?? {};
  const stopAgain = offers(client);
  await press(site, 'forever');
  await site.gateway.waitForLog(/^hangs$/);
  await waitFor('more that are dropped', async () => ((await site.flows()).door?.dropped ?? 0) > dropped);
  await site.until('unhealthy');
  const more = offered + (await stopAgain());
  await waitFor('all of them at the other client', () => client.readings('good').length === more);
  const firsts = () => site.gateway.logs().filter(({ msg }) => /^first of all src\./.test(msg)).length;
  assert.equal(firsts(), 1);
  await waitFor('the first reading of the next process', () => firsts() === 2);
  await waitFor('each point', async () => Object.keys((await ask(site)).last ?? {}).length === SOURCES);
  assert.notEqual((await site.flows()).pid, pid);
  await site.assertPolled();
});

test('a write and a history in flight: the gateway stops in order, and writes once', async (t) => {
  if (!nodeRedPeer(t)) return;
  const first =
    '  d1: {bus: field, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}, w: {table: holding, address: 9, type: uint16, write: {min: 0, max: 9}}}}';
  const site = await doorSite(t, '  grants: {write: [d1.w]}', { first });
  const writes = (of: FakeDevice): number => of.requests.filter(({ code }) => code === 6 || code === 16).length;
  site.device.script = (request, reply) => {
    // It takes a write and never says so.
    if (request.code !== 6 && request.code !== 16) answerTcp(request, reply);
  };
  await site.gateway.up();
  await site.until('running');
  const history = ours('history', 'sluice history', {
    ...{ point: 'd1.n', pointType: 'point', from: '1', fromType: 'ago', fromUnit: 'd', to: '', toType: 'now', toUnit: 'h' },
    ...{ every: '', everyUnit: 'min', most: '50000' },
  });
  const write = ours('out', 'sluice write', {
    point: 'd1.w',
    pointType: 'point',
    value: 'payload',
    valueType: 'msg',
    within: '',
  });
  const flow = [TAB, button('go', 'out', 'history'), write, history, ...counters('out')];
  assert.equal(await site.deploy(flow), 204);
  await connected(site);
  await press(site, 'go');
  await waitFor('the write on the wire', () => writes(site.device) === 1);
  assert.equal(await site.gateway.stop(), 0);
  assert.equal(writes(site.device), 1);
  site.device.script = answerTcp;
  await site.gateway.up();
  await site.until('running');
  await waitFor('a poll', async () => (await site.polls()).replies > 0);
  assert.equal(writes(site.device), 1, 'nobody writes it once more');
  assert.equal((await site.flows()).safeMode, undefined);
});
