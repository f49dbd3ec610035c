import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { encodeRequest } from '../../../src/codecs/modbus-pdu.ts';
import { aboutDuration, parseDuration, percent, roundUpDuration } from '../../../src/core/units.ts';
import type { DeviceReads } from '../../../src/drivers/modbus/budget.ts';
import { busBudget } from '../../../src/drivers/modbus/budget.ts';
import { ascii, rtu } from '../../../src/drivers/modbus/framing.ts';
import type { LineTiming, WireTiming } from '../../../src/drivers/modbus/wire-cost.ts';
import {
  characterTime,
  dataBytes,
  readBytes,
  readTime,
  WIRE_PROTOCOLS,
  wireCost,
} from '../../../src/drivers/modbus/wire-cost.ts';

const line: LineTiming = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 };
const wire = (keys: Partial<WireTiming> = {}): WireTiming => ({
  protocol: 'modbus-rtu',
  line,
  turnaround: 0,
  inFlight: 1,
  ...keys,
});
const network: WireTiming = { protocol: 'modbus-tcp', turnaround: 0, inFlight: 1 };
const answering = (responseTime?: number, turnaround = 0) => ({ responseTime, turnaround });
const near = (found: number, right: number) => assert.ok(Math.abs(found - right) < 0.005, `${found} is not ${right}`);

test('a character has start, data, parity and stop bits', () => {
  near(characterTime(line), 10_000 / 9600);
  near(characterTime({ ...line, parity: 'even' }), 11_000 / 9600);
  near(characterTime({ ...line, dataBits: 7, parity: 'odd', stopBits: 2 }), 11_000 / 9600);
});

test('a read costs its bytes, two silences and the answer; what was worked out by hand', () => {
  // 8 and 5 + 20 bytes of 1.0417 ms, 20 ms until the answer, 3.6458 ms of silence.
  near(readTime(wireCost(wire(), answering(20)), 'holding', 10), 33 * 1.041667 + 20 + 3.645833);
  // An answer cannot come before the silence after the request is over.
  near(readTime(wireCost(wire(), answering(0)), 'holding', 10), 33 * 1.041667 + 2 * 3.645833);
  // Above 19200 baud the silence is 1.75 ms.
  near(
    readTime(wireCost(wire({ line: { ...line, baudRate: 115_200 } }), answering(0)), 'holding', 10),
    33 * 0.0868056 + 2 * 1.75,
  );
  near(
    readTime(wireCost(wire({ line: { ...line, baudRate: 19_200 } }), answering(0)), 'holding', 10),
    33 * 0.520833 + 2 * 1.822917,
  );
  // Pauses that were asked for, by bus or device, are not added to the silence.
  for (const [bus, device] of [
    [50, 0],
    [10, 50],
  ] as const)
    near(wireCost(wire({ turnaround: bus }), answering(20, device)).request, 13 * 1.041667 + 20 + 50);
  // 17 and 11 + 40 characters; a device need not wait for silence to see the end, the gateway keeps it.
  near(readTime(wireCost(wire({ protocol: 'modbus-ascii' }), answering(20)), 'input', 10), 68 * 1.041667 + 20 + 3.645833);
  near(readTime(wireCost(wire({ protocol: 'modbus-ascii' }), answering(0)), 'input', 10), 68 * 1.041667 + 3.645833);
  // 16 bits are two bytes, 17 are three.
  near(readTime(wireCost(wire(), answering(20)), 'coil', 16), 15 * 1.041667 + 20 + 3.645833);
  near(readTime(wireCost(wire(), answering(20)), 'discrete', 17), 16 * 1.041667 + 20 + 3.645833);
  near(readTime(wireCost(network, answering(10)), 'holding', 125), 10.22);
  assert.equal(readBytes(wireCost(network, answering()), 'holding', 125), 271);
});

test('bytes are those of the frames that are sent', () => {
  for (const count of [1, 7, 125]) {
    const request = encodeRequest({ kind: 'read', table: 'holding', start: 0, count }).bytes.length;
    const reply = 2 + dataBytes('holding', count);
    const bytes = (protocol: WireTiming['protocol']) => readBytes(wireCost(wire({ protocol }), answering()), 'holding', count);
    assert.equal(bytes('modbus-rtu'), rtu.size(request) + rtu.size(reply));
    assert.equal(bytes('modbus-ascii'), ascii.size(request) + ascii.size(reply));
    assert.equal(bytes('modbus-rtu-over-tcp'), bytes('modbus-rtu'));
    // Transaction, protocol, length and unit before the PDU.
    for (const protocol of ['modbus-tcp', 'modbus-udp'] as const) assert.equal(bytes(protocol), 7 + request + 7 + reply);
  }
});

