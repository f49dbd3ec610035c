/** Bundles from the gateway to the platform, on the command line: order, repeats, forgeries, two gateways, and a foreign reader. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Statement } from '../../../src/codecs/bundle/statement.ts';
import { BundleSite } from '../../harness/bundle-site.ts';
import { startChild } from '../../harness/child.ts';
import { MAIN, sluice } from '../../harness/start-gateway.ts';
import { pythonPeer } from '../../peers/peers.ts';

const LONG = { timeout: 600_000 };
const READINGS = 'select gateway, log, seq, point, time, value, quality from reading order by 1, 2, 3, 4';

test('two bundles in the wrong order, twice, from two gateways: each reading is there once', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const [one, two] = await Promise.all([site.gateway('ghat-1'), site.gateway('ghat-2')]);
  await site.trust(one);
  await site.trust(two);
  await site.waits(one, 40);
  const first = await site.bundle(one, 'a');
  await site.waits(one, 120);
  const second = await site.bundle(one, 'a');
  const other = await site.bundle(two, 'a');

  for (const to of ['readings.db', 'readings.csv'])
    for (const order of [[second], [first], [other, second, first]]) {
      const taken = await site.import(to, ...order);
      assert.equal(taken.code, 0, taken.stderr);
    }
  await one.stop();
  const exported = await sluice(t, 'export', '-c', one.config, '--to', new Date(madeOf(second)).toISOString());
  const rows = site.rows('readings.db', READINGS);
  const ofOne = rows.filter(([gateway]) => gateway === 'ghat-1');
  assert.ok(ofOne.length >= 120 && rows.length > ofOne.length);
  // Everything that the gateway has of that time, and nothing twice: the key of the table is that of the readings.
  const csv = exported.stdout.split('\n').slice(1);
  const known = new Map(
    csv.map((line) => [
      line
        .split(',')
        .slice(0, 2)
        .concat(line.split(',')[4] ?? '')
        .join(),
      line.split(','),
    ]),
  );
  for (const [, log, seq, point, time, value, quality] of ofOne) {
    const cells = known.get(`${log},${seq},${point}`);
    // A device that stood still gave a bad reading, which has no value.
    const shown = [new Date(time as number).toISOString(), value === null ? '' : String(value), quality];
    assert.deepEqual(cells?.slice(5, 7).concat(cells[8] ?? ''), shown);
  }
  const last = Math.max(...ofOne.map(([, , seq]) => seq as number));
  assert.equal(ofOne.length, csv.filter((line) => Number(line.split(',')[1]) <= last).length);
  const table = site.read('readings.csv').trimEnd().split('\n').slice(1);
  assert.equal(table.length, rows.length);
  assert.deepEqual(
    table
      .filter((line) => line.startsWith('ghat-1,'))
      .map((line) => line.slice('ghat-1,'.length))
      .sort(),
    csv.filter((line) => Number(line.split(',')[1]) <= last).sort(),
  );
  const alarms = site.rows('readings.db', "select gateway, name from notice where kind = 'alarm' order by 1");
  assert.deepEqual(alarms, [
    ['ghat-1', 'fast'],
    ['ghat-2', 'fast'],
  ]);
  assert.match(site.read('readings-notices.csv'), /^ghat-1,[0-9a-z]+,\d+,alarm,fast,/m);
});

test('a program in Python opens a bundle and a receipt by the page alone', LONG, async (t) => {
  const python = pythonPeer(t, 'cryptography', 'apt-get install -y python3-cryptography');
  if (python === undefined) return;
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 60);
  const bundle = await site.bundle(gateway, 'a');
  assert.equal((await site.import('readings.db', bundle)).code, 0);
  const key = site.read('platform/gateways/ghat-1.key').trim();
  const receipt = bundle.replace('.sluice', '.receipt');
  const script = path.join(import.meta.dirname, '..', '..', 'peers', 'open-bundle.py');
  const run = async (file: string) => {
    const child = startChild(t, python, [script, file, path.join(site.keys, 'platform.key'), key, receipt]);
    return { code: await child.ended, lines: child.stdout, stderr: child.stderr.join('\n') };
  };
  const { code, lines, stderr } = await run(bundle);
  assert.equal(code, 0, stderr);
  const [{ statement }, ...items] = lines.map((line) => JSON.parse(line)) as [{ statement: Statement }, ...Item[]];
  const records = items.flatMap(({ record }) => (record === undefined ? [] : [record]));
  assert.equal(records.length, statement.records);
  const seen = records.flatMap(({ log, seq, time, values, bad = {} }) => [
    ...Object.entries(values).map(([point, value]) => ['ghat-1', log, seq, point, time, value, 'good']),
    ...Object.keys(bad).map((point) => ['ghat-1', log, seq, point, time, null, 'bad']),
  ]);
  const order = (rows: unknown[][]) => rows.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(order(seen), order(site.rows('readings.db', READINGS)));
  assert.ok(items.some(({ kind, message }) => kind === 3 && message?.rule === 'fast'));
  assert.ok(items.some(({ kind, message }) => kind === 5 && message?.revision !== undefined));
  // In a chunk, the statement and the signature: Python refuses it as well.
  const bytes = readFileSync(bundle);
  for (const at of [700, bytes.length - 300, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    const file = path.join(site.folder, 'changed.sluice');
    writeFileSync(file, changed);
    assert.notEqual((await run(file)).code, 0, `byte ${at}`);
  }
});

interface Item {
  readonly kind: number;
  readonly record?: { log: string; seq: number; time: number; values: Record<string, number>; bad?: Record<string, string> };
  readonly message?: { rule?: string; revision?: number };
}

test('forged, cut and unknown bundles are refused, and a good one beside them is taken', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const stranger = await BundleSite.make(t);
  const [gateway, impostor] = await Promise.all([site.gateway(), site.gateway()]);
  const foreign = await stranger.gateway();
  await site.waits(gateway, 20);
  const good = await site.bundle(gateway, 'a');

  const before = await site.import('readings.db', good);
  assert.equal(before.code, 1);
  assert.match(before.stderr, /the gateway ghat-1 is not known here.*sluice platform trust ghat-1 sluice-gateway-1:/);
  assert.deepEqual(site.rows('readings.db', 'select count(*) from reading'), [[0]]);
  await site.trust(gateway);

  const bytes = readFileSync(good);
  const file = (name: string, content: Uint8Array): string => {
    writeFileSync(path.join(site.folder, 'a', name), content);
    return path.join(site.folder, 'a', name);
  };
  const flipped = Buffer.from(bytes);
  flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] as number) ^ 4;
  const cases: readonly (readonly [string, RegExp])[] = [
    [file('1-cut.sluice', bytes.subarray(0, bytes.length - 1)), /ends too early/],
    [file('2-flipped.sluice', flipped), /forged or damaged/],
    [file('3-longer.sluice', Buffer.concat([bytes, Buffer.from('x')])), /bytes behind its end/],
    [file('4-empty.sluice', Buffer.alloc(0)), /is no bundle/],
    [file('5-text.sluice', Buffer.from('gateway,log,seq\n')), /is no bundle/],
    // The same id, and a key of its own.
    [await site.bundle(impostor, 'b'), /is not signed by the gateway ghat-1/],
    // The right key of another platform: signed by a gateway that nobody trusts here.
    [await stranger.bundle(foreign, 'b'), /is not signed by the gateway ghat-1/],
  ];
  const refused = await site.import('readings.db', ...cases.map(([name]) => name), '/dev/null');
  assert.equal(refused.code, 1);
  assert.equal(refused.stdout, '');
  const lines = refused.stderr.split('\n');
  for (const [name, words] of [...cases, ['/dev/null', /is not a file/] as const])
    assert.match(lines.find((line) => line.startsWith(`sluice: ${name}: `)) ?? '', words, name);
  assert.deepEqual(site.rows('readings.db', 'select count(*) from reading'), [[0]]);
  const all = await site.import('readings.db', path.join(site.folder, 'a'));
  assert.equal(all.code, 1);
  const { records } = statementOf(good);
  assert.deepEqual(site.rows('readings.db', 'select count(distinct seq) from reading'), [[records]]);
});

test('a receipt moves the cursor; a forged, an older and a foreign one change nothing', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 40);
  const first = await site.bundle(gateway, 'a');
  await site.waits(gateway, statementOf(first).readings + 40);
  const second = await site.bundle(gateway, 'a');
  assert.equal((await site.import('readings.db', first, second)).code, 0);
  const [old, newer] = [first, second].map((file) => file.replace('.sluice', '.receipt')) as [string, string];
  const receipt = (...files: string[]) => sluice(t, 'receipt', ...files, '-c', gateway.config);

  const forged = JSON.parse(readFileSync(newer, 'utf8')) as { statement: string };
  const wider = forged.statement.replace(/"last":\d+/, '"last":9007199254740000');
  writeFileSync(path.join(site.folder, 'forged.receipt'), JSON.stringify({ ...forged, statement: wider }));
  const refused = await receipt(path.join(site.folder, 'forged.receipt'), first);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is not signed by the platform.*nothing was changed/);
  assert.match(refused.stderr, /is no receipt|larger than/);

  assert.match((await receipt(newer)).stdout, /the cursor of carrier moved/);
  assert.equal((await receipt(newer, old)).stdout.match(/nothing changed/g)?.length, 2);
  // What follows begins behind the receipt, also after a kill.
  await gateway.kill();
  await gateway.up();
  await site.waits(gateway, 10);
  const third = await site.bundle(gateway, 'a');
  const lastOf = (file: string) => Math.max(...statementOf(file).ranges.map(({ last }) => last));
  const firstOf = (file: string) => Math.min(...statementOf(file).ranges.map((range) => range.first));
  assert.equal(firstOf(third), lastOf(second) + 1);
  assert.equal((await site.import('readings.db', third)).code, 0);
  const seqs = site.rows('readings.db', 'select count(distinct seq) from reading')[0]?.[0];
  assert.equal(seqs, statementOf(second).records + statementOf(third).records);
  // A receipt without the bundle before it leaves the gap to be delivered.
  const another = await site.gateway('ghat-1');
  const foreign = await sluice(t, 'receipt', newer, '-c', another.config);
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /a bundle that this gateway did not write/);
});

test('a bundle of a time range holds the records of that time, and no receipt is written', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 60);
  const exported = await sluice(t, 'export', '-c', gateway.config, '--format', 'jsonl');
  const records = exported.stdout.split('\n').map((line) => JSON.parse(line) as { seq: number; time: number });
  const [from, to] = [records[5]?.time ?? 0, records[15]?.time ?? 0];
  const iso = (time: number) => new Date(time).toISOString();
  const bundle = await site.bundle(gateway, 'a', '--from', iso(from), '--to', iso(to));
  const taken = await site.import('readings.db', bundle);
  assert.equal(taken.code, 0, taken.stderr);
  assert.doesNotMatch(taken.stdout, /\.receipt/);
  const wanted = records.filter(({ time }) => time >= from && time <= to).map(({ seq }) => [seq]);
  assert.deepEqual(site.rows('readings.db', 'select distinct seq from reading order by 1'), wanted);
  const none = await sluice(t, 'export', '--bundle', path.join(site.folder, 'a'), '-c', gateway.config, '--to', '2020-01-01');
  assert.equal(none.code, 0);
  assert.match(none.stderr, /nothing of that time; no bundle was written/);
});

test('a stopped gateway exports what it handed over, and nothing in its folder changes hands', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 60);
  const running = await site.bundle(gateway, 'lost');
  await site.waits(gateway, statementOf(running).readings + 20);
  await gateway.stop();
  // A start within this boot of the machine may still correct the times of what no bundle had.
  const folder = path.join(site.folder, 'lost');
  const made = await sluice(t, 'export', '--bundle', folder, '-c', gateway.config);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /the time of some records is not certain/);
  const bundle = made.stdout;
  assert.equal((await site.import('readings.db', bundle)).code, 0);
  const { readings } = statementOf(bundle);
  assert.equal(readings, statementOf(running).readings);
  assert.deepEqual(site.rows('readings.db', 'select count(*) from reading'), [[readings]]);
  // The receipt is for the gateway when it runs again.
  await gateway.up();
  const receipt = await sluice(t, 'receipt', bundle.replace('.sluice', '.receipt'), '-c', gateway.config);
  assert.match(receipt.stdout, /moved/);
});

test('a kill while a bundle is written leaves no file under its name that is not whole', LONG, async (t) => {
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 100);
  const whole = await site.bundle(gateway, 'whole');
  cpSync(path.dirname(whole), path.join(site.folder, 'cut'), { recursive: true });
  const folder = path.join(site.folder, 'cut');
  const parts = () => readdirSync(folder).filter((name) => name.endsWith('.part'));
  let killed = 0;
  for (let run = 0; run < 20 && killed < 3; run++) {
    const child = startChild(t, process.execPath, [MAIN, 'export', '--bundle', folder, '-c', gateway.config]);
    // As soon as the file is there, and some turns later.
    while (child.over === undefined && parts().length === 0) await setImmediate();
    for (let turn = 0; turn < killed; turn++) await setImmediate();
    await child.stop('SIGKILL');
    if (parts().length > 0) killed++;
    // Put aside, so that the next kill is seen.
    for (const name of parts()) renameSync(path.join(folder, name), path.join(site.folder, name));
  }
  assert.equal(killed, 3, 'kills that fell into the writing');
  for (const name of readdirSync(site.folder).filter((file) => file.endsWith('.part')))
    renameSync(path.join(site.folder, name), path.join(folder, name));
  await site.bundle(gateway, 'cut');
  assert.deepEqual(parts(), [], 'the next export removes what kills left');
  const taken = await site.import('readings.db', folder);
  assert.equal(taken.code, 0, taken.stderr);
});

/** The signed text stands in clear at the end of a bundle. */
function statementOf(file: string): Statement {
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf('{"v":1,"bundle"');
  return JSON.parse(bytes.subarray(at, bytes.length - 64).toString()) as Statement;
}
const madeOf = (file: string): number => statementOf(file).made;
