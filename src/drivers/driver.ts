/** What a driver is: a kind for the configuration, and what makes its buses. One line in the registry brings it in. */
import type { CounterMemory } from '../codecs/counter.ts';
import type { DriverKind, ResolvedBus, ResolvedDevice } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Bus, GatewayEvent, SampleSink } from '../core/ports.ts';
import type { TimeMemory } from './modbus/answer-time.ts';

export interface DriverContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: SampleSink;
  /** What operators should know. */
  readonly tell: (event: GatewayEvent) => void;
  /** What is known of counters, over restarts. */
  readonly counters?: CounterMemory;
  /** How long devices took to answer, over restarts. */
  readonly times?: TimeMemory;
  /** A device is read by other requests from now on. */
  readonly replanned?: (before: readonly Shape[], after: readonly Shape[]) => void;
  /** A device said what time it is (UTC ms), in bytes that had arrived at `at` (monotonic ms). */
  readonly onTime?: (device: string, utc: number, at: number) => void;
}

/** What a bus can do beside being read is in its own type (`exchange`, `capture`, `write`, …): nobody asks which driver made it. */
export interface Driver extends DriverKind {
  create(bus: ResolvedBus, devices: readonly ResolvedDevice[], context: DriverContext): Bus;
}
