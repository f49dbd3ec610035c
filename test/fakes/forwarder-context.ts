/** The context that a gateway gives its forwarders, without events: the clock is known, and nothing is gone. */
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { ForwarderContext } from '../../src/forwarders/forwarder-kind.ts';
import type { Log } from '../../src/store/log.ts';

export function forwarderContext(log: Log, special: Partial<ForwarderContext> = {}): ForwarderContext {
  const memories = new Map<string, unknown>();
  return {
    ...{ gateway: 'g1', log, clock: systemClock, logger: silentLogger, random: () => 0, goneRules: [] },
    ...{ clockHold: () => 0, clockKnown: () => true, now: () => Date.now(), hasRule: () => true, event: () => {} },
    commands: { take: () => {} },
    ...{ status: () => '{"v":1,"online":true}', inventory: () => '{"v":1}' },
    latest: { get: () => undefined, all: () => [] },
    site: { point: () => undefined, made: () => undefined, rules: () => [], alarms: () => [] },
    memory: (name) => ({ load: () => memories.get(name), save: (state) => void memories.set(name, state) }),
    ...special,
  };
}
