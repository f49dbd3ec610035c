import assert from 'node:assert/strict';
import test from 'node:test';
import { pointsOf } from '../../../src/drivers/modbus/check.ts';
import { modbusRtu, modbusTcp } from '../../../src/drivers/modbus/kind.ts';

function faults(points: Record<string, Record<string, unknown>>, settings: Record<string, unknown> = {}, kind = modbusTcp) {
  const device = {
    name: 'd',
    bus: 'b',
    settings: kind.device.parse(settings),
    points: new Map(Object.entries(points).map(([name, keys]) => [name, kind.point.parse(keys)])),
  };
  return (kind.checkDevice?.(device) ?? []).map((fault) => `${fault.path.join('.')}: ${fault.message}`);
}
const one = (keys: Record<string, unknown>) => faults({ p: { table: 'holding', address: 0, type: 'uint16', ...keys } });

test('defaults are those of the contract', () => {
  assert.deepEqual(modbusTcp.bus.parse({ host: 'h' }), {
    ...{ host: 'h', port: 502, timeout: 1000, retries: 1, turnaround: 0, inFlight: 1 },
  });
  assert.deepEqual(modbusRtu.bus.parse({ port: '/dev/ttyUSB0' }), {
    port: '/dev/ttyUSB0',
    baudRate: 9600,
    dataBits: 8,
    parity: 'none',
    stopBits: 1,
    timeout: 1000,
    retries: 1,
    turnaround: 0,
  });
  assert.deepEqual(modbusTcp.device.parse({}), {
    unit: 1,
    interval: 10_000,
    turnaround: 0,
    connectDelay: 0,
    limits: { maxRegisters: 125, maxBits: 2000, merge: true, writeMultiple: false },
  });
  assert.deepEqual(one({}), []);
});

test('a bus is known by its wire, a device by its unit', () => {
  assert.equal(modbusTcp.wire({ host: '10.0.0.5', port: 502 }), '10.0.0.5:502');
  assert.equal(modbusRtu.wire({ port: '/dev/ttyUSB0' }), '/dev/ttyUSB0');
  assert.equal(modbusRtu.address?.({ unit: 7 }), '7');
});

test('keys that do not go together are told', () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ table: 'coil' }, /points\.p\.type: a coil is one bit/],
    [{ table: 'coil', type: 'bool', order: 'AB' }, /points\.p\.order/],
    [{ table: 'coil', type: 'bool', bit: 1 }, /points\.p\.bit/],
    [{ type: 'float32', bit: 1 }, /bit needs a register of 16 or 32 bits/],
    [{ bit: 16 }, /uint16 has the bits 0 to 15/],
    [{ type: 'uint8', bits: { first: 0, count: 2 } }, /bits need a register of 16 or 32 bits/],
    [{ table: 'coil', type: 'bool', bits: { first: 0, count: 2 } }, /bits need a register .* not a coil/],
    [{ bits: { first: 14, count: 3 } }, /uint16 has the bits 0 to 15/],
    [{ type: 'uint32', bits: { first: 1, count: 32 } }, /uint32 has the bits 0 to 31/],
    [{ bit: 1, bits: { first: 0, count: 2 } }, /write either bit/],
    [{ type: 'string', length: 2, invalid: [0] }, /a string has no raw number/],
    [{ type: 'datetime', length: 3, invalid: [0] }, /a datetime has no raw number/],
    [{ table: 'coil', type: 'bool', invalid: [1] }, /a bool has no raw number/],
    [{ type: 'string' }, /a string needs its length/],
    [{ type: 'datetime', length: 5 }, /2, 3, 4, 6 registers/],
    [{ length: 2 }, /uint16 has a fixed length/],
    [{ address: 65535, type: 'uint32' }, /past the last one/],
    [{ order: 'CDAB' }, /order AB, BA, not CDAB/],
    [{ type: 'float32', order: 'BA' }, /order ABCD, CDAB, BADC, DCBA, not BA/],
    [{ type: 'string', length: 2, order: 'CDAB' }, /order AB, BA/],
    [{ scale: 0 }, /scale of 0/],
    [{ bit: 3, scale: 0.1 }, /only numbers have scale/],
    [{ type: 'string', length: 2, range: { min: 1 } }, /only numbers have a range/],
    [{ range: { min: 2, max: 1 } }, /min is above max/],
    [{ type: 'float32', enum: { 0: 'off' } }, /labels need whole numbers/],
    [{ enum: { 0: 'off' }, scale: 0.1 }, /labels stand for raw numbers/],
    [{ invalid: [1.5] }, /whole/],
    [{ table: 'input', write: { min: 0 } }, /input can only be read/],
  ];
  for (const [keys, message] of cases) assert.match(one(keys).join('\n'), message, JSON.stringify(keys));
  assert.match(
    faults({ p: { table: 'holding', address: 0, type: 'float64' } }, { limits: { maxRegisters: 2 } }).join(),
    /at most 2 registers/,
  );
});

