/** Pages of a damaged SQLite file whose rows claim, one after the other, all pages that the file has. */

/** Rows of a page: each keeps some 105 bytes of 1 KiB in its leaf (sqlite.org/fileformat2.html, "Cell Payload Overflow Pages"). */
const ROWS = 8;
const USABLE = 1024;
const LOCAL = Math.floor(((USABLE - 12) * 32) / 255) - 23;
const LEAF = 13;

/** As SQLite writes a number below 2^28: four bytes of seven bits. */
function varint(value: number): number[] {
  return [21, 14, 7, 0].map((shift) => ((value >> shift) & 0x7f) | (shift > 0 ? 0x80 : 0));
}

/**
 * Leaves of a table with eight rows each, and a page that is its own next one, so that every claim is followed to its end.
 * @param first number of the first of these pages; the last of them is the page that the rows go on in
 * @param leaves how many
 * @param claimed pages that each row claims; below 16,000, at which a row is taken for damaged
 */
export function greedyPages(first: number, leaves: number, claimed: number): Buffer {
  const bytes = Buffer.alloc((leaves + 1) * USABLE);
  const loop = first + leaves;
  for (let n = 0; n < leaves; n++) {
    const page = bytes.subarray(n * USABLE, (n + 1) * USABLE);
    page[0] = LEAF;
    page.writeUInt16BE(ROWS, 3);
    let at = USABLE;
    for (let i = 0; i < ROWS; i++) {
      const cell = Buffer.concat([
        Buffer.from([...varint(LOCAL + claimed * (USABLE - 4)), n * ROWS + i + 1]),
        Buffer.alloc(LOCAL, 1),
        Buffer.from([0, 0, 0, 0]),
      ]);
      cell.writeUInt32BE(loop, cell.length - 4);
      at -= cell.length;
      cell.copy(page, at);
      page.writeUInt16BE(at, 8 + 2 * i);
    }
    page.writeUInt16BE(at, 5);
  }
  bytes.writeUInt32BE(loop, leaves * USABLE);
  return bytes;
}
