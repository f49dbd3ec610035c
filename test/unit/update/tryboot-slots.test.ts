/** Slots of a Raspberry Pi, as its firmware documents `autoboot.txt`: the flag of tryboot holds for one boot. No board has run this. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import fc from 'fast-check';
import type { Slot } from '../../../src/update/slots.ts';
import { TrybootSlots } from '../../../src/update/tryboot-slots.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'sluice-tryboot-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const slotsOf = (selector: string, running: Slot) =>
  new TrybootSlots({ selector, cmdline: `sluice.slot=${running}`, labels: '/dev/disk/by-partlabel', target: 'rpi-arm64' });

/** The firmware: `[tryboot]` counts only with the flag. */
function boot(selector: string, flag: boolean): Slot {
  let section = '';
  let partition = 0;
  for (const line of readFileSync(path.join(selector, 'autoboot.txt'), 'utf8').split('\n')) {
    if (line.startsWith('[')) section = line;
    const [, number] = /^boot_partition=(\d)$/.exec(line) ?? [];
    if (number !== undefined && (section === '[all]' || (flag && section === '[tryboot]'))) partition = Number(number);
  }
  assert.ok(partition === 2 || partition === 3, `${partition}`);
  return partition === 2 ? 'a' : 'b';
}
const isFlagged = (command: readonly string[]) => command.join(' ') === 'reboot 0 tryboot';

test('autoboot.txt has the lines of the documentation', () => {
  const selector = mkdtempSync(path.join(scratch, 'text-'));
  slotsOf(selector, 'a').offer('b', { version: '2', sequence: 2 });
  assert.equal(
    readFileSync(path.join(selector, 'autoboot.txt'), 'utf8'),
    '[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n',
  );
});

test('a slot whose record the card lost is committed when it runs well', () => {
  const selector = mkdtempSync(path.join(scratch, 'lost-'));
  const slots = slotsOf(selector, 'a');
  for (const bytes of [undefined, '', '{"version":1']) {
    const file = path.join(selector, 'slot-a.json');
    rmSync(file, { force: true });
    if (bytes !== undefined) writeFileSync(file, bytes);
    assert.equal(slots.list()[0]?.state, 'empty');
    slots.commit({ version: '3', sequence: 3 });
    assert.deepEqual(slots.list()[0], { slot: 'a', state: 'good', version: '3', sequence: 3 });
    assert.equal(boot(selector, false), 'a');
  }
});

test('releases that run well stay, and all others go, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('good', 'bad', 'cut', 'rollback', 'restart'), { maxLength: 14 }), (steps) => {
      const selector = mkdtempSync(path.join(scratch, 'walk-'));
      slotsOf(selector, 'b').offer('a', { version: '1', sequence: 1 });
      let running: Slot = 'a';
      slotsOf(selector, running).commit();
      let sequence = 1;
      const wells = new Set<Slot>(['a']);
      for (const step of steps) {
        const slots = slotsOf(selector, running);
        if (step === 'restart') {
          assert.ok(!isFlagged(slots.restart()));
          assert.equal(boot(selector, false), running);
        } else if (step === 'rollback') {
          if (slots.list().find(({ slot }) => slot === slots.other())?.state !== 'good') continue;
          slots.giveUp();
          wells.delete(running);
          running = boot(selector, false);
        } else {
          const target = slots.other();
          slots.discard(target);
          wells.delete(target);
          assert.equal(boot(selector, true), running, 'nothing boots a slot that is being written');
          if (step === 'cut') continue;
          slots.offer(target, { version: `${++sequence}`, sequence });
          assert.equal(boot(selector, false), running, 'a restart without the flag changes nothing');
          assert.ok(isFlagged(slots.restart()));
          assert.equal(boot(selector, true), target);
          if (step === 'good') {
            running = target;
            slotsOf(selector, running).commit();
            wells.add(running);
          } else {
            // It crashed, or restarted the board: the flag is gone.
            assert.equal(boot(selector, false), running);
            const after = slotsOf(selector, running);
            assert.equal(after.list().find(({ slot }) => slot === target)?.state, 'bad');
            assert.ok(!isFlagged(after.restart()), 'a release that failed is not tried again by a restart');
          }
        }
        assert.equal(boot(selector, false), running);
        assert.ok(wells.has(running));
      }
    }),
    { numRuns: 60 },
  );
});
