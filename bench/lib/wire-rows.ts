/** What bench/wire-bytes.ts measures. */
import { COMPRESSIONS } from '../../src/codecs/compress.ts';
import type { WireSite } from './wire-gateway.ts';

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000];
const MOST = 10_000;

export interface SitePlan extends WireSite {
  readonly name: string;
  readonly ages: readonly number[];
}

export const SITES: readonly SitePlan[] = [
  {
    name: '20 points of 5 devices, each minute, `decimal`',
    ...{ set: 'decimal', devices: 5, points: 4, every: MINUTE, ages: [SECOND, MINUTE, HOUR] },
  },
  {
    name: '100 points of 1 device, 1 Hz, `decimal`',
    ...{ set: 'decimal', devices: 1, points: 100, every: SECOND, ages: [SECOND, MINUTE, HOUR] },
  },
  {
    name: '100 points of 1 device, 1 Hz, `float32`',
    ...{ set: 'float32', devices: 1, points: 100, every: SECOND, ages: [SECOND, MINUTE, HOUR] },
  },
];

export interface FormatPlan {
  readonly name: string;
  readonly keys: { readonly format: string; readonly [key: string]: unknown };
  readonly compress: readonly string[];
  readonly maxReadings: number;
  /** It has no batches. */
  readonly live?: true;
  /** The platform takes connections with TLS only. */
  readonly onlyTls?: true;
}

const PACKED = ['none', ...COMPRESSIONS];
export const FORMATS: readonly FormatPlan[] = [
  { name: 'json', keys: { format: 'json' }, compress: PACKED, maxReadings: MOST },
  { name: 'line-protocol', keys: { format: 'line-protocol' }, compress: PACKED, maxReadings: MOST },
  { name: 'senml JSON', keys: { format: 'senml' }, compress: PACKED, maxReadings: MOST },
  { name: 'senml CBOR', keys: { format: 'senml', senml: { encoding: 'cbor' } }, compress: PACKED, maxReadings: MOST },
  { name: 'columns', keys: { format: 'columns' }, compress: ['none'], maxReadings: 360_000 },
  { name: 'thingsboard', keys: { format: 'thingsboard' }, compress: ['none'], maxReadings: MOST },
  {
    name: 'sparkplug-b',
    ...{ keys: { format: 'sparkplug-b', 'sparkplug-b': { group: 'plant' } }, compress: ['none'], maxReadings: MOST },
  },
  // Batches of an hour end below the largest payload of the platform: 128 kB and 254 kB.
  {
    name: 'aws-iot',
    ...{ keys: { format: 'aws-iot', username: 'ghat-1' }, compress: PACKED, maxReadings: 7000, onlyTls: true },
  },
  {
    name: 'azure-iot-hub',
    keys: { format: 'azure-iot-hub', 'azure-iot-hub': { device: 'ghat-1' }, tls: { cert: 'unused', key: 'unused' } },
    ...{ compress: PACKED, maxReadings: MOST, onlyTls: true },
  },
  { name: 'homeassistant', keys: { format: 'homeassistant' }, compress: ['none'], maxReadings: MOST, live: true },
];

/** Readings until the size of batches has settled, and readings that count. */
export function lengthOf(site: WireSite, age: number): { readonly warm: number; readonly counted: number } {
  const poll = site.devices * site.points;
  const batch = Math.max(1, age / site.every) * poll;
  if (age < MINUTE || age <= site.every) return { warm: 8 * batch, counted: 30 * batch };
  if (age < HOUR) return { warm: 4 * batch, counted: 10 * batch };
  return { warm: 2 * batch, counted: 3 * batch };
}
