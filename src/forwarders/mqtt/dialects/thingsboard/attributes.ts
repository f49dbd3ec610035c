/** Attributes of devices in messages that the platform takes. */

type Values = Readonly<Record<string, unknown>>;

/**
 * The platform merges attributes, so a device may come in several messages.
 * @param most bytes of a message; an attribute that is larger alone is left out
 */
export function* attributeParts(
  devices: readonly (readonly [device: string, values: Values])[],
  most: number,
): Generator<object> {
  // No plain object: a device may have the name `constructor`.
  let part = new Map<string, Record<string, unknown>>();
  let bytes = 2;
  for (const [device, values] of devices) {
    const head = Buffer.byteLength(JSON.stringify(device)) + 4;
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const size = Buffer.byteLength(`${JSON.stringify(key)}:${JSON.stringify(value)},`);
      if (2 + head + size > most) continue;
      const more = size + (part.has(device) ? 0 : head);
      if (bytes + more > most) {
        yield Object.fromEntries(part);
        part = new Map();
        bytes = 2;
      }
      bytes += size + (part.has(device) ? 0 : head);
      const own = part.get(device) ?? {};
      own[key] = value;
      part.set(device, own);
    }
  }
  if (bytes > 2) yield Object.fromEntries(part);
}
