/**
 * A whole bus on a clock and a wire that the test plays, over every framing: silent units, replies that come late, twice, cut or from
 * somebody else, wires that go away. What can only be seen with real bytes is in test/integration/drivers/modbus-wire.test.ts.
 *
 * Faults that users of other gateways suffered, and the test that holds each here (names of tests are those of this file unless a file is given):
 *
 * | thread | test |
 * |---|---|
 * | telegraf#11782, thingsboard-gateway#474, #164, neuron#1602: one dead device stops or empties the others | one silent unit among four |
 * | node-red-contrib-modbus#446, #409: only the silent unit is suspended, queues of the others are not emptied | one silent unit among four |
 * | thingsboard-gateway#494: a write to a dead device jams the gateway | a write to a dead device |
 * | node-red-contrib-modbus#165: the queue freezes | modbus-fuzz.test.ts (polling went on) |
 * | node-red-contrib-modbus#192, #436: no reconnect after absence, port not opened again | a wire that is gone; lifecycle.test.ts, modbus-pymodbus.test.ts |
 * | device-modbus-go#685, #25: races of units on one line, work that piles up | modbus-traps.test.ts 3, modbus-traps.test.ts 6 |
 * | evcc#17500, mbmd#333, telegraf#7523: two devices on one line disturb each other | one silent unit among four, a late reply |
 * | neuron: back-off by unit alone silences the same unit elsewhere | the rest of a unit is of its bus |
 * | thingsboard-gateway#1664, device-modbus-go#108: a pause between requests | pauses |
 * | evcc#7964: gaps inside a frame | modbus-traps.test.ts 8; drivers-modbus-framing.test.ts (cut anywhere) |
 * | evcc#32687: time-out too short for what is slow | a device that becomes slow |
 * | thingsboard-gateway#799: stagger poll starts | drivers-modbus-schedule.test.ts (the offsets keep them apart) |
 * | modbus-relay#7: a dead descriptor keeps the port busy | a wire that is gone; lifecycle.test.ts |
 * | mbmd#346: no MQTT reconnect | delivery.test.ts |
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { reasonAt, type Sample } from '../../../src/core/point.ts';
import { modbusRtu } from '../../../src/drivers/modbus/kind.ts';
import { rightPdu } from '../../fakes/modbus-device.ts';
import {
  FRAMES,
  isSerial,
  TRANSPORTS,
  type Transport,
  World,
  type WorldOptions,
  type WorldRequest,
} from '../../fakes/modbus-world.ts';
import { outcomeOf } from '../../harness/modbus-site.ts';

/** 9600 baud, 10 bits. */
const CHARACTER = 10 / 9.6;
const wireOf = (r: WorldRequest, transport: Transport) => (isSerial(transport) ? (8 + r.frame().length) * CHARACTER : 1);

/** A world of four units at one second, on a line at its pace; a device takes 20 ms. */
function four(
  transport: Transport,
  answer: (r: WorldRequest, well: () => void) => void,
  more: Partial<WorldOptions> = {},
): World {
  return new World({
    ...{ transport, timeout: 500, retries: 1, character: CHARACTER, paced: isSerial(transport) && transport !== 'rtu-over-tcp' },
    devices: [1, 2, 3, 4].map((unit) => ({ unit, interval: 1000, addresses: [10, 100], offset: (unit - 1) * 250 })),
    answer: (r) => answer(r, () => r.send(r.frame(), wireOf(r, transport) + 20)),
    ...more,
  });
}
const outcomes = (world: World, unit: number): string[] =>
  world.samples.filter((s) => s.shape.device === `d${unit}`).map(outcomeOf);
const times = (samples: readonly Sample[]) => samples.map((s) => s.at);

