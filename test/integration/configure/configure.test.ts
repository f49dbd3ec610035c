/** Signed configurations from a real Mosquitto: what is taken, what is refused, and what gives way by itself. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { makeConfigureSecret } from '../../../src/core/configure-keys.ts';
import { configureSite, envelope } from '../../harness/configure-site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const RULES = '\nrules: {high: {point: d1.n, above: 60000}}\n';
const MORE = '\nrules: {high: {point: d1.n, above: 60000}, low: {point: d1.n, below: 1}}\n';

test('a signed configuration proves itself or gives way, and the file on the board is last', async (t) => {
  const s = await configureSite(t);
  if (s === undefined) return;
  const { gateway } = s;
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const before = readFileSync(gateway.config, 'utf8');
  assert.equal((await gateway.status()).inForce.origin, 'file');

  await t.test('what is refused changes nothing', async () => {
    const good = { gateway: 'g1', version: 1, expires: undefined, yaml: s.file(RULES) };
    const refused = async (id: string, message: string, code: string, words: RegExp): Promise<void> => {
      s.say(message);
      const said = await s.answer(id);
      assert.deepEqual([said.ok, said.code], [false, code], said.message);
      assert.match(said.message ?? '', words, id);
    };
    const other = makeConfigureSecret().pem;
    await refused('other-key', envelope('other-key', good, other), 'configure-refused', /no pinned key signed/);
    const elsewhere = envelope('elsewhere', { ...good, gateway: 'g2' });
    await refused('elsewhere', elsewhere, 'configure-refused', /for the gateway g1, version 1/);
    const changed = envelope('changed', good, undefined, { yaml: good.yaml.replace('60000', '1') });
    await refused('changed', changed, 'configure-refused', /no pinned key signed/);
    const later = envelope('later', { ...good, expires: Date.now() + 1000 }, undefined, { expires: Date.now() + 90_000 });
    await refused('later', later, 'configure-refused', /no pinned key signed/);
    await refused('late', envelope('late', { ...good, expires: Date.now() - 1000 }), 'expired', /too late/);
    const faulty = { ...good, yaml: s.file('\nrulez: {}\n') };
    await refused('faulty', envelope('faulty', faulty), 'config-invalid', /version 1:\d+:1: .*rulez/);
    const curious = { ...good, yaml: s.file().replace('commands:', 'username: x, password: {file: /etc/hostname}, commands:') };
    await refused('curious', envelope('curious', curious), 'configure-refused', /file \/etc\/hostname is not named/);
    const program = { ...good, yaml: s.file('\nhooks: {touch: {run: [/bin/true], unsafeSameUser: true}}\n') };
    await refused('program', envelope('program', program), 'configure-refused', /hooks changes only in the file on the board/);
    const cutOff = { ...good, yaml: s.file().replace('commands: {configure: true}', 'commands: {reload: true}') };
    await refused('cut-off', envelope('cut-off', cutOff), 'configure-refused', /forwarders.cloud.commands.configure is not true/);
    s.say(`{"id":"long","do":"configure","version":1,"signature":"${'A'.repeat(86)}","yaml":"${'#'.repeat(62_000)}"}`);
    s.say('x'.repeat(1024 ** 2));
    await waitFor('the connection after a packet of 1 MB', async () => {
      const cloud = (await gateway.status()).forwarders[0];
      return cloud?.state === 'connected' && (cloud.counters.violations ?? 0) > 0;
    });
    const { inForce } = await gateway.status();
    assert.deepEqual(inForce, { origin: 'file' });
  });

  await t.test('a good one is confirmed, reported everywhere, and answered again by its id', async () => {
    const both = [s.sign('one', 1, s.file(RULES)), s.sign('impatient', 2, s.file(MORE))];
    // In one breath: a slow machine does not send the second one after the trial.
    s.say(both.join('\n'), '-l');
    assert.equal((await s.answer('one')).result?.state, 'trial');
    assert.equal((await s.answer('impatient')).code, 'busy');
    const done = await s.answer('one', 2);
    assert.deepEqual(done.result, { version: 1, state: 'confirmed' });
    s.say(envelope('one', { gateway: 'g1', version: 1, expires: undefined, yaml: s.file(RULES) }));
    assert.deepEqual(await s.answer('one', 3), done);
    assert.equal((await s.ask('again', 1, s.file(RULES))).code, 'configure-refused');
    const { inForce } = await gateway.status();
    assert.deepEqual([inForce.origin, inForce.version, inForce.last?.outcome], ['upstream', 1, 'confirmed']);
    const well = { ready: true, buses: { open: 1, of: 1 }, devices: { answering: 1, of: 1 } };
    await waitFor('the status upstream', () => {
      const { configuration, health } = s.statuses().at(-1) ?? {};
      return configuration?.version === 1 && isDeepStrictEqual(health, well);
    });
    assert.match((await sluice(t, 'status', '-c', gateway.config)).stdout, /The configuration is version 1 from upstream/);
    assert.match((await sluice(t, 'configure', 'show', '-c', gateway.config)).stdout, /^# Version 1 .*[\s\S]*above: 60000/);
    assert.equal(readFileSync(gateway.config, 'utf8'), before, 'the file on the board is not written');
    assert.deepEqual(await gateway.reload(before), [], 'a reload of the same file keeps it');
    assert.equal((await gateway.status()).inForce.version, 1);
    const backup = await sluice(t, 'backup', gateway.folder, '-c', gateway.config, '--json');
    for (const name of ['upstream.json', 'upstream-copy.json', 'upstream-1.yaml'])
      assert.ok(backup.stdout.includes(`config/${name}`), `the backup has ${name}: ${backup.stdout}${backup.stderr}`);
  });

  await t.test('one that loses the upstream gives way by itself, and says so upstream', async () => {
    const lost = s.file(RULES).replace('mqtt://127.0.0.1', 'mqtt://127.0.0.9');
    assert.notEqual(lost, s.file(RULES));
    assert.equal((await s.ask('lost', 3, lost)).result?.state, 'trial');
    const end = await s.answer('lost', 2);
    assert.deepEqual([end.ok, end.code], [false, 'rolled-back']);
    assert.match(end.message ?? '', /the forwarder cloud is not connected/);
    const { inForce } = await gateway.status();
    assert.deepEqual([inForce.origin, inForce.version, inForce.last?.outcome], ['upstream', 1, 'rolled-back']);
    assert.equal((await s.ask('lost-again', 3, lost)).code, 'configure-refused', 'a version begins once');
  });

  await t.test('a kill during the trial puts the one before in force, and upstream hears it', async () => {
    assert.equal((await s.ask('killed', 4, s.file(MORE))).result?.state, 'trial');
    await gateway.waitForLog(/Reloaded/);
    await gateway.kill();
    await gateway.up();
    const end = await s.answer('killed', 2);
    assert.match(end.message ?? '', /the gateway ended before it had proven itself/);
    const { inForce } = await gateway.status();
    assert.deepEqual([inForce.version, inForce.last?.outcome], [1, 'rolled-back']);
    s.say(envelope('killed', { gateway: 'g1', version: 4, expires: undefined, yaml: s.file(MORE) }));
    assert.deepEqual(await s.answer('killed', 3), end);
  });

  await t.test('a thousand messages are answered or dropped by their bound, and nothing changes', async () => {
    const many = Array.from({ length: 1000 }, (_, i) =>
      envelope(`m${i}`, { gateway: 'g1', version: 1, expires: undefined, yaml: s.file(RULES) }),
    );
    s.say(many.join('\n'), '-l');
    await s.answer('m999');
    assert.equal((await gateway.status()).inForce.version, 1);
  });

  await t.test('a person who changes the file on the board is the last word', async () => {
    assert.deepEqual(await gateway.reload(`${before}# by hand\n`), ['rules']);
    const { inForce } = await gateway.status();
    assert.deepEqual([inForce.origin, inForce.version, inForce.last?.outcome], ['file', undefined, 'replaced']);
    assert.equal(await gateway.stop(), 0);
    await gateway.up();
    assert.equal((await gateway.status()).inForce.origin, 'file');
  });
});
