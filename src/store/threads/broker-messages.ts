/** What the main thread and the thread of broker.db say to each other. */
import type { BrokerChange, BrokerRepair } from '../../core/broker-store.ts';

export interface BrokerData {
  readonly file: string;
  /** Memory-backed; undefined: there is none. */
  readonly runtimeDir: string | undefined;
  readonly tail: string | undefined;
}

export type BrokerMessage =
  /** @param commit false: they may wait in the tail */
  | { readonly kind: 'changes'; readonly id: number; readonly changes: readonly BrokerChange[]; readonly commit: boolean }
  /** Everything as it is now, in the place of what the file has. */
  | { readonly kind: 'whole'; readonly id: number; readonly changes: readonly BrokerChange[] }
  | { readonly kind: 'close' };

export type BrokerReply =
  | {
      readonly kind: 'opened';
      readonly rows: readonly BrokerChange[];
      readonly repair: BrokerRepair | undefined;
      readonly fault: string | undefined;
      readonly bytes: number;
    }
  | { readonly kind: 'noted'; readonly id: number }
  | { readonly kind: 'committed'; readonly id: number; readonly bytes: number; readonly repair: BrokerRepair | undefined }
  | { readonly kind: 'failed'; readonly id: number; readonly fault: string };
