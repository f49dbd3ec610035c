/**
 * The bytes around the content of a bundle: head, encrypted chunks, statement. docs/reference/formats/bundle.md has the layout.
 *
 * - A writer needs one chunk of memory and one section. A reader needs the same, whatever a file claims.
 * - `BundleFile.verify` proves every byte before the first one is decrypted.
 * - Each length in a file is compared with its bound and with what is left of the file before it sizes anything.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { SluiceError } from '../../core/errors.ts';
import { type GatewayKey, type GatewaySecret, type PlatformKey, type PlatformSecret, publicBytes, publicKey } from './keys.ts';
import {
  isBundleId,
  isName,
  isSigned,
  jsonObject,
  MAX_STATEMENT,
  readStatement,
  SIGNATURE_BYTES,
  type SignedStatement,
  type Statement,
  signStatement,
} from './statement.ts';

const MAGIC = Uint8Array.of(0x53, 0x4c, 0x42, 1);
export const MAX_HEAD = 4096;
const CHUNK = 65_536;
const TAG = 16;
export const MAX_CHUNK = CHUNK + TAG;
const CIPHER = 'chacha20-poly1305';
const INFO = 'sluice bundle 1';
/** Kind and length. */
export const SECTION_HEAD = 5;
export const MAX_SECTION = 16 * 1024 * 1024;

/**
 * Bytes of sections, with their heads, that fit into a bundle of so many bytes for certain: the head and the statement may be as long
 * as they ever are, and each chunk has its length and its proof.
 */
export function roomIn(bytes: number): number {
  const around = MAGIC.length + 4 + MAX_HEAD + 4 + 4 + MAX_STATEMENT + SIGNATURE_BYTES;
  return Math.max(0, Math.floor((bytes - around) / (CHUNK + 4 + TAG)) * CHUNK);
}

export const SECTION = { data: 1, history: 2, alarm: 3, event: 4, inventory: 5, range: 6 } as const;
export type SectionKind = keyof typeof SECTION;
const KINDS: ReadonlyMap<number, SectionKind> = new Map(
  Object.entries(SECTION).map(([name, number]) => [number, name as SectionKind]),
);

export interface Section {
  readonly kind: SectionKind;
  readonly body: Uint8Array;
}

/** What the head says; nothing of it is proven. */
export interface BundleHead {
  readonly id: string;
  readonly gateway: string;
  /** `sluice-gateway-1:…` */
  readonly key: string;
  /** The fingerprint. */
  readonly platform: string;
}

function nonce(chunk: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(chunk, 7);
  bytes[11] = last ? 1 : 0;
  return bytes;
}
function chunkKey(secret: KeyObject, other: KeyObject, before: Uint8Array): Buffer {
  const shared = diffieHellman({ privateKey: secret, publicKey: other });
  return Buffer.from(hkdfSync('sha256', shared, createHash('sha256').update(before).digest(), INFO, 32));
}
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export interface WriterOptions {
  /** 32 random hexadecimal digits. */
  readonly id: string;
  readonly gateway: string;
  readonly key: GatewaySecret;
  readonly platform: PlatformKey;
}

/** Gives the bytes of a bundle one after the other: `begin`, `section` again and again, `end`. */
export class BundleWriter {
  readonly #o: WriterOptions;
  readonly #hash = createHash('sha256');
  #key: Buffer | undefined;
  /** What no chunk has yet, shorter than a chunk. */
  #rest: Buffer = Buffer.alloc(0);
  #chunks = 0;

  constructor(options: WriterOptions) {
    this.#o = options;
  }

  begin(): Uint8Array {
    const { id, gateway, key, platform } = this.#o;
    const { privateKey, publicKey: ephemeral } = generateKeyPairSync('x25519');
    const text = { v: 1, id, gateway, key: key.text, platform: platform.fingerprint };
    const head = Buffer.from(JSON.stringify({ ...text, ephemeral: publicBytes(ephemeral).toString('base64url') }));
    const bytes = Buffer.concat([MAGIC, u32(head.length), head]);
    this.#key = chunkKey(privateKey, platform.seal, bytes);
    this.#hash.update(bytes);
    return bytes;
  }

