/** What the processes of bench/fleet.ts tell each other. */

/** By gateway: the numbers that its log gave, and when it took each record, ms UTC. */
export type Expected = readonly {
  readonly records: readonly number[];
  readonly taken: readonly number[];
  readonly alarms: readonly number[];
}[];

/** Records of one gateway that did not come, without one between them that came. */
export interface Missing {
  readonly gateway: string;
  readonly first: number;
  readonly last: number;
  /** When the first of them was taken, ms UTC. */
  readonly taken: number;
}

/** A batch as it left a gateway. */
export interface Sending {
  readonly lane: string;
  readonly first: number;
  readonly last: number;
  readonly node: string;
  /** UTC ms of the acknowledgement; absent: there was none. */
  acked?: number;
}

/** What the gateway knows of such records. */
export interface Fate extends Missing {
  /** Messages that left with one of them. */
  readonly sent: number;
  /** The last message with one of them that was acknowledged. */
  readonly acked: Sending | undefined;
}

/** A message that a node has. */
export interface Left {
  /** The queue or the stream, and where in it. */
  readonly place: string;
  readonly gateway: string;
  readonly first: number;
  readonly last: number;
}

export interface FleetReport {
  readonly connected: number;
  /** Gateways whose readings go to history. */
  readonly history: number;
  /** Gateways with something that is not acknowledged. */
  readonly waiting: number;
  readonly connects: number;
  readonly refused: number;
  /** Batches that were sent again. */
  readonly retries: number;
  /** Readings. */
  readonly acked: number;
  /** Connections that were tried, and the most of all gateways within a second. */
  readonly attempts: number;
  readonly busiest: number;
  readonly messages: number;
  readonly bytes: number;
  /** Bytes of history: the most of one gateway within a window, and the median of gateways. */
  readonly mostInWindow: number;
  readonly mostInWindowMedian: number;
  /** Bytes of the sockets, and of the headers of TCP and IP, estimated. */
  readonly wire: { readonly sent: number; readonly received: number; readonly headers: number };
  /** TLS handshakes with the session of an earlier one, and sessions that nodes gave. */
  readonly resumed: number;
  readonly tickets: number;
  /** Gateways by the node that they are connected to; the first node first. */
  readonly at: readonly number[];
  readonly faults: readonly string[];
}

export interface ReceiverReport {
  /** The node that has its session now, or is tried next; 0 is the first. */
  readonly node: number;
  readonly messages: number;
  /** The part of them with DUP, or with a packet that was sent before. */
  readonly dup: number;
  readonly connects: number;
  /** Times that the node still had the session; the first time is none. */
  readonly kept: number;
  readonly connected: boolean;
  readonly records: number;
  /** Milliseconds since the last message, or since the last connection where that is later. */
  readonly idle: number;
}

/** In records, or alarms. */
export interface Verdict {
  readonly expected: number;
  /** Records that never came, and when the first of them was taken, ms UTC; 0 without one. */
  readonly lost: number;
  readonly lostSince: number;
  /** Which they are, up to a bound. */
  readonly missing: readonly Missing[];
  /** Records that came, and that the marks did not let through. */
  readonly lostBehindMarks: number;
  /** The marks let it through more than once. */
  readonly doubled: number;
  /** Came again, and the marks or keys stopped it. */
  readonly repeats: number;
  /** With a content that is not that of its number, or with a number that was never given. */
  readonly wrong: number;
  readonly alarmsExpected: number;
  readonly alarmsLost: number;
  readonly alarmsRepeats: number;
}
