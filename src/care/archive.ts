/**
 * The bytes of a backup: head, chunks, end. docs/reference/formats/backup.md has the layout.
 *
 * - A writer and a reader need one chunk of memory, whatever the backup holds or a file claims.
 * - With a passphrase every chunk is proven by AES-256-GCM before a byte of it is used; its number and whether it is the last one are
 *   part of the nonce, so chunks cannot be left out, moved or cut off. Without one a checksum finds damage, and no forgery.
 * - Each length in a file is compared with its bound before it sizes anything; the costs of scrypt too.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { SluiceError } from '../core/errors.ts';
import { jsonOf } from './json-of.ts';

const MAGIC = Uint8Array.of(0x53, 0x4c, 0x4b);
export const BACKUP_VERSION = 1;
const MAX_HEAD = 4096;
export const CHUNK = 65_536;
const TAG = 16;
const SUM = 32;
const CIPHER = 'aes-256-gcm';
const SALT = 16;
/** As of the passwords of people (access/password.ts): 32 MB of memory, a second on a small board. */
const COST = { n: 32_768, r: 8, p: 3 } as const;
/** A file may not choose to take more: 64 MB. */
const MOST_N = 65_536;
const LEAST_N = 16_384;
const MOST_P = 8;
const SCRYPT_MEMORY = 96 * 1024 * 1024;

export interface Kdf {
  readonly name: 'scrypt';
  readonly n: number;
  readonly r: number;
  readonly p: number;
  /** base64url of 16 bytes. */
  readonly salt: string;
}

export interface ArchiveHead {
  readonly gateway: string;
  /** UTC milliseconds. */
  readonly made: number;
  /** The program that made it. */
  readonly program: string;
  /** Absent: it is not encrypted. */
  readonly kdf?: Kdf | undefined;
}

