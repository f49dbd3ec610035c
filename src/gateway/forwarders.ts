/**
 * The forwarders of one configuration. A reload keeps those whose settings did not change and exchanges the others; what
 * was delivered is kept in the log under the name, whatever is configured.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, ResolvedForwarder } from '../config/kinds.ts';
import type { Forwarder } from '../core/ports.ts';
import type { ForwarderContext } from '../forwarders/forwarder-kind.ts';
import { isCounterState } from '../pipeline/counter-state.ts';
import type { Log } from '../store/log.ts';
import { createForwarder } from './registry-create.ts';

/** What a forwarder is given, but for what follows from the log and the configuration. */
export type ForwarderSurroundings = Omit<ForwarderContext, 'gateway' | 'log' | 'goneRules'>;

interface Entry {
  readonly forwarder: Forwarder;
  readonly fingerprint: string;
}

export class Forwarders {
  readonly #surroundings: ForwarderSurroundings;
  readonly #entries = new Map<string, Entry>();

  constructor(surroundings: ForwarderSurroundings) {
    this.#surroundings = surroundings;
  }

  get all(): Forwarder[] {
    return [...this.#entries.values()].map((e) => e.forwarder);
  }
  get connected(): boolean {
    return this.all.some((f) => f.connected);
  }

  /** Makes all that is configured; from then on the log keeps for them what comes. Nothing is started. */
  prepare(config: GatewayConfig, log: Log): void {
    for (const resolved of config.forwarders.values()) this.#make(resolved, config, log);
  }

  start(): void {
    for (const forwarder of this.all) forwarder.start();
  }

  /** @param within milliseconds for those that change or go. @returns the names of what changed */
  async reload(config: GatewayConfig, log: Log, within: number): Promise<string[]> {
    const changed: string[] = [];
    for (const [name, { fingerprint }] of this.#entries) {
      const next = config.forwarders.get(name);
      if (next === undefined || comparable(next) !== fingerprint) changed.push(name);
    }
    await Promise.all(changed.map((name) => this.#entries.get(name)?.forwarder.stop(within)));
    for (const name of changed) {
      this.#entries.delete(name);
      // Not waited for: its commit may be long in coming while the disk refuses.
      if (!config.forwarders.has(name)) void log.release(name);
    }
    for (const [name, resolved] of config.forwarders) {
      if (this.#entries.has(name)) continue;
      if (!changed.includes(name)) changed.push(name);
      this.#make(resolved, config, log).start();
    }
    return changed;
  }

  republish(goneRules: readonly string[]): void {
    for (const forwarder of this.all) forwarder.republish(goneRules);
  }

  async stop(within: number): Promise<void> {
    await Promise.all(this.all.map((f) => f.stop(within)));
  }

  #make(resolved: ResolvedForwarder, config: GatewayConfig, log: Log): Forwarder {
    const known = new Set([...log.opened.alarms.map(([key]) => key), ...log.opened.lastAlarms.map(({ key }) => key)]);
    const forwarder = createForwarder(resolved, {
      ...this.#surroundings,
      gateway: config.gateway.id,
      log,
      // Also rules whose removal an earlier run could not tell upstream.
      goneRules: [...known].filter((key) => !isCounterState(key) && !config.rules.has(key)),
    });
    this.#entries.set(resolved.name, { forwarder, fingerprint: comparable(resolved) });
    return forwarder;
  }
}
