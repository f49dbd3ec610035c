/** Writing a point: what goes over the wire for what was given, what is refused, and what an answer is worth. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { ModbusPoint } from '../../../src/codecs/modbus-point.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Value } from '../../../src/core/point.ts';
import { WriteBench } from '../../fakes/write-bench.ts';
import { pythonPeer } from '../../peers/peers.ts';

interface Case {
  readonly point: Partial<ModbusPoint>;
  readonly given: Value;
  readonly before?: string;
  readonly pdu?: string;
  readonly value?: Value;
  readonly refused?: string;
}
const folder = path.join(import.meta.dirname, '..', '..', 'cases', 'modbus-writes');
const text = readFileSync(path.join(folder, 'cases.jsonl'), 'utf8');
const cases = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

/** `write: {}` with what a test leaves out. */
const may = (rest: object = {}): NonNullable<ModbusPoint['write']> => ({ every: 0, readBack: true, ...rest });
const setpoint = { write: may({ min: 0, max: 100 }) };
const isWrite = (sent: string) => ['05', '06', '0F', '10'].includes(sent.slice(0, 2));

test('the golden cases: what is typed becomes exactly these bytes, or words', async () => {
  assert.ok(cases.length > 60);
  for (const { point, given, before, pdu, value, refused } of cases) {
    const bench = new WriteBench({ p: { ...point, write: point.write ?? undefined } });
    const words = Buffer.from(before ?? '', 'hex');
    for (let i = 0; i * 2 < words.length; i++) bench.registers[3 + i] = words.readUInt16BE(i * 2);
    const about = `${JSON.stringify(point)} ${String(given)}`;
    if (refused !== undefined) {
      const { message } = await bench.refusal('p', given);
      assert.ok(message.startsWith('d.p: ') || message.startsWith('p: '), message);
      assert.ok(message.includes(refused), `${about}: ${message}`);
      assert.deepEqual(bench.sent.filter(isWrite), [], about);
    } else {
      const written = await bench.write('p', given);
      assert.deepEqual(bench.sent.filter(isWrite), [pdu], about);
      assert.equal(typeof written.value === 'bigint' ? String(written.value) : written.value, value, about);
      assert.equal(written.readBack, true);
    }
  }
});

test('the golden cases are what make.py makes', (t) => {
  const python = pythonPeer(t, 'struct', 'apt-get install -y python3');
  if (python === undefined) return;
  assert.equal(spawnSync(python, [path.join(folder, 'make.py')], { encoding: 'utf8' }).stdout, text);
});

test('property: nothing outside the bounds reaches the wire, and the result is what did', async () => {
  const given = fc.oneof(fc.double(), fc.integer(), fc.bigInt(), fc.boolean(), fc.string(), fc.integer().map(String));
  const points = fc.record({
    type: fc.constantFrom('int16', 'uint16', 'int32', 'float32', 'int64', 'uint64', 'bcd16', 'uint8'),
    scale: fc.constantFrom(undefined, 0.1, 10),
    min: fc.integer({ min: -200, max: 100 }),
    span: fc.integer({ min: 0, max: 200 }),
  });
  await fc.assert(
    fc.asyncProperty(points, given, async ({ type, scale, min, span }, value) => {
      const bench = new WriteBench({ p: { type, scale, write: may({ min, max: min + span }) } as Partial<ModbusPoint> });
      try {
        const { value: shown } = await bench.write('p', value);
        const number = Number(shown);
        assert.ok(number >= min && number <= min + span, `${String(value)} became ${number}`);
        assert.ok(Math.abs(number - Number(value)) <= 1e-5 + Math.abs(number) * 1e-6, `${String(value)} became ${number}`);
      } catch (thrown) {
        if (!(thrown instanceof SluiceError)) throw thrown;
        assert.ok(['write-refused', 'request-invalid'].includes(thrown.code), thrown.code);
        assert.deepEqual(bench.sent.filter(isWrite), []);
      }
    }),
    { numRuns: 600 },
  );
});

test('a device that knows the functions for many only is written with them', async () => {
  const bench = new WriteBench(
    { p: setpoint, c: { table: 'coil', type: 'bool', address: 9, write: may() } },
    { writesMultiple: true },
  );
  await bench.write('p', 5);
  await bench.write('c', true);
  assert.deepEqual(bench.sent.filter(isWrite), ['10000300010200' + '05', '0F0009000101' + '01']);
});

test('the rate limit holds for what was sent, and not for what never left', async () => {
  const bench = new WriteBench({ p: { write: may({ min: 0, max: 100, every: 60_000 }) } });
  bench.before = () => {
    throw new SluiceError('timeout', 'it is silent', { data: { sent: false } });
  };
  assert.equal((await bench.refusal('p', 1)).code, 'timeout');
  bench.before = () => {};
  await bench.write('p', 2);
  await bench.clock.advance(15_000);
  const { code, message } = await bench.refusal('p', 3);
  assert.deepEqual([code, message.split(': ')[1]], ['write-refused', 'it may be written once in 1m, again in 45s']);
  assert.equal((await bench.write('p', 4, { safe: true })).value, 4);
  await bench.clock.advance(60_000);
  await bench.write('p', 5);
  assert.deepEqual(
    bench.sent.filter(isWrite).map((pdu) => Number.parseInt(pdu.slice(-4), 16)),
    [1, 2, 4, 5], // 1 was asked of the bus and never left
  );
});

