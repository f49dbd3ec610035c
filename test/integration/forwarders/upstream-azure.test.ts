/** The recipe for Azure IoT Hub against a counterpart that limits and refuses as Microsoft documents. Tokens are checked by Python. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { MOST_PAYLOAD } from '../../../src/forwarders/mqtt/dialects/azure-iot-hub/dialect.ts';
import { ScriptedBroker } from '../../fakes/scripted-broker.ts';
import { Authority } from '../../harness/certificates.ts';
import { type RecipeOptions, RecipeSite, recipeOf, serverOf } from '../../harness/recipe-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { AzureIotHub, type HubEvent } from '../../peers/azure-iot-hub.ts';
import { peer } from '../../peers/peers.ts';

const HUB = 'contoso.azure-devices.net';
const RECIPE = recipeOf('connect-to-azure-iot-hub.md');
const KEY = randomBytes(32).toString('base64');
const HOUR = 3_600_000;
/** Tests need not wait for full batches. */
const SOON = { batch: { maxReadings: 5000, maxAge: 20 } };

/** undefined after a skip. */
async function azureSite(t: TestContext, options: Partial<RecipeOptions> & { key?: string } = {}) {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  const authority = python && Authority.make(t);
  if (python === undefined || !authority) return undefined;
  const hub = new AzureIotHub(python, HUB);
  hub.devices.set('ghat-1', { key: KEY, enabled: true });
  const server = { ...serverOf(authority.sign('hub', { names: `DNS:${HUB}` })), ca: readFileSync(authority.ca) };
  const broker = await ScriptedBroker.start(t, hub, { ...server, requestCert: true, rejectUnauthorized: false });
  const { key = KEY, change = SOON, ...rest } = options;
  const site = await RecipeSite.open(t, RECIPE, {
    ...{ port: broker.port, ca: authority.ca, files: { 'secrets/azure-device-key': key }, change },
    ...rest,
  });
  hub.now = () => site.clock.wall();
  return { hub, broker, site, authority };
}

/** As a consumer of the hub sees them: by the property `kind`. */
const onTopics = (events: readonly HubEvent[]) =>
  events.map(({ properties, payload }) => ({
    topic: `sluice/ghat-1/${properties.get('kind')}${properties.has('rule') ? `/${properties.get('rule')}` : ''}`,
    payload: payload.toString(),
  }));
const kindsOf = (events: readonly HubEvent[]) => events.map(({ properties }) => properties.get('kind'));

test('the recipe for Azure IoT Hub delivers each record once, and every message names itself', async (t) => {
  const at = await azureSite(t, { change: {} });
  if (at === undefined) return;
  const { hub, broker, site } = at;
  site.add(300);
  site.forwarder.start();
  await site.connected();
  assert.deepEqual(kindsOf(hub.events).slice(0, 2), ['status', 'inventory']);
  site.log.notice('alarm', 'high', site.clock.monotonic(), { rule: 'high', state: 'normal', time: 1 });
  site.log.notice('event', 'start', site.clock.monotonic(), { event: 'start', time: 2 });
  site.add(50);
  await site.delivered('all readings');
  await waitFor('the notices', () => ['alarm', 'event'].every((kind) => kindsOf(hub.events).includes(kind)));
  site.once(onTopics(hub.events));
  const batch = hub.events.find(({ properties }) => properties.get('kind') === 'history') ?? assert.fail('no history');
  const { log, first, last } = JSON.parse(batch.payload.toString());
  assert.deepEqual(
    [...batch.properties],
    [
      ['$.ct', 'application/json'],
      ['$.ce', 'utf-8'],
      ['$.mid', `${log}.history.${first}-${last}`],
      ['kind', 'history'],
    ],
  );
  assert.ok(
    broker.taken.some(({ topic }) => topic.startsWith('devices/ghat-1/messages/events/%24.ct=application%2Fjson&%24.ce=')),
  );
  const alarm = hub.events.find(({ properties }) => properties.get('kind') === 'alarm');
  assert.equal(alarm?.properties.get('rule'), 'high');
  await site.forwarder.stop(60_000);
  assert.equal(hub.events.at(-1)?.payload.toString(), '{"v":1,"online":false,"reason":"stopped"}');
  assert.deepEqual(hub.violations, []);
  assert.deepEqual(broker.wills, []);
});

test('tokens are renewed before they end, for half a day, and nothing is lost or said twice', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, broker, site } = at;
  site.forwarder.start();
  for (let passed = 0; passed < 12 * HOUR; passed += HOUR / 6) {
    await site.connected();
    site.add(2);
    await site.delivered(`hour ${passed / HOUR}`);
    await site.clock.skip(HOUR / 6);
    hub.tick();
  }
  await site.connected();
  site.once(onTopics(hub.events));
  assert.deepEqual(hub.violations, []);
  assert.deepEqual(broker.wills, []);
  assert.ok(hub.tokens.length >= 12, `${hub.tokens.length} tokens`);
  for (const [i, ends] of hub.tokens.entries()) assert.ok(i === 0 || ends > (hub.tokens[i - 1] ?? 0));
  assert.ok(!hub.events.some(({ payload }) => payload.includes('"online":false')));
  assert.equal(site.forwarder.status().counters.violations, 0);
});

