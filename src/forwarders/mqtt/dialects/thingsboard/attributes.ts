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
  let part: Record<string, Record<string, unknown>> = {};
  let bytes = 2;
  for (const [device, values] of devices) {
    const head = Buffer.byteLength(JSON.stringify(device)) + 4;
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const size = Buffer.byteLength(`${JSON.stringify(key)}:${JSON.stringify(value)},`);
      if (2 + head + size > most) continue;
      const more = size + (part[device] === undefined ? head : 0);
      if (bytes + more > most) {
        yield part;
        part = {};
        bytes = 2;
      }
      bytes += size + (part[device] === undefined ? head : 0);
      part[device] ??= {};
      part[device][key] = value;
    }
  }
  if (bytes > 2) yield part;
}