for (const transport of TRANSPORTS)
  for (const bridge of isSerial(transport) && transport !== 'rtu-over-tcp'
    ? ['says nothing']
    : ['says nothing', 'answers exception 11'])
    test(`a silent unit rests, delays no read, is seen at once: ${transport}, ${bridge}`, async () => {
      let dead = true;
      const world = four(transport, (r, well) => {
        if (r.unit !== 2 || !dead) well();
        // A bridge waits for its device before it gives up.
        else if (bridge !== 'says nothing') r.send(r.frame(Buffer.of(r.unit, r.code | 0x80, 11)), 300);
      });
      // At the start it has to be found out, with whole time-outs.
      await world.until(5000);
      const missed = () => world.bus.status().devices.map((d) => (d.name === 'd2' ? 0 : d.counters.missedPolls));
      const before = missed();
      assert.ok(Math.max(...before.map(Number)) <= 2);
      await world.until(300_000);
      for (const unit of [1, 3, 4]) {
        assert.ok(world.of(unit).length >= 2 * 299, `unit ${unit} was asked ${world.of(unit).length} times`);
        assert.deepEqual([...new Set(outcomes(world, unit))], ['good']);
      }
      assert.deepEqual(missed(), before);
      assert.equal(world.bus.status().devices[1]?.state, 'silent');
      assert.deepEqual([...new Set(outcomes(world, 2))], [bridge === 'says nothing' ? 'timeout' : 'exception']);
      assert.ok(outcomes(world, 2).length >= 2 * 299, 'every poll of it is told, asked or not');
      // Two or three requests until it is known, then rests of 1, 2, 4 … 60 s.
      const probes = world.of(2).map((r) => r.at);
      assert.ok(probes.length <= 14, `${probes.length} requests to it in five minutes`);
      const rests = probes.slice(2).map((at, i) => at - (probes[i + 1] as number));
      // At first their share of the bus keeps them apart, then the rests, which double.
      for (let i = 1; i < rests.length; i++)
        assert.ok((rests[i] as number) >= 0.9 * (rests[i - 1] as number) || i < 3, rests.join(' '));
      assert.ok(Math.max(...rests) <= 63_000, 'capped');
      dead = false;
      const so = world.samples.length;
      await world.until(365_000);
      const good = world.samples.slice(so).filter((s) => s.shape.device === 'd2' && reasonAt(s, 0) === 0);
      const first = good[0]?.at ?? Number.POSITIVE_INFINITY;
      assert.ok(first <= 300_000 + 62_000, 'within one rest');
      assert.ok(good.length >= 2 * Math.floor((364_000 - first) / 1000), 'after the first answer every poll is asked again');
      // And when it dies again the others do not even notice that.
      dead = true;
      await world.until(480_000);
      assert.deepEqual(missed(), before);
      for (const unit of [1, 3, 4]) assert.deepEqual([...new Set(outcomes(world, unit))], ['good']);
      assert.deepEqual(world.lies, []);
    });

test('a device whose replies are never whole rests; a line that is only noisy does not', async () => {
  let n = 0;
  const world = four('rtu', (r, well) => {
    // Half of each reply of unit 2; every fourth one of unit 3 is damaged.
    if (r.unit === 2) r.send(r.frame().subarray(0, 5), wireOf(r, 'rtu'));
    else if (r.unit === 3 && ++n % 4 === 0) r.send(r.frame().fill(0x55, 3, 4), wireOf(r, 'rtu') + 20);
    else well();
  });
  await world.until(120_000);
  assert.deepEqual([...new Set(outcomes(world, 1))], ['good']);
  assert.deepEqual([...new Set(outcomes(world, 2))], ['crc']);
  assert.ok(world.of(2).length < 30, `${world.of(2).length} requests in two minutes`);
  assert.ok(world.of(3).length >= 2 * 119);
  assert.deepEqual([...new Set(outcomes(world, 3))], ['good'], 'its repeats were good');
});

test('the rest of a unit is of its bus: the same unit on another bus goes on', async () => {
  const silent = four('rtu', () => {});
  const well = four('rtu', (_r, answer) => answer());
  await silent.until(60_000);
  await well.until(60_000);
  assert.equal(silent.bus.status().devices[1]?.state, 'silent');
  assert.deepEqual([...new Set(outcomes(well, 2))], ['good']);
});

test('silent devices are asked ever less, and one that is back is seen within its rest', async () => {
  let dead = true;
  const world = four('rtu', (_r, well) => (dead ? undefined : well()));
  await world.until(600_000);
  assert.ok(world.requests.length < 100, `${world.requests.length} requests in ten minutes`);
  dead = false;
  const from = world.samples.length;
  await world.until(670_000);
  for (const unit of [1, 2, 3, 4])
    assert.ok(world.samples.slice(from).some((s) => s.shape.device === `d${unit}` && reasonAt(s, 0) === 0));
});

