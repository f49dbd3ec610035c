/** The recipe for AWS IoT Core, with the policy of its page, against a counterpart that limits and refuses as AWS documents. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { InventoryTopics } from '../../../src/forwarders/mqtt/dialects/aws-iot/inventory-topics.ts';
import { type Message, ScriptedBroker } from '../../fakes/scripted-broker.ts';
import { Authority } from '../../harness/certificates.ts';
import { type RecipeOptions, RecipeSite, recipeOf, serverOf } from '../../harness/recipe-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { AwsIotCore } from '../../peers/aws-iot-core.ts';

const PAGE = 'connect-to-aws-iot-core.md';
const ENDPOINT = 'a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com';
const text = readFileSync(path.join(import.meta.dirname, '../../../docs/how-to', PAGE), 'utf8');
const POLICY = /```json\n(\{[\s\S]*?\n\})\n```/.exec(text)?.[1] ?? assert.fail('the page has no policy');
const SOON = { batch: { maxReadings: 2000, maxAge: 20 } };

interface Options extends Partial<RecipeOptions> {
  readonly policy?: string;
  readonly yaml?: (recipe: string) => string;
}

/** undefined after a skip. */
async function awsSite(t: TestContext, { policy = POLICY, yaml = (recipe) => recipe, ...options }: Options = {}) {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const aws = new AwsIotCore(ENDPOINT, policy);
  aws.certificates.add('ghat-1');
  const server = { ...serverOf(authority.sign('aws', { names: `DNS:${ENDPOINT}` })), ca: readFileSync(authority.ca) };
  const ALPNProtocols = ['x-amzn-mqtt-ca'];
  const broker = await ScriptedBroker.start(t, aws, { ...server, requestCert: true, rejectUnauthorized: true, ALPNProtocols });
  const own = authority.sign('ghat-1');
  const files = { 'secrets/ghat-1.pem': readFileSync(own.cert, 'utf8'), 'secrets/ghat-1.key': readFileSync(own.key, 'utf8') };
  const site = await RecipeSite.open(t, yaml(recipeOf(PAGE)), {
    ...{ port: broker.port, ca: authority.ca, files, change: SOON },
    ...options,
  });
  return { aws, broker, site };
}

const messages = (taken: readonly Message[], prefix = '') =>
  taken.flatMap(({ topic, payload }) =>
    prefix === '' || topic.startsWith(prefix) ? [{ topic: topic.slice(prefix.length), payload: payload.toString() }] : [],
  );

test('the recipe for AWS IoT Core delivers each record once, with the policy of its page', async (t) => {
  const at = await awsSite(t, { change: {} });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  site.add(300);
  site.forwarder.start();
  await site.connected();
  site.log.notice('alarm', 'high', site.clock.monotonic(), { rule: 'high', state: 'normal', time: 1 });
  site.add(50);
  await site.delivered('all readings');
  const alarm = await broker.message('the alarm', /^sluice\/ghat-1\/alarm\/high$/);
  assert.ok(alarm.retain);
  site.once(messages(broker.taken));
  assert.deepEqual(
    broker.taken.slice(0, 2).map(({ topic, retain }) => [topic, retain]),
    [
      ['sluice/ghat-1/status', true],
      ['sluice/ghat-1/inventory', true],
    ],
  );
  broker.send('sluice/ghat-1/command', '{"id":"a1","do":"read","target":"pump"}');
  await waitFor('the command', () => site.asked.length === 1);
  const answered = site.asked[0]?.caller.answer(
    'result',
    'a1',
    JSON.stringify({ v: 1, id: 'a1', ok: true, result: 'x'.repeat(200_000) }),
  );
  await answered;
  const result = await broker.message('the result', /^sluice\/ghat-1\/result\/a1$/);
  assert.match(result.payload.toString(), /the result has 200\d\d\d bytes, and the platform takes 128000 at most/);
  await site.forwarder.stop(5000);
  assert.deepEqual(aws.violations, []);
  assert.deepEqual(broker.wills, []);
});

test('basic ingest takes batches past the broker, and nothing is retained on request', async (t) => {
  const policy = POLICY.replace(
    '    {"Effect": "Allow", "Action": "iot:RetainPublish"',
    '    {"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:R:A:topic/$aws/rules/sluice_readings/sluice/ghat-1/*"},\n    {"Effect": "Deny", "Action": "-"',
  );
  const ours = '    aws-iot: {basicIngest: sluice_readings, retain: false}\n';
  const at = await awsSite(t, { policy, yaml: (recipe) => recipe + ours });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  site.add(100);
  site.log.notice('alarm', 'high', site.clock.monotonic(), { rule: 'high', state: 'normal', time: 1 });
  await site.delivered('all readings');
  await broker.message('the alarm', /^sluice\/ghat-1\/alarm\/high$/);
  site.once(messages(broker.taken, '$aws/rules/sluice_readings/'));
  assert.ok(broker.taken.every(({ retain }) => !retain));
  assert.deepEqual(aws.violations, []);
});

