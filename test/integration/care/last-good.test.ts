/** A start with a broken configuration: the last good one runs, the fault is shown everywhere, and nothing is sent twice or lost. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { ReadyReport } from '../../../src/admin/target.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';

const PROFILE = `vendor: Test
model: M1
title: test meter
family: modbus
sources: [a manual]
points: {n: {table: holding, address: 0, type: uint16}}
`;

test('a start with a broken file runs the last good configuration and says so', async (t) => {
  const s = await site(t, {
    ...{ device: fakeTcp, upstream: { topics: ['sluice/#'] } },
    devices: '  d1: {bus: plant, unit: 1, interval: 50ms, profile: m1}',
    cloud: 'batch: {maxAge: 50ms}, username: clerk, password: {file: secret.txt}',
  });
  if (s === undefined) return;
  const { gateway, subscriber } = s;
  mkdirSync(path.join(gateway.folder, 'profiles'));
  const profile = path.join(gateway.folder, 'profiles', 'm1.yaml');
  writeFileSync(profile, PROFILE);
  const secret = path.join(gateway.folder, 'secret.txt');
  writeFileSync(secret, 'Planted-secret-77\n', { mode: 0o600 });
  const good = readFileSync(gateway.config, 'utf8');

  // A gateway that never ran has nothing to fall back on.
  gateway.write(good.replace('plant:', 'plnt:'));
  assert.equal((await sluice(t, 'run', '-c', gateway.config)).code, 78);
  gateway.write(good);
  await gateway.up();
  await waitFor('readings upstream', () => subscriber.messages().length > 3);
  assert.equal(await gateway.stop(), 0, gateway.tail());
  const kept = path.join(gateway.stateDir, 'config', 'last-good.yaml');
  assert.ok(readFileSync(kept, 'utf8').endsWith(good));
  assert.ok(!readFileSync(kept, 'utf8').includes('Planted-secret'), 'a secret stays a reference');

  const broken: [string, string | Uint8Array][] = [
    ['an unknown key', good.replace('buses:', 'busses:')],
    ['random bytes behind the state folder', Buffer.concat([Buffer.from(good.slice(0, 120)), Buffer.from([0, 255, 1, 2, 254])])],
  ];
  rmSync(profile);
  for (const [what, text] of broken) {
    writeFileSync(gateway.config, text);
    await gateway.up();
    const shown = await sluice(t, 'status', '-c', gateway.config);
    assert.equal(shown.code, 0, `${what}: ${shown.stderr}`);
    assert.match(shown.stdout, /the configuration .*gateway\.yaml is broken/, what);
    assert.match(shown.stdout.replaceAll(/\s+/g, ' '), /sluice check.* and .*sluice reload/, what);
    const ready = (await request(gateway.socket, 'GET', '/readyz')) as ReadyReport;
    assert.match(String(ready.remarks), /gateway\.yaml is broken, so the gateway runs with the last good one/, what);
    assert.ok(
      gateway.logs().some(({ msg, level }) => level === 50 && /last good one/.test(msg)),
      'the journal',
    );
    assert.equal((await sluice(t, 'check', gateway.config)).code, 78, what);
    assert.equal((await sluice(t, 'reload', '-c', gateway.config)).code, 78, `${what}: a reload changes nothing`);
    const before = (await gateway.status()).log.appended;
    await waitFor('more readings', async () => (await gateway.status()).log.appended > before);
    assert.equal(await gateway.stop(), 0, gateway.tail());
    assert.ok(readFileSync(kept, 'utf8').endsWith(good), `${what}: the last good one stays`);
  }

  // The secret is gone as well: the forwarder waits, and goes on when it is there.
  rmSync(secret);
  await gateway.up();
  await waitFor(
    'the forwarder to say why',
    async () => (await gateway.status()).forwarders[0]?.fault?.includes('secret.txt') === true,
  );
  writeFileSync(secret, 'Planted-secret-77\n', { mode: 0o600 });
  await waitFor('the forwarder', async () => (await gateway.status()).forwarders[0]?.state === 'connected');

  // Correct again.
  writeFileSync(profile, PROFILE);
  gateway.write(good);
  assert.equal((await sluice(t, 'reload', '-c', gateway.config)).code, 0);
  assert.equal((await gateway.status()).configuration, undefined);
  const events = () => subscriber.messages().filter(({ payload }) => payload.toString().includes('"event":"config"'));
  await waitFor('the events', () => events().length === broken.length + 2);
  assert.equal(await gateway.stop(), 0, gateway.tail());
  assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), []);

  // The file is gone, and its last good one is damaged: as on a new gateway.
  rmSync(gateway.config);
  for (const name of ['last-good.yaml', 'last-good.previous.yaml']) {
    const file = path.join(gateway.stateDir, 'config', name);
    if (existsSync(file)) writeFileSync(file, Buffer.alloc(3000, 0x9d));
  }
  assert.equal((await sluice(t, 'run', '-c', gateway.config)).code, 78);
});
