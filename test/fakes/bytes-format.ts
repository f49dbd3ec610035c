/**
 * A payload format of bytes that are no text, entered into the table as a line in it would: loaded before everything else
 * (NODE_OPTIONS=--import), in each thread.
 */
import { isMainThread } from 'node:worker_threads';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { PayloadFormat } from '../../src/codecs/format.ts';
import { jsonBatch } from '../../src/codecs/format-json.ts';
import { FORMATS } from '../../src/codecs/formats.ts';
import type { MadeForwarderKind } from '../../src/forwarders/forwarder-kind.ts';

/** Not UTF-8, and a zero. */
const MAGIC = Uint8Array.of(0, 0xff, 0xfe, 0x80);

const packed: PayloadFormat = {
  name: 'packed',
  encode: (batch) => {
    const body = deflateRawSync(jsonBatch(batch));
    const lane = batch.lane === 'data' ? 1 : 2;
    // Now the whole of its memory, now a view into something larger.
    const margin = batch.records.length % 2 === 0 ? 0 : 3;
    const all = new Uint8Array(margin + MAGIC.length + 1 + body.length + margin);
    all.set([...MAGIC, lane], margin);
    all.set(body, margin + MAGIC.length + 1);
    return [{ to: '', payload: all.subarray(margin, all.length - margin) }];
  },
};
(FORMATS as Map<string, PayloadFormat>).set(packed.name, packed);
// A dialect with the topics of `json`, as a line in the registry would list it. Threads of the log need no more than the format.
if (isMainThread) {
  const { mqttForwarder } = await import('../../src/forwarders/mqtt/kind.ts');
  const { DIALECTS, FORWARDERS } = await import('../../src/gateway/registry.ts');
  const { jsonDialect } = await import('../../src/forwarders/mqtt/dialects/json/dialect.ts');
  const dialect = { ...jsonDialect, name: packed.name, format: packed };
  (FORWARDERS as MadeForwarderKind[])[0] = mqttForwarder([...DIALECTS, dialect]);
}

/** @throws where a byte is not as it was written */
export function unpacked(payload: Buffer): { lane: number; text: string } {
  if (!payload.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error(`other bytes: ${payload.toString('hex', 0, 16)}`);
  return { lane: payload[MAGIC.length] ?? 0, text: inflateRawSync(payload.subarray(MAGIC.length + 1)).toString('utf8') };
}
