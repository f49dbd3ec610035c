/** JSON as damage or malice may leave it: the shape stays recognisable, and anything in it may be extreme, of another kind, or gone. */
import type { Random } from '../oracles/store-samples.ts';

const DEEP = 2000;
/** What lies deeper stays as it is: such a value may be harmed again. */
const MOST_LEVELS = 30;
/** Nothing of JSON nests deeper than parsers bear, but deeper than a program expects. */
const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

const HOSTILE: readonly (() => unknown)[] = [
  ...[-1, 0, 0.5, 1e15, -1e15, 8.64e15, 1e300, -1e300, 2 ** 53, Number.MAX_SAFE_INTEGER, -Number.MAX_VALUE, 5e-324].map(
    (n) => () => n,
  ),
  ...[null, true, false, '', '-', 'NaN', '\u0000', '\ud800', '__proto__', '1e999', '9'.repeat(400)].map((v) => () => v),
  () => 'x'.repeat(20_000),
  () => [],
  () => ({}),
  () => new Array(3000).fill(0),
  () => new Array(3000).fill({ rule: 'r', at: 1e300 }),
  () => JSON.parse('{"__proto__":{"state":"normal"},"constructor":1}') as unknown,
  () => nested(DEEP),
];

/** Some nodes of a value are replaced, doubled or taken away. @param share of the nodes, 0 to 1 @param depth of this node */
export function hostileJson(value: unknown, next: Random, share = 0.15, depth = 0): unknown {
  if (depth > MOST_LEVELS) return value;
  if (next(1000) < share * 250) return next.pick(HOSTILE)();
  if (Array.isArray(value)) {
    const items = value.flatMap((item): unknown[] => {
      const one = hostileJson(item, next, share, depth + 1);
      const luck = next(1000);
      if (luck < share * 100) return [];
      return luck > 1000 - share * 100 ? [one, one] : [one];
    });
    return next(1000) < share * 50 ? [...items, ...items, ...items] : items;
  }
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, part]) =>
        next(1000) < share * 100 ? [] : [[key, hostileJson(part, next, share, depth + 1)] as const],
      ),
    );
  return next(1000) < share * 400 ? next.pick(HOSTILE)() : value;
}
