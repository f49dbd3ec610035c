import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { formatFault } from '../../../src/config/fault.ts';
import type { ResolvedBus, ResolvedDevice } from '../../../src/config/kinds.ts';
import { loadConfig, loadConfigText } from '../../../src/config/load.ts';
import { SecretText } from '../../../src/core/secret.ts';
import { testKinds } from '../../fakes/kinds.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'sluice-config-'));
after(() => rmSync(dir, { recursive: true }));
mkdirSync(path.join(dir, 'library/acme'), { recursive: true });
mkdirSync(path.join(dir, 'profiles'));
const head = 'vendor: Acme\nmodel: T1\ntitle: test device\nsources: [a test]\n';
writeFileSync(
  path.join(dir, 'library/acme/base.yaml'),
  `${head}family: modbus
line: {baudRate: 2400, parity: none}
device: {interval: 30s, maxRead: 20}
defaults: {table: input, type: int16}
points:
  temperature: {address: 1, scale: 0.1, unit: Cel, range: {min: -40, max: 80}}
  humidity: {address: 2, unit: '%'}
`,
);
writeFileSync(
  path.join(dir, 'profiles/child.yaml'),
  `${head}extends: base
device: {interval: 5s}
defaults: {type: uint16}
points:
  humidity: null
  temperature: {address: 9}
  dew-point: {address: 3, type: float32}
`,
);
writeFileSync(path.join(dir, 'profiles/broken-but-unused.yaml'), 'vendor: [\n');

const options = { profileDirs: [path.join(dir, 'library')], env: { PASS: 'hunter2' } };
const buses = 'gateway: {id: g1}\nbuses:\n  field: {protocol: modbus-rtu, port: /dev/ttyUSB0}\n';
const load = (text: string) => loadConfigText(text, path.join(dir, 'gateway.yaml'), testKinds, options);
const good = (text: string) => {
  const { config, faults, warnings } = load(text);
  assert.deepEqual(faults.map(formatFault), []);
  assert.ok(config !== undefined);
  return { config, warnings: warnings.map((w) => w.message) };
};
const faultsOf = (text: string) => load(text).faults.map((f) => `${path.basename(f.file)}:${f.line}: ${f.message}`);

test('the smallest configuration gets every default', () => {
  const { config } = good('gateway: {id: g1}\n');
  assert.deepEqual(config.gateway, {
    id: 'g1',
    language: 'en',
    clockHold: 300_000,
    led: true,
    stateDir: '/var/lib/sluice',
    runtimeDir: undefined,
  });
  assert.deepEqual(config.buffer, {
    maxSize: 256 * 1024 ** 2,
    maxAge: 30 * 86_400_000,
    minFree: 64 * 1024 ** 2,
    commitEvery: 10_000,
  });
  assert.deepEqual([config.broker, config.dashboard], [undefined, undefined]);
  assert.deepEqual([config.buses.size, config.devices.size, config.rules.size, config.forwarders.size], [0, 0, 0, 0]);
});

test('an empty section of broker or dashboard means all defaults', () => {
  const { config } = good('gateway: {id: g1}\nbroker:\ndashboard: {listen: {port: 9090}}\n');
  assert.deepEqual(config.broker, { listen: [{ host: '127.0.0.1', port: 1883 }], maxPacket: 262_144 });
  assert.deepEqual(config.dashboard, { listen: [{ host: '127.0.0.1', port: 9090 }], names: [], announce: true });
});

test('a broker may have several addresses, with TLS of its own or of two files', () => {
  const { config } = good(`gateway: {id: g1}
broker:
  listen:
    - {port: 1883}
    - {port: 8883, tls: true}
    - {host: '::1', port: 8884, tls: {cert: mine/board.crt, key: /etc/board.key}}
`);
  assert.deepEqual(config.broker?.listen, [
    { host: '127.0.0.1', port: 1883 },
    { host: '127.0.0.1', port: 8883, tls: true },
    { host: '::1', port: 8884, tls: { cert: path.join(dir, 'mine/board.crt'), key: '/etc/board.key' } },
  ]);
});

test('a relative stateDir starts at the folder of the file', () => {
  assert.equal(good('gateway: {id: g1, stateDir: state}\n').config.gateway.stateDir, path.join(dir, 'state'));
});

