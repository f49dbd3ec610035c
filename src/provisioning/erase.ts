/**
 * Takes secrets off the card: first written over where they lie, then the file is replaced. Both forms mean the same to the next start.
 * A flash card keeps old blocks that nobody addresses any more: erasing is what a file system can do, and no proof that no trace is left.
 */
import { parseYamlText } from '../config/yaml-source.ts';
import { readSmall } from '../disk/durable.ts';
import { type CardText, encode, encodeFile, MOST_BYTES } from './card-text.ts';
import { type Disk, PowerCut, Swapped } from './disk.ts';
import { X } from './pem-parts.ts';
import type { CardSecret, Plan } from './plan.ts';
import { ERASED, isGone } from './schema.ts';

const NOTE = ' # erased from the card; the gateway has it';

export interface Piece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What is written over each secret: signs of the same number of bytes, line ends and indents as they are. */
export function piecesOf(card: CardText, secrets: readonly CardSecret[]): Piece[] {
  const mark = card.hasMark ? encode('\ufeff', card.encoding).length : 0;
  return secrets.flatMap(({ range }) => {
    if (range === undefined) return [];
    const [from, to] = range;
    const before = encode(card.text.slice(0, from), card.encoding).length;
    const bytes = [...card.text.slice(from, to)].map((letter) =>
      /\s/.test(letter)
        ? encode(letter, card.encoding)
        : encode('x'.repeat(encode(letter, card.encoding).length / unit(card)), card.encoding),
    );
    return [{ at: mark + before, bytes: Buffer.concat(bytes) }];
  });
}

const unit = ({ encoding }: CardText): number => (encoding === 'utf-8' ? 1 : 2);

/** What becomes of the line with the id. */
export interface IdEdit {
  readonly id: string;
  /** Where an id stands that is not this one any more; undefined: the file has none. */
  readonly range: readonly [from: number, to: number] | undefined;
}

/** The text without secrets, and with the id of the gateway that took them. */
export function erasedText(card: CardText, secrets: readonly CardSecret[], edit: IdEdit | undefined): string {
  const end = card.text.includes('\r\n') ? '\r\n' : '\n';
  const edits = secrets.flatMap(({ range }) => {
    if (range === undefined) return [];
    const [from, to] = range;
    // A block behind `|` ends with its line break.
    const line = card.text.slice(from, to).endsWith('\n') ? end : '';
    const note = line === '' && /^[ \t]*(\r?\n|$)/.test(card.text.slice(to)) ? NOTE : '';
    return [{ from, to, text: `${ERASED}${note}${line}` }];
  });
  if (edit?.range !== undefined) edits.push({ from: edit.range[0], to: edit.range[1], text: edit.id });
  let { text } = card;
  for (const { from, to, text: put } of edits.sort((a, b) => b.from - a.from)) text = text.slice(0, from) + put + text.slice(to);
  if (edit === undefined || edit.range !== undefined) return text;
  const longer = `${text}${text === '' || text.endsWith('\n') ? '' : end}id: ${edit.id}   # written by the gateway: changes of this file are for it${end}`;
  // Behind a text in braces, or one that is indented as a whole, the line would break the file.
  return parseYamlText(card.file, longer).faults.length === 0 ? longer : text;
}

/** A file that is a secret as a whole. A cut leaves it, one of `x` alone, or none: all mean the same to the next start. */
function eraseFile(disk: Disk, { file, bytes }: NonNullable<Plan['keyFile']>): void {
  disk.overwrite(file, [{ at: 0, bytes: Buffer.alloc(bytes.length, X) }], bytes);
  disk.remove(file);
}

/**
 * @returns whether the file was replaced too. A full card cannot hold a second one; then the secrets are written over, and the rest stays.
 * @throws what the file system says: the secrets are still there. Swapped: another file is in its place, which the next start looks at
 */
export function erase(
  disk: Disk,
  card: CardText,
  { secrets, untidy, keyFile }: Pick<Plan, 'secrets' | 'untidy' | 'keyFile'>,
  edit: IdEdit | undefined,
): boolean {
  if (keyFile !== undefined) eraseFile(disk, keyFile);
  const text = erasedText(card, [...secrets, ...untidy], edit);
  if (text === card.text) return true;
  // A cut left some of these with their head alone written over.
  const pieces = piecesOf(card, [...secrets, ...untidy.filter((one) => !isGone(one.text.trim()))]);
  if (pieces.length > 0) disk.overwrite(card.file, pieces, card.bytes);
  const now = Buffer.from(card.bytes);
  for (const { at, bytes } of pieces) now.set(bytes, at);
  if (readSmall(card.file, MOST_BYTES)?.equals(now) !== true) throw new Swapped();
  try {
    disk.put(card.file, encodeFile(text, card), { mode: 0o644 });
    return true;
  } catch (thrown) {
    if (thrown instanceof PowerCut) throw thrown;
    return false;
  }
}
