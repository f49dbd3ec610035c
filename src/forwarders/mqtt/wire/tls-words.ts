/** Why TLS to a broker did not come about, what that means and what to do. Pure. */
import { foreignText } from '../../../core/foreign-text.ts';
import type { Failure } from '../failure.ts';

export interface TlsAttempt {
  /** The name that the certificate has to carry. */
  readonly name: string;
  /** UTC ms of the system clock, and whether it is known to be right. */
  readonly now: number;
  readonly clockKnown: boolean;
  /** There is a `ca`. */
  readonly ca: boolean;
  /** Nothing older than TLS 1.3 was offered (small-hello.ts). */
  readonly only13?: boolean | undefined;
  /** The certificate of this gateway, where it has one. */
  readonly own?: { readonly file: string; readonly from: number; readonly until: number } | undefined;
}

/** Letters of a text from the far side that are shown. */
const LONGEST = 200;

const UNKNOWN_CA = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'CERT_SIGNATURE_FAILURE',
]);

/** What the broker said, in the words of OpenSSL without `ERR_SSL_`, about the certificate of this gateway. */
const OWN_REFUSED: Readonly<Record<string, string>> = {
  BAD_CERTIFICATE: 'it does not take it',
  UNSUPPORTED_CERTIFICATE: 'it does not take this kind',
  CERTIFICATE_REVOKED: 'it was revoked',
  CERTIFICATE_EXPIRED: 'it has expired',
  CERTIFICATE_UNKNOWN: 'it does not take it',
  UNKNOWN_CA: 'it does not know the authority that signed it',
  ACCESS_DENIED: 'it may not connect',
  DECRYPT_ERROR: 'its signature is wrong',
};

/** @returns undefined where the fault is none of TLS; the words are the end of "the broker host:port …" */
export function tlsWords(attempt: TlsAttempt, code: unknown, error: Error): { failure: Failure; words: string } | undefined {
  if (typeof code !== 'string') return undefined;
  const tls = (words: string) => ({ failure: 'tls' as const, words });
  if (UNKNOWN_CA.has(code)) {
    return tls(
      attempt.ca
        ? 'has a certificate that none of the authorities in `tls: {ca: …}` signed; name the file with the authority of this broker, or pin its certificate with `tls: {fingerprint: …}`'
        : 'has a certificate of an authority that this gateway does not know; get the certificate of that authority from the operator of the broker and name its file as `tls: {ca: …}`, or pin the certificate with `tls: {fingerprint: …}`',
    );
  }
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return tls(
        `has a certificate that has expired; ${clockWords(attempt, 'the operator of the broker has to renew it', 'later than it is')}`,
      );
    case 'CERT_NOT_YET_VALID':
      return tls(
        `has a certificate that is not valid yet; ${clockWords(attempt, 'the clock of the broker or of its authority was wrong', 'earlier than it is')}`,
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return tls(
        `has a certificate for ${namesOf(error)}, not for ${attempt.name}; write the address with a name that the certificate carries, or that name as \`tls: {serverName: …}\``,
      );
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_HTTP_REQUEST':
    case 'ERR_SSL_INVALID_ALERT':
    case 'ERR_SSL_BAD_RECORD_TYPE':
    case 'ERR_SSL_UNEXPECTED_MESSAGE':
    case 'ERR_SSL_RECORD_TOO_SMALL':
      return tls(
        'does not answer in TLS; name the port where it takes TLS (mqtts:// often 8883, wss:// often 443), or write the scheme without TLS in a network that you trust',
      );
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      if (attempt.only13) return tls('speaks no TLS 1.3 any more; the next connection offers TLS 1.2 as well');
      return tls('speaks no TLS 1.2 or newer, and older versions are not safe; update the broker');
    case 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL':
    case 'ERR_SSL_TLSV13_ALERT_NO_APPLICATION_PROTOCOL':
      return tls('takes none of the protocols in `tls: {alpn: …}`; write the one that it names in its documentation');
    case 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME':
    case 'ERR_SSL_TLSV1_ALERT_UNRECOGNIZED_NAME':
      return tls(`does not know the name ${attempt.name}; write the name that it serves as \`tls: {serverName: …}\``);
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return tls('demands a certificate of this gateway; name its files as `tls: {cert: …, key: …}`');
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
    case 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE':
      return tls(
        attempt.own === undefined
          ? 'ends the handshake; it may demand a certificate of this gateway (`tls: {cert: …, key: …}`), or share no cipher with it; its log says why'
          : 'ends the handshake; it may not take the certificate of this gateway, or share no cipher with it; its log says why',
      );
  }
  const [, alert = ''] = /^ERR_SSL_(?:.*_ALERT_|SSL\/TLS_ALERT_)(.+)$/.exec(code) ?? [];
  const refused = OWN_REFUSED[alert];
  if (refused !== undefined) return tls(ownWords(attempt, refused));
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || /^(CERT|CRL|HOSTNAME|PATH|UNABLE|ERROR_IN)_/.test(code))
    return tls(`and this gateway do not agree in TLS: ${foreignText(error.message, LONGEST)} (${foreignText(code, LONGEST)})`);
  return undefined;
}

/** @param pinned and found: SHA-256 as hexadecimal digits */
export function pinWords(pinned: string, found: string): string {
  return `has another certificate than the one that is pinned (${found.slice(0, 16)}… instead of ${pinned.slice(0, 16)}…); nothing was sent. Where the broker was given a new certificate, write the SHA-256 of that one as \`tls: {fingerprint: …}\`; otherwise somebody stands between`;
}

function ownWords({ own, now, clockKnown }: TlsAttempt, refused: string): string {
  if (own === undefined) return `refuses the handshake (${refused}); it may demand a certificate: \`tls: {cert: …, key: …}\``;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const term =
    now > own.until
      ? `; by the clock of this gateway it expired on ${day(own.until)}`
      : now < own.from
        ? `; by the clock of this gateway it is valid from ${day(own.from)} on`
        : '';
  return `refuses the certificate of this gateway (${own.file}): ${refused}${term}${clockKnown || term === '' ? '' : ', and this clock is not confirmed'}. Give the operator of the broker this certificate or its authority, or name another one as \`tls: {cert: …, key: …}\``;
}

function clockWords({ now, clockKnown }: TlsAttempt, otherwise: string, wrong: string): string {
  const shown = `${new Date(now).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  if (clockKnown) return `${otherwise} (the clock of this gateway is known and shows ${shown})`;
  return `the clock of this gateway is not confirmed and may be the cause: it shows ${shown}. If that is ${wrong}, set the clock or let a time service do it; otherwise ${otherwise}`;
}

/** The names of a certificate, from Node's error about them. */
function namesOf(error: Error): string {
  const cert: unknown = 'cert' in error ? error.cert : undefined;
  const names: unknown = typeof cert === 'object' && cert !== null && 'subjectaltname' in cert ? cert.subjectaltname : undefined;
  if (typeof names !== 'string' || names === '') return 'no name at all';
  const list = names.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''));
  const shown = list.slice(0, 4).map((name) => foreignText(name, 60));
  return `${shown.join(', ')}${list.length > 4 ? ' and others' : ''}`;
}
