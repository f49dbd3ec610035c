/** What comes to a speaker on a connection. */
import { toError } from '../../core/errors.ts';
import type { Connection } from './connection.ts';
import type { Speaker } from './dialect.ts';

interface HearingSide {
  /** The speaker wants to say anew what a connection begins with. */
  greet(): void;
  unusable(topic: string, why: string): void;
}

/** Subscribes, where the speaker asks for something. @throws SluiceError as `Connection.subscribe` */
export async function hear(connection: Connection, speaker: Speaker, side: HearingSide): Promise<void> {
  const { subscriptions } = speaker;
  if (subscriptions === undefined || subscriptions.length === 0) return;
  connection.received = (topic, payload, retained) => {
    // The far side chose every byte of it: a fault of the speaker in it ends neither the gateway nor the connection.
    try {
      if (speaker.received?.(topic, payload, retained) === 'greet') side.greet();
    } catch (thrown) {
      side.unusable(topic, toError(thrown).message);
    }
  };
  await connection.subscribe(subscriptions);
}
