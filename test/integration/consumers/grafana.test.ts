/**
 * The Grafana dashboard of examples/grafana without Grafana: each query runs against a PostgreSQL that a worker has filled, as the
 * user that the page makes for Grafana. The JSON has what the documentation of the dashboard model asks for.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { parse } from 'yaml';
import * as z from 'zod';
import { CONSUMERS, worker } from '../../harness/consumer-run.ts';
import { lines, type Row } from '../../harness/grafana-lines.ts';
import { expanded } from '../../harness/grafana-macros.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';
import { pythonPeer } from '../../peers/peers.ts';
import { Postgres } from '../../peers/postgres.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const GRAFANA = path.join(ROOT, 'examples', 'grafana');

const source = z.strictObject({ type: z.literal('grafana-postgresql-datasource'), uid: z.string() });
const query = z.strictObject({
  ...{ refId: z.string(), datasource: source, editorMode: z.literal('code'), rawQuery: z.literal(true) },
  ...{ format: z.enum(['table', 'time_series']), rawSql: z.string() },
});
/** One frame for each value of a column, whose name is the name of the series. */
const partition = z.strictObject({
  id: z.literal('partitionByValues'),
  options: z.strictObject({
    ...{ fields: z.tuple([z.string()]), keepFields: z.literal(false) },
    naming: z.strictObject({ asLabels: z.literal(true) }),
  }),
});
const whole = (most: number) => z.int().min(0).max(most);
/** The fields of the dashboard model, and of a panel, that the documentation names. */
const dashboard = z.looseObject({
  ...{ id: z.null(), uid: z.string().min(8).max(40), title: z.string(), tags: z.array(z.string()) },
  ...{ timezone: z.enum(['browser', 'utc', '']), editable: z.boolean(), graphTooltip: whole(2), version: whole(1e6) },
  ...{ time: z.strictObject({ from: z.string(), to: z.string() }), timepicker: z.looseObject({}), refresh: z.string() },
  ...{ schemaVersion: z.int().min(36).max(41), links: z.array(z.unknown()) },
  templating: z.strictObject({
    list: z.array(
      z.looseObject({
        name: z.string(),
        type: z.literal('query'),
        datasource: source,
        query: z.string(),
        multi: z.literal(true),
      }),
    ),
  }),
  annotations: z.strictObject({ list: z.array(z.looseObject({ name: z.string(), datasource: source, target: query })) }),
  panels: z.array(
    z.looseObject({
      ...{ id: z.int().min(1), type: z.enum(['table', 'timeseries', 'stat']), title: z.string(), datasource: source },
      gridPos: z.strictObject({ h: whole(40), w: whole(24), x: whole(23), y: whole(1000) }),
      targets: z.array(query).length(1),
      transformations: z.array(partition).max(1).default([]),
      fieldConfig: z.strictObject({ defaults: z.looseObject({}), overrides: z.array(z.looseObject({})) }),
      options: z.looseObject({}),
    }),
  ),
});
type Dashboard = z.infer<typeof dashboard>;

function read(): Dashboard {
  return dashboard.parse(JSON.parse(readFileSync(path.join(GRAFANA, 'sluice.json'), 'utf8')));
}
const queriesOf = ({ panels, annotations, templating }: Dashboard) => [
  ...panels.map(({ title, targets }) => ({ title, ...(targets[0] as z.infer<typeof query>) })),
  ...annotations.list.map(({ name, target }) => ({ title: name, ...target })),
  ...templating.list.map(({ name, query: rawSql, datasource }) => ({ title: name, format: 'table', rawSql, datasource })),
];

test('the dashboard has the documented fields, and panels that do not overlap', () => {
  const it = read();
  const file = (kind: string) => parse(readFileSync(path.join(GRAFANA, 'provisioning', kind, 'sluice.yaml'), 'utf8'));
  const { apiVersion, datasources } = file('datasources') as {
    readonly apiVersion: number;
    readonly datasources: readonly { readonly uid: string; readonly type: string }[];
  };
  const uid = datasources[0]?.uid;
  assert.equal(apiVersion, 1);
  // The alias of the data source, which releases before the new name know as well.
  assert.equal(datasources[0]?.type, 'postgres');
  assert.equal((file('dashboards') as { apiVersion: number }).apiVersion, 1);
  const names = new Set(it.templating.list.map(({ name }) => name));
  for (const { title, rawSql, datasource } of queriesOf(it)) {
    assert.equal(datasource.uid, uid, title);
    for (const [, name = ''] of rawSql.matchAll(/\$\{?(?!__)(\w+)/g)) assert.ok(names.has(name), `${title}: ${name}`);
  }
  const cells = new Set<string>();
  for (const { title, gridPos } of it.panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!cells.has(`${x} ${y}`), `${title} lies on another panel`);
        cells.add(`${x} ${y}`);
      }
  }
  assert.equal(new Set(it.panels.map(({ id }) => id)).size, it.panels.length);
});

const GATEWAYS = ['g1', "o'hara"];
const START = 1_795_000_000_000;