test('a profile brings points and settings; the configuration changes, adds and removes keys', () => {
  const { config, warnings } = good(`${buses}devices:
  fridge:
    bus: field
    unit: 3
    profile: base
    interval: 1s
    points:
      temperature: {scale: 0.01, unit: K, range: null}
      humidity: null
      extra: {address: 7}
`);
  const device = config.devices.get('fridge');
  assert.deepEqual(device?.settings, { unit: 3, interval: 1000, maxRead: 20 });
  assert.deepEqual(
    [...(device?.points ?? [])],
    [
      ['temperature', { table: 'input', type: 'int16', address: 1, scale: 0.01, unit: 'K' }],
      ['extra', { table: 'input', type: 'int16', address: 7 }],
    ],
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /Acme T1: its baudRate is 2400 when it is delivered, but the bus field has 9600/);
});

test('a profile extends another one: defaults, points and settings are inherited and changed', () => {
  const { config } = good(`${buses}devices:\n  x: {bus: field, unit: 1, profile: child}\n`);
  const device = config.devices.get('x');
  assert.deepEqual(device?.settings, { unit: 1, interval: 5000, maxRead: 20 });
  assert.deepEqual(
    [...(device?.points ?? [])],
    [
      ['temperature', { table: 'input', type: 'uint16', address: 9, scale: 0.1, unit: 'Cel', range: { min: -40, max: 80 } }],
      ['dew-point', { table: 'input', type: 'float32', address: 3 }],
    ],
  );
});

test('a profile that nobody names is not read', () => {
  good(buses);
});

test('faults of checkDevice stand where the key was written', () => {
  assert.deepEqual(
    faultsOf(`${buses}devices:\n  x:\n    bus: field\n    unit: 1\n    points:\n      a: {table: coil, address: 1}\n`),
    ['gateway.yaml:9: a coil is a bool; write type: bool'],
  );
});

test("a driver's budget of a bus is returned, and its warning stands at that bus", () => {
  const asked: string[] = [];
  const drivers = testKinds.drivers.map((driver) => ({
    ...driver,
    budget: (bus: ResolvedBus, devices: readonly ResolvedDevice[]) => {
      asked.push(`${bus.name}: ${devices.map((d) => d.name).join(' ')}`);
      const warning = devices.length > 1 ? 'too much' : undefined;
      const sums = { registers: 0, bits: 0, bytes: 0, cycle: 1, utilisation: 2 };
      return { bus: bus.name, wire: 'wire', requests: [], answers: [], ...sums, warning };
    },
  }));
  const text = `${buses}  other: {protocol: modbus-tcp, host: h}
  empty: {protocol: modbus-tcp, host: i}
devices:
  x: {bus: field, unit: 1, profile: base}
  y: {bus: other, unit: 1, profile: base}
  z: {bus: field, unit: 2, profile: base}
`;
  const loaded = (what: string) => loadConfigText(what, path.join(dir, 'gateway.yaml'), { ...testKinds, drivers }, options);
  const { budgets, warnings, config } = loaded(text);
  assert.ok(config !== undefined);
  assert.deepEqual(asked, ['field: x z', 'other: y']);
  assert.deepEqual(
    budgets.map((b) => b.bus),
    ['field', 'other'],
  );
  assert.deepEqual(
    warnings.map((w) => `${w.line}:${w.column} ${w.path}: ${w.message}`.slice(0, 38)),
    ['3:3 buses.field: too much', '7:37 devices.x.profile: Acme T1: its b', '9:37 devices.z.profile: Acme T1: its b'],
  );
  assert.deepEqual(loaded(`${text}wrong: 1\n`).budgets, []);
  assert.equal(asked.length, 2, 'of a configuration with faults nobody is asked');
});

test('rules come out resolved', () => {
  const { config } = good(`${buses}devices: {x: {bus: field, unit: 1, profile: base}}
rules:
  warm: {point: x.temperature, above: 8, deadband: 0.5, onDelay: 10h, severity: critical}
  gone: {point: x.humidity, stale: 5m}
`);
  assert.deepEqual(config.rules.get('warm'), {
    name: 'warm',
    device: 'x',
    point: 'temperature',
    kind: 'above',
    setting: 8,
    deadband: 0.5,
    onDelay: 36_000_000,
    offDelay: 0,
    severity: 'critical',
    message: undefined,
  });
  assert.equal(config.rules.get('gone')?.setting, 300_000);
  assert.equal(config.rules.get('gone')?.severity, 'warning');
});

