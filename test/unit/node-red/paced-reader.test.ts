/** A stream that is written without end: a bounded part of it in each second. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import test from 'node:test';
import { readPaced } from '../../../src/node-red/paced-reader.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const CHUNK = 16 * 1024;

/** Turns of the loop in which a stream that is not held would be read on and on. */
async function turns(): Promise<void> {
  for (let n = 0; n < 200; n++) await new Promise((resolve) => setImmediate(resolve));
}

test('an endless stream is read for a while in each second, and goes on in the next', async () => {
  const clock = new ManualClock();
  const endless = new Readable({
    highWaterMark: CHUNK,
    read() {
      this.push(Buffer.alloc(CHUNK));
    },
  });
  let read = 0;
  readPaced(endless, clock, (chunk) => {
    read += chunk.length;
  });
  await turns();
  const first = read;
  assert.ok(first >= 256 * 1024 && first <= 512 * 1024, `${first} bytes`);
  await turns();
  assert.equal(read, first, 'it is left alone');
  await clock.advance(999);
  assert.equal(read, first);
  await clock.advance(1);
  await turns();
  assert.equal(read, 2 * first);
  endless.destroy();
});

test('a stream that says little is never held, and one that is over leaves no timer', async () => {
  const clock = new ManualClock();
  const quiet = new Readable({ read() {} });
  let read = 0;
  readPaced(quiet, clock, (chunk) => {
    read += chunk.length;
  });
  for (let n = 0; n < 100; n++) {
    quiet.push(Buffer.alloc(1024));
    await turns();
    await clock.advance(1000);
  }
  assert.equal(read, 100 * 1024);
  assert.equal(quiet.isPaused(), false);
  quiet.push(Buffer.alloc(300 * 1024));
  quiet.push(null);
  await turns();
  quiet.destroy();
  await turns();
  await clock.advance(10_000);
  assert.equal(quiet.destroyed, true);
});