  /** @returns the chunks that are complete; often none */
  section(kind: SectionKind, body: Uint8Array): Uint8Array {
    if (body.length > MAX_SECTION) throw new SluiceError('internal', `a section of a bundle has ${body.length} bytes`);
    const all = Buffer.concat([this.#rest, Uint8Array.of(SECTION[kind]), u32(body.length), body]);
    const parts: Buffer[] = [];
    let at = 0;
    // A full chunk may be the last one, so it waits for a byte behind it.
    for (; all.length - at > CHUNK; at += CHUNK) parts.push(this.#chunk(all.subarray(at, at + CHUNK), false));
    this.#rest = Buffer.from(all.subarray(at));
    return Buffer.concat(parts);
  }

  /** The last chunk, and the signed statement. */
  end(says: Omit<Statement, 'v' | 'bundle' | 'gateway' | 'platform' | 'sha256'>): Uint8Array {
    const { id, gateway, key, platform } = this.#o;
    const last = this.#chunk(this.#rest, true);
    this.#hash.update(u32(0));
    const sha256 = this.#hash.digest('hex');
    const { forwarder, ...rest } = says;
    const named = {
      v: 1,
      bundle: id,
      gateway,
      platform: platform.fingerprint,
      ...(forwarder === undefined ? {} : { forwarder }),
    };
    const { bytes, signature } = signStatement({ ...named, sha256, ...rest } as Statement, key.sign);
    if (bytes.length > MAX_STATEMENT) throw new SluiceError('internal', `the statement of a bundle has ${bytes.length} bytes`);
    return Buffer.concat([last, u32(0), u32(bytes.length), bytes, signature]);
  }

  #chunk(plain: Uint8Array, last: boolean): Buffer {
    if (this.#key === undefined) throw new SluiceError('internal', 'a bundle has no begin');
    const cipher = createCipheriv(CIPHER, this.#key, nonce(this.#chunks++, last), { authTagLength: TAG });
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    const bytes = Buffer.concat([u32(sealed.length + TAG), sealed, cipher.getAuthTag()]);
    this.#hash.update(bytes);
    return bytes;
  }
}

/** A file, or bytes in memory. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `at` on, which lie within the size. */
  read(at: number, length: number): Uint8Array;
}

/** The bytes of a bundle before its statement. */
export interface HashedBytes {
  readonly length: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** @param why completes "the bundle …" */
export function refused(why: string): SluiceError {
  return new SluiceError('bundle-refused', `the bundle ${why}`);
}
const CUT = 'ends too early: it was cut off, or is still being copied';

export class BundleFile {
  readonly #source: ByteSource;
  readonly head: BundleHead;
  readonly #ephemeral: Buffer;
  /** Everything before the first chunk. */
  readonly #before: Uint8Array;

  /** Reads the head. @throws SluiceError bundle-refused */
  constructor(source: ByteSource) {
    this.#source = source;
    const start = this.#read(0, 8);
    if (!MAGIC.subarray(0, 3).every((byte, i) => start[i] === byte)) throw refused('is no bundle of Sluice');
    if (start[3] !== MAGIC[3]) throw refused(`has version ${start[3]}, which this version of Sluice does not know`);
    const length = this.#u32(4);
    if (length > MAX_HEAD) throw refused('is damaged (head)');
    this.#before = Buffer.from(this.#read(0, 8 + length));
    const head = jsonObject(this.#before.subarray(8));
    const ephemeral = typeof head?.ephemeral === 'string' ? Buffer.from(head.ephemeral, 'base64url') : Buffer.alloc(0);
    if (head?.v !== 1 || !isBundleId(head.id) || !isName(head.gateway) || !isBundleId(head.platform) || ephemeral.length !== 32)
      throw refused('is damaged (head)');
    this.#ephemeral = ephemeral;
    const key = typeof head.key === 'string' ? head.key : '';
    this.head = { id: head.id, gateway: head.gateway, key, platform: head.platform };
  }

  /** Proves that this gateway wrote every byte of it. @throws SluiceError bundle-refused */
  verify(key: GatewayKey): SignedStatement & { readonly statement: Statement } {
    const hash = createHash('sha256').update(this.#before);
    let end = this.#before.length;
    for (const chunk of this.#chunks()) {
      hash.update(u32(chunk.bytes.length)).update(chunk.bytes);
      end = chunk.end;
    }
    return this.verifyHashed(key, { length: end + 4, sha256: hash.update(u32(0)).digest('hex') });
  }

  /** The same where everything before the statement was hashed as it came: reads no more than the statement. @throws as `verify` */
  verifyHashed(key: GatewayKey, before: HashedBytes): SignedStatement & { readonly statement: Statement } {
    const { length: at, sha256 } = before;
    const length = this.#u32(at);
    if (length > MAX_STATEMENT) throw refused('is damaged (statement)');
    const bytes = Buffer.from(this.#read(at + 4, length));
    const signature = Buffer.from(this.#read(at + 4 + length, SIGNATURE_BYTES));
    if (at + 4 + length + SIGNATURE_BYTES !== this.#source.size) throw refused('has bytes behind its end');
    const { id, gateway, platform } = this.head;
    if (!isSigned({ bytes, signature }, key)) throw refused(`is not signed by the gateway ${gateway}: it is forged or damaged`);
    const statement = readStatement(bytes);
    if (statement === undefined) throw refused('is damaged (statement)');
    if (statement.sha256 !== sha256) throw refused('is not what the gateway signed: it is forged or damaged');
    if (statement.bundle !== id || statement.gateway !== gateway || statement.platform !== platform)
      throw refused('has a head that does not belong to it: it is forged or damaged');
    return { bytes, signature, statement };
  }

  /** To be called after `verify`. @throws SluiceError bundle-refused */
  *sections(platform: PlatformSecret): Generator<Section> {
    const held: Buffer[] = [];
    let bytes = 0;
    let needed = SECTION_HEAD;
    for (const piece of this.#pieces(platform)) {
      held.push(piece);
      bytes += piece.length;
      // A long section is put together once, and not again with each chunk.
      if (bytes < needed) continue;
      const all = Buffer.concat(held);
      let at = 0;
      for (needed = SECTION_HEAD; all.length - at >= needed; needed = SECTION_HEAD) {
        const kind = KINDS.get(all[at] as number);
        const length = all.readUInt32LE(at + 1);
        if (kind === undefined || length > MAX_SECTION) throw refused('has content that this version of Sluice does not know');
        needed = SECTION_HEAD + length;
        if (all.length - at < needed) break;
        yield { kind, body: all.subarray(at + SECTION_HEAD, at + needed) };
        at += needed;
      }
      held.length = 0;
      held.push(all.subarray(at));
      bytes = all.length - at;
    }
    if (bytes > 0) throw refused('has a section that is not complete');
  }

  *#pieces(platform: PlatformSecret): Generator<Buffer> {
    if (this.head.platform !== platform.fingerprint) throw refused('is for another platform: these keys cannot open it');
    let key: Buffer;
    try {
      key = chunkKey(platform.open, publicKey('x25519', this.#ephemeral), this.#before);
    } catch (cause) {
      throw new SluiceError('bundle-refused', 'the bundle has a key that is no key', { cause });
    }
    let n = 0;
    for (const { bytes, last } of this.#chunks()) {
      const decipher = createDecipheriv(CIPHER, key, nonce(n++, last), { authTagLength: TAG });
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG));
      try {
        yield Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG)), decipher.final()]);
      } catch (cause) {
        throw new SluiceError('bundle-refused', 'the bundle cannot be decrypted: it is forged or damaged', { cause });
      }
    }
  }

  /** `end` is where the length of the next one stands. */
  *#chunks(): Generator<{ readonly bytes: Uint8Array; readonly last: boolean; readonly end: number }> {
    let at = this.#before.length;
    for (let last = false; !last; ) {
      const length = this.#u32(at);
      if (length < TAG || length > CHUNK + TAG) throw refused('is damaged (chunk)');
      const bytes = this.#read(at + 4, length);
      at += 4 + length;
      last = this.#u32(at) === 0;
      if (!last && length !== CHUNK + TAG) throw refused('is damaged (chunk)');
      yield { bytes, last, end: at };
    }
  }

  #read(at: number, length: number): Uint8Array {
    if (at + length > this.#source.size) throw refused(at === 0 && this.#source.size < 8 ? 'is no bundle of Sluice' : CUT);
    return this.#source.read(at, length);
  }
  #u32(at: number): number {
    const bytes = this.#read(at, 4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  }
}