/** The answer to something else: were it taken, its value would be that of another register. */
const foreign = (r: WorldRequest, other: Partial<WorldRequest>) => rightPdu({ ...r, start: r.start + 1, ...other });
/** How the third reply comes, and what the poll then says (by the framing); `repeat`: the fault costs a repeat, no reading. */
const FAULTS: Record<string, (r: WorldRequest, transport: Transport) => { bytes: Buffer; late?: number }[]> = {
  late: (r) => [{ bytes: r.frame(), late: 700 }],
  doubled: (r) => [{ bytes: Buffer.concat([r.frame(), r.frame()]) }],
  'doubled, in two pieces': (r) => [{ bytes: r.frame() }, { bytes: r.frame(), late: 1 }],
  truncated: (r) => [{ bytes: r.frame().subarray(0, -3) }],
  'wrong unit': (r, t) => [{ bytes: FRAMES[t].frame(foreign(r, { unit: 9 }), r.transaction) }],
  'wrong function': (r, t) => [{ bytes: FRAMES[t].frame(foreign(r, { code: 4 }), r.transaction) }],
  'wrong length': (r, t) => [{ bytes: FRAMES[t].frame(foreign(r, { count: 2 }), r.transaction) }],
  'wrong checksum': (r, t) => {
    const bytes = r.frame();
    const at = t === 'ascii' ? bytes.length - 3 : bytes.length - 1;
    bytes[at] = t === 'ascii' ? 0x30 + ((((bytes[at] as number) - 0x30) & 7) ^ 1) : (bytes[at] as number) ^ 1;
    return [{ bytes: isSerial(t) ? bytes : Buffer.alloc(0) }];
  },
  'wrong transaction': (r, t) => [{ bytes: FRAMES[t].frame(isSerial(t) ? rightPdu(r) : foreign(r, {}), r.transaction ^ 0x0f0f) }],
};
for (const transport of TRANSPORTS)
  for (const [name, fault] of Object.entries(FAULTS))
    test(`a reply that is ${name} over ${transport}: no wrong value, then well again`, async () => {
      let bad = false;
      const world = four(transport, (r, well) => {
        if (!bad || r.unit !== 2) return well();
        for (const { bytes, late = 0 } of fault(r, transport)) r.send(bytes, wireOf(r, transport) + 20 + late);
        return undefined;
      });
      await world.until(10_000);
      for (let burst = 0; burst < 5; burst++) {
        bad = true;
        await world.until(world.clock.monotonic() + 1400);
        bad = false;
        const from = world.clock.monotonic();
        await world.until(from + 20_000);
        // A rest that had begun was the first or second one, at most 2 s; what may be late is known for 1 s more.
        const after = world.samples.filter((s) => s.at > from + 4000);
        assert.ok(after.length >= 4 * 2 * 15);
        assert.deepEqual([...new Set(after.map(outcomeOf))], ['good']);
      }
      assert.deepEqual(world.lies, []);
      assert.deepEqual(
        // A connection that was closed in doubt is gone for a moment, for everybody on it.
        [...new Set(outcomes(world, 1))].filter((o) => !['good', 'bad-reply', 'disconnected'].includes(o)),
        [],
      );
      // Somebody else's reply never ends the polling of the others.
      assert.ok(outcomes(world, 4).filter((o) => o === 'good').length >= 2 * 110);
    });

test('a device that says everything twice: a line hears the echo before the next request', async () => {
  for (const transport of ['rtu', 'ascii', 'tcp', 'udp', 'rtu-over-tcp'] as const) {
    const world = four(transport, (r) => {
      const frame = r.frame();
      const wire = wireOf(r, transport) + 20;
      r.send(frame, wire);
      r.send(frame, wire + (isSerial(transport) ? 2 * CHARACTER : 0));
    });
    await world.until(60_000);
    assert.deepEqual(world.lies, [], transport);
    for (const unit of [1, 2, 3, 4]) assert.deepEqual([...new Set(outcomes(world, unit))], ['good'], transport);
    assert.equal(world.openings.length, 1, `${transport}: the connection stays`);
  }
});

