/** Names, messages and topics come from the field and may hold anything: nothing that a terminal obeys passes. */

/** Letters of one text that are looked at; no line of a terminal is longer. */
const MAX_LETTERS = 2000;
/** Controls, line separators, marks that turn the writing direction, and letters that are no characters. */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
export const ASCII = /^[\x20-\x7e]*$/;

/** What may be shown of a text: a sign stands for each character that a terminal would obey. */
export function clean(text: string): string {
  if (ASCII.test(text)) return text.length > MAX_LETTERS ? text.slice(0, MAX_LETTERS) : text;
  return text.slice(0, MAX_LETTERS).toWellFormed().replaceAll(OBEYED, '\ufffd');
}
