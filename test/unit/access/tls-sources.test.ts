/** The certificates of listeners: who reads which files, until when, and what a reload finds in them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { issue } from '../../../src/access/tls/issuing.ts';
import { TlsSources } from '../../../src/access/tls/tls-sources.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DAY = 86_400_000;

function sources(t: TestContext) {
  const dir = scratch(t, 'tls');
  const clock = new ManualClock(BUILT);
  const errors: string[] = [];
  const log = (data: object) => void errors.push(JSON.stringify(data));
  const one = { names: [] as string[] };
  const tls = new TlsSources({
    ...{ clock, logger: { ...silentLogger, error: log } },
    ...{ stateDir: () => dir, subject: () => 'g1', names: () => one.names, now: () => ({ utc: BUILT + DAY, known: true }) },
  });
  t.after(() => tls.stop());
  const files = { cert: path.join(dir, 'a.crt'), key: path.join(dir, 'a.key') };
  return { dir, clock, errors, tls, files, one };
}

/** @returns the certificate */
async function put({ cert, key }: { cert: string; key: string }, days: number): Promise<string> {
  const names = { dns: ['localhost'], addresses: [] };
  const { server } = await issue({
    ...{ subject: 'g1', names, permits: names, caFrom: BUILT, caUntil: BUILT + 4000 * DAY },
    ...{ from: BUILT, until: BUILT + days * DAY },
  });
  writeFileSync(cert, server.certificate);
  writeFileSync(key, server.key);
  return server.certificate;
}

test('listeners of the same files share one reader, which goes with the last of them', async (t) => {
  const { clock, errors, tls, files } = sources(t);
  const first = await put(files, 100);
  const broker = tls.of(files);
  assert.equal(tls.of({ ...files }), broker);
  assert.equal(broker.current?.cert, first);
  const listen = [{ host: '::', port: 1, tls: files }] as Parameters<TlsSources['keep']>[1];
  tls.keep('broker', listen);
  tls.keep('dashboard', listen);
  tls.keep('broker', []);
  assert.equal(tls.of(files), broker, 'the dashboard has it');
  const second = await put(files, 200);
  await clock.advance(1_200_000);
  assert.equal(broker.current?.cert, second);
  tls.keep('dashboard', []);
  await put(files, 300);
  await clock.advance(1_200_000);
  assert.equal(broker.current?.cert, second, 'nobody looks at the files any more');
  assert.notEqual(tls.of(files), broker);
  assert.deepEqual(errors, []);
});

test('files that are not there are a fault of the listener, told once', async (t) => {
  const { clock, errors, tls, files } = sources(t);
  const source = tls.of(files);
  assert.equal(source.current, undefined);
  assert.match(source.fault ?? '', /a\.crt and .*a\.key: /);
  await clock.advance(3_600_000);
  assert.equal(errors.length, 1);
  assert.equal(tls.own, undefined, 'no certificate of the gateway is made for it');
});

test('the own certificate is made once, with the first listener, and follows its names', async (t) => {
  const { dir, tls, one } = sources(t);
  assert.equal(existsSync(path.join(dir, 'tls')), false);
  tls.changed();
  const [first, second] = [tls.of(true), tls.of(true)];
  let changes = 0;
  const off = second.onChange(() => changes++);
  await waitFor('the certificate', () => first.current);
  assert.equal(second.current?.fingerprint, first.current?.fingerprint);
  assert.equal(tls.own?.fingerprint, first.current?.fingerprint);
  assert.equal(first.fault, undefined);
  assert.equal(changes, 1);
  one.names = ['plant-7.lan'];
  tls.changed();
  await waitFor('another certificate', () => tls.own?.fingerprint !== undefined && changes === 2);
  off();
  one.names = ['plant-8.lan'];
  const before = tls.own?.fingerprint;
  tls.changed();
  await waitFor('a third certificate', () => tls.own?.fingerprint !== before);
  assert.equal(changes, 2, 'who listens no more hears nothing');
  assert.match(readFileSync(path.join(dir, 'tls/own.pem'), 'latin1'), /BEGIN CERTIFICATE/);
});

test('before a reload the files are read again, and a listener without a certificate is refused', async (t) => {
  const { tls, files, errors } = sources(t);
  const listen = [{ host: '::', port: 443, tls: files }] as Parameters<TlsSources['ready']>[0];
  await assert.rejects(tls.ready(listen), { code: 'tls-files', message: /^:::443 has no certificate: .*a\.crt and .*a\.key: / });
  const first = await put(files, 100);
  await tls.ready(listen);
  assert.equal(tls.of(files).current?.cert, first);
  // No time passes: a renewal is seen at once.
  const second = await put(files, 200);
  await tls.ready(listen);
  assert.equal(tls.of(files).current?.cert, second);
  // Damage to files that are in use leaves what was read before.
  writeFileSync(files.cert, 'damaged');
  await tls.ready(listen);
  assert.equal(tls.of(files).current?.cert, second);
  assert.equal(errors.length, 2, 'the missing pair and the damaged one');
  await tls.ready([{ host: '::', port: 80 }] as Parameters<TlsSources['ready']>[0]);
  assert.equal(tls.own, undefined);
  await tls.ready([{ host: '::', port: 443, tls: true }] as Parameters<TlsSources['ready']>[0]);
  assert.notEqual(tls.own, undefined, 'the own certificate is made by then');
});
