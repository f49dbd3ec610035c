/** One persistent session (clean session = 0), as the broker has it in memory. */
import type { Entry, Queue, Span, Stored } from './queue.ts';
import type { FilterRow, Place } from './session-journal.ts';

export interface Filter {
  readonly topic: string;
  readonly qos: number;
}

export interface Session {
  readonly key: number;
  readonly id: string;
  readonly owner: string;
  readonly filters: Map<string, FilterRow>;
  /** Filters that wait for the disk, by their topics: nothing is queued for them yet. They are bounded as subscriptions are. */
  readonly granting: Map<string, Granting>;
  readonly queue: Queue;
  /** QoS 2 messages that its client has published and not released, by their packet identifiers, oldest first. */
  readonly incoming: Map<number, Unreleased>;
  /** Messages pushed out in the running episode; 0 when there is none. */
  dropped: number;
  /** Monotonic time since when the client is away; undefined while it is connected. */
  awaySince: number | undefined;
  replaying: boolean;
  /** Its client found it when it connected: it was not begun for it. */
  isPresent: boolean;
  /** Counts its connections: a replay ends with the one it began with. */
  connection: number;
  /** The packet that the replay has handed out and not seen written. */
  awaited: { readonly entry: Entry; readonly resume: () => void } | undefined;
  /** As the store has it. */
  place: Place | undefined;
}

export interface Unreleased {
  /** CRC-32 of its topic and content; 0: not known. */
  readonly sum: number;
  /** The connection in which it came, or was repeated last. */
  connection: number;
  /** The disk may have it. */
  stored: boolean;
  /** While it waits for the disk: resolves with whether the gateway has taken it. */
  taking?: Promise<boolean> | undefined;
}

/** The row that the disk gets; a later SUBSCRIBE may change it before the filter counts. */
export interface Granting {
  row: FilterRow;
}

/** How a message comes into a queue. */
export interface Origin {
  /** The message is the gateway's own. */
  readonly own?: Span | undefined;
  /** The message is a client's. */
  readonly stored?: Stored | undefined;
  /** The account of that client. */
  readonly from?: string | undefined;
}
