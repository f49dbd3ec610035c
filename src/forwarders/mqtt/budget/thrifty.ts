/** A speaker that says what a connection begins and ends with only as far as it is worth its bytes. */
import { createHash } from 'node:crypto';
import type { LogSpeaker, OutMessage } from '../dialect.ts';

/** Retained messages that are known to be with the broker. */
const MOST_KNOWN = 16;
/** A broker may lose what it retains: it gets it again after so long, ms. */
const FORGET = 86_400_000;

export interface ThriftySide {
  isBulk(): boolean;
  /** The address of the broker of this connection. */
  broker(): string;
  /** Milliseconds, monotonic. */
  now(): number;
}

export function thrifty(speaker: LogSpeaker, visit: ThriftySide): LogSpeaker {
  /** By topic: what the broker retains, as far as this run knows, and since when. */
  const known = new Map<string, { readonly hash: string; readonly at: number }>();
  let of = '';
  const has = (message: OutMessage): boolean => {
    const kept = known.get(message.topic);
    return kept?.hash === hash(message) && visit.now() - kept.at < FORGET;
  };
  const own: Pick<LogSpeaker, 'will' | 'greet' | 'farewell'> = {
    will: () => (visit.isBulk() ? speaker.will() : undefined),
    *greet() {
      if (!visit.isBulk()) return;
      // Another broker has nothing of it.
      if (of !== visit.broker()) known.clear();
      of = visit.broker();
      for (const message of speaker.greet()) if (!has(message)) yield once(message);
    },
    farewell: () => (visit.isBulk() ? speaker.farewell() : []),
  };
  const once = (message: OutMessage): OutMessage => ({
    ...message,
    taken: () => {
      message.taken?.();
      if (message.retain && (known.has(message.topic) || known.size < MOST_KNOWN))
        known.set(message.topic, { hash: hash(message), at: visit.now() });
    },
  });
  return Object.assign(Object.create(speaker) as LogSpeaker, own);
}

function hash({ payload }: OutMessage): string {
  return createHash('sha256').update(payload).digest('base64');
}
