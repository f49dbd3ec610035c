/**
 * Adds entries to sections of a configuration file as text: what a person wrote, with comments and spacing, stays as it is. Pure.
 */
import { isMap, isScalar, type Node, parseDocument, stringify } from 'yaml';
import { SluiceError } from '../core/errors.ts';

/** Letters of a line of comment that are looked at. */
const LONGEST_COMMENT = 4096;

/** Lines of YAML for the entries of a section, without its key. @param indent spaces in front of each line */
export function entryLines(entries: Readonly<Record<string, unknown>>, indent: number): string {
  const lines = stringify(entries, { lineWidth: 120, defaultStringType: 'PLAIN', indent: 2 }).trimEnd().split('\n');
  return lines.map((line) => (line === '' ? '' : ' '.repeat(indent) + line)).join('\n');
}

/**
 * @param sections entries by section; sections without an entry change nothing
 * @param comment a line above what is added
 * @param rename how another name is chosen where there is such an entry already
 * @returns the new text
 * @throws SluiceError usage: an entry exists already, or a section is written in braces
 */
export function addEntries(
  text: string,
  sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  comment: string,
  rename = 'choose other names',
): string {
  const document = parseDocument(text, { uniqueKeys: true });
  const root = document.contents;
  if (document.errors.length > 0 || (root !== null && !isMap(root)))
    throw new SluiceError('usage', 'the file is not a configuration that can be read; see: sluice check');
  /** `fresh`: a whole section, which stands behind all that is added to others. */
  const pieces: { at: number; text: string; fresh: boolean }[] = [];
  for (const [name, entries] of Object.entries(sections)) {
    if (Object.keys(entries).length === 0) continue;
    const pair = root?.items.find(({ key }) => isScalar(key) && key.value === name);
    const section = (pair?.value ?? null) as Node | null;
    if (pair === undefined || section === null || (isScalar(section) && section.value === null)) {
      if (pair !== undefined) {
        const at = lineEnd(text, (pair.key as Node).range?.[1] ?? 0);
        pieces.push({ at, text: `  # ${comment}\n${entryLines(entries, 2)}\n`, fresh: false });
      } else pieces.unshift({ at: text.length, text: `\n${name}:\n  # ${comment}\n${entryLines(entries, 2)}\n`, fresh: true });
      continue;
    }
    if (!isMap(section) || section.flow === true || section.items.length === 0)
      throw new SluiceError('usage', `${name}: is written in braces; write one entry on each line, then entries can be added`);
    const keys = section.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
    const taken = Object.keys(entries).filter((key) => keys.includes(key));
    if (taken.length > 0)
      throw new SluiceError('usage', `${name} has ${taken.join(', ')} already; ${rename}, or remove the old entries first`);
    const first = section.items[0]?.key as Node;
    const start = first.range?.[0] ?? 0;
    const indent = start - (text.lastIndexOf('\n', start - 1) + 1);
    const last = section.items.at(-1);
    const node = (last?.value ?? last?.key ?? section) as Node;
    const end = node.range?.[1] ?? text.length;
    pieces.push({
      at: behindComments(text, lineEnd(text, end), indent),
      text: `${' '.repeat(indent)}# ${comment}\n${entryLines(entries, indent)}\n`,
      fresh: false,
    });
  }
  let made = text;
  const ends = text.includes('\r\n') ? '\r\n' : '\n';
  for (const { at, text: lines } of pieces.sort((a, b) => b.at - a.at || Number(b.fresh) - Number(a.fresh))) {
    const before = made.slice(0, at);
    const added = `${before === '' || before.endsWith('\n') ? '' : '\n'}${lines}`.replaceAll('\n', ends);
    made = `${before}${added}${made.slice(at)}`;
  }
  return made;
}

/** Behind the comments that stand deeper than the entries: they belong to the last one. */
function behindComments(text: string, at: number, indent: number): number {
  let end = at;
  for (;;) {
    const [line = ''] = /^[ \t]*#[^\n]*\n?/.exec(text.slice(end, end + LONGEST_COMMENT)) ?? [];
    if (line.search(/\S/) <= indent) return end;
    end += line.length;
  }
}

/** Behind the line break of the line that `at` is in. */
function lineEnd(text: string, at: number): number {
  // The end of a block lies behind its last line break.
  if (at > 0 && text[at - 1] === '\n') return at;
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}
