/** One reading of a serial talker while no gateway runs: its port is opened, heard once, and closed. */
import type { ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { systemClock as clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { tellSample } from '../../gateway/admin-target.ts';
import { createBus } from '../../gateway/registry-create.ts';
import type { Readings } from './show.ts';

/** Milliseconds that opening the port may take. */
const OPEN_WITHIN = 3000;
const LOOK_EVERY = 20;

export async function readTalker(bus: ResolvedBus, device: ResolvedDevice): Promise<Readings> {
  const made = createBus(bus, [device], { clock, logger: silentLogger, emit: () => {}, tell: () => {} });
  made.start();
  try {
    const until = clock.monotonic() + OPEN_WITHIN;
    while (made.status().state !== 'open') {
      const { fault } = made.status();
      if (fault !== undefined || clock.monotonic() > until)
        throw new SluiceError('bus-closed', fault ?? `the port of ${bus.name} did not open within ${OPEN_WITHIN / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
    const readings: Readings[number][] = [];
    for (const sample of await made.read(device.name))
      tellSample(sample, clock.wall() - clock.monotonic(), (item) => {
        if (item.type !== 'reading') return;
        const { type: _, device: __, ...reading } = item;
        readings.push(reading);
      });
    return readings;
  } finally {
    await made.stop();
  }
}
