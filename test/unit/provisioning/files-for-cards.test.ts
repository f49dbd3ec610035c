/** The files that people copy to a card, and the pages that are made of the schema. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parseDocument } from 'yaml';
import { parseYamlText } from '../../../src/config/yaml-source.ts';
import { provisioningJsonSchema, provisioningPage } from '../../../src/provisioning/reference.ts';
import { PRESETS } from '../../../src/provisioning/schema.ts';
import { Authority } from '../../harness/certificates.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

test('the page and the JSON Schema of sluice.yaml are those of the schema', () => {
  const stale = 'run: node scripts/generate-docs.ts';
  assert.equal(read('docs/reference/provisioning.md'), provisioningPage(read('packaging/card/sluice.yaml')), stale);
  assert.equal(read('docs/reference/provisioning.schema.json'), `${JSON.stringify(provisioningJsonSchema(), null, 2)}\n`, stale);
});

test('the example is put in force as it stands, and with every line that is a note', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const plain = new FakeBoard(path.join(folder, 'plain'));
  plain.write(read('packaging/card/sluice.yaml'));
  assert.deepEqual([plain.start().outcome, plain.start().faults], ['applied', []]);
  const authority = Authority.make(t);
  if (authority === undefined) return;
  const own = authority.sign('ghat-1', { names: '' });
  const pems = { 'ca.pem': authority.ca, 'client.pem': own.cert, 'client.key': own.key };
  const whole = new FakeBoard(path.join(folder, 'whole'));
  for (const [name, file] of Object.entries(pems)) whole.write(readFileSync(file), name);
  whole.write(read('packaging/card/sluice.yaml').replaceAll(/^# (?= *[a-zA-Z]+:)/gm, ''));
  const done = whole.start();
  assert.deepEqual([done.outcome, done.faults, done.id], ['applied', [], 'ghat-1']);
  assert.match(whole.yaml, /username: ghat-1/);
  for (const [key, file] of [['ca', authority.ca] as const, ['cert', own.cert] as const, ['key', own.key] as const]) {
    const kept = new RegExp(`^ +${key}: (\\S+)$`, 'm').exec(whole.yaml)?.[1];
    assert.ok(kept !== undefined, `the example names ${key}`);
    assert.equal(readFileSync(kept, 'utf8'), readFileSync(file, 'utf8'), key);
  }
  assert.ok(!existsSync(path.join(whole.boot, 'client.key')), 'the private key is off the card');
  assert.equal(whole.state('claim'), '7K3M-Q2XV-9TRD\n');
  assert.match(whole.files()['root/etc/systemd/timesyncd.conf.d/sluice.conf'] ?? '', /^NTP=pool\.ntp\.org$/m);
});

test('every preset makes a bus that the gateway takes', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  for (const [preset, keys] of Object.entries(PRESETS)) {
    const board = new FakeBoard(path.join(folder, preset));
    const place = keys.protocol === 'modbus-tcp' ? 'host: 192.0.2.1' : 'port: /dev/ttyUSB0';
    board.write(`buses:\n  field: {preset: ${preset}, ${place}}\n`);
    assert.deepEqual(board.start().faults, [], preset);
  }
});

test('cloud-init reads the snippet, which installs one package, or says that it did not', (t) => {
  const folder = scratch(t);
  const text = read('packaging/card/user-data');
  assert.ok(text.startsWith('#cloud-config\n'), 'cloud-init knows it by its first line');
  assert.deepEqual(parseYamlText('user-data', text).faults, []);
  const { runcmd, bootcmd } = parseDocument(text).toJS() as { runcmd: string[][]; bootcmd: string[][] };
  assert.deepEqual(
    bootcmd.map((command) => command.slice(0, 5)),
    [['cloud-init-per', 'once', 'sluice-dialog', 'sh', '-c']],
  );
  assert.deepEqual(runcmd.slice(1), [
    ['systemctl', 'start', 'sluice-provision.service'],
    ['systemctl', 'start', 'sluice.service'],
  ]);
  assert.ok(read('docs/how-to/install-from-the-card.md').includes(text), 'the page shows this file');
  assert.equal(
    (parseDocument(read('packaging/card/meta-data')).toJS() as Record<string, string>)['instance-id'],
    'sluice-card-1',
  );

  const [program = '', ...args] = runcmd[0] ?? [];
  const boot = path.join(folder, 'boot');
  mkdirSync(boot);
  const dpkg = path.join(folder, 'dpkg');
  writeFileSync(dpkg, `#!/bin/sh\necho "$@" >> ${folder}/calls\n[ -s "$2" ]\n`);
  chmodSync(dpkg, 0o755);
  const start = () =>
    spawnSync(
      program,
      args.map((arg) => arg.replaceAll('/boot/firmware', boot)),
      { env: { PATH: `${folder}:/usr/bin:/bin` } },
    );
  const status = path.join(boot, 'sluice-status.txt');
  const refused = (why: string) => {
    assert.match(readFileSync(status, 'utf8'), /^Sluice is not installed\. Write this card again, [^\n]+\.\n$/, why);
    rmSync(status);
  };
  start();
  refused('no package');
  const installed = path.join(boot, 'sluice_1.0_arm64.deb');
  writeFileSync(installed, '');
  start();
  refused('dpkg failed');
  writeFileSync(installed, 'a package');
  start();
  assert.ok(!existsSync(status), 'the package writes it');
  writeFileSync(path.join(boot, 'sluice_1.1_arm64.deb'), '');
  start();
  refused('two packages');
  assert.equal(readFileSync(path.join(folder, 'calls'), 'utf8'), `-i ${installed}\n`.repeat(2));
});
