/**
 * The forwarders of one configuration. A reload keeps those whose settings did not change and exchanges the others: every new one
 * is made before an old one stops. What was delivered is kept in the log under the name, whatever is configured.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, ResolvedForwarder } from '../config/kinds.ts';
import { type ForwarderPrivacy, outwardOf } from '../config/privacy.ts';
import { NAME } from '../config/schema-parts.ts';
import { SluiceError } from '../core/errors.ts';
import type { Forwarder, LiveSink } from '../core/ports.ts';
import { type Outward, PRIVACY_CLASSES, type PrivacyClass, withoutWindows } from '../core/privacy.ts';
import type { MessageOutcome, RuleMessage } from '../core/rule-message.ts';
import type { ForwarderContext } from '../forwarders/forwarder-kind.ts';
import { ForwarderMemories } from '../forwarders/forwarder-memories.ts';
import { HeldValues } from '../pipeline/held-values.ts';
import { seenBy } from '../pipeline/outward.ts';
import { PastClasses } from '../pipeline/past-classes.ts';
import type { Log } from '../store/log.ts';
import { hasAlarm } from './alarming.ts';
import { createForwarder } from './registry-create.ts';

/** The input of a forwarder, without the part that follows from the log and the configuration. */
export type ForwarderSurroundings = Omit<ForwarderContext, 'gateway' | 'log' | 'goneRules' | 'memory' | 'outward'>;

/** Where live forwarders get what is new. */
export interface Sinks {
  add(sink: LiveSink): void;
  remove(sink: LiveSink): void;
}

interface Entry {
  readonly forwarder: Forwarder;
  readonly fingerprint: string;
  readonly outward: Outward | undefined;
}

export interface PreparedForwarders {
  /** Names of those that are new, other than before, or gone. */
  readonly changed: readonly string[];
  /** @param within milliseconds for those that change or go */
  apply(within: number): Promise<void>;
}

export class Forwarders {
  readonly #surroundings: ForwarderSurroundings;
  readonly #create: typeof createForwarder;
  readonly #entries = new Map<string, Entry>();
  readonly #sinks: () => Sinks;
  readonly #attached = new Set<LiveSink>();
  readonly #memories = new ForwarderMemories();
  /** Classes that a reading in the log may have. */
  readonly #classes = new Set<PrivacyClass>();
  #opened: Log['opened'] | undefined;
  readonly #past = new PastClasses();
  /** By the name of the forwarder. */
  readonly #held = new Map<string, HeldValues>();
  /** The rules of the configuration in force. */
  #privacy: GatewayConfig['privacy'];
  #stopped = false;

  /** @param sinks asked from `start` on */
  constructor(surroundings: ForwarderSurroundings, sinks: () => Sinks, create: typeof createForwarder = createForwarder) {
    this.#surroundings = surroundings;
    this.#sinks = sinks;
    this.#create = create;
  }

