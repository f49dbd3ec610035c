/** The queue on a clock and a wire of its own: due times, fairness, what a closed bus says, back-off. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeRequest } from '../../../src/codecs/modbus-pdu.ts';
import { pointInfo } from '../../../src/codecs/modbus-point.ts';
import { compileRequest } from '../../../src/codecs/modbus-registers.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Sample } from '../../../src/core/point.ts';
import { ModbusBus } from '../../../src/drivers/modbus/bus.ts';
import { Device } from '../../../src/drivers/modbus/device.ts';
import { Link } from '../../../src/drivers/modbus/link.ts';
import type { Ask, ModbusPort, PortEvents } from '../../../src/drivers/modbus/port.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { type FakeRequest, rightPdu } from '../../fakes/modbus-device.ts';
import { outcomeOf } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

interface World {
  readonly clock: ManualClock;
  readonly bus: ModbusBus;
  readonly samples: Sample[];
  /** `unit` and monotonic time of each request. */
  readonly asked: [unit: number, at: number][];
  /** Monotonic time of each opening. */
  readonly openings: number[];
  /** Milliseconds that each unit takes to answer; undefined: never. */
  readonly latency: Map<number, number>;
  /** Exceptions with which units answer. */
  readonly exceptions: Map<number, number>;
  refuse: boolean;
  /** Severities of what operators were told. */
  readonly told: string[];
  events: PortEvents | undefined;
}

