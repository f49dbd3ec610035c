/**
 * Each flow that comes with the gateway, loaded as people load it, in the real Node-RED in its fence beside the real gateway. What
 * they talk to is foreign: pymodbus as siren and pump, Mosquitto and its clients as upstream, small HTTP servers as sensor and SMS.
 */
// Needs a quiet machine: other programs must keep its pace.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../../src/admin/client.ts';
import type { FlowsResult } from '../../../src/core/flow-revisions.ts';
import { type NodeRedSite, nodeRedSite } from '../../harness/node-red-site.ts';
import { DEADLINE_MS, waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { nodeRedPeer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly name?: string;
  readonly env?: readonly { readonly name: string; readonly value: string; readonly type: string }[];
  readonly [key: string]: unknown;
}

/**
 * Register 0 of unit 1 is a level with an alarm above 50, register 1 a speed, register 2 a siren.
 * @param oneHour all that the test does is of one clock hour, from its first reading on
 */
async function flowSite(t: TestContext, oneHour = false): Promise<{ site: NodeRedSite; device: SettableDevice } | undefined> {
  if (!nodeRedPeer(t)) return undefined;
  if (oneHour) await withinAnHour();
  const device = await SettableDevice.start(t);
  if (device === undefined) return undefined;
  const made = await nodeRedSite(t, '  grants: {write: [tank.speed, tank.siren]}', {
    buses: `  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 30s}\n  derived: {protocol: flows}`,
    devices: `  tank:
    bus: plant
    unit: 1
    interval: 200ms
    points:
      level: {table: holding, address: 0, type: uint16, unit: '%'}
      speed: {table: holding, address: 1, type: uint16, unit: Hz, write: {min: 0, max: 50, every: 0s}}
      siren: {table: holding, address: 2, type: uint16, write: {min: 0, max: 1, every: 0s}}
  calc:
    bus: derived
    points:
      mean: {unit: '%'}
      room: {unit: Cel}`,
    rest: 'rules:\n  overflow: {point: tank.level, above: 50, severity: critical}',
  });
  await made.gateway.up();
  await made.until('running');
  return { site: made, device };
}

/** Loads a flow with `sluice flows load`'s call, and sets the variables of its tab as a person does in the editor. */
async function load(
  s: NodeRedSite,
  name: string,
  values: Readonly<Record<string, string | number>>,
  more: (nodes: readonly FlowNode[]) => readonly FlowNode[] = () => [],
): Promise<FlowNode[]> {
  const result = (await request(s.gateway.socket, 'POST', '/api/v1/flows/load', { name }, DEADLINE_MS)) as FlowsResult;
  assert.equal(result.flows, 'started', name);
  const all = JSON.parse((await s.ask('GET', '/flows')).body) as FlowNode[];
  const tab = all.find((node) => node.type === 'tab' && node.label === result.added[0]) ?? assert.fail(`no tab of ${name}`);
  for (const key of Object.keys(values))
    assert.ok(
      tab.env?.some((one) => one.name === key),
      `${name} has ${key}`,
    );
  const set = { ...tab, env: tab.env?.map((one) => ({ ...one, value: String(values[one.name] ?? one.value) })) };
  const nodes = all.filter((node) => node.z === tab.id);
  assert.equal(await s.deploy([...all.map((node) => (node === tab ? set : node)), ...more(nodes)]), 204);
  return nodes;
}

const HOUR = 3_600_000;
const nodeOf = (nodes: readonly FlowNode[], name: string): FlowNode =>
  nodes.find((node) => node.name === name) ?? assert.fail(`no node ${name}`);
/** As a click on the button of an inject node. */
const click = async (s: NodeRedSite, id: string): Promise<void> => {
  await waitFor('the inject node', async () => (await s.ask('POST', `/inject/${id}`, {})).code === 200);
};
/** The nodes of a deploy are there, and connected: one that takes long opens a connection of its own. @param id of an inject node */
const connected = async (s: NodeRedSite, id: string): Promise<void> => {
  await waitFor('the nodes', async () => (await s.ask('POST', `/inject/${id}`, { __user_inject_props__: [] })).code === 200);
  await waitFor('their connection', async () => ((await s.flows()).door?.connections ?? 0) > 0);
};
/** Nodes that lead to a function as if the clock of the gateway showed this time, UTC ms: `ready` says nothing, `as-if` the time. */
function asIf(to: FlowNode, time: number): FlowNode[] {
  const payload = JSON.stringify({ clock: { known: true, time } });
  const props = [
    { p: 'payload', v: payload, vt: 'json' },
    { p: 'again', v: 'true', vt: 'bool' },
  ];
  return [readyIn(to.z), { ...readyIn(to.z), id: 'as-if', props, wires: [[to.id]] }];
}
const readyIn = (z = ''): FlowNode => {
  const never = { repeat: '', crontab: '', once: false };
  return { id: 'ready', type: 'inject', z, ...never, props: [], wires: [[]] };
};
/** What a test does next is all of one clock hour. Before its gateway starts: that reads, and the hour before is to have no reading. */
const withinAnHour = async (): Promise<void> => {
  const left = HOUR - (Date.now() % HOUR);
  if (left < 2 * DEADLINE_MS) await sleep(left + 1000);
};
const clockKnown = (s: NodeRedSite) => waitFor('a known clock', async () => (await s.gateway.status()).clock.known);

/** @param answer status and body of each request, by its number from 0 */
async function server(t: TestContext, answer: (n: number, body: string) => readonly [number, string]) {
  const asked: { readonly method: string; readonly body: string }[] = [];
  const made = http.createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    req.on('end', () => {
      const [status, text] = answer(asked.length, body);
      asked.push({ method: req.method ?? '', body });
      res.writeHead(status, { 'content-type': 'application/json' }).end(text);
    });
  });
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    made.closeAllConnections();
    made.close();
  });
  return { asked, url: `http://127.0.0.1:${(made.address() as AddressInfo).port}/x` };
}

