/** The far side of a forwarder, as the contract suite moves it. Each kind of forwarder brings its own. */
export interface Taken {
  /** Where it went: for MQTT the topic. Its last word but for alarms is the lane. */
  readonly topic: string;
  readonly bytes: Buffer;
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
