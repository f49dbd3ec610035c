/** What a kind of forwarder is, and what it is given. */
import type { ForwarderKind, ResolvedForwarder } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Forwarder, LatestValues } from '../core/ports.ts';
import type { Outward, PrivacyClass } from '../core/privacy.ts';
import type { RemoteCommands } from '../core/remote-commands.ts';
import type { SiteFacts } from '../core/site-facts.ts';
import type { Log } from '../store/log.ts';

/** Letters of JSON that a forwarder may keep; every state lies in memory and in one row of the log. */
export const MAX_FORWARDER_STATE = 65_536;

export interface ForwarderContext {
  /** Its id. */
  readonly gateway: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0..1, for the jitter. */
  readonly random: () => number;
  /** Milliseconds of connection that data and history wait for a clock that is not known. */
  readonly clockHold: () => number;
  /** UTC ms as the gateway knows it. */
  readonly now: () => number;
  /** Whether the clock is known now. */
  readonly clockKnown: () => boolean;
  /** Where days begin: a name of the IANA database. Absent, or undefined: the zone of the system counts. */
  readonly timezone?: (() => string | undefined) | undefined;
  /** The retained messages of a connection's start. */
  readonly status: () => string;
  readonly inventory: () => string;
  /** Rules that there were once: what the far side retains of those that are gone is cleared. */
  readonly goneRules: readonly string[];
  /** Whether there is such a rule now. */
  readonly hasRule: (rule: string) => boolean;
  readonly latest: LatestValues;
  readonly site: SiteFacts;
  /** State that a forwarder keeps under its name, over reloads and restarts; `save` throws for more than MAX_FORWARDER_STATE. */
  readonly memory: (forwarder: string) => { load(): unknown; save(state: unknown): void };
  /** Takes the commands that a forwarder may bring. */
  readonly commands: RemoteCommands;
  readonly event: (event: string, message: string, data: Record<string, string | number>) => void;
  /** What of classified readings it may have; undefined: all of it. `latest`, `inventory` and `site` keep to it already. */
  readonly outward?: Outward | undefined;
  /** Every class under which readings of a point may be in the log. Absent: none but that of now. */
  readonly classesBefore?: ((device: string, point: string) => ReadonlySet<PrivacyClass>) | undefined;
}

export interface MadeForwarderKind extends ForwarderKind {
  /** Nothing is opened before `start`. @param forwarder its settings are the output of `forwarder` */
  create(forwarder: ResolvedForwarder, context: ForwarderContext): Forwarder;
}
