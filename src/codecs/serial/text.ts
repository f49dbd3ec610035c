/** Text from the field may hold anything: terminal escape codes, NUL, invalid UTF-8. Only clean text goes further. */

/** Longest string value, in characters. */
export const MAX_STRING = 256;

const utf8 = new TextDecoder('utf-8', { ignoreBOM: false });

/** Invalid UTF-8 becomes U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

// ECMA-48: control sequences, strings with their terminator, other escapes.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the purpose
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]/g;
// Control characters, line and paragraph separators, and the marks that turn text around on a screen.
const CONTROLS =
  /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** Without control characters and terminal codes, trimmed, at most MAX_STRING characters. */
export function cleanText(text: string): string {
  const clean = text
    .slice(0, 16 * MAX_STRING)
    .replaceAll(ESCAPES, '')
    .replaceAll(CONTROLS, '')
    .trim();
  return clean.length <= MAX_STRING ? clean : Array.from(clean).slice(0, MAX_STRING).join('');
}
