/** Deflated bytes with a CRC-32 behind them: a flipped bit is found and never read as another value. */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

const CRC_BYTES = 4;
/** Nothing that the log writes inflates to more; what claims to is damaged. */
const MAX_INFLATED = 64 * 1024 * 1024;

/** @param level 1 (fast) to 9 (small) of deflate */
export function seal(bytes: Uint8Array, level: number): Buffer {
  const body = deflateRawSync(bytes, { level });
  const end = Buffer.alloc(CRC_BYTES);
  end.writeUInt32LE(crc32(body));
  return Buffer.concat([body, end]);
}

/** @param what for the message: `block` @throws Error when a byte is not as it was written */
export function unseal(blob: Uint8Array, what: string): Uint8Array {
  const end = blob.length - CRC_BYTES;
  const body = blob.subarray(0, Math.max(end, 0));
  if (end < 0 || new DataView(blob.buffer, blob.byteOffset, blob.byteLength).getUint32(end, true) !== crc32(body))
    throw new Error(`the ${what} is damaged (checksum)`);
  return inflateRawSync(body, { maxOutputLength: MAX_INFLATED });
}
