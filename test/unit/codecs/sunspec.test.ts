/** SunSpec against images of registers: chains at each base, with models nobody knows, broken ones, and none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ModbusDevice } from '../../../src/cli/simulate/modbus-device.ts';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import type { ModelWish, ReadWish, SunspecChain } from '../../../src/codecs/sunspec.ts';
import { chooseModels, layChain, placePoint, readChain, SUNSPEC_BASES, walkChain } from '../../../src/codecs/sunspec.ts';
import type { SluiceError } from '../../../src/core/errors.ts';
import { modbusTcp } from '../../../src/drivers/modbus/kind.ts';

/** Registers that a device has; what is not there is refused, as exception 2 does. */
class Image {
  readonly words = new Map<number, number>();
  readonly asked: ReadWish[] = [];

  put(start: number, ...words: number[]): this {
    for (const [i, word] of words.entries()) this.words.set(start + i, word);
    return this;
  }

  /** "SunS", models as [id, length], and the end. */
  chain(base: number, models: readonly (readonly [id: number, length: number])[], ...end: number[]): this {
    this.put(base, 0x5375, 0x6e53);
    let at = base + 2;
    for (const [id, length] of models) {
      this.put(at, id, length, ...new Array<number>(length).fill(0));
      at += 2 + length;
    }
    return this.put(at, ...end);
  }

  read({ start, count }: ReadWish): number[] | undefined {
    this.asked.push({ start, count });
    const words = Array.from({ length: count }, (_, i) => this.words.get(start + i));
    return words.every((word) => word !== undefined) ? words : undefined;
  }

  walk(): SunspecChain | undefined {
    const walk = walkChain();
    let step = walk.next();
    while (!step.done) step = walk.next(this.read(step.value));
    return step.value;
  }
}

const END = [0xffff, 0];
const list = (chain: SunspecChain | undefined) => chain?.models.map(({ id, start, length }) => `${id}@${start}+${length}`);

test('the models of a chain at each of the three bases', () => {
  for (const base of SUNSPEC_BASES) {
    const image = new Image().chain(
      base,
      [
        [1, 66],
        [103, 50],
        [160, 48],
      ],
      ...END,
    );
    const chain = image.walk();
    assert.deepEqual(list(chain), [`1@${base + 2}+66`, `103@${base + 70}+50`, `160@${base + 122}+48`]);
    assert.deepEqual([chain?.base, chain?.end], [base, 'end']);
    assert.ok(image.asked.every(({ count }) => count === 2));
    assert.equal(image.asked.length, SUNSPEC_BASES.indexOf(base as 0) + 1 + 3 + 1);
  }
});

test('models that nobody knows, and empty ones, are stepped over', () => {
  const image = new Image().chain(
    40000,
    [
      [1, 65],
      [64110, 300],
      [12, 0],
      [64999, 0],
      [203, 105],
    ],
    ...END,
  );
  assert.deepEqual(list(image.walk()), ['1@40002+65', '64110@40069+300', '12@40371+0', '64999@40373+0', '203@40375+105']);
});

test('no marker: nothing is found, whatever else stands there', () => {
  assert.equal(new Image().walk(), undefined);
  assert.equal(new Image().put(40000, 0x5375, 0x6e54, 1, 66).put(50000, 0x6e53, 0x5375).put(0, 0, 0).walk(), undefined);
  // One register alone is no marker.
  assert.equal(new Image().put(40000, 0x5375).walk(), undefined);
});

test('a chain that breaks off gives what was found', () => {
  const cut = (image: Image) => {
    const chain = image.walk();
    assert.equal(chain?.end, 'cut');
    return list(chain);
  };
  // The device refuses what is behind its last model; the rest of its map is filled with 0; a head of which half is there.
  assert.deepEqual(
    cut(
      new Image().chain(40000, [
        [1, 66],
        [101, 50],
      ]),
    ),
    ['1@40002+66', '101@40070+50'],
  );
  assert.deepEqual(cut(new Image().chain(40000, [[1, 66]], 0, 0, 0, 0)), ['1@40002+66']);
  assert.deepEqual(cut(new Image().chain(40000, [[1, 66]], 101)), ['1@40002+66']);
  assert.deepEqual(cut(new Image().chain(40000, [])), []);
});

test('a chain that cannot be true is refused with all that it told', () => {
  const words = (image: Image) => {
    const chain = image.walk();
    assert.equal(chain?.end, 'lie');
    try {
      chooseModels(chain, [['it', wish([1])]]);
    } catch (error) {
      assert.equal((error as SluiceError).code, 'bad-reply');
      return (error as Error).message;
    }
    return assert.fail('it is believed');
  };
  assert.match(
    words(new Image().chain(50000, [[1, 66]], 103, 60000)),
    /cannot be right: model 103 in register 50070 says that it has 60000 registers, which is more than a device can have/,
  );
  const endless = Array.from({ length: 201 }, () => [1, 0] as const);
  assert.match(words(new Image().chain(40000, endless, ...END)), /it lists more than 200 models/);
});