test('bits and sentinels that make sense are taken', () => {
  for (const keys of [
    { bit: 15 },
    { type: 'uint32', bit: 31, order: 'CDAB', invalid: ['0xFFFFFFFF'] },
    { bits: { first: 4, count: 3 }, scale: 0.5, range: { max: 3 }, write: { min: 0, max: 3 } },
    { type: 'int32', bits: { first: 0, count: 32 } },
    { bits: { first: 4, count: 3 }, enum: { 0: 'off' } },
    { type: 'datetime', invalid: [0] },
    { type: 'bool', bit: 3, invalid: [0xffff] },
    { type: 'float32', invalid: [-99.9, '0x7F7FFFFF'] },
  ])
    assert.deepEqual(one(keys), [], JSON.stringify(keys));
});

test('marks of a device are those of its points by type, where a point has none of its own', () => {
  const settings = modbusTcp.device.parse({ invalid: { int16: [0x8000], uint16: [0xffff], datetime: [0] } });
  const at = { table: 'holding', address: 0 };
  const written = {
    a: { ...at, type: 'int16' },
    b: { ...at, type: 'uint16', invalid: [] },
    c: { ...at, type: 'uint16', bit: 3 },
    d: { ...at, type: 'string', length: 2 },
    e: { ...at, type: 'datetime' },
    f: { ...at, type: 'datetime', length: 3 },
    g: { table: 'coil', address: 0, type: 'bool' },
    h: { ...at, type: 'uint32' },
    i: { ...at, type: 'uint16', invalid: [1] },
  };
  const device = { name: 'd', bus: 'b', settings, points: new Map(Object.entries(written)) };
  const marks = Object.fromEntries(pointsOf(device).map((p) => [p.name, p.invalid]));
  assert.deepEqual(marks, {
    ...{ a: [0x8000], b: [], c: [0xffff], d: undefined, e: [0], f: undefined, g: undefined, h: undefined, i: [1] },
  });
  assert.deepEqual(faults(written, { invalid: { int16: [0x8000], datetime: [0] } }), []);
  assert.match(faults({}, { invalid: { int16: [1.5] } }).join(), /invalid\.int16: raw values of this type are whole numbers/);
  assert.deepEqual(faults({}, { invalid: { float32: [1.5] } }), []);
  for (const invalid of [{ bool: [1] }, { string: [1] }, { int17: [1] }, { int16: ['low'] }])
    assert.equal(modbusTcp.device.safeParse({ invalid }).success, false, JSON.stringify(invalid));
});

test('a scale factor is another point of the device, a plain int16', () => {
  const at = { table: 'holding', address: 0 };
  const sf = { ...at, type: 'int16' };
  const value = { ...at, address: 1, type: 'uint16', scaleFactor: 'sf' };
  assert.deepEqual(faults({ value, sf }), []);
  assert.match(faults({ value, sg: sf }).join(), /points\.value\.scaleFactor: the device has no point sf; did you mean "sg"\?/);
  for (const wrong of [{ type: 'uint16' }, { scale: 0.1 }, { enum: { 0: 'one' } }, { bit: 1 }, { bits: { first: 0, count: 4 } }])
    assert.match(faults({ value, sf: { ...sf, ...wrong } }).join(), /sf must be a plain int16/, JSON.stringify(wrong));
  assert.match(faults({ value: { ...value, bit: 2 }, sf }).join(), /only numbers have scaleFactor/);
  assert.match(faults({ value: { ...value, enum: { 0: 'off' } }, sf }).join(), /labels stand for raw numbers/);
});

