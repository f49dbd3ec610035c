/** The recipes for ThingsBoard, HiveMQ and EMQX against counterparts that limit and refuse as their makers document. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { parse } from 'yaml';
import { attributeParts } from '../../../src/forwarders/mqtt/dialects/thingsboard/attributes.ts';
import { type Message, type Platform, ScriptedBroker } from '../../fakes/scripted-broker.ts';
import { Authority } from '../../harness/certificates.ts';
import { type RecipeOptions, RecipeSite, recipeOf, serverOf } from '../../harness/recipe-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { LimitedBroker, ThingsBoardServer } from '../../peers/rated-brokers.ts';
import { ThingsBoard } from '../../peers/thingsboard.ts';

const SOON = { batch: { maxReadings: 1000, maxAge: 20 } };

/** undefined after a skip. */
async function recipeSite(t: TestContext, page: string, platform: Platform, options: Partial<RecipeOptions> = {}) {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const recipe = recipeOf(page);
  const [{ url }] = Object.values((parse(recipe) as { forwarders: Record<string, { url: string }> }).forwarders) as [
    { url: string },
  ];
  const server = serverOf(authority.sign('broker', { names: `DNS:${new URL(url).hostname}` }));
  const broker = await ScriptedBroker.start(t, platform, server);
  const site = await RecipeSite.open(t, recipe, { port: broker.port, ca: authority.ca, change: SOON, ...options });
  return {
    broker,
    site,
    says: (what: string, words: RegExp) =>
      waitFor(
        () => `${what}; it says: ${site.fault}`,
        () => words.test(site.fault),
      ),
  };
}

const messages = (taken: readonly Message[]) => taken.map(({ topic, payload }) => ({ topic, payload: payload.toString() }));
const PASSWORDS = { 'secrets/hivemq-password': 'secret-1', 'secrets/emqx-password': 'secret-1' };

const BROKERS = [
  // As they are without other settings; packets are smaller, so that a test reaches the limit.
  {
    name: 'HiveMQ',
    page: 'connect-to-hivemq.md',
    limits: { receiveMaximum: 10, topicAliasMaximum: 5, maximumPacketSize: 40_000 },
  },
  {
    name: 'EMQX',
    page: 'connect-to-emqx.md',
    limits: { receiveMaximum: 32, topicAliasMaximum: 65_535, maximumPacketSize: 50_000 },
  },
] as const;

for (const { name, page, limits } of BROKERS) {
  const open = async (t: TestContext, options: Partial<RecipeOptions> = {}) => {
    const platform = new LimitedBroker(limits);
    platform.users.set('ghat-1', 'secret-1');
    const at = await recipeSite(t, page, platform, { files: PASSWORDS, ...options });
    return at === undefined ? undefined : { ...at, platform };
  };

  test(`the recipe for ${name} delivers each record once, within every limit of the broker`, async (t) => {
    const at = await open(t);
    if (at === undefined) return;
    const { broker, platform, site } = at;
    site.add(3000);
    site.forwarder.start();
    await site.connected();
    // More topics than aliases, and more messages than may be under way.
    for (let i = 0; i < 60; i++)
      site.log.notice('alarm', `rule-${i % 12}`, site.clock.monotonic(), { rule: `rule-${i % 12}`, state: 'normal', time: i });
    site.add(10, 5000);
    await site.delivered('all readings');
    await waitFor('the alarms', () => broker.taken.filter(({ topic }) => topic.includes('/alarm/')).length === 60);
    site.once(messages(broker.taken));
    site.add(1, 2 * limits.maximumPacketSize);
    await site.delivered('the reading that the broker never takes');
    await waitFor('the event', () => site.events.some(({ event }) => event === 'refused'));
    assert.deepEqual(platform.violations, []);
    assert.equal(broker.connects, 1);
    broker.send('sluice/ghat-1/command', '{"id":"a1","do":"read","target":"pump"}');
    await waitFor('the command', () => site.asked.length === 1);
  });

  test(`what ${name} refuses is explained, and delivered when it is allowed again`, async (t) => {
    const at = await open(t, { files: { ...PASSWORDS, 'secrets/hivemq-password': 'old', 'secrets/emqx-password': 'old' } });
    if (at === undefined) return;
    const { broker, platform, site, says } = at;
    site.add(5);
    site.forwarder.start();
    await says('a wrong password', /the user name or the password is wrong; correct `username` and `password`/);
    platform.users.set('ghat-1', 'old');
    platform.refuses = 0x8a;
    await says('a ban', /banned \(code 138\); ask the operator of the broker to admit this gateway again/);
    platform.refuses = 0x97;
    await says('a full cluster', /quota exceeded \(code 151\)/);
    platform.refuses = undefined;
    platform.answers = { topic: /history/, verdict: { code: 0x97, said: 'limiter' } };
    await says('a limiter', /a message on sluice\/ghat-1\/history: quota exceeded \(code 151\).*"limiter"/);
    platform.answers = { topic: /history/, verdict: { code: 0x87, said: '' } };
    await says('a rule', /not authorized \(code 135\); allow this gateway to connect, and to publish on its topics/);
    platform.answers = { topic: /history/, verdict: { disconnect: 0x87, said: 'denied' } };
    await says('a rule that disconnects', /the broker ended the connection: not authorized \(code 135\).*"denied"/);
    platform.answers = undefined;
    await site.connected();
    await site.delivered('all readings');
    site.once(messages(broker.taken));
    assert.deepEqual(platform.violations, []);
    assert.equal(site.events.length, 0, 'nothing was skipped');
  });
}