/** Newest value of a point, as everybody reads it. */
async function latest(s: NodeRedSite, point: string): Promise<string[]> {
  const from = '1h';
  const lines = await fetchLines(s, `/api/v1/export?from=${from}&points=${point}`);
  return lines.slice(1);
}
function fetchLines(s: NodeRedSite, at: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath: s.gateway.socket, path: at }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        res.on('end', () => resolve(text.split('\n').filter((line) => line !== '')));
      })
      .on('error', reject);
  });
}

test('sms-gateway: each begin and end of an alarm is one SMS, also past a server that fails', async (t) => {
  const made = await flowSite(t);
  if (made === undefined) return;
  const { site: s, device } = made;
  const sms = await server(t, (n) => (n < 2 ? [503, 'busy'] : [200, '{}']));
  await load(s, 'sms-gateway', { SMS_URL: sms.url, SMS_TO: '+88017', SMS_RETRY_SECONDS: 0.2 });
  await device.set(0, 80);
  await waitFor('a third try', () => sms.asked.length >= 3);
  const texts = sms.asked.map(({ body }) => JSON.parse(body) as { to: string; text: string });
  assert.equal(new Set(texts.map(({ text }) => text)).size, 1, 'the same text again');
  assert.equal(texts[0]?.to, '+88017');
  assert.match(texts[0]?.text ?? '', /^ALARM overflow: /);
  await request(s.gateway.socket, 'POST', '/api/v1/acknowledge', { rule: 'overflow' });
  await device.set(0, 10);
  await waitFor('the end', () => sms.asked.some(({ body }) => body.includes('over overflow')));
  // A deploy shows the present state again, which is no news.
  const before = sms.asked.length;
  const all = JSON.parse((await s.ask('GET', '/flows')).body) as FlowNode[];
  assert.equal(await s.deploy(all.map((node) => (node.type === 'comment' ? { ...node, name: 'touched' } : node))), 204);
  await device.set(0, 90);
  await waitFor('the next alarm', () => sms.asked.length > before);
  assert.match(sms.asked[before]?.body ?? '', /ALARM overflow/);
  assert.equal(sms.asked.length, before + 1);
});

interface Exported {
  /** ms UTC. */
  readonly time: number;
  readonly value: number;
  readonly bad: boolean;
}

/** The readings of a point, oldest first. */
async function exported(s: NodeRedSite, point: string): Promise<Exported[]> {
  return (await latest(s, point)).map((line) => {
    const [, , , , , time = '', value, , quality] = line.split(',');
    return { time: Date.parse(time.replace('?', '')), value: Number(value), bad: quality === 'bad' };
  });
}

