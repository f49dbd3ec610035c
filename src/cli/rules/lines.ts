/** The lines of a file that somebody gave: text of any origin and any length, in bounded memory. */
import { SluiceError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { LONGEST_LINE } from './recording.ts';

const NEWLINE = 10;

/** First bytes of files that are no text, and what to do with them. */
const FOREIGN: readonly (readonly [bytes: readonly number[], words: string])[] = [
  [[0x50, 0x4b, 0x03, 0x04], 'it is a spreadsheet or an archive, not a table of text. Save it as CSV (UTF-8)'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'it is a spreadsheet, not a table of text. Save it as CSV (UTF-8)'],
  [[0x1f, 0x8b], 'it is compressed. Unpack it first: gunzip -c FILE | sluice rules test -'],
  [[0xff, 0xfe], 'it is text in UTF-16. Save it as CSV (UTF-8)'],
  [[0xfe, 0xff], 'it is text in UTF-16. Save it as CSV (UTF-8)'],
];

export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

export function atLine(line: number, words: string): SluiceError {
  return new SluiceError('recording', `line ${line}: ${words}`);
}

/**
 * Each line without its end (LF or CRLF) and without a byte order mark. Bound: a piece of the file and LONGEST_LINE.
 * @throws SluiceError recording, with the line: a line that is too long, a NUL, another encoding than UTF-8
 */
export async function* linesOf(pieces: AsyncIterable<Uint8Array | string>): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  const batch = (bytes: Buffer): Line[] => {
    const texts = decoded(decoder, bytes, number).split('\n');
    texts.pop();
    return texts.map((text) => ({ text: text.endsWith('\r') ? text.slice(0, -1) : text, number: ++number }));
  };
  let first = true;
  for await (const piece of pieces) {
    let bytes: Buffer =
      typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (rest.length > 0) bytes = Buffer.concat([rest, bytes]);
    if (first && bytes.length < 4) {
      rest = bytes;
      continue;
    }
    if (first) bytes = begun(bytes);
    first = false;
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    checkLengths(bytes, number);
    rest = bytes.subarray(end);
    if (end > 0) yield batch(bytes.subarray(0, end));
  }
  if (first) rest = begun(rest);
  if (rest.length > 0) yield batch(Buffer.concat([rest, Buffer.from('\n')]));
}

/** @throws SluiceError recording: no text */
function begun(bytes: Buffer): Buffer {
  for (const [start, words] of FOREIGN)
    if (start.every((byte, i) => bytes[i] === byte)) throw new SluiceError('recording', `the file cannot be read: ${words}`);
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** @param before lines before these bytes */
function checkLengths(bytes: Buffer, before: number): void {
  if (bytes.length <= LONGEST_LINE) return;
  let number = before + 1;
  for (let at = 0; at < bytes.length; number++) {
    const end = bytes.indexOf(NEWLINE, at);
    if ((end === -1 ? bytes.length : end) - at > LONGEST_LINE)
      throw atLine(number, `it is longer than ${formatSize(LONGEST_LINE)}, so this is no recording`);
    if (end === -1) return;
    at = end + 1;
  }
}

function decoded(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer, before: number): string {
  const lineAt = (place: number): number => {
    let number = before + 1;
    for (let at = bytes.indexOf(NEWLINE); at !== -1 && at < place; at = bytes.indexOf(NEWLINE, at + 1)) number++;
    return number;
  };
  const nul = bytes.indexOf(0);
  if (nul !== -1) throw atLine(lineAt(nul), 'it has a NUL byte, so the file is no text or is damaged');
  try {
    return decoder.decode(bytes);
  } catch {
    throw atLine(lineAt(firstWrong(bytes)), 'it is not in UTF-8. Save the file as CSV (UTF-8)');
  }
}

/** The place of the first line that cannot be decoded. */
function firstWrong(bytes: Buffer): number {
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    const line = bytes.subarray(at, end === -1 ? bytes.length : end);
    if (line.includes(0xff) || !Buffer.from(line.toString('utf8')).equals(line)) return at;
    if (end === -1) break;
    at = end + 1;
  }
  return 0;
}
