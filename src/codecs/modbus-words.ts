/** Bytes of a reply, by their positions, as words, floats and text. */
export type Reader<T> = (bytes: Uint8Array) => T;

/** @param at positions of the bytes, the most significant first */
export function word16(at: readonly number[]): Reader<number> {
  const [a = 0, b = 0] = at;
  return (bytes) => ((bytes[a] as number) << 8) | (bytes[b] as number);
}

/** As a signed 32-bit number. */
export function word32(at: readonly number[]): Reader<number> {
  const [a = 0, b = 0, c = 0, d = 0] = at;
  return (x) => ((x[a] as number) << 24) | ((x[b] as number) << 16) | ((x[c] as number) << 8) | (x[d] as number);
}

const scratchBits = new Int32Array(2);
const scratch32 = new Float32Array(scratchBits.buffer);
const scratch64 = new Float64Array(scratchBits.buffer);
/** Which half of a double the machine stores first. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;

/** IEEE 754 binary32 of one word, binary64 of two. */
export function floatFrom(high: Reader<number>, low?: Reader<number>): Reader<number> {
  if (low === undefined)
    return (bytes) => {
      scratchBits[0] = high(bytes);
      return scratch32[0] as number;
    };
  return (bytes) => {
    scratchBits[LOW] = low(bytes);
    scratchBits[1 - LOW] = high(bytes);
    return scratch64[0] as number;
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Up to the first NUL, without padding at the end. Bytes that are no UTF-8 are taken as Latin-1, and control characters
 * become spaces, so that a name from the field cannot reach a terminal as a command.
 */
export function text(bytes: Uint8Array, at: readonly number[]): string {
  const raw: number[] = [];
  for (const position of at) {
    const byte = bytes[position] as number;
    if (byte === 0) break;
    raw.push(byte);
  }
  const array = Uint8Array.from(raw);
  let decoded: string;
  try {
    decoded = utf8.decode(array);
  } catch {
    decoded = String.fromCharCode(...array);
  }
  return decoded.replace(/[\p{Cc}]/gu, ' ').trimEnd();
}
