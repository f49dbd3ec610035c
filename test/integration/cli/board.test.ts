/** `sluice board`, and `port: board:NAME` in check, scan and run, on a made-up board (SLUICE_BOARD_ROOT). */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { keepLastGood } from '../../../src/care/last-good.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const LED = 'sys/class/leds/a1:green:status';
const FILES: Readonly<Record<string, string>> = {
  'proc/device-tree/compatible': 'kunbus,revpi-connect4\0brcm,bcm2711\0',
  'proc/meminfo': 'MemTotal:         948000 kB\n',
  [`${LED}/trigger`]: 'none timer [a1_green]',
  [`${LED}/brightness`]: '0',
  [`${LED}/max_brightness`]: '1',
  [`${LED}/delay_on`]: '',
  [`${LED}/delay_off`]: '',
};

/** The root of a board; every program of this test that starts later is on it. */
function board(t: TestContext): string {
  const root = scratch(t, 'root');
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  mkdirSync(path.join(root, 'dev'));
  process.env.SLUICE_BOARD_ROOT = root;
  t.after(() => {
    delete process.env.SLUICE_BOARD_ROOT;
  });
  return root;
}

const yaml = (bus: string, gateway: string): string => `${gateway}
buses:
  field: {protocol: modbus-rtu, port: board:rs485-1${bus}}
devices:
  d1: {bus: field, unit: 1, interval: 1s, points: {n: {table: holding, address: 0, type: uint16}}}
`;

test('the board shows itself, its check says what is missing, and its port is one in check', async (t) => {
  const root = board(t);
  const gateway = makeGateway(t, (g) => yaml('', g.section));
  const shown = await sluice(t, 'board', 'show');
  assert.match(
    shown.stdout,
    /^KUNBUS Revolution Pi Connect 4 \(revpi-connect4\): the device tree says kunbus,revpi-connect4\.$/m,
  );
  assert.match(
    shown.stdout,
    /^port {6}board:rs485-1 {2}\/dev\/ttyRS485-0 or \/dev\/ttyAMA5, not there; the terminal RS485; direction: device-tree$/m,
  );
  assert.equal((await sluice(t, 'board', 'check')).code, 0, 'a port that nobody uses is no fault');
  const missing = await sluice(t, 'board', 'check', '-c', gateway.config);
  assert.equal(missing.code, 1);
  assert.match(
    missing.stdout,
    /^fault {2}The port rs485-1 \(the terminal RS485\) is not there: \/dev\/ttyRS485-0, \/dev\/ttyAMA5\.$/m,
  );
  const elsewhere = await sluice(t, 'board', 'show', '--root', scratch(t, 'other'), '--json');
  assert.match((JSON.parse(elsewhere.stdout) as { board: { name: string } }).board.name, /^generic-/);

  assert.equal((await sluice(t, 'check', gateway.config)).code, 0);
  gateway.write(
    `${yaml('', gateway.section)}\n`.replace('  field:', `  same: {protocol: serial, port: ${root}/dev/ttyRS485-0}\n  field:`),
  );
  const twice = await sluice(t, 'check', gateway.config);
  assert.deepEqual([twice.code, /the bus same is already on .*\/dev\/ttyRS485-0/.test(twice.stderr)], [78, true], twice.stderr);
  gateway.write(yaml('', gateway.section).replace('rs485-1', 'rs485-7'));
  const wrong = await sluice(t, 'check', gateway.config);
  assert.equal(wrong.code, 78);
  assert.match(
    wrong.stderr,
    /gateway\.yaml:3:\d+: buses\.field\.port: KUNBUS Revolution Pi Connect 4 has no port rs485-7; it has board:rs485-1; or name the board/,
  );
  gateway.write(yaml('', gateway.section.replace('{id', '{board: raspberry-pi-5, id')));
  assert.match(
    (await sluice(t, 'check', gateway.config)).stderr,
    /Raspberry Pi 5 has no port rs485-1; it has board:uart, board:uart1/,
  );
});

