/** The rows of a CSV file (RFC 4180), of any separator, in bounded memory. */
import { formatSize } from '../../core/units.ts';
import { atLine, type Line } from './lines.ts';
import { LONGEST_LINE, MOST_COLUMNS } from './recording.ts';

export interface Row {
  readonly cells: readonly string[];
  /** The line where it begins. */
  readonly line: number;
}

const SEPARATORS = [',', ';', '\t'] as const;
export type Separator = (typeof SEPARATORS)[number] | '|';

/** The separator that occurs most often outside of quotes. */
export function separatorOf(header: string): Separator {
  const plain = header.replace(/"[^"]*"/g, '');
  const count = (separator: string): number => plain.split(separator).length;
  return SEPARATORS.reduce<Separator>((best, next) => (count(next) > count(best) ? next : best), ',');
}

/** Makes rows of lines. A quoted cell may go over several lines. Bound: one row of LONGEST_LINE characters. */
export class Rows {
  readonly #separator: string;
  /** A row whose quote is not closed yet. */
  #open: { text: string; line: number } | undefined;

  constructor(separator: Separator) {
    this.#separator = separator;
  }

  /** @returns undefined where the row goes on in the next line, and for an empty line @throws SluiceError recording */
  take({ text, number }: Line): Row | undefined {
    const open = this.#open;
    if (open === undefined && !text.includes('"'))
      return text === '' ? undefined : this.#row(text.split(this.#separator), number);
    const whole = open === undefined ? { text, line: number } : { text: `${open.text}\n${text}`, line: open.line };
    if (whole.text.length > LONGEST_LINE)
      throw atLine(
        whole.line,
        `the quote that begins here is not closed within ${formatSize(LONGEST_LINE)}; remove the quote or close it`,
      );
    // The quotes of a whole row are in pairs; only when they are the row is read.
    if (open !== undefined && !text.includes('"')) {
      this.#open = whole;
      return undefined;
    }
    const cells = cellsOf(whole.text, this.#separator, whole.line);
    this.#open = cells === undefined ? whole : undefined;
    return cells === undefined ? undefined : this.#row(cells, whole.line);
  }

  /** @throws SluiceError recording: a quote that is never closed */
  end(): void {
    if (this.#open !== undefined)
      throw atLine(this.#open.line, 'the quote that begins here is never closed; remove the quote or close it');
  }

  #row(cells: readonly string[], line: number): Row {
    if (cells.length > MOST_COLUMNS) throw atLine(line, `it has ${cells.length} columns; a table may have ${MOST_COLUMNS}`);
    return { cells, line };
  }
}

/** undefined: a quote is open at the end. */
function cellsOf(text: string, separator: string, line: number): string[] | undefined {
  const cells: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const end = text.indexOf(separator, at);
      cells.push(end === -1 ? text.slice(at) : text.slice(at, end));
      if (end === -1) return cells;
      at = end + 1;
    } else {
      let cell = '';
      for (at++; ; ) {
        const quote = text.indexOf('"', at);
        if (quote === -1) return undefined;
        cell += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        cell += '"';
        at++;
      }
      cells.push(cell);
      if (at >= text.length) return cells;
      if (text[at] !== separator) throw atLine(line, `after the closing quote of a cell "${separator}" is missing`);
      at++;
    }
    if (cells.length > MOST_COLUMNS) throw atLine(line, `it has more than ${MOST_COLUMNS} columns`);
  }
}
