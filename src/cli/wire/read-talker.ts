/** One reading of a serial talker while no gateway runs: its port is opened, heard once, and closed. */
import { readReply } from '../../admin/read-reply.ts';
import type { ReadReply } from '../../admin/target.ts';
import type { ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { listenTo, readNow } from '../../control/read-now.ts';
import { systemClock as clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { createBus } from '../../gateway/registry-create.ts';

/** Milliseconds that opening the port may take. */
const OPEN_WITHIN = 3000;
const LOOK_EVERY = 20;

/** @param raw with the bytes on the line */
export async function readTalker(bus: ResolvedBus, device: ResolvedDevice, raw: boolean): Promise<ReadReply> {
  const made = createBus(bus, [device], { clock, logger: silentLogger, emit: () => {}, tell: () => {} });
  const offset = () => clock.wall() - clock.monotonic();
  // From the start: one that is asked is asked as soon as the port is open.
  const listening = raw ? listenTo(made) : undefined;
  made.start();
  try {
    const until = clock.monotonic() + OPEN_WITHIN;
    while (made.status().state !== 'open') {
      const { fault } = made.status();
      if (fault !== undefined || clock.monotonic() > until)
        throw new SluiceError('bus-closed', fault ?? `the port of ${bus.name} did not open within ${OPEN_WITHIN / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
    return readReply(await readNow(made, device.name, listening), offset());
  } finally {
    await made.stop();
  }
}
