/**
 * The field side of one configuration: its buses. A reload keeps the buses whose wire and devices did not change and
 * exchanges the others: every new one is made before an old one stops, and started only after its wire is free.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, ResolvedBus, ResolvedDevice } from '../config/kinds.ts';
import type { Shape } from '../core/point.ts';
import type { Bus, Field, SafePoint } from '../core/ports.ts';

interface Entry {
  readonly bus: Bus;
  readonly fingerprint: string;
}

export class Plant implements Field {
  readonly #make: (bus: ResolvedBus, devices: ResolvedDevice[]) => Bus;
  #entries = new Map<string, Entry>();

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
    const fresh: Bus[] = [];
    const changed: string[] = [];
    for (const bus of config.buses.values()) {
      const devices = [...config.devices.values()].filter((d) => d.bus === bus.name);
      if (devices.length === 0) continue;
      const fingerprint = comparable([bus, devices]);
      const old = this.#entries.get(bus.name);
      if (old?.fingerprint === fingerprint) next.set(bus.name, old);
      else {
        const made = this.#make(bus, devices);
        fresh.push(made);
        changed.push(bus.name);
        next.set(bus.name, { bus: made, fingerprint });
      }
    }
    const old = this.#entries;
    const leaving = [...old].filter(([name, entry]) => next.get(name) !== entry).map(([, entry]) => entry.bus);
    return {
      shapes: [...next.values()].flatMap((e) => e.bus.shapes),
      changed,
      apply: async () => {
        this.#entries = next;
        await Promise.all(leaving.map((bus) => bus.stop()));
        for (const bus of fresh) bus.start();
      },
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.buses.map((bus) => bus.stop()));
  }
}
