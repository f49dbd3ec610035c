/** Births and deaths of the edge node and of its devices. */
import { qualityOfReason } from '../../../../codecs/format-sparkplug-b.ts';
import { ProtoWriter } from '../../../../codecs/protobuf.ts';
import { DATA_TYPES, type Metric, type Properties, writeHead, writeMetric, writeValue } from '../../../../codecs/sparkplug.ts';
import type { LatestValues } from '../../../../core/ports.ts';
import { GOOD, reasonCode } from '../../../../core/reasons.ts';
import type { Metrics, Slot } from './metrics.ts';

/** Messages, and connections, are numbered from 0 to 255 and from 0 again. */
export const NUMBERS = 256;
export const REBIRTH = 'Node Control/Rebirth';
const NOT_A_NUMBER = reasonCode('not-a-number');

/** A payload: its head, then its metrics. @param seq absent in NDEATH */
export function payloadOf(time: number | undefined, seq: number | undefined, metrics: Iterable<Metric>): Uint8Array {
  const out = new ProtoWriter(1024);
  const scratch = new ProtoWriter(128);
  writeHead(out, time, seq);
  for (const metric of metrics) writeMetric(out, scratch, metric);
  return out.take();
}

export function encoded(value: string | number | bigint | boolean, type: Slot['type']): Uint8Array | undefined {
  const out = new ProtoWriter(16);
  return writeValue(out, value, type) ? out.take() : undefined;
}

/** NDEATH: the number of the connection, and nothing else. */
export function death(bdSeq: number): Uint8Array {
  const out = new ProtoWriter(32);
  const value = encoded(bdSeq, DATA_TYPES.Int64) as Uint8Array;
  // A will is written long before it is published: it has no time of its own.
  const metric = new ProtoWriter(32).text(1, 'bdSeq').uint(4, DATA_TYPES.Int64).raw(value);
  return out.bytes(2, metric.written).take();
}

/** What every NBIRTH begins with. */
export function* nodeMetrics(bdSeq: number, now: number): Generator<Metric> {
  const { Int64, Boolean: Bool } = DATA_TYPES;
  yield { name: 'bdSeq', timestamp: now, datatype: Int64, value: encoded(bdSeq, Int64) };
  // Without an alias: a host that missed the births must be able to ask for them.
  yield { name: REBIRTH, timestamp: now, datatype: Bool, value: encoded(false, Bool) };
}

/** The metrics of a DBIRTH with their latest values, in the order of their times. @param now UTC ms */
export function deviceMetrics(device: string, metrics: Metrics, latest: LatestValues, now: number): Metric[] {
  return [...metrics.of(device)].map((slot) => born(slot, latest, now)).sort((a, b) => a.timestamp - b.timestamp);
}

function born({ device, point, alias, type, unit }: Slot, latest: LatestValues, now: number): Metric {
  const newest = latest.get(device, point);
  const value = newest?.value ?? null;
  const bytes = value === null ? undefined : encoded(value, type);
  const reason = newest === undefined ? GOOD : value !== null && bytes === undefined ? NOT_A_NUMBER : newest.reason;
  const properties: Properties = [...(unit === undefined ? [] : [['engUnit', unit] as const]), ...qualityOfReason(reason)];
  return {
    ...{ name: point, alias, datatype: type, value: bytes, properties },
    timestamp: newest === undefined ? now : Math.max(0, Math.round(newest.time)),
  };
}

/** The number of the connection before; the first one is 0. */
export function bdSeqOf(kept: unknown): number {
  const { bdSeq } = (typeof kept === 'object' && kept !== null ? kept : {}) as { bdSeq?: unknown };
  return typeof bdSeq === 'number' && Number.isInteger(bdSeq) && bdSeq >= 0 && bdSeq < NUMBERS ? bdSeq : NUMBERS - 1;
}
