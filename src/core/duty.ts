/**
 * What a part does by itself at a moment that it knows: it looks whether a device is silent, tries a connection again, moves a queue.
 * The watchdog of the service manager asks for them. A duty that waits for a device, the network or the disk is none.
 */
export interface Duty {
  /** Words for people, unique in the gateway: `the watch on the device air`. */
  readonly name: string;
  /** Monotonic time by which it is done. Once it is done, it has another time, or is left out. */
  readonly due: number;
}
