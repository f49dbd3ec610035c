/** A filter in the dialects with state of their own: births, inventories and messages of `sparkplug-b`, `aws-iot` and `azure-iot-hub`. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Shape } from '../../../src/core/point.ts';
import { type Message, type Platform, ScriptedBroker } from '../../fakes/scripted-broker.ts';
import { Authority } from '../../harness/certificates.ts';
import { RecipeSite, recipeOf, serverOf } from '../../harness/recipe-site.ts';
import { fastClock, SparkplugSite } from '../../harness/sparkplug-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { AwsIotCore } from '../../peers/aws-iot-core.ts';
import { AzureIotHub } from '../../peers/azure-iot-hub.ts';
import { peer } from '../../peers/peers.ts';

const PUMP: Shape = {
  device: 'pump',
  points: [
    { name: 'n', type: 'uint32', storage: 'number' },
    { name: 'on', type: 'bool', storage: 'boolean' },
  ],
};
const TANK: Shape = { device: 'tank', points: [{ name: 'level', type: 'uint32', storage: 'number' }] };
const FILTER = { points: ['pump.n'], severities: ['critical'] };

test('sparkplug-b: births, data and alarms are those that the filter lets through', async (t) => {
  const s = await SparkplugSite.open(t, { filter: FILTER });
  if (s === undefined) return;
  s.has(PUMP, TANK);
  const alarm = (rule: string, severity: string): void =>
    void s.log.notice('alarm', rule, fastClock.monotonic(), { rule, severity, state: 'active-unacknowledged' });
  alarm('hot', 'critical');
  alarm('dusty', 'info');
  for (let i = 0; i < 20; i++) {
    s.add(PUMP, [i, i % 2 === 0]);
    s.add(TANK, [100 + i]);
  }
  await s.log.flush();
  s.forwarder.start();
  await s.connected();
  s.add(PUMP, [20, true]);
  s.add(TANK, [120]);
  const numbers = () => s.values().map(({ of, name, value }) => `${of}.${name} ${value}`);
  const wanted = Array.from({ length: 21 }, (_, i) => `pump.n ${i}`);
  await waitFor(
    () => `the readings of one point: ${numbers()}`,
    () => wanted.every((reading) => numbers().includes(reading)),
  );
  await s.host.order({ topic: 'NCMD/g1', metrics: [{ name: 'Node Control/Rebirth', datatype: 11, boolean_value: true }] });
  await waitFor('another birth of the device', () => s.host.heard('dbirth').length >= 2);
  await waitFor('the alarm', () => JSON.stringify(s.host.lines()).includes('hot'));
  for (const birth of s.host.heard('dbirth')) assert.equal(birth.device, 'pump');
  const text = JSON.stringify(s.host.lines());
  for (const never of ['tank', 'level', 'dusty', '"on"']) assert.ok(!text.includes(never), never);
  assert.deepEqual([...new Set(numbers())].sort(), wanted.sort());
  assert.deepEqual(s.host.violations, []);
});

const INVENTORY = JSON.stringify({
  v: 1,
  revision: 1,
  devices: {
    pump: { bus: 'field', points: { n: { type: 'uint32' }, text: { type: 'string' } } },
    tank: { bus: 'field', points: { level: { type: 'uint32' } } },
  },
});

/** Readings of two devices and alarms of two severities leave through a filter. @param all what came */
async function filtered(site: RecipeSite, all: () => { topic: string; payload: string }[]): Promise<void> {
  const alarm = (rule: string, severity: string): void =>
    void site.log.notice('alarm', rule, site.clock.monotonic(), { rule, severity, state: 'normal', time: 1 });
  site.forwarder.start();
  await site.connected();
  site.add(5, 3);
  alarm('dusty', 'info');
  assert.ok(site.log.append({ shape: TANK, at: site.clock.monotonic(), values: [77], reasons: null }));
  alarm('hot', 'critical');
  site.add(5, 3);
  const records = () =>
    all().flatMap(({ topic, payload }) =>
      /(data|history)$/.test(topic) ? (JSON.parse(payload).records as { seq: number; device: string; values: object }[]) : [],
    );
  await waitFor(
    () => `ten records: ${JSON.stringify(records())}`,
    () => records().length === 10,
  );
  await waitFor('the alarm', () => all().some(({ topic }) => topic.endsWith('/alarm/hot')));
  assert.deepEqual(
    records().map(({ device, values }) => [device, values]),
    Array.from({ length: 10 }, (_, n) => ['pump', { n }]),
  );
  const inventories = all().filter(({ topic }) => topic.endsWith('/inventory'));
  assert.deepEqual(
    inventories.map(({ payload }) => JSON.parse(payload).devices),
    inventories.map(() => ({ pump: { bus: 'field', points: { n: { type: 'uint32' } } } })),
  );
  assert.ok(inventories.length > 0);
  assert.ok(!all().some(({ topic }) => topic.endsWith('/alarm/dusty')));
  assert.ok(all().every(({ payload }) => !payload.includes('tank') && !payload.includes('xxx')));
}

async function opened(t: TestContext, page: string, platform: Platform, name: string, files: Record<string, string>) {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const server = { ...serverOf(authority.sign('far', { names: `DNS:${name}` })), ca: readFileSync(authority.ca) };
  const broker = await ScriptedBroker.start(t, platform, { ...server, requestCert: true, rejectUnauthorized: false });
  const own = authority.sign('ghat-1');
  const certificate = {
    'secrets/ghat-1.pem': readFileSync(own.cert, 'utf8'),
    'secrets/ghat-1.key': readFileSync(own.key, 'utf8'),
  };
  const site = await RecipeSite.open(t, recipeOf(page), {
    ...{ port: broker.port, ca: authority.ca, files: { ...certificate, ...files } },
    change: { batch: { maxReadings: 1000, maxAge: 20 }, filter: FILTER },
    special: { inventory: () => INVENTORY },
  });
  return { broker, site };
}

test('aws-iot: inventory, readings and alarms are those that the filter lets through', async (t) => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/how-to/connect-to-aws-iot-core.md'), 'utf8');
  const name = 'a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com';
  const aws = new AwsIotCore(name, /```json\n(\{[\s\S]*?\n\})\n```/.exec(page)?.[1] ?? '');
  aws.certificates.add('ghat-1');
  const at = await opened(t, 'connect-to-aws-iot-core.md', aws, name, {});
  if (at === undefined) return;
  await filtered(at.site, () =>
    at.broker.taken.map(({ topic, payload }: Message) => ({ topic: `/${topic}`, payload: payload.toString() })),
  );
  assert.deepEqual(aws.violations, []);
});

test('azure-iot-hub: inventory, readings and alarms are those that the filter lets through', async (t) => {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  if (python === undefined) return;
  const name = 'contoso.azure-devices.net';
  const key = randomBytes(32).toString('base64');
  const hub = new AzureIotHub(python, name);
  hub.devices.set('ghat-1', { key, enabled: true });
  const at = await opened(t, 'connect-to-azure-iot-hub.md', hub, name, { 'secrets/azure-device-key': key });
  if (at === undefined) return;
  hub.now = () => at.site.clock.wall();
  await filtered(at.site, () =>
    hub.events.map(({ properties, payload }) => ({
      topic: `/${properties.get('kind')}${properties.has('rule') ? `/${properties.get('rule')}` : ''}`,
      payload: payload.toString(),
    })),
  );
});
