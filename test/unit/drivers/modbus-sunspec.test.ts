/** SunSpec devices on a bus whose clock and wire the test has: the search for their models among the polls of others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedDevice } from '../../../src/config/kinds.ts';
import { reasonAt, type Sample } from '../../../src/core/point.ts';
import { reasonName } from '../../../src/core/reasons.ts';
import { modbusRtu, modbusTcp } from '../../../src/drivers/modbus/kind.ts';
import { World, type WorldOptions, type WorldRequest } from '../../fakes/modbus-world.ts';

/** Registers of a device; what is not there is refused with exception 2. */
type Map_ = Map<number, number>;
type Model = readonly [id: number, body: readonly number[]];

/** As the specification lays it: "SunS", models as number, length, registers; 0xFFFF ends. */
function image(base: number, models: readonly Model[], end: readonly number[] = [0xffff, 0]): Map_ {
  const words = [0x5375, 0x6e53, ...models.flatMap(([id, body]) => [id, body.length, ...body]), ...end];
  return new Map(words.map((word, i) => [base + i, word]));
}

/** A model of `length` registers with some of them set, counted from its number. */
function model(id: number, length: number, set: Readonly<Record<number, number>> = {}): Model {
  return [id, Array.from({ length }, (_, i) => set[i + 2] ?? 0)];
}

const COMMON = model(1, 66);
const inverter = (power: number, factor = 0, length = 50) => model(103, length, { 14: power, 15: factor, 38: 4 });
const meter = (volts: number) => model(203, 105, { 8: volts, 15: 0xffff });

const PV = {
  power: { model: 'inverter', table: 'holding', address: 14, type: 'int16', scaleFactor: 'power-sf' },
  'power-sf': { model: 'inverter', table: 'holding', address: 15, type: 'int16' },
  state: { model: 'inverter', table: 'holding', address: 38, type: 'uint16' },
};
const GRID = {
  volts: { model: 'meter', table: 'holding', address: 8, type: 'int16', scaleFactor: 'volts-sf' },
  'volts-sf': { model: 'meter', table: 'holding', address: 15, type: 'int16' },
};

function device(name: string, unit: number, settings: object, points: object): ResolvedDevice {
  return {
    ...{ name, bus: 'test' },
    settings: modbusTcp.device.parse({ unit, interval: '1s', ...settings }),
    points: new Map(Object.entries(points).map(([point, of]) => [point, modbusTcp.point.parse(of)])),
  };
}
const pv = (more: object = {}) => device('pv', 1, { sunspec: { inverter: [103, 101] }, ...more }, PV);

interface Site extends World {
  image: Map_ | undefined;
}
/** Unit 1 has `image` (undefined: it is silent); others tell their addresses. */
function sunspecWorld(first: Map_ | undefined, options: Omit<WorldOptions, 'answer'>, delay = 10): Site {
  const answer = (request: WorldRequest) => {
    if (request.unit !== 1) return request.send(request.frame(), delay);
    if (world.image === undefined) return;
    request.send(request.frame(answerOf(request, world.image)), delay);
  };
  const world = Object.assign(new World({ transport: 'tcp', ...options, answer }), { image: first });
  return world;
}
function answerOf({ unit, code, start, count, pdu }: WorldRequest, words: Map_): Uint8Array {
  const own = Array.from({ length: count }, (_, i) => words.get(start + i));
  if (code === 6) {
    words.set(start, pdu.readUInt16BE(3));
    return Uint8Array.of(unit, ...pdu);
  }
  if (own.some((word) => word === undefined)) return Uint8Array.of(unit, code | 0x80, 2);
  return Uint8Array.of(unit, code, count * 2, ...own.flatMap((word = 0) => [word >> 8, word & 255]));
}

/** Point -> value or reason, of the newest samples of a device. */
function told(world: World, name = 'pv'): Record<string, unknown> {
  const readings: Record<string, unknown> = {};
  for (const sample of world.samples.filter((s) => s.shape.device === name))
    for (const [i, { name: point }] of sample.shape.points.entries()) {
      const reason = reasonAt(sample, i);
      readings[point] = reason === 0 ? sample.values[i] : reasonName(reason);
    }
  return readings;
}
const faultOf = (world: World) => world.bus.status().devices.find((d) => d.name === 'pv')?.fault;
const heads = (world: World) =>
  world
    .of(1)
    .filter((r) => r.count === 2)
    .map((r) => r.start);

