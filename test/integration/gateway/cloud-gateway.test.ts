/** A whole gateway with the recipe for Azure IoT Hub: killed and started again, refused, and asked for more than it takes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { socksProxy } from '../../fakes/proxies.ts';
import { ScriptedBroker } from '../../fakes/scripted-broker.ts';
import { Authority } from '../../harness/certificates.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { recipeOf, serverOf } from '../../harness/recipe-site.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { AzureIotHub } from '../../peers/azure-iot-hub.ts';
import { peer } from '../../peers/peers.ts';

const HUB = 'contoso.azure-devices.net';

async function cloudGateway(t: TestContext) {
  const python = peer(t, 'python3', 'apt-get install -y python3');
  const authority = python && Authority.make(t);
  if (python === undefined || !authority) return undefined;
  const key = randomBytes(32).toString('base64');
  const hub = new AzureIotHub(python, HUB);
  hub.devices.set('ghat-1', { key, enabled: true });
  const broker = await ScriptedBroker.start(t, hub, serverOf(authority.sign('hub', { names: `DNS:${HUB}` })));
  const proxy = await socksProxy(t, undefined, broker.port);
  // Other than on the page: the way to the peer, and who signed it.
  const way = `    proxy: socks5://127.0.0.1:${proxy.port}\n    tls: {ca: ${authority.ca}}\n`;
  const recipe = recipeOf('connect-to-azure-iot-hub.md');
  const gateway = makeGateway(t, (g) => `${g.section}\n${recipe}${way}`);
  mkdirSync(path.join(gateway.folder, 'secrets'));
  const file = path.join(gateway.folder, 'secrets/azure-device-key');
  writeFileSync(file, key, { mode: 0o600 });
  return { key, file, hub, broker, gateway };
}

const faultOf = async (gateway: Gateway) => (await gateway.status()).forwarders[0]?.fault ?? '';
const starts = (hub: AzureIotHub) =>
  hub.events.flatMap(({ properties, payload }) =>
    properties.get('event') === 'start' ? [String(JSON.parse(payload.toString()).seq)] : [],
  );

test('a gateway that is killed comes back to the hub, and each event comes once', async (t) => {
  const at = await cloudGateway(t);
  if (at === undefined) return;
  const { key, hub, gateway } = at;
  for (let run = 1; run <= 2; run++) {
    await gateway.up();
    await waitFor(`start ${run}`, () => new Set(starts(hub)).size === run);
    await gateway.kill();
  }
  assert.deepEqual(
    hub.violations.filter((words) => words !== 'a second connection of the device'),
    [],
  );
  assert.equal(new Set(hub.tokens).size > 0, true);
  const all = [
    ...gateway.logs().map((line) => JSON.stringify(line)),
    ...gateway.stderr,
    ...hub.events.map(({ payload }) => `${payload}`),
  ];
  assert.ok(
    all.every((line) => !line.includes(key)),
    'the key is never shown',
  );
});

test('the status says why the hub refuses a gateway, and a new key helps without a reload', async (t) => {
  const at = await cloudGateway(t);
  if (at === undefined) return;
  const { key, file, hub, broker, gateway } = at;
  writeFileSync(file, randomBytes(32).toString('base64'));
  await gateway.up();
  await waitFor('the words', async () => /refuses the device ghat-1 \(not authorised\)\. /.test(await faultOf(gateway)));
  assert.equal(hub.events.length, 0);
  // No reload: the file is read at each connection.
  writeFileSync(file, key);
  await waitFor('the connection', () => broker.clients.size === 1);
  await waitFor('the event', () => starts(hub).length === 1);
  assert.equal(await faultOf(gateway), '');
});

test('a hub that calls a gateway too often loses the connection, and gets it again', async (t) => {
  const at = await cloudGateway(t);
  if (at === undefined) return;
  const { hub, broker, gateway } = at;
  await gateway.up();
  await waitFor('the event', () => starts(hub).length === 1);
  const junk = randomBytes(200);
  for (let i = 0; i < 20_000; i++)
    broker.send(`$iothub/methods/POST/${i % 2 === 0 ? 'write' : 'x'}/?$rid=${i}`, i % 3 === 0 ? junk : '{}');
  await waitFor('the words', async () => /sends too much that was not asked for/.test(await faultOf(gateway)));
  await waitFor('the next connection', () => broker.connects >= 2 && broker.clients.size === 1);
  broker.send('$iothub/methods/POST/read/?$rid=last', '{"target":"pump"}');
  await waitFor('an answer', () => hub.answers.has('last'));
  assert.equal(hub.answers.get('last')?.status === 200, false);
  const megabytes = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
  await memoryFalls(megabytes, 400, () => gateway.status());
});
