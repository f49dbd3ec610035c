/** The serial driver on real ttys: paced like a line, unplugged, flooded. The instrument is a Python program of its own. */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import test from 'node:test';
import type { ResolvedDevice } from '../../../src/config/kinds.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { reasonAt, type Sample } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';
import { serial } from '../../../src/drivers/serial/kind.ts';
import type { Child } from '../../harness/child.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const peers = path.join(import.meta.dirname, '../../peers');
const SDS011 = {
  frame: { type: 'bytes', start: 'AA C0', stop: 'AB', length: 10, checksum: { type: 'sum8', from: 2, to: 7 } },
  decode: {
    type: 'binary',
    endian: 'little',
    fields: { pm2_5: { offset: 2, type: 'uint16' }, pm10: { offset: 4, type: 'uint16' } },
  },
};
const DUST = { pm2_5: { scale: 0.1, unit: 'ug/m3' }, pm10: { scale: 0.1, unit: 'ug/m3' } };

const python = (t: TestContext) => peer(t, '/usr/bin/python3', 'apt-get install -y python3');

/** Two ends of a line of `baud`. */
async function line(t: TestContext, program: string, baud: number): Promise<[string, string]> {
  const child = startChild(t, program, [path.join(peers, 'paced-pty.py'), String(baud)], { stdin: true });
  const [a = '', b = ''] = (await child.line(/^\/dev\//)).split(' ');
  return [a, b];
}

class Talker {
  readonly #child: Child;
  #orders = 0;

  constructor(t: TestContext, program: string, tty: string) {
    this.#child = startChild(t, program, [path.join(peers, 'serial-talker.py'), tty], { stdin: true });
  }

  /** Resolves with the answer when the tty has taken it all. */
  async order(text: string): Promise<string> {
    this.#child.write(text);
    const index = this.#orders++;
    const answer = await waitFor(
      () => `an answer to ${text}; ${this.#child.stderr.join('\n')}`,
      () => this.#child.stdout[index],
    );
    assert.match(answer, /^done/);
    return answer;
  }

  stop(): Promise<unknown> {
    return this.#child.stop();
  }
}

function listen(t: TestContext, port: string, device: object, points: Record<string, object>, bus: object = {}) {
  const samples: Sample[] = [];
  const resolved: ResolvedDevice = {
    name: 'probe',
    bus: 'line',
    settings: serial.device.parse(device),
    points: new Map(Object.entries(points).map(([name, point]) => [name, serial.point.parse(point)])),
  };
  const settings = serial.bus.parse({ port, ...bus });
  const running = serial.create({ name: 'line', protocol: 'serial', settings }, [resolved], {
    clock: systemClock,
    logger: silentLogger,
    emit: (sample) => samples.push(sample),
  });
  t.after(() => running.stop());
  running.start();
  const values = () => samples.map((sample) => sample.values);
  const isOpen = () =>
    waitFor(
      () => `${port} to be open: ${running.status().fault}`,
      () => running.status().state === 'open',
    );
  return { bus: running, samples, values, isOpen, device: () => running.status().devices[0] };
}

test('SDS011 frames arrive whole over 9600 baud, with noise and damage between them', async (t) => {
  const program = python(t);
  if (program === undefined) return;
  const [near, far] = await line(t, program, 9600);
  const { values, samples, isOpen, device, bus } = listen(t, near, SDS011, DUST);
  await isOpen();
  const talker = new Talker(t, program, far);
  await talker.order('sds011 123 456');
  await talker.order('noise 57 1');
  await talker.order('sds011 7 8 bad');
  await talker.order('hex AA C0 01 02');
  await talker.order('sds011 9999 0');
  await waitFor('two samples', () => samples.length === 2);
  assert.deepEqual(values(), [
    [12.3, 45.6],
    [999.9, 0],
  ]);
  const counters = device()?.counters;
  assert.deepEqual([counters?.replies, counters?.skippedBytes], [2, 57 + 10 + 4]);
  assert.ok(counters && counters.crcErrors >= 1);
  const read = bus.read('probe');
  await talker.order('sds011 50 60');
  assert.deepEqual(
    (await read).map((sample) => sample.values),
    [[5, 6]],
  );
});

test('a sensor that is asked gets its request byte by byte, and its reply comes back whole', async (t) => {
  const program = python(t);
  if (program === undefined) return;
  const [near, far] = await line(t, program, 9600);
  const sensor = {
    interval: '1h',
    request: { bytes: 'FF 01 86 00 00 00 00 00 79', timeout: '10s' },
    frame: { type: 'bytes', start: 'FF 86', length: 9, checksum: { type: 'sum8-negated', from: 1 } },
    decode: { type: 'binary', fields: { ppm: { offset: 2, type: 'uint16' } } },
  };
  const talker = new Talker(t, program, far);
  // It throws away what came before it had the tty: so it is there first.
  await talker.order('noise 0 0');
  const { values, samples, device, bus } = listen(t, near, sensor, { ppm: { unit: '[ppm]' } });
  assert.equal(await talker.order('answer FF0186000000000079 FF8602200000000058'), 'done');
  await waitFor('the reply', () => samples.length === 1);
  assert.deepEqual(values(), [[544]]);
  const read = bus.read('probe');
  // Nothing but the request was written in between; noise before the reply does no harm.
  assert.equal(await talker.order('answer FF0186000000000079 FF11FF86019000000000E9'), 'done');
  assert.deepEqual(
    (await read).map((sample) => sample.values),
    [[400]],
  );
  const { requests, replies, skippedBytes, latencySum } = device()?.counters ?? {};
  assert.deepEqual([requests, replies, skippedBytes], [2, 2, 2]);
  assert.ok((latencySum ?? 0) > 0);
});

test('NMEA sentences of a foreign receiver', async (t) => {
  const program = python(t);
  if (program === undefined) return;
  const [near, far] = await line(t, program, 4800);
  const points = {
    lat: { from: 'GGA.latitude' },
    lon: { from: 'GGA.longitude' },
    alt: { from: 'GGA.altitude' },
    speed: { from: 'RMC.speed' },
    when: { from: 'RMC.dateTime', type: 'string' },
  };
  const { values, samples, isOpen } = listen(t, near, { frame: { type: 'line' }, decode: { type: 'nmea' } }, points, {
    baudRate: 4800,
  });
  await isOpen();
  const talker = new Talker(t, program, far);
  await talker.order('text (the tail of a sentence that nobody saw begin)');
  await talker.order('gga -33.86882 151.20929 58.5');
  await talker.order('rmc 3.5 271.25');
  await waitFor('two samples', () => samples.length === 2);
  assert.deepEqual(values(), [
    [-33.86882, 151.20929, 58.5],
    [3.5, '2026-01-05T10:15:30.00Z'],
  ]);
});

test('a port that is unplugged again and again is reopened, and no sample is wrong', async (t) => {
  const program = python(t);
  const socat = peer(t, 'socat', 'apt-get install -y socat');
  if (program === undefined || socat === undefined) return;
  const folder = scratch(t, 'unplug');
  const [near, far] = [path.join(folder, 'ttyNEAR'), path.join(folder, 'ttyFAR')];
  const frame = { frame: { type: 'line' }, decode: { type: 'csv' } };
  const { samples, bus, isOpen } = listen(t, near, frame, { count: { from: 0 } });
  await waitFor('words about the missing port', () => /no such port \(unplugged\?\)/.test(bus.status().fault ?? ''));
  await assert.rejects(bus.read('probe'), { code: 'bus-open' });

  for (let round = 1; round <= 3; round++) {
    const wire = startChild(t, socat, [`PTY,link=${near},rawer`, `PTY,link=${far},rawer`]);
    await waitFor('the adapter', () => existsSync(near) && existsSync(far));
    await isOpen();
    const talker = new Talker(t, program, far);
    // The first line after plugging in may be the tail of one: the driver leaves it out unless it comes late.
    await talker.order('text');
    await waitFor('a sample of this round', async () => {
      await talker.order(`text ${round}00`);
      return samples.at(-1)?.values[0] === round * 100;
    });
    // Half a line, then the plug is pulled.
    await talker.order('hex 39 39');
    await talker.stop();
    await wire.stop();
    for (const link of [near, far]) rmSync(link, { force: true });
    await waitFor('the loss to be noticed', () => bus.status().state !== 'open');
    assert.equal(reasonName(reasonAt(samples.at(-1) as Sample, 0)), 'disconnected');
  }
  assert.deepEqual([...new Set(samples.filter((s) => s.reasons === null).flatMap((s) => s.values))], [100, 200, 300]);
  assert.equal(bus.status().devices[0]?.counters.badReplies, 0);
});

test('a flood of garbage at line speed hides no valid frame and takes no memory', async (t) => {
  const program = python(t);
  if (program === undefined) return;
  const [near, far] = await line(t, program, 115_200);
  const { values, samples, isOpen, device } = listen(t, near, SDS011, DUST, { baudRate: 115_200 });
  await isOpen();
  const talker = new Talker(t, program, far);
  await talker.order('flood 1 1');
  const before = process.memoryUsage();
  const frames = Number((await talker.order('flood 3 2')).split(' ')[1]);
  const after = process.memoryUsage();
  await talker.order('sds011 1111 2222');
  await waitFor('the frame after the flood', () => samples.at(-1)?.values[0] === 111.1);
  const second = values().slice(-1 - frames, -1);
  assert.deepEqual(
    second,
    Array.from({ length: frames }, (_, i) => [(i % 10_000) / 10, 0.7]),
  );
  const counters = device()?.counters;
  assert.equal(counters?.replies, samples.length);
  assert.equal(counters?.skippedBytes, (samples.length - 1) * 203);
  // About 35 KB of garbage came in; what is held for it is bounded by construction. The bound here only catches a leak of buffers.
  assert.ok(after.arrayBuffers - before.arrayBuffers < 1024 * 1024, `${before.arrayBuffers} -> ${after.arrayBuffers}`);
});

test('a port that is none, and one that is in use, are told in words', async (t) => {
  const program = python(t);
  if (program === undefined) return;
  const folder = scratch(t, 'ports');
  const file = path.join(folder, 'not-a-tty');
  writeFileSync(file, '');
  const none = listen(t, file, SDS011, DUST);
  await waitFor('words', () => /is not a serial port/.test(none.bus.status().fault ?? ''));

  const [near] = await line(t, program, 0);
  const first = listen(t, near, SDS011, DUST);
  await first.isOpen();
  const second = listen(t, near, SDS011, DUST);
  await waitFor(
    () => `words, not ${second.bus.status().fault}`,
    () => /in use by this gateway itself: another bus leads to the same port/.test(second.bus.status().fault ?? ''),
  );
  await first.bus.stop();
  await second.isOpen();
});