test('a late reply never answers another request, also when the port was opened anew', async () => {
  let slow = false;
  const pending: (() => void)[] = [];
  const world = new World({
    ...{ transport: 'rtu-over-tcp', timeout: 500, retries: 0, character: CHARACTER },
    devices: [{ unit: 1, interval: 100, addresses: [10, 100, 200] }],
    answer: (r) => {
      if (!slow) return r.send(r.frame(), 40);
      slow = false;
      // The converter hands what comes to whoever is connected then.
      pending.push(() => world.pipe?.events.data(r.frame()));
      r.drop();
      return undefined;
    },
  });
  await world.until(5000);
  for (let i = 0; i < 10; i++) {
    slow = true;
    await world.until(world.clock.monotonic() + 400 + 30 * i);
    for (const give of pending.splice(0)) give();
    await world.until(world.clock.monotonic() + 3000);
  }
  assert.ok(world.openings.length > 5);
  assert.ok(world.good.length > 50);
  assert.deepEqual(world.lies, []);
});

/** One unit, two requests of one form; `script` tells how long after the request what comes, by the number of the request. */
function twoAlike(script: Record<number, (r: WorldRequest) => void>): World {
  return new World({
    ...{ transport: 'rtu', timeout: 500, retries: 1, character: CHARACTER },
    devices: [{ unit: 1, interval: 60_000, addresses: [10, 100] }],
    answer: (r) => (script[r.n] ?? ((other) => other.send(other.frame(), 20)))(r),
  });
}

test('a late reply that breaks off over tcp does not swallow those that follow', async () => {
  for (const claimed of [9, 177, 250]) {
    let breaks = false;
    const world = four('tcp', (r, well) => {
      if (!breaks || r.unit !== 2) return well();
      breaks = false;
      // Its own time-out has passed, and others are asked meanwhile.
      return r.send(Buffer.of(...r.frame().subarray(0, 4), 0, claimed), 620);
    });
    await world.until(10_000);
    breaks = true;
    await world.until(20_000);
    const bad = world.samples.filter((s) => s.at > 10_000 && reasonAt(s, 0) !== 0);
    assert.ok(
      bad.every((s) => s.at < 14_000),
      bad.map((s) => `${s.shape.device} ${outcomeOf(s)} ${s.at}`).join('; '),
    );
    assert.ok(bad.length <= 8, `${bad.length}`);
    assert.deepEqual(world.lies, []);
    assert.ok(world.openings.length <= 2, `${world.openings}`);
  }
});

test('a damaged reply while a late one is out may have been that one: the other request waits', async () => {
  const world = twoAlike({
    1: (r) => r.send(r.frame().fill(0x55, 3, 4), 700),
    2: (r) => r.send(r.frame(), 650),
    3: (r) => r.send(r.frame(), 600),
  });
  await world.until(10_000);
  assert.deepEqual(
    world.requests.map((r) => r.start),
    [10, 10, 100],
  );
  assert.deepEqual(world.lies, []);
});

test('nor is it the one under way where the late one is of another function or unit', async () => {
  for (const [transport, first] of [
    ['rtu', { unit: 1, interval: 10_000, addresses: [10], inputs: [100, 200] }],
    ['ascii', { unit: 1, interval: 10_000, addresses: [10], inputs: [100, 200] }],
    ['rtu-over-tcp', undefined],
  ] as const) {
    const world = new World({
      ...{ transport, timeout: 500, retries: 0, character: CHARACTER },
      devices:
        first === undefined
          ? [
              { unit: 2, interval: 10_000, addresses: [10] },
              { unit: 1, interval: 10_000, addresses: [100, 200] },
            ]
          : [first],
      answer: (r) => {
        const late = r.frame();
        // Damaged in the very byte that tells it from the answer to the next request.
        if (r.n === 1) {
          if (transport === 'rtu') late[1] = 4;
          else if (transport === 'ascii') late.write('04', 3, 'latin1');
          else late[0] = 1;
          r.send(late, 700);
        } else r.send(late, r.n === 2 ? 450 : 400);
      },
    });
    await world.until(9000);
    assert.deepEqual(world.lies, [], transport);
    assert.deepEqual(world.samples.map(outcomeOf).slice(0, 2), ['timeout', 'crc'], transport);
    assert.equal(world.samples.length, 3, transport);
  }
});