/** An hour of readings, an outage, alarms, a step of the clock, and a message that nobody can store. */
async function fill(publish: (topic: string, payload: string) => Promise<unknown>): Promise<void> {
  for (const gateway of GATEWAYS) {
    const say = (topic: string, body: object) => publish(`sluice/${gateway}/${topic}`, JSON.stringify({ v: 1, ...body }));
    await say('inventory', {
      revision: 3,
      devices: {
        pump: { bus: 'b', points: { pressure: { type: 'float32', unit: 'bar' }, mode: { type: 'string' } } },
        tank: { bus: 'b', points: { level: { type: 'float32', unit: 'm' } } },
      },
    });
    const batch = (lane: string, first: number, last: number, boot: string) =>
      say(lane, {
        ...{ gateway, log: 'k1', boot, inventory: 3, first, last, sent: 1 },
        records: Array.from({ length: last - first + 1 }, (_, i) => {
          const seq = first + i;
          const record = { seq, device: 'pump', time: START + 1000 * seq };
          if (seq % 60 === 30) return { ...record, device: 'tank', values: { level: 2 } };
          if (seq % 10 === 0) return { ...record, values: {}, bad: { pressure: 'timeout', mode: 'timeout' } };
          return {
            ...record,
            values: { pressure: seq / 10, mode: 'auto' },
            uncertain: seq % 7 === 0 ? { pressure: 'out-of-range' } : {},
          };
        }),
      });
    await batch('data', 1, 900, 'b1');
    await batch('history', 1000, 1500, 'b1');
    const notice = { log: 'k1', time: START + 1_500_000, severity: 'critical', message: 'm' };
    await say('alarm/high', { ...notice, seq: 1501, rule: 'high', occurrence: 1, state: 'active-unacknowledged', value: 1 });
    await say('alarm/low', { ...notice, seq: 1502, rule: 'low', occurrence: 1, state: 'active-unacknowledged', value: 1 });
    await say('alarm/low', { ...notice, seq: 1503, rule: 'low', occurrence: 1, state: 'normal', value: 1 });
    await say('event', {
      ...{ ...notice, seq: 1504, event: 'clock' },
      data: { log: 'k1', boot: 'b1', last: 1500, offset: 3_600_000, 'step1.last': 900, 'step1.offset': 1000, known: true },
    });
    await say('event', { ...notice, seq: 100_000, event: 'start', data: { boot: 'b2' } });
    await batch('data', 100_001, 100_010, 'b2');
  }
  await publish('sluice/g1/data', 'nothing');
}

interface Filled {
  readonly postgres: Postgres;
  readonly publish: (topic: string, payload: string) => Promise<unknown>;
}

async function filled(t: TestContext): Promise<Filled | undefined> {
  const python = pythonPeer(t, 'paho.mqtt.client, psycopg2', 'apt-get install -y python3-paho-mqtt python3-psycopg2');
  const postgres = await Postgres.start(t);
  const broker = await Mosquitto.start(t);
  if (python === undefined || postgres === undefined || broker === undefined) return undefined;
  await postgres.psql(['-f', path.join(CONSUMERS, 'postgres.sql')]);
  const page = readFileSync(path.join(ROOT, 'docs', 'how-to', 'fill-postgresql.md'), 'utf8');
  const roles = [...page.matchAll(/```sql\n(create role[\s\S]*?)```/g)].map(([, sql = '']) => sql);
  assert.equal(roles.length, 1, 'the page makes the users in one block');
  await postgres.sql(roles[0] as string);
  const one = worker(t, python, broker.port, postgres.dsn('sluice_consumer'), 'w1');
  await one.child.line(/connected/);
  const client = await mqtt.connectAsync(broker.url);
  t.after(() => client.end(true));
  const publish = (topic: string, payload: string) => client.publishAsync(topic, payload, { qos: 1 });
  await fill(publish);
  await waitFor(
    () => `everything: ${one.said.slice(-5).join('\n')}`,
    async () => (await postgres.sql('select (select count(*) from numbers), count from refused_count'))[0] === '4,1',
  );
  return { postgres, publish };
}

/** The pieces of the pump: a bad reading breaks the line, and the turn of the tank does not. */
function ofPump(): number[] {
  const found = [0];
  for (const seq of [...Array(901).keys(), ...Array.from({ length: 501 }, (_, i) => 1000 + i)].slice(1)) {
    if (seq % 60 === 30) continue;
    if (seq % 10 === 0) found.push(0);
    else found[found.length - 1] = (found.at(-1) ?? 0) + 1;
  }
  return found.filter((length) => length > 0);
}

