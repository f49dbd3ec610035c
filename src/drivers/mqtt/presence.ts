/** Whether a device is there, as its last will, its own messages or those of its bridge report it. */
import { createDecoder } from '../../codecs/serial/point-groups.ts';
import { decodeText } from '../../codecs/serial/text.ts';
import type { Decoder } from '../../codecs/serial/types.ts';
import type { DeviceMessage } from '../../core/device-topics.ts';
import { matches } from '../../core/topic-filter.ts';
import type { Availability } from './plan.ts';

export type PresenceWord = 'online' | 'offline' | 'not-understood';

export class Presence {
  readonly #topics: readonly Availability[];
  readonly #json: Decoder = createDecoder({ decode: { type: 'json' }, points: new Map() });
  /** Those that report it as gone, with the topic of the message. */
  readonly #gone = new Map<Availability, string>();

  constructor(topics: readonly Availability[]) {
    this.#topics = topics;
  }

  /** The topic that reports the device as gone; undefined: none does. */
  get goneBy(): string | undefined {
    return this.#gone.values().next().value;
  }

  /** What a message says; undefined: it is about something else. */
  take({ topic, payload }: Pick<DeviceMessage, 'topic' | 'payload'>): PresenceWord | undefined {
    let said: PresenceWord | undefined;
    for (const one of this.#topics) {
      if (!matches(one.topic, topic)) continue;
      const word = this.#word(one, payload);
      said = word === one.offline ? 'offline' : word === one.online ? 'online' : 'not-understood';
      if (said === 'offline') this.#gone.set(one, topic);
      else if (said === 'online') this.#gone.delete(one);
    }
    return said;
  }

  /** The device itself has sent something. */
  seen(): void {
    this.#gone.clear();
  }

  #word({ from }: Availability, payload: Uint8Array): string {
    const decoded = this.#json.decode(payload);
    const field = decoded.kind === 'fields' ? decoded.get(from) : undefined;
    return (typeof field === 'string' ? field : decodeText(payload)).trim().toLowerCase();
  }
}
