/**
 * Files whose names only the board knows, as that of a password from a card. A text from upstream writes `{file: board:same}`, and gets
 * the file that the file on the board names for the same forwarder and key.
 */
import { isSection } from '../config/checker.ts';
import type { SecretReference } from '../config/secrets.ts';
import { parseYamlText } from '../config/yaml-source.ts';

export const SAME = 'board:same';
const FILE = 'file ';

/** What the board does not name stays as it is, and is refused by its bounds. */
export function withBoardFiles(text: string, references: readonly SecretReference[]): string {
  if (!text.includes(SAME)) return text;
  const source = parseYamlText('', text);
  const forwarders = isSection(source.value) ? source.value.forwarders : undefined;
  // By their places: one that an anchor repeats stands once.
  const names = new Map<number, readonly [to: number, name: string]>();
  for (const [forwarder, settings] of isSection(forwarders) ? Object.entries(forwarders) : [])
    for (const at of placesOf(settings)) {
      const key = (at.at(-1) === 'file' ? at.slice(0, -1) : at).join('.');
      const from = references.find((one) => one.forwarder === forwarder && one.at === key)?.from;
      const range = source.range(['forwarders', forwarder, ...at]);
      if (from?.startsWith(FILE) && range !== undefined) names.set(range[0], [range[1], JSON.stringify(from.slice(FILE.length))]);
    }
  // Ranges do not count the mark at the front of a text.
  let result = text.startsWith('\ufeff') ? text.slice(1) : text;
  for (const [from, [to, name]] of [...names].sort(([a], [b]) => b - a))
    result = `${result.slice(0, from)}${name}${result.slice(to)}`;
  return result;
}

function* placesOf(value: unknown, at: readonly string[] = []): Generator<readonly string[]> {
  if (value === SAME) yield at;
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* placesOf(item, [...at, key]);
}
