/**
 * What the first message of a TLS handshake offers where each byte costs.
 *
 * - Curves without ML-KEM, which OpenSSL 3.5 offers first: its shares are 1,184 and 1,088 bytes (FIPS 203), in resumed handshakes too.
 *   Under TLS 1.2 a certificate may only have a curve of this list, so all of them stay; a share goes along of the first one alone.
 * - The suites of TLS 1.3 that have SHA-256, and of TLS 1.2 those with forward secrecy. Node offers some sixty. With SHA-384 both sides
 *   say 16 bytes more at the end of a handshake, and each ticket and each use of it has as many more. Both suites have keys of 128 bits
 *   and more, and every implementation has to have the first one (RFC 8446, 9.1). A broker may allow SHA-384 alone: it refuses the first
 *   handshake, or ends it without a word, and the next one offers that too (Offer).
 * - Signatures that certificates of brokers have.
 * - Nothing of TLS 1.2 beside a session of TLS 1.3: the broker that gave it speaks that.
 */
import { constants } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';

const SHA256 = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];
const SHA384 = 'TLS_AES_256_GCM_SHA384';
const BEFORE_1_3 = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['DHE-RSA-AES128-GCM-SHA256', 'DHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES256-SHA384'],
];
const SIGNATURES = [
  ...['ecdsa_secp256r1_sha256', 'ecdsa_secp384r1_sha384', 'ecdsa_secp521r1_sha512', 'ed25519'],
  ...['rsa_pss_rsae_sha256', 'rsa_pss_rsae_sha384', 'rsa_pss_rsae_sha512'],
  ...['rsa_pkcs1_sha256', 'rsa_pkcs1_sha384', 'rsa_pkcs1_sha512'],
];

/** @param wide SHA-384 under TLS 1.3 as well @param offered the version of the session that is offered */
export function smallHello(wide: boolean, offered: string | undefined): ConnectionOptions {
  const suites = [...SHA256, ...(wide ? [SHA384] : []), ...BEFORE_1_3];
  return {
    ...{ ecdhCurve: 'X25519:prime256v1:secp384r1:secp521r1', ciphers: suites.join(':'), sigalgs: SIGNATURES.join(':') },
    ...(offered === 'TLSv1.3' && {
      minVersion: 'TLSv1.3' as const,
      // They say nothing under TLS 1.3: the tickets of RFC 5077, and the order of MAC and encryption.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_ENCRYPT_THEN_MAC,
    }),
  };
}

/**
 * How much the first messages to one broker offer. After a connection that was just cut the wider one is a trial: where the broker then
 * takes SHA-384, the next small one says whether it has to.
 */
export class Offer {
  #wide = false;
  #proven = false;
  #doubt = false;

  get wide(): boolean {
    return this.#wide;
  }

  /**
   * A handshake failed.
   * @param code of the error @param session the version of the session that was offered
   * @returns whether the small message explains it
   */
  failed(code: unknown, session: string | undefined): boolean {
    if (typeof code !== 'string') return false;
    if (session === 'TLSv1.3' && VERSION.test(code)) return true;
    const small = !this.#wide;
    if (NO_SUITE.test(code)) this.#proven = true;
    else if (small && code === 'ECONNRESET') this.#proven ||= this.#doubt;
    else return false;
    this.#wide = true;
    return small;
  }

  /** @param suite what both agreed on */
  came(suite: string): void {
    if (suite === SHA384 && this.#proven) return;
    this.#doubt = suite === SHA384;
    [this.#wide, this.#proven] = [false, false];
  }
}

/** The other side speaks no such version of TLS. */
export const VERSION = /UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION/;
const NO_SUITE = /HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY/;
