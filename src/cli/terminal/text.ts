/**
 * Text on its way to a terminal, after clean.ts. Widths are columns: an East Asian letter takes two, an accent takes none.
 */
import stringWidth from 'string-width';
import { ASCII, clean } from './clean.ts';

const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

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