test('models are looked for before the first poll; then one request reads a plan with its head', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(4899)]), { resolved: [pv()] });
  await world.until(2500);
  assert.deepEqual(heads(world), [40000, 40002, 40070, 40122]);
  assert.deepEqual(
    world
      .of(1)
      .slice(4)
      .map(({ start, count }) => [start, count]),
    [
      [40070, 39],
      [40070, 39],
      [40070, 39],
    ],
  );
  assert.deepEqual(told(world), { power: 4899, 'power-sf': 0, state: 4 });
  assert.equal(world.samples.length, 3);
  assert.equal(faultOf(world), undefined);
  assert.ok(
    world.log.some((line) => line === 'info pv: inverter is model 103 in register 40070, 50 long'),
    world.log.join('\n'),
  );
});

test('property: any chain at any base gives each point its register, with no other request', async () => {
  const other = fc.record({ id: fc.integer({ min: 300, max: 65_000 }), length: fc.nat(150) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(40_000, 50_000, 0),
      fc.array(other, { maxLength: 8 }),
      fc.array(other, { maxLength: 8 }),
      fc.integer({ min: -32_000, max: 32_000 }),
      fc.integer({ min: -3, max: 3 }),
      fc.boolean(),
      async (base, before, behind, power, factor, ends) => {
        const models = [
          ...before.map(({ id, length }) => model(id, length)),
          inverter(power & 0xffff, factor & 0xffff),
          ...behind.map(({ id, length }) => model(id, length)),
        ];
        const words = image(base, models, ends ? [0xffff, 0] : []);
        const world = sunspecWorld(words, { resolved: [pv()] });
        await world.until(900);
        const value = Number(`${power}e${factor}`);
        assert.deepEqual(told(world), { power: value, 'power-sf': factor, state: 4 });
        assert.ok(world.of(1).length <= 3 + models.length + 1 + 1);
        assert.equal(world.of(1).filter((r) => r.count > 2).length, 1);
      },
    ),
    { numRuns: 60 },
  );
});

test('a long chain holds nobody up: between two steps everybody who is due is asked', async () => {
  const chain = Array.from({ length: 40 }, (_, i) => model(700 + i, 3));
  for (const transport of ['tcp', 'rtu'] as const) {
    const world = sunspecWorld(image(0, [...chain, inverter(7)]), {
      ...{ transport, resolved: [pv()] },
      devices: [{ unit: 2, interval: 100, addresses: [5, 9] }],
    });
    await world.until(2000);
    assert.equal(told(world).power, 7);
    const steps = world.requests.slice(
      0,
      world.requests.findIndex((r) => r.unit === 1 && r.count > 2),
    );
    const others = steps.filter((r) => r.unit === 2);
    // 40 steps of 10 ms and 3 more; meanwhile the two requests of the other device every 100 ms.
    assert.ok(others.length >= 8, `${transport}: ${others.length}`);
    assert.equal(world.bus.status().devices.find((d) => d.name === 'd2')?.counters.missedPolls, 0);
    for (const [i, { at }] of others.entries()) assert.ok(at - 100 * Math.floor(i / 2) <= 40, `${transport}: ${i} at ${at}`);
  }
});