test('a write without an answer says so, counts for the rate limit, and is not repeated', async () => {
  const bench = new WriteBench({ p: { write: may({ min: 0, max: 100, every: 60_000 }) } });
  bench.before = ({ kind }) => {
    if (kind === 'write') throw new SluiceError('timeout', 'unit 1 does not answer');
  };
  const { code, message, data } = await bench.refusal('p', 1);
  assert.deepEqual([code, data.sent], ['timeout', undefined]);
  assert.equal(
    message,
    'd.p: unit 1 does not answer. The gateway does not know whether the device took 1; read the point to find out',
  );
  assert.equal(bench.sent.filter(isWrite).length, 1);
  assert.equal((await bench.refusal('p', 1)).code, 'write-refused');
});

test('a refusal of the device comes in words about writing', async () => {
  const bench = new WriteBench({ p: setpoint });
  bench.before = ({ kind }) => {
    if (kind === 'write') throw new SluiceError('exception', undefined, { data: { exception: 3 } });
  };
  const { code, message } = await bench.refusal('p', 1);
  assert.equal(code, 'exception');
  assert.match(message, /^d\.p: the device answers with exception 3: it does not take this value/);
});

test('a device may take its time to show what it acknowledged', async () => {
  const bench = new WriteBench({ p: setpoint });
  bench.after = () => {
    bench.registers[3] = 0;
    bench.clock.after(300, () => bench.set(3, 7));
  };
  const written = bench.write('p', 7);
  await bench.clock.advance(1000);
  assert.equal((await written).value, 7);

  bench.after = () => bench.set(3, 40);
  const failing = bench.refusal('p', 50);
  await bench.clock.advance(1000);
  const { code, message, data } = await failing;
  assert.deepEqual([code, data.shown], ['write-failed', '40']);
  assert.match(message, /acknowledged 50 and shows 40/);

  bench.after = () => {};
  bench.before = ({ kind }) => {
    if (kind === 'read') throw new SluiceError('timeout', 'no answer');
  };
  const mute = bench.refusal('p', 60);
  await bench.clock.advance(1000);
  assert.match((await mute).message, /acknowledged 60 and could not be read back/);
});

test('a point that never shows what it was told is not read back', async () => {
  const bench = new WriteBench({ reset: { table: 'coil', type: 'bool', write: may({ readBack: false }) } });
  bench.after = () => bench.set(3, 0);
  assert.deepEqual(await bench.write('reset', true), { value: true, at: 0, readBack: false });
  assert.equal(bench.sent.length, 1);
});

test('what else lies in the register may move meanwhile; its own part may not', async () => {
  const bench = new WriteBench({ p: { bits: { first: 0, count: 4 }, write: may({ min: 0, max: 15 }) } });
  bench.registers[3] = 0xff00;
  bench.after = () => bench.set(3, 0x1205);
  assert.equal((await bench.write('p', 5)).value, 5);
  bench.after = () => bench.set(3, 0xff07);
  const failing = bench.refusal('p', 6);
  await bench.clock.advance(1000);
  assert.equal((await failing).code, 'write-failed');
});

test('a bit of two registers is written with both; reading back a counter counts nothing', async () => {
  const bench = new WriteBench({
    b: { type: 'uint32', bit: 31, order: 'CDAB', write: may() },
    c: { type: 'uint16', address: 9, counter: { modulus: 65_536 }, write: may({ min: 0, max: 9 }) },
  });
  bench.registers.splice(3, 2, 0xffff, 0x1234);
  await bench.write('b', true);
  assert.deepEqual(bench.registers.slice(3, 5), [0xffff, 0x9234]);
  bench.set(9, 5000);
  assert.equal((await bench.write('c', 0)).value, 0);
});

test('a scale factor is asked for before the write, and the value has to lie on its steps', async () => {
  const bench = new WriteBench({
    p: { scaleFactor: 'sf', write: may({ min: 0, max: 1000 }) },
    sf: { type: 'int16', address: 20 },
  });
  bench.registers[20] = 0xffff; // -1
  assert.equal((await bench.write('p', 50.5)).value, 50.5);
  assert.equal(bench.registers[3], 505);
  assert.match((await bench.refusal('p', '50.55')).message, /between two steps of 0.1; write 50.5 or 50.6/);
  bench.registers[20] = 1;
  assert.equal((await bench.write('p', 50)).value, 50);
  assert.equal(bench.registers[3], 5);
  bench.registers[20] = 0x8000;
  const { code, message, data } = await bench.refusal('p', 50);
  assert.deepEqual([code, data.sent], ['write-failed', false]);
  assert.match(message, /it has no scale factor \(sf\) now/);
});