test('a reply that comes twice is not the late one that is still out', async () => {
  const world = twoAlike({
    1: (r) => r.send(r.frame(), 900),
    2: (r) => {
      r.send(r.frame(), 20);
      r.send(r.frame(), 20 + 2 * CHARACTER);
    },
    3: (r) => r.send(r.frame(), 490),
  });
  await world.until(10_000);
  assert.deepEqual(
    world.requests.map((r) => r.start),
    [10, 10, 100],
  );
  assert.deepEqual(world.lies, []);
});

test('a device that becomes slow within the time-out is waited for after a few polls', async () => {
  let takes = 10;
  const world = four('rtu', (r) => r.send(r.frame(), wireOf(r, 'rtu') + takes));
  await world.until(20_000);
  takes = 450;
  await world.until(40_000);
  const from = world.clock.monotonic();
  await world.until(from + 60_000);
  assert.deepEqual([...new Set(world.samples.filter((s) => s.at > from).map(outcomeOf))], ['good']);
  assert.deepEqual(world.lies, []);
});

test('pauses: a turnaround holds for everybody, connectDelay after each opening', async () => {
  const world = new World({
    ...{ transport: 'rtu', timeout: 500, retries: 0, character: CHARACTER },
    devices: [
      { unit: 1, interval: 100, addresses: [10], patience: { turnaround: 3000 } },
      { unit: 2, interval: 100, addresses: [10], patience: { connectDelay: 5000 } },
    ],
    answer: (r) => r.send(r.frame(), 20),
  });
  await world.until(30_000);
  assert.ok(world.of(2).every((r) => r.at >= 5000));
  const all = world.requests;
  for (const [i, r] of all.entries()) {
    const next = all[i + 1];
    if (r.unit === 1 && next !== undefined) assert.ok(next.at - r.at >= 3000, `${r.at} ${next.at}`);
  }
  assert.ok(world.of(2).length > 0);
  assert.deepEqual([...new Set(world.samples.map(outcomeOf))], ['good']);
});

test('time-out, retries, turnaround and connectDelay of a device hold for it alone', async () => {
  const resolved = (unit: number, settings: object) => ({
    ...{ name: `d${unit}`, bus: 'test' },
    settings: modbusRtu.device.parse({ unit, interval: '10s', ...settings }),
    points: new Map([['r10', modbusRtu.point.parse({ table: 'holding', address: 10, type: 'uint16' })]]),
  });
  const world = new World({
    ...{ transport: 'rtu', timeout: 500, retries: 1, character: CHARACTER },
    resolved: [
      resolved(1, {}),
      resolved(2, { timeout: '100ms', retries: 4 }),
      resolved(3, { retries: 0 }),
      resolved(4, { turnaround: '700ms', connectDelay: '2s' }),
    ],
    // Only the last one is there.
    answer: (r) => (r.unit === 4 ? r.send(r.frame(), 30) : undefined),
  });
  await world.until(9000);
  const times = (unit: number) => world.of(unit).map((r) => Math.round(r.at));
  assert.deepEqual(
    [1, 2, 3, 4].map((unit) => times(unit).length),
    [2, 5, 1, 1],
  );
  const gaps = (unit: number) =>
    times(unit)
      .slice(1)
      .map((at, i) => at - (times(unit)[i] as number));
  for (const gap of gaps(2)) assert.ok(gap >= 100 && gap < 200, `${gap}`);
  assert.ok((gaps(1)[0] ?? 0) >= 500);
  const [opened = 0] = world.openings;
  assert.ok((times(4)[0] ?? 0) >= opened + 2000);
  // Somebody else's turn is 700 ms after the reply of the one that needs it.
  await world.until(12_500);
  const at = world.requests.findIndex((r) => r.unit === 4);
  const [after] = world.requests.slice(at + 1);
  assert.ok(after !== undefined && after.at - (world.requests[at]?.at ?? 0) >= 730, `${after?.at}`);
  // And after each opening anew.
  world.pipe?.drop();
  await world.until(40_000);
  const again = world.openings.at(-1) ?? 0;
  assert.ok(
    again > opened &&
      world
        .of(4)
        .filter((r) => r.at > again)
        .every((r) => r.at >= again + 2000),
  );
  assert.ok(world.of(4).some((r) => r.at > again));
});

