/**
 * A payload format of several messages a batch, one for each device, of bytes that are no text. Entered into the table as a
 * line in it would; the keeper thread loads it too.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Batch, PayloadFormat } from '../../src/codecs/format.ts';
import { jsonBatch } from '../../src/codecs/format-json.ts';
import { FORMATS } from '../../src/codecs/formats.ts';

export interface Parcel {
  readonly group: string;
  /** The whole batch: its range, the number of parcels, and which one this is. */
  readonly first: number;
  readonly last: number;
  readonly of: number;
  readonly index: number;
  /** A batch of the format `json` with the records of one device. */
  readonly batch: { readonly records: readonly { seq: number }[] };
}

export const parcelFormat: PayloadFormat = {
  name: 'parcels',
  encode: (batch, options) => {
    const devices = Map.groupBy(batch.records, (record) => record.sample.shape.device);
    const [first, last] = [batch.records[0]?.seq ?? 0, batch.records.at(-1)?.seq ?? 0];
    // All in one piece of memory, as an encoder with a pool would have it.
    const pieces = [...devices].map(([to, records], index) => {
      const part: Batch = { ...batch, records };
      const parcel = { group: options.group, first, last, of: devices.size, index, batch: JSON.parse(jsonBatch(part)) };
      return { to, bytes: deflateRawSync(JSON.stringify(parcel)) };
    });
    const pool = new Uint8Array(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0));
    let at = 0;
    return pieces.map(({ to, bytes }) => {
      pool.set(bytes, at);
      at += bytes.length;
      return { to, payload: pool.subarray(at - bytes.length, at) };
    });
  },
};
(FORMATS as Map<string, PayloadFormat>).set(parcelFormat.name, parcelFormat);

export function opened(bytes: Uint8Array): Parcel {
  return JSON.parse(inflateRawSync(bytes).toString('utf8')) as Parcel;
}
