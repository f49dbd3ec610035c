/** InfluxDB itself takes the lines of a gateway, keeps every reading with its type, and a repeat changes nothing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { Batch } from '../../../src/codecs/format.ts';
import { lineProtocolBatch } from '../../../src/codecs/format-line-protocol.ts';
import type { Shape } from '../../../src/core/point.ts';
import { reasonCode } from '../../../src/core/reasons.ts';
import { formatCases } from '../../harness/format-case.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type Point, parseLines } from '../../oracles/line-protocol.ts';
import { batches } from '../../oracles/random-batch.ts';
import { peer } from '../../peers/peers.ts';

class InfluxDb {
  readonly #url: string;
  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}`;
  }

  static async start(t: TestContext): Promise<InfluxDb | undefined> {
    const program = peer(t, 'influxd', 'apt-get install -y influxdb');
    if (program === undefined) return undefined;
    const folder = scratch(t, 'influxdb');
    const [http, rpc] = [await freePort(), await freePort()];
    const config = path.join(folder, 'influxdb.conf');
    const of = (name: string) => JSON.stringify(path.join(folder, name));
    writeFileSync(
      config,
      `reporting-disabled = true\nbind-address = "127.0.0.1:${rpc}"\n[meta]\ndir = ${of('meta')}\n[data]\ndir = ${of('data')}\nwal-dir = ${of('wal')}\n[http]\nbind-address = "127.0.0.1:${http}"\n[monitor]\nstore-enabled = false\n`,
    );
    const child = spawn(program, ['-config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said = `${said}${bytes}`.slice(-4000);
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    t.after(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const influx = new InfluxDb(http);
    await waitFor(
      () => `InfluxDB: ${said}`,
      () =>
        fetch(`${influx.#url}/ping`).then(
          ({ status }) => status === 204,
          () => false,
        ),
    );
    await influx.query('CREATE DATABASE sites');
    return influx;
  }

  async write(lines: string): Promise<void> {
    const answer = await fetch(`${this.#url}/write?db=sites`, { method: 'POST', body: lines });
    assert.equal(answer.status, 204, await answer.text());
  }
  async query(q: string): Promise<{ columns: string[]; values: unknown[][] } | undefined> {
    const body = new URLSearchParams({ q, db: 'sites', epoch: 'ns' });
    const answer = await fetch(`${this.#url}/query`, { method: 'POST', body });
    // Nanoseconds and 64-bit integers are more than a double has.
    const text = (await answer.text()).replace(/([[,])(-?\d{16,})(?=[,\]])/g, '$1"$2"');
    const { results } = JSON.parse(text) as {
      results: { error?: string; series?: { columns: string[]; values: unknown[][] }[] }[];
    };
    assert.equal(results[0]?.error, undefined);
    return results[0]?.series?.[0];
  }
  /** Every row of a measurement by its key; fields that it has. */
  async rows(measurement: string): Promise<Map<string, Record<string, unknown>>> {
    const found = await this.query(`SELECT * FROM "${measurement.replace(/["\\]/g, '\\$&')}"`);
    return new Map(
      (found?.values ?? []).map((row) => {
        const cells = Object.fromEntries(found?.columns.map((name, i) => [name, row[i]]) ?? []);
        return [`${cells.time} ${cells.gateway} ${cells.log} ${cells.device}`, cells];
      }),
    );
  }
}

/** InfluxDB keeps one type for a field of a measurement, whichever device it is of. */
function hasOneTypeForEachName({ records }: Batch): boolean {
  const storages = new Map<string, string>();
  const points = records.flatMap(({ sample }) => sample.shape.points);
  return points.every(({ name, storage }) => {
    const before = storages.get(name) ?? storage;
    storages.set(name, storage);
    return before === storage;
  });
}

const keyOf = ({ time, tags }: Point) => `${time} ${tags.get('gateway')} ${tags.get('log')} ${tags.get('device')}`;
/** This InfluxDB was built without unsigned integers. */
const signed = (lines: string) => lines.replace(/(?<==)(\d+)u(?=[, ])/g, (_, n: string) => `${BigInt.asIntN(63, BigInt(n))}i`);