test('no SunSpec, a lying chain and a missing model are named; every poll gives its sample', async () => {
  const cases: [Map_, string, RegExp][] = [
    [new Map(), 'bad-reply', /unit 1 on tcp: it is not a SunSpec device: "SunS" is at none/],
    [image(40000, [COMMON], [103, 60_000]), 'bad-reply', /list of SunSpec models cannot be right: model 103 in register 40070/],
    [
      image(
        0,
        Array.from({ length: 300 }, () => model(9, 0)),
      ),
      'bad-reply',
      /cannot be right: it lists more than 200 models/,
    ],
    [
      image(40000, [COMMON, model(113, 60)]),
      'not-there',
      /does not have SunSpec model 103 or 101 \(inverter\); it has 1, 113: choose the profile for model 113/,
    ],
  ];
  for (const [words, reason, fault] of cases) {
    const world = sunspecWorld(words, { resolved: [pv()] }, 1);
    await world.until(9900);
    assert.match(faultOf(world) ?? '', fault);
    assert.deepEqual(told(world), { power: reason, 'power-sf': reason, state: reason });
    assert.equal(world.samples.length, 10);
    const asked = world.of(1).length;
    assert.ok(asked <= 3 + 201 + 1, `${asked}`);
    // It is asked again, ever more seldom: after 10 s, 20, 40, 80 …, and never more often than every 10 minutes then.
    world.requests.length = 0;
    await world.until(3_600_000);
    const searches = world.of(1).filter((r) => r.start === 40_000).length;
    assert.ok(searches >= 8 && searches <= 12, `${searches}`);
    // The missing model is there now, and is found.
    world.image = image(40000, [COMMON, inverter(5)]);
    await world.until(3_600_000 + 601_000);
    assert.equal(told(world).power, 5);
    assert.equal(faultOf(world), undefined);
    assert.equal(world.log.filter((line) => line.startsWith('warn')).length, 1);
  }
});

test('a missing role leaves the other one and points with addresses of their own readable', async () => {
  const both = device(
    'pv',
    1,
    { sunspec: { inverter: [103], meter: [203] } },
    { ...PV, ...GRID, own: { table: 'holding', address: 5, type: 'uint16' } },
  );
  const words = image(40000, [COMMON, meter(2301)]).set(5, 77);
  const world = sunspecWorld(words, { resolved: [both] });
  await world.until(900);
  assert.deepEqual(told(world), {
    ...{ power: 'not-there', 'power-sf': 'not-there', state: 'not-there' },
    ...{ volts: 230.1, 'volts-sf': -1, own: 77 },
  });
  assert.match(faultOf(world) ?? '', /does not have SunSpec model 103 \(inverter\); it has 1, 203/);
});

test('a model that is too short: what it lacks is not there, and nothing behind it is read', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(12, 1, 20)]), { resolved: [pv()] });
  await world.until(900);
  assert.deepEqual(told(world), { power: 120, 'power-sf': 1, state: 'not-there' });
  assert.deepEqual(
    world
      .of(1)
      .filter((r) => r.count > 2)
      .map(({ start, count }) => [start, count]),
    [[40070, 22]],
  );
  assert.match(faultOf(world) ?? '', /its SunSpec model 103 has 20 registers, too few for state: remove these points/);
  // The factor is what is missing: then there is no value to scale.
  const shorter = sunspecWorld(image(40000, [COMMON, inverter(12, 1, 13)]), { resolved: [pv()] });
  await shorter.until(900);
  assert.deepEqual(told(shorter), { power: 'invalid', 'power-sf': 'not-there', state: 'not-there' });
});

test('another place after a reconnect, after silence, and after exception 2', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(1)]), { resolved: [pv()] });
  await world.until(500);
  world.image = image(50000, [model(1, 65), inverter(2)]);
  world.pipe?.drop();
  await world.until(5000);
  assert.equal(told(world).power, 2);

  world.image = undefined;
  await world.until(20_000);
  assert.equal(told(world).power, 'timeout');
  world.image = image(0, [model(1, 65), model(64_000, 9), inverter(3)]);
  await world.until(120_000);
  assert.equal(told(world).power, 3);

  // It was too short away for a time-out, and nothing is left where the model was.
  world.image = image(40000, [inverter(4)]);
  await world.until(150_000);
  assert.equal(told(world).power, 4);
  assert.equal(faultOf(world), undefined);
});

test('registers that became those of another model give no value: the head is read along', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(1), model(160, 80)]), { resolved: [pv()] });
  await world.until(30_500);
  // A model came in between: where the inverter was, other registers answer.
  world.image = image(40000, [COMMON, model(120, 80), inverter(9, 0)]);
  world.samples.length = 0;
  await world.until(40_500);
  const values = world.samples.map((s) => [reasonAt(s, 0), s.values[0]]);
  assert.ok(values.length >= 9);
  for (const [reason, value] of values) assert.ok(reason !== 0 || value === 9, String(value));
  assert.equal(told(world).power, 9);
  assert.equal(faultOf(world), undefined);
});

