/** What taking configurations from upstream needs of the gateway and of its process. */
import type { GatewayConfig } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { Ran } from '../core/configuring.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import type { Base, Candidate } from './base.ts';
import type { Health } from './health.ts';
import type { PushRecord, PushStore } from './record.ts';

/** What became of reading a text. */
export type Loaded = (Candidate & { readonly ran: Ran; readonly faults?: undefined }) | { readonly faults: readonly string[] };

/** A text from upstream. */
export interface UpstreamText {
  readonly yaml: string;
  /** Names the text in faults. */
  readonly version: number;
  /** The file on the board, for files that only it names. */
  readonly base: Pick<Base, 'references'>;
}

/** The gateway that is configured. */
export interface Configured {
  readonly config: GatewayConfig;
  now(): number;
  health(): Health;
  /** Resolves when what is in memory is on the disk. */
  commit(): Promise<void>;
  /**
   * @param trial until `confirm` the rules of before are kept, and a call without it gives them back
   * @returns what changed. @throws SluiceError; then everything is as it was
   */
  reload(config: GatewayConfig, trial?: boolean): Promise<string[]>;
  /** The configuration on trial is kept. */
  confirm(): void;
  /** Upstream shows another configuration. */
  republish(): void;
  /** Resolves when the far side has it. */
  say(forwarder: string, topic: string, json: string): Promise<void>;
  /** The answer to a repeated id. */
  answered(owner: string, id: string, json: string): void;
  tell(event: GatewayEvent): void;
  /** The gateway cannot go on as it is. */
  fatal(error: Error): void;
}

export interface ConfigureOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: PushStore;
  /** As settle.ts left it, with what it has to report. */
  readonly record: PushRecord | 'damaged';
  readonly notices: readonly string[];
  /** The record has a configuration that this version of the program cannot use: the file on the board is in force. */
  readonly aside?: boolean;
  /** Undefined: the file on the board is broken. */
  readonly base: Base | undefined;
  /** @param secrets files and variables are read */
  readonly load: (text: UpstreamText, secrets: boolean) => Loaded;
  /** It ran well and may be kept as the last good one. */
  readonly ranWell: (ran: Ran) => void;
}
