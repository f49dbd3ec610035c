/** The self-check: each weakness that is planted is found, with a remedy, and a healthy site has none. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { checkDisk } from '../../../src/care/doctor/disk.ts';
import { type DoctorOptions, examine, isSick, type RunningFacts } from '../../../src/care/doctor/doctor.ts';
import type { Finding } from '../../../src/care/doctor/finding.ts';
import { checkPorts } from '../../../src/care/doctor/ports.ts';
import { readConfig } from '../../../src/cli/config-file.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const NOW = Date.UTC(2026, 11, 1);
const MEMINFO = 'MemTotal:  1000000 kB\nMemAvailable:  500000 kB\n';
const ROUTE =
  'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n';

interface Board {
  readonly folder: string;
  readonly options: DoctorOptions;
  /** Puts a file below the roots of the board, or below the site. */
  put(name: string, text: string, mode?: number): void;
  examine(changes?: Partial<DoctorOptions>): Promise<Finding[]>;
}

/** A board and a site on which nothing is wrong. */
function healthy(t: TestContext, more = '', change: (yaml: string) => string = (yaml) => yaml): Board {
  const folder = scratch(t, 'doctor');
  const put = (name: string, text: string, mode = 0o640): void => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true, mode: 0o750 });
    writeFileSync(path.join(folder, name), text);
    chmodSync(path.join(folder, name), mode);
  };
  put('proc/meminfo', MEMINFO);
  put('proc/uptime', '86400.00 1.0\n');
  put('proc/net/route', ROUTE);
  put('proc/mounts', `/dev/mmcblk0p2 ${folder} ext4 rw,noatime 0 0\n`);
  put('etc/resolv.conf', 'nameserver 192.168.1.1\n');
  put('sys/class/rtc/rtc0/name', 'pcf85063\n');
  put('sys/devices/mmcblk0/stat', ' 1 2 3 4 5 6 2000000 8 9\n');
  put('sys/devices/mmcblk0/device/life_time', '0x01 0x02\n');
  put('sys/devices/mmcblk0/device/pre_eol_info', '0x01\n');
  put('sys/devices/mmcblk0/mmcblk0p2/partition', '2\n');
  mkdirSync(path.join(folder, 'sys/dev/block'), { recursive: true });
  symlinkSync('../../devices/mmcblk0/mmcblk0p2', path.join(folder, 'sys/dev/block/179:2'));
  put('site/state/access.json', '{}', 0o600);
  chmodSync(path.join(folder, 'site/state'), 0o750);
  put('site/secret.txt', 'a secret\n', 0o600);
  const yaml = `gateway: {id: g1, stateDir: state}\n${more}`;
  put('site/gateway.yaml', change(yaml));
  const configFile = path.join(folder, 'site/gateway.yaml');
  const { config, faults } = readConfig(configFile);
  assert.ok(config, JSON.stringify(faults));
  const running: RunningFacts = {
    ...{ process: { pid: process.pid }, gateway: { uptime: 86_400 }, log: { commits: 8640, faults: [] } },
    forwarders: [...config.forwarders.keys()].map((name) => ({ name, state: 'connected' })),
  };
  const roots = { sys: `${folder}/sys`, proc: `${folder}/proc`, dev: `${folder}/dev`, etc: `${folder}/etc` };
  const probes = { exists: (file: string) => /timesync/.test(file), processes: () => [], run: async () => undefined };
  const address = { address: '192.168.1.7', netmask: '', family: 'IPv4', mac: '', internal: false, cidr: null } as const;
  const options: DoctorOptions = {
    ...{ configFile, config, faults: [], running, now: NOW, roots, probes, device: '179:2', within: 300 },
    interfaces: () => ({ eth0: [address] }),
  };
  return { folder, options, put, examine: (changes = {}) => examine({ ...options, ...changes }) };
}

const CLOUD = "forwarders: {cloud: {type: mqtt, url: 'mqtts://broker.example', username: a, password: {file: secret.txt}}}\n";
const wrongOf = (findings: readonly Finding[]) => findings.filter(({ level }) => level === 'warning' || level === 'fault');
const codes = (findings: readonly Finding[]) => wrongOf(findings).map(({ code }) => code);

