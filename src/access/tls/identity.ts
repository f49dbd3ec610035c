/** A private key with its certificate, read from PEM and checked. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { SluiceError, toError } from '../../core/errors.ts';
import type { HostNames } from './host-names.ts';

/** A listener's identity. The key is for the TLS library alone and is never printed. */
export interface TlsIdentity {
  /** PEM. */
  readonly key: string;
  /** PEM: the certificate of the listener, then those between it and its authority. */
  readonly cert: string;
  /** SHA-256 of the certificate, as `AB:CD:…`. */
  readonly fingerprint: string;
  readonly names: HostNames;
  /** UTC ms. */
  readonly from: number;
  readonly until: number;
}

/** A chain has some certificates of 1 to 4 kB. */
export const MOST_PEM = 64 * 1024;
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----[^-]{1,65536}-----END \1-----/g;

/** The blocks of a PEM text with the given label, in order. */
export function blocksOf(text: string, label: RegExp): string[] {
  return [...text.matchAll(BLOCK)].filter(([, name = '']) => label.test(name)).map(([block]) => `${block}\n`);
}

/** @throws SluiceError tls-files; the message says which of both is wrong, and holds nothing of the key */
export function identityOf(key: string, cert: string): TlsIdentity {
  const certificate = certificateOf(cert);
  let parsed: KeyObject;
  try {
    parsed = createPrivateKey(key);
  } catch (thrown) {
    throw new SluiceError('tls-files', 'the private key cannot be read: it has to be PEM, without a passphrase', {
      cause: toError(thrown),
    });
  }
  if (!certificate.checkPrivateKey(parsed))
    throw new SluiceError(
      'tls-files',
      'the private key does not belong to the certificate: use the two files that were made together',
    );
  // The TLS library looks at more than this: the strength of the key, the certificates behind the first one.
  try {
    createSecureContext({ key, cert });
  } catch (thrown) {
    throw new SluiceError(
      'tls-files',
      `no listener can use the certificate (${toError(thrown).message}). Use a key of at least 256 bits (EC) or 2048 bits (RSA), and a whole chain`,
      { cause: toError(thrown) },
    );
  }
  return {
    key,
    cert,
    fingerprint: certificate.fingerprint256,
    names: namesOf(certificate),
    from: Date.parse(certificate.validFrom),
    until: Date.parse(certificate.validTo),
  };
}

/** The first certificate of a PEM text. @throws SluiceError tls-files */
export function certificateOf(pem: string): X509Certificate {
  const [first] = blocksOf(pem, /^CERTIFICATE$/);
  try {
    if (first === undefined) throw new Error('it holds no certificate in PEM form');
    return new X509Certificate(first);
  } catch (thrown) {
    throw new SluiceError('tls-files', `the certificate cannot be read: ${toError(thrown).message}`, { cause: toError(thrown) });
  }
}

/** `DNS:localhost, IP Address:127.0.0.1`; a quoted entry holds a name that no listener of ours has. */
function namesOf({ subjectAltName = '' }: X509Certificate): HostNames {
  const entries = subjectAltName.split(', ').map((entry) => entry.split(/:(.*)/s));
  const of = (kind: string): string[] =>
    entries.filter(([name]) => name === kind).map(([, value = '']) => canonical(kind, value));
  return { dns: of('DNS').sort(), addresses: of('IP Address').sort() };
}

/** The system writes `::1`, OpenSSL `0:0:0:0:0:0:0:1`. */
function canonical(kind: string, value: string): string {
  if (kind === 'DNS') return value.toLowerCase();
  return value.includes(':') ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value;
}