test('batches stay below 256 kB, and a record that is larger alone is skipped and reported', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, site } = at;
  site.add(40, 50_000);
  site.forwarder.start();
  await site.delivered('large readings');
  site.once(onTopics(hub.events));
  assert.ok(Math.max(...hub.events.map(({ payload }) => payload.length)) > 100_000, 'batches are not needlessly small');
  site.add(1, 300_000);
  await site.delivered('the reading that nobody takes');
  await waitFor('the event', () => site.events.some(({ event }) => event === 'refused'));
  assert.ok(hub.events.every(({ payload }) => payload.length <= MOST_PAYLOAD));
  assert.deepEqual(hub.violations, []);
});

test('each refusal of Azure IoT Hub is in words that say what to do', async (t) => {
  const at = await azureSite(t, { key: randomBytes(32).toString('base64') });
  if (at === undefined) return;
  const { site } = at;
  site.forwarder.start();
  const says = (what: string, words: RegExp) =>
    waitFor(
      () => `${what}; it says: ${site.fault}`,
      () => words.test(site.fault),
    );
  await says(
    'a wrong key',
    /^contoso\S+ refuses the device ghat-1 \(not authorised\)\. Check .* `azure-iot-hub.key` is one of its keys$/,
  );
  site.clockKnown = false;
  await says(
    'the clock',
    /The clock of this gateway is not confirmed, and its token ends at \d{4}-\d\d-\d\dT[\d:]+Z\. If that is past, set/,
  );
  assert.ok(!site.fault.includes(KEY));
});

test('a clock that is behind has its token refused, and is named; the right time delivers', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, broker, site } = at;
  // The hub knows better.
  const ahead = 5 * HOUR;
  hub.now = () => site.clock.wall() + ahead;
  site.clockKnown = false;
  site.add(3);
  site.forwarder.start();
  await waitFor('the words', () => /The clock of this gateway is not confirmed/.test(site.fault));
  hub.now = () => site.clock.wall();
  site.clockKnown = true;
  const before = broker.connects;
  await site.connected();
  await site.delivered('what waited');
  assert.ok(broker.connects > before);
  site.once(onTopics(hub.events));
});

test('keys that are none and connection strings of others are refused in words', async (t) => {
  const text = (device: string, host = HUB) => `HostName=${host};DeviceId=${device};SharedAccessKey=${KEY}`;
  const refused: readonly [string, RegExp][] = [
    ['primary key', /is no key of a device; copy its primary key/],
    [text('ghat-2'), /belongs to another device than ghat-1/],
    [text('ghat-1', 'else.azure-devices.net'), /belongs to another hub than contoso/],
    [`HostName=${HUB};SharedAccessKeyName=iothubowner;SharedAccessKey=${KEY}`, /is not the one of a device/],
    [`HostName=${HUB};DeviceId=ghat-1`, /has no SharedAccessKey/],
  ];
  // Side by side: each waits for its own hub.
  const refusal = async ([key, words]: readonly [string, RegExp]): Promise<void> => {
    const at = await azureSite(t, { key });
    if (at === undefined) return;
    at.site.forwarder.start();
    await waitFor(
      () => `${words}; it says: ${at.site.fault}`,
      () => words.test(at.site.fault),
    );
    assert.ok(!at.site.fault.includes(KEY));
    assert.equal(at.broker.connects, 0);
    await at.site.forwarder.stop(0);
  };
  await Promise.all(refused.map(refusal));
  const at = await azureSite(t, { key: text('ghat-1') });
  at?.site.forwarder.start();
  await at?.site.connected();
});

test('a hub that hangs up without a reason is explained, and nothing is lost', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  hub.throttled = true;
  site.add(20);
  const words = /^contoso\S+ closed the connection of ghat-1\. Azure IoT Hub gives no reason\. .* metrics of the hub say which$/;
  await waitFor(
    () => `the words; it says: ${site.fault}`,
    () => words.test(site.fault),
  );
  hub.throttled = false;
  await site.delivered('all');
  for (const client of broker.clients) client.end();
  site.add(5);
  await site.delivered('all again');
  site.once(onTopics(hub.events));
});