/** Readings of 0, then of another level, so that the mean of all is the mean of no part. */
async function twoLevels(s: NodeRedSite, device: SettableDevice, level: number): Promise<void> {
  for (const wanted of [0, level]) {
    await device.set(0, wanted);
    await waitFor(
      `readings of ${wanted}`,
      async () => (await exported(s, 'tank.level')).filter(({ value, bad }) => !bad && value === wanted).length > 5,
    );
  }
}

/**
 * What a flow may have seen of the good readings when it asked about them: all from before `from`, perhaps some until `to`, ms UTC.
 * Readings at the very edge may be on their way into the log.
 */
function prefixes(all: readonly Exported[], from: number, to: number): { readonly count: number; readonly mean: number }[] {
  const good = all.filter(({ bad }) => !bad);
  const [least, most] = [from, to].map((end) => good.filter(({ time }) => time < end).length) as [number, number];
  assert.ok(least > 10, `${least} readings of ${all.length}`);
  return good
    .map((_, i) => ({ count: i + 1, mean: good.slice(0, i + 1).reduce((sum, { value }) => sum + value, 0) / (i + 1) }))
    .filter(({ count }) => count >= least - 1 && count <= most + 1);
}

test('hourly-averages: the mean of a clock hour is a reading of the derived point', async (t) => {
  const made = await flowSite(t, true);
  if (made === undefined) return;
  const { site: s, device } = made;
  await twoLevels(s, device, 40);
  await clockKnown(s);
  // As if the hour were over by two minutes.
  const hour = Math.floor(Date.now() / HOUR) * HOUR;
  const nodes = await load(s, 'hourly-averages', { POINT: 'tank.level', TARGET: 'calc.mean' }, (all) =>
    asIf(nodeOf(all, 'the clock hour that is over'), hour + HOUR + 120_000),
  );
  await connected(s, 'ready');
  // All readings are of this hour. A click now asks for the hour before, which has none.
  await click(s, nodeOf(nodes, 'the last hour again').id);
  await waitFor('a mean of nothing', async () => (await exported(s, 'calc.mean')).find(({ bad }) => bad));
  const asked = Date.now();
  await click(s, 'as-if');
  const mean = await waitFor('a mean', async () => (await exported(s, 'calc.mean')).find(({ bad }) => !bad));
  const ofHour = (await exported(s, 'tank.level')).filter(({ time }) => time >= hour && time < hour + HOUR);
  const expected = prefixes(ofHour, asked, mean.time);
  t.diagnostic(`${mean.value} of ${JSON.stringify(expected)}`);
  assert.ok(
    expected.some((one) => Math.abs(one.mean - mean.value) < 1e-9),
    `${mean.value} is none of ${JSON.stringify(expected)}`,
  );
});

