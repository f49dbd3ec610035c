/** Boards that lie, or are not there: nothing is thrown, nothing is believed, and everything is bounded. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { resolvePort, setupOf } from '../../../src/boards/detect.ts';
import { BoardLibrary } from '../../../src/boards/library.ts';
import { limitsOf } from '../../../src/boards/limits.ts';
import { lookAt, remarksOf } from '../../../src/boards/look.ts';
import { machineAt } from '../../../src/boards/machine.ts';
import { onBoard } from '../../../src/config/board-ports.ts';
import { directionWords } from '../../../src/config/gpio-line.ts';
import { scratch } from '../../harness/scratch.ts';

const BOARDS = path.join(import.meta.dirname, '..', '..', '..', 'hardware-profiles', 'boards');
const library = new BoardLibrary(BOARDS);
const MB = 1024 ** 2;

function rootWith(t: TestContext, files: Readonly<Record<string, string | Uint8Array>>): string {
  const root = scratch(t, 'board');
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  return root;
}
const PI4 = { 'proc/device-tree/compatible': 'raspberrypi,4-model-b\0brcm,bcm2711\0' };

test('a port of the board resolves to its device file, also before the file is there', (t) => {
  const bare = rootWith(t, PI4);
  assert.deepEqual(resolvePort(library, machineAt(bare, 'arm64'), 'uart3'), {
    port: path.join(bare, '/dev/ttyAMA3'),
    direction: undefined,
  });
  const second = rootWith(t, { ...PI4, 'dev/ttyAMA0': '' });
  assert.deepEqual(resolvePort(library, machineAt(second, 'arm64'), 'uart'), {
    port: path.join(second, '/dev/ttyAMA0'),
    direction: undefined,
  });
});

test('a port that the board lacks is refused with those that it has', (t) => {
  const machine = machineAt(rootWith(t, PI4), 'arm64');
  const refused = (...of: Parameters<typeof resolvePort> extends [unknown, unknown, ...infer Rest] ? Rest : never): string => {
    const found = resolvePort(library, machine, ...of);
    return 'fault' in found ? found.fault : '';
  };
  assert.match(refused('rs485-1'), /^Raspberry Pi 4 Model B has no port rs485-1; it has board:uart, .*gateway\.hats$/);
  assert.match(refused('uart', { board: 'no-such' }), /^gateway\.board names no-such, which is no board/);
  assert.match(refused('uart', { hats: ['raspberry-pi-4'] }), /^gateway\.hats names raspberry-pi-4, which is no HAT/);
  assert.match(refused('a', { board: 'generic-x86' }), /^Generic x86 computer has no port a; write the device file/);
});

test('a name in the configuration wins over the device tree, and HATs can be switched off', (t) => {
  const machine = machineAt(rootWith(t, { ...PI4, 'dev/ttySC0': '', 'dev/ttySC1': '' }), 'arm64');
  assert.deepEqual(
    setupOf(library, machine).hats.map(({ name }) => name),
    ['waveshare-2ch-rs485-hat'],
  );
  assert.deepEqual(setupOf(library, machine, { hats: [] }).hats, []);
  assert.equal(setupOf(library, machine, { board: 'revpi-connect4' }).board?.name, 'revpi-connect4');
});

test('any bytes in the files of the machine give a board or none, and short plain texts', (t) => {
  const root = rootWith(t, { ...PI4, 'proc/device-tree/model': 'x', 'proc/meminfo': 'x', 'proc/device-tree/hardware': 'x' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9000 }), fc.constantFrom('compatible', 'model', 'hardware'), (bytes, file) => {
      writeFileSync(path.join(root, 'proc/device-tree', file), bytes);
      writeFileSync(path.join(root, 'proc/meminfo'), bytes);
      const machine = machineAt(root, 'arm64');
      setupOf(library, machine);
      for (const text of [...machine.compatible, machine.model ?? '', machine.hardware ?? ''])
        assert.match(text, /^[ -~]{0,120}$/);
      assert.ok(machine.compatible.length <= 16);
    }),
    { numRuns: 60 },
  );
});

test('a machine without any of these files is one that nothing describes', (t) => {
  const machine = machineAt(scratch(t, 'empty'), 'mips');
  assert.deepEqual(setupOf(library, machine), { board: undefined, hats: [], because: 'nothing describes this machine' });
  assert.equal(machine.memory, undefined);
});

test('a board file with a fault is reported with its place and left out, the others stay', (t) => {
  const folder = scratch(t, 'boards');
  writeFileSync(path.join(folder, 'good.yaml'), 'title: Good\nkind: board\nsources: [me]\ndetect: {arch: x64}\n');
  writeFileSync(
    path.join(folder, 'bad.yaml'),
    'title: Bad\nkind: board\nports: {a: {device: [/dev/../etc/passwd], kind: rs485, where: x}}\n',
  );
  writeFileSync(path.join(folder, 'Not A Name.yaml'), 'title: x\nkind: board\nsources: [me]\n');
  writeFileSync(
    path.join(folder, 'noise.yaml'),
    Uint8Array.from({ length: 500 }, (_, i) => (i * 37) % 256),
  );
  symlinkSync('/nonexistent', path.join(folder, 'gone.yaml'));
  const found = new BoardLibrary(folder);
  assert.deepEqual(
    found.all().map(({ name }) => name),
    ['good'],
  );
  const words = found.faults.map(({ file, message }) => `${path.basename(file)}: ${message}`).join('\n');
  for (const one of [
    'bad.yaml: write the path without ..',
    'bad.yaml: this key is missing',
    'Not A Name.yaml: ',
    'noise.yaml: ',
    'gone.yaml: ',
  ])
    assert.ok(words.includes(one), `${one} in\n${words}`);
  assert.deepEqual(new BoardLibrary('/nonexistent').all(), []);
});

test('a board file may name the GPIO line that switches a port, and a bus gets it with the port', (t) => {
  const folder = scratch(t, 'boards');
  const port = (direction: string) =>
    `title: Own\nkind: board\nsources: [me]\ndetect: {arch: x64}\nports: {rs485-1: {device: [/dev/ttyAMA1], kind: rs485, where: x, direction: ${direction}}}\n`;
  writeFileSync(path.join(folder, 'own.yaml'), port('{gpio: /dev/gpiochip0, line: 4}'));
  writeFileSync(path.join(folder, 'wrong.yaml'), port('{gpio: gpiochip0, line: 4}'));
  const own = new BoardLibrary(folder);
  assert.deepEqual(
    own.faults.map(({ file, message }) => `${path.basename(file)}: ${message}`),
    ['wrong.yaml: write the device file of a GPIO chip, for example /dev/gpiochip0 (see gpiodetect)'],
  );
  const root = rootWith(t, { 'dev/ttyAMA1': '' });
  const machine = machineAt(root, 'x64');
  const direction = { gpio: path.join(root, 'dev/gpiochip0'), line: 4, activeLow: false };
  const found = resolvePort(own, machine, 'rs485-1');
  assert.deepEqual(found, { port: path.join(root, 'dev/ttyAMA1'), direction });
  const around = { ports: () => found, named: {}, fault: (message: string) => assert.fail(message) };
  const bus = { port: 'board:rs485-1' };
  assert.deepEqual(onBoard(bus, around), { port: path.join(root, 'dev/ttyAMA1'), direction });
  assert.equal(onBoard({ ...bus, direction: 'automatic' }, around)?.direction, 'automatic', 'the bus has the last word');
  assert.match(
    remarksOf(lookAt(own, machine), ['rs485-1'])[0]?.message ?? '',
    /^\/dev\/gpiochip0, which switches the direction of the port rs485-1, is not there\.$/,
  );
  assert.equal(directionWords({ gpio: '/dev/gpiochip0', line: 4, activeLow: true }), 'line 4 of /dev/gpiochip0, active low');
});

test('limits follow from the memory: no Node-RED on the smallest, and never more than there is', () => {
  assert.deepEqual([limitsOf(200 * MB).fits, limitsOf(240 * MB).fits], [false, true]);
  assert.deepEqual([limitsOf(428 * MB).nodeRedMemory, limitsOf(8000 * MB).nodeRedMemory], [112 * MB, 512 * MB]);
  assert.equal(limitsOf(300 * MB).nodeRedMemory, undefined);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 64 * 1024 }), (size) => {
      const { nodeRedMemory = 0, gateway } = limitsOf(size * MB);
      assert.ok(nodeRedMemory === 0 || nodeRedMemory + gateway < size * MB);
    }),
  );
});
