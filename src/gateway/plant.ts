/**
 * The field side of one configuration: its buses. A reload keeps the buses whose wire and devices did not change and
 * exchanges the others: every new one is made before an old one stops, and started only after all wires are free, so a port may
 * move from one bus to another. Where that fails, the old buses are made and started again.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, ResolvedBus, ResolvedDevice } from '../config/kinds.ts';
import type { Shape } from '../core/point.ts';
import type { Bus, Field, SafePoint } from '../core/ports.ts';

interface Entry {
  readonly bus: Bus;
  readonly fingerprint: string;
  /** The same bus, new. */
  readonly again: () => Bus;
}

export class Plant implements Field {
  readonly #make: (bus: ResolvedBus, devices: ResolvedDevice[]) => Bus;
  #entries: ReadonlyMap<string, Entry> = new Map();
  #stopped = false;

  constructor(make: (bus: ResolvedBus, devices: ResolvedDevice[]) => Bus) {
    this.#make = make;
  }

  get buses(): Bus[] {
    return [...this.#entries.values()].map((e) => e.bus);
  }
  get shapes(): Shape[] {
    return this.buses.flatMap((b) => b.shapes);
  }
  busOf(device: string): Bus | undefined {
    return this.buses.find((b) => b.status().devices.some((d) => d.name === device));
  }
  get safePoints(): SafePoint[] {
    return this.buses.flatMap((b) => b.safePoints ?? []);
  }
  urgent(points: ReadonlySet<string>): void {
    for (const bus of this.buses) bus.urgent?.(points);
  }

  /**
   * Makes what the configuration asks for; nothing is stopped or started yet.
   * @returns what to do to put it in force. @throws what a driver says about its configuration
   */
  prepare(config: GatewayConfig): { shapes: Shape[]; apply: () => Promise<void>; changed: string[] } {
    const next = new Map<string, Entry>();
    const changed: string[] = [];
    for (const bus of config.buses.values()) {
      const devices = [...config.devices.values()].filter((d) => d.bus === bus.name);
      if (devices.length === 0) continue;
      const fingerprint = comparable([bus, devices]);
      const old = this.#entries.get(bus.name);
      if (old?.fingerprint === fingerprint) {
        next.set(bus.name, old);
        continue;
      }
      const again = () => this.#make(bus, devices);
      changed.push(bus.name);
      next.set(bus.name, { bus: again(), fingerprint, again });
    }
    return {
      shapes: [...next.values()].flatMap((e) => e.bus.shapes),
      changed,
      apply: () => this.#exchange(next),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.buses.map((bus) => bus.stop()));
  }

  async #exchange(next: ReadonlyMap<string, Entry>): Promise<void> {
    const before = this.#entries;
    const leaving = [...before].filter(([name, entry]) => next.get(name) !== entry);
    const coming = [...next].filter(([name, entry]) => before.get(name) !== entry).map(([, { bus }]) => bus);
    this.#entries = next;
    try {
      const stops = await Promise.allSettled(leaving.map(([, { bus }]) => bus.stop()));
      const failed = stops.find((stop) => stop.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      for (const bus of coming) bus.start();
    } catch (thrown) {
      await Promise.allSettled(coming.map((bus) => bus.stop()));
      const restored = leaving.map(([name, entry]) => [name, { ...entry, bus: entry.again() }] as const);
      this.#entries = new Map([...before, ...restored]);
      if (!this.#stopped) for (const [, { bus }] of restored) bus.start();
      throw thrown;
    }
  }
}