test('batches stay below 128 kB, an inventory comes in parts, and quotas are never exceeded', async (t) => {
  const points = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`point-${i}`, { type: 'uint32', unit: 'Cel', writable: false }]),
  );
  const devices = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`device-${i}`, { bus: 'field', points }]));
  const large = JSON.stringify({ v: 1, revision: 7, devices: { ...devices, huge: { text: 'x'.repeat(200_000) } } });
  const at = await awsSite(t, { special: { inventory: () => large } });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  const parts = broker.taken
    .filter(({ topic }) => topic.startsWith('sluice/ghat-1/inventory/'))
    .map(({ payload }) => JSON.parse(payload.toString()));
  assert.ok(parts.length > 1);
  assert.deepEqual(
    parts.map(({ part, parts, revision }) => [part, parts, revision]),
    parts.map((_, i) => [i + 1, parts.length, 7]),
  );
  assert.deepEqual(Object.assign({}, ...parts.map((part) => part.devices)), devices);
  assert.deepEqual(
    site.events.map(({ event }) => event),
    ['overload'],
  );
  site.add(20, 30_000);
  // One topic each, so that nothing but the allowance holds them back; and one topic that repeats.
  for (let i = 0; i < 150; i++)
    site.log.notice('alarm', `rule-${i}`, site.clock.monotonic(), { rule: `rule-${i}`, state: 'normal', time: i });
  for (let i = 0; i < 3; i++)
    site.log.notice('alarm', 'flaps', site.clock.monotonic(), { rule: 'flaps', state: 'normal', time: i });
  await site.delivered('large readings');
  await waitFor('the alarms', () => broker.taken.filter(({ topic }) => topic.includes('/alarm/')).length === 153);
  site.once(messages(broker.taken));
  site.add(1, 200_000);
  await site.delivered('the reading that nobody takes');
  await waitFor('the event', () => site.events.some(({ event }) => event === 'refused'));
  assert.deepEqual(aws.violations, []);
});