test('the last good configuration and the file of a card may name a port of the board', async (t) => {
  const root = board(t);
  const gateway = makeGateway(t, (g) => yaml('', g.section));
  const good = { file: path.resolve(gateway.config), text: readFileSync(gateway.config, 'utf8'), profiles: [] };
  mkdirSync(gateway.stateDir, { recursive: true });
  await keepLastGood(gateway.stateDir, good, '1.0.0', Date.now());
  gateway.write(yaml('', gateway.section).replace('buses:', 'busses:'));
  await gateway.up();
  await waitFor('the bus of the last good configuration, which waits for the device file', async () => {
    const { buses } = await gateway.status();
    return buses.length === 1 && buses[0]?.name === 'field' && /ttyRS485-0/.test(JSON.stringify(buses));
  });
  assert.equal(await gateway.stop(), 0);

  const boot = path.join(root, 'boot');
  mkdirSync(boot);
  const card = (port: string): void =>
    writeFileSync(path.join(boot, 'sluice.yaml'), `buses:\n  field: {preset: modbus-9600, port: board:${port}, devices: {}}\n`);
  const provision = () =>
    sluice(t, 'provision', '--boot', boot, '--root', root, '--state', path.join(root, 'state'), '-c', path.join(root, 'g.yaml'));
  card('rs485-7');
  const wrong = await provision();
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /sluice\.yaml:2:\d+: buses\.field\.port: KUNBUS .* has no port rs485-7; it has board:rs485-1/);
  card('rs485-1');
  const taken = await provision();
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(readFileSync(path.join(root, 'g.yaml'), 'utf8'), /port: board:rs485-1/);
});

test('a gateway and scan use a port of the board, and its LED shows the state', async (t) => {
  if (peer(t, 'socat', 'apt-get install -y socat') === undefined) return;
  const root = board(t);
  const led = (file: string): string => readFileSync(path.join(root, LED, file), 'utf8');
  const gateway = makeGateway(t, (g) => yaml('', g.section));
  const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config, '--pty', `field=${root}/dev/ttyRS485-0`]);
  await simulator.line(/ttyRS485-0 \(pseudo-terminal\)/);
  const found = await sluice(t, 'scan', 'field', '-c', gateway.config, '--units', '1-2', '--json');
  assert.deepEqual([found.code, /"unit":1\b/.test(found.stdout)], [0, true], found.stdout + found.stderr);

  await gateway.up();
  await waitFor('a reading over the port of the board', async () => (await polls(gateway)) > 2);
  await waitFor('the LED of a gateway without an administrator', () => led('delay_on') === '500' && led('delay_off') === '500');
  assert.ok(led('trigger').startsWith('timer'));

  // A pseudo-terminal has no RS-485 mode, and the bus says so in words.
  await gateway.reload(yaml(', direction: kernel', gateway.section));
  await waitFor('the refusal of the kernel', async () =>
    /cannot switch its transceiver: its driver has no RS-485 mode \(error \d+\); write direction: automatic/.test(
      (await gateway.status()).buses[0]?.fault ?? '',
    ),
  );
  await waitFor('the LED of a fault', () => led('delay_on') === '125' && led('delay_off') === '125');
  await gateway.reload(yaml(', direction: automatic', gateway.section));
  const before = await polls(gateway);
  await waitFor('readings again', async () => (await polls(gateway)) > before + 1);
  for (const file of ['trigger', 'delay_on', 'delay_off']) writeFileSync(path.join(root, LED, file), '');
  assert.equal(await gateway.stop(), 0);
  assert.equal(led('trigger'), 'a1_green', 'the LED does again what it did before');
});

async function polls(gateway: Gateway): Promise<number> {
  return (await gateway.status()).buses[0]?.devices[0]?.counters.replies ?? 0;
}
