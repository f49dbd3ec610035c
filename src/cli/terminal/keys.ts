/** Keys out of the bytes that a terminal in raw mode sends. */

const ESCAPE = '\u001b';
/** Keys of one piece that are looked at: a key that is held down, or text that is pasted, ends there. */
const MAX_KEYS = 32;
const NAMED: Readonly<Record<string, string>> = {
  '\u0003': 'ctrl-c',
  '\u0004': 'ctrl-d',
  '\u001a': 'ctrl-z',
  '\r': 'enter',
  '\n': 'enter',
  ' ': 'space',
  '[A': 'up',
  '[B': 'down',
  OA: 'up',
  OB: 'down',
  '[5~': 'page-up',
  '[6~': 'page-down',
  '[H': 'home',
  '[F': 'end',
};
/** What follows the escape character: CSI and SS3 sequences (ECMA-48). A sequence that nobody knows is one key that means nothing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys are sent as these
const KEY = /\u001b(?:\[[0-?]*[ -/]*[@-~]|O[@-~]|[^[O])?|[^\u001b]/gu;

/** Names of keys as above, else the letter. */
export function keysOf(text: string): string[] {
  const keys: string[] = [];
  for (const [key] of text.matchAll(KEY)) {
    if (keys.length === MAX_KEYS) break;
    const name = key.startsWith(ESCAPE) ? (NAMED[key.slice(1)] ?? 'unknown') : (NAMED[key] ?? key);
    // The end is never lost behind others.
    if (name === 'ctrl-c') return ['ctrl-c'];
    keys.push(name);
  }
  return text.includes('\u0003') ? ['ctrl-c'] : keys;
}
