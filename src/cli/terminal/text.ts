/**
 * Text on its way to a terminal. Names, messages and topics come from the field and may hold anything:
 * - nothing that a terminal obeys passes: no control character, no change of the writing direction;
 * - widths are columns: an East Asian letter takes two, an accent takes none.
 */
import stringWidth from 'string-width';

/** Letters of one text that are looked at; no line of a terminal is longer. */
const MAX_LETTERS = 2000;
/** Controls, line separators, marks that turn the writing direction, and letters that are no characters. */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const ASCII = /^[\x20-\x7e]*$/;
const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** What may be shown of a text: a sign stands for each character that a terminal would obey. */
export function clean(text: string): string {
  if (ASCII.test(text)) return text.length > MAX_LETTERS ? text.slice(0, MAX_LETTERS) : text;
  return text.slice(0, MAX_LETTERS).toWellFormed().replaceAll(OBEYED, '\ufffd');
}

/** Columns of a text that is clean. */
export function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** As much of a clean text as fits. */
export function cut(text: string, width: number): string {
  const most = Math.max(0, Math.floor(width));
  if (ASCII.test(text)) return text.slice(0, most);
  if (stringWidth(text) <= most) return text;
  let out = '';
  let used = 0;
  for (const { segment } of letters.segment(text)) {
    const next = used + stringWidth(segment);
    if (next > most) break;
    out += segment;
    used = next;
  }
  return out;
}

/** A clean text in a column: filled up with blanks, or cut with a mark at its end. */
export function column(text: string, width: number, { right = false, mark = '~' } = {}): string {
  const shown = clean(text);
  const most = Math.max(0, Math.floor(width));
  const fitted = widthOf(shown) <= most ? shown : cut(cut(shown, most - 1) + mark, most);
  const fill = ' '.repeat(Math.max(0, most - widthOf(fitted)));
  return right ? fill + fitted : fitted + fill;
}

function firstLetter(word: string): number {
  for (const { segment } of letters.segment(word)) return segment.length;
  return 1;
}

/** Clean lines that break at blanks; a word that is wider than a line breaks where it has to. */
export function wrap(text: string, width: number): string[] {
  const most = Math.max(1, Math.floor(width));
  const lines: string[] = [];
  let line = '';
  for (let word of clean(text).split(' ')) {
    while (word !== '') {
      const next = line === '' ? word : `${line} ${word}`;
      if (widthOf(next) <= most) {
        line = next;
        break;
      }
      if (line !== '') lines.push(line);
      line = '';
      if (widthOf(word) <= most) continue;
      // A letter of two columns does not fit into one, and has to go on all the same.
      const part = cut(word, most);
      lines.push(part === '' ? '?' : part);
      word = word.slice(part === '' ? firstLetter(word) : part.length);
    }
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line];
}