  get all(): Forwarder[] {
    return [...this.#entries.values()].map((e) => e.forwarder);
  }
  get connected(): boolean {
    return this.all.some((f) => f.connected);
  }

  /** The first set: from now on the log keeps for it what comes. Nothing is started. */
  begin(config: GatewayConfig, log: Log): void {
    this.#privacy = config.privacy;
    for (const resolved of config.forwarders.values()) this.#entries.set(resolved.name, this.#make(resolved, config, log));
    for (const forwarder of this.all) forwarder.attach();
  }

  start(): void {
    for (const forwarder of this.all) this.#begin(forwarder);
  }

  /** Makes what the configuration asks for; nothing is stopped or started yet, and the log knows nothing of it. */
  prepare(config: GatewayConfig, log: Log): PreparedForwarders {
    const made = new Map<string, Entry>();
    for (const [name, resolved] of config.forwarders)
      if (this.#entries.get(name)?.fingerprint !== fingerprintOf(resolved, this.#outward(resolved, config, log)))
        made.set(name, this.#make(resolved, config, log));
    const gone = [...this.#entries.keys()].filter((name) => !config.forwarders.has(name));
    // Readings from here on may be taken under the old configuration or the new one: both count.
    let newest = 0;
    for (const { number = 0 } of this.#surroundings.latest.all()) newest = Math.max(newest, number);
    return {
      changed: [...made.keys(), ...gone],
      apply: async (within) => {
        const leaving = [...made.keys(), ...gone];
        await Promise.all(leaving.map((name) => this.#end(this.#entries.get(name)?.forwarder, within)));
        if (this.#stopped) return;
        for (const name of gone) {
          this.#entries.delete(name);
          this.#held.delete(name);
          // Not waited for: its commit may be long in coming while the disk refuses.
          void log.release(name);
        }
        for (const resolved of config.forwarders.values()) if (made.has(resolved.name)) this.#hold(resolved, newest);
        this.#privacy = config.privacy;
        for (const [name, entry] of made) {
          this.#entries.set(name, entry);
          this.#begin(entry.forwarder);
        }
      },
    };
  }

  /** Sends a message by the forwarder of that name. Rejects where it cannot be sent now. */
  async say(name: string, topic: string, payload: string): Promise<void> {
    const forwarder = this.#entries.get(name)?.forwarder;
    if (forwarder?.say === undefined || !forwarder.connected)
      throw new SluiceError('upstream-connect', `the forwarder ${name} is not connected`);
    await forwarder.say(topic, payload);
  }

  /** Sends a message of a rule. */
  async deliver(name: string, message: RuleMessage): Promise<MessageOutcome> {
    const forwarder = this.#entries.get(name)?.forwarder;
    // A reload puts its rules in force before its forwarders.
    if (forwarder === undefined) return { result: 'lost' };
    if (forwarder.deliver !== undefined) return forwarder.deliver(message);
    return { result: 'refused', error: new SluiceError('not-found', `no forwarder ${name} takes messages of rules`) };
  }

  /** What of classified readings a forwarder may have, reading by reading; undefined: all of it. */
  outward(name: string): Outward | undefined {
    return withoutWindows(this.#entries.get(name)?.outward);
  }

  /** Every class that a point had, as far as this run knows. */
  get classes(): PastClasses['of'] {
    return this.#past.of;
  }

  republish(goneRules: readonly string[]): void {
    for (const forwarder of this.all) forwarder.republish(goneRules);
  }

  async stop(within: number): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.all.map((f) => this.#end(f, within)));
  }

  #begin(forwarder: Forwarder): void {
    if (forwarder.sink !== undefined) {
      this.#sinks().add(forwarder.sink);
      this.#attached.add(forwarder.sink);
    }
    forwarder.start();
  }

  async #end(forwarder: Forwarder | undefined, within: number): Promise<void> {
    // One that was never started has no place there.
    if (forwarder?.sink !== undefined && this.#attached.delete(forwarder.sink)) this.#sinks().remove(forwarder.sink);
    await forwarder?.stop(within);
  }

  #heldOf(name: string): HeldValues {
    let held = this.#held.get(name);
    if (held === undefined) {
      held = new HeldValues();
      this.#held.set(name, held);
    }
    return held;
  }

  /** What is there now was taken before. A new forwarder gets of it what it would have had. */
  #hold({ name, settings }: ResolvedForwarder, newest: number): void {
    const before = this.#entries.get(name);
    const outward = before === undefined ? outwardOf(this.#privacy, settings as ForwarderPrivacy, this.#classes) : before.outward;
    this.#heldOf(name).ended(outward, this.#surroundings.latest.all(), newest);
  }

  #make(resolved: ResolvedForwarder, config: GatewayConfig, log: Log): Entry {
    const known = new Set([...log.opened.savedStates.map(([key]) => key), ...log.opened.lastAlarms.map(({ key }) => key)]);
    const outward = this.#outward(resolved, config, log);
    const forwarder = this.#create(resolved, {
      ...this.#surroundings,
      ...seenBy(outward, this.#surroundings, this.#heldOf(resolved.name)),
      outward,
      classesBefore: this.#past.of,
      gateway: config.gateway.id,
      log,
      memory: (name) => this.#memories.of(name, log),
      // Also rules whose removal an earlier run could not tell upstream.
      goneRules: [...known].filter((key) => NAME.test(key) && !hasAlarm(config, key)),
    });
    return { forwarder, outward, fingerprint: fingerprintOf(resolved, outward) };
  }

  /** Classes of earlier runs count too: the log keeps the class of each reading. */
  #outward({ settings }: ResolvedForwarder, { privacy }: GatewayConfig, log: Log): Outward | undefined {
    for (const word of Object.values(privacy?.points ?? {})) this.#classes.add(word);
    if (privacy !== undefined) this.#past.configured(privacy.points);
    if (this.#opened !== log.opened) {
      this.#opened = log.opened;
      this.#past.logged(log.opened.shapes ?? []);
      // What of a damaged file is still to come back may have any class.
      if (log.opened.salvage !== undefined) for (const word of PRIVACY_CLASSES) this.#classes.add(word);
      for (const [, shape] of log.opened.shapes ?? [])
        for (const { privacy: of } of shape.points) if (of !== undefined) this.#classes.add(of);
    }
    return outwardOf(privacy, settings as ForwarderPrivacy, this.#classes);
  }
}

/** One that may have less, or more, is another one: it begins with its inventory and announcements anew. */
function fingerprintOf(resolved: ResolvedForwarder, outward: Outward | undefined): string {
  return comparable([resolved, outward ?? null]);
}