/** How many readings each piece of a line in the panel of readings has. */
async function pieces(postgres: Postgres): Promise<string[]> {
  const panel = read().panels.find(({ title }) => title === 'Readings') ?? assert.fail('no panel');
  const { format, rawSql } = panel.targets[0] as z.infer<typeof query>;
  const seen = {
    ...{ from: new Date(START), to: new Date(START + 7_200_000), interval: 1 },
    variables: { gateway: GATEWAYS, device: ['pump', 'tank'], point: ['pressure', 'mode', 'level'] },
  };
  const [, ...found] = await postgres.psql(['--csv', '-c', expanded(rawSql, seen)], 'sluice', 'grafana');
  const rows = found.map((line): Row => {
    const [time, metric = '', value] = line.split(',');
    return { time: Number(time), metric, value: value === '' ? null : Number(value) };
  });
  const drawn = lines({ format, partitionedBy: panel.transformations[0]?.options.fields[0] }, rows);
  return [...drawn].map(([name, of]) => `${name}: ${of.map(({ length }) => length)}`).toSorted();
}

test('each query of the dashboard finds its rows, as a user that may only select', { timeout: 400_000 }, async (t) => {
  const site = await filled(t);
  if (site === undefined) return;
  const { postgres } = site;
  const seen = {
    ...{ from: new Date(START), to: new Date(START + 7_200_000), interval: 60 },
    variables: { gateway: GATEWAYS, device: ['pump'], point: ['pressure', 'mode'] },
  };
  const found = new Map<string, string[]>();
  for (const { title, format, rawSql } of queriesOf(read())) {
    const [head = '', ...rows] = await postgres.psql(['--csv', '-c', expanded(rawSql, seen)], 'sluice', 'grafana');
    assert.ok(rows.length > 0, `${title} has no row`);
    found.set(title, rows);
    if (format !== 'time_series' && title !== 'Readings') continue;
    assert.match(head, title === 'Readings' ? /^time,metric,Value$/ : /^time,metric,/, title);
    const times = rows.map((row) => Number(row.split(',')[0]));
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      `${title} is in the order of time`,
    );
    assert.ok(
      times.every((time) => time >= START / 1000 - 60 && time <= START / 1000 + 7200),
      title,
    );
  }
  const of = (title: string) => found.get(title) ?? assert.fail(title);
  assert.deepEqual(
    of('Gateways').map((row) => row.replace(/,"?2[^,]*,/, ',')),
    ['g1,1,1', "o'hara,1,1"],
  );
  assert.equal(of('Alarms now').length, 2);
  assert.deepEqual(
    of('Gaps').map((row) => row.split(',').slice(2).join()),
    ['901,999,99,f', '901,999,99,f', '1505,99999,98495,t', '1505,99999,98495,t'],
  );
  assert.deepEqual(of('Steps of clocks').slice(0, 2), ['g1,k1,b1,900,1000', 'g1,k1,b1,1500,3600000']);
  assert.deepEqual(of('Refused messages'), ['1']);
  assert.match(of('Newest values')[0] ?? '', /^g1,pump,mode,,,bad,timeout,|^g1,pump,mode,auto,,good,,/);
  assert.ok(of('Readings').some((row) => /,g1 pump\.pressure,\d/.test(row)));
  assert.deepEqual(
    await pieces(postgres),
    GATEWAYS.flatMap((gateway) => [
      ...[`${gateway} pump.mode: `, `${gateway} pump.pressure: ${ofPump()}`, `${gateway} tank.level: 23`],
    ]),
  );
  assert.deepEqual(of('gateway'), GATEWAYS);
  await assert.rejects(postgres.sql('delete from reading', 'sluice', 'grafana'), /permission denied/);
  await assert.rejects(postgres.sql('delete from reading', 'sluice', 'sluice_consumer'), /permission denied/);
});

test('corrected times follow the steps of the clock, and the newest offset counts', { timeout: 400_000 }, async (t) => {
  const site = await filled(t);
  if (site === undefined) return;
  const { postgres, publish } = site;
  const offsets = () =>
    postgres.sql(`select r.seq, extract(epoch from c.time - r.time) from reading r join corrected c using (gateway, log, seq, point)
      where r.gateway = 'g1' and r.point = 'pressure' and r.seq in (1, 900, 1000, 1500, 100001) order by r.seq`);
  const near = (rows: readonly string[]) => rows.map((row) => row.split(',').map(Number));
  assert.deepEqual(near(await offsets()), [
    [1, 3601],
    [900, 3601],
    [1000, 3600],
    [1500, 3600],
    [100_001, 0],
  ]);

  // A later event names the newest step again, and an older one comes after it.
  const clock = (seq: number, last: number, offset: number) =>
    publish(
      'sluice/g1/event',
      JSON.stringify({
        ...{ v: 1, log: 'k1', seq, time: START, event: 'clock', severity: 'info', message: 'm' },
        data: { log: 'k1', boot: 'b1', last, offset, known: true },
      }),
    );
  await clock(100_020, 1500, 60_000);
  await clock(1505, 1500, 5000);
  await clock(100_021, 1200, 500);
  await waitFor('the events', async () => (await postgres.sql("select count(*) from notice where name = 'clock'"))[0] === '5');
  assert.deepEqual(near(await offsets()), [
    [1, 61.5],
    [900, 61.5],
    [1000, 60.5],
    [1500, 60],
    [100_001, 0],
  ]);
});
