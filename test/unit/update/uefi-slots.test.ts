/**
 * Slots of systemd-boot against a model of what the firmware does with the same folder: whatever releases are offered, run
 * well, fail or are cut, the board always boots, and it ends in a release that ran well.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import fc from 'fast-check';
import type { Slot } from '../../../src/update/slots.ts';
import { UefiSlots } from '../../../src/update/uefi-slots.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'sluice-slots-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function espOf(name: string): string {
  const esp = path.join(scratch, name);
  mkdirSync(path.join(esp, 'loader', 'entries'), { recursive: true });
  return esp;
}
const slotsOf = (esp: string, running: Slot) =>
  new UefiSlots({ esp, cmdline: `quiet sluice.slot=${running} rw\n`, labels: '/dev/disk/by-partlabel', target: 'uefi-arm64' });

/** systemd-boot: entries without tries last, then the higher version; it takes one try from the name before it boots. */
function boot(esp: string): Slot {
  const folder = path.join(esp, 'loader', 'entries');
  const entries = readdirSync(folder).map((file) => {
    const [, base = '', left, done] = /^(.*?)(?:\+(\d+)(?:-(\d+))?)?\.conf$/.exec(file) ?? [];
    const text = readFileSync(path.join(folder, file), 'utf8');
    const version = Number(/^version (\d+)$/m.exec(text)?.[1]);
    const slot = /sluice\.slot=([ab])/.exec(text)?.[1] as Slot;
    return { file, base, left: left === undefined ? undefined : Number(left), done: Number(done ?? 0), version, slot };
  });
  entries.sort((a, b) => Number(a.left === 0) - Number(b.left === 0) || b.version - a.version);
  const [first] = entries;
  assert.ok(first !== undefined, 'something boots');
  if (first.left !== undefined && first.left > 0)
    renameSync(path.join(folder, first.file), path.join(folder, `${first.base}+${first.left - 1}-${first.done + 1}.conf`));
  return first.slot;
}

test('releases that run well stay, and all others go, in any order', () => {
  let n = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom('good', 'bad', 'cut', 'rollback', 'restart'), { maxLength: 14 }), (steps) => {
      const esp = espOf(`walk-${n++}`);
      slotsOf(esp, 'a').offer('a', { version: '1', sequence: 1 });
      let running = boot(esp);
      slotsOf(esp, running).commit();
      let sequence = 1;
      const wells = new Map<Slot, number>([['a', 1]]);
      for (const step of steps) {
        const slots = slotsOf(esp, running);
        if (step === 'restart') assert.equal(boot(esp), running);
        else if (step === 'rollback') {
          if (slots.list().find(({ slot }) => slot === slots.other())?.state !== 'good') continue;
          slots.giveUp();
          wells.delete(running);
          running = boot(esp);
          assert.ok(wells.has(running));
        } else {
          const target = slots.other();
          slots.discard(target);
          wells.delete(target);
          // A cut while the other slot is written: what runs is what ran.
          if (step === 'cut') {
            assert.equal(boot(esp), running);
            continue;
          }
          slots.offer(target, { version: `${++sequence}`, sequence });
          if (step === 'good') {
            running = boot(esp);
            assert.equal(running, target, 'the new release is tried first');
            slotsOf(esp, running).commit();
            wells.set(running, sequence);
          } else {
            for (let i = 0; i < 3; i++) assert.equal(boot(esp), target, 'a failing release is tried three times');
            assert.equal(boot(esp), running, 'and then the one before runs again');
            assert.equal(
              slotsOf(esp, running)
                .list()
                .find(({ slot }) => slot === target)?.state,
              'bad',
            );
          }
        }
        assert.ok(wells.has(running), 'the board stands in a release that ran well');
        assert.equal(boot(esp), running);
      }
    }),
    { numRuns: 120 },
  );
});

test('the state of each slot is read from the names of its entries', () => {
  const esp = espOf('states');
  const slots = slotsOf(esp, 'a');
  assert.deepEqual(slots.list(), [
    { slot: 'a', state: 'empty' },
    { slot: 'b', state: 'empty' },
  ]);
  slots.offer('b', { version: '2.0.0-rc1', sequence: 7 });
  assert.deepEqual(slots.list()[1], { slot: 'b', state: 'trying', version: '2.0.0-rc1', sequence: 7 });
  assert.throws(() => slots.commit(), { code: 'update-unsupported' });
});

test('a system that is no image is named as such', () => {
  assert.throws(() => new UefiSlots({ esp: '/boot', cmdline: 'root=/dev/sda1', labels: '/dev', target: 'x' }), {
    code: 'update-unsupported',
  });
});