test('a counter counts whole raw numbers from 0, and its cumulative point has a name of its own', () => {
  const counter = (modulus: unknown, more = {}) => ({ counter: { modulus, ...more } });
  for (const keys of [
    counter(65_536),
    counter(10_000, { total: 'all', maxPerSecond: 0.5 }),
    { type: 'float32', scale: 0.001, ...counter(99_999.99) },
    { type: 'bcd32', ...counter(100_000_000) },
    { type: 'uint64', ...counter('18446744073709551616') },
    { type: 'int32', ...counter(2 ** 31) },
    { bits: { first: 0, count: 12 }, ...counter(4096) },
  ])
    assert.deepEqual(one(keys), [], JSON.stringify(keys));
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ type: 'bool', bit: 3, ...counter(2) }, /p\.counter: only numbers count/],
    [{ enum: { 0: 'off' }, ...counter(2) }, /p\.counter: only numbers count/],
    [{ table: 'coil', type: 'bool', ...counter(2) }, /only numbers count/],
    [{ scale: -1, ...counter(65_536) }, /its scale is above 0/],
    [{ offset: 5, ...counter(65_536) }, /it has no offset/],
    [counter(0), /p\.counter\.modulus: .* above 0/],
    [counter(-5), /above 0/],
    [counter(0.5), /whole raw numbers/],
    [counter(65_537), /a uint16 cannot reach this modulus: it holds less than 65536/],
    [{ type: 'int16', ...counter(65_536) }, /less than 32768/],
    [{ type: 'bcd16', ...counter(65_536) }, /less than 10000/],
    [{ bits: { first: 0, count: 4 }, ...counter(17) }, /less than 16/],
    [counter(9, { total: 'p' }), /p\.counter\.total: the device already has a point p/],
  ];
  for (const [keys, message] of cases) assert.match(one(keys).join('\n'), message, JSON.stringify(keys));
  const at = { table: 'holding', address: 0, type: 'uint16' };
  assert.match(faults({ n: { ...at, ...counter(9) }, 'n-total': at }).join(), /already has a point n-total/);
  assert.match(
    faults({ n: { ...at, ...counter(9, { total: 'all' }) }, m: { ...at, ...counter(9, { total: 'all' }) } }).join(),
    /already has a point all/,
  );
  assert.match(
    faults({ [`n${'x'.repeat(60)}`]: { ...at, ...counter(9) } }).join(),
    /too long for a name; give it one with total:/,
  );
  for (const keys of [{ counter: {} }, { counter: { modulus: 'much' } }, { counter: { modulus: 9, total: 'A b' } }])
    assert.equal(modbusTcp.point.safeParse({ ...at, ...keys }).success, false, JSON.stringify(keys));
  const derived = modbusTcp.derivedPoints?.(
    new Map([
      ['n', modbusTcp.point.parse({ ...at, ...counter(9) })],
      ['m', modbusTcp.point.parse({ ...at, type: 'uint64', ...counter(9, { total: 'all' }) })],
      ['o', modbusTcp.point.parse(at)],
    ]),
  );
  assert.deepEqual(
    [...(derived ?? [])],
    [
      ['n-total', { type: 'float64', of: 'n', unit: undefined }],
      ['all', { type: 'uint64', of: 'm', unit: undefined }],
    ],
  );
});

test('what must never be read holds no point, and a gap has its ends in order', () => {
  const point = (address: number) => ({ p: { table: 'holding', address, type: 'float32' } });
  const gaps = (from: number, to: number, table = 'holding') => ({ limits: { gaps: [{ table, from, to }] } });
  assert.match(
    faults(point(9), gaps(10, 19)).join(),
    /points\.p\.address: this point is in limits\.gaps \(holding 10 to 19\), which is never read/,
  );
  assert.match(faults(point(19), gaps(10, 19)).join(), /points\.p\.address/);
  for (const [address, table] of [
    [8, 'holding'],
    [20, 'holding'],
    [10, 'input'],
  ] as const)
    assert.deepEqual(faults(point(address), gaps(10, 19, table)), []);
  assert.deepEqual(faults({}, gaps(19, 10)), ['limits.gaps.0.to: the last address (10) is before the first (19)']);
});

test('units: 0 and 255 are for TCP alone', () => {
  assert.deepEqual(faults({}, { unit: 255 }), []);
  assert.deepEqual(faults({}, { unit: 0 }), []);
  assert.match(faults({}, { unit: 248 }).join(), /1 to 247/);
  assert.match(faults({}, { unit: 0 }, modbusRtu).join(), /broadcast/);
  assert.match(faults({}, { unit: 255 }, modbusRtu).join(), /1 to 247/);
});

test('unknown keys and wild values are refused by the schema', () => {
  for (const [schema, bad] of [
    [modbusTcp.bus, { host: 'h', baudRate: 9600 }],
    [modbusTcp.bus, { host: 'h', timeout: '1ms' }],
    [modbusRtu.bus, { port: '/dev/ttyUSB0', parity: 'maybe' }],
    [modbusTcp.device, { unit: 256 }],
    [modbusTcp.device, { interval: '1ms' }],
    [modbusTcp.device, { limits: { maxRegisters: 126 } }],
    [modbusTcp.device, { limits: { gaps: [{ table: 'holding', from: 1 }] } }],
    [modbusTcp.point, { table: 'holding', address: 0, type: 'uint16', interval: '1ms' }],
    [modbusTcp.point, { table: 'holding', address: 65536, type: 'uint16' }],
    [modbusTcp.point, { table: 'holding', address: 0, type: 'uint16', offest: 3 }],
    [modbusTcp.point, { table: 'holding', address: 0, type: 'uint16', bit: 32 }],
    [modbusTcp.point, { table: 'holding', address: 0, type: 'uint16', enum: { on: 'on' } }],
  ] as const)
    assert.equal(schema.safeParse(bad).success, false, JSON.stringify(bad));
});
