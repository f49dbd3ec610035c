/**
 * What the embedded broker keeps across restarts, as rows of small tables, and what keeps it. The broker holds the truth in
 * memory, within its bounds; the store follows with changes of rows, and gives the rows back at the next start.
 */

export type BrokerValue = string | number | null | Uint8Array;

/**
 * The tables. The first `keys` columns of a row tell it from others.
 * - session: `away` ms for which its client was away when the row was written, null while it is connected; `log` and `seq`:
 *   messages of the gateway itself from this number on may still have to come, they are in the log and not here.
 * - filter: `rest` is JSON of what else belongs to the subscription; `log` and `seq`: as of this number.
 * - message: one that a client published, for all sessions that wait for it; the numbers grow in the order of arrival. `owner`:
 *   the account of that client.
 * - place: a message in the queue of a session; `number` is its packet identifier, 0 until it has one; `state` 1: only PUBREL is left.
 * - retained: retained messages of clients, with the account that published each last.
 * - incoming: packet identifiers of QoS 2 messages from a client, until its PUBREL; to each is added 65,536 times the CRC-32 of topic
 *   and content. Earlier versions added nothing.
 */
export const BROKER_TABLES = {
  session: { keys: 1, columns: ['key', 'id', 'owner', 'away', 'log', 'seq'] },
  filter: { keys: 2, columns: ['session', 'topic', 'qos', 'rest', 'log', 'seq'] },
  message: { keys: 1, columns: ['message', 'topic', 'payload', 'qos', 'owner'] },
  place: { keys: 2, columns: ['session', 'message', 'number', 'qos', 'state'] },
  retained: { keys: 1, columns: ['topic', 'payload', 'qos', 'owner'] },
  incoming: { keys: 2, columns: ['session', 'number'] },
} as const;
export type BrokerTable = keyof typeof BROKER_TABLES;

/** A row as it is from now on, its columns in order; `gone`: only the keys, the row is no more. */
export interface BrokerChange {
  readonly table: BrokerTable;
  readonly values: readonly BrokerValue[];
  readonly gone: boolean;
}

/** A name for the row of a change. */
export function rowName({ table, values }: BrokerChange): string {
  return JSON.stringify([table, ...values.slice(0, BROKER_TABLES[table].keys)]);
}

/** A file that was set aside. */
export interface BrokerRepair {
  readonly why: string;
  /** Where it lies now. */
  readonly aside: string;
  /** Rows that were kept of it, and rows that were found and are not as they were written. */
  readonly kept: number;
  readonly damaged: number;
}

export interface BrokerStoreStatus {
  /** `memory`: nothing is kept, there is no file; `idle`: nothing was to be kept yet; `faulty`: the file takes nothing now. */
  readonly state: 'memory' | 'idle' | 'file' | 'faulty';
  readonly fault: string | undefined;
  /** Size of the file and what belongs to it. */
  readonly bytes: number;
  /** Since the start: commits, those that failed, and files that were set aside. */
  readonly commits: number;
  readonly failures: number;
  readonly repairs: number;
}

/** `now`: somebody waits for it; `soon`: within seconds; `later`: a minute may pass. A kill of the process loses none of it. */
export type BrokerPace = 'now' | 'soon' | 'later';

export interface BrokerStore {
  /**
   * What the last run left. Never rejects: a file that cannot be used is a state.
   * @param whole every row as it is now, asked for after the file could not be written for a while
   */
  open(whole: () => Iterable<BrokerChange>): Promise<readonly BrokerChange[]>;
  change(change: BrokerChange, pace: BrokerPace): void;
  /** Resolves when everything of now is on the disk (true), or when it is known that the disk does not take it (false). */
  settled(): Promise<boolean>;
  /** False: changes of now are left out, and everything is given anew once the disk takes it. */
  readonly takes: boolean;
  /** Resolves when the disk takes what it is given, as far as is known. Never, once the store is closed. */
  again(): Promise<void>;
  /** No more may be given to it until something has gone to the disk. */
  readonly full: boolean;
  status(): BrokerStoreStatus;
  /** Commits what waits, and closes the file. */
  close(): Promise<void>;
}
