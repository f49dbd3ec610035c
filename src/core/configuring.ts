/** Which configuration is in force, where it came from, and what became of the last one that upstream sent. */

/** `file`: the file on the board. `provisioning`: that file, as the card made it. `last-good`: the file is broken. */
export const ORIGINS = ['file', 'provisioning', 'upstream', 'last-good'] as const;
export type Origin = (typeof ORIGINS)[number];

/** `replaced`: the file on the board was changed afterwards, and is in force. */
export const OUTCOMES = ['confirmed', 'rolled-back', 'replaced'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A configuration that is on trial: it is in force, and gives way by itself unless the gateway runs well with it. */
export interface TrialReport {
  readonly version: number;
  /** UTC milliseconds. */
  readonly until: number;
}

/** Who sent a configuration from upstream. */
export interface ConfigSender {
  /** It came through this forwarder. */
  readonly forwarder: string;
  /** Fingerprint of the key that signed it. */
  readonly key: string;
  /** UTC milliseconds as known when it came. */
  readonly time: number;
}

export interface LastConfigure {
  readonly version: number;
  /** The id of the command. */
  readonly id: string;
  readonly forwarder: string;
  /** Fingerprint of the key that signed it; absent in records of earlier versions. */
  readonly key?: string | undefined;
  readonly outcome: Outcome;
  /** Words for people. */
  readonly message: string;
  /** UTC milliseconds as known then. */
  readonly time: number;
}

export interface ConfigReport {
  readonly origin: Origin;
  /** The version of a configuration from upstream. */
  readonly version?: number | undefined;
  readonly sender?: ConfigSender | undefined;
  readonly trial?: TrialReport | undefined;
  readonly last?: LastConfigure | undefined;
  /** Why no configuration from upstream is taken, although keys are pinned; words for people. */
  readonly fault?: string | undefined;
}

/** A profile as it was read: its file may have another text by now. */
export interface ReadProfile {
  readonly file: string;
  readonly text: string;
}

/** A configuration that ran, as it is kept. */
export interface Ran {
  /** The configuration file on the board. */
  readonly file: string;
  readonly text: string;
  /** The profiles beside the configuration that it uses. */
  readonly profiles: readonly ReadProfile[];
}