test('the figures of docs/explanation/bus.md are those of the model', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/explanation/bus.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(modbus-[a-z-]+)`(?:, (\d+) baud (\d)([NE])(\d))? \| ([\d.]+) \| ([\d.]+) \| (.+) \|$/gm)];
  assert.ok(rows.length >= 6, 'there are figures');
  for (const [row, protocol, baudRate, dataBits, parity, stopBits, request, register, gap] of rows) {
    assert.ok(WIRE_PROTOCOLS.some((p) => p === protocol));
    const timing = {
      ...{ baudRate: Number(baudRate), dataBits: Number(dataBits) as 7 | 8, stopBits: Number(stopBits) as 1 | 2 },
      parity: parity === 'E' ? ('even' as const) : ('none' as const),
    };
    const of = { protocol: protocol as WireTiming['protocol'], line: baudRate === undefined ? undefined : timing };
    const cost = wireCost(wire(of), answering());
    assert.equal(request, cost.request.toFixed(1), row);
    assert.equal(register, (2 * cost.byte).toFixed(baudRate === undefined ? 4 : 2), row);
    const most = Math.floor(cost.request / (2 * cost.byte));
    assert.equal(gap, most > 123 ? 'any' : String(most), row);
  }
});

interface Read {
  interval: number;
  count: number;
}
const device = (name: string, reads: readonly Read[], responseTime?: number): DeviceReads => ({
  name,
  timing: answering(responseTime),
  answer: { ms: responseTime ?? 20, from: responseTime === undefined ? 'assumed' : 'configured' },
  reads: reads.map(({ interval, count }, i) => ({ table: 'holding', start: 200 * i, count, interval, points: [] })),
});

test('a cycle is every request once; utilisation is wire time per time', () => {
  const budget = busBudget('field', wire(), [
    device('a', [{ interval: 1000, count: 10 }], 20),
    device('b', [{ interval: 10_000, count: 1 }], 20),
  ]);
  near(budget.cycle, 58.02 + 39.27);
  near(budget.utilisation, 58.02 / 1000 + 39.27 / 10_000);
  assert.deepEqual([budget.registers, budget.bits, budget.bytes, budget.requests.length], [11, 0, 48, 2]);
  assert.equal(budget.warning, undefined);
});

test('on a network several devices are asked at once, each one request after the other', () => {
  const devices = ['a', 'b', 'c'].map((name) => device(name, [{ interval: 100, count: 1 }], 10));
  const load = (inFlight: number, more: DeviceReads[] = []) => {
    const { cycle, utilisation } = busBudget('plant', { ...network, inFlight }, [...devices, ...more]);
    near(utilisation, cycle / 100);
    return Math.round(cycle);
  };
  assert.deepEqual([load(1), load(2), load(3), load(16)], [30, 15, 10, 10]);
  const busy = device('busy', Array(5).fill({ interval: 100, count: 1 }), 10);
  assert.deepEqual([load(1, [busy]), load(2, [busy]), load(8, [busy])], [80, 50, 50]);
});

test('from 80 % on there is a warning with numbers', () => {
  const at = (interval: number) => busBudget('field', wire(), [device('a', [{ interval, count: 10 }], 20)]);
  assert.equal(at(73).warning, undefined);
  assert.match(at(72).warning ?? '', /^the intervals take 81 % of this bus \(one request takes 58ms\)/);
  const { warning = '' } = busBudget('field', wire(), [device('a', [{ interval: 21, count: 10 }], 0)]);
  assert.match(
    warning,
    /^the intervals ask for 198 % of what this bus carries .*: the gateway will take about 50 % of the readings\./,
  );
  assert.match(
    warning,
    /What would fit: interval 60ms instead of 21ms; or baudRate 38400 here and in every device \(then 58 %\)$/,
  );
  assert.match(busBudget('f', wire(), [device('a', [{ interval: 29, count: 10 }])]).warning ?? '', /This assumes 20ms until/);
  const some = [device('a', [{ interval: 29, count: 10 }]), device('b', [{ interval: 29, count: 10 }], 2)];
  assert.match(busBudget('f', wire(), some).warning ?? '', /This assumes 20ms until 1 of its 2 devices answer\./);
  // Neither days of waiting nor a faster line than there is are offered.
  const hopeless = busBudget('f', wire(), [device('a', Array(99).fill({ interval: 86_400_000, count: 125 }), 86_400_000)]);
  assert.match(hopeless.warning ?? '', /% of the readings$/);
});

test('property: what is advised fits', () => {
  const interval = fc.constantFrom(20, 50, 100, 250, 1000, 5000, 60_000);
  const reads = fc.array(fc.record({ interval, count: fc.integer({ min: 1, max: 125 }) }), { minLength: 1, maxLength: 4 });
  const answer = fc.option(fc.constantFrom(0, 5, 100), { nil: undefined });
  const wires = fc.oneof(
    fc.record({ baudRate: fc.constantFrom(1200, 9600, 19_200), inFlight: fc.constant(1) }),
    fc.record({ inFlight: fc.integer({ min: 1, max: 4 }) }),
  );
  let advice = 0;
  fc.assert(
    fc.property(wires, fc.array(fc.tuple(reads, answer), { minLength: 1, maxLength: 4 }), (w, list) => {
      const on: WireTiming = 'baudRate' in w ? wire({ line: { ...line, baudRate: w.baudRate as number } }) : { ...network, ...w };
      const devices = list.map(([r, responseTime], i) => device(`d${i}`, r, responseTime));
      const { utilisation, warning } = busBudget('b', on, devices);
      assert.equal(warning !== undefined, utilisation >= 0.8);
      if (warning === undefined) return;
      for (const way of (/What would fit: (.*?)(?:\. Counted|$)/.exec(warning)?.[1] ?? '').split('; or ')) {
        const only = /^only for (d\d)/.exec(way)?.[1];
        const times = Number(/ ([\d.]+) times as long/.exec(way)?.[1] ?? Number.NaN);
        const changes = new Map(
          [...way.matchAll(/([\d.]+(?:ms|[smhd])) instead of ([\d.]+(?:ms|[smhd]))/g)].map(([, to = '', from = '']) => [
            parseDuration(from),
            parseDuration(to),
          ]),
        );
        const baudRate = Number(/baudRate (\d+)/.exec(way)?.[1] ?? on.line?.baudRate);
        const inFlight = Number(/inFlight (\d+)/.exec(way)?.[1] ?? on.inFlight);
        const changed = devices.map((d) => ({
          ...d,
          reads: d.reads.map((r) => ({
            ...r,
            interval:
              only !== undefined && only !== d.name
                ? r.interval
                : Number.isNaN(times)
                  ? (changes.get(r.interval) ?? r.interval)
                  : r.interval * times,
          })),
        }));
        const then = busBudget('b', { ...on, inFlight, line: on.line && { ...on.line, baudRate } }, changed);
        assert.ok(then.utilisation < 0.8 + 1e-9, `${way} gives ${then.utilisation}`);
        const told = /\(then (\d+) %\)/.exec(way)?.[1];
        if (told !== undefined) assert.equal(percent(then.utilisation), `${told} %`);
        advice++;
      }
    }),
    // A hundred runs gave 70 to 111 pieces of advice. Three times as many keep the bound out of the reach of chance.
    { numRuns: 300 },
  );
  assert.ok(advice > 50, `${advice}`);
});

test('durations and parts as a person would write them', () => {
  const steps = [7, 10, 101, 850, 1001, 3200, 47_000, 61_000, 100_000, 46 * 60_000, 13 * 3_600_000, 25 * 3_600_000];
  assert.deepEqual(
    steps.map((ms) => roundUpDuration(ms) / 1000),
    [0.01, 0.01, 0.15, 1, 1.5, 4, 60, 90, 120, 3600, 86_400, 172_800],
  );
  assert.deepEqual([0, 0.0004, 0.0042, 0.0999, 0.1, 1.724].map(percent), [
    '0 %',
    'less than 0.1 %',
    '0.4 %',
    '10 %',
    '10 %',
    '172 %',
  ]);
  assert.deepEqual([3.333, 41.35, 663.54, 8612].map(aboutDuration), ['3.3ms', '41ms', '664ms', '8.6s']);
});
