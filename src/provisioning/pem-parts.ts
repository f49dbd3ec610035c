/**
 * The authorities, the certificate and the key for the upstream broker: PEM texts in `sluice.yaml`, or files beside it. Invariants:
 * - A file is named by its name alone and lies in the folder of `sluice.yaml`: no name leads out of the card.
 * - A text is checked before anything is written. What is wrong has its key, and words that hold nothing of the key.
 * - A key that was taken off the card is the one that the gateway has.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { lstatSync, opendirSync } from 'node:fs';
import path from 'node:path';
import { readSmall } from '../disk/durable.ts';
import { decode, MOST_BYTES, MOST_ENTRIES } from './card-text.ts';
import { ERASED, isErased } from './schema.ts';

export const PEM_KEYS = ['ca', 'cert', 'key'] as const;
export type PemKey = (typeof PEM_KEYS)[number];

/** Certificates of one text. */
const MOST_CERTIFICATES = 32;
const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]{1,65536}-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const PRIVATE = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/;

export interface PemFault {
  readonly key: PemKey;
  readonly words: string;
}

export interface FoundPem {
  readonly text: string;
  /** The file beside `sluice.yaml`, as it was read; undefined: the text stands in it. */
  readonly file: { readonly file: string; readonly bytes: Uint8Array } | undefined;
}

/** The text of one value. @param folder of `sluice.yaml` @returns words where there is none */
export function pemOf(key: PemKey, value: string, folder: string): FoundPem | string {
  // YAML has given every line end its one form, and a file may have any.
  if (isErased(value.trim())) return { text: ERASED, file: undefined };
  if (value.includes('-----BEGIN ')) return { text: `${value.trim()}\n`, file: undefined };
  const name = value.trim();
  if (name.includes('\n') || Buffer.byteLength(name) > 255)
    return `write the PEM text, with the lines -----BEGIN and -----END, or the name of a file beside sluice.yaml`;
  if (/[/\\\0]/.test(name) || name === '.' || name === '..')
    return 'write the name of a file that lies beside sluice.yaml, without a folder';
  const file = find(folder, name);
  // A key leaves the card once it is taken over.
  if (file === undefined)
    return key === 'key'
      ? { text: ERASED, file: undefined }
      : `there is no file ${name} beside sluice.yaml; copy it to the card, or write the PEM text here`;
  const bytes = readSmall(file, MOST_BYTES);
  if (bytes === undefined) return `${name} cannot be read, or has more than 64 kB; put a PEM file there`;
  // A cut may have left it half written over.
  if (key === 'key' && bytes.length > 0 && bytes.subarray(0, 16).every((byte) => byte === X))
    return { text: ERASED, file: { file, bytes } };
  const found = decode(file, bytes);
  if (found.kind !== 'text') return `${name} is no text; put a PEM file there`;
  return { text: `${found.text.replaceAll('\r\n', '\n').trim()}\n`, file: { file, bytes } };
}

/** Written over each byte of a key file before it is removed. */
export const X = 0x78;

/** FAT does not know capitals from small letters. */
function find(folder: string, name: string): string | undefined {
  const exact = path.join(folder, name);
  if (lstatSync(exact, { throwIfNoEntry: false })?.isFile() === true) return exact;
  try {
    using dir = opendirSync(folder);
    for (let seen = 0; seen < MOST_ENTRIES; seen++) {
      const entry = dir.readSync();
      if (entry === null) return undefined;
      if (entry.isFile() && entry.name.toLowerCase() === name.toLowerCase()) return path.join(folder, entry.name);
    }
  } catch {
    // It is gone, and so is its file.
  }
  return undefined;
}

/** Checks the texts one by one, and the key against its certificate. `key` may be erased: then nobody compares it here. */
export function* pemFaults(texts: Readonly<Partial<Record<PemKey, string>>>): Generator<PemFault> {
  const { ca, cert, key } = texts;
  const own = cert === undefined ? undefined : certificatesIn(cert);
  for (const [name, found] of [['ca', ca === undefined ? undefined : certificatesIn(ca)] as const, ['cert', own] as const])
    if (typeof found === 'string') yield { key: name, words: found };
  if (cert !== undefined && key === undefined)
    yield { key: 'cert', words: 'a certificate needs its private key; write `key` beside it, or remove this' };
  if (key === undefined) return;
  if (cert === undefined)
    yield { key: 'key', words: 'a private key needs its certificate; write `cert` beside it, or remove this' };
  if (isErased(key)) return;
  const read = privateKeyIn(key);
  if (typeof read === 'string') yield { key: 'key', words: read };
  else if (typeof own === 'object' && !own.checkPrivateKey(read))
    yield { key: 'key', words: 'this key does not belong to the certificate in `cert`; use the two that were made together' };
}

/** @returns the first one, or words */
function certificatesIn(text: string): X509Certificate | string {
  if (PRIVATE.test(text)) return 'there is a private key in it, which would stay on the card; put the key under `key`';
  const blocks = text.match(CERTIFICATE) ?? [];
  const [first] = blocks;
  if (first === undefined) return 'there is no certificate in it; a PEM text begins with -----BEGIN CERTIFICATE-----';
  if (blocks.length > MOST_CERTIFICATES)
    return `there are ${blocks.length} certificates in it, and at most ${MOST_CERTIFICATES} are allowed; keep those that the broker needs`;
  try {
    return blocks.map((block) => new X509Certificate(block))[0] as X509Certificate;
  } catch {
    return 'a certificate in it is damaged; copy it again, with all its lines';
  }
}

function privateKeyIn(text: string): KeyObject | string {
  if (/ENCRYPTED/.test(text)) return 'this key has a passphrase; write it without one (openssl pkey -in … -out …)';
  try {
    return createPrivateKey(text);
  } catch {
    return 'there is no private key in it that can be read; a PEM text begins with -----BEGIN PRIVATE KEY-----';
  }
}

/** The kept key fits the certificate of the card. @param key PEM of the state folder */
export function fits(cert: string, key: string): boolean {
  const [own, read] = [certificatesIn(cert), privateKeyIn(key)];
  return typeof own === 'object' && typeof read === 'object' && own.checkPrivateKey(read);
}
