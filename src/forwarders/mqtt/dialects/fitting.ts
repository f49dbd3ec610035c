/** Messages that are never cut, for platforms with a largest payload: an inventory in parts, and answers that say so. */

interface Inventory {
  readonly devices?: Readonly<Record<string, unknown>>;
}

/** For the head of a part. */
const HEAD = 256;

export interface InventoryParts {
  /** The inventory itself when it fits; else parts with some devices each, and `part` and `parts`. */
  readonly parts: readonly string[];
  /** Devices that are too large alone. */
  readonly leftOut: readonly string[];
}

/** @param most bytes of a message */
export function inventoryParts(json: string, most: number): InventoryParts {
  if (Buffer.byteLength(json) <= most) return { parts: [json], leftOut: [] };
  const { devices = {}, ...head } = JSON.parse(json) as Inventory;
  const leftOut: string[] = [];
  const groups: string[][] = [];
  let left = 0;
  for (const [name, device] of Object.entries(devices)) {
    const text = `${JSON.stringify(name)}:${JSON.stringify(device)}`;
    const bytes = Buffer.byteLength(text) + 1;
    if (bytes > most - HEAD) {
      leftOut.push(name);
      continue;
    }
    if (bytes > left) {
      groups.push([]);
      left = most - HEAD;
    }
    groups.at(-1)?.push(text);
    left -= bytes;
  }
  const of = JSON.stringify({ ...head, parts: groups.length }).slice(0, -1);
  return { parts: groups.map((group, i) => `${of},"part":${i + 1},"devices":{${group.join(',')}}}`), leftOut };
}

/** The answer to a command, or one that says that it is too large. @param json as the contract has it @param most bytes of a message */
export function fittingAnswer(json: string, most: number): string {
  const bytes = Buffer.byteLength(json);
  if (bytes <= most) return json;
  const { v, id, do: word, target, time } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const message = `the result has ${bytes} bytes, and the platform takes ${most} at most; ask for less at once`;
  return JSON.stringify({ ...{ v, id, do: word, target, time }, ok: false, code: 'request-invalid', message });
}
