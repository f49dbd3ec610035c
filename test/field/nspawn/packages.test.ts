/**
 * The packages for Debian on a board of their own: installed from a signed folder of apt, started, hung, upgraded, and purged without
 * a trace. The steps build on each other, and share one container.
 */
// Needs a quiet machine: a watchdog of seconds runs beside it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { makePackages } from '../../../scripts/package.ts';
import { canNspawn, makeRoot, nspawnMachine } from '../../harness/nspawn-machine.ts';
import { scratch } from '../../harness/scratch.ts';
import type { SystemdMachine } from '../../harness/systemd-machine.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const HOLD = { timeout: 120_000, every: 100 };
const NODE = '/usr/lib/sluice/bin/node';
/** What a machine keeps of an installation that is purged: its own diary, and the group for lines of the board, which others may use. */
const KEPT = [
  /^\/(?:proc|sys|dev|run|tmp|root)\//,
  /^\/var\/(?:log|cache|tmp|lib\/dpkg|lib\/apt|lib\/systemd)\//,
  /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-?$/,
  /^\/etc\/(?:\.pwd\.lock|\.updated|apt\/.*|ld\.so\.cache)$/,
];

/** Files and folders of the machine, by their paths. */
function everything(machine: SystemdMachine): string[] {
  const found = machine.must('find', '/', '-xdev', '-print').split('\n');
  return found.filter((file) => !KEPT.some((kept) => kept.test(file))).sort();
}

const isActive = (machine: SystemdMachine): boolean => machine.show('sluice.service', 'ActiveState') === 'active';
const status = (machine: SystemdMachine): { log: { id: string }; gateway: { version: string } } =>
  JSON.parse(machine.must('sluice', 'status', '--json')) as { log: { id: string }; gateway: { version: string } };