test('no request before 3.5 characters of silence; a line that is never silent is still asked', async () => {
  let noisy = false;
  const world = new World({
    ...{ transport: 'rtu', timeout: 500, retries: 0, character: CHARACTER },
    devices: [{ unit: 1, interval: 10, addresses: [10, 100] }],
    answer: (r) => r.send(r.frame(), wireOf(r, 'rtu')),
  });
  let heard = Number.NEGATIVE_INFINITY;
  world.bus.capture((way, _bytes, at) => {
    if (way === 'out') assert.ok(noisy || at - heard >= 3.5 * CHARACTER - 1e-6, `${at - heard} ms after a byte`);
    else heard = Math.max(heard, at);
  });
  const noise = () => {
    world.pipe?.events.data(Buffer.of(0xff));
    heard = Math.max(heard, world.clock.monotonic());
  };
  await world.until(2000);
  for (let i = 0; i < 50; i++) {
    noise();
    await world.until(world.clock.monotonic() + 17);
  }
  const before = world.asked;
  noisy = true;
  for (let i = 0; i < 3000; i++) {
    noise();
    await world.until(world.clock.monotonic() + 1);
  }
  assert.ok(world.asked - before >= 2, 'it was not waited for without end');
  assert.deepEqual(world.lies, []);
});

test('a write to a dead device is refused at once where that is known, and delays nobody', async () => {
  const point = {
    name: 'w',
    table: 'holding' as const,
    address: 500,
    type: 'uint16' as const,
    write: { min: 0, max: 9, every: 0, readBack: true },
  };
  const world = four('rtu', (r, well) => (r.unit === 2 ? undefined : well()), {
    devices: [1, 2].map((unit) => ({ unit, interval: 1000, addresses: [10], points: [point] })),
  });
  await world.until(20_000);
  const asked = world.of(2).length;
  for (let i = 0; i < 20; i++) await assert.rejects(world.bus.write('d2', 'w', 5), { code: 'timeout' });
  assert.equal(world.of(2).length, asked, 'nothing was sent');
  await world.until(40_000);
  assert.deepEqual([...new Set(outcomes(world, 1))], ['good']);
  assert.equal(world.bus.status().devices[0]?.counters.missedPolls, 0);
});

test('a write goes before repeats and polls, and between them', async () => {
  const point = {
    name: 'w',
    table: 'holding' as const,
    address: 500,
    type: 'uint16' as const,
    write: { min: 0, max: 9, every: 0, readBack: true },
  };
  let written = 0;
  const world = new World({
    ...{ transport: 'rtu', timeout: 500, retries: 5, character: CHARACTER },
    devices: [
      { unit: 1, interval: 60_000, addresses: [10], points: [point] },
      { unit: 2, interval: 60_000, addresses: [10, 20, 30, 40] },
    ],
    answer: (r) => {
      if (r.unit === 2) return undefined;
      if (r.code === 6) written = r.count;
      const read = Buffer.of(1, 3, 2, 0, written);
      return r.send(r.frame(r.code === 6 ? Buffer.concat([Buffer.of(1), r.pdu]) : r.start === 500 ? read : undefined), 30);
    },
  });
  await world.until(700);
  let shown: unknown;
  world.bus.write('d1', 'w', 7).then(
    (written) => (shown = written.value),
    (error) => (shown = error),
  );
  const from = world.asked;
  await world.until(1700);
  assert.equal(shown, 7);
  const order = world.requests.slice(from).map((r) => r.unit);
  assert.ok(order.indexOf(1) >= 0 && order.indexOf(1) <= 1, `it did not wait for the five repeats: ${order.join(' ')}`);
});

