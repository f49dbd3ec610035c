/**
 * TLS sessions of one forwarder that a later connection resumes: no certificates cross the wire again. They stay in memory, since
 * each is a secret.
 *
 * - A session is kept after the broker has proved who it is, and only then. Resuming it proves that the broker is the same.
 * - It belongs to one broker, reached with the same files and the same `tls`. Any other content of a file means a full handshake.
 * - It is not used once the certificate of the broker is out of date: the full handshake says so in words.
 * - The newest session serves until there is a newer one: many brokers give no new ticket after a resumed handshake. RFC 8446 (C.4)
 *   advises against a second use, since it links two connections. The name of the broker and the client id link these anyway.
 */
import { createHash } from 'node:crypto';
import type { BrokerAddress } from '../address.ts';
import { Offer } from './small-hello.ts';
import type { TlsMaterial } from './tls-material.ts';

/** Brokers of one forwarder. */
const MOST_BROKERS = 8;
/** A ticket with a chain of client certificates in it has some kilobytes. */
const MOST_BYTES = 16_384;
/** After so many resumptions in a row that failed, this broker gets full handshakes only. */
const MOST_FAILURES = 2;

export interface TlsSession {
  /** As Node has it. */
  readonly bytes: Buffer;
  /** The version of TLS, as Node names it. */
  readonly version: string;
  /** SHA-256 of the certificate that the broker showed in the full handshake: a resumed one shows none. */
  readonly fingerprint: string;
  /** From when until when that certificate holds, ms UTC. */
  readonly from: number;
  readonly until: number;
}

interface Kept {
  session: TlsSession | undefined;
  failures: number;
  readonly offer: Offer;
}

export class TlsSessions {
  /** By broker and material, the one used last at the end. */
  readonly #kept = new Map<string, Kept>();

  /** What a session belongs to. */
  static key({ host, port }: BrokerAddress, { ca, cert, key, fingerprint, serverName, alpn }: TlsMaterial): string {
    const parts = JSON.stringify([host, port, ca, cert, key, fingerprint, serverName, alpn]);
    return createHash('sha256').update(parts).digest('hex');
  }

  /** @param now ms UTC */
  newest(key: string, now: number): TlsSession | undefined {
    const { session, failures = 0 } = this.#kept.get(key) ?? {};
    if (session === undefined || failures >= MOST_FAILURES) return undefined;
    return now >= session.from && now <= session.until ? session : undefined;
  }

  keep(key: string, session: TlsSession): void {
    if (session.bytes.length <= MOST_BYTES) this.#of(key).session = session;
  }

  /** A handshake with a session of it came about. */
  succeeded(key: string): void {
    this.#of(key).failures = 0;
  }

  /**
   * A handshake with a session of it failed: the next one is a full one.
   * @param refused the broker said so; otherwise the connection may just have been cut
   */
  failed(key: string, refused: boolean): void {
    const kept = this.#of(key);
    kept.session = undefined;
    kept.failures += refused ? MOST_FAILURES : 1;
  }

  /** What small first messages offer. */
  offer(key: string): Offer {
    return this.#of(key).offer;
  }

  #of(key: string): Kept {
    const kept = this.#kept.get(key) ?? { session: undefined, failures: 0, offer: new Offer() };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= MOST_BROKERS) break;
      this.#kept.delete(oldest);
    }
    return kept;
  }
}