test('the recipe for ThingsBoard delivers each reading, below its size and its rate', async (t) => {
  const platform = new ThingsBoardServer();
  platform.tokens.set('token-1', true);
  // As many as the recipe allows itself, and the two that a late timer may bring together.
  platform.perSecond = 10;
  const at = await recipeSite(t, 'connect-to-thingsboard.md', platform, { files: { 'secrets/thingsboard-token': 'token-1\n' } });
  if (at === undefined) return;
  const { broker, site } = at;
  for (let n = 0; n < 5; n++) {
    // The platform keeps one value for each key and millisecond.
    await site.clock.skip(5);
    site.add(1, 30_000);
  }
  for (let i = 0; i < 12; i++)
    site.log.notice('alarm', `rule-${i}`, site.clock.monotonic(), { rule: `rule-${i}`, state: 'normal', time: i });
  site.forwarder.start();
  await site.connected();
  await site.delivered('all readings');
  await waitFor('the alarms', () => broker.taken.filter(({ topic }) => topic === 'v1/devices/me/telemetry').length === 12);
  const far = new ThingsBoard().take(broker.taken.map(({ topic, payload }) => ({ topic, bytes: payload })));
  const numbers = [...far.values].flatMap(([key, value]) => (key.startsWith('pump n ') ? [Number(value)] : []));
  assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
  site.add(1, 90_000);
  await site.delivered('the reading that nobody takes');
  await waitFor('the event', () => site.events.some(({ event }) => event === 'refused'));
  assert.deepEqual(platform.violations, []);
});

test('what ThingsBoard refuses without a word is explained', async (t) => {
  const platform = new ThingsBoardServer();
  const files = { 'secrets/thingsboard-token': 'token-1' };
  const at = await recipeSite(t, 'connect-to-thingsboard.md', platform, { files, special: { ackTimeout: 500 } });
  if (at === undefined) return;
  const { broker, site, says } = at;
  site.add(3);
  site.forwarder.start();
  await says('an unknown token', /not authorised.*In ThingsBoard the user name is the access token of the device; copy it again/);
  platform.tokens.set('token-1', false);
  await says('a device that is no gateway', /ThingsBoard is silent when the device is no gateway; switch on "Is gateway"/);
  platform.tokens.set('token-1', true);
  platform.perSecond = 0;
  await says(
    'a rate',
    /^ThingsBoard closed the connection\. .* rate limits of its tenant profile allow: write `thingsboard: \{perSecond: …\}`/,
  );
  platform.perSecond = Number.POSITIVE_INFINITY;
  await site.connected();
  await site.delivered('all readings');
  assert.ok(broker.taken.some(({ topic }) => topic === 'v1/gateway/telemetry'));
});

test('attributes of a large site come in messages that the platform takes', () => {
  const values = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`point-${i}.type`, 'uint32']));
  // A name that every object has.
  const names = [...Array.from({ length: 20 }, (_, i) => `device-${i}`), 'constructor'];
  const devices = names.map((name) => [name, values] as const);
  const parts = [...attributeParts([...devices, ['huge', { text: 'x'.repeat(5000), bus: 'field' }]], 4000)];
  assert.ok(parts.length > 20);
  const together = new Map<string, object>();
  for (const part of parts) {
    assert.ok(Buffer.byteLength(JSON.stringify(part)) <= 4000);
    for (const [device, of] of Object.entries(part)) together.set(device, { ...together.get(device), ...of });
  }
  assert.deepEqual(together, new Map<string, object>([...devices, ['huge', { bus: 'field' }]]));
  assert.deepEqual([...attributeParts([], 4000)], []);
});