function world(units: Record<number, number>, { timeout = 1000, retries = 0, inFlight = 1 } = {}): World {
  const clock = new ManualClock();
  const w = {
    clock,
    samples: [],
    asked: [],
    openings: [],
    told: [],
    latency: new Map(),
    exceptions: new Map(),
    refuse: false,
    events: undefined,
  } as unknown as {
    -readonly [K in keyof World]: World[K];
  };
  class FakePort implements ModbusPort {
    isOpen = false;
    readonly #given = new Set<number>();
    readonly #events: PortEvents;
    constructor(events: PortEvents) {
      this.#events = events;
    }
    wireTime = () => 0;
    readyAt = () => 0;
    heldUntil = () => 0;
    open(done: (error?: Error | null) => void): void {
      w.openings.push(clock.monotonic());
      this.isOpen = !w.refuse;
      done(w.refuse ? new Error('refused') : null);
    }
    close(done: () => void): void {
      this.isOpen = false;
      done();
    }
    send(id: number, { unitId: unit, pdu }: Ask): void {
      const frame = Buffer.from(pdu.bytes);
      w.asked.push([unit, clock.monotonic()]);
      const request: FakeRequest = {
        ...{ n: id, transaction: 0, unit },
        code: frame.readUInt8(0),
        start: frame.readUInt16BE(1),
        count: frame.readUInt16BE(3),
      };
      const latency = w.latency.get(unit);
      if (latency === undefined) return;
      const exception = w.exceptions.get(unit);
      const reply = exception === undefined ? rightPdu(request).subarray(1) : Buffer.of(0x80 + request.code, exception);
      clock.after(latency, () => {
        if (!this.#given.has(id)) this.#events.reply(id, reply, clock.monotonic());
      });
    }
    giveUp(id: number): SluiceError {
      this.#given.add(id);
      return new SluiceError('timeout');
    }
  }
  const wire = { serial: false, label: 'test' };
  const entries = Object.entries(units).map(([unit, interval]) => ({
    device: new Device(
      {
        name: `d${unit}`,
        unitId: Number(unit),
        patience: { timeout, retries, turnaround: 0, connectDelay: 0 },
        points: new Map(),
        writesMultiple: false,
      },
      wire,
      clock,
      silentLogger,
    ),
    interval,
  }));
  const jobs = entries.map(({ device, interval }) => {
    const points = [{ name: 'r0', table: 'holding' as const, address: 0, type: 'uint16' as const }];
    const shape = { device: device.name, points: points.map(pointInfo) };
    const request = { table: 'holding' as const, start: 0, count: 1, points };
    const pdu = encodeRequest({ kind: 'read', ...request });
    return { device, request, pdu, shape, decode: compileRequest(shape, points, 0), interval, offset: 0 };
  });
  w.bus = new ModbusBus({
    name: 'test',
    protocol: 'test',
    serial: false,
    inFlight,
    timeout,
    clock,
    emit: (sample) => void w.samples.push(sample),
    tell: (event) => void w.told.push(event.severity),
    devices: entries.map((e) => e.device),
    jobs,
    link: (changed, events) =>
      new Link({
        label: 'test',
        dial: (of) => {
          w.events = of;
          return new FakePort(of);
        },
        clock,
        logger: silentLogger,
        random: () => 1,
        openLimit: 3000,
        explain: (error) => new SluiceError('bus-open', error.message),
        events,
        changed,
      }),
  });
  return w;
}

/** The library is loaded in the background: nothing happens on the manual clock until it is there. */
async function opened(w: World): Promise<void> {
  w.bus.start();
  await waitFor('the first opening', () => w.openings.length > 0, { every: 1 });
  await turn();
}

/** Lets the clock run up to this monotonic time. */
const until = (w: World, at: number) => w.clock.advance(at - w.clock.monotonic());

test('a device is asked at start + k × interval, however long its replies take', async () => {
  const w = world({ 1: 100 });
  w.latency.set(1, 37);
  await opened(w);
  await until(w, 1000);
  assert.deepEqual(
    w.asked.map(([, at]) => at),
    [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000],
  );
  assert.deepEqual(
    w.samples.slice(0, 2).map((s) => s.at),
    [37, 137],
  );
  assert.equal(w.bus.status().devices[0]?.counters.missedPolls, 0);
});

test('what does not fit is left out and counted, while the wire never rests', async () => {
  const w = world({ 1: 100 });
  w.latency.set(1, 250);
  await opened(w);
  await until(w, 1000);
  assert.deepEqual(
    w.asked.map(([, at]) => at),
    [0, 250, 500, 750, 1000],
  );
  // 50 ms at 250, 150 ms at each later turn that has ended.
  assert.equal(w.bus.status().devices[0]?.counters.missedPolls, 3);
});

test('an overloaded bus serves everybody in turn', async () => {
  const w = world({ 1: 10, 2: 10, 3: 10, 4: 1000 });
  for (const unit of [1, 2, 3, 4]) w.latency.set(unit, 20);
  await opened(w);
  await until(w, 6000);
  const count = (unit: number) => w.asked.filter(([u]) => u === unit).length;
  assert.ok(Math.max(count(1), count(2), count(3)) - Math.min(count(1), count(2), count(3)) <= 1);
  assert.ok(count(4) >= 5, 'the slow one is not crowded out');
});

test('a device known to be silent costs one time-out a poll; repeats come only before that', async () => {
  const w = world({ 1: 10_000, 2: 1000 }, { retries: 2, timeout: 100 });
  w.latency.set(2, 5);
  await opened(w);
  await until(w, 20_500);
  const ones = w.asked.filter(([unit]) => unit === 1).map(([, at]) => at);
  assert.deepEqual(ones, [0, 100, 200, 10_000, 20_000]);
  assert.equal(w.samples.filter((s) => s.shape.device === 'd1').length, 3, 'one sample a poll');
  assert.deepEqual([...new Set(w.samples.filter((s) => s.shape.device === 'd2').map(outcomeOf))], ['good']);
  assert.equal(w.bus.status().devices[1]?.counters.missedPolls, 0);
});

test('polls that a silence ends unasked name that silence, also when calls met it first', async () => {
  const w = world({ 1: 1000 }, { timeout: 100 });
  w.latency.set(1, 5);
  w.exceptions.set(1, 2);
  await opened(w);
  await until(w, 50);
  w.latency.delete(1);
  const calls = Promise.allSettled([w.bus.read('d1'), w.bus.read('d1')]);
  await until(w, 1050);
  await calls;
  assert.equal(w.asked.length, 3, 'no request of the second poll');
  assert.deepEqual(w.samples.map(outcomeOf), ['exception', 'timeout']);
});

test('a bus that cannot be opened reports it when due, and is retried at pauses up to 10 s', async () => {
  const w = world({ 1: 1000 });
  w.refuse = true;
  await opened(w);
  await until(w, 60_000);
  assert.deepEqual([...new Set(w.samples.map(outcomeOf))], ['disconnected']);
  assert.ok(w.samples.length >= 59 && w.samples.length <= 61, `${w.samples.length} samples in 60 s at 1 s`);
  const pauses = w.openings.slice(1).map((at, i) => Math.round(at - (w.openings[i] as number)));
  assert.deepEqual(pauses.slice(0, 8), [100, 200, 400, 800, 1600, 3200, 6400, 10_000]);
  await assert.rejects(w.bus.read('d1'), { code: 'bus-closed' });
  w.refuse = false;
  w.latency.set(1, 1);
  await until(w, 75_000);
  assert.equal(outcomeOf(w.samples.at(-1) as Sample), 'good');
  assert.equal(w.bus.status().fault, undefined);
});

test('a reading asked for goes between the polls and cannot crowd them out', async () => {
  const w = world({ 1: 10, 2: 100_000 });
  w.latency.set(1, 10).set(2, 10);
  await opened(w);
  await until(w, 50);
  const answers = Array.from({ length: 10 }, () => w.bus.read('d2'));
  await until(w, 400);
  assert.equal((await Promise.all(answers)).length, 10);
  const units = w.asked.filter(([, at]) => at > 60 && at < 240).map(([unit]) => unit);
  assert.ok(!units.join('').includes('22'), units.join(''));
  await assert.rejects(w.bus.read('nobody'), { code: 'not-found' });
  const many = Array.from({ length: 33 }, () => w.bus.read('d2'));
  await assert.rejects(many[32] as Promise<unknown>, /try again later/);
  await until(w, 3000);
  await Promise.all(many.slice(0, 32));
});

test('stopping ends what waits, emits nothing more and can be repeated', async () => {
  const w = world({ 1: 100 });
  await opened(w);
  await until(w, 50);
  const asked = assert.rejects(w.bus.read('d1'), { code: 'bus-closed' });
  const stopped = w.bus.stop();
  await until(w, 3000);
  await Promise.all([stopped, asked, w.bus.stop()]);
  assert.equal(w.samples.filter((s) => outcomeOf(s) !== 'timeout').length, 0);
  const before = w.samples.length;
  await until(w, 10_000);
  assert.equal(w.samples.length, before);
  await assert.rejects(w.bus.read('d1'), { code: 'bus-closed' });
});