/** @param why completes "the backup …" */
export function refused(why: string): SluiceError {
  return new SluiceError('backup-refused', `the backup ${why}`);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
function nonce(chunk: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(chunk, 7);
  bytes[11] = last ? 1 : 0;
  return bytes;
}
function keyOf(passphrase: string, { n, r, p, salt }: Kdf): Buffer {
  return scryptSync(passphrase.normalize('NFC'), Buffer.from(salt, 'base64url'), 32, { N: n, r, p, maxmem: SCRYPT_MEMORY });
}

/** Gives the bytes one after the other: `begin`, `add` again and again, `end`. */
export class ArchiveWriter {
  readonly #head: Buffer;
  readonly #key: Buffer | undefined;
  readonly #hash = createHash('sha256');
  readonly #aad: Buffer;
  #rest: Buffer = Buffer.alloc(0);
  #chunks = 0;

  constructor(head: Omit<ArchiveHead, 'kdf'>, passphrase: string | undefined) {
    const kdf: Kdf | undefined =
      passphrase === undefined ? undefined : { name: 'scrypt', ...COST, salt: randomBytes(SALT).toString('base64url') };
    const text = Buffer.from(JSON.stringify({ ...head, ...(kdf && { kdf }) }));
    if (text.length > MAX_HEAD) throw new SluiceError('internal', 'the head of a backup is too long');
    this.#head = Buffer.concat([MAGIC, Uint8Array.of(BACKUP_VERSION), u32(text.length), text]);
    this.#aad = createHash('sha256').update(this.#head).digest();
    this.#key = kdf && passphrase !== undefined ? keyOf(passphrase, kdf) : undefined;
  }

  begin(): Buffer {
    this.#hash.update(this.#head);
    return this.#head;
  }

  /** @returns the chunks that are complete; often none */
  add(bytes: Uint8Array): Buffer {
    const all = Buffer.concat([this.#rest, bytes]);
    const parts: Buffer[] = [];
    let at = 0;
    // A full chunk may be the last one, so it waits for a byte behind it.
    for (; all.length - at > CHUNK; at += CHUNK) parts.push(this.#chunk(all.subarray(at, at + CHUNK), false));
    this.#rest = Buffer.from(all.subarray(at));
    return Buffer.concat(parts);
  }

  end(): Buffer {
    const last = this.#chunk(this.#rest, true);
    this.#hash.update(u32(0));
    return Buffer.concat([last, u32(0), ...(this.#key === undefined ? [this.#hash.digest()] : [])]);
  }

  #chunk(plain: Uint8Array, last: boolean): Buffer {
    const bytes = this.#sealed(plain, last);
    this.#chunks++;
    const whole = Buffer.concat([u32(bytes.length), bytes]);
    this.#hash.update(whole);
    return whole;
  }

  #sealed(plain: Uint8Array, last: boolean): Buffer {
    if (this.#key === undefined) return Buffer.from(plain);
    const cipher = createCipheriv(CIPHER, this.#key, nonce(this.#chunks, last), { authTagLength: TAG });
    cipher.setAAD(this.#aad);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
}

/** A file, or bytes in memory. */
export interface Bytes {
  readonly size: number;
  /** Exactly `length` bytes from `at` on, which lie within the size. */
  read(at: number, length: number): Uint8Array;
}

export class Archive {
  readonly head: ArchiveHead;
  readonly #bytes: Bytes;
  readonly #from: number;
  readonly #before: Uint8Array;
  #key: Buffer | undefined;

  /** Reads the head, of which nothing is proven. @throws SluiceError backup-refused */
  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    if (bytes.size < 8) throw refused('is no backup of Sluice; name a file that "sluice backup" wrote');
    const start = Buffer.from(bytes.read(0, 8));
    if (!MAGIC.every((byte, i) => start[i] === byte))
      throw refused('is no backup of Sluice; name a file that "sluice backup" wrote');
    const version = start[3] ?? 0;
    if (version > BACKUP_VERSION)
      throw refused(
        `was made by a newer version of Sluice (format ${version}, this one knows ${BACKUP_VERSION}): update this gateway first`,
      );
    const length = start.readUInt32LE(4);
    if (version !== BACKUP_VERSION || length > MAX_HEAD) throw refused('is damaged (head)');
    this.#from = 8 + length;
    this.#before = Buffer.from(this.#read(0, this.#from));
    this.head = headOf(Buffer.from(this.#before).toString('utf8', 8)) ?? fail('is damaged (head)');
  }

  /** An encrypted backup needs it before `pieces`. */
  unlock(passphrase: string): void {
    if (this.head.kdf !== undefined) this.#key = keyOf(passphrase, this.head.kdf);
  }

  /** Its content, each piece proven. @throws SluiceError backup-refused */
  *pieces(): Generator<Buffer> {
    const { kdf } = this.head;
    if (kdf !== undefined && this.#key === undefined) throw refused('is encrypted: give its passphrase with --passphrase-file');
    const hash = createHash('sha256').update(this.#before);
    const aad = createHash('sha256').update(this.#before).digest();
    const most = CHUNK + (kdf === undefined ? 0 : TAG);
    const least = kdf === undefined ? 0 : TAG;
    let at = this.#from;
    for (let n = 0, last = false; !last; n++) {
      const length = this.#u32(at);
      if (length < least || length > most) throw refused('is damaged (chunk)');
      const bytes = this.#read(at + 4, length);
      hash.update(u32(length)).update(bytes);
      at += 4 + length;
      last = this.#u32(at) === 0;
      if (!last && length !== most) throw refused('is damaged (chunk)');
      yield this.#key === undefined ? Buffer.from(bytes) : opened(this.#key, aad, bytes, n, last);
    }
    hash.update(u32(0));
    at += 4;
    if (kdf === undefined) {
      if (!hash.digest().equals(Buffer.from(this.#read(at, SUM)))) throw refused('is damaged: its checksum is another');
      at += SUM;
    }
    if (at !== this.#bytes.size) throw refused('has bytes behind its end');
  }

  #read(at: number, length: number): Uint8Array {
    if (at + length > this.#bytes.size) throw refused('ends too early: it was cut off, or is still being copied');
    return this.#bytes.read(at, length);
  }
  #u32(at: number): number {
    return Buffer.from(this.#read(at, 4)).readUInt32LE();
  }
}

function fail(why: string): never {
  throw refused(why);
}

function opened(key: Buffer, aad: Buffer, bytes: Uint8Array, n: number, last: boolean): Buffer {
  const decipher = createDecipheriv(CIPHER, key, nonce(n, last), { authTagLength: TAG });
  decipher.setAAD(aad);
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG)), decipher.final()]);
  } catch (cause) {
    const why = n === 0 ? 'cannot be opened: the passphrase is another one, or the file is damaged' : 'is damaged or forged';
    throw new SluiceError('backup-refused', `the backup ${why}`, { cause });
  }
}

function headOf(text: string): ArchiveHead | undefined {
  const { gateway, made, program, kdf } = jsonOf(text) ?? {};
  if (typeof gateway !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(gateway)) return undefined;
  if (typeof made !== 'number' || !Number.isSafeInteger(made) || Math.abs(made) > 8.64e15) return undefined;
  if (typeof program !== 'string' || !/^[0-9A-Za-z.+-]{1,40}$/.test(program)) return undefined;
  if (kdf === undefined) return { gateway, made, program };
  const found = kdfOf(kdf);
  return found && { gateway, made, program, kdf: found };
}

function kdfOf(value: unknown): Kdf | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, n, r, p, salt } = value as Record<string, unknown>;
  if (name !== 'scrypt' || typeof n !== 'number' || typeof p !== 'number' || r !== 8) return undefined;
  if (n < LEAST_N || n > MOST_N || !Number.isInteger(Math.log2(n))) return undefined;
  if (!Number.isInteger(p) || p < 1 || p > MOST_P) return undefined;
  if (typeof salt !== 'string' || !/^[A-Za-z0-9_-]{22}$/.test(salt)) return undefined;
  return { name, n, r, p, salt };
}