test('direct methods and messages from the cloud become commands, and get their answers', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  const call = (request: string, name: string, payload: string) =>
    broker.send(`$iothub/methods/POST/${name}/?$rid=${request}`, payload);
  call('1', 'write', '{"target":"pump.speed","value":40}');
  call('2', 'reload', '');
  call('3', 'write', 'no json');
  call('4', 'write', JSON.stringify({ target: 'x'.repeat(131_000) }));
  call('5', 'write', '{"id":"../x","do":"reload","target":"pump.speed","value":1}');
  broker.send('devices/ghat-1/messages/devicebound/%24.mid=7', '{"id":"c2d-1","do":"read","target":"pump"}');
  for (const topic of ['$iothub/methods/POST//?$rid=9', '$iothub/methods/POST/write/', '$iothub/twin/res/200/?$rid=1', 'else'])
    broker.send(topic, '{}');
  await waitFor('the commands', () => site.asked.length === 6);
  const commands = site.asked.map(({ command: { id, ...rest } }) => rest);
  assert.deepEqual(commands[0], { target: 'pump.speed', value: 40, do: 'write' });
  assert.deepEqual(commands[1], { do: 'reload' });
  assert.deepEqual(commands[2], { 'payload that is no JSON': true, do: 'write' });
  assert.deepEqual(commands[3], { 'payload of more than 8 kB': true, do: 'write' });
  assert.deepEqual(commands[4], { target: 'pump.speed', value: 1, do: 'write' }, 'id and do are not of the payload');
  assert.deepEqual(site.asked[5]?.command, { id: 'c2d-1', do: 'read', target: 'pump' });
  const ids = site.asked.map(({ command }) => String(command.id));
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_.-]{1,64}$/);
  assert.equal(new Set(ids).size, ids.length);
  const results = [
    { ok: true },
    { ok: false, code: 'forbidden' },
    { ok: false, code: 'request-invalid' },
    { ok: true, result: 'x'.repeat(300_000) },
    { ok: false, code: 'timeout' },
    { ok: true },
  ];
  for (const [i, { caller }] of site.asked.entries())
    await caller.answer('result', ids[i] ?? '', JSON.stringify({ v: 1, id: ids[i], ...results[i] }));
  await waitFor('the answers', () => hub.answers.size === 5);
  assert.deepEqual(
    ['1', '2', '3', '4', '5'].map((request) => hub.answers.get(request)?.status),
    [200, 403, 400, 400, 504],
  );
  assert.match(hub.answers.get('4')?.payload ?? '', /the result has 300\d\d\d bytes, and the platform takes 120000 at most/);
  const answer = hub.events.find(({ properties }) => properties.get('kind') === 'result');
  assert.deepEqual([answer?.properties.get('id'), answer?.properties.get('$.mid')], ['c2d-1', 'result.c2d-1']);
  assert.deepEqual(hub.violations, []);
});

test('a hub of the basic tier takes no commands, and the words say so', async (t) => {
  const at = await azureSite(t);
  if (at === undefined) return;
  const { hub, broker, site } = at;
  hub.basic = true;
  site.forwarder.start();
  await waitFor(
    () => `the words; it says: ${site.fault}`,
    () =>
      /^contoso\S+ takes no commands for ghat-1\. Hubs of the basic tier have none; .* remove `commands` from the forwarder$/.test(
        site.fault,
      ),
  );
  await waitFor('the next try', () => broker.connects >= 2);
  assert.deepEqual(hub.violations, [], 'a refused connection is closed before the next');
});

test('a device with a certificate needs no key and no password', async (t) => {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  const authority = python && Authority.make(t);
  if (python === undefined || !authority) return;
  const hub = new AzureIotHub(python, HUB);
  hub.devices.set('ghat-1', { subject: 'ghat-1', enabled: true });
  const server = { ...serverOf(authority.sign('hub', { names: `DNS:${HUB}` })), ca: readFileSync(authority.ca) };
  const broker = await ScriptedBroker.start(t, hub, { ...server, requestCert: true, rejectUnauthorized: false });
  const own = authority.sign('ghat-1');
  const recipe = RECIPE.replace(/ {6}key: .*\n/, '').replace(
    '    azure-iot-hub:',
    '    tls: {cert: own.pem, key: own.key}\n    azure-iot-hub:',
  );
  const site = await RecipeSite.open(t, recipe, {
    ...{ port: broker.port, ca: authority.ca },
    files: { 'own.pem': readFileSync(own.cert, 'utf8'), 'own.key': readFileSync(own.key, 'utf8') },
  });
  site.forwarder.start();
  await site.connected();
  assert.deepEqual(
    [...broker.clients].map(({ password, subject }) => [password, subject]),
    [['', 'ghat-1']],
  );
  // It is switched off in the hub.
  hub.devices.set('ghat-1', { subject: 'ghat-1', enabled: false });
  for (const client of broker.clients) client.end();
  await waitFor('the words', () => /is enabled, and that it has the certificate in `tls.cert`$/.test(site.fault));
});