test('a healthy site has no warning, no fault and nothing that is unknown', async (t) => {
  const found = await healthy(t, CLOUD).examine();
  assert.deepEqual(wrongOf(found), []);
  assert.equal(isSick(found), false);
  assert.deepEqual(
    found.filter(({ level }) => level === 'unknown'),
    [],
  );
  for (const code of [
    'valid',
    'running',
    'permissions',
    'clock',
    'rtc',
    'space',
    'wear',
    'written',
    'memory',
    'address',
    'connected',
    'settings',
  ])
    assert.ok(
      found.some((finding) => finding.code === code),
      code,
    );
});

const LISTEN = (host: string, rest: string) => `broker: {listen: {host: ${host}, port: 1883, ${rest}}}\n`;

/** What is planted, and the code that finds it. */
const PLANTED: readonly (readonly [code: string, what: string, plant: (t: TestContext) => Promise<Finding[]>])[] = [
  ['broken', 'a broken file', (t) => healthy(t).examine({ faults: ['gateway.yaml:1:1: no'] })],
  ['not-running', 'no gateway', (t) => healthy(t).examine({ running: undefined })],
  [
    'port-missing',
    'no adapter',
    (t) => healthy(t, 'buses: {f: {protocol: modbus-rtu, port: /dev/ttyNONE9, baudRate: 9600}}\n').examine(),
  ],
  ['state-open', 'an open state folder', (t) => planted(healthy(t), ({ folder }) => chmodSync(`${folder}/site/state`, 0o755))],
  ['state-writable', 'a group that writes', (t) => planted(healthy(t), ({ folder }) => chmodSync(`${folder}/site/state`, 0o770))],
  ['key-open', 'an open key', (t) => planted(healthy(t), ({ put }) => put('site/state/gateway.key', 'k', 0o644))],
  [
    'config-writable',
    'a file that all may change',
    (t) => planted(healthy(t), ({ put }) => put('site/gateway.yaml', 'gateway: {id: g1}\n', 0o646)),
  ],
  ['secret-open', 'an open secret', (t) => planted(healthy(t, CLOUD), ({ put }) => put('site/secret.txt', 'x', 0o644))],
  [
    'state-missing',
    'no state folder',
    (t) => planted(healthy(t), ({ folder }) => rmSync(`${folder}/site/state`, { recursive: true })),
  ],
  ['clock-wrong', 'a clock of 1970', (t) => healthy(t).examine({ now: 1000 })],
  [
    'no-time-service',
    'no time service',
    (t) => healthy(t).examine({ probes: { exists: () => false, processes: () => [], run: async () => undefined } }),
  ],
  [
    'not-synchronised',
    'a time service without a server',
    (t) =>
      healthy(t).examine({
        probes: { exists: (f) => f === '/run/systemd/timesync', processes: () => [], run: async () => undefined },
      }),
  ],
  [
    'read-only',
    'a disk that fell back',
    (t) => planted(healthy(t), ({ put, folder }) => put('proc/mounts', `/dev/x ${folder} ext4 ro,noatime 0 0\n`)),
  ],
  [
    'in-memory',
    'an image whose state partition is broken',
    (t) => planted(healthy(t), ({ put, folder }) => put('proc/mounts', `tmpfs ${folder} tmpfs rw 0 0\n`)),
  ],
  [
    'disk-wearing',
    'an eMMC at 90 %',
    (t) => planted(healthy(t), ({ put }) => put('sys/devices/mmcblk0/device/life_time', '0x09 0x02\n')),
  ],
  [
    'disk-worn',
    'an eMMC beyond its life',
    (t) => planted(healthy(t), ({ put }) => put('sys/devices/mmcblk0/device/life_time', '0x0b 0x02\n')),
  ],
  [
    'disk-worn',
    'an eMMC without spare blocks',
    (t) => planted(healthy(t), ({ put }) => put('sys/devices/mmcblk0/device/pre_eol_info', '0x03\n')),
  ],
  [
    'much-written',
    'a card that is written to all day',
    (t) => planted(healthy(t), ({ put }) => put('sys/devices/mmcblk0/stat', ' 1 2 3 4 5 6 90000000 8 9\n')),
  ],
  [
    'log-fault',
    'a log that cannot be written',
    (t) => {
      const board = healthy(t);
      const { running } = board.options;
      assert.ok(running);
      return board.examine({ running: { ...running, log: { commits: 1, faults: ['disk I/O error'] } } });
    },
  ],
  [
    'memory-low',
    'a full memory',
    (t) => planted(healthy(t), ({ put }) => put('proc/meminfo', MEMINFO.replace('500000', '9000'))),
  ],
  ['no-address', 'a cable that is out', (t) => healthy(t, CLOUD).examine({ interfaces: () => ({}) })],
  [
    'no-gateway',
    'no default gateway',
    (t) => planted(healthy(t, CLOUD), ({ put }) => put('proc/net/route', `${ROUTE.split('\n')[0]}\n`)),
  ],
  ['no-name-server', 'no name server', (t) => planted(healthy(t, CLOUD), ({ put }) => put('etc/resolv.conf', '# nothing\n'))],
  [
    'name',
    'a name that nobody has',
    (t) => healthy(t, CLOUD.replace('broker.example', 'nobody.invalid')).examine({ running: undefined }),
  ],
  [
    'tcp',
    'a broker that is off',
    (t) => healthy(t, CLOUD.replace('mqtts://broker.example', 'mqtt://127.0.0.1:1')).examine({ running: undefined }),
  ],
  ['inline-secret', 'a password in the file', (t) => healthy(t, CLOUD.replace('{file: secret.txt}', 'abc')).examine()],
  ['insecure-listener', 'an open listener', (t) => healthy(t, LISTEN('0.0.0.0', 'insecure: true')).examine()],
  ['forwarder-without-tls', 'a password on the open line', (t) => healthy(t, CLOUD.replace('mqtts:', 'mqtt:')).examine()],
  ['same-user-flows', 'Node-RED as the gateway', (t) => healthy(t, 'nodeRed: {enabled: true, unsafeSameUser: true}\n').examine()],
  ['flows-exec', 'flows that start programs', (t) => healthy(t, 'nodeRed: {enabled: true, allow: {exec: true}}\n').examine()],
  [
    'certificate-missing',
    'a certificate that is gone',
    (t) => healthy(t, CLOUD.replace('{type', '{tls: {ca: none.crt}, type')).examine(),
  ],
  [
    'certificate-damaged',
    'a certificate of random bytes',
    (t) =>
      planted(healthy(t, CLOUD.replace('{type', '{tls: {ca: ca.crt}, type')), ({ put }) =>
        put('site/ca.crt', 'not a certificate'),
      ),
  ],
  [
    'unclaimed',
    'nobody has claimed it',
    (t) =>
      planted(healthy(t, LISTEN('0.0.0.0', 'insecure: true')), ({ put, folder }) => {
        rmSync(`${folder}/site/state/access.json`);
        put('site/state/claim', 'code', 0o600);
      }),
  ],
];

