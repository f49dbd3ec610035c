/** Golden files and properties of the payload format `line-protocol`, with a strict reader and a foreign one. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import test from 'node:test';
import fc from 'fast-check';
import { lineProtocolBatch } from '../../../src/codecs/format-line-protocol.ts';
import { formatCases } from '../../harness/format-case.ts';
import { type Point, parseLines } from '../../oracles/line-protocol.ts';
import { batches, type Found, readingsOf } from '../../oracles/random-batch.ts';
import { perlPeer } from '../../peers/peers.ts';

for (const { name, batch, options, read } of formatCases('line-protocol'))
  test(`format line-protocol: ${name}`, () => {
    const text = lineProtocolBatch(batch, options);
    assert.equal(text, read('expected.txt'));
    assert.equal(parseLines(text).length, batch.records.length);
  });

/** Control characters stand as JSON writes them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is written otherwise
const oneLine = (text: string) => text.replace(/[\u0000-\u001f\u007f]/g, (c) => JSON.stringify(c).slice(1, -1));

function foundIn(points: readonly Point[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { tags, fields } of points)
    for (const [field, value] of fields) {
      const [name = '', kind] = field === 'time.value' ? ['time'] : field.split('.');
      if (field === 'record.seq' || field === 'record.clock') continue;
      const key = `${fields.get('record.seq')} ${tags.get('device')} ${name}`;
      const before = found.get(key);
      found.set(key, kind === undefined ? { ...before, value } : { ...before, [kind]: String(value) });
    }
  return found;
}

test('line protocol: every reading comes back from a strict reader, with its type', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const points = parseLines(lineProtocolBatch(batch, {}));
      const expected = new Map(
        [...readingsOf(batch)].map(([key, found]) => [
          key,
          typeof found.value === 'string' ? { ...found, value: oneLine(found.value) } : found,
        ]),
      );
      assert.deepEqual(foundIn(points), expected);
      for (const [i, { seq, sample }] of batch.records.entries()) {
        const point = points[i] as Point;
        assert.equal(point.time / 1_000_000n, BigInt(sample.at + batch.offset));
        assert.equal(point.fields.get('record.seq'), BigInt(seq));
        assert.equal(point.fields.get('record.clock'), batch.estimated ? 'estimated' : undefined);
        assert.deepEqual([point.tags.get('gateway'), point.tags.get('log')], [batch.gateway, batch.log]);
      }
    }),
  );
});

test('line protocol: the key of a line is that of one record, however batches are cut', () => {
  fc.assert(
    fc.property(batches, fc.nat(), (batch, cut) => {
      const key = ({ measurement, tags, time }: Point) => JSON.stringify([measurement, [...tags], `${time}`]);
      const whole = lineProtocolBatch(batch, {});
      assert.equal(new Set(parseLines(whole).map(key)).size, batch.records.length);
      const at = 1 + (cut % batch.records.length);
      const parts = [batch.records.slice(0, at), batch.records.slice(at)].filter((records) => records.length > 0);
      assert.equal(parts.map((records) => lineProtocolBatch({ ...batch, records }, {})).join(''), whole);
    }),
  );
});

test('line protocol: whatever names and texts hold, it stays one line a record', () => {
  const wild = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(wild, wild, wild, wild, (device, point, text, tag) => {
      const shape = { device, points: [{ name: point, type: 'string', storage: 'string' }] } as const;
      const head = {
        lane: 'data',
        gateway: 'g',
        log: 'l',
        boot: 'b',
        inventory: 1,
        sent: 0,
        offset: 5,
        estimated: false,
      } as const;
      const records = [{ seq: 1, sample: { shape, at: 5, values: [text], reasons: null } }];
      const options = { measurement: `m${text}`, tags: JSON.stringify({ zone: tag }) };
      const [found] = parseLines(lineProtocolBatch({ ...head, records }, options));
      assert.equal([...(found?.fields.values() ?? [])][1], oneLine(text));
    }),
  );
});

test('line protocol: InfluxDB::LineProtocol of Perl reads the golden files as they are meant', (t) => {
  const perl = perlPeer(t, 'InfluxDB::LineProtocol', 'apt-get install -y libinfluxdb-lineprotocol-perl');
  if (perl === undefined) return;
  const script =
    'use InfluxDB::LineProtocol qw(line2data); use JSON::PP; my $json = JSON::PP->new->canonical; while (<STDIN>) { chomp; my ($m, $v, $t, $time) = line2data($_); print $json->encode([$m, $v, $t, "$time"]), "\\n"; }';
  for (const { name, read } of formatCases('line-protocol')) {
    // It does not know texts and names with escapes inside; the strict reader and InfluxDB do.
    if (name === 'escapes' || name === 'types') continue;
    const text = read('expected.txt');
    const run: SpawnSyncReturns<string> = spawnSync(perl, ['-e', script], { input: text, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const lines = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const bare = (value: unknown) => String(value).replace(/^"|"$|[iu]$/g, '');
    for (const [i, { measurement, tags, fields, time }] of parseLines(text).entries()) {
      const [m, values, t_, stamp] = lines[i] as [string, Record<string, unknown>, Record<string, string>, string];
      assert.deepEqual([m, t_, stamp], [measurement, Object.fromEntries(tags), `${time}`], name);
      assert.deepEqual(
        Object.entries(values)
          .map(([k, v]) => [k, bare(v)])
          .sort(),
        [...fields].map(([k, v]) => [k, `${v}`]).sort(),
      );
    }
  }
});
