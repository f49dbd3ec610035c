/** Many units behind one bridge: one connection, one queue, and every answer goes to the unit that was asked. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { reasonAt, type Sample } from '../../../src/core/point.ts';
import { type FakeRequest, fakeTcp, withMbap } from '../../fakes/modbus-device.ts';
import { rtuFrame, rtuLine } from '../../fakes/rtu-line.ts';
import { startSite } from '../../harness/modbus-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const UNITS = Array.from({ length: 24 }, (_, i) => i + 1);
/** Behind the bridge, and not there: it says nothing, or says so (exception 11). */
const [MUTE, ABSENT] = [5, 6];
/** A register tells its unit and its address. */
const tells = (unit: number, address: number) => unit * 256 + address;
const devices = Object.fromEntries(
  UNITS.map((unit) => [
    `u${unit}`,
    {
      unit,
      interval: '100ms',
      limits: { merge: false },
      points: { a: { table: 'holding', address: unit, type: 'uint16' }, b: { table: 'input', address: 200, type: 'uint16' } },
    },
  ]),
);

function assertOwn(samples: readonly Sample[]): void {
  for (const sample of samples) {
    const unit = Number(sample.shape.device.slice(1));
    const address = sample.shape.points[0]?.name === 'a' ? unit : 200;
    if (reasonAt(sample, 0) === 0) assert.equal(sample.values[0], tells(unit, address), sample.shape.device);
  }
}

function everybodyRead(site: ReturnType<typeof startSite>, rounds: number): Promise<unknown> {
  const there = UNITS.filter((unit) => unit !== MUTE && unit !== ABSENT);
  const good = new Map<string, number>();
  let seen = 0;
  return waitFor(
    () =>
      `${rounds} rounds; ${there.filter((unit) => (good.get(`u${unit}`) ?? 0) < rounds).map((unit) => `u${unit} ${good.get(`u${unit}`)}`)}`,
    () => {
      for (; seen < site.samples.length; seen++) {
        const sample = site.samples[seen] as Sample;
        if (reasonAt(sample, 0) === 0) good.set(sample.shape.device, (good.get(sample.shape.device) ?? 0) + 1);
      }
      return there.every((unit) => (good.get(`u${unit}`) ?? 0) >= rounds);
    },
  );
}

for (const inFlight of [1, 4])
  test(`24 units over one TCP connection, ${inFlight} at once`, async (t) => {
    let underWay = 0;
    let most = 0;
    const asked = new Map<number, number>();
    const device = await fakeTcp(t, (request: FakeRequest, reply) => {
      const { unit, code, start, transaction } = request;
      if (unit === MUTE) return;
      assert.equal(asked.get(unit) ?? 0, 0, `unit ${unit} is asked one thing at a time`);
      asked.set(unit, 1);
      most = Math.max(most, ++underWay);
      const pdu = unit === ABSENT ? [code | 0x80, 11] : [code, 2, tells(unit, start) >> 8, tells(unit, start) & 255];
      // A bridge answers as its line gives it, not in the order asked.
      setTimeout(
        () => {
          underWay--;
          asked.set(unit, 0);
          reply.send(withMbap(Uint8Array.from([unit, ...pdu]), transaction));
        },
        (request.n * 7) % 5,
      );
    });
    const site = startSite(t, { host: '127.0.0.1', port: device.port, timeout: '2s', retries: 0, inFlight }, devices);
    await everybodyRead(site, 6);
    assertOwn(site.samples);
    assert.equal(device.connections, 1);
    // A silent unit takes a place as well.
    assert.ok(most <= inFlight && (inFlight === 1 || most > 1), `${most} at once`);
    const fault = (unit: number) => site.bus.status().devices[unit - 1]?.fault ?? '';
    await waitFor('words about the mute one', () => /unit 5 on .* does not answer/.test(fault(MUTE)));
    assert.match(fault(ABSENT), /exception 11: the gateway got no answer from this unit/);
    assert.deepEqual(site.bus.status().state, 'open');
    assert.equal(device.connections, 1);
  });

test('24 units behind one RTU converter: one connection, one request at a time', async (t) => {
  let waiting = 0;
  const line = await rtuLine(t, ({ unit, code, start }, send) => {
    assert.equal(waiting, 0, 'a line carries one request');
    if (unit === MUTE) return;
    waiting++;
    setImmediate(() => {
      waiting--;
      const value = tells(unit, start);
      send(unit === ABSENT ? rtuFrame(unit, code | 0x80, 11) : rtuFrame(unit, code, 2, value >> 8, value & 255));
    });
  });
  const bus = {
    protocol: 'modbus-rtu-over-tcp',
    host: '127.0.0.1',
    port: line.port,
    baudRate: 115_200,
    timeout: '500ms',
    retries: 0,
  };
  const site = startSite(t, bus, devices);
  await everybodyRead(site, 6);
  assertOwn(site.samples);
  assert.equal(line.connections, 1);
  await waitFor('words', () => /unit 5 on .* does not answer/.test(site.bus.status().devices[MUTE - 1]?.fault ?? ''));
});
