/**
 * Groups and subflows that hold each other. Node-RED follows them to their ends when flows start. It hangs where one holds itself, also
 * after each restart; and a subflow in a subflow multiplies its nodes.
 */
type Node = Readonly<Record<string, unknown>>;

/** Nodes that flows have when each subflow stands wherever it is used. Far more than a small board runs. */
export const MOST_COPIES = 100_000;
/** Subflows, or groups, that are inside each other. Node-RED follows them by calls, and some thousands of these end it. */
export const MOST_DEEP = 100;

/** @returns why Node-RED would come to no end with these nodes, in words; undefined where it does */
export function nestingFault(all: readonly Node[]): string | undefined {
  const { inside, around, own } = holdersOf(all);
  const waits = new Map([...around].map(([held, by]) => [held, by.length]));
  const copies = new Map<string, number>();
  const depths = new Map<string, number>();
  let total = 0;
  // Each one comes after all that hold it.
  const next = [...new Set([...own.keys(), ...inside.keys()])].filter((name) => !waits.has(name));
  for (let name = next.pop(); name !== undefined; name = next.pop()) {
    const times = copies.get(name) ?? 1;
    total += times * (own.get(name) ?? 0);
    if (total > MOST_COPIES) return `its subflows make more than ${MOST_COPIES} nodes where they are used; use fewer of them`;
    const depth = (depths.get(name) ?? 0) + 1;
    if (depth > MOST_DEEP + 1) return `more than ${MOST_DEEP} subflows or groups are inside each other; use fewer levels`;
    for (const held of inside.get(name) ?? []) {
      depths.set(held, Math.max(depths.get(held) ?? 0, depth));
      copies.set(held, (copies.get(held) ?? 0) + times);
      const left = (waits.get(held) ?? 0) - 1;
      waits.set(held, left);
      if (left === 0) next.push(held);
    }
  }
  const circle = [...waits].find(([, left]) => left > 0)?.[0];
  if (circle === undefined) return undefined;
  // What waits is held by something that waits as well, so the way outwards comes back to where it was.
  const seen = new Set<string>();
  let at = circle;
  while (!seen.has(at)) {
    seen.add(at);
    at = around.get(at)?.find((by) => (waits.get(by) ?? 0) > 0) ?? at;
  }
  return `the ${at} is inside of itself; take it out there`;
}

/** Whether objects and lists are more than so many inside each other; without calls of itself. */
export function deeperThan(value: unknown, most: number): boolean {
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 1 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value: at, depth } = next;
    if (typeof at !== 'object' || at === null) continue;
    if (depth > most) return true;
    for (const held of Object.values(at)) waiting.push({ value: held, depth: depth + 1 });
  }
  return false;
}

/** @returns what Node-RED takes as nodes of a list that may come from anywhere */
export function nodesIn(flows: unknown): Node[] {
  return Array.isArray(flows) ? flows.filter((node): node is Node => typeof node === 'object' && node !== null) : [];
}

function holdersOf(all: readonly Node[]) {
  const inside = new Map<string, string[]>();
  const around = new Map<string, string[]>();
  /** Nodes of a subflow or tab. */
  const own = new Map<string, number>();
  const put = (holder: string, held: string): void => {
    listIn(inside, holder).push(held);
    listIn(around, held).push(holder);
  };
  for (const { id, type, g, z } of all) {
    if (typeof type !== 'string' || typeof id !== 'string') continue;
    if (type === 'group') {
      if (typeof g === 'string') put(`group ${g}`, `group ${id}`);
      continue;
    }
    const place = `subflow ${typeof z === 'string' ? z : ''}`;
    own.set(place, (own.get(place) ?? 0) + 1);
    const used = /^subflow:(.+)$/.exec(type)?.[1];
    if (used !== undefined) put(place, `subflow ${used}`);
  }
  return { inside, around, own };
}

function listIn(map: Map<string, string[]>, key: string): string[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}