async function holds(influx: InfluxDb, lines: string): Promise<void> {
  const points = parseLines(lines);
  const byMeasurement = Map.groupBy(points, ({ measurement }) => measurement);
  for (const [measurement, expected] of byMeasurement) {
    const rows = await influx.rows(measurement);
    for (const point of expected) {
      const row = rows.get(keyOf(point)) ?? assert.fail(`no row ${keyOf(point)}`);
      for (const [name, value] of point.tags) assert.equal(row[name], value);
      for (const [name, value] of point.fields) {
        const cell = row[name];
        if (typeof value === 'bigint') assert.equal(String(cell), `${value}`, name);
        else if (typeof value === 'number') assert.equal(Number(cell), value, name);
        else assert.equal(cell, value, name);
      }
    }
  }
}

test('InfluxDB keeps the golden lines as they are meant, escapes too', async (t) => {
  const influx = await InfluxDb.start(t);
  if (influx === undefined) return;
  for (const { read, batch } of formatCases('line-protocol')) {
    // A case is a database of its own by its log and gateway; types of fields do not collide between them.
    const lines = signed(read('expected.txt')).replaceAll(/^sluice,/gm, `m${batch.records.length}${batch.log}-${batch.sent},`);
    await influx.write(lines);
    await holds(influx, lines);
  }
});

test('InfluxDB has every record once, however often and in which pieces it is written', async (t) => {
  const influx = await InfluxDb.start(t);
  if (influx === undefined) return;
  const all = fc.sample(batches.filter(hasOneTypeForEachName), 40).map((batch, i): Batch => ({ ...batch, gateway: `g${i}` }));
  for (const [i, batch] of all.entries()) {
    const write = (records: Batch['records']) =>
      records.length === 0
        ? Promise.resolve()
        : influx.write(signed(lineProtocolBatch({ ...batch, records }, { measurement: `m${i}` })));
    const cut = (i * 7) % batch.records.length;
    await write(batch.records);
    await write(batch.records.slice(cut));
    await write(batch.records.slice(0, cut + 1));
    await write(batch.records);
    const rows = await influx.rows(`m${i}`);
    assert.equal(rows.size, batch.records.length);
    await holds(influx, signed(lineProtocolBatch(batch, { measurement: `m${i}` })));
  }
});

test('each query of the page finds its rows', async (t) => {
  const influx = await InfluxDb.start(t);
  if (influx === undefined) return;
  const root = path.join(import.meta.dirname, '..', '..', '..');
  const { forwarders } = parse(readFileSync(path.join(root, 'examples/influxdb/gateway.yaml'), 'utf8')) as {
    readonly forwarders: {
      readonly influxdb: { readonly 'line-protocol': { measurement: string; tags: Record<string, string> } };
    };
  };
  const { measurement, tags } = forwarders.influxdb['line-protocol'];
  const shape: Shape = {
    device: 'sensor',
    points: ['temperature', 'humidity'].map((name) => ({ name, type: 'int16', storage: 'number' })),
  };
  const bad = Uint8Array.from([0, reasonCode('timeout')]);
  const records = [
    { seq: 1, sample: { shape, at: 1000, values: [4.2, 61.5], reasons: null } },
    { seq: 2, sample: { shape, at: 2000, values: [0, 61], reasons: bad.toReversed() } },
  ];
  const batch: Batch = {
    ...{ lane: 'data', gateway: 'cold-room-1', log: 'k1', boot: 'b1', inventory: 1, sent: 1, estimated: false },
    ...{ offset: Date.now() - 60_000, records },
  };
  await influx.write(lineProtocolBatch(batch, { measurement, tags: JSON.stringify(tags) }));
  const page = readFileSync(path.join(root, 'docs/how-to/send-readings-to-influxdb.md'), 'utf8');
  const queries = [...page.matchAll(/^ *```sql\n([\s\S]*?)^ *```/gm)].map(([, sql = '']) => sql.trim());
  const found = [];
  for (const query of queries) found.push((await influx.query(query))?.values.map(([, ...cells]) => cells));
  assert.deepEqual(found, [
    [
      [4.2, 61.5],
      [null, 61],
    ],
    [
      [4.2, null],
      [null, 'timeout'],
    ],
  ]);
});
