/** A backlog that does not fit into one file: several bundles, each whole by itself, and receipts in any order. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { GatewayKeyFile } from '../../../src/access/gateway-key.ts';
import type { ReceiptReply } from '../../../src/admin/bundles.ts';
import { boundOf } from '../../../src/cli/bundle/export-bundle.ts';
import { stoppedBundle } from '../../../src/cli/bundle/stopped.ts';
import { BundleFile, type Section } from '../../../src/codecs/bundle/container.ts';
import {
  type GatewaySecret,
  makePlatformSecret,
  type PlatformSecret,
  platformSecretText,
} from '../../../src/codecs/bundle/keys.ts';
import { BundleSplitter } from '../../../src/codecs/bundle/split.ts';
import type { Statement } from '../../../src/codecs/bundle/statement.ts';
import { readColumns } from '../../../src/codecs/read-columns.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { loopDisk, mayMount } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

const MB = 1024 ** 2;
const SHAPE: Shape = { device: 'pump', points: [{ name: 'note', type: 'string', storage: 'string' }] };
/** Texts that nothing makes smaller. */
const BYTES = 3000;
const RECORDS = 1200;

const alarm = (n: number) => ({
  ...{ v: 1, rule: 'full', occurrence: n, state: 'active', severity: 'critical', value: n, time: 1_000_000, message: 'full' },
});

interface Card {
  readonly folder: string;
  readonly config: string;
  readonly state: string;
  readonly key: GatewaySecret;
  readonly platform: PlatformSecret;
  open(): Promise<Log>;
}

