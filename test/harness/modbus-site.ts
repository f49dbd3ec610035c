/** A Modbus bus made from what a person would write, with its samples collected. */
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { Logger } from '../../src/core/logger.ts';
import type { Sample } from '../../src/core/point.ts';
import { reasonAt } from '../../src/core/point.ts';
import { reasonName } from '../../src/core/reasons.ts';
import type { ModbusBus } from '../../src/drivers/modbus/bus.ts';
import { MODBUS_KINDS, modbusRtu, modbusTcp } from '../../src/drivers/modbus/kind.ts';
import { waitFor } from './wait-for.ts';

export interface Site {
  readonly bus: ModbusBus;
  readonly samples: Sample[];
  readonly log: string[];
  /** Samples of a device, as `good` or the reason, by the first point. */
  outcomes(device: string): string[];
  /** Waits until a device has given so many samples that `is` accepts. */
  until(device: string, count: number, is?: (outcome: string) => boolean): Promise<Sample[]>;
}

type Written = Record<string, unknown> & { points: Record<string, Record<string, unknown>> };

export function outcomeOf(sample: Sample): string {
  const reason = reasonAt(sample, 0);
  return reason === 0 ? 'good' : reasonName(reason);
}

/** @param written keys of the bus as written; without `protocol` a `host` makes it TCP, anything else RTU. */
export function startSite(t: TestContext, written: Record<string, unknown>, devices: Record<string, Written>): Site {
  const { protocol, ...bus } = written;
  const kind = MODBUS_KINDS.find((one) => one.protocol === protocol) ?? ('host' in bus ? modbusTcp : modbusRtu);
  const samples: Sample[] = [];
  const log: string[] = [];
  const write = (level: string) => (_data: object, message: string) => void log.push(`${level} ${message}`);
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  const resolved = Object.entries(devices).map(([name, { points, ...settings }]) => ({
    name,
    bus: 'field',
    settings: kind.device.parse(settings),
    points: new Map(Object.entries(points).map(([point, keys]) => [point, kind.point.parse(keys)])),
  }));
  for (const device of resolved) {
    const [fault] = kind.checkDevice?.(device) ?? [];
    if (fault) throw new Error(`${fault.path.join('.')}: ${fault.message}`);
  }
  const made = kind.create({ name: 'field', protocol: kind.protocol, settings: kind.bus.parse(bus) }, resolved, {
    clock: systemClock,
    logger,
    emit: (sample) => void samples.push(sample),
  });
  t.after(() => made.stop());
  made.start();
  const of = (device: string) => samples.filter((s) => s.shape.device === device);
  return {
    bus: made,
    samples,
    log,
    outcomes: (device) => of(device).map(outcomeOf),
    until: (device, count, is = (outcome) => outcome === 'good') =>
      waitFor(
        () =>
          `${count} samples of ${device}; so far ${of(device).map(outcomeOf).slice(-20).join(' ')}; ${log.slice(-5).join('\n')}`,
        () => {
          const found = of(device).filter((s) => is(outcomeOf(s)));
          return found.length >= count ? found : undefined;
        },
      ),
  };
}

/** Points of one uint16 each at these addresses. */
export const words = (...addresses: number[]) =>
  Object.fromEntries(addresses.map((address) => [`r${address}`, { table: 'holding', address, type: 'uint16' }]));
