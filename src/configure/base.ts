/** A configuration beside the file on the board. */
import type { GatewayConfig } from '../config/kinds.ts';
import type { SecretReference } from '../config/secrets.ts';

/** A configuration that was read from a text. */
export interface Candidate {
  readonly config: GatewayConfig;
  /** The files and variables that its forwarders name. */
  readonly references: readonly SecretReference[];
}

/** The file on the board, as it was read last. */
export interface Base extends Candidate {
  readonly text: string;
  /** `sluice provision` made it. */
  readonly provisioned: boolean;
}