async function planted(board: Board, plant: (board: Board) => void): Promise<Finding[]> {
  plant(board);
  return board.examine();
}

test('each planted weakness is found, with its remedy', async (t) => {
  for (const [code, what, plant] of PLANTED) {
    const found = await plant(t);
    assert.ok(codes(found).includes(code), `${what}: ${JSON.stringify(wrongOf(found))}`);
    for (const finding of wrongOf(found)) assert.ok((finding.remedy ?? '').length > 10, `${what}: ${finding.code} has a remedy`);
    assert.ok(!JSON.stringify(found).includes('a secret'), 'no secret is shown');
  }
});

test('a port is shown with the program that has it', async (t) => {
  const board = healthy(t);
  const port = path.join(board.folder, 'tty');
  writeFileSync(port, '');
  board.put(
    'site/gateway.yaml',
    `gateway: {id: g1, stateDir: state}\nbuses: {f: {protocol: modbus-rtu, port: ${port}, baudRate: 9600}}\n`,
  );
  const { config } = readConfig(board.options.configFile);
  const roots = board.options.roots;
  assert.ok(config && roots);
  const by = (pid: number, ours?: number) =>
    checkPorts({
      config,
      roots,
      pid: ours,
      holders: async () => ({ programs: [{ pid, name: 'ModemManager', locks: false }], hidden: false }),
    });
  const [busy] = await by(7);
  assert.deepEqual([busy?.code, busy?.text], ['port-busy', `Bus f: ModemManager (process 7) has ${port} open.`]);
  assert.deepEqual(codes(await by(7, 7)), [], 'the gateway itself');
});

