/**
 * Handles live messages of a client that does not keep up. Nobody else waits for it:
 * - `value/…` is remembered by name only, and the latest value is sent when there is space;
 * - what its session keeps stays there: the connection is closed, and the queue follows in order when it returns;
 * - the rest passes it by and is counted.
 */
import type { AedesPublishPacket, Client } from 'aedes';
import type { Logger } from '../../core/logger.ts';
import type { LatestValues } from '../../core/ports.ts';
import { FrameGuard } from './frame-guard.ts';
import type { Retained } from './retained.ts';
import type { Sessions } from './sessions.ts';
import { encodeValue } from './value-json.ts';

/** Values sent at once when there is space again; the next follow when these have gone. */
const RELIEF = 100;

interface Behind {
  /** `device/point`; bounded by the number of points. */
  readonly values: Set<string>;
  logged: boolean;
}

export interface SlowClientsOptions {
  readonly root: string;
  readonly latest: LatestValues;
  readonly retained: Retained;
  readonly sessions: Sessions;
  readonly logger: Logger;
}

export class SlowClients {
  /** Messages that passed a client by. Conflated values are not among them. */
  dropped = 0;
  readonly #o: SlowClientsOptions;
  readonly #prefix: string;
  readonly #behind = new WeakMap<Client, Behind>();

  constructor(options: SlowClientsOptions) {
    this.#o = options;
    this.#prefix = `${options.root}/value/`;
  }

  /** Whether a live message (or one that a session replays) may be sent to this client now. */
  passes(client: Client, packet: AedesPublishPacket): boolean {
    // A number was given already: it comes from the queue of the session, which waits for space by itself.
    if (packet.messageId !== undefined) return true;
    const kept = packet.qos > 0 && !client.clean && this.#o.sessions.queues.keeps(client.id, packet);
    if (kept && this.#o.sessions.queues.replaying(client.id)) return false;
    const guard = client.conn;
    if (!(guard instanceof FrameGuard) || !guard.congested) return true;
    if (kept) {
      guard.refuse('slow', 'it is too slow; it gets the queue of its session when it returns');
      return false;
    }
    const behind = this.#behind.get(client) ?? { values: new Set(), logged: false };
    this.#behind.set(client, behind);
    if (packet.topic.startsWith(this.#prefix)) {
      behind.values.add(packet.topic.slice(this.#prefix.length));
      return false;
    }
    this.dropped++;
    if (!behind.logged) {
      behind.logged = true;
      this.#o.logger.warn({ client: client.id }, 'An MQTT subscriber is too slow; it misses messages until it is fast enough.');
    }
    return false;
  }

  /** There is space again: sends the latest of the values that were held back. */
  relieved(client: Client): void {
    const behind = this.#behind.get(client);
    if (behind === undefined) return;
    behind.logged = false;
    let n = 0;
    for (const name of behind.values) {
      if (n++ >= RELIEF) return;
      behind.values.delete(name);
      const [device = '', point = ''] = name.split('/');
      const value = this.#o.retained.has(device, point) ? this.#o.latest.get(device, point) : undefined;
      const payload = value === undefined ? '' : encodeValue(value);
      client.publish({ cmd: 'publish', topic: this.#prefix + name, payload, qos: 0, dup: false, retain: false }, () => {});
    }
    if (behind.values.size === 0) this.#behind.delete(client);
  }
}
