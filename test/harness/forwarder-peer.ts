/** The far side of a forwarder, as the contract suite moves it. Each kind of forwarder brings its own. */
export interface Taken {
  /** The topic that it has, or would have, in the dialect `json`. */
  readonly topic: string;
  /** As the dialect `json` writes it. A peer of another one puts together what came in pieces. */
  readonly bytes: Buffer;
  /** Bytes that it was on the wire. */
  readonly wire: number;
}

export interface ForwarderPeer {
  /** What a person writes to reach it, besides `type`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** It begins away. */
  up(): Promise<void>;
  down(): Promise<void>;
  /** Takes what comes and acknowledges no batch, alarm or event, while it is on. */
  hold(on: boolean): void;
  /** The acknowledgements of the next batches are lost, and the way to the peer with each. */
  lose(times: number): void;
  /** Batches, alarms and events in the order in which they came, repeats too. */
  taken(): readonly Taken[];
  /** Most that were handed over and not acknowledged at once, by topic. */
  readonly most: ReadonlyMap<string, number>;
}