test('an inventory that shrinks or grows leaves no old part behind, also after a restart', async (t) => {
  const devices = (count: number) =>
    JSON.stringify({
      v: 1,
      revision: count,
      devices: Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${i}`, { points: {}, text: 'x'.repeat(30_000) }])),
    });
  let inventory = devices(9);
  const memories = new Map<string, unknown>();
  const memory = (name: string) => ({
    load: () => memories.get(name),
    save: (state: unknown) => void memories.set(name, structuredClone(state)),
  });
  const at = await awsSite(t, { special: { inventory: () => inventory, memory } });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  const retained = () => {
    const kept = new Map<string, string>();
    for (const { topic, payload, retain } of broker.taken)
      if (retain && topic.startsWith('sluice/ghat-1/inventory')) kept.set(topic.slice(14), payload.toString());
    return [...kept].filter(([, payload]) => payload !== '').map(([topic, payload]) => [topic, JSON.parse(payload).revision]);
  };
  const becomes = async (count: number, parts: number): Promise<void> => {
    inventory = devices(count);
    site.forwarder.republish([]);
    const wanted = Array.from({ length: parts }, (_, i) => [parts === 1 ? 'inventory' : `inventory/${i + 1}`, count]);
    await waitFor(
      () => `${count} devices: ${JSON.stringify(retained())}`,
      () => JSON.stringify(retained().sort()) === JSON.stringify(wanted),
    );
  };
  site.forwarder.start();
  await site.connected();
  await becomes(9, 3);
  await becomes(5, 2);
  await becomes(1, 1);
  await becomes(10, 3);
  assert.deepEqual(memories.get('aws'), { whole: false, parts: 3 });
  // What the last run retained is cleared by the next one.
  await site.forwarder.stop(5000);
  memories.set('aws', { whole: true, parts: 4 });
  const again = new InventoryTopics(memory('aws'));
  const message = { topic: 't', payload: '', qos: 1, retain: true } as const;
  const sent = [...again.messages(message, ['a', 'b'])];
  assert.deepEqual(
    sent.map(({ topic, payload }) => [topic, payload]),
    [
      ['t/1', 'a'],
      ['t/2', 'b'],
      ['t', ''],
      ['t/3', ''],
      ['t/4', ''],
    ],
  );
  assert.deepEqual(memories.get('aws'), { whole: true, parts: 4 }, 'not before the last one is cleared');
  sent.at(-1)?.taken?.();
  assert.deepEqual(memories.get('aws'), { whole: false, parts: 2 });
  // Whatever a damaged memory says is bounded.
  for (const saved of [undefined, null, 7, 'x', { parts: -1 }, { parts: 1.5 }, { whole: 1, parts: 1e9 }, { parts: Number.NaN }]) {
    memories.set('aws', saved);
    assert.ok([...new InventoryTopics(memory('aws')).messages(message, ['a'])].length <= 1001);
  }
  assert.deepEqual(aws.violations, []);
});

test('each refusal of AWS IoT Core is in words that say what to do', async (t) => {
  const refused: readonly [string, Options, RegExp, ((at: NonNullable<Awaited<ReturnType<typeof awsSite>>>) => void)?][] = [
    [
      'a certificate that is not active',
      {},
      /^AWS IoT Core does not take this gateway\. Check in AWS that the certificate in `tls.cert` is active, .* iot:Connect for the client id sluice-ghat-1-aws \(/,
      ({ aws }) => aws.certificates.clear(),
    ],
    [
      'no right to connect',
      { policy: POLICY.replace('client/sluice', 'client/else') },
      /allows iot:Connect for the client id sluice-ghat-1-aws/,
    ],
    ['no right to leave a will', { policy: POLICY.replace('"iot:Publish"', '"-"') }, /^AWS IoT Core does not take this gateway/],
    [
      'no right to publish',
      { policy: POLICY.replace(/("iot:Publish".*ghat-1\/)\*/, '$1status') },
      /^AWS IoT Core closed the connection before it took a message on sluice\/ghat-1\/inventory\. Allow iot:Publish/,
    ],
    ['no right to subscribe', { policy: POLICY.replace('"iot:Subscribe"', '"-"') }, /lacks iot:Subscribe|Allow iot:Subscribe/],
    [
      'no right to subscribe, said with MQTT 5',
      { policy: POLICY.replace('"iot:Subscribe"', '"-"'), change: { ...SOON, protocol: 5 } },
      /^the broker refuses a subscription: not authorized \(code 135\).*Allow iot:Subscribe and iot:Receive .* or remove `commands`/,
    ],
    [
      'no right to connect, said with MQTT 5',
      { policy: POLICY.replace('client/sluice', 'client/else'), change: { ...SOON, protocol: 5 } },
      /allows iot:Connect .*not authori[sz]ed/,
    ],
    [
      'a client id that is too long',
      { change: { ...SOON, clientId: 'x'.repeat(129) } },
      /has more than 128 bytes; write a shorter one as `clientId`/,
    ],
  ];
  // Side by side: each waits for its own broker.
  const refusal = async ([what, options, words, before]: (typeof refused)[number]): Promise<void> => {
    const at = await awsSite(t, options);
    if (at === undefined) return;
    before?.(at);
    at.site.forwarder.start();
    await waitFor(
      () => `${what}: ${words}; it says: ${at.site.fault}`,
      () => words.test(at.site.fault),
    );
    assert.deepEqual(at.aws.violations, []);
    await at.site.forwarder.stop(0);
  };
  await Promise.all(refused.map(refusal));
});

test('what AWS drops in silence is sent again, and the words name the quota', async (t) => {
  const at = await awsSite(t, { special: { ackTimeout: 300 } });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  aws.throttled = true;
  site.add(20);
  await waitFor(
    () => `the words; it says: ${site.fault}`,
    () =>
      /did not acknowledge within 0\.3 s\. AWS IoT Core drops messages in silence .* \(PublishIn\.Throttle\) say so$/.test(
        site.fault,
      ),
  );
  aws.throttled = false;
  await site.delivered('all');
  site.once(messages(broker.taken));
  assert.deepEqual(aws.violations, []);
});

test('with MQTT 5 a quota keeps the connection, and its limits are held', async (t) => {
  const at = await awsSite(t, { change: { ...SOON, protocol: 5 } });
  if (at === undefined) return;
  const { aws, broker, site } = at;
  site.forwarder.start();
  await site.connected();
  aws.throttled = true;
  site.add(20);
  await waitFor('the words', () => /quota exceeded \(code 151\)/.test(site.fault));
  aws.throttled = false;
  await site.delivered('all');
  site.once(messages(broker.taken));
  assert.equal(broker.connects, 1);
  assert.deepEqual(aws.violations, []);
});

test('port 443 is asked for MQTT by its name', async (t) => {
  const at = await awsSite(t, { yaml: (recipe) => recipe.replace('amazonaws.com\n', 'amazonaws.com:443\n') });
  if (at === undefined) return;
  at.aws.web = true;
  at.site.forwarder.start();
  await at.site.connected();
  assert.deepEqual(
    [...at.broker.clients].map(({ alpn }) => alpn),
    ['x-amzn-mqtt-ca'],
  );
});
