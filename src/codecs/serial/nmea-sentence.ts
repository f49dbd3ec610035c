/** A line of NMEA 0183 taken apart: `$`, address, comma fields, `*` and the checksum. */
import { decodeText } from './text.ts';

export type Sentence =
  | {
      readonly kind: 'sentence';
      /** `RMC`: the address without its talker; '' for an address of another form. */
      readonly id: string;
      /** Comma fields; 0 is the address. */
      readonly parts: readonly string[];
    }
  /** A sentence of one maker (`$PUBX`, `$PMTK`). Its form is the maker's own, so it may lack a checksum. */
  | { readonly kind: 'proprietary' }
  | { readonly kind: 'damaged'; readonly cause: 'crc' | 'bad-reply' };

const WHOLE = /^\$([\x20-\x7e]{5,250}?)\*([0-9A-Fa-f]{2})\s*$/;
const PROPRIETARY = /^\$P[A-Z][\x20-\x7e]*$/;
const CHECKED = /\*[0-9A-Fa-f]{2}\s*$/;

export function readSentence(frame: Uint8Array): Sentence {
  const line = decodeText(frame);
  const [, body, checksum] = WHOLE.exec(line) ?? [];
  if (body === undefined || checksum === undefined)
    return PROPRIETARY.test(line.trimEnd()) && (!CHECKED.test(line) || line.length > 250)
      ? { kind: 'proprietary' }
      : { kind: 'damaged', cause: 'bad-reply' };
  if (nmeaChecksum(body) !== checksum.toUpperCase()) return { kind: 'damaged', cause: 'crc' };
  if (body.startsWith('P')) return { kind: 'proprietary' };
  const parts = body.split(',');
  return { kind: 'sentence', id: /^[A-Z]{2}([A-Z]{3})$/.exec(parts[0] ?? '')?.[1] ?? '', parts };
}

/** The two hexadecimal digits after `*`: exclusive-or of what stands between `$` and `*`. */
export function nmeaChecksum(body: string): string {
  let value = 0;
  for (let i = 0; i < body.length; i++) value ^= body.charCodeAt(i);
  return value.toString(16).toUpperCase().padStart(2, '0');
}