test('a rule about a device that has faults is not complained about', () => {
  const faults = faultsOf(
    `${buses}devices: {x: {bus: fild, unit: 1, profile: base}}\nrules: {a: {point: x.nothing, above: 1}}\n`,
  );
  assert.equal(faults.length, 1);
  assert.match(faults[0] ?? '', /no bus "fild"/);
});

test('secrets are read from files, the environment and the text, and are never shown', () => {
  const file = path.join(dir, 'pass');
  writeFileSync(file, 'from file\n\n', { mode: 0o600 });
  const text = (password: string) =>
    `gateway: {id: g1}\nforwarders:\n  cloud: {type: mqtt, url: 'mqtt://h', password: ${password}}\n`;
  const reveal = (password: string) => {
    const { config } = good(text(password));
    assert.doesNotMatch(inspect(config, { depth: 9 }) + JSON.stringify([...config.forwarders]), /hunter2|from file/);
    const secret = config.forwarders.get('cloud')?.settings.password;
    assert.ok(secret instanceof SecretText);
    return secret.reveal();
  };
  assert.equal(reveal('{env: PASS}'), 'hunter2');
  assert.equal(reveal('{file: pass}'), 'from file\n');
  assert.equal(reveal('hunter2'), 'hunter2');

  writeFileSync(path.join(dir, 'open'), 'x', { mode: 0o644 });
  writeFileSync(path.join(dir, 'marked'), '\ufefffrom Windows\r\n', { mode: 0o600 });
  assert.equal(reveal('{file: marked}'), 'from Windows');
  writeFileSync(path.join(dir, 'latin'), Buffer.from('caf\u00e9', 'latin1'), { mode: 0o600 });
  assert.match(faultsOf(text('{file: latin}'))[0] ?? '', /latin is not UTF-8 text; save it as UTF-8/);
  assert.match(good(text('{file: open}')).warnings[0] ?? '', /every user of this machine can read open/);
  writeFileSync(path.join(dir, 'huge'), 'x'.repeat(70_000));
  assert.match(faultsOf(text('{file: huge}'))[0] ?? '', /larger than 64 kB/);
  assert.match(faultsOf(text('{file: /dev/zero}'))[0] ?? '', /is not a file/);
  writeFileSync(path.join(dir, 'blank'), '\n');
  assert.match(faultsOf(text('{file: blank}'))[0] ?? '', /is empty/);
  const unread = loadConfigText(text('{file: nowhere}'), path.join(dir, 'g.yaml'), testKinds, { ...options, readSecrets: false });
  assert.deepEqual(unread.faults, []);
});

test('at most 200 faults are told, and how many more there are', () => {
  const { faults } = load(`gateway: {id: g1}\n${Array.from({ length: 300 }, (_, i) => `k${i}: 1\n`).join('')}`);
  assert.equal(faults.length, 201);
  assert.match(faults.at(-1)?.message ?? '', /and 100 more/);
});

test('a missing file is a fault, not an exception', () => {
  const { config, faults } = loadConfig(path.join(dir, 'none.yaml'), testKinds, options);
  assert.equal(config, undefined);
  assert.match(faults.map(formatFault).join(), /none\.yaml:1:1: there is no such file/);
});

test('no configuration throws: every key of every section with every sort of value', () => {
  const key = fc.constantFrom(
    ...'gateway buses devices rules buffer broker forwarders dashboard id protocol port bus unit profile points table address point above stale listen host type url password a b __proto__ constructor'.split(
      ' ',
    ),
  );
  const leaf = fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1e300,
    '',
    'a',
    'a.b',
    'field',
    'modbus-rtu',
    'mqtt',
    '5s',
    'base',
    'child',
    { file: '/' },
    { env: 'PASS' },
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      leaf,
      fc.array(tie('tree'), { maxLength: 2 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  const section = fc.dictionary(fc.constantFrom('a', 'field'), fc.dictionary(key, tree, { maxKeys: 5 }), { maxKeys: 2 });
  const config = fc.record(
    {
      gateway: fc.oneof(fc.constant({ id: 'g' }), tree),
      buses: fc.oneof(section, tree),
      devices: fc.oneof(section, tree),
      rules: fc.oneof(section, tree),
      forwarders: fc.oneof(section, tree),
      broker: tree,
      dashboard: tree,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(config, (value) => {
      const { config: loaded, faults } = load(JSON.stringify(value));
      assert.equal(loaded === undefined, faults.length > 0);
      for (const fault of faults) assert.doesNotMatch(fault.message, /Invalid input|hunter2|undefined|\[object/);
    }),
    { numRuns: 1000 },
  );
});
