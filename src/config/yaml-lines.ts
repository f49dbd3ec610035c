/** What is wrong with a line, where YAML says only that it lost its way. */

import { shownPair } from './yaml-words.ts';

/** A line that a person wrote out of habit, or with one blank too many or too few. */
export interface LineFault {
  /** From 0. */
  readonly line: number;
  /** From 0, in the line. */
  readonly column: number;
  readonly message: string;
}

/** Signs that look like a blank and are none: from pages, PDF files and word processors. */
const ODD_BLANK = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]/;
const LONGEST_LINE = 2000;
/** A key and a value that ends on its line. */
const VALUE = /^\s*(?:- )?[\w-]+:\s+(?:[^\s#|>&{["'].*|\{.*\}|\[.*\]|".*"|'.*')\s*(?:#.*)?$/;

/**
 * What is wrong with the lines around the place where YAML lost its way: it complains of what comes next, or of the line before.
 * @param line from 0
 */
export function lineFault(lines: readonly string[], line: number): LineFault | undefined {
  // Between the place and the line that is wrong there may be empty lines and comments.
  let next = line + 1;
  while (next < lines.length - 1 && indentOf(lines[next] ?? '') === -1) next++;
  for (const at of [line, next, line - 1]) {
    const text = lines[at];
    const fault = text === undefined || text.length > LONGEST_LINE ? undefined : oddLine(text);
    if (fault !== undefined) return { line: at, ...fault };
  }
  for (const at of [line, next]) {
    const fault = oddIndent(lines, at);
    if (fault !== undefined) return { line: at, ...fault };
  }
  return undefined;
}

/** The column of the first sign; -1 for a line that means nothing. */
function indentOf(line: string): number {
  const column = line.slice(0, LONGEST_LINE).search(/\S/);
  return line[column] === '#' ? -1 : column;
}

function oddIndent(lines: readonly string[], at: number): Omit<LineFault, 'line'> | undefined {
  const column = indentOf(lines[at] ?? '');
  if (column === -1) return undefined;
  // The columns of the sections that the line may belong to, the innermost last.
  const open: { column: number; line: number }[] = [];
  for (let i = 0; i < at; i++) {
    const indent = indentOf(lines[i] ?? '');
    if (indent === -1) continue;
    while (open.length > 0 && (open.at(-1)?.column ?? 0) >= indent) open.pop();
    open.push({ column: indent, line: i });
  }
  const deepest = open.at(-1);
  const same = open.find((section) => section.column === column);
  const text = (lines[at] ?? '').slice(column);
  const isItem = (line: string) => /^\s*-(\s|$)/.test(line);
  if (same !== undefined && isItem(lines[same.line] ?? '') && !isItem(text))
    return {
      column,
      message: `line ${same.line + 1} makes a list with its "-", and this line is not part of it; write names in place of "-"`,
    };
  if (deepest === undefined || same !== undefined) return undefined;
  if (column < deepest.column) {
    const outer = open.findLast((section) => section.column < column)?.column;
    const [first] = open;
    if (outer === undefined)
      return {
        column,
        message: `line ${(first?.line ?? 0) + 1} begins in column ${(first?.column ?? 0) + 1} and this one in column ${column + 1}; begin both in the same column`,
      };
    const inner = open.find((section) => section.column > column)?.column ?? 0;
    return {
      column,
      message: `this line begins in column ${column + 1}, between the columns of the lines above (${outer + 1} and ${inner + 1}); begin it in one of them`,
    };
  }
  // A value, and under it a key that is indented deeper: the value cannot have keys.
  if (VALUE.test(lines[deepest.line] ?? '') && /^[\w-]+:(\s|$)/.test(text))
    return {
      column,
      message: `this line is indented deeper than ${deepest.line === at - 1 ? 'the line above' : `line ${deepest.line + 1}`}; begin both in the same column (${deepest.column + 1})`,
    };
  return undefined;
}

function oddLine(text: string): Omit<LineFault, 'line'> | undefined {
  const column = text.search(/\S/);
  if (column === -1 || text[column] === '#') return undefined;
  const odd = text.search(ODD_BLANK);
  if (odd !== -1)
    return {
      column: odd,
      message: 'this is not an ordinary space (was it copied from a page or a PDF?); type a space instead',
    };
  const rest = text.slice(column);
  if (/^(\/\/|\/\*|;|--\s)/.test(rest)) return { column, message: 'a comment begins with #' };
  const [, key = '', value = ''] = /^([A-Za-z][\w-]*)\s*=\s*(.*?)\s*$/.exec(rest) ?? [];
  if (key !== '') return { column, message: `write a colon and a space in place of the equals sign: ${shownPair(key, value)}` };
  const [, glued = '', worth = ''] = /^(?:- )?([A-Za-z][\w-]*):([^\s/].*?)\s*$/.exec(rest) ?? [];
  if (glued !== '') return { column, message: `a space is missing after the colon; write ${shownPair(glued, worth)}` };
  return undefined;
}
