/** Bundles that come one behind the other, told apart by the lengths in them. It proves nothing: `BundleFile` does. */
import { MAX_CHUNK, MAX_HEAD, refused } from './container.ts';
import { MAX_STATEMENT, SIGNATURE_BYTES } from './statement.ts';

const MAGIC = 4;
const LENGTH = 4;
const MOST = { head: MAX_HEAD, chunk: MAX_CHUNK, statement: MAX_STATEMENT } as const;

/** A piece of a bundle. `ends`: the next one begins another bundle. */
export interface BundlePiece {
  readonly bytes: Uint8Array;
  /** So many of its first bytes are before the statement, which signs their hash. */
  readonly signed: number;
  readonly ends: boolean;
}

export class BundleSplitter {
  /** What is read next: the length of the head, of a chunk or of the statement. */
  #next: 'head' | 'chunk' | 'statement' = 'head';
  /** Bytes until the next length, and the bytes of a length so far. */
  #skip = MAGIC;
  readonly #length: number[] = [];
  /** The statement was the last part; its bytes and its signature are left. */
  #last = false;

  /** Whether the last bundle is complete, as far as its lengths say. */
  get whole(): boolean {
    return this.#next === 'head' && this.#skip === MAGIC && this.#length.length === 0;
  }

  /** @throws SluiceError bundle-refused: there is a length that no bundle has */
  *take(bytes: Uint8Array): Generator<BundlePiece> {
    let begin = 0;
    let signed = 0;
    for (let at = 0; at < bytes.length; ) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, bytes.length - at);
        this.#skip -= n;
        at += n;
        if (!this.#last) signed += n;
        if (this.#skip > 0 || !this.#last) continue;
        yield { bytes: bytes.subarray(begin, at), signed, ends: true };
        [this.#last, this.#next, this.#skip, begin, signed] = [false, 'head', MAGIC, at, 0];
        continue;
      }
      if (this.#next !== 'statement') signed++;
      this.#length.push(bytes[at++] as number);
      if (this.#length.length < LENGTH) continue;
      this.#takeLength(Buffer.from(this.#length.splice(0)).readUInt32LE());
    }
    if (begin < bytes.length) yield { bytes: bytes.subarray(begin), signed, ends: false };
  }

  #takeLength(length: number): void {
    if (length > MOST[this.#next]) throw refused('has a part that is too long');
    if (this.#next === 'statement') [this.#skip, this.#last] = [length + SIGNATURE_BYTES, true];
    else if (this.#next === 'chunk' && length === 0) this.#next = 'statement';
    else [this.#skip, this.#next] = [length, 'chunk'];
  }
}