test('a chain that moves: no reply counts whose head was not seen with it or after it', async () => {
  const far = { ...PV, state: { ...PV.state, interval: '3s' }, limit: { ...PV.state, address: 51, interval: '10s' } };
  // Every register at the inverter's old place is 7.
  const filler = model(160, 200, Object.fromEntries(Array.from({ length: 200 }, (_, i) => [i + 2, 7])));
  const now = (power: number): Model => model(103, 50, { 14: power, 15: 0, 38: 4, 51: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom({}, { merge: false }, { maxRegisters: 3 }, { maxRegisters: 40 }),
      fc.integer({ min: 0, max: 30_000 }),
      fc.constantFrom('rtu', 'tcp'),
      async (limits, moves, transport) => {
        const world = sunspecWorld(image(40000, [COMMON, now(1)]), {
          resolved: [device('pv', 1, SETTINGS(limits), far)],
          transport,
        });
        await world.until(3000 + moves);
        world.image = image(40000, [COMMON, filler, now(2)]);
        await world.until(3000 + moves + 60_000);
        for (const sample of world.samples)
          for (const [i, { name }] of sample.shape.points.entries())
            if (reasonAt(sample, i) === 0)
              assert.ok(GOOD[name]?.includes(sample.values[i] as number), `${name} ${sample.values[i]}`);
        assert.deepEqual(told(world), { power: 2, 'power-sf': 0, state: 4, limit: 3 });
        assert.equal(faultOf(world), undefined);
      },
    ),
    { numRuns: 60 },
  );
});
const SETTINGS = (limits: object) => ({ sunspec: { inverter: [103, 101] }, limits });
const GOOD: Record<string, number[]> = { power: [1, 2], 'power-sf': [0], state: [4], limit: [3] };

test('the budget of a bus counts the looks at heads that no reply shows', () => {
  const bus = { name: 'field', protocol: 'modbus-rtu', settings: modbusRtu.bus.parse({ port: '/dev/null', baudRate: 9600 }) };
  const of = (limits: object) => modbusRtu.budget?.(bus, [pv({ limits })]);
  const [whole, single] = [of({}), of({ merge: false })];
  assert.deepEqual(
    whole?.requests.map((r) => [r.start, r.count, r.bytes]),
    [[0, 39, 8 + 5 + 78]],
  );
  // Three points of one register, and each time the two of the head.
  assert.deepEqual(
    single?.requests.map((r) => [r.start, r.count, r.bytes]),
    [14, 15, 38].map((start) => [start, 1, 8 + 7 + 8 + 9]),
  );
});

test('a read without the head of its model costs one look at it; by hand, too', async () => {
  const words = image(40000, [COMMON, inverter(8)]);
  const world = sunspecWorld(words, { resolved: [pv({ interval: '1h', limits: { merge: false } })] });
  await world.until(2000);
  // The walk, then each point and a look at the head.
  assert.deepEqual(heads(world), [40000, 40002, 40070, 40122, 40070, 40070, 40070]);
  assert.deepEqual(told(world), { power: 8, 'power-sf': 0, state: 4 });
  const reading = world.bus.read('pv');
  await world.until(3000);
  assert.deepEqual((await reading).map((s) => s.values[0]).toSorted(), [0, 4, 8]);
  // Refused looks and moved heads give no value, and say so.
  world.image = image(40000, [COMMON, model(160, 80)]);
  const moved = world.bus.read('pv');
  await world.until(4000);
  assert.deepEqual(new Set((await moved).map((s) => reasonName(reasonAt(s, 0)))), new Set(['bad-reply']));
  assert.match(faultOf(world) ?? '', /SunSpec model 103 is not in register 40070 any more/);
});