test('what a chain lacks that breaks off is told with where it does', () => {
  const chain = new Image().chain(40000, [[1, 66]]).walk();
  assert.match(
    chooseModels(chain, [['it', wish([103])]]).missing.get('it') ?? '',
    /it has 1 \(its chain breaks off: it refuses register 40070, where the next model or the end of the chain has to be\)/,
  );
});

test('what one role lacks leaves the others', () => {
  const chain = new Image()
    .chain(
      40000,
      [
        [1, 66],
        [103, 50],
      ],
      ...END,
    )
    .walk();
  const { chosen, missing } = chooseModels(chain, [
    ['meter', wish([203])],
    ['inverter', wish([103])],
  ]);
  assert.deepEqual([[...chosen.keys()], [...missing.keys()]], [['inverter'], ['meter']]);
});

test('a chain never goes back: a map of one value everywhere ends it, too', () => {
  for (const value of [1, 0, 7, 0x5375, 0xfffe]) {
    const walk = walkChain();
    let step = walk.next();
    let asked = 0;
    while (!step.done) {
      asked++;
      assert.ok(asked < 300, 'it ends');
      const { start } = step.value;
      step = walk.next(SUNSPEC_BASES.includes(start as 0) ? [0x5375, 0x6e53] : [value, 0]);
    }
    assert.ok(step.value?.end === 'cut' || step.value?.end === 'lie');
    assert.ok((step.value?.models.length ?? 0) <= 200);
  }
});

test('any chain: the walk finds what was laid, and asks no more than it must', () => {
  const model = fc.tuple(fc.integer({ min: 1, max: 0xfffe }), fc.nat(120));
  fc.assert(
    fc.property(fc.constantFrom(...SUNSPEC_BASES), fc.array(model, { maxLength: 40 }), (base, models) => {
      const image = new Image().chain(base, models, ...END);
      // A base that is tried before must not look like one.
      for (const other of SUNSPEC_BASES)
        if (other !== base) image.put(other, image.words.get(other) ?? 1, image.words.get(other + 1) ?? 2);
      const chain = image.walk();
      assert.deepEqual(
        chain?.models.map(({ id, length }) => [id, length]),
        models,
      );
      for (const { id, start, length } of chain?.models ?? [])
        assert.deepEqual([image.words.get(start), image.words.get(start + 1)], [id, length]);
      assert.ok(image.asked.length <= 3 + models.length + 1);
    }),
  );
});

test('what goes wrong on the wire is the caller’s', async () => {
  const failing = () => Promise.reject(new Error('the line is dead'));
  await assert.rejects(readChain(failing), /the line is dead/);
  const image = new Image().chain(0, [[1, 66]], ...END);
  assert.deepEqual(list(await readChain((wish) => Promise.resolve(image.read(wish)))), ['1@2+66']);
});

const wish = (models: number[], index = 1): ModelWish => ({ models, index });

test('the preferred one of several models is taken; of equal numbers the one asked for', () => {
  const chain = new Image()
    .chain(
      40000,
      [
        [1, 66],
        [101, 50],
        [103, 50],
        [1, 66],
        [203, 105],
        [1, 66],
        [203, 105],
      ],
      ...END,
    )
    .walk();
  const start = (one: ModelWish) => chooseModels(chain, [['it', one]]).chosen.get('it')?.start;
  assert.equal(start(wish([103, 102, 101])), 40122);
  assert.equal(start(wish([102, 101])), 40070);
  assert.equal(start(wish([203, 204])), 40242);
  assert.equal(start(wish([203, 204], 2)), 40417);
});

test('what a device lacks is told with what it has', () => {
  assert.throws(() => chooseModels(undefined, []), {
    code: 'bad-reply',
    message: /it is not a SunSpec device: "SunS" is at none of the holding registers 40000, 50000, 0/,
  });
  const chain = new Image()
    .chain(
      40000,
      [
        [1, 66],
        [113, 60],
        [203, 105],
      ],
      ...END,
    )
    .walk();
  const words = (one: ModelWish) => chooseModels(chain, [['role', one]]).missing.get('role') ?? '';
  assert.equal(
    words(wish([103, 102, 101])),
    'it does not have SunSpec model 103 or 102 or 101 (role); it has 1, 113, 203: choose the profile for model 113, the floating point variant',
  );
  assert.match(words(wish([213])), /choose the profile for model 203, the integer variant/);
  assert.match(words(wish([160])), /it has 1, 113, 203: choose a profile for one of these/);
  assert.match(words(wish([203], 2)), /it does not have 2 times SunSpec model 203 \(role\); it has 1, 113, 203/);
});

