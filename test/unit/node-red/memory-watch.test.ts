/** The memory of a child, measured and bounded by the kernel: on processes that are really there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { MemoryWatch } from '../../../src/node-red/memory-watch.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';

const MB = 1024 ** 2;

function ownMemory(): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${process.pid}/status`, 'latin1'))?.[1]) * 1024;
}

test('a process over its limit is reported once, with both figures', async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  new MemoryWatch(process.pid, MB, clock, (why) => void told.push(why)).start();
  await clock.advance(60_000);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /^it used \d+MB of memory, and nodeRed\.memory is 1MB$/);
});

test('a process that grows is found at a later look, one that is watched no more is not', async () => {
  const held: Buffer[] = [];
  for (const stops of [false, true]) {
    const clock = new ManualClock();
    const told: string[] = [];
    const watch = new MemoryWatch(process.pid, ownMemory() + 64 * MB, clock, (why) => void told.push(why));
    watch.start();
    await clock.advance(1000);
    assert.deepEqual(told, []);
    if (stops) watch.stop();
    held.push(Buffer.alloc(128 * MB, 1));
    await clock.advance(1000);
    assert.equal(told.length, stops ? 0 : 1);
  }
  assert.equal(held.length, 2);
});

test('a process that is gone is no reason to do anything', async () => {
  const clock = new ManualClock();
  const watch = new MemoryWatch(2 ** 30, 1, clock, () => assert.fail('nothing is over its limit'));
  watch.start();
  await watch.settle();
  await clock.advance(10_000);
  watch.stop();
});

test('once it has loaded its code, the kernel grants so much more and refuses the rest', async (t) => {
  // One large piece is refused as a whole, so V8 keeps room. Many small ones would leave none, and V8 aborts when its own heap grows.
  const code = `process.stdin.once('data', () => {
      globalThis.kept = Buffer.alloc(${64 * MB}, 1);
      console.log('holds 64 MB');
      process.stdin.once('data', () => {
        const may = (bytes) => { try { return Buffer.alloc(bytes, 1).length === bytes; } catch { return false; } };
        console.log('may have 272 MB: ' + may(${272 * MB}) + ', 96 MB: ' + may(${96 * MB}));
      });
    });
    console.log('up');`;
  const child = startChild(t, process.execPath, ['-e', code], { stdin: true });
  await child.line(/^up$/);
  const limit = () => /^Max data size\s+(\S+)/m.exec(readFileSync(`/proc/${child.pid}/limits`, 'latin1'))?.[1];
  assert.equal(limit(), 'unlimited');
  const watch = new MemoryWatch(child.pid ?? 0, 320 * MB, new ManualClock(), () => {});
  await watch.settle();
  const granted = limit();
  assert.notEqual(granted, 'unlimited');
  child.write('hold');
  await child.line(/^holds/);
  // A flow can say that it is ready again, and what it holds by now is no code.
  await watch.settle();
  assert.equal(limit(), granted);
  child.write('go');
  assert.equal(await child.line(/^may have/), 'may have 272 MB: false, 96 MB: true', 'beside 64 MB, within 320 MB');
});
