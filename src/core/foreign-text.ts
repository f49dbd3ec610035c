/** Texts that an outsider chose, for a log line or an event. */

/** Control and format characters (they move a cursor, turn the direction of text or hide), line and paragraph separators, halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** @param longest characters of it that are kept; the escapes of those that cannot be seen come on top */
export function foreignText(text: string, longest: number): string {
  const kept = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return kept.replace(UNSEEN, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}
