import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { HOOK_SOCKET } from '../../../src/control/actions/hook-unit.ts';
import { UNIT_PLACES } from '../../../src/node-red/unit-way.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const UNIT = path.join(import.meta.dirname, '..', '..', '..', 'systemd', 'sluice.service');
const SYSTEMD = 'apt-get install -y systemd';

test('systemd has nothing to say against the unit', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  // The program is not installed where the tests run, and verify looks for it.
  const unit = path.join(scratch(t), 'sluice.service');
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('/usr/bin/sluice', '/bin/true'));
  const result = spawnSync(analyze, ['verify', '--man=no', unit], { encoding: 'utf8' });
  assert.equal(result.stderr + result.stdout, '');
  assert.equal(result.status, 0);
});

test('the unit is fenced: exposure at most 1.6 of 10', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const result = spawnSync(analyze, ['security', '--offline=true', '--threshold=16', '--no-pager', UNIT], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stdout.split('\n').slice(-4).join('\n') + result.stderr);
});

test('the unit keeps what the promises rest on', () => {
  const unit = readFileSync(UNIT, 'utf8');
  // The tail that is not on the card yet survives a dead process only in a kept runtime directory.
  assert.match(unit, /^RuntimeDirectory=sluice sluice-flows$/m);
  assert.match(unit, /^RuntimeDirectoryPreserve=yes$/m);
  assert.match(unit, /^StateDirectory=sluice$/m);
  assert.match(unit, /^SupplementaryGroups=dialout gpio$/m);
  assert.match(unit, /^Type=notify$/m);
  assert.match(unit, /^RestartPreventExitStatus=78$/m);
  // A boot without a network must not wait for a time server.
  assert.doesNotMatch(unit, /^(?:After|Wants|Requires)=.*(?:time-sync|network-online)/m);
  assert.match(unit, /^StartLimitIntervalSec=0$/m);
});

const FLOW_UNITS = [
  'sluice-node-red.service',
  'sluice-node-red.socket',
  'sluice-node-red-stop.path',
  'sluice-node-red-stop.service',
];
const flowUnit = (name: string): string => readFileSync(path.join(path.dirname(UNIT), name), 'utf8');

test('systemd has nothing to say against the units of Node-RED', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const folder = scratch(t);
  for (const name of FLOW_UNITS)
    writeFileSync(path.join(folder, name), flowUnit(name).replace('/usr/bin/sluice-node-red', '/bin/true'));
  const units = FLOW_UNITS.map((name) => path.join(folder, name));
  const result = spawnSync(analyze, ['verify', '--man=no', ...units], { encoding: 'utf8' });
  assert.equal(result.stderr + result.stdout, '');
  assert.equal(result.status, 0);
});

test('the service of Node-RED is fenced, and its places are those of the code', (t) => {
  const service = flowUnit('sluice-node-red.service');
  const socket = flowUnit('sluice-node-red.socket');
  assert.match(service, /^InaccessiblePaths=-\/etc\/sluice -\/var\/lib\/sluice -\/run\/sluice$/m);
  assert.match(service, /^Restart=no$/m);
  assert.match(service, /^TimeoutStopSec=15s$/m);
  for (const limit of ['MemoryMax', 'TasksMax', 'LimitNOFILE']) assert.match(service, new RegExp(`^${limit}=\\d`, 'm'));
  assert.equal(path.join('/var/lib', /^StateDirectory=(.*)$/m.exec(service)?.[1] ?? ''), UNIT_PLACES.folder);
  assert.deepEqual(
    [...socket.matchAll(/^ListenStream=(.*)$/gm)].map(([, file]) => file),
    ['gateway.sock', 'editor.sock'].map((name) => path.join(UNIT_PLACES.sockets, name)),
  );
  assert.match(socket, /^SocketUser=sluice$/m);
  assert.match(socket, /^SocketMode=0600$/m);
  assert.ok(flowUnit('sluice-node-red-stop.path').includes(`PathExists=${UNIT_PLACES.stopFile}\n`));
  // A removal that fails waits, because the path unit starts it again at once.
  assert.ok(flowUnit('sluice-node-red-stop.service').includes(`rm -f ${UNIT_PLACES.stopFile} || { sleep `));
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const unit = path.join(path.dirname(UNIT), 'sluice-node-red.service');
  const result = spawnSync(analyze, ['security', '--offline=true', '--threshold=30', '--no-pager', unit], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stdout.split('\n').slice(-4).join('\n') + result.stderr);
});

