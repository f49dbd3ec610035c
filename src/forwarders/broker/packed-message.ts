/**
 * A message that is kept and seldom read, as one text with a byte in each character: its QoS, then its payload. A Buffer and an
 * object around it take 300 bytes more, and slabs of buffers save 20 bytes and need a list of what is free. The figures are in
 * docs/benchmarks.md.
 */

/** @param qos 0 to 2 @param payload is copied */
export function packed(payload: Uint8Array | string, qos: number): string {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const all = Buffer.allocUnsafe(bytes.length + 1);
  all[0] = qos;
  all.set(bytes, 1);
  return all.toString('latin1');
}

export function qosOf(message: string): number {
  return message.charCodeAt(0);
}

/** Bytes of the payload. */
export function sizeOf(message: string): number {
  return message.length - 1;
}

/** @returns the payload, in memory of its own */
export function unpacked(message: string): Buffer {
  return Buffer.from(message, 'latin1').subarray(1);
}
