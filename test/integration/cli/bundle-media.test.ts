/** Bundles on media: sticks of this and of another platform, a full disk, power cuts while a bundle is written. They need root. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { FileSource } from '../../../src/cli/bundle/bundle-file.ts';
import { BundleFile } from '../../../src/codecs/bundle/container.ts';
import { type GatewayKey, gatewayKey } from '../../../src/codecs/bundle/keys.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { BundleSite } from '../../harness/bundle-site.ts';
import { imageDisk } from '../../harness/image-disk.ts';
import { loopDisk, mayMount } from '../../harness/loop-disk.ts';
import { Cuts, recordingDisk } from '../../harness/recording-disk.ts';
import { sluice } from '../../harness/start-gateway.ts';

const LONG = { timeout: 600_000 };
const SEED = Number(process.env.SLUICE_SEED ?? 11);
const CUTS = Number(process.env.SLUICE_CUTS ?? 150);

function bundlesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.sluice'));
}

test('a stick without a token, or of another platform, gets nothing', LONG, async (t) => {
  if (!mayMount(t)) return;
  const [site, stranger] = [await BundleSite.make(t), await BundleSite.make(t)];
  const gateway = await site.gateway();
  await site.waits(gateway, 10);
  const stick = loopDisk(t, 'stick', 8);
  const before = readdirSync(stick);
  const write = () => sluice(t, 'export', '--bundle', stick, '--stick', '-c', gateway.config);

  const bare = await write();
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /belongs to no platform; nothing was written/);
  assert.deepEqual(readdirSync(stick), before);
  for (const text of ['', '{}', 'x'.repeat(5000)]) {
    writeFileSync(path.join(stick, 'sluice-stick.json'), text);
    assert.notEqual((await write()).code, 0);
  }
  assert.equal((await sluice(t, 'platform', 'stick', stick, '--keys', stranger.keys)).code, 0);
  const foreign = await write();
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /belongs to another platform; nothing was written/);
  assert.deepEqual(bundlesIn(stick), []);

  assert.equal((await sluice(t, 'platform', 'stick', stick, '--keys', site.keys)).code, 0);
  const own = await write();
  assert.equal(own.code, 0, own.stderr);
  assert.equal(bundlesIn(stick).length, 1);
  // The same from the files of a gateway that does not run.
  await gateway.stop();
  assert.equal((await write()).code, 0);
  assert.equal((await sluice(t, 'platform', 'stick', stick, '--keys', stranger.keys)).code, 0);
  assert.equal((await write()).code, 1);
  assert.equal(bundlesIn(stick).length, 2);
});

test('a disk without room gets no bundle, and what was begun goes', LONG, async (t) => {
  if (!mayMount(t)) return;
  const site = await BundleSite.make(t);
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 40);
  const disk = loopDisk(t, 'full', 2);
  const filler = openSync(path.join(disk, 'filler'), 'w');
  assert.throws(() => {
    for (;;) writeFileSync(filler, Buffer.alloc(4096));
  }, /ENOSPC/);
  closeSync(filler);
  const full = await sluice(t, 'export', '--bundle', disk, '-c', gateway.config);
  assert.equal(full.code, 2);
  assert.match(full.stderr, /there is no room/);
  assert.deepEqual(readdirSync(disk).sort(), ['filler', 'lost+found']);
  // A small one fits where the smallest bound does not.
  truncateSync(path.join(disk, 'filler'), statSync(path.join(disk, 'filler')).size - 300_000);
  const small = await sluice(t, 'export', '--bundle', disk, '-c', gateway.config);
  assert.equal(small.code, 0, small.stderr);
  for (const name of bundlesIn(disk)) rmSync(path.join(disk, name));
  const again = openSync(path.join(disk, 'filler'), 'a');
  assert.throws(() => {
    for (;;) writeFileSync(again, Buffer.alloc(4096));
  }, /ENOSPC/);
  closeSync(again);
  // The same for the targets of an import: nothing of it counts, and no receipt is written.
  const bundle = await site.bundle(gateway, 'a');
  const receipts = path.join(site.folder, 'receipts');
  for (const target of ['readings.csv', 'readings.db']) {
    const to = path.join(disk, target);
    const failed = await sluice(t, 'import', bundle, '--to', to, '--keys', site.keys, '--receipts', receipts);
    assert.notEqual(failed.code, 0);
  }
  assert.ok(!readdirSync(path.dirname(bundle)).some((name) => name.endsWith('.receipt')));
});

test(`no power cut of ${CUTS} leaves a bundle that is not whole`, LONG, async (t) => {
  const site = await BundleSite.make(t);
  const disk = await recordingDisk(t, 8);
  if (disk === undefined) return;
  const played = imageDisk(t, disk.size);
  if (played === undefined) return;
  const gateway = await site.gateway();
  await site.trust(gateway);
  await site.waits(gateway, 400);
  const begin = disk.moment;
  let told = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 3; n++) {
    const made = await sluice(t, 'export', '--bundle', disk.folder, '-c', gateway.config);
    assert.equal(made.code, 0, made.stderr);
    // From here on the first bundle was reported as written.
    if (n === 0) told = disk.moment;
  }
  await disk.stop();
  const key = gatewayKey(readFileSync(path.join(site.keys, 'gateways', 'ghat-1.key'), 'utf8').trim()) as GatewayKey;
  const entries = disk.entries();
  const ends = entries.filter(({ end, write }) => write !== undefined && end > begin).map(({ end }) => end);
  assert.ok(ends.length > 10, `${ends.length} writes`);
  const random = seeded(SEED);
  const moments = Array.from({ length: CUTS }, () => ends[Math.floor(random() * ends.length)] as number).sort((a, b) => a - b);
  const cuts = new Cuts(entries, disk.size);
  const sum = { lost: 0, whole: 0, parts: 0 };
  for (const moment of moments) {
    const { image, lost } = cuts.at(moment, random);
    sum.lost += lost;
    await played.with(image, async (folder) => {
      const bundles = bundlesIn(folder);
      for (const name of bundles) {
        const fd = openSync(path.join(folder, name), 'r');
        try {
          new BundleFile(new FileSource(fd)).verify(key);
        } finally {
          closeSync(fd);
        }
      }
      sum.whole += bundles.length;
      sum.parts += readdirSync(folder).filter((name) => name.endsWith('.part')).length;
      if (moment >= told) assert.ok(bundles.length > 0, `what was reported as written is there after the cut at ${moment}`);
    });
  }
  t.diagnostic(JSON.stringify({ writes: ends.length, ...sum }));
  assert.ok(sum.lost > 0 && sum.whole > 0, JSON.stringify(sum));
});