test('the service of hooks is fenced, and its socket is the one that the gateway opens', (t) => {
  const [service, socket] = [flowUnit('sluice-hook@.service'), flowUnit('sluice-hook.socket')];
  for (const folder of ['/etc/sluice', '/var/lib/sluice', '/run/sluice']) assert.match(service, new RegExp(` ?-${folder}\\b`));
  for (const limit of ['MemoryMax', 'TasksMax', 'LimitNOFILE', 'RuntimeMaxSec'])
    assert.match(service, new RegExp(`^${limit}=\\d`, 'm'));
  assert.match(service, /^User=sluice-hook$/m);
  assert.match(service, /^KillMode=control-group$/m);
  assert.ok(socket.includes(`ListenStream=${HOOK_SOCKET}\n`));
  assert.match(socket, /^SocketUser=sluice$/m);
  assert.match(socket, /^SocketMode=0600$/m);
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const folder = scratch(t);
  const files = ['sluice-hook@.service', 'sluice-hook.socket'].map((name) => path.join(folder, name));
  for (const file of files) writeFileSync(file, flowUnit(path.basename(file)).replace('/usr/bin/sluice-hook', '/bin/true'));
  const verified = spawnSync(analyze, ['verify', '--man=no', ...files], { encoding: 'utf8' });
  assert.equal(verified.stderr + verified.stdout, '');
  const fenced = spawnSync(analyze, ['security', '--offline=true', '--threshold=40', '--no-pager', files[0] ?? ''], {
    encoding: 'utf8',
  });
  assert.equal(fenced.status, 0, fenced.stdout.split('\n').slice(-4).join('\n') + fenced.stderr);
});

const CARD_UNITS = ['sluice-provision.service', 'sluice-status-file.service', 'sluice-status-file.timer'];

test('the units of provisioning are sound, fenced and in no circle of orders', (t) => {
  const analyze = peer(t, 'systemd-analyze', SYSTEMD);
  if (analyze === undefined) return;
  const folder = scratch(t);
  for (const name of CARD_UNITS) writeFileSync(path.join(folder, name), flowUnit(name).replace('/usr/bin/sluice', '/bin/true'));
  const units = CARD_UNITS.map((name) => path.join(folder, name));
  const result = spawnSync(analyze, ['verify', '--man=no', ...units], { encoding: 'utf8' });
  assert.equal(result.stderr + result.stdout, '');
  for (const service of units.slice(0, 2)) {
    const fence: SpawnSyncReturns<string> = spawnSync(
      analyze,
      ['security', '--offline=true', '--threshold=30', '--no-pager', service],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(fence.status, 0, fence.stdout.split('\n').slice(-4).join('\n'));
  }
  const unit = flowUnit('sluice-provision.service');
  assert.match(unit, /^Type=oneshot$/m);
  assert.match(unit, /^Before=sluice\.service /m);
  assert.match(unit, /^TimeoutStartSec=60s$/m);
  assert.doesNotMatch(unit, /RequiredBy=|Requires=/, 'a boot does not wait for a unit that fails');
  assert.doesNotMatch(unit, /\.mount/, 'a mount may need the network, which waits for this unit');
});

test('provisioning waits for the card that the mounts of the system name, and not for long', (t) => {
  const [, line = ''] = /^ExecStartPre=-\+\/bin\/sh -c '(.*)'$/m.exec(flowUnit('sluice-provision.service')) ?? [];
  assert.ok(line.length > 0);
  const folder = scratch(t);
  const [fstab, mounts, sleeps] = ['fstab', 'mounts', 'sleeps'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const firmware = '/dev/mmcblk0p1 /boot/firmware vfat rw 0 0\n';
  // What systemd makes of it; each wait writes a dot, and mounts the card at the third one where that is wanted.
  const script = (comes: string): string =>
    line
      .replaceAll('$$', '$')
      .replaceAll('%%', '%')
      .replace('/etc/fstab', fstab)
      .replace('/proc/self/mounts', mounts)
      .replace('sleep 1', `printf . >>${sleeps}; [ $n -ne 3 ] || printf '${comes}' >>${mounts}`);
  for (const [has, mounted, comes, waits] of [
    ['PARTLABEL=sluice-boot\t/boot/firmware\tvfat\trw,nofail 0 0', '', firmware, 3],
    ['PARTLABEL=sluice-boot /boot/firmware vfat rw,nofail 0 0', '', '', 20],
    ['PARTLABEL=sluice-boot /boot/firmware/ vfat rw,nofail 0 0', firmware, '', 0],
    ['LABEL=boot /boot vfat defaults 0 2', '/dev/root /boot ext4 rw 0 0\n', '/dev/sda1 /boot vfat rw 0 0\n', 3],
    ['LABEL=boot /boot vfat x-systemd.automount 0 2', 'systemd-1 /boot autofs rw 0 0\n', '', 0],
    ['LABEL=boot /boot vfat ro,noauto 0 2', '', '', 0],
    ['# LABEL=boot /boot vfat defaults 0 2\n#LABEL=boot /boot vfat', '', '', 0],
    ['192.0.2.1:/boot /boot nfs defaults,vers=3 0 0\n/dev/sda1 / ext4 rw 0 1\n/dev/sda2 /mnt/boot vfat rw 0 0', '', '', 0],
    ['', '', '', 0],
  ] as const) {
    // The last line may lack its end.
    writeFileSync(fstab, has);
    writeFileSync(mounts, mounted);
    writeFileSync(sleeps, '');
    const { status, stderr } = spawnSync('/bin/sh', ['-c', script(comes)], { encoding: 'utf8' });
    assert.equal(stderr, '', has);
    assert.equal(status, 0, has);
    assert.equal(readFileSync(sleeps, 'utf8').length, waits, has);
  }
});
