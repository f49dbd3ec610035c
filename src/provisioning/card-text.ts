/**
 * The text of `sluice.yaml` as people save it on Windows, macOS and Linux: its name, its encoding, its line ends. What is read is
 * bounded before it is read: 64 kB, 65,536 entries of the folder. Nothing on the card throws; it becomes words.
 */
import { lstatSync, opendirSync } from 'node:fs';
import path from 'node:path';
import { readSmall } from '../disk/durable.ts';

/** Bytes. A file with thirty devices has 4 kB. */
export const MOST_BYTES = 64 * 1024;
/** Entries of the boot partition that are looked at. A folder of FAT has no more; Raspberry Pi OS has about 80 there. */
export const MOST_ENTRIES = 65_536;

/** Windows hides endings and adds `.txt`; browsers add ` (1)`; old cameras and FAT write capitals. */
const NAMES = /^sluice(?: ?\(\d{1,3}\))?\.(?:ya?ml(?:\.txt)?|txt)$/i;

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

export interface CardText {
  readonly file: string;
  readonly text: string;
  readonly encoding: Encoding;
  readonly hasMark: boolean;
  /** The whole file as it was read. Another file in its place is not written to. */
  readonly bytes: Uint8Array;
}

export type FoundText =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'text' } & CardText)
  /** `line` is 1-based. */
  | { readonly kind: 'bad'; readonly file: string; readonly line: number; readonly why: string };

/** Looks for the file on a boot partition. Never throws. */
export function findText(boot: string): FoundText {
  const names: string[] = [];
  let all = false;
  try {
    using dir = opendirSync(boot);
    for (let seen = 0; seen < MOST_ENTRIES; seen++) {
      const entry = dir.readSync();
      all = entry === null;
      if (entry === null) break;
      if (NAMES.test(entry.name)) names.push(entry.name);
    }
  } catch {
    return { kind: 'none' };
  }
  names.sort();
  const [name] = names;
  if (name === undefined && all) return { kind: 'none' };
  const file = path.join(boot, name ?? 'sluice.yaml');
  const bad = (why: string, line = 1): FoundText => ({ kind: 'bad', file, line, why });
  if (name === undefined)
    return bad(
      `more than ${MOST_ENTRIES} files lie on the card, and no more are looked at; remove those that do not belong there`,
    );
  if (names.length > 1) return bad(`there are several files: ${names.slice(0, 5).join(', ')}. Keep one, and name it sluice.yaml`);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return { kind: 'none' };
  if (stat.isDirectory()) return bad(`${name} is a folder; put the file itself on the card`);
  if (!stat.isFile()) return bad(`${name} is not an ordinary file; put a text file there`);
  if (stat.size > MOST_BYTES)
    return bad(
      `the file has ${Math.ceil(stat.size / 1024)} kB and was not read; at most 64 kB are allowed (is this the right file?)`,
    );
  const bytes = readSmall(file, MOST_BYTES);
  if (bytes === undefined) return bad('the file cannot be read; copy it to the card again');
  return decode(file, bytes);
}

export function decode(file: string, bytes: Uint8Array): FoundText {
  const bad = (why: string, line = 1): FoundText => ({ kind: 'bad', file, line, why });
  const { encoding, mark } = encodingOf(bytes);
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes.subarray(mark));
  } catch {
    return encoding === 'utf-8'
      ? bad('the file is not UTF-8 text; in Notepad choose "Save as" and "Encoding: UTF-8"', firstBadLine(bytes))
      : bad('the file is damaged UTF-16 text; in Notepad choose "Save as" and "Encoding: UTF-8"');
  }
  const nul = text.indexOf('\0');
  if (nul !== -1)
    return bad(
      'there is a zero byte here: the file is damaged or not a text; write it again',
      text.slice(0, nul).split('\n').length,
    );
  if (text.trim() === '') return bad('the file is empty; copy the example from the documentation into it');
  // An editor of the old kind ends lines with CR alone, which YAML does not know. The length stays, so places stay.
  return { kind: 'text', file, text: text.replace(/\r(?!\n)/g, '\n'), encoding, hasMark: mark > 0, bytes };
}

function encodingOf(bytes: Uint8Array): { readonly encoding: Encoding; readonly mark: number } {
  const [a, b, c, d] = bytes;
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', mark: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', mark: 2 };
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', mark: 3 };
  // Without a mark: a file begins with two signs of ASCII, and every second byte is zero.
  if (b === 0 && d === 0 && a !== 0 && c !== 0) return { encoding: 'utf-16le', mark: 0 };
  if (a === 0 && c === 0 && b !== 0 && d !== 0) return { encoding: 'utf-16be', mark: 0 };
  return { encoding: 'utf-8', mark: 0 };
}

/** The bytes of a part of the text, as the file has them. */
export function encode(text: string, encoding: Encoding): Buffer {
  if (encoding === 'utf-8') return Buffer.from(text);
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf-16be' ? bytes.swap16() : bytes;
}

/** A whole file in the form that was found. */
export function encodeFile(text: string, { encoding, hasMark }: Pick<CardText, 'encoding' | 'hasMark'>): Buffer {
  return encode(hasMark ? `\ufeff${text}` : text, encoding);
}

function firstBadLine(bytes: Uint8Array): number {
  const strict = new TextDecoder('utf-8', { fatal: true });
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(10, start);
    try {
      strict.decode(bytes.subarray(start, end === -1 ? undefined : end));
    } catch {
      return line;
    }
    if (end === -1) return 1;
    start = end + 1;
  }
}
