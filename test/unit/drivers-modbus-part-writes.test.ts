/** Writing a point that has only a part of its registers, or a scale factor. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DeviceMemory } from '../../src/codecs/modbus-memory.ts';
import type { ModbusPoint } from '../../src/codecs/modbus-point.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { Device } from '../../src/drivers/modbus/device.ts';
import { type AskDevice, PointWriter } from '../../src/drivers/modbus/writes.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

function bench(registers: number[], points: readonly Partial<ModbusPoint>[]) {
  const all = points.map(
    (keys, i): ModbusPoint => ({
      ...{ name: `p${i}`, table: 'holding', address: 0, type: 'uint16', write: { every: 0 } },
      ...keys,
    }),
  );
  const clock = new ManualClock();
  let counted = 0;
  const memory = new DeviceMemory(all, 'd', { get: () => undefined, set: () => void counted++ });
  const device = new Device(
    {
      ...{ name: 'd', unit: 1, memory, writesMultiple: false },
      points: new Map(all.map((p) => [p.name, p])),
      patience: { timeout: 100, retries: 0, turnaround: 0, connectDelay: 0 },
    },
    { serial: false, label: 'test' },
    clock,
    silentLogger,
  );
  const sent: number[][] = [];
  /** What happens in the device between a write and the next reading. */
  const between = { act: () => {} };
  const ask: AskDevice = async (_, request) => {
    if (request.kind === 'write') {
      sent.push([...request.values]);
      registers.splice(request.start, request.values.length, ...request.values);
      between.act();
      return { pdu: Uint8Array.of(6), at: 1, latency: 1 };
    }
    if (request.kind !== 'read') throw new Error('only reads and writes are expected');
    const data = registers.slice(request.start, request.start + request.count).flatMap((word) => [word >> 8, word & 255]);
    return { pdu: Uint8Array.from([3, data.length, ...data]), at: 1, latency: 1 };
  };
  const writer = new PointWriter(ask, clock);
  const write = (i: number, value: number | boolean) => writer.write(device, `p${i}`, value);
  return { registers, sent, between, memory, counted: () => counted, write };
}

test('a bit field and a byte leave the rest of their registers as it is now', async () => {
  const b = bench(
    [0xabcd, 0xffff, 0x1234],
    [{ bits: { first: 4, count: 3 } }, { type: 'uint8' }, { type: 'uint32', bit: 31, order: 'CDAB', address: 1 }],
  );
  assert.deepEqual(await b.write(0, 2), { value: 2, at: 1 });
  assert.deepEqual(b.registers, [0xabad, 0xffff, 0x1234]);
  await b.write(1, 7);
  assert.deepEqual(b.registers, [0xab07, 0xffff, 0x1234]);
  await b.write(2, true);
  assert.deepEqual(b.registers, [0xab07, 0xffff, 0x9234]);
  await assert.rejects(b.write(0, 8), { code: 'request-invalid' });
  assert.equal(b.sent.length, 3);
});

test('what else lies in the register may move meanwhile; its own part may not', async () => {
  const b = bench([0xff00], [{ bits: { first: 0, count: 4 } }]);
  b.between.act = () => {
    b.registers[0] = 0x1205;
  };
  assert.deepEqual(await b.write(0, 5), { value: 5, at: 1 });
  b.between.act = () => {
    b.registers[0] = 0xff07;
  };
  await assert.rejects(b.write(0, 6), { code: 'write-failed' });
});

test('a scaled point is written with the factor that was read last, and not before there is one', async () => {
  const b = bench([0, 0], [{ scaleFactor: 'p1' }, { type: 'int16', address: 1 }]);
  await assert.rejects(b.write(0, 50), /scale factor p1 is not known/);
  assert.equal(b.sent.length, 0);
  b.memory.learn('p1', -1);
  assert.deepEqual(await b.write(0, 50.5), { value: 50.5, at: 1 });
  assert.deepEqual(b.sent, [[505]]);
});

test('reading back a counter that was written counts nothing', async () => {
  const b = bench([5000], [{ counter: { modulus: 65_536 } }]);
  await b.write(0, 0);
  assert.equal(b.counted(), 0);
  assert.deepEqual(b.registers, [0]);
});
