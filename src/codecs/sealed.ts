/**
 * A deflated part, a part as it is, and a CRC-32 over both: a flipped bit is found and never read as another value.
 * Noise goes into the second part: among other bytes it would only lengthen their codes.
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader } from './bytes.ts';

/** Length of the part as it is, and the checksum. */
const END_BYTES = 8;
/** Nothing that the log writes inflates to more; what claims to is damaged. */
const MAX_INFLATED = 64 * 1024 * 1024;

/** @param level 1 (fast) to 9 (small) of deflate */
export function seal(bytes: Uint8Array, noise: Uint8Array, level: number): Buffer {
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(noise.length);
  const body = Buffer.concat([deflateRawSync(bytes, { level }), noise, end]);
  body.writeUInt32LE(crc32(body.subarray(0, body.length - 4)), body.length - 4);
  return body;
}

export interface Unsealed {
  readonly bytes: ByteReader;
  readonly noise: ByteReader;
}

/** Whether every byte is as it was written; nothing is inflated. */
export function isSealed(blob: Uint8Array): boolean {
  const sum = blob.length - 4;
  return (
    sum >= 4 && new DataView(blob.buffer, blob.byteOffset, blob.byteLength).getUint32(sum, true) === crc32(blob.subarray(0, sum))
  );
}

/** @param what for the message: `block` @throws Error when a byte is not as it was written */
export function unseal(blob: Uint8Array, what: string): Unsealed {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (!isSealed(blob)) throw new Error(`the ${what} is damaged (checksum)`);
  const end = blob.length - END_BYTES;
  const start = end - view.getUint32(end, true);
  if (start < 0) throw new Error(`the ${what} is damaged (length)`);
  const bytes = inflateRawSync(blob.subarray(0, start), { maxOutputLength: MAX_INFLATED });
  return { bytes: new ByteReader(bytes), noise: new ByteReader(blob.subarray(start, end)) };
}
