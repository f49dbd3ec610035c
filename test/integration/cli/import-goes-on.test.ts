/** `sluice import` of several bundles, where one has no receipt, or its gateway no key that can be read. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { KeysFolder } from '../../../src/cli/bundle/keys-folder.ts';
import { BundleWriter } from '../../../src/codecs/bundle/container.ts';
import { makeGatewaySecret } from '../../../src/codecs/bundle/keys.ts';
import { columnsBatch } from '../../../src/codecs/format-columns.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

test('a damaged key or a receipt that cannot be written keeps no other bundle back', { timeout: 400_000 }, async (t) => {
  const dir = scratch(t, 'import');
  const keys = new KeysFolder(path.join(dir, 'platform'));
  const platform = keys.make();
  mkdirSync(path.join(dir, 'stick'));
  for (const [i, gateway] of ['g1', 'g2', 'g3'].entries()) {
    const key = makeGatewaySecret();
    keys.trust(gateway, key, false);
    const writer = new BundleWriter({ id: `${i}`.repeat(32), gateway, key, platform });
    const shape = { device: 'pump', points: [{ name: 'n', type: 'uint16', storage: 'number' }] } as const;
    const records = [{ seq: 1, sample: { shape, at: 1, values: [i], reasons: null } }];
    const batch = { gateway, log: 'k3', boot: 'b1', inventory: 1, sent: 1, offset: 0, estimated: false, records };
    const ranges = [{ log: 'k3', lane: 'history', first: 1, last: 1 }] as const;
    const parts = [
      writer.begin(),
      writer.section('history', columnsBatch({ ...batch, lane: 'history' })),
      writer.end({ forwarder: 'carrier', made: 1, records: 1, readings: 1, notices: 0, ranges }),
    ];
    writeFileSync(path.join(dir, 'stick', `${gateway}.sluice`), Buffer.concat(parts));
  }
  writeFileSync(path.join(keys.folder, 'gateways', 'g1.key'), 'damaged\n');
  const to = path.join(dir, 'readings.db');
  const taken = (...more: string[]) =>
    sluice(t, 'import', path.join(dir, 'stick'), '--to', to, '--keys', keys.folder, '--receipts', ...more);

  const without = await taken(path.join(dir, 'none'));
  assert.equal(without.code, 1, without.stderr);
  assert.match(without.stderr, /g1\.sluice: .*g1\.key is damaged/);
  for (const gateway of ['g2', 'g3']) {
    assert.match(without.stdout, new RegExp(`${gateway}\\.sluice: ${gateway}, 1 of 1 record new`));
    const words = new RegExp(
      `${gateway}\\.sluice: it is stored, but has no receipt: .*there is no such folder; .*--receipts DIR`,
    );
    assert.match(without.stderr, words);
  }
  const db = new Database(to, { readonly: true });
  t.after(() => db.close());
  assert.deepEqual(db.prepare('select gateway from reading order by 1').pluck().all(), ['g2', 'g3']);

  mkdirSync(path.join(dir, 'receipts'));
  assert.equal((await taken(path.join(dir, 'receipts'))).code, 1);
  assert.deepEqual(readdirSync(path.join(dir, 'receipts')).sort(), ['g2.receipt', 'g3.receipt']);
});
