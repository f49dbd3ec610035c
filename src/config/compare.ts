/**
 * JSON in which maps keep their entries: two parts of a configuration are the same when their texts are. A secret is
 * its mark, so a changed password makes a difference within one process. For comparing, never for keeping.
 */
export function comparable(part: unknown): string {
  return JSON.stringify(part, (_, value: unknown) => {
    if (value instanceof Map) return { map: [...value] };
    if (typeof value === 'bigint') return `${value}n`;
    if (value instanceof RegExp) return { regexp: String(value) };
    if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') };
    return value;
  });
}