test('shift-report: a CSV in the folder of Node-RED, with a line for each point and each fault', async (t) => {
  const made = await flowSite(t, true);
  if (made === undefined) return;
  const { site: s, device } = made;
  await twoLevels(s, device, 30);
  await clockKnown(s);
  const asked = Date.now();
  // As if this hour were the last one of a shift, and over by two minutes.
  const end = Math.floor(asked / HOUR) * HOUR + HOUR;
  const points = 'tank.level, ghost.point, tank.speed';
  await load(s, 'shift-report', { POINTS: points, ENDS: new Date(end).getHours(), HOURS: 8 }, (all) =>
    asIf(nodeOf(all, 'the shift that is over'), end + 120_000),
  );
  await connected(s, 'ready');
  const folder = s.runsAs === 'user' ? `${s.gateway.stateDir}-node-red` : path.join(s.gateway.stateDir, 'node-red');
  await click(s, 'as-if');
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const file = await waitFor('the file', () => {
    for (const name of day)
      for (let hour = 0; hour < 24; hour++) {
        const one = path.join(folder, `shift-${name}-${String(hour).padStart(2, '0')}.csv`);
        if ((statSync(one, { throwIfNoEntry: false })?.size ?? 0) > 0) return one;
      }
    return undefined;
  });
  const written = Date.now();
  const [span = '', head, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\r\n');
  const [from = '', to = ''] = /^# (20\d\d-.*Z) to (20\d\d-.*Z)$/.exec(span)?.slice(1) ?? assert.fail(span);
  assert.deepEqual([Date.parse(from), Date.parse(to)], [end - 8 * HOUR, end]);
  assert.equal(head, 'point,unit,min,mean,max,readings,bad,fault,time');
  assert.equal(lines.length, 3);
  assert.match(lines[1] ?? '', /^"ghost\.point","",,,,0,0,".+",""$/);
  for (const [line = '', point, unit, max] of [
    [lines[0], 'tank.level', '%', 30],
    [lines[2], 'tank.speed', 'Hz', 0],
  ] as const) {
    const all = await exported(s, point);
    const [least, most] = [asked, written].map((to) => all.filter((one) => one.bad && one.time < to).length) as [number, number];
    const expected = prefixes(all, asked, written).flatMap(({ count, mean }) =>
      Array.from(
        { length: most - least + 1 },
        (_, i) => `"${point}","${unit}",0,${Math.round(mean * 1000) / 1000},${max},${count},${least + i},"",""`,
      ),
    );
    t.diagnostic(`${line} of ${expected.length}`);
    assert.ok(expected.includes(line), `${line} is none of\n${expected.join('\n')}`);
  }
});

test('siren: on with an alarm, off when it is acknowledged, and tried again when refused', async (t) => {
  const made = await flowSite(t);
  if (made === undefined) return;
  const { site: s, device } = made;
  await load(s, 'siren', { SIREN: 'tank.siren', ON: 1, OFF: 0, RETRY_SECONDS: 0.2 });
  await device.set(0, 80);
  await waitFor('the siren', async () => (await device.get('holding', 2))[0] === 1);
  await request(s.gateway.socket, 'POST', '/api/v1/acknowledge', { rule: 'overflow' });
  await waitFor('silence', async () => (await device.get('holding', 2))[0] === 0);
  // The gateway refuses the write: the flow says so and tries again, until it is granted.
  const refusing = s.yaml('  grants: {write: [tank.speed]}');
  await s.gateway.reload(refusing);
  await device.set(0, 10);
  await waitFor('the end', async () => (await s.gateway.status()).alarms.length === 0);
  await device.set(0, 90);
  await s.gateway.waitForLog(/^the siren was not switched: /);
  assert.deepEqual(await device.get('holding', 2), [0]);
  await s.gateway.reload(s.yaml());
  await waitFor('the siren again', async () => (await device.get('holding', 2))[0] === 1);
});

test('upstream-command: a command acts once and is answered with what the device shows', async (t) => {
  const made = await flowSite(t);
  if (made === undefined) return;
  const { site: s, device } = made;
  const broker = await Mosquitto.start(t);
  if (broker === undefined) return;
  const answers = await Subscriber.start(t, broker.port, ['up/answer']);
  if (answers === undefined) return;
  const values = { MQTT_HOST: '127.0.0.1', MQTT_PORT: broker.port, COMMANDS: 'up/command', ANSWERS: 'up/answer' };
  await load(s, 'upstream-command', { ...values, ALLOWED: 'tank.speed,tank.level' });
  const send = (message: unknown, ...more: string[]): void => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const sent = spawnSync('mosquitto_pub', ['-p', String(broker.port), '-t', 'up/command', '-q', '1', '-m', text, ...more]);
    assert.equal(sent.status, 0, String(sent.stderr));
  };
  const heard = (): { id: string | null; ok: boolean; value?: number; error?: string }[] =>
    answers.messages().map(({ payload }) => JSON.parse(payload));
  const expires = Date.now() + 3_600_000;
  const first = { id: 'c-1', point: 'tank.speed', value: 42, expires };
  const answered = await waitFor('the answer', () => {
    if (heard().length === 0) send(first);
    return heard().find(({ id }) => id === 'c-1');
  });
  assert.deepEqual(answered, { id: 'c-1', ok: true, point: 'tank.speed', value: 42 });
  assert.deepEqual(await device.get('holding', 1), [42]);

  // Again: the same answer, and nothing is written.
  await device.set(1, 7);
  const before = heard().length;
  send(first);
  await waitFor('the same answer', () => heard().length > before);
  assert.deepEqual(heard().at(-1), answered);
  assert.deepEqual(await device.get('holding', 1), [7]);

  const refusals: [unknown, RegExp][] = [
    [{ id: 'c-2', point: 'tank.siren', value: 1, expires }, /tank\.siren is not in ALLOWED/],
    [{ id: 'c-3', point: 'tank.speed', value: 51, expires }, /above 50/],
    [{ id: 'c-4', point: 'tank.speed', value: 1, expires: 1000 }, /too late/],
    [{ id: 'c-5', point: 'tank.level', value: 1, expires }, /tank\.level/],
    ['no json', /not JSON/],
    [{ id: 'c-6', point: 'tank.speed', value: { deep: 1 }, expires }, /value is/],
  ];
  for (const [message, words] of refusals) {
    const n = heard().length;
    send(message);
    // The first command may have been sent more than once, and its answers come late.
    const id = typeof message === 'string' ? null : (message as { id: string }).id;
    const said = await waitFor(`a refusal ${words}`, () =>
      heard()
        .slice(n)
        .find((one) => (one.id ?? null) === id),
    );
    assert.equal(said.ok, false);
    assert.match(said.error ?? '', words);
  }
  assert.deepEqual(await device.get('holding', 1), [7]);
  assert.deepEqual(await device.get('holding', 2), [0]);
  // A retained command would act at each connect.
  send({ id: 'c-9', point: 'tank.speed', value: 9, expires }, '-r');
  send({ id: 'c-10', point: 'tank.speed', value: 10, expires });
  await waitFor('the next answer', () => heard().some(({ id }) => id === 'c-10'));
  assert.deepEqual(await device.get('holding', 1), [10]);
});

