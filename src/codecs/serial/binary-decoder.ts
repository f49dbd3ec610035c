/** Values at fixed places of a binary frame. */
import { shortest } from '../decimal.ts';
import { parseHex } from './hex.ts';
import { decodeText } from './text.ts';
import type { BinaryDecode, BinaryField, Decoded, Decoder, Field } from './types.ts';
import { NOT_READY } from './types.ts';

const WIDTH = {
  bool: 1,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float32: 4,
  float64: 8,
};

/** Bytes that a field takes in the frame. */
export function widthOf(field: BinaryField): number {
  return field.type === 'string' ? (field.length ?? 1) : WIDTH[field.type];
}

export class BinaryDecoder implements Decoder {
  private readonly config: BinaryDecode;
  private readonly notReady: { readonly offset: number; readonly bytes: Uint8Array } | undefined;

  constructor(config: BinaryDecode) {
    this.config = config;
    const { notReady } = config;
    this.notReady = notReady && { offset: notReady.offset, bytes: parseHex(notReady.bytes) };
  }

  decode(frame: Uint8Array): Decoded {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const notReady = this.isNotReady(frame);
    return {
      kind: 'fields',
      group: '',
      get: (from) => {
        const field = Object.hasOwn(this.config.fields, from) ? this.config.fields[from] : undefined;
        // A short frame of a device with frames of several lengths simply lacks the field.
        if (field === undefined || field.offset + widthOf(field) > frame.length) return undefined;
        if (notReady) return NOT_READY;
        return read(view, field, (field.endian ?? this.config.endian) === 'little');
      },
    };
  }

  private isNotReady(frame: Uint8Array): boolean {
    if (this.notReady === undefined) return false;
    const { offset, bytes } = this.notReady;
    return bytes.every((byte, i) => frame[offset + i] === byte);
  }
}

function read(view: DataView, field: BinaryField, little: boolean): Field {
  const { offset } = field;
  switch (field.type) {
    case 'bool':
      return ((view.getUint8(offset) >> (field.bit ?? 0)) & 1) === 1;
    case 'uint8':
      return view.getUint8(offset);
    case 'int8':
      return view.getInt8(offset);
    case 'uint16':
      return view.getUint16(offset, little);
    case 'int16':
      return view.getInt16(offset, little);
    case 'uint32':
      return view.getUint32(offset, little);
    case 'int32':
      return view.getInt32(offset, little);
    case 'uint64':
      return view.getBigUint64(offset, little);
    case 'int64':
      return view.getBigInt64(offset, little);
    case 'float32':
      // The shortest decimal that this float stands for: 21.5, not 21.49999…
      return shortest(view.getFloat32(offset, little), Math.fround);
    case 'float64':
      return view.getFloat64(offset, little);
    case 'string': {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, widthOf(field));
      const end = bytes.indexOf(0);
      return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
    }
  }
}
