/**
 * Messages that a client sends again because it knows of no acknowledgement (MQTT-3.3.1-1: DUP) and that came the first time.
 * Bound: REMEMBERED of a device, for REMEMBERED_FOR.
 */
import { hash } from 'node:crypto';
import type { DeviceMessage } from '../../core/device-topics.ts';
import { REMEMBERED, REMEMBERED_FOR } from './limits.ts';

export class Repeats {
  /** When each came, oldest first, by a digest of its topic and its bytes. */
  readonly #came = new Map<string, number>();

  /** Remembers the message. @returns whether it is one that has come already */
  isRepeat({ topic, payload, at, again }: DeviceMessage): boolean {
    const key = hash('sha1', Buffer.concat([Buffer.from(`${topic}\0`), payload]), 'base64');
    const before = this.#came.get(key);
    this.#came.delete(key);
    this.#came.set(key, at);
    if (this.#came.size > REMEMBERED) for (const oldest of this.#came.keys().take(1)) this.#came.delete(oldest);
    return again && before !== undefined && at - before <= REMEMBERED_FOR;
  }
}
