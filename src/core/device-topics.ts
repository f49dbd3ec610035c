/** The way from the embedded broker to the driver of devices that publish there, and back. */

export interface DeviceMessage {
  readonly topic: string;
  /** The bytes are the broker's: whoever keeps them makes a copy. */
  readonly payload: Uint8Array;
  /** Monotonic ms at which it arrived. */
  readonly at: number;
  /** The broker had kept it before anybody listened: nobody knows how old it is. */
  readonly retained: boolean;
  /** The client sends it again, since it knows of no acknowledgement (DUP). */
  readonly again: boolean;
}

export interface TopicListener {
  /** Returns at once and throws nothing. */
  message(message: DeviceMessage): void;
  /** Clients can publish from now on, or cannot any more. */
  changed(open: boolean): void;
}

/** The topics of the embedded broker. Only what a client may publish comes through here, and nothing of the gateway's own. */
export interface DeviceTopics {
  /** Whether clients can publish now. */
  readonly open: boolean;
  /** Every message from now on whose topic matches a filter, those that the broker keeps first. @returns ends it */
  listen(filters: readonly string[], listener: TopicListener): () => void;
  /**
   * To the clients that are connected and subscribed now; it is kept for nobody, so that no device gets it late.
   * @returns false: there is none
   */
  publish(topic: string, payload: string): boolean;
}

/** Where there is no embedded broker. */
export const noTopics: DeviceTopics = { open: false, listen: () => () => {}, publish: () => false };
