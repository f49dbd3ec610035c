/** Records of SQLite as bytes (format: sqlite.org/fileformat2.html, "Record Format"): what a cell of a page holds. */
import type { Cell } from '../files/found-row.ts';

/** No table of ours has as many columns. */
const MAX_COLUMNS = 32;

/** Reads numbers of variable length one after the other. */
export class Cursor {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }
  /** Seven bits a byte, the most significant first; the ninth byte counts whole. undefined: cut short, or beyond 2^53. */
  varint(): number | undefined {
    let value = 0;
    for (let i = 0; i < 9; i++) {
      if (this.at >= this.#end) return undefined;
      const byte = this.#bytes[this.at++] as number;
      if (i === 8) value = value * 256 + byte;
      else {
        value = value * 128 + (byte & 0x7f);
        if (byte < 0x80) break;
      }
    }
    return Number.isSafeInteger(value) ? value : undefined;
  }
}

/** Columns of a record; undefined where its head does not fit its length (fileformat2, "Record Format"). */
export function readRecord(payload: Buffer): Cell[] | undefined {
  const head = new Cursor(payload, 0, payload.length);
  const headLength = head.varint();
  if (headLength === undefined || headLength > payload.length) return undefined;
  const types: number[] = [];
  while (head.at < headLength) {
    const type = head.varint();
    if (type === undefined || type === 10 || type === 11 || types.length === MAX_COLUMNS) return undefined;
    types.push(type);
  }
  if (head.at !== headLength) return undefined;
  const columns: Cell[] = [];
  let at = headLength;
  for (const type of types) {
    const length = lengthOf(type);
    if (at + length > payload.length) return undefined;
    columns.push(readCell(payload, at, type, length));
    at += length;
  }
  return at === payload.length ? columns : undefined;
}
function lengthOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] as number;
}
function readCell(bytes: Buffer, at: number, type: number, length: number): Cell {
  switch (type) {
    case 0:
      return null;
    case 6: {
      const value = bytes.readBigInt64BE(at);
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
    }
    case 7:
      return bytes.readDoubleBE(at);
    case 8:
      return 0;
    case 9:
      return 1;
    default:
      if (type < 6) return bytes.readIntBE(at, length);
      return type % 2 === 0 ? Uint8Array.from(bytes.subarray(at, at + length)) : bytes.toString('utf8', at, at + length);
  }
}