test('a GPIO chip that switches a transceiver is looked for with the port', async (t) => {
  const board = healthy(t);
  const [port, chip] = ['tty', 'gpiochip9'].map((name) => path.join(board.folder, name));
  // The schema takes chips of /dev only.
  const gpio = '/dev/gpiochip99';
  writeFileSync(port ?? '', '');
  board.put(
    'site/gateway.yaml',
    `gateway: {id: g1, stateDir: state}\nbuses: {f: {protocol: modbus-rtu, port: ${port}, direction: {gpio: ${gpio}, line: 4}}}\n`,
  );
  const { config } = readConfig(board.options.configFile);
  const roots = board.options.roots;
  assert.ok(config && roots && chip);
  const found = () => checkPorts({ config, roots, pid: undefined, holders: async () => ({ programs: [], hidden: false }) });
  const [missing] = await found();
  assert.deepEqual(
    [missing?.level, missing?.code, missing?.text],
    ['fault', 'gpio-missing', `Bus f: there is no GPIO chip ${gpio}, which switches the transceiver.`],
  );
  const bus = config.buses.get('f');
  assert.ok(bus);
  Object.assign(bus.settings, { direction: { gpio: chip, line: 4, activeLow: false } });
  writeFileSync(chip, '');
  const [there] = await found();
  assert.deepEqual(
    [there?.level, there?.text],
    ['ok', `Bus f: the GPIO chip ${chip} is there, and its line 4 switches the transceiver.`],
  );
});

test('a disk that does not say how worn it is is unknown, and SMART is believed', async (t) => {
  const { folder, options, put } = healthy(t);
  const roots = options.roots;
  assert.ok(roots);
  const wear = async (report: string | undefined) =>
    (await checkDisk({ stateDir: `${folder}/site/state`, roots, minFree: 0, device: '8:1', run: async () => report })).find(
      ({ code }) => /wear|disk-/.test(code),
    );
  assert.equal((await wear(undefined))?.level, 'unknown', 'a device that is not there');
  put('sys/devices/sda/sda1/partition', '1\n');
  symlinkSync('../../devices/sda/sda1', path.join(folder, 'sys/dev/block/8:1'));
  assert.match((await wear(undefined))?.text ?? '', /sda does not say how worn it is here\. With smartctl/);
  assert.equal((await wear('{"smart_status":{"passed":true}}'))?.level, 'ok');
  assert.equal((await wear('{"smart_status":{"passed":false}}'))?.code, 'disk-failing');
  assert.equal(
    (await wear('{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"percentage_used":97}}'))?.code,
    'disk-wearing',
  );
  for (const odd of ['', 'x', '[]', 'null', '{"smart_status":7}', '{"smart_status":{"passed":"no"}}'])
    assert.equal((await wear(odd))?.level, 'unknown', odd);
  put('sys/devices/sda/device/type', 'SD\n');
  assert.match((await wear('{"smart_status":{"passed":true}}'))?.text ?? '', /SD cards do not say how worn they are/);
  for (const odd of ['', '0x00 0x00', 'garbage', '0xff']) {
    put('sys/devices/sda/device/life_time', odd);
    assert.equal((await wear(undefined))?.level, 'unknown', odd);
  }
});

test('a broker that takes the connection and says nothing ends the check in time', async (t) => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const { examine: examined } = healthy(t, CLOUD.replace('mqtts://broker.example', `mqtt://127.0.0.1:${port}`));
  let found: readonly Finding[] = [];
  // A pause of the machine may take all of the short time that each step has here.
  await waitFor('the connection', async () => {
    found = await examined({ running: undefined });
    return found.some(({ code, level }) => code === 'tcp' && level === 'ok');
  });
  const logIn = found.find(({ code }) => code === 'log-in');
  assert.equal(logIn?.level, 'fault', JSON.stringify(found));
});

test('Wi-Fi that a card asks for: no program, no adapter, no connection, and all in order', async (t) => {
  const { examine: examined, put } = healthy(t);
  const wifi = async (asked: boolean, able: boolean) =>
    (await examined({ wifi: { asked, able } }))
      .filter(({ code }) => code.startsWith('wifi'))
      .map(({ code, level }) => [code, level]);
  assert.deepEqual(await wifi(false, false), []);
  assert.deepEqual(await wifi(true, false), [['wifi-unsupported', 'warning']]);
  put('sys/class/net/eth0/operstate', 'up\n');
  assert.deepEqual(await wifi(true, true), [['wifi-no-adapter', 'warning']]);
  put('sys/class/net/wlan0/phy80211/name', 'phy0\n');
  put('sys/class/net/wlan0/operstate', 'dormant\n');
  assert.deepEqual(await wifi(true, true), [['wifi-away', 'warning']]);
  put('sys/class/net/wlan0/operstate', 'up\n');
  assert.deepEqual(await wifi(true, true), [['wifi', 'ok']]);
});
