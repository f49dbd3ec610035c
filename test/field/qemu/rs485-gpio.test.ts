/**
 * A transceiver that the gateway switches by a GPIO line, on an emulated board with a second serial port. The kernel of the board writes
 * down when the line changes, when the port gets bytes to send, and when it hears some. The board's own clock goes by what it has done.
 * Its port sends at once and not at the pace of a wire, so the release is compared with the time that the bytes take. Needs root.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rtu } from '../../../src/drivers/modbus/framing.ts';
import { cardImage } from '../../harness/card-image.ts';
import { steps } from '../../harness/card-site.ts';
import { deviceTree } from '../../harness/device-tree.ts';
import { QemuBoard } from '../../harness/qemu-board.ts';
import type { Door } from '../../harness/qemu-door.ts';
import { scratch } from '../../harness/scratch.ts';
import { SerialEnd } from '../../harness/serial-end.ts';

const BOARD = { uuid: '7f0a3c1e-0000-4000-8000-00000000000e', mac: '00:1b:21:e1:b2:c3', disk: 'card-e' };
const MEMORY = 512;
const PORT = '/dev/ttyAMA1';
/** The device tree gives line 5 to the LED ACT, and the machine itself 3 to its power button. */
const LINE = 4;
const TRACE = '/sys/kernel/tracing';
const CONFIG = '/etc/sluice/gateway.yaml';
/** ms of a request of 8 bytes at 9600 baud, 8N1. */
const WIRE = (8 * 10 * 1000) / 9600;
const ANSWERED_BY_HAND = 5;
const ANSWERED = 100;
/** ms of this machine */
const IDLE = 300;
/** Emulated boards are slow: milliseconds. */
const WITHIN = 1_200_000;

const pump = (direction: string, more = '') => `buses:
  field: {protocol: modbus-rtu, port: ${PORT}, baudRate: 9600, direction: ${direction}, timeout: 60s${more}}
devices:
  pump: {bus: field, unit: 1, interval: 50ms, points: {speed: {table: holding, address: 0, type: uint16}}}
`;
/** A request that takes 8 s on the wire. */
const LONG = `buses:
  field: {protocol: serial, port: ${PORT}, baudRate: 300, direction: {gpio: /dev/gpiochip0, line: ${LINE}}}
devices:
  display: {bus: field, interval: 1s, request: {text: "${'x'.repeat(240)}"}, frame: {type: line}, decode: {type: text}, points: {said: {type: string}}}
`;
const gpio = (line: number | string) => `{gpio: /dev/gpiochip0, line: ${line}}`;

interface Event {
  /** ms of the board. */
  readonly at: number;
  readonly what: 'active' | 'inactive' | 'sends' | 'hears' | 'mark';
}

/** What the kernel wrote down since the last `clear`. @param line its number in the kernel */
async function events(door: Door, line: number): Promise<Event[]> {
  const found: Event[] = [];
  for (const text of (await door.run(`cat ${TRACE}/trace`)).split('\n')) {
    const [, seconds = '', name = '', rest = ''] = /\s(\d+\.\d+): (\w+): (.*)$/.exec(text.trimEnd()) ?? [];
    const at = Number(seconds) * 1000;
    if (name === 'gpio_value' && rest.startsWith(`${line} set `))
      found.push({ at, what: rest.endsWith('1') ? 'active' : 'inactive' });
    // The console is a port of this driver as well, and its requests have other lengths.
    if (name === 'tx' && / count=(8|240)$/.test(rest)) found.push({ at, what: 'sends' });
    if (name === 'rx') found.push({ at, what: 'hears' });
    if (name === 'tracing_mark_write') found.push({ at, what: 'mark' });
  }
  return found;
}

