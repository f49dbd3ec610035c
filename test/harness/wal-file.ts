/** A write-ahead file of SQLite written by hand (sqlite.org/walformat.html), for page numbers that no program would write. */

/**
 * Header and frames are sound; each frame is a commit, and says that the database has as many pages as its own number.
 * @param pages numbers of the pages, 1..2^32-1, and what they hold, `pageSize` bytes
 */
export function walFile(pageSize: number, pages: readonly { readonly page: number; readonly content: Buffer }[]): Buffer {
  const out = Buffer.alloc(32 + pages.length * (24 + pageSize));
  // The magic number for sums of little-endian words, and the version of the format.
  out.writeUInt32BE(0x377f0682, 0);
  out.writeUInt32BE(3_007_000, 4);
  out.writeUInt32BE(pageSize, 8);
  out.writeUInt32BE(0x5eed_5a17, 16);
  out.writeUInt32BE(0x0a11_0b0b, 20);
  let sum: [number, number] = [0, 0];
  const add = (from: number, length: number): void => {
    let [a, b] = sum;
    for (let at = from; at < from + length; at += 8) {
      a = (a + out.readUInt32LE(at) + b) >>> 0;
      b = (b + out.readUInt32LE(at + 4) + a) >>> 0;
    }
    sum = [a, b];
  };
  const put = (at: number): void => {
    out.writeUInt32BE(sum[0], at);
    out.writeUInt32BE(sum[1], at + 4);
  };
  add(0, 24);
  put(24);
  for (const [i, { page, content }] of pages.entries()) {
    const at = 32 + i * (24 + pageSize);
    out.writeUInt32BE(page, at);
    out.writeUInt32BE(page, at + 4);
    out.copy(out, at + 8, 16, 24);
    content.copy(out, at + 24, 0, pageSize);
    add(at, 8);
    add(at + 24, pageSize);
    put(at + 16);
  }
  return out;
}
