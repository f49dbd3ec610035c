/**
 * A GPIO line that the gateway switches: the calls as strace decodes them, and the whole gateway with a chip that is made up
 * (fake-gpio.ts). A chip of a kernel is in test/field/qemu/rs485-gpio.test.ts.
 */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Child, startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const SWITCHED = path.join(import.meta.dirname, '../../../src/drivers/transceiver/switched-line.ts');
const FAKE = path.join(import.meta.dirname, '../../harness/fake-gpio.ts');

test('the line is asked for as an output, and switched around the bytes of a request', (t) => {
  const strace = peer(t, 'strace', 'apt-get install -y strace');
  if (strace === undefined) return;
  const folder = scratch(t, 'gpio');
  const [calls, program] = [path.join(folder, 'calls'), path.join(folder, 'program.mjs')];
  writeFileSync(
    program,
    `
    import { openSync } from 'node:fs';
    import { switchByGpio } from ${JSON.stringify(SWITCHED)};
    const gpio = { gpio: '/dev/null', line: 4, activeLow: true };
    const failed = ({ message }) => console.log(message);
    const line = await switchByGpio({ path: '/dev/ttyAMA1', port: openSync('/dev/ptmx', 'r+'), gpio, character: 1, failed });
    line.send(Uint8Array.of(1, 2, 3));
    line.send(Uint8Array.of(4));
    while (line.unsent > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await line.leave();
    console.log('left');`,
  );
  const { stdout, stderr } = spawnSync(
    strace,
    [
      // Calls that concern /dev/null succeed: it is the chip, and by the 0 in the answer its line as well.
      ...['-f', '-P', '/dev/null', '-o', calls, '-e', 'trace=ioctl', '-e', 'inject=ioctl:retval=0', process.execPath],
      ...['--disable-warning=ExperimentalWarning', program],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  assert.equal(stdout, 'left\n', stderr);
  const gpio = [...readFileSync(calls, 'utf8').matchAll(/GPIO_\w+_IOCTL, (.*)\) = 0 \(INJECTED\)/g)].map(([, what]) => what);
  assert.deepEqual(gpio.slice(0, 1), [
    '{num_lines=1, offsets=[4], consumer="sluice", config={flags=GPIO_V2_LINE_FLAG_ACTIVE_LOW|GPIO_V2_LINE_FLAG_OUTPUT, num_attrs=0}} => {fd=0}',
  ]);
  assert.deepEqual(
    gpio.slice(1),
    [1, 0, 1, 0, 0].map((bit) => `{bits=${bit === 1 ? '0x1' : '0'}, mask=0x1}`),
  );
});

const yaml = (gateway: Gateway, port: string, line: number, chip = '/dev/null', unit = 1): string => `${gateway.section}
buses:
  field: {protocol: modbus-rtu, port: ${port}, baudRate: 115200, direction: {gpio: ${chip}, line: ${line}}}
devices:
  d1: {bus: field, unit: ${unit}, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}}}
`;

interface Site {
  readonly gateway: Gateway;
  readonly port: string;
  /** What became of the chip. */
  readonly chip: string;
  simulate(): Promise<Child>;
}

/** undefined after a skip */
async function start(t: TestContext): Promise<Site | undefined> {
  if (peer(t, 'socat', 'apt-get install -y socat') === undefined) return undefined;
  const folder = scratch(t, 'gpio');
  const [port, chip] = [path.join(folder, 'ttyAMA1'), path.join(folder, 'chip')];
  writeFileSync(chip, '');
  const gateway = makeGateway(t, (g) => yaml(g, port, 4));
  const simulate = async (): Promise<Child> => {
    const child = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config, '--pty', `field=${port}`]);
    await child.line(/ttyAMA1 \(pseudo-terminal\)/);
    return child;
  };
  return { gateway, port, chip, simulate };
}
const up = (gateway: Gateway, chip: string): Promise<void> =>
  gateway.up({ NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${FAKE}`, SLUICE_TEST_GPIO: chip });
const chipCalls = (chip: string): string[] => readFileSync(chip, 'utf8').trim().split('\n');
const counters = async (gateway: Gateway) => (await gateway.status()).buses[0]?.devices[0]?.counters;
const replies = async (gateway: Gateway): Promise<number> => (await counters(gateway))?.replies ?? 0;
const more = async (gateway: Gateway): Promise<void> => {
  const before = await replies(gateway);
  await waitFor('more replies', async () => (await replies(gateway)) > before + 3);
};
const faultSays = (gateway: Gateway, words: RegExp): Promise<unknown> =>
  waitFor(`a fault like ${words}`, async () => words.test((await gateway.status()).buses[0]?.fault ?? ''));
/** The line was never active twice, and not when it was taken. */
const neverLeftActive = (calls: readonly string[]): void =>
  assert.deepEqual(
    calls.filter((call, i) => call === 'active' && calls[i + 1] !== 'inactive'),
    [],
  );

test('each request of a gateway has the line for itself, over failures, reloads and the end', async (t) => {
  const site = await start(t);
  if (site === undefined) return;
  const { gateway, port, chip } = site;
  const simulator = await site.simulate();
  await up(gateway, chip);
  await more(gateway);
  const requests = (await counters(gateway))?.requests ?? 0;
  assert.ok(requests > 3);
  await gateway.reload(yaml(gateway, port, 5));
  await faultSays(gateway, /ttyAMA1 cannot switch its transceiver: line 5 of \/dev\/null is in use by ACT; choose another line/);
  const sent = chipCalls(chip);
  assert.deepEqual([sent[0], sent.filter((call) => call.startsWith('taken')).length], ['taken 4', 1]);
  neverLeftActive(sent);
  assert.ok(sent.filter((call) => call === 'active').length >= requests, `${requests} requests`);
  await gateway.reload(yaml(gateway, port, 9));
  await faultSays(gateway, /\/dev\/null has no line 9; it has the lines 0 to 7/);
  await gateway.reload(yaml(gateway, port, 4, '/dev/no-such-chip'));
  await faultSays(gateway, /there is no GPIO chip \/dev\/no-such-chip; /);
  assert.deepEqual(chipCalls(chip), sent, 'a bus without its line switches nothing');

  await gateway.reload(yaml(gateway, port, 4));
  await more(gateway);
  writeFileSync(`${chip}.fail`, '');
  await waitFor('the failure of the chip', () => !existsSync(`${chip}.fail`));
  await more(gateway);
  assert.equal(chipCalls(chip).filter((call) => call === 'taken 4').length, 3, 'the port was opened again');

  // Nobody answers to this unit, as where nothing gets out.
  writeFileSync(`${chip}.stuck`, '');
  await gateway.reload(yaml(gateway, port, 4, '/dev/null', 2));
  await faultSays(gateway, /a request of 8 bytes did not get out within \d+ ms; the line is on receive again/);
  rmSync(`${chip}.stuck`);
  await gateway.reload(yaml(gateway, port, 4));
  await more(gateway);

  await simulator.stop('SIGKILL');
  await faultSays(gateway, /ttyAMA1/);
  await site.simulate();
  await more(gateway);
  assert.equal(await gateway.stop(), 0);
  const calls = chipCalls(chip);
  assert.equal(calls.at(-1), 'inactive');
  neverLeftActive(calls);
  assert.ok(calls.filter((call) => call === 'active').length >= 20);
});
