/**
 * The contract of forwarders, held by each dialect of the gateway's own topics: what a receiver decodes is, record for record,
 * what the dialect `json` would have written.
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decode } from '../../examples/decode-columns/decode.ts';
import { mqttForwarder } from '../../src/forwarders/mqtt/kind.ts';
import { DIALECTS } from '../../src/gateway/registry.ts';
import { MqttPeer } from '../fakes/mqtt-peer.ts';
import type { ForwarderPeer } from '../harness/forwarder-peer.ts';
import { parseLines } from '../oracles/line-protocol.ts';
import { resolve } from '../oracles/senml.ts';
import { forwarderContract } from './forwarder-suite.ts';

const DELIVERY = /^sluice\/g1\/(data|history|alarm\/.*|event)$/;
const BATCHES = /^sluice\/g1\/(data|history)$/;
const mqtt = mqttForwarder(DIALECTS);

interface Rec {
  readonly seq: number;
  readonly device: string;
  readonly time: number;
  readonly values: Record<string, unknown>;
}
/** The batch as `json` writes it. These formats carry no more of a batch than its records and its log; the rest is made up. */
function asJson(log: string, records: readonly Rec[], boot = 'b1', inventory = 1): Buffer {
  const [first, last] = [records[0]?.seq, records.at(-1)?.seq];
  return Buffer.from(JSON.stringify({ v: 1, gateway: 'g1', log, boot, inventory, first, last, sent: 0, records }));
}

function fromLines(payload: Buffer): Buffer {
  const lines = parseLines(gunzipSync(payload).toString());
  const records = lines.map(({ tags, fields, time }): Rec => {
    const values = [...fields].filter(([name]) => !name.startsWith('record.'));
    return {
      ...{ seq: Number(fields.get('record.seq')), device: tags.get('device') ?? '', time: Number(time / 1_000_000n) },
      values: Object.fromEntries(values),
    };
  });
  return asJson(lines[0]?.tags.get('log') ?? '', records);
}

function fromSenml(payload: Buffer): Buffer {
  const found = new Map<number, Rec>();
  const resolved = resolve(JSON.parse(zstdDecompressSync(payload).toString()));
  for (const { name, time, value, own } of resolved) {
    const [, device = '', point = ''] = name.split('/');
    const seq = Number(own.seq);
    const record = found.get(seq) ?? { seq, device, time: Math.round(time * 1000), values: {} };
    record.values[point] = value;
    found.set(seq, record);
  }
  const { log, boot, inventory } = resolved[0]?.own ?? {};
  return asJson(String(log), [...found.values()], String(boot), Number(inventory));
}

function fromColumns(payload: Buffer): Buffer {
  const { head, records } = decode(payload);
  return Buffer.from(JSON.stringify({ ...head, v: 1, records }));
}

for (const [settings, opened] of [
  [{ format: 'columns' }, fromColumns],
  [{ format: 'line-protocol', compress: 'gzip' }, fromLines],
  [{ format: 'senml', compress: 'zstd' }, fromSenml],
] as const)
  forwarderContract(mqtt, settings.format, async () => {
    const far = new MqttPeer();
    // Its port, and then away.
    await far.start();
    await far.stop();
    const peer: ForwarderPeer = {
      settings: { url: `mqtt://127.0.0.1:${far.port}`, ...settings },
      up: () => far.start(),
      down: () => far.stop(),
      hold: (on) => far.hold(on ? DELIVERY : undefined),
      lose: (times) => far.lose(times, BATCHES),
      taken: () =>
        far.taken
          .filter(({ topic }) => DELIVERY.test(topic))
          .map(({ topic, bytes, wire }) => ({ topic, wire, bytes: BATCHES.test(topic) ? opened(bytes) : bytes })),
      most: far.most,
    };
    return peer;
  });