test('http-sensor: an answer is a reading, and a fault of the sensor a bad one', async (t) => {
  const made = await flowSite(t);
  if (made === undefined) return;
  const { site: s } = made;
  const bodies = ['{"temperature":{"value":21.5}}', '{"temperature":{}}', 'not json', '{"temperature":{"value":"22.25"}}'];
  const sensor = await server(t, (n) => (n === 4 ? [500, ''] : [200, bodies[n % bodies.length] ?? '']));
  const variables = { SENSOR_URL: sensor.url, KEY: 'temperature.value', TARGET: 'calc.room' };
  const nodes = await load(s, 'http-sensor', variables, ([first]) => [readyIn(first?.z)]);
  // A reading that comes before the connection is lost.
  await connected(s, 'ready');
  for (let n = 1; n <= 5; n++) {
    await click(s, nodeOf(nodes, 'each minute').id);
    await waitFor(`answer ${n}`, () => sensor.asked.length >= n);
    await waitFor(`reading ${n}`, async () => (await latest(s, 'calc.room')).length >= n);
  }
  const rows = (await latest(s, 'calc.room')).map((line) => line.split(','));
  const seen = rows.map((row) => row.filter((cell) => /^(21\.5|22\.25|good|bad|invalid|timeout)$/.test(cell)).join(' '));
  assert.deepEqual(seen.slice(0, 5), ['21.5 good', 'bad invalid', 'bad invalid', '22.25 good', 'bad timeout']);
});

test('a flow that is loaded twice is there twice, beside the flows of the user', async (t) => {
  const made = await flowSite(t);
  if (made === undefined) return;
  const { site: s } = made;
  const mine = [
    { id: 'a', type: 'tab', label: 'Siren', disabled: false, info: '', env: [] },
    { id: 'b', type: 'comment', z: 'a', name: 'mine', info: '', x: 100, y: 100, wires: [] },
  ];
  assert.equal(await s.deploy(mine), 204);
  for (const label of ['Siren (2)', 'Siren (3)']) {
    const result = (await request(s.gateway.socket, 'POST', '/api/v1/flows/load', { name: 'siren' }, DEADLINE_MS)) as FlowsResult;
    assert.deepEqual(result.added, [label]);
  }
  const all = JSON.parse((await s.ask('GET', '/flows')).body) as FlowNode[];
  assert.deepEqual(all.slice(0, 2), mine);
  assert.equal(all.filter(({ type }) => type === 'sluice-gateway').length, 1, 'both use one connection');
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  await assert.rejects(
    request(s.gateway.socket, 'POST', '/api/v1/flows/load', { name: '../water-point' }),
    /there is no shipped flow/,
  );
});
