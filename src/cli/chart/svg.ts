/** Pieces of an SVG document. Every text that comes from outside goes through `escaped`. */

/** Control characters, most of which XML 1.0 does not have (section 2.2), halves of characters, and two that are none. */
const NO_XML = /[\p{Cc}\p{Cs}\ufffe\uffff]/gu;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escaped(text: string): string {
  return text.replace(NO_XML, '\ufffd').replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
}

export function shortened(text: string, longest: number): string {
  const all = [...text];
  return all.length > longest ? `${all.slice(0, longest - 1).join('')}…` : text;
}

/** A coordinate: a tenth of a pixel is finer than anybody sees. */
export function px(n: number): string {
  return String(Math.round(n * 10) / 10);
}

export interface TextOptions {
  readonly class?: string;
  readonly anchor?: 'middle' | 'end';
}

/** @param words not escaped yet */
export function textAt(x: number, y: number, words: string, options: TextOptions = {}): string {
  const kind = options.class === undefined ? '' : ` class="${options.class}"`;
  const anchor = options.anchor === undefined ? '' : ` text-anchor="${options.anchor}"`;
  return `<text x="${px(x)}" y="${px(y)}"${kind}${anchor}>${escaped(words)}</text>`;
}

export function lineAt(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<path class="${kind}" d="M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}"/>`;
}

/** @param tip shown where a pointer rests on it */
export function rectAt(x: number, y: number, width: number, height: number, kind: string, tip?: string): string {
  const end = tip === undefined ? '/>' : `><title>${escaped(tip)}</title></rect>`;
  return `<rect class="${kind}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"${end}`;
}
