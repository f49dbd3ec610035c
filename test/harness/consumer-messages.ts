/** Messages for the consumers of examples/consumer: batches of a gateway, and what an attacker sends. */
import { gzipSync } from 'node:zlib';

interface Change {
  readonly gateway?: string;
  readonly device?: string;
  readonly point?: string;
  readonly value?: unknown;
}

/** A batch with the numbers first..last, two readings each. */
export function batch(first: number, last: number, { gateway = 'g1', device = 'd', point = 'n', value }: Change = {}): string {
  const records = Array.from({ length: last - first + 1 }, (_, i) => ({
    ...{ seq: first + i, device, time: 1_795_000_000_000 + first + i },
    ...{ values: { [point]: value ?? first + i }, bad: { x: 'timeout' } },
  }));
  return JSON.stringify({ v: 1, gateway, log: 'k1', boot: 'b1', inventory: 1, first, last, sent: 1, records });
}

/** Messages that no consumer can store, by the reason that it gives. */
export const HOSTILE: readonly (readonly [topic: string, payload: string | Buffer, why: RegExp])[] = [
  ['sluice/g1/data', Buffer.from([0xff, 0, 0xfe, 1]), /./],
  ['sluice/g1/data', 'null', /no "v": 1/],
  ['sluice/g1/data', '{"v":2}', /no "v": 1/],
  ['sluice/g1/data', '['.repeat(200_000), /nested too deep/],
  ['sluice/g1/data', Buffer.from('1f8b0800000000000003ffff', 'hex'), /decode|Expecting/],
  ['sluice/g2/data', batch(1, 2), /gateway is not the one of the topic/],
  ['sluice//data', batch(1, 2, { gateway: '' }), /no name/],
  ['sluice/g1/data', batch(900, 901, { value: { a: 1 } }), /no number; text or bool/],
  ['sluice/g1/data', batch(900, 901).replace('"n":900', '"n":1e999'), /no number; text or bool/],
  ['sluice/g1/data', batch(900, 901).replace('"n":900', `"n":${'9'.repeat(400)}`), /too large/],
  ['sluice/g1/data', batch(900, 901).replace('"seq":900', '"seq":"900"'), /seq is no whole number/],
  ['sluice/g1/data', batch(900, 901).replace('"seq":900', '"seq":902'), /outside first\.\.last/],
  ['sluice/g1/data', batch(900, 901).replace('"last":901', '"last":99999999999999999999'), /last is no whole number/],
  ['sluice/g1/data', batch(900, 901, { device: 'a\u0000b' }), /device is no name/],
  ['sluice/g1/data', batch(900, 901, { device: '\ud800' }), /surrogates/],
  ['sluice/g1/data', batch(900, 901, { point: 'x'.repeat(201) }), /point is no name/],
  ['sluice/g1/data', 'x'.repeat((16 << 20) + 1), /larger than/],
  ['sluice/g1/data', gzipSync(Buffer.alloc((16 << 20) + 1)), /larger than|decode/],
  ['sluice/g1/alarm/hot', '{"v":1,"log":"k1","seq":902,"time":1}', /rule or event is no name/],
];

/** More that PostgreSQL cannot store, or that only its consumer reads. */
export const HOSTILE_FOR_POSTGRES: typeof HOSTILE = [
  ['sluice/g1/data', batch(900, 901, { value: 'a\u0000b' }), /NUL/],
  ['sluice/g1/data', batch(900, 901).replace('"time":1795000000900', '"time":-8e15'), /out of range/],
  ['sluice/g1/event', '{"v":1,"log":"k1","seq":902,"time":1,"event":"e","data":"\\u0000"}', /\\u0000|Unicode/],
  [
    'sluice/g1/event',
    '{"v":1,"log":"k1","seq":902,"time":1,"event":"clock","data":{"log":"k1","boot":"b1","last":"x","offset":1}}',
    /last is no whole number/,
  ],
  ...[5000, 30_000].map((deep): (typeof HOSTILE)[number] => [
    'sluice/g1/event',
    `{"v":1,"log":"k1","seq":902,"time":1,"event":"e","data":${'['.repeat(deep)}${']'.repeat(deep)}}`,
    /deep|stack depth/,
  ]),
  ['sluice/g1/inventory', '{"v":1,"revision":1,"devices":[]}', /devices is no object/],
];
/** Names and texts that break a careless program. */
export const NASTY = [
  "'); drop table reading; --",
  '"; delete from reading; --',
  '%s',
  '%(x)s',
  '{},{}',
  '\\',
  '$$;select 1;$$',
  '🙂',
];
