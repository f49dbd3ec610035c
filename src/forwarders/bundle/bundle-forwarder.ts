/**
 * A forwarder that sends nothing by itself: a person carries bundles away, and receipts move its cursor. It keeps a place in the log,
 * so that a bundle knows what is not delivered. Bundles are made in src/admin/bundles.ts.
 */
import type { Forwarder, ForwarderReport } from '../../core/ports.ts';
import type { Outlet } from '../../store/delivery/outlet.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { BundleForwarderSettings } from './schema.ts';

const TEND = 1000;
const NONE = { connects: 0, published: 0, acked: 0, refused: 0, retries: 0, readings: 0, bytes: 0, violations: 0, unheard: 0 };

export interface BundleForwarderOptions extends ForwarderContext {
  readonly name: string;
  readonly settings: BundleForwarderSettings;
}

export class BundleForwarder implements Forwarder {
  readonly name: string;
  /** Nothing is upstream: safe values that wait for an upstream do not count it. */
  readonly connected = false;
  readonly #o: BundleForwarderOptions;
  #outlet: Outlet | undefined;
  #tending: (() => void) | undefined;

  constructor(options: BundleForwarderOptions) {
    this.name = options.name;
    this.#o = options;
  }

  attach(): void {
    const { log, name, settings, gateway, outward } = this.#o;
    this.#outlet ??= log.outlet(name, settings.from, gateway, 'columns', {}, outward && { outward });
  }

  start(): void {
    if (this.#tending !== undefined) return;
    this.attach();
    this.#tend();
  }

  async stop(): Promise<void> {
    this.#tending?.();
    this.#tending = undefined;
  }

  republish(): void {}

  status(): ForwarderReport {
    const outlet = this.#outlet;
    const live = outlet?.waiting(Number.MAX_SAFE_INTEGER);
    return {
      ...{ name: this.name, type: 'bundle', url: 'bundles', state: this.#tending === undefined ? 'stopped' : 'waiting' },
      ...{ fault: undefined, nextTry: undefined, mode: outlet?.live === true ? 'live' : 'history', lastAck: outlet?.lastReceipt },
      waiting: { data: outlet?.backlog('data')?.from, history: outlet?.backlog('history')?.from },
      ...{ oldestLive: live?.oldest, liveReadings: live?.readings ?? 0, counters: NONE },
    };
  }

  /** As for a forwarder whose broker is away: readings go to history, and memory lets go of them. */
  #tend(): void {
    const { clock } = this.#o;
    this.#tending = clock.after(TEND, () => {
      this.#outlet?.tend(false, clock.monotonic());
      this.#tend();
    });
  }
}
