/** QR codes (ISO/IEC 18004) as a picture of lines, as PNG and for terminals. */
import { crc32, deflateSync } from 'node:zlib';
import { encode, renderUnicodeCompact } from 'uqr';

/** Modules of white around a code: the standard asks for four. */
const QUIET = 4;
/** Letters: codes of more are too fine for a label of 30 mm. */
export const MOST_LETTERS = 300;

/** Rows of a code, true is black, with its quiet zone. @throws RangeError the text is too long for a label */
export function modulesOf(text: string): boolean[][] {
  if (text.length > MOST_LETTERS) throw new RangeError(`a label takes ${MOST_LETTERS} letters, not ${text.length}`);
  return encode(text, { ecc: 'M', border: QUIET }).data;
}

/** The black parts of a code as the `d` of an SVG path; one unit is one module. */
export function pathOf(modules: readonly (readonly boolean[])[]): string {
  let path = '';
  for (const [y, row] of modules.entries())
    for (let x = 0; x < row.length; ) {
      let to = x;
      while (row[to] === true) to++;
      if (to > x) path += `M${x} ${y}h${to - x}v1h${x - to}z`;
      x = Math.max(to, x + 1);
    }
  return path;
}

/** For a terminal with dark letters or light ones: both colours are set. */
export function terminalText(text: string): string {
  return renderUnicodeCompact(text, { ecc: 'M', border: QUIET });
}

/** A PNG of one bit a pixel (ISO/IEC 15948). @param scale pixels a module */
export function pngOf(modules: readonly (readonly boolean[])[], scale = 8): Buffer {
  const size = modules.length * scale;
  const line = Math.ceil(size / 8) + 1;
  const pixels = Buffer.alloc(line * size);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (modules[Math.floor(y / scale)]?.[Math.floor(x / scale)] !== true) {
        const at = y * line + 1 + (x >> 3);
        pixels[at] = (pixels[at] ?? 0) | (0x80 >> (x & 7));
      }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  // One bit of grey, no interlacing.
  head[8] = 1;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(pixels, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