const POINTS: ModbusPoint[] = [
  { name: 'power', table: 'holding', model: 'inverter', address: 14, type: 'int16' },
  { name: 'energy', table: 'holding', model: 'inverter', address: 24, type: 'uint32' },
  { name: 'late', table: 'holding', model: 'inverter', address: 60, type: 'uint16' },
  { name: 'own', table: 'input', address: 5, type: 'uint16' },
];

test('points are placed by their models; one that the model is too short for is not there', () => {
  const chosen = new Map([['inverter', { id: 103, start: 40070, length: 50 }]]);
  const placed = POINTS.map((point) => placePoint(point, chosen));
  assert.deepEqual(placed, [
    { name: 'power', table: 'holding', address: 40084, type: 'int16' },
    { name: 'energy', table: 'holding', address: 40094, type: 'uint32' },
    undefined,
    { name: 'own', table: 'input', address: 5, type: 'uint16' },
  ]);
  // The last register of a model of 50 is 51: one of two registers just fits at 50.
  const at = (address: number) => placePoint({ ...(POINTS[1] as ModbusPoint), address }, chosen)?.address;
  assert.deepEqual([at(50), at(51)], [40120, undefined]);
  assert.throws(() => placePoint(POINTS[0] as ModbusPoint, new Map()), { code: 'not-found' });
});

test('what the simulator lays is found again, and its points are where they should be', () => {
  const wishes: [string, ModelWish][] = [
    ['inverter', wish([103, 101])],
    ['meter', wish([203], 2)],
  ];
  const points = [...POINTS, { name: 'amps', table: 'holding', model: 'meter', address: 2, type: 'int16' } satisfies ModbusPoint];
  const { words, chosen } = layChain(wishes, points);
  const image = new Image();
  for (const { start, length } of chosen.values()) image.put(start, ...new Array<number>(length + 2).fill(0));
  for (const [address, word] of words) image.put(address, word);
  const chain = image.walk();
  assert.deepEqual(
    chain?.models.map(({ id }) => id),
    [103, 203, 203],
  );
  assert.deepEqual(chooseModels(chain, wishes), { chosen, missing: new Map() });
});

test('a simulated SunSpec device answers the walk', () => {
  const settings = modbusTcp.device.parse({ unit: 1, sunspec: { inverter: [103] } });
  const points = new Map(POINTS.slice(0, 2).map(({ name, ...point }) => [name, modbusTcp.point.parse(point)] as const));
  const device = new ModbusDevice({ name: 'pv', bus: 'b', settings, points }, (_, point) => (point === 'power' ? -5 : 70_000));
  const read = ({ start, count }: ReadWish) => {
    const reply = device.answer(Uint8Array.of(3, start >> 8, start & 255, 0, count));
    return reply[0] === 3
      ? Array.from({ length: count }, (_, i) => ((reply[2 + 2 * i] ?? 0) << 8) | (reply[3 + 2 * i] ?? 0))
      : undefined;
  };
  const walk = walkChain();
  let step = walk.next();
  while (!step.done) step = walk.next(read(step.value));
  const { chosen } = chooseModels(step.value, [['inverter', wish([103])]]);
  const address = (i: number) => placePoint(POINTS[i] as ModbusPoint, chosen)?.address ?? 0;
  assert.deepEqual(read({ start: address(0), count: 1 }), [0xfffb]);
  assert.deepEqual(read({ start: address(1), count: 2 }), [1, 4464]);
});

test('the configuration: roles with lists or an index; a point names a role that is there', () => {
  const faults = (sunspec: object | undefined, point: object) => {
    const settings = modbusTcp.device.parse({ unit: 1, sunspec });
    const points = new Map([['p', modbusTcp.point.parse({ table: 'holding', address: 2, type: 'int16', ...point })]]);
    return (modbusTcp.checkDevice?.({ name: 'd', bus: 'b', settings, points }) ?? []).map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    );
  };
  assert.deepEqual(faults({ inverter: [103, 101], meter: { models: [203], index: 2 } }, { model: 'meter' }), []);
  assert.match(
    faults({ inverter: [103] }, { model: 'meter' }).join(),
    /points\.p\.model: `sunspec` of the device names no meter: it names inverter/,
  );
  assert.match(faults(undefined, { model: 'meter' }).join(), /names no meter$/);
  assert.match(
    faults({ meter: [203] }, { model: 'meter', table: 'input' }).join(),
    /points\.p\.table: the models of SunSpec lie in the holding registers/,
  );
  for (const wrong of [{ inverter: [] }, { inverter: [0] }, { inverter: [65535] }, { inverter: 103 }, { Inverter: [103] }])
    assert.equal(modbusTcp.device.safeParse({ unit: 1, sunspec: wrong }).success, false, JSON.stringify(wrong));
});
