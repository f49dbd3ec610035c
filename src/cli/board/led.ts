/** The LED of this board for a running gateway; undefined where there is none, or it is not wanted. */
import path from 'node:path';
import { setupOf } from '../../boards/detect.ts';
import { Led, type LedFacts } from '../../boards/led.ts';
import { LedWatch } from '../../boards/led-watch.ts';
import { BoardLibrary } from '../../boards/library.ts';
import { ledOf } from '../../boards/look.ts';
import { machineAt } from '../../boards/machine.ts';
import { systemClock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { isAtWork } from '../../update/at-work.ts';
import { BOARD_ROOT, BOARDS } from '../config-file.ts';

export function boardLed(gateway: Gateway, logger: Logger): LedWatch | undefined {
  const { board, hats, led: wanted } = gateway.config.gateway;
  if (!wanted) return undefined;
  const machine = machineAt(BOARD_ROOT);
  const named = { board, hats };
  const name = ledOf(setupOf(BoardLibrary.fitting(BOARDS, machine, named), machine, named).board, machine);
  if (name === undefined) return undefined;
  const folder = path.join(machine.root, '/sys/class/leds');
  const led = new Led({ folder, name, fault: (message) => logger.info({}, message) });
  return new LedWatch(systemClock, led, () => factsOf(gateway));
}

function factsOf(gateway: Gateway): LedFacts | undefined {
  if (!gateway.running) return undefined;
  const { forwarders } = gateway;
  return {
    updating: isAtWork(BOARD_ROOT),
    faulty:
      gateway.broken !== undefined ||
      gateway.log.status().fault !== undefined ||
      gateway.plant.buses.some((bus) => bus.status().fault !== undefined),
    claimed: gateway.access.people.claimed,
    delivering: forwarders.length === 0 ? undefined : forwarders.every(({ connected }) => connected),
  };
}