test('writes to a device go one by one, in order, eight at most; another device does not wait', async () => {
  const bench = new WriteBench({ p: setpoint }, { devices: ['d', 'other'] });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  bench.before = (_, device) => (device === 'd' ? gate : undefined);
  const waiting = [1, 2, 3, 4, 5, 6, 7].map((value) => bench.write('p', value));
  await bench.write('p', 77, {}, 'other');
  assert.equal(bench.sent.filter(isWrite).length, 2, 'of the first device only one is on its way');
  waiting.push(bench.write('p', 8));
  const { code, message } = await bench.refusal('p', 9);
  assert.deepEqual([code, message], ['write-refused', '8 writes wait on this bus already: try again when they are done']);
  open();
  assert.deepEqual(
    (await Promise.all(waiting)).map((w) => w.value),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  await turn();
  assert.equal((await bench.write('p', 9)).value, 9);
});

test('a safe value waits for no other write, and the others go on behind it', async () => {
  const point = (address: number) => ({ address, write: may({ min: 0, max: 100 }) });
  const bench = new WriteBench({ p: point(3), q: point(4), r: point(5) });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  bench.before = () => gate;
  const waiting = [1, 2, 3, 4, 5, 6, 7, 8].map((value) => bench.write('p', value));
  await turn();
  const safe = [bench.write('q', 50, { safe: true }), bench.write('r', 60, { safe: true })];
  open();
  assert.deepEqual(
    (await Promise.all(safe)).map(({ value }) => value),
    [50, 60],
  );
  await Promise.all(waiting);
  const written = bench.sent
    .filter(isWrite)
    .map((pdu) => [Number.parseInt(pdu.slice(2, 6), 16), Number.parseInt(pdu.slice(-4), 16)]);
  // The first was on the wire already.
  assert.deepEqual(written.slice(0, 3), [
    [3, 1],
    [4, 50],
    [5, 60],
  ]);
  assert.deepEqual(
    written.slice(3).map(([, value]) => value),
    [2, 3, 4, 5, 6, 7, 8],
  );
});

test('what waits for a point that gets its safe value is refused, and nothing of it is sent', async () => {
  const bench = new WriteBench({ p: setpoint });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  bench.before = () => gate;
  const first = bench.write('p', 1);
  await turn();
  const refusals = [2, 3].map((value) => bench.refusal('p', value));
  const safe = bench.write('p', 50, { safe: true });
  for (const { code, data, message } of await Promise.all(refusals)) {
    assert.deepEqual([code, data.sent], ['write-refused', false]);
    assert.equal(message, 'd.p is being set to its safe value; write it again afterwards');
  }
  open();
  await first.catch(() => {}); // it was on the wire, and its check may see the safe value
  assert.equal((await safe).value, 50);
  assert.equal(bench.registers[3], 50);
  assert.deepEqual(
    bench.sent.filter(isWrite).map((pdu) => Number.parseInt(pdu.slice(-4), 16)),
    [1, 50],
  );
});

test('a write that reads first gives way to a safe value, and undoes no bit of it', async () => {
  const bench = new WriteBench({ a: { bit: 0, type: 'bool', write: may() }, b: { bit: 1, type: 'bool', write: may() } });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  bench.before = () => gate;
  const ordinary = bench.write('a', true);
  await turn();
  const safe = bench.write('b', true, { safe: true });
  open();
  await Promise.all([ordinary, safe]);
  assert.equal(bench.registers[3], 3);
  // Its look, the safe value whole, then the look again: what it had seen was old.
  assert.deepEqual(bench.sent.map((pdu) => pdu.slice(0, 2)).slice(0, 4), ['03', '03', '06', '03']);
});

test('a write that expired in a queue, or behind a reading of its own, is not sent', async () => {
  const bench = new WriteBench({ p: { type: 'bool', bit: 2, write: may() }, q: { address: 9, ...setpoint } });
  let over = false;
  const begin = (): void => {
    if (over) throw new SluiceError('expired', 'too late');
  };
  // The first write waits on the wire; the second one expires in the queue of the device.
  const gate = Promise.withResolvers<void>();
  bench.before = () => gate.promise;
  const first = bench.write('q', 5);
  const second = bench.refusal('q', 6, { begin });
  await turn();
  over = true;
  gate.resolve();
  assert.equal((await second).code, 'expired');
  await first;
  assert.deepEqual(bench.sent.filter(isWrite), ['0600090005']);
  // A bit is written with the others of its register, which are read before.
  over = false;
  bench.before = () => {
    over = true;
  };
  assert.equal((await bench.refusal('p', true, { begin })).code, 'expired');
  assert.deepEqual(bench.sent.filter(isWrite), ['0600090005']);
});
