/** A serial bus on a port that a test plays, under a clock that it turns. */
import assert from 'node:assert/strict';
import { parseHex, toHex } from '../../src/codecs/serial/hex.ts';
import type { ResolvedDevice } from '../../src/config/kinds.ts';
import { SluiceError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Sample } from '../../src/core/point.ts';
import { reasonAt } from '../../src/core/point.ts';
import { reasonName } from '../../src/core/reasons.ts';
import { serial } from '../../src/drivers/serial/kind.ts';
import type { LineEvents, LineOpener, OpenLine } from '../../src/drivers/serial-line.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

/** A port that a test opens, refuses, feeds and unplugs. */
export class FakePorts {
  refuse: string | undefined;
  moved = false;
  alsoOpenIn: string | undefined;
  readonly written: string[] = [];
  readonly openedAt: number[] = [];
  closes = 0;
  #events: LineEvents | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  readonly open: LineOpener = (_, events) => {
    this.openedAt.push(this.#clock.monotonic());
    if (this.refuse !== undefined) return Promise.reject(new SluiceError('bus-open', this.refuse));
    this.#events = events;
    const port: OpenLine = {
      write: (bytes) => void this.written.push(toHex(bytes)),
      alsoOpenIn: () => Promise.resolve(this.alsoOpenIn),
      close: () => {
        this.closes++;
        this.#events = undefined;
        return Promise.resolve();
      },
      moved: () => Promise.resolve(this.moved),
    };
    return Promise.resolve(port);
  };

  say(text: string): void {
    assert.ok(this.#events, 'the port is open');
    this.#events.data(new TextEncoder().encode(text));
  }

  sayHex(hex: string): void {
    assert.ok(this.#events, 'the port is open');
    this.#events.data(parseHex(hex));
  }

  unplug(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.closed('unplugged');
  }
}

export function deviceOf(device: object, points: Record<string, object>): ResolvedDevice {
  return {
    name: 'probe',
    bus: 'line',
    settings: serial.device.parse(device),
    points: new Map(Object.entries(points).map(([name, point]) => [name, serial.point.parse(point)])),
  };
}

export const LEVELS = { frame: { type: 'line' }, decode: { type: 'key-value' } };

export function setUp(device: object = LEVELS, points: Record<string, object> = { level: { unit: 'm' } }) {
  const clock = new ManualClock();
  const ports = new FakePorts(clock);
  const samples: Sample[] = [];
  const bus = serial.create(
    { name: 'line', protocol: 'serial', settings: serial.bus.parse({ port: '/dev/x' }) },
    [deviceOf(device, points)],
    { clock, logger: silentLogger, emit: (sample) => samples.push(sample), random: () => 1, open: ports.open },
  );
  const told = () =>
    samples.map((sample) => {
      const reason = reasonAt(sample, 0);
      return `${sample.shape.points[0]?.name} ${reason === 0 ? sample.values[0] : reasonName(reason)} @${sample.at}`;
    });
  const device0 = () => {
    const [status] = bus.status().devices;
    assert.ok(status);
    return status;
  };
  return { clock, ports, samples, bus, told, device: device0 };
}
