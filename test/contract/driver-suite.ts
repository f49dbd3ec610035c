/**
 * The duties of every bus, whatever wire it has (`Bus` in src/core/ports.ts). A driver runs it with a peer of its own: one
 * device on a wire that a test plays, under a clock that it turns.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { badSample, reasonAt, type Sample } from '../../src/core/point.ts';
import type { Bus } from '../../src/core/ports.ts';
import { reasonCode } from '../../src/core/reasons.ts';
import type { ManualClock } from '../fakes/manual-clock.ts';

export interface DriverPeer {
  readonly bus: Bus;
  readonly clock: ManualClock;
  /** Everything that the bus emitted. */
  readonly samples: readonly Sample[];
  /** The name of the one device. */
  readonly device: string;
  /** Within a second the device has given one good reading of each shape, and goes on if it is asked. */
  talks(): void;
  /** The device gives nothing from now on. */
  falls(): void;
  /** After so many ms it is silent. */
  readonly silentWithin: number;
  /** The wire is gone. */
  breaks(): void;
}

export function driverContract(driver: string, peer: () => DriverPeer): void {
  const running = async (): Promise<DriverPeer> => {
    const p = peer();
    p.bus.start();
    await p.clock.advance(1000);
    p.talks();
    await p.clock.advance(1000);
    return p;
  };
  /** A stop is bounded to 3 s. */
  const stop = async ({ bus, clock }: DriverPeer): Promise<void> => {
    const stopped = bus.stop();
    await clock.advance(3000);
    await stopped;
  };
  const deviceOf = ({ bus, device }: DriverPeer) => {
    const status = bus.status().devices.find(({ name }) => name === device);
    assert.ok(status, 'the status names the device');
    return status;
  };

  test(`${driver}: nothing happens before the start`, async () => {
    const p = peer();
    assert.equal(p.bus.status().state, 'closed');
    await p.clock.advance(3_600_000);
    assert.deepEqual([p.samples.length, p.bus.status().state, deviceOf(p).state], [0, 'closed', 'unknown']);
    await stop(p);
  });

  test(`${driver}: readings have a shape of the bus, all values, the time of arrival`, async () => {
    const p = await running();
    assert.ok(p.bus.shapes.length > 0);
    for (const shape of p.bus.shapes) {
      assert.equal(shape.device, p.device);
      const good = p.samples.filter((sample) => sample.shape === shape && reasonAt(sample, 0) === 0);
      assert.ok(good.length > 0, 'a good reading of each shape');
    }
    let last = 0;
    for (const { shape, values, reasons, at } of p.samples) {
      assert.ok(p.bus.shapes.includes(shape));
      assert.equal(values.length, shape.points.length);
      assert.equal(reasons?.length ?? values.length, values.length);
      assert.ok(at >= last && at <= p.clock.monotonic());
      last = at;
    }
    assert.deepEqual([p.bus.status().state, deviceOf(p).state], ['open', 'answering']);
    assert.ok(deviceOf(p).counters.replies > 0);
    assert.ok((deviceOf(p).lastReply ?? 0) > 0);
    await stop(p);
  });

  test(`${driver}: a silent device has a bad reading of each point, and comes back`, async () => {
    const p = await running();
    const before = p.samples.length;
    p.falls();
    await p.clock.advance(p.silentWithin);
    assert.equal(deviceOf(p).state, 'silent');
    assert.match(deviceOf(p).fault ?? '', /\w/);
    const bad = p.samples.slice(before).filter((sample) => reasonAt(sample, 0) === reasonCode('timeout'));
    for (const shape of p.bus.shapes) {
      const [first] = bad.filter((sample) => sample.shape === shape);
      assert.deepEqual(first?.reasons, badSample(shape, 0, 'timeout').reasons);
    }
    p.talks();
    await p.clock.advance(120_000);
    p.talks();
    await p.clock.advance(1000);
    assert.equal(deviceOf(p).state, 'answering');
    await stop(p);
  });

  test(`${driver}: a read by hand gives a reading of each shape, and names what is wrong`, async () => {
    const p = await running();
    const read = p.bus.read(p.device);
    p.talks();
    await p.clock.advance(5000);
    assert.deepEqual(new Set((await read).map(({ shape }) => shape)), new Set(p.bus.shapes));
    await assert.rejects(p.bus.read('nobody'), { code: 'not-found' });
    p.falls();
    await p.clock.advance(p.silentWithin);
    const vain = assert.rejects(p.bus.read(p.device), { code: 'timeout' });
    await p.clock.advance(60_000);
    await vain;
    p.breaks();
    await p.clock.advance(10);
    const broken = assert.rejects(p.bus.read(p.device), ({ code }: { code: string }) => /^bus-(closed|open)$/.test(code));
    await p.clock.advance(60_000);
    await broken;
    assert.notEqual(p.bus.status().state, 'open');
    await stop(p);
  });

  test(`${driver}: a capture sees what comes, until it is ended`, async () => {
    const p = await running();
    const seen: string[] = [];
    const end = p.bus.capture?.((way, bytes) => void (bytes.length > 0 && seen.push(way)));
    assert.ok(end !== undefined, 'its wire can be seen');
    p.talks();
    await p.clock.advance(2000);
    assert.ok(seen.includes('in'));
    end();
    const before = seen.length;
    p.talks();
    await p.clock.advance(2000);
    assert.equal(seen.length, before);
    await stop(p);
  });

  test(`${driver}: after a stop it says nothing, and every capture has ended`, async () => {
    const p = await running();
    let ended = 0;
    p.bus.capture?.(
      () => {},
      () => ended++,
    );
    const waiting = p.bus.read(p.device).catch(() => []);
    await Promise.all([stop(p), waiting]);
    const before = p.samples.length;
    await p.clock.advance(3_600_000);
    assert.equal(p.samples.length, before);
    assert.deepEqual([ended, p.bus.status().state], [1, 'closed']);
    await stop(p);
  });

  test(`${driver}: a write is refused where there is no such point, and where none is allowed`, async () => {
    const p = await running();
    if (p.bus.write !== undefined) {
      const point = p.bus.shapes[0]?.points[0]?.name ?? '';
      await assert.rejects(p.bus.write(p.device, 'nothing', 1), { code: 'not-found' });
      await assert.rejects(p.bus.write(p.device, point, 1), { code: 'write-refused' });
      await assert.rejects(p.bus.write('nobody', point, 1), { code: 'not-found' });
    }
    await stop(p);
  });
}
