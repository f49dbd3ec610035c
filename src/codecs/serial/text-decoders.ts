/** Decoders of text: regular expression, CSV, JSON, key=value, the text itself. */
import { LinearRegExp } from './linear-regexp.ts';
import { decodeText } from './text.ts';
import type { CsvDecode, Decoded, Decoder, Field, KeyValueDecode, RegexDecode } from './types.ts';
import { MAX_REGEX_LINE, REFUSED, UNPARSABLE } from './types.ts';

const fields = (get: (from: string) => Field): Decoded => ({ kind: 'fields', group: '', get });

export class RegexDecoder implements Decoder {
  private readonly pattern: LinearRegExp;

  constructor(config: RegexDecode) {
    this.pattern = new LinearRegExp(config.pattern);
  }

  decode(frame: Uint8Array): Decoded {
    const text = decodeText(frame);
    const groups = text.length > MAX_REGEX_LINE ? undefined : this.pattern.exec(text);
    return groups === undefined ? REFUSED : fields((from) => groups.get(from));
  }
}

export class CsvDecoder implements Decoder {
  private readonly separator: string;
  private readonly header: boolean;
  /** The words that points ask for: one of them is in each header. */
  private readonly wanted: ReadonlySet<string>;
  private columns: ReadonlyMap<string, number> | undefined;
  /** The header that was seen last. */
  private last: string | undefined;

  constructor(config: CsvDecode, wanted: Iterable<string>) {
    this.separator = config.separator;
    this.header = config.header;
    this.wanted = new Set([...wanted].filter((from) => !isIndex(from)));
    this.columns = config.columns && positions(config.columns);
  }

  decode(frame: Uint8Array): Decoded {
    const text = decodeText(frame);
    // Columns set apart by blanks are padded as a rule.
    const cells = splitCells(this.separator === ' ' ? text.trim().replaceAll(/ +/g, ' ') : text, this.separator);
    if (cells === undefined) return REFUSED;
    if (this.header && this.isHeader(text, cells)) {
      this.columns = positions(cells);
      this.last = text;
      return { kind: 'other' };
    }
    const columns = this.columns;
    if (this.header && columns === undefined && this.wanted.size > 0) return REFUSED;
    return fields((from) => {
      const index = columns?.get(from) ?? (isIndex(from) ? Number(from) : undefined);
      const cell = index === undefined ? undefined : cells[index];
      return cell === '' ? undefined : cell;
    });
  }

  /** A text of a reading may be the name of a column as well: then the line has numbers, and the columns are known. */
  private isHeader(text: string, cells: readonly string[]): boolean {
    if (text === this.last) return true;
    const isNamed = this.wanted.size > 0 ? cells.some((cell) => this.wanted.has(cell)) : this.columns === undefined;
    const isKnown = this.columns !== undefined || this.wanted.size === 0;
    return isNamed && !(isKnown && cells.some((cell) => NUMBER.test(cell)));
  }
}

/** As in `4.5`, `-12` or `1,5e3`. */
const NUMBER = /^[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?$/i;

const isIndex = (from: string) => /^\d{1,4}$/.test(from);

/** The first of several columns with one name counts. */
function positions(columns: readonly string[]): Map<string, number> {
  return new Map(columns.map((name, i) => [name, i] as const).reverse());
}

/** RFC 4180 quotes; undefined when a quote is not closed. Cells are trimmed, unless quoted. */
export function splitCells(line: string, separator: string): string[] | undefined {
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    const quoted = /^\s*"/.exec(line.slice(at, at + 16));
    let end: number;
    if (quoted && separator !== '"') {
      let text = '';
      let from = at + quoted[0].length;
      let close = line.indexOf('"', from);
      while (close >= 0 && line[close + 1] === '"') {
        text += line.slice(from, close + 1);
        from = close + 2;
        close = line.indexOf('"', from);
      }
      if (close < 0) return undefined;
      cells.push(text + line.slice(from, close));
      end = line.indexOf(separator, close + 1);
    } else {
      end = line.indexOf(separator, at);
      cells.push(line.slice(at, end < 0 ? undefined : end).trim());
    }
    if (end < 0) return cells;
    at = end + separator.length;
  }
}

/** Every field is the whole text. */
export class WholeDecoder implements Decoder {
  decode(frame: Uint8Array): Decoded {
    const text = decodeText(frame).trim();
    return text === '' ? REFUSED : fields(() => text);
  }
}

export class JsonDecoder implements Decoder {
  decode(frame: Uint8Array): Decoded {
    let root: unknown;
    try {
      root = JSON.parse(decodeText(frame), keepBigIntegers);
    } catch {
      return REFUSED;
    }
    if (typeof root !== 'object' || root === null) return REFUSED;
    return fields((from) => {
      let node: unknown = root;
      for (const key of from.split('.')) {
        if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
        node = (node as Record<string, unknown>)[key];
      }
      switch (typeof node) {
        case 'number':
        case 'bigint':
        case 'boolean':
        case 'string':
          return node;
        default:
          // null is what JSON.stringify makes of NaN.
          return node === null ? null : UNPARSABLE;
      }
    });
  }
}

/** A double has lost digits past 2^53, so whole numbers out there are taken from the text. */
function keepBigIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return context?.source !== undefined && /^-?\d{16,20}$/.test(context.source) ? BigInt(context.source) : value;
}

export class KeyValueDecoder implements Decoder {
  private readonly separator: string | undefined;
  private readonly assign: string;
  private readonly wanted: ReadonlySet<string>;

  /** @param wanted keys that points ask for */
  constructor(config: KeyValueDecode, wanted: Iterable<string> = []) {
    this.separator = config.separator;
    this.assign = config.assign;
    this.wanted = new Set(wanted);
  }

  decode(frame: Uint8Array): Decoded {
    const text = decodeText(frame);
    const pairs = new Map<string, string>();
    for (const piece of this.separator === undefined ? this.words(text) : text.split(this.separator)) {
      const at = piece.indexOf(this.assign);
      const key = at < 0 ? '' : piece.slice(0, at).trim();
      if (key !== '') pairs.set(key, piece.slice(at + this.assign.length).trim());
    }
    if (pairs.size === 0) return REFUSED;
    return fields((from) => {
      const value = pairs.get(from);
      return value === '' ? undefined : value;
    });
  }

  /** Without a separator of its own: white space, comma, semicolon; blanks around the assignment do not count. */
  private words(text: string): string[] {
    const parts = text.split(this.assign);
    const tight = parts.map((part, i) => {
      const word = part.trim();
      // `humidity= temperature=20`: a key behind the blank, and no value before it.
      const isNext = i > 0 && i < parts.length - 1 && part.startsWith(' ') && this.wanted.has(word);
      return isNext ? ` ${word}` : word;
    });
    return tight.join(this.assign).split(/[\s,;]+/);
  }
}
