/**
 * The packages for Debian: two runs make the same bytes, and a board of their own lives with them. They are installed from a signed
 * folder of apt, started, hung, upgraded, and purged without a trace. The steps build on each other, and share one container.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { GLIBC, makePackages } from '../../../scripts/package.ts';
import { byVersion, elfFiles } from '../../../scripts/packaging/elf.ts';
import { SCHEMA_VERSION } from '../../../src/store/files/layout.ts';
import { aptFolder } from '../../harness/apt-folder.ts';
import { startChild } from '../../harness/child.ts';
import { apt, complete, everything, isActive, layoutOf, openPorts, putOldLog, status } from '../../harness/debian-board.ts';
import { documentedPorts } from '../../harness/documented-ports.ts';
import { canNspawn, makeRoot, nspawnMachine } from '../../harness/nspawn-machine.ts';
import { scratch } from '../../harness/scratch.ts';
import type { SystemdMachine } from '../../harness/systemd-machine.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { firstStart } from './first-start.ts';

const HOLD = { timeout: 240_000, every: 100 };
const NODE = '/usr/lib/sluice/bin/node';
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
/** Times of a boot with an estimated clock become better with the next start. */
const withoutTime = (line: string): string => line.replace(/"time":\d+,/, '').replace(',"clock":"estimated"', '');
test('packages for Debian, from their making to their purge', async (t) => {
  for (const [program, install] of [
    ['dpkg-deb', 'dpkg'],
    ['readelf', 'binutils'],
    ['lintian', 'lintian'],
    ['apt-ftparchive', 'apt-utils'],
    ['gpg', 'gnupg'],
  ] as const)
    if (peer(t, program, `apt-get install -y ${install}`) === undefined) return;
  if (!canNspawn(t)) return;
  const root = makeRoot(t);
  root.catch(() => {});
  // After the other: two at once would ask the mirror for the same files.
  const cloudRoot = root.then(() => makeRoot(t, 'cloud'));
  cloudRoot.catch(() => {});
  const out = scratch(t, 'packages');
  const make = (name: string, version: string): string[] =>
    makePackages({ out: path.join(out, name), architectures: ['amd64'], version, fast: true });
  const first = make('first', '0.1.0');
  await t.test('two runs make the same bytes, whatever the mask of files is', () => {
    const umask = process.umask(0o077);
    const again = make('again', '0.1.0');
    process.umask(umask);
    assert.deepEqual(again.map(sha256), first.map(sha256));
    const cwd = path.join(out, 'again');
    const sums = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd, encoding: 'utf8' });
    assert.equal(sums.status, 0, sums.stdout + sums.stderr);
    assert.equal(sums.stdout.trim().split('\n').length, 3);
    rmSync(cwd, { recursive: true });
  });
  const debs = first.filter((file) => file.endsWith('.deb'));
  // It reads every file of the packages, beside all that follows.
  const lintian = startChild(t, 'nice', ['-n', '19', 'lintian', '--allow-root', '--fail-on', 'none', ...debs]);
  await t.test('native parts start on Debian 12', () => {
    const tree = path.join(out, 'tree');
    for (const deb of debs) assert.equal(spawnSync('dpkg-deb', ['--extract', deb, tree]).status, 0);
    const native = elfFiles(tree);
    assert.ok(native.length >= 5, native.map(({ file }) => file).join());
    for (const { file, machine, glibc } of native) {
      assert.match(machine, /X86-64/, file);
      assert.ok(byVersion(glibc ?? '0', GLIBC) <= 0, `${file} needs GLIBC ${glibc}`);
    }
    rmSync(tree, { recursive: true });
  });
  make('second', '0.2.0');
  const folder = aptFolder(t, path.join(out, 'first'));
  await root;
  const { machine, off } = await nspawnMachine(t, {
    '/srv/apt': folder,
    '/srv/first': path.join(out, 'first'),
    '/srv/second': path.join(out, 'second'),
  });
  await t.test('a board lives with them', (board) => life(board, machine, out, folder));
  await t.test('the container leaves no mount behind', async () => assert.deepEqual(await off(), []));
  await cloudRoot;
  await t.test('cloud-init installs the gateway from a card, once', (card) => firstStart(card, debs, out));
  await t.test('lintian finds no error in them', async () => {
    assert.equal(await lintian.ended, 0, lintian.stderr.join('\n'));
    const errors = lintian.stdout.filter((line) => line.startsWith('E:'));
    assert.deepEqual(errors, []);
  });
});

