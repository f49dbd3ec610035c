/** A line of a screen: pieces of text with a style. It becomes bytes in one place, which cleans, cuts and paints. */

import { clean } from './clean.ts';
import { cut, widthOf } from './text.ts';

/** Select Graphic Rendition (ECMA-48): colours that every terminal has, readable on a dark and on a light background. */
const SGR = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
  strong: '1;31',
  redBlock: '1;97;41',
  greenBlock: '30;42',
  yellowBlock: '30;43',
  cyanBlock: '30;46',
  plainBlock: '7',
} as const;
export type Style = keyof typeof SGR;

export interface Span {
  readonly text: string;
  readonly style?: Style | undefined;
}
export type Line = readonly Span[];

/** What a terminal can show. */
export interface Look {
  readonly colours: boolean;
  /** Signs outside of ASCII: bars, blocks. */
  readonly unicode: boolean;
}

export const span = (text: string, style?: Style): Span => ({ text, style });

/** Columns of a line before it is cut. */
export function lineWidth(line: Line): number {
  return line.reduce((sum, { text }) => sum + widthOf(clean(text)), 0);
}

/** The bytes of a line, and its columns: never more than `width`. */
export function render(line: Line, width: number, look: Look): { readonly text: string; readonly width: number } {
  let out = '';
  let used = 0;
  for (const { text, style } of line) {
    const shown = cut(clean(text), width - used);
    if (shown === '') continue;
    used += widthOf(shown);
    out += look.colours && style !== undefined ? `\u001b[${SGR[style]}m${shown}\u001b[0m` : shown;
  }
  return { text: out, width: used };
}

/** The words of a line, for a pipe and for tests. */
export function plain(line: Line): string {
  return line.map(({ text }) => clean(text)).join('');
}

/** A block of the banner: coloured where there are colours, else in brackets. Both are equally wide. */
export function block(text: string, style: Style, look: Look): Span {
  return look.colours ? span(` ${text} `, style) : span(`[${text}]`);
}

/** Blocks beside each other, in as many lines as they need. */
export function flow(blocks: readonly Span[], width: number, indent = 1): Line[] {
  const lines: Span[][] = [];
  let used = width;
  for (const one of blocks) {
    const wide = lineWidth([one]);
    if (used + 1 + wide > width) {
      lines.push([span(' '.repeat(indent)), one]);
      used = indent + wide;
    } else {
      lines.at(-1)?.push(span(' '), one);
      used += 1 + wide;
    }
  }
  return lines;
}

const COLOURED: Readonly<Record<string, Style>> = { '1': 'bold', '2': 'dim', '31': 'red', '32': 'green', '33': 'yellow' };

/** A line that the pages of the command line have painted. */
export function painted(text: string): Line {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is how colours are written
  const parts = text.split(/\u001b\[(\d+)m/);
  return parts.flatMap((part, i) => (i % 2 === 0 && part !== '' ? [span(part, COLOURED[parts[i - 1] ?? ''])] : []));
}