test('a board lives with the packages from its installation to their purge', async (t) => {
  for (const [program, install] of [
    ['dpkg-deb', 'dpkg'],
    ['readelf', 'binutils'],
    ['apt-ftparchive', 'apt-utils'],
    ['gpg', 'gnupg'],
  ] as const)
    if (peer(t, program, `apt-get install -y ${install}`) === undefined) return;
  if (!canNspawn(t)) return;
  const root = makeRoot(t);
  root.catch(() => {});
  const out = scratch(t, 'packages');
  const folder = (name: string): string => path.join(out, name);
  const make = (name: string, version: string, only?: readonly string[]): string[] =>
    makePackages({ out: folder(name), architectures: ['amd64'], version, fast: true, ...(only === undefined ? {} : { only }) });
  make('first', '0.1.0');
  make('second', '0.2.0', ['sluice']);
  const home = folder('gnupg');
  const gpg = { env: { ...process.env, GNUPGHOME: home }, encoding: 'utf8' } as const;
  t.after(() => void spawnSync('gpgconf', ['--kill', 'all'], gpg));
  spawnSync('mkdir', ['-m', '700', home]);
  const key = spawnSync(
    'gpg',
    ['--batch', '--passphrase', '', '--quick-generate-key', 'Test <test@example.org>', 'ed25519'],
    gpg,
  );
  assert.equal(key.status, 0, key.stderr);
  const apt = spawnSync(
    'sh',
    [
      path.join(ROOT, 'scripts/package-apt.sh'),
      '--key',
      'test@example.org',
      '--packages',
      folder('first'),
      '--out',
      folder('apt'),
    ],
    gpg,
  );
  assert.equal(apt.status, 0, apt.stderr);

  await root;
  const machine = await nspawnMachine(t, {
    '/srv/apt': folder('apt'),
    '/srv/second.deb': newest(folder('second')),
    '/srv/first.deb': newest(folder('first')),
  });
  const before = everything(machine);
  let broken = false;
  const step = (name: string, run: () => void | Promise<void>): Promise<void> =>
    t.test(name, async () => {
      if (broken) throw new Error('an earlier step failed');
      broken = true;
      await run();
      broken = false;
    });

  await step('apt takes them from the signed folder, and refuses the folder when one byte changed', () => {
    const source = readFileSync(path.join(folder('apt'), 'sluice.sources'), 'utf8')
      .replace(/^URIs:.*$/m, 'URIs: file:/srv/apt')
      .replace(/^Signed-By:.*$/m, 'Signed-By: /srv/apt/sluice-archive-keyring.pgp');
    machine.write('/etc/apt/sources.list.d/sluice.sources', source);
    for (const name of globSync('*', { cwd: machine.at('/etc/apt/sources.list.d') }))
      if (name !== 'sluice.sources') machine.must('rm', `/etc/apt/sources.list.d/${name}`);
    machine.run('rm', '-f', '/etc/apt/sources.list');
    const release = machine.at('/srv/apt/dists/stable/InRelease');
    const right = readFileSync(release, 'utf8');
    writeFileSync(release, right.replace('Label: Sluice', 'Label: Slujce'));
    const refused = machine.run('apt-get', 'update');
    assert.notEqual(refused.code, 0, refused.out);
    writeFileSync(release, right);
    machine.must('apt-get', 'update');
    machine.must(
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
      'sluice',
      'sluice-node-red',
    );
  });

  await step('the gateway is ready, under its user, with its folders and groups', () => {
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.match(machine.show('sluice.service', 'StatusText'), /^0 of 1 bus open/);
    assert.match(machine.must('id', '-Gn', 'sluice'), /\bdialout\b.*\bgpio\b/);
    const modes = (file: string): string => machine.must('stat', '-c', '%U:%G %a', file);
    assert.equal(modes('/etc/sluice'), 'root:sluice 750');
    assert.equal(modes('/etc/sluice/gateway.yaml'), 'root:sluice 640');
    assert.equal(modes('/var/lib/sluice'), 'sluice:sluice 750');
    assert.equal(modes('/run/sluice'), 'sluice:sluice 750');
    assert.equal(status(machine).gateway.version, '0.1.0');
    const fields = machine.must(
      'journalctl',
      '--no-pager',
      '-o',
      'cat',
      'SYSLOG_IDENTIFIER=sluice',
      'SLUICE_BUS=field',
      'PRIORITY=4',
    );
    assert.match(fields, /no such port/);
    for (const page of ['sluice', 'sluice-run']) assert.ok(existsSync(machine.at(`/usr/share/man/man1/${page}.1.gz`)));
    assert.equal(machine.run('bash', '-n', '/usr/share/bash-completion/completions/sluice').code, 0);
  });

  await step('completion of bash knows commands, options and their values', () => {
    const complete = (...words: string[]): string =>
      machine.must(
        'bash',
        '-c',
        `. /usr/share/bash-completion/completions/sluice; COMP_WORDS=(sluice "$@"); COMP_CWORD=$#; _sluice 2>/dev/null; echo "\${COMPREPLY[*]}"`,
        'complete',
        ...words,
      );
    assert.equal(complete('stat'), 'status');
    assert.equal(complete('profile', 'sh'), 'show');
    assert.equal(complete('run', '--log-level', 'w'), 'warn');
    assert.match(complete('read', '--ra'), /^--raw$/);
  });

  await step('a serial port is reached from inside of the fence', async () => {
    // script has the other end of a terminal, and writes down what comes through it.
    machine.start(
      ...['script', '--quiet', '--return', '--flush', '--command', 'stty raw -echo; tty >/tmp/line; exec sleep 600'],
      '/tmp/wire',
    );
    const port = await waitFor('a terminal', () => /^\/dev\/pts\/\d+$/m.exec(readFileSync(machine.at('/tmp/line'), 'utf8'))?.[0]);
    machine.must('chgrp', 'dialout', port);
    machine.must('chmod', '660', port);
    const file = machine.at('/etc/sluice/gateway.yaml');
    const text = readFileSync(file, 'utf8').replace('/dev/ttyUSB0', port).replace('interval: 10s', 'interval: 500ms');
    writeFileSync(file, `${text}\nnodeRed:\n  enabled: true\n`);
    machine.must('systemctl', 'reload', 'sluice.service');
    // A request of Modbus to unit 1 for input registers, as it is on the wire.
    await waitFor(
      'a request on the line',
      () => readFileSync(machine.at('/tmp/wire')).includes(Buffer.from([0x01, 0x04, 0x00])),
      HOLD,
    );
    await waitFor('an open port in the words', () => /^1 of 1 bus open/.test(machine.show('sluice.service', 'StatusText')), HOLD);
  });

  await step('Node-RED of the second package runs as its own user', async () => {
    await waitFor('Node-RED', () => machine.must('sluice', 'status').includes('Node-RED running'), HOLD);
    assert.equal(machine.show('sluice-node-red.service', 'User'), 'sluice-flows');
  });

  await step('a main thread that turns no more is killed by the watchdog, and the restart is counted', async () => {
    machine.write(
      '/etc/systemd/system/sluice.service.d/test.conf',
      '[Service]\nWatchdogSec=3s\nEnvironment=NODE_OPTIONS=--inspect=127.0.0.1:9229\n',
    );
    machine.must('systemctl', 'daemon-reload');
    machine.must('systemctl', 'restart', 'sluice.service');
    assert.equal(machine.show('sluice.service', 'NRestarts'), '0');
    machine.write(
      '/root/hang.mjs',
      `const [target] = await (await fetch('http://127.0.0.1:9229/json/list')).json();
const socket = new WebSocket(target.webSocketDebuggerUrl);
await new Promise((open) => { socket.onopen = open; });
socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: 'setTimeout(() => { for (;;); }, 0); 1' } }));
await new Promise((answer) => { socket.onmessage = answer; });
process.exit();`,
    );
    machine.must(NODE, '/root/hang.mjs');
    await waitFor('a restart', () => machine.show('sluice.service', 'NRestarts') === '1', HOLD);
    await waitFor('a gateway that is ready again', () => isActive(machine), HOLD);
    assert.match(machine.must('journalctl', '--no-pager', '-o', 'cat', '-u', 'sluice'), /Watchdog timeout/);
    machine.must('rm', '-r', '/etc/systemd/system/sluice.service.d');
    machine.must('systemctl', 'daemon-reload');
    machine.must('systemctl', 'restart', 'sluice.service');
  });

  await step('a refused configuration stays refused, and is not tried again', async () => {
    cpSync(machine.at('/etc/sluice/gateway.yaml'), folder('right.yaml'));
    machine.must(
      'sh',
      '-c',
      'systemctl stop sluice; cp -a /var/lib/sluice /tmp/state; rm -rf /var/lib/sluice/config; echo "gateway: [" >/etc/sluice/gateway.yaml',
    );
    assert.notEqual(machine.run('systemctl', 'start', 'sluice.service').code, 0);
    await waitFor('the end', () => machine.show('sluice.service', 'ActiveState') === 'failed', HOLD);
    assert.equal(machine.show('sluice.service', 'ExecMainStatus'), '78');
    assert.equal(machine.show('sluice.service', 'NRestarts'), '0');
    writeFileSync(machine.at('/etc/sluice/gateway.yaml'), readFileSync(folder('right.yaml')));
    machine.must('systemctl', 'reset-failed', 'sluice.service');
    machine.must('systemctl', 'start', 'sluice.service');
  });

  await step('an upgrade keeps the log and the configuration', () => {
    const { log } = status(machine);
    const file = readFileSync(machine.at('/etc/sluice/gateway.yaml'));
    machine.must('dpkg', '--force-depends', '--install', '/srv/second.deb');
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.match(machine.must('dpkg-query', '--show', 'sluice'), /^sluice\s+0\.2\.0$/);
    assert.equal(status(machine).log.id, log.id);
    assert.deepEqual(readFileSync(machine.at('/etc/sluice/gateway.yaml')), file);
  });

  await step('a downgrade is refused in words, and the gateway runs on', () => {
    const { log } = status(machine);
    const { code, out: words } = machine.run('dpkg', '--install', '/srv/first.deb');
    assert.notEqual(code, 0);
    assert.match(words, /version 0\.1\.0 is older than version 0\.2\.0/);
    assert.match(words, /apt-get purge sluice/);
    assert.ok(isActive(machine));
    assert.match(machine.must('dpkg', '--list', 'sluice'), /^ii +sluice +0\.2\.0 /m);
    assert.equal(status(machine).log.id, log.id);
  });

  await step('a removal keeps what the gateway measured, and a purge leaves nothing', () => {
    machine.must('dpkg', '--remove', 'sluice-node-red', 'sluice');
    assert.ok(existsSync(machine.at('/var/lib/sluice/log.db')));
    assert.ok(existsSync(machine.at('/etc/sluice/gateway.yaml')));
    machine.must('dpkg', '--purge', 'sluice-node-red', 'sluice');
    assert.deepEqual(
      everything(machine).filter((file) => !before.includes(file)),
      [],
    );
    assert.deepEqual(
      before.filter((file) => !everything(machine).includes(file)),
      [],
    );
    assert.ok(!existsSync(machine.at('/run/sluice')));
    for (const user of ['sluice', 'sluice-hook', 'sluice-flows'])
      assert.notEqual(machine.run('getent', 'passwd', user).code, 0, user);
    for (const group of ['sluice', 'sluice-hook', 'sluice-flows'])
      assert.notEqual(machine.run('getent', 'group', group).code, 0, group);
  });
});

/** The package of the gateway in a folder. */
function newest(folder: string): string {
  return path.join(folder, globSync('sluice_*.deb', { cwd: folder })[0] ?? 'none');
}