test('registers that never show what the chain says are asked for seldom, without a value', async () => {
  const words = image(40000, [COMMON, inverter(1)]);
  const world = sunspecWorld(words, { resolved: [pv()] });
  // Heads one by one are right, the whole is another model.
  world.answer = (request) => {
    const right = answerOf(request, words);
    request.send(request.frame(request.count > 2 ? right.with(4, 99) : right), 5);
  };
  await world.until(600_000);
  assert.deepEqual(told(world), { power: 'bad-reply', 'power-sf': 'bad-reply', state: 'bad-reply' });
  assert.match(faultOf(world) ?? '', /SunSpec model 103 is not in register 40070 any more/);
  assert.equal(world.good.length, 0);
  assert.ok(world.of(1).length < 60, `${world.of(1).length}`);
});

test('a step without an answer is repeated like a poll; the device rests, the search restarts', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(3)]), { resolved: [pv()], retries: 1, timeout: 200 });
  let lost = 0;
  const play = world.answer;
  // Every third reply is lost: its repeat is not.
  world.answer = (request) => (request.n % 3 === 0 && ++lost > 0 ? undefined : play(request));
  await world.until(20_000);
  assert.ok(lost > 3);
  assert.equal(world.samples.filter((s) => reasonAt(s, 0) !== 0).length, 0);
  world.image = undefined;
  world.answer = play;
  await world.until(60_000);
  world.requests.length = 0;
  await world.until(120_000);
  assert.ok(world.of(1).length <= 3, 'it rests');
  assert.match(faultOf(world) ?? '', /unit 1 on tcp does not answer/);
});

test('busy is no refusal: the search waits with the device', async () => {
  const words = image(40000, [COMMON, inverter(3)]);
  const world = sunspecWorld(words, { resolved: [pv()] });
  let busy = true;
  world.answer = (request) => request.send(request.frame(busy ? Uint8Array.of(1, 0x83, 6) : answerOf(request, words)), 5);
  await world.until(2500);
  assert.deepEqual(heads(world), [40000, 40000, 40000]);
  assert.equal(told(world).power, 'exception');
  assert.match(faultOf(world) ?? '', /answers the search for its SunSpec models with exception 6: it is busy/);
  busy = false;
  await world.until(3900);
  assert.equal(told(world).power, 3);
  assert.equal(faultOf(world), undefined);
});

test('reading by hand looks for the models, too', async () => {
  const world = sunspecWorld(image(40000, [COMMON, inverter(8)]), { resolved: [pv({ interval: '1h' })] });
  world.answer = (
    (play) => (request: WorldRequest) =>
      play(request)
  )(world.answer);
  await world.until(1);
  const reading = world.bus.read('pv');
  await world.until(500);
  const value = (sample: Sample | undefined) => sample?.values[sample.shape.points.findIndex((p) => p.name === 'power')];
  assert.equal(value((await reading)[0]), 8);
  assert.equal(told(world).power, 8);
});

test('a point of a model is written only while its model can be seen', async () => {
  const limit = {
    ...PV,
    limit: { model: 'inverter', table: 'holding', address: 20, type: 'uint16', write: { min: 0, max: 100, every: '0s' } },
  };
  const world = sunspecWorld(image(40000, [COMMON, inverter(8)]), {
    resolved: [device('pv', 1, { sunspec: { inverter: [103] }, interval: '30s' }, limit)],
  });
  const write = async (value: number) => {
    const writing = world.bus.write('pv', 'limit', value).then(
      (written) => written.value,
      (error: Error) => error.message,
    );
    await world.until(world.clock.monotonic() + 500);
    return writing;
  };
  world.bus.start();
  assert.match(String(await write(5)), /pv.limit: .*are not known yet/);
  assert.equal(await write(60), 60);
  assert.equal(world.image?.get(40090), 60);
  world.image = image(40000, [model(1, 64), inverter(8)]);
  const before = [...world.image];
  assert.match(String(await write(70)), /SunSpec model 103 is not in register 40070 any more/);
  assert.deepEqual([...world.image], before);
  await world.until(world.clock.monotonic() + 61_000);
  assert.equal(await write(70), 70);
  assert.equal(world.image.get(40088), 70);
});