/** The files of a gateway that was stopped, with some 3.5 MB that are not delivered. */
async function cardOf(t: TestContext): Promise<Card> {
  const folder = scratch(t, 'volumes');
  const [state, config] = [path.join(folder, 'state'), path.join(folder, 'gateway.yaml')];
  const platform = makePlatformSecret();
  writeFileSync(
    config,
    `gateway: {id: g1, stateDir: ${state}}\nforwarders:\n  carrier: {type: bundle, platform: "${platform.text}"}\n`,
  );
  const clock = new ManualClock();
  const open = async () => {
    const machine = { id: '11111111-2222-3333-4444-555555555555', origin: 0 };
    const log = await Log.open({
      ...{ stateDir: state, runtimeDir: path.join(folder, 'run'), clock, machine },
      ...{ maxSize: 256e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    await log.outlet('carrier', 'oldest', 'g1', 'json').ready();
    return log;
  };
  const log = await open();
  log.setClock(1_000_000, false);
  log.setInventory('{}');
  for (let n = 0; n < RECORDS; n++) {
    const text = randomBytes(BYTES / 2).toString('hex');
    assert.ok(log.append({ shape: SHAPE, at: n, values: [text], reasons: null }));
    if (n % 400 === 0) log.notice('alarm', 'full', n, alarm(n));
    if (n % 100 === 99) await log.flush();
  }
  await log.flush();
  await log.close(10_000);
  return { folder, config, state, key: await new GatewayKeyFile(state).get(), platform, open };
}

async function streamOf({ config }: Card, max: number | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stoppedBundle(config, { max })) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** @param cuts lengths in which the bytes come */
function split(stream: Buffer, cuts: (i: number) => number): { bundles: Buffer[]; whole: boolean } {
  const splitter = new BundleSplitter();
  const bundles: Buffer[] = [];
  let held: Uint8Array[] = [];
  for (let at = 0, i = 0; at < stream.length; i++) {
    const n = Math.max(1, cuts(i));
    for (const { bytes, ends } of splitter.take(stream.subarray(at, at + n))) {
      held.push(bytes);
      if (!ends) continue;
      bundles.push(Buffer.concat(held));
      held = [];
    }
    at += n;
  }
  return { bundles: held.length > 0 ? [...bundles, Buffer.concat(held)] : bundles, whole: splitter.whole };
}

function opened(bytes: Buffer, { key, platform }: Card): { statement: Statement; sections: Section[] } {
  const file = new BundleFile({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) });
  const { statement } = file.verify(key);
  return { statement, sections: [...file.sections(platform)] };
}

test('the size of a file fits its medium, and what does not is refused with what to write', () => {
  const fat = { free: 8 * 1024 * MB, largest: 2 ** 32 - 1 };
  assert.equal(boundOf(undefined, fat, '/media/stick'), 2048 * MB);
  assert.throws(
    () => boundOf('4GB', fat, '/media/stick'),
    /\/media\/stick is FAT32, which has no file of 4 GB or more; write --max 2GB/,
  );
  assert.equal(boundOf('4GB', { ...fat, largest: Number.POSITIVE_INFINITY }, '/x'), 4096 * MB);
  assert.equal(boundOf('3GB', { ...fat, free: 100 * MB }, '/x'), 100 * MB - 65_536, 'a stick with less room gets one that fits');
  for (const text of ['many', '0B', '1000B', '-1MB'])
    assert.throws(() => boundOf(text, fat, '/x'), /write a size of at least 1 ?MB/);
  for (const free of [0, 50_000, MB]) assert.equal(boundOf(undefined, { ...fat, free }, '/x'), MB, 'a small bundle may fit');
});

test('receipts are taken in any order, and one that comes too early is told', async (t) => {
  const folder = scratch(t, 'receipts');
  let next = 1;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const n = Number((JSON.parse(text) as { receipt: string }).receipt);
      const outcome = n === next ? 'moved' : n < next ? 'old' : 'gap';
      if (outcome === 'moved') next++;
      const reply: ReceiptReply = {
        bundle: `${n}`,
        forwarder: 'carrier',
        ranges: [{ log: 'x', lane: 'history', first: n, last: n, outcome }],
      };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(reply));
    });
  });
  const socket = path.join(folder, 's');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const files = [3, 5, 1, 2].map((n) => {
    const file = path.join(folder, `${n}.receipt`);
    writeFileSync(file, `${n}`);
    return file;
  });
  const taken = await sluice(t, 'receipt', ...files, '--socket', socket);
  assert.equal(taken.code, 1, taken.stderr);
  const lines = taken.stdout.split('\n');
  assert.deepEqual(
    lines.map((line) => /(\d)\.receipt/.exec(line)?.[1]),
    ['1', '2', '3', '5'],
  );
  assert.match(lines.at(-1) as string, /a bundle before this one is missing/);
});

test('receipts go on while one of them moves something, and tell all that it moved', async (t) => {
  const folder = scratch(t, 'mutual');
  // Each waits for a lane of the other one, and for an alarm that never comes.
  const of: Record<string, ReceiptReply['ranges'][number][]> = {};
  const range = (lane: 'data' | 'history' | 'alarm', first: number, last: number) =>
    ({ log: 'x', lane, first, last, outcome: 'gap' }) as const;
  of.a = [range('data', 1, 10), range('history', 11, 20), range('alarm', 50, 59)];
  of.b = [range('history', 1, 10), range('data', 11, 20), range('alarm', 60, 69)];
  const next = new Map<string, number>();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const { receipt } = JSON.parse(text) as { receipt: string };
      const ranges = (of[receipt] ?? []).map((one) => {
        const at = next.get(one.lane) ?? 1;
        const outcome = one.last < at ? 'old' : one.first > at ? 'gap' : 'moved';
        if (outcome === 'moved') next.set(one.lane, one.last + 1);
        return { ...one, outcome };
      });
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ bundle: receipt, forwarder: 'carrier', ranges }));
    });
  });
  const socket = path.join(folder, 's');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const files = ['a', 'b'].map((name) => {
    const file = path.join(folder, `${name}.receipt`);
    writeFileSync(file, name);
    return file;
  });
  const taken = await sluice(t, 'receipt', ...files, '--json', '--socket', socket);
  assert.equal(taken.code, 1, taken.stderr);
  assert.deepEqual(
    [...next],
    [
      ['data', 21],
      ['history', 21],
    ],
  );
  const replies = taken.stdout.split('\n').map((line) => JSON.parse(line) as ReceiptReply);
  assert.deepEqual(
    replies.map(({ bundle, ranges }) => [bundle, ...ranges.map(({ outcome }) => outcome)]),
    [
      ['a', 'moved', 'moved', 'gap'],
      ['b', 'moved', 'moved', 'gap'],
    ],
  );
});

