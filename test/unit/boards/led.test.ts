/** The LED of the board, on a folder that looks like /sys/class/leds. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { LED_STATES, Led, ledStateOf, PATTERNS } from '../../../src/boards/led.ts';
import { LedWatch } from '../../../src/boards/led-watch.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const PAGE = path.join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'led.md');

/** As the kernel has it; a fake cannot make the files of a pattern appear, so they are there from the beginning. */
function fakeLed(t: TestContext, files: Readonly<Record<string, string>> = {}) {
  const folder = scratch(t, 'leds');
  const own = path.join(folder, 'ACT');
  mkdirSync(own);
  const all = {
    trigger: 'none timer [mmc0] heartbeat\n',
    brightness: '0\n',
    max_brightness: '255\n',
    delay_on: '',
    delay_off: '',
    ...files,
  };
  for (const [file, text] of Object.entries(all)) writeFileSync(path.join(own, file), text);
  const faults: string[] = [];
  // A write replaces what is shown only as far as it goes, as in any file; /sys has no length.
  const read = (file: string): string => readFileSync(path.join(own, file), 'utf8');
  return { own, faults, read, led: new Led({ folder, name: 'ACT', fault: (message) => faults.push(message) }) };
}

test('each state is written as its pattern, once, and given back at the end', (t) => {
  const { led, read, own, faults } = fakeLed(t);
  led.show('fault');
  assert.deepEqual([read('trigger').startsWith('timer'), read('delay_on'), read('delay_off')], [true, '125', '125']);
  writeFileSync(path.join(own, 'delay_on'), 'mine');
  led.show('fault');
  assert.equal(read('delay_on'), 'mine', 'a state that stays is not written again');
  for (const file of ['trigger', 'delay_on', 'delay_off'])
    writeFileSync(path.join(own, file), file === 'trigger' ? '[timer]' : '');
  led.show('starting');
  assert.deepEqual([read('trigger').slice(0, 4), read('brightness')], ['none', '255']);
  led.end();
  assert.equal(read('trigger').slice(0, 4), 'mmc0');
  assert.deepEqual(faults, []);
});

test('an LED that blinked before blinks the same way afterwards', (t) => {
  const { led, own, read } = fakeLed(t, { trigger: 'none [timer] mmc0\n', delay_on: '700\n', delay_off: '300\n' });
  led.show('identify');
  for (const file of ['trigger', 'delay_on', 'delay_off']) writeFileSync(path.join(own, file), '');
  led.end();
  assert.deepEqual([read('trigger'), read('delay_on'), read('delay_off')], ['timer', '700', '300']);
});

test('an LED that is gone, or may not be written, is reported once and makes no file', (t) => {
  const { led, own, faults } = fakeLed(t);
  rmSync(path.join(own, 'delay_off'));
  for (const state of LED_STATES) led.show(state);
  assert.equal(faults.length, 1);
  assert.match(faults[0] ?? '', /^The LED ACT shows no states of the gateway: ENOENT/);
  assert.equal(existsSync(path.join(own, 'delay_off')), false);
  const gone = fakeLed(t);
  rmSync(gone.own, { recursive: true });
  gone.led.show('running');
  gone.led.end();
  assert.equal(gone.faults.length, 1);
  const shut = fakeLed(t);
  for (const file of readdirSync(shut.own)) chmodSync(path.join(shut.own, file), 0o000);
  shut.led.show('running');
  shut.led.end();
  // Files of a pattern may get their rights later, so it is tried again; root may write anything.
  for (let i = 0; i < 9; i++) shut.led.show('running');
  assert.equal(shut.faults.length, process.getuid?.() === 0 ? 0 : 1);
});

test('an LED without the trigger timer is reported once, with the command that mends it', (t) => {
  const { led, own, faults } = fakeLed(t);
  // It refuses words as /sys refuses the name of a trigger that no module brings: EINVAL.
  rmSync(path.join(own, 'trigger'));
  symlinkSync('/proc/self/oom_score_adj', path.join(own, 'trigger'));
  led.show('running');
  led.show('fault');
  assert.deepEqual(faults, [
    'The LED ACT shows no states of the gateway: the kernel cannot make it blink; run "sudo modprobe ledtrig-timer", and start the gateway again',
  ]);
});

test('of many things at once the most urgent is shown', () => {
  const well = { updating: false, faulty: false, claimed: true, delivering: true };
  assert.equal(ledStateOf(well), 'running');
  assert.equal(ledStateOf({ ...well, delivering: undefined }), 'running');
  assert.equal(ledStateOf({ ...well, delivering: false }), 'no-upstream');
  assert.equal(ledStateOf({ ...well, delivering: false, claimed: false }), 'not-claimed');
  assert.equal(ledStateOf({ ...well, claimed: false, faulty: true }), 'fault');
  assert.equal(ledStateOf({ ...well, faulty: true, updating: true }), 'update');
});

test('the watch shows that the gateway starts, then its states, and nothing after its end', async (t) => {
  const { led, own } = fakeLed(t);
  const clock = new ManualClock();
  let facts: Parameters<typeof ledStateOf>[0] | undefined;
  const watch = new LedWatch(clock, led, () => facts);
  watch.begin();
  assert.equal(led.shown, 'starting');
  facts = { updating: false, faulty: false, claimed: false, delivering: undefined };
  await clock.advance(2000);
  assert.equal(led.shown, 'not-claimed');
  facts = { ...facts, claimed: true };
  await clock.advance(2000);
  assert.equal(led.shown, 'running');
  watch.end();
  writeFileSync(path.join(own, 'delay_on'), 'mine');
  await clock.advance(10_000);
  assert.deepEqual([led.shown, readFileSync(path.join(own, 'delay_on'), 'utf8')], [undefined, 'mine']);
});

test('the page shows each pattern, and no two look alike', () => {
  const page = readFileSync(PAGE, 'utf8');
  const looks = new Set<string>();
  for (const state of LED_STATES) {
    const pattern = PATTERNS[state];
    const words = pattern === 'steady' ? 'on all the time' : `${pattern.on} ms on, ${pattern.off} ms off`;
    assert.ok(page.includes(words), `${state}: ${words}`);
    looks.add(words);
  }
  assert.equal(looks.size, LED_STATES.length);
});
