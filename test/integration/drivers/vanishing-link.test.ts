/** A by-id link that another process makes and removes while both drivers open the port behind it: 3,000 openings each. */
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { modbusRtu } from '../../../src/drivers/modbus/kind.ts';
import { serial } from '../../../src/drivers/serial/kind.ts';
import { openLine } from '../../../src/drivers/serial-line.ts';
import { startChild } from '../../harness/child.ts';
import { words } from '../../harness/modbus-site.ts';
import { scratch } from '../../harness/scratch.ts';
import { deviceOf, LEVELS } from '../../harness/serial-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const OPENINGS = 3000;
/** Most of the time the link leads nowhere, as while udev works; a part of the time it leads to a port. */
const TOGGLE = `
import os, pty, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
link, name = sys.argv[1], os.ttyname(slave)
print('toggles', flush=True)
turn = 0
while os.getppid() != 1:
    turn += 1
    os.symlink(name if turn % 8 == 0 else name + '-gone', link)
    os.unlink(link)
`;

async function togglingLink(t: TestContext): Promise<string | undefined> {
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (python === undefined) return undefined;
  const link = path.join(scratch(t, 'by-id'), 'usb-FTDI_A1-if00-port0');
  await startChild(t, python, ['-c', TOGGLE, link]).line(/^toggles$/);
  return link;
}

/** Pauses between openings are left out; `openings` counts the limits that openings are given. */
class HastyClock implements Clock {
  openings = 0;
  monotonic = () => systemClock.monotonic();
  wall = () => systemClock.wall();
  exactly: Clock['exactly'] = (ms, run) => this.after(ms, run);
  after(ms: number, run: () => void): () => void {
    if (ms === OPEN_LIMIT) this.openings++;
    return systemClock.after(ms === OPEN_LIMIT ? ms : Math.min(ms, 1), run);
  }
}
const OPEN_LIMIT = 3000;

test('a Modbus line is opened beside a link that comes and goes', { timeout: 400_000 }, async (t) => {
  const port = await togglingLink(t);
  if (port === undefined) return;
  const clock = new HastyClock();
  const settings = modbusRtu.bus.parse({ port });
  const points = new Map(Object.entries(words(0)).map(([name, point]) => [name, modbusRtu.point.parse(point)]));
  const device = { name: 'meter', bus: 'field', settings: modbusRtu.device.parse({ unit: 1 }), points };
  const bus = modbusRtu.create({ name: 'field', protocol: 'modbus-rtu', settings }, [device], {
    ...{ clock, logger: silentLogger, emit: () => {} },
  });
  t.after(() => bus.stop());
  bus.start();
  await waitFor(
    () => `openings; there were ${clock.openings}`,
    () => clock.openings >= OPENINGS,
  );
});

test('the line of a talker is opened beside a link that comes and goes', { timeout: 400_000 }, async (t) => {
  const port = await togglingLink(t);
  if (port === undefined) return;
  let openings = 0;
  const bus = serial.create(
    { name: 'line', protocol: 'serial', settings: serial.bus.parse({ port }) },
    [deviceOf(LEVELS, { level: {} })],
    {
      ...{ clock: new HastyClock(), logger: silentLogger, emit: () => {} },
      open: (...args) => {
        openings++;
        return openLine(...args);
      },
    },
  );
  t.after(() => bus.stop());
  bus.start();
  await waitFor(
    () => `openings; there were ${openings}`,
    () => openings >= OPENINGS,
  );
});
