/** `AA C0`, `aac0` -> bytes. Only for text that `isHex` accepts. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export function isHex(text: string): boolean {
  return /^\s*([0-9a-f]{2}\s*)+$/i.test(text);
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(' ');
}