test('several requests under way over tcp and udp: one for each device, each answer to its own', async () => {
  for (const transport of ['tcp', 'udp'] as const) {
    let open = 0;
    let most = 0;
    const under = new Map<number, number>();
    const world = new World({
      ...{ transport, timeout: 1000, retries: 0, inFlight: 3 },
      devices: [1, 2, 3, 4].map((unit) => ({ unit, interval: 100, addresses: [10 * unit, 500, 900] })),
      answer: (r) => {
        most = Math.max(most, ++open);
        under.set(r.unit, (under.get(r.unit) ?? 0) + 1);
        assert.equal(under.get(r.unit), 1);
        const takes = 5 + ((r.n * 7919) % 40);
        // In another order than they were asked.
        world.clock.after(takes, () => {
          open--;
          under.set(r.unit, (under.get(r.unit) ?? 0) - 1);
        });
        r.send(r.frame(), takes);
      },
    });
    await world.until(20_000);
    assert.equal(most, 3);
    assert.ok(world.good.length > 1000);
    assert.equal(world.good.length, world.samples.length);
    assert.deepEqual(world.lies, []);
  }
});

test('a TCP server that greets with something else is retried at growing pauses', async () => {
  const world = four('tcp', () => {});
  const greet = () => {
    const pipe = world.pipe;
    if (pipe?.isOpen === true) pipe.events.data(Buffer.from('SSH-2.0-OpenSSH_10.0\r\n'));
  };
  world.bus.start();
  for (let at = 0; at < 60_000; at += 10) {
    await world.until(at);
    greet();
  }
  assert.ok(world.openings.length <= 20, `${world.openings.length} connections in a minute`);
  assert.match(world.bus.status().fault ?? '', /transaction id|not Modbus/);
  assert.deepEqual(world.good, []);
});

test('a connection on which nothing is answered is made again; the cycle goes on', async () => {
  for (const transport of ['tcp', 'rtu-over-tcp'] as const) {
    let dead: object | undefined;
    const world = four(transport, (_r, well) => {
      // The first connection dies without a word; the next one works.
      if (world.pipe !== dead) well();
    });
    await world.until(5000);
    dead = world.pipe;
    const from = world.clock.monotonic();
    await world.until(from + 30_000);
    assert.ok(world.openings.length >= 2, transport);
    for (const unit of [1, 2, 3, 4]) assert.equal(outcomes(world, unit).at(-1), 'good', `${transport} ${unit}`);
    assert.deepEqual(world.lies, []);
  }
});

test('a wire that is gone: each poll says so when due, calls fail, and it is opened again', async () => {
  for (const transport of TRANSPORTS) {
    const world = four(transport, (_r, well) => well());
    await world.until(5000);
    world.refuse = true;
    world.pipe?.drop();
    await world.until(6000);
    await assert.rejects(world.bus.read('d1'), { code: 'bus-closed' });
    const from = world.samples.length;
    await world.until(36_000);
    const told = world.samples.slice(from);
    assert.deepEqual([...new Set(told.map(outcomeOf))], ['disconnected'], transport);
    assert.ok(told.length >= 8 * 29, 'all polls are told');
    world.refuse = false;
    await world.until(50_000);
    const after = world.samples.filter((s) => s.at > 47_000);
    assert.deepEqual([...new Set(after.map(outcomeOf))], ['good'], transport);
    assert.ok(times(after).length >= 4 * 2 * 2);
    assert.deepEqual(world.lies, []);
  }
});

test('identification over a line at its pace is not taken for something that came too early', async () => {
  const world = four('rtu', (r, well) => {
    if (r.code !== 43) return well();
    const reply = Buffer.concat([Buffer.of(r.unit, 43, 14, 1, 1, 0, 0, 1, 0, 3), Buffer.from('abc')]);
    return r.send(r.frame(reply), (7 + 15) * CHARACTER + 20);
  });
  await world.until(20_000);
  const answer = world.bus.ask(1, { kind: 'identify', code: 1, object: 0 });
  await world.until(23_000);
  assert.equal((await answer).pdu.length, 12);
  assert.equal(world.bus.status().devices[0]?.counters.lateReplies, 0);
});
