/** An archive of small files, as every system opens it: POSIX ustar, gzip. */
import { gzipSync } from 'node:zlib';

const BLOCK = 512;

export interface TarFile {
  /** ASCII, at most 100. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** @param time seconds since 1970 */
export function tarGz(files: readonly TarFile[], time: number): Buffer {
  const parts = files.flatMap(({ name, bytes }) => [
    header(name, bytes.length, time),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]), { level: 9 });
}

function header(name: string, size: number, time: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  block.write(name.slice(0, 100), 0, 'latin1');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(time, 136, 12);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