test('a GPIO line is active while the gateway sends, and inactive before any answer', async (t) => {
  const image = cardImage();
  const tree = deviceTree(scratch(t, 'tree'), {
    compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'],
    ...{ model: 'Raspberry Pi 4 Model B Rev 1.5', led: 'ACT', memory: MEMORY, secondUart: true },
  });
  const board = QemuBoard.make(t, {
    ...{ ...BOARD, image: image.image, growTo: '4G', servers: {} },
    ...{ tree, memory: MEMORY, secondUart: true },
  });
  board.putOnBoot('sluice.yaml', 'site: Ghat 1, Basti\nname: Water point\nbuses: {}\n');
  board.start();
  const outside = new SerialEnd(t, await board.uart());
  const door = await board.door();
  await door.until('sluice status --json');
  const gateway = /^gateway:.*\n(?:[ #].*\n)*/m.exec(await door.run(`cat ${CONFIG}`))?.[0] ?? '';
  const clear = () => door.run(`echo >${TRACE}/trace`);
  const put = async (text: string): Promise<void> => {
    const whole = Buffer.from(`${gateway}${text}`).toString('base64');
    await door.run(`echo ${whole} | base64 -d >${CONFIG} && systemctl reload sluice`);
  };
  const fault = async (words: RegExp): Promise<void> => {
    await door.until(`sluice status --json | grep -E '${words.source}'`);
  };
  const step = steps(t);
  let line = 0;

  await step('the kernel of the board writes down what lines and ports do', async () => {
    await door.run('mount -t debugfs none /sys/kernel/debug 2>/dev/null; test -e /sys/kernel/debug/gpio');
    await door.run(
      [
        `cd ${TRACE}`,
        "echo 'p:sluice/tx uart_write count=$arg3:u64' >kprobe_events",
        "echo 'p:sluice/rx uart_insert_char' >>kprobe_events",
        'echo 1 >events/gpio/enable',
        'echo 1 >events/sluice/enable',
      ].join(' && '),
    );
  });

  await step('a line that another driver has, and one that the chip lacks, are refused in words', async () => {
    await put(pump(gpio(5)));
    await fault(/line 5 of .dev.gpiochip0 is in use by ACT/);
    await put(pump(gpio(9)));
    await fault(/has no line 9; it has the lines 0 to 7/);
    await put(pump(`{gpio: /dev/gpiochip7, line: ${LINE}}`));
    await fault(/there is no GPIO chip .dev.gpiochip7; there is .dev.gpiochip0/);
    assert.equal(outside.bytes.length, 0, 'a bus without its line sends nothing');
  });

  const request = Buffer.from(rtu.encode(1, Uint8Array.of(3, 0, 0, 0, 1)));
  const answer = rtu.encode(1, Uint8Array.of(3, 2, 0, 42));

  await step('each request has the line for itself, and an answer comes after the release', async () => {
    await clear();
    await put(pump(gpio(LINE)));
    for (let sent = 1; sent <= ANSWERED_BY_HAND; sent++) {
      assert.deepEqual(await outside.next(8, WITHIN), request);
      const [, number = ''] = await door
        .until(`grep 'sluice' /sys/kernel/debug/gpio`)
        .then((text) => /gpio-(\d+) .*\|sluice/.exec(text) ?? []);
      line = Number(number);
      // Nobody has answered: the gateway releases by itself.
      await door.until(`test $(grep -c 'gpio_value: ${line} set 0' ${TRACE}/trace) -gt ${sent}`);
      assert.match(await door.run(`grep sluice /sys/kernel/debug/gpio`), /out lo/);
      outside.send(answer);
    }
    await outside.next(8, WITHIN);
    const seen = await events(door, line);
    const order = seen
      .map(({ what }) => what)
      .join(' ')
      .replaceAll(/hears( hears)*/g, 'hears');
    assert.match(order, new RegExp(`^inactive( active sends inactive hears){${ANSWERED_BY_HAND}} active sends( inactive)?$`));
  });

  await step('the release comes no earlier than the last stop bit', async () => {
    await clear();
    const delays: number[] = [];
    outside.send(answer);
    while (delays.length < ANSWERED) {
      for (let i = 0; i < 20; i++) {
        await outside.next(8, WITHIN);
        // The board has nothing else to do while its request is on the wire.
        await sleep(IDLE);
        await door.run(`until ${lastIs(line, 0)}; do sleep 0.1; done`);
        outside.send(answer);
      }
      const seen = await events(door, line);
      await clear();
      for (const [i, { at, what }] of seen.entries()) {
        const [before, after] = [seen[i - 1], seen[i + 1]];
        if (what !== 'sends' || before === undefined || after === undefined) continue;
        assert.deepEqual([before.what, after.what], ['active', 'inactive']);
        delays.push(after.at - at - WIRE);
      }
    }
    assert.ok(
      delays.every((delay) => delay >= 0),
      `${delays}`,
    );
    delays.sort((a, b) => a - b);
    const at = (part: number) => `${(delays[Math.floor((delays.length - 1) * part)] ?? 0).toFixed(3)} ms`;
    t.diagnostic(`release after the end of ${delays.length} requests: median ${at(0.5)}, 99% ${at(0.99)}, most ${at(1)}`);
  });

  const whileActive = async (then: string): Promise<Event[]> => {
    await door.until(`sluice status --json | grep -F '"protocol":"serial"'`);
    await door.run(
      `echo >${TRACE}/trace; until ${lastIs(line, 1)}; do sleep 0.2; done; echo now >${TRACE}/trace_marker; ${then}`,
    );
    await door.until(lastIs(line, 0));
    return await events(door, line);
  };

  await step('a gateway that ends in the middle of a request leaves the line inactive', async () => {
    await put(LONG);
    const seen = await whileActive('systemctl stop sluice');
    assert.deepEqual(
      seen.slice(seen.findIndex(({ what }) => what === 'mark')).map(({ what }) => what),
      ['mark', 'inactive', 'inactive'],
    );
    assert.equal((await door.ask('grep sluice /sys/kernel/debug/gpio')).status, 1, 'the line is free');
  });

  await step('a gateway that is killed in a request makes the line inactive at its next start', async () => {
    await door.run('systemctl start sluice');
    const seen = await whileActive('systemctl kill -s KILL sluice');
    const mark = seen.findIndex(({ what }) => what === 'mark');
    const [killed, released] = seen.slice(mark);
    assert.deepEqual([seen[mark - 1]?.what, killed?.what, released?.what], ['sends', 'mark', 'inactive']);
    t.diagnostic(`inactive ${(((released?.at ?? 0) - (killed?.at ?? 0)) / 1000).toFixed(1)} s after the kill`);
  });
});

/** A command of a shell: the line was last switched so. */
function lastIs(line: number, value: 0 | 1): string {
  return `grep ' gpio_value: ${line} ' ${TRACE}/trace | tail -n 1 | grep -q 'set ${value}'`;
}