test('a backlog that does not fit into one file', async (t) => {
  const card = await cardOf(t);

  await t.test('bundles in a row are told apart wherever their bytes are cut', async () => {
    const stream = await streamOf(card, 2 * MB);
    const { bundles } = split(stream, () => stream.length);
    assert.ok(bundles.length > 1);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 20 }), (lengths) => {
        const again = split(stream, (i) => lengths[i % lengths.length] as number);
        assert.deepEqual(
          again.bundles.map(({ length }) => length),
          bundles.map(({ length }) => length),
        );
        assert.ok(again.whole);
      }),
      { numRuns: 10 },
    );
    // Single bytes around the seam.
    const seam = (bundles[0] as Buffer).length;
    const near = stream.subarray(0, seam + 500);
    const pieces = split(near, (i) => (i === 0 ? seam - 400 : 1));
    assert.deepEqual(
      pieces.bundles.map(({ length }) => length),
      [seam, 500],
    );
    assert.ok(!pieces.whole);
    const huge = Buffer.from(stream);
    huge.writeUInt32LE(0xffffffff, 4);
    assert.throws(() => split(huge, () => 65_536), /too long/);
  });

  await t.test('a folder gets numbered files, and an import takes all of them', async (t) => {
    const out = path.join(card.folder, 'out');
    mkdirSync(out);
    const made = await sluice(t, 'export', '--bundle', out, '--max', '1MB', '-c', card.config);
    assert.equal(made.code, 0, made.stderr);
    const names = readdirSync(out).sort();
    assert.deepEqual(
      made.stdout.split('\n').map((file) => path.basename(file)),
      names,
    );
    assert.ok(names.length >= 3);
    for (const [i, name] of names.entries()) assert.match(name, new RegExp(`^g1-carrier-.*Z-00${i + 1}-[0-9a-f]{8}\\.sluice$`));

    const keys = path.join(card.folder, 'platform');
    mkdirSync(keys);
    writeFileSync(path.join(keys, 'platform.key'), platformSecretText(card.platform), { mode: 0o600 });
    assert.equal((await sluice(t, 'platform', 'trust', 'g1', card.key.text, '--keys', keys)).code, 0);
    const to = path.join(card.folder, 'readings.db');
    const rows = (): number => {
      const db = new Database(to, { readonly: true });
      try {
        return db.prepare('select count(distinct seq) from reading').pluck().get() as number;
      } finally {
        db.close();
      }
    };
    // One alone, in the middle, is whole by itself.
    const alone = await sluice(t, 'import', path.join(out, names[1] as string), '--to', to, '--keys', keys);
    assert.equal(alone.code, 0, alone.stderr);
    assert.ok(rows() > 0 && rows() < RECORDS);
    const all = await sluice(t, 'import', out, '--to', to, '--keys', keys);
    assert.equal(all.code, 0, all.stderr);
    assert.equal(rows(), RECORDS);
    assert.equal(readdirSync(out).filter((name) => name.endsWith('.receipt')).length, names.length);

    const single = await sluice(t, 'export', '--bundle', out, '-c', card.config);
    assert.match(single.stdout, /Z-[0-9a-f]{8}\.sluice$/, 'what fits into one file has no number');
  });

  await t.test('a stick that becomes full keeps the bundles that are whole, and says what to do', async (t) => {
    if (!mayMount(t)) return;
    const stick = loopDisk(t, 'volumes', 8);
    const { bavail, bsize } = statfsSync(stick);
    // Room for one volume, and a part of the next.
    writeFileSync(path.join(stick, 'filler'), Buffer.alloc(bavail * bsize - 1.5 * MB));
    const full = await sluice(t, 'export', '--bundle', stick, '--max', '1MB', '-c', card.config);
    assert.equal(full.code, 2, full.stderr);
    assert.match(full.stderr, /there is no room/);
    assert.match(full.stderr, /The bundle above is whole, and can be carried\. The rest stays in the gateway/);
    assert.doesNotMatch(full.stderr, /nothing was written/);
    const bundlesOf = () => readdirSync(stick).filter((name) => name !== 'lost+found' && name !== 'filler');
    const names = bundlesOf();
    assert.ok(names.length === 1 && names.every((name) => name.endsWith('.sluice')), names.join());
    for (const name of names) opened(readFileSync(path.join(stick, name)), card);
    assert.deepEqual(
      full.stdout
        .split('\n')
        .map((file) => path.basename(file))
        .sort(),
      names.sort(),
    );
    for (const name of names) rmSync(path.join(stick, name));
    const time = ['--from', '1970-01-01T00:00:00Z'];
    const ranged = await sluice(t, 'export', '--bundle', stick, '--max', '1MB', ...time, '-c', card.config);
    assert.equal(ranged.code, 2, ranged.stderr);
    assert.match(ranged.stderr, /The bundle above is whole, and can be carried\. The rest of that time is missing/);
    assert.doesNotMatch(ranged.stderr, /receipt|stays in the gateway/);
    assert.equal(bundlesOf().length, 1);
  });

  await t.test('volumes have a bound, follow each other without a gap, and have every record once', async (t) => {
    const one = split(await streamOf(card, undefined), () => 65_536);
    assert.equal(one.bundles.length, 1, 'without a bound there is one');
    const { bundles, whole } = split(await streamOf(card, MB), () => 10_007);
    assert.ok(whole);
    assert.ok(bundles.length >= 3, `${bundles.length} volumes`);
    const seqs: number[] = [];
    const ends = new Map<string, number>();
    const ids = new Set<string>();
    let notices = 0;
    for (const bytes of bundles) {
      assert.ok(bytes.length <= MB, `${bytes.length} bytes`);
      const { statement, sections } = opened(bytes, card);
      ids.add(statement.bundle);
      for (const { kind, body } of sections)
        if (kind === 'data' || kind === 'history') seqs.push(...readColumns(body, kind).records.map(({ seq }) => seq));
        else notices++;
      for (const { lane, first, last } of statement.ranges) {
        const before = ends.get(lane);
        if (before !== undefined) assert.equal(first, before + 1, `${lane} goes on where it ended`);
        ends.set(lane, last);
      }
    }
    assert.equal(ids.size, bundles.length);
    assert.equal(notices, 3);
    assert.equal(seqs.length, RECORDS);
    assert.deepEqual(
      seqs,
      [...new Set(seqs)].sort((a, b) => a - b),
    );

    // The receipt of a later volume counts when those before it came.
    const log = await card.open();
    t.after(() => log.abandon());
    const outlet = log.outletOf('carrier');
    assert.ok(outlet !== undefined);
    const take = (i: number) => opened(bundles[i] as Buffer, card).statement.ranges.map((range) => outlet.received(range));
    assert.ok(take(2).includes('gap'));
    for (const i of bundles.keys()) assert.ok(!take(i).includes('gap'), `volume ${i}`);
    const { last } = opened(bundles.at(-1) as Buffer, card).statement.ranges.at(-1) as { last: number };
    assert.deepEqual(
      outlet.owed().filter(({ first }) => first <= last && first > 0 && first < RECORDS),
      [],
    );
  });
});