/** @param folder for apt, as it lies on this machine. @param out for files of the test */
async function life(t: TestContext, machine: SystemdMachine, out: string, folder: string): Promise<void> {
  const before = everything(machine);
  let broken = false;
  const step = (name: string, run: () => void | Promise<void>): Promise<void> =>
    t.test(name, async () => {
      if (broken) throw new Error('an earlier step failed');
      broken = true;
      await run();
      broken = false;
    });

  await step('a disk that is full refuses the installation, and leaves nothing half done', () => {
    machine.must('sh', '-c', 'mkdir /usr/lib/sluice; mount -t tmpfs -o size=32m tmpfs /usr/lib/sluice');
    const { code, out: words } = machine.run('sh', '-c', 'dpkg --install /srv/first/sluice_*.deb');
    assert.notEqual(code, 0);
    assert.match(words, /No space left on device/);
    machine.must('umount', '/usr/lib/sluice');
    assert.equal(machine.must('dpkg', '--audit'), '');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg fills it in.
    assert.equal(machine.must('dpkg-query', '--show', '--showformat=${db:Status-Status}', 'sluice'), 'not-installed');
  });

  await step('apt takes them from the signed folder, and refuses the folder when one byte changed', () => {
    const source = readFileSync(path.join(folder, 'sluice.sources'), 'utf8')
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
    apt(machine, 'install', 'sluice', 'sluice-node-red');
  });

  await step('the gateway is ready, under its user, with its folders and groups', async () => {
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.match(machine.show('sluice.service', 'StatusText'), /^0 of 1 bus open/);
    machine.must('systemd-analyze', 'security', '--threshold=16', '--no-pager', 'sluice.service');
    assert.match(machine.must('id', '-Gn', 'sluice'), /\bdialout\b.*\bgpio\b/);
    const modes = (file: string): string => machine.must('stat', '-c', '%U:%G %a', file);
    assert.equal(modes('/etc/sluice'), 'root:sluice 750');
    assert.equal(modes('/etc/sluice/gateway.yaml'), 'root:sluice 640');
    assert.equal(modes('/var/lib/sluice'), 'sluice:sluice 750');
    assert.equal(modes('/run/sluice'), 'sluice:sluice 750');
    assert.equal(status(machine).gateway.version, '0.1.0');
    const fields = ['SYSLOG_IDENTIFIER=sluice', 'SLUICE_BUS=field', 'PRIORITY=4'];
    const line = (): string => machine.must('journalctl', '--no-pager', '-o', 'cat', ...fields);
    await waitFor('the line of the port', () => line().includes('no such port'), HOLD);
    for (const page of ['sluice', 'sluice-run']) assert.ok(existsSync(machine.at(`/usr/share/man/man1/${page}.1.gz`)));
    assert.equal(machine.run('bash', '-n', '/usr/share/bash-completion/completions/sluice').code, 0);
  });

  await step('the open ports are those of the security scorecard', async () => {
    const documented = documentedPorts();
    await waitFor('both listeners', () => openPorts(machine).length >= documented.length, HOLD);
    assert.deepEqual(openPorts(machine), documented);
  });

  await step('systemd has the watchdog of the board from the package', () => {
    const watchdog = (name: string): string => machine.must('systemctl', 'show', '--value', `--property=${name}`);
    assert.equal(watchdog('RuntimeWatchdogUSec'), '14s');
    assert.equal(watchdog('RebootWatchdogUSec'), '2min');
    const text = readFileSync(path.join(import.meta.dirname, '../../../packaging/files/50-sluice-watchdog.conf'), 'utf8');
    assert.ok(machine.must('systemd-analyze', 'cat-config', 'systemd/system.conf').includes(text.trim()));
  });

  await step('completion of bash knows commands, options and their values', () => {
    assert.equal(complete(machine, 'stat'), 'status');
    assert.equal(complete(machine, 'profile', 'sh'), 'show');
    assert.equal(complete(machine, 'run', '--log-level', 'w'), 'warn');
    assert.match(complete(machine, 'read', '--ra'), /^--raw$/);
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
      '[Service]\nWatchdogSec=10s\nEnvironment=NODE_OPTIONS=--inspect=127.0.0.1:9229\n',
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
    const lines = (): string => machine.must('journalctl', '--no-pager', '-o', 'cat', '-u', 'sluice');
    await waitFor('the line of the watchdog', () => lines().includes('Watchdog timeout'), HOLD);
    machine.must('rm', '-r', '/etc/systemd/system/sluice.service.d');
    machine.must('systemctl', 'daemon-reload');
    machine.must('systemctl', 'restart', 'sluice.service');
  });

  await step('a refused configuration stays refused, and is not tried again', async () => {
    cpSync(machine.at('/etc/sluice/gateway.yaml'), path.join(out, 'right.yaml'));
    machine.must(
      'sh',
      '-c',
      'systemctl stop sluice; cp -a /var/lib/sluice /tmp/state; rm -rf /var/lib/sluice/config; echo "gateway: [" >/etc/sluice/gateway.yaml',
    );
    assert.notEqual(machine.run('systemctl', 'start', 'sluice.service').code, 0);
    await waitFor('the end', () => machine.show('sluice.service', 'ActiveState') === 'failed', HOLD);
    assert.equal(machine.show('sluice.service', 'ExecMainStatus'), '78');
    assert.equal(machine.show('sluice.service', 'NRestarts'), '0');
    writeFileSync(machine.at('/etc/sluice/gateway.yaml'), readFileSync(path.join(out, 'right.yaml')));
    machine.must('systemctl', 'reset-failed', 'sluice.service');
    machine.must('systemctl', 'start', 'sluice.service');
  });

  let log = { id: '' };
  await step('a dpkg that dies in the middle of an upgrade leaves a gateway that runs and starts', async () => {
    log = status(machine).log;
    // dpkg takes the files from this program, which gives a part and no more.
    machine.write(
      '/root/half/dpkg-deb',
      `#!/bin/sh
case "$*" in
  *--fsys-tarfile*) /usr/bin/dpkg-deb "$@" | head -c 60000000; touch /root/half/way; exec sleep 600 2>/dev/null ;;
esac
exec /usr/bin/dpkg-deb "$@"
`,
    );
    machine.must('chmod', '+x', '/root/half/dpkg-deb');
    const dpkg = machine.start(
      ...['sh', '-c', 'PATH=/root/half:$PATH; echo $$ >/root/half/pid; exec dpkg --install /srv/second/sluice_*.deb'],
    );
    await waitFor('the middle', () => existsSync(machine.at('/root/half/way')), HOLD);
    machine.must('sh', '-c', 'kill -KILL $(cat /root/half/pid)');
    await dpkg.ended;
    machine.must('rm', '-r', '/root/half');
    assert.match(machine.must('dpkg', '--audit'), /^ sluice /m);
    assert.ok(isActive(machine), machine.journal('sluice'));
    machine.must('systemctl', 'restart', 'sluice.service');
    assert.equal(status(machine).log.id, log.id);
  });

  await step('an upgrade heals it, and keeps the log and the configuration', () => {
    const file = readFileSync(machine.at('/etc/sluice/gateway.yaml'));
    machine.must('sh', '-c', 'dpkg --install /srv/second/*.deb');
    assert.equal(machine.must('dpkg', '--audit'), '');
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.match(machine.must('dpkg-query', '--show', 'sluice'), /^sluice\s+0\.2\.0$/);
    assert.equal(status(machine).log.id, log.id);
    assert.deepEqual(readFileSync(machine.at('/etc/sluice/gateway.yaml')), file);
  });

  await step('a downgrade is refused in words, and the gateway runs on', () => {
    const { code, out: words } = machine.run('sh', '-c', 'dpkg --install /srv/first/sluice_*.deb');
    assert.notEqual(code, 0);
    assert.match(words, /version 0\.1\.0 is older than version 0\.2\.0/);
    assert.match(words, /apt-get purge sluice/);
    assert.ok(isActive(machine));
    assert.match(machine.must('dpkg', '--list', 'sluice'), /^ii +sluice +0\.2\.0 /m);
    assert.equal(status(machine).log.id, log.id);
  });

  await step('a removal keeps what the gateway measured, and an older version is refused then, too', () => {
    machine.must('dpkg', '--remove', 'sluice-node-red', 'sluice');
    assert.ok(existsSync(machine.at('/var/lib/sluice/log.db')));
    assert.ok(existsSync(machine.at('/etc/sluice/gateway.yaml')));
    assert.match(
      machine.run('sh', '-c', 'dpkg --install /srv/first/sluice_*.deb').out,
      /version 0\.1\.0 is older than version 0\.2\.0/,
    );
  });

  await step('a state folder of another user becomes that of the gateway again', () => {
    machine.must('chown', '-R', '4321:4321', '/var/lib/sluice', '/etc/sluice');
    machine.must('sh', '-c', 'dpkg --install /srv/second/*.deb');
    assert.ok(isActive(machine), machine.journal('sluice'));
    assert.equal(status(machine).log.id, log.id);
    assert.equal(machine.must('find', '/var/lib/sluice', '-not', '-user', 'sluice'), '');
    assert.equal(machine.must('stat', '-c', '%U:%G %a', '/etc/sluice/gateway.yaml'), 'root:sluice 640');
  });

  await step('a purge takes Node-RED along, and leaves nothing', () => {
    apt(machine, 'purge', 'sluice');
    assert.ok(!existsSync(machine.at('/usr/lib/sluice')), 'Node-RED went with its gateway');
    machine.must('dpkg', '--purge', 'sluice-node-red');
    const after = everything(machine);
    assert.deepEqual(
      after.filter((file) => !before.includes(file)),
      [],
    );
    assert.deepEqual(
      before.filter((file) => !after.includes(file)),
      [],
    );
    assert.ok(!existsSync(machine.at('/run/sluice')));
    for (const user of ['sluice', 'sluice-hook', 'sluice-flows'])
      for (const kind of ['passwd', 'group']) assert.notEqual(machine.run('getent', kind, user).code, 0, `${kind} ${user}`);
  });

  await step('an upgrade brings a log of an older layout to its own, and keeps each reading', () => {
    machine.must('sh', '-c', 'dpkg --install /srv/first/sluice_*.deb');
    machine.must('systemctl', 'stop', 'sluice.service');
    const file = machine.at('/etc/sluice/gateway.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('maxAge: 30d', 'maxAge: 36500d'));
    const expected = putOldLog(machine, '0.1.0', out);
    assert.equal(layoutOf(machine, out), 1);
    machine.must('sh', '-c', 'dpkg --install /srv/second/sluice_*.deb');
    assert.ok(isActive(machine), machine.journal('sluice'));
    const exported = machine.must('sluice', 'export', '--format', 'jsonl', '--quiet').split('\n');
    assert.deepEqual(exported.slice(0, expected.length).map(withoutTime), expected.map(withoutTime));
    machine.must('systemctl', 'stop', 'sluice.service');
    assert.equal(layoutOf(machine, out), SCHEMA_VERSION);
  });
}
