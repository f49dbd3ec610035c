import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { diskOf } from '../../../src/boards/disk-of.ts';
import { Disk, PowerCut } from '../../../src/provisioning/disk.ts';
import { changeOf, readIdentity } from '../../../src/provisioning/identity.ts';
import { type MachineFacts, systemWords } from '../../../src/provisioning/machine.ts';
import { COPIED_MARK } from '../../../src/store/files/copied-mark.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { BOARD_A, BOARD_B, CARD, FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const GOLDEN = 'gateway: {id: ghat-1, name: Ghat 1}   # a comment of a person\n';

/** A gateway with an administrator, a log and keys, on board A. */
function used(folder: string): FakeBoard {
  const board = new FakeBoard(folder);
  mkdirSync(path.dirname(board.config), { recursive: true });
  writeFileSync(board.config, GOLDEN);
  board.start();
  for (const name of ['log.db', 'log.db-wal', 'history.db', 'access.json', 'claim'])
    writeFileSync(path.join(board.stateDir, name), name);
  mkdirSync(path.join(board.stateDir, 'tls'));
  writeFileSync(path.join(board.stateDir, 'tls', 'own.pem'), 'private');
  return board;
}

test('the table of changes: one hardware fact that stays proves the gateway', () => {
  const a: MachineFacts = { serial: 's1', cid: 'c1', machineId: 'm1' };
  const cases: readonly (readonly [string, MachineFacts, MachineFacts])[] = [
    ['same', a, a],
    ['same', a, { ...a, machineId: 'm2' }],
    ['board-replaced', a, { ...a, serial: 's2' }],
    ['card-replaced', a, { ...a, cid: 'c2' }],
    ['clone', a, { serial: 's2', cid: 'c2', machineId: 'm1' }],
    ['same', a, {}],
    ['same', a, { machineId: 'm1' }],
    ['clone', a, { serial: 's2' }],
    ['clone', a, { cid: 'c2' }],
    ['same', { machineId: 'm1' }, { machineId: 'm1' }],
    ['clone', { machineId: 'm1' }, { machineId: 'm2' }],
    ['same', { machineId: 'm1' }, { serial: 's2', machineId: 'm1' }],
  ];
  for (const [expected, kept, now] of cases) assert.equal(changeOf(kept, now), expected, JSON.stringify([kept, now]));
});

test('what a start cannot read never makes a clone, and the same board never is one', () => {
  const facts = fc.record({
    serial: fc.option(fc.constant('s'), { nil: undefined }),
    cid: fc.option(fc.constant('c'), { nil: undefined }),
    machineId: fc.option(fc.constant('m'), { nil: undefined }),
  });
  fc.assert(fc.property(facts, facts, (kept, now) => changeOf(kept, now) === 'same'));
});

test('the system has its name from a file in /etc, or from the file that Debian links to', (t) => {
  const root = scratch(t, 'system', '/dev/shm');
  assert.equal(systemWords(root).os, 'unknown system');
  for (const folder of ['etc', 'usr/lib']) mkdirSync(path.join(root, folder), { recursive: true });
  writeFileSync(path.join(root, 'usr/lib/os-release'), 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n');
  symlinkSync('../usr/lib/os-release', path.join(root, 'etc/os-release'));
  assert.equal(systemWords(root).os, 'Debian GNU/Linux 13 (trixie)');
  rmSync(path.join(root, 'etc/os-release'));
  writeFileSync(path.join(root, 'etc/os-release'), 'PRETTY_NAME=Clinic\n');
  assert.equal(systemWords(root).os, 'Clinic');
});

test('the card is the one with the state: another card in the board makes no clone', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'), { ...BOARD_A, serial: '' });
  // An SSD has no card register; the card beside it is for data.
  board.stateOn('nvme0n1/nvme0n1p2');
  board.start();
  assert.equal(readIdentity(board.stateDir)?.machine.cid, undefined);
  board.is({ ...BOARD_A, serial: '', cid: BOARD_B.cid ?? '' });
  assert.equal(board.start().change, 'same');
  // From now on the state is on that card; an earlier start could not know.
  board.stateOn('mmcblk0/mmcblk0p2');
  assert.deepEqual([board.start().change, readIdentity(board.stateDir)?.machine.cid], ['same', BOARD_B.cid]);
  board.is({ ...BOARD_A, serial: '' });
  assert.equal(board.start().change, 'clone');
});

test('the disk of a folder is found below encryption, and not below several disks', (t) => {
  const sys = scratch(t, 'sys', '/dev/shm');
  for (const made of ['devices/mmcblk1/mmcblk1p2', 'devices/sda', 'devices/dm-0/slaves', 'devices/md0/slaves', 'dev/block'])
    mkdirSync(path.join(sys, made), { recursive: true });
  writeFileSync(path.join(sys, 'devices/mmcblk1/mmcblk1p2/partition'), '2');
  const link = (from: string, to: string) => symlinkSync(to, path.join(sys, from));
  link('devices/dm-0/slaves/mmcblk1p2', '../../mmcblk1/mmcblk1p2');
  link('devices/md0/slaves/mmcblk1p2', '../../mmcblk1/mmcblk1p2');
  link('devices/md0/slaves/sda', '../../sda');
  link('dev/block/254:0', '../../devices/dm-0');
  link('dev/block/9:0', '../../devices/md0');
  assert.equal(diskOf(sys, sys, '254:0')?.name, 'mmcblk1');
  assert.equal(diskOf(sys, sys, '9:0'), undefined);
  assert.equal(diskOf(sys, sys, '0:99'), undefined);
});

test('a board without a device tree and an SSD or a virtual disk are known by their own names', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const pc = { uuid: '7f0a3c1e-0000-4000-8000-00000000000a', wwid: 'eui.00253844a1b2c3d4', machineId: 'a'.repeat(32) };
  const changes = (name: string, first: object, ...then: object[]) => {
    const board = new FakeBoard(path.join(folder, name), first);
    board.start();
    return then.map((hardware) => {
      board.is(hardware);
      return board.start().change;
    });
  };
  const other = '7f0a3c1e-0000-4000-8000-00000000000b';
  assert.deepEqual(changes('board', pc, { ...pc, uuid: other }), ['board-replaced']);
  assert.deepEqual(changes('disk', pc, { ...pc, wwid: 'naa.5002538e40000001' }), ['card-replaced']);
  assert.deepEqual(changes('both', pc, { ...pc, uuid: other, wwid: 'eui.0025384400000001' }), ['clone']);
  assert.deepEqual(changes('virtual', { uuid: pc.uuid, diskSerial: 'd1' }, { uuid: other, diskSerial: 'd2' }), ['clone']);
  // What nobody numbered, and the words of an adapter, are the same everywhere: they say nothing.
  const nobody = { uuid: '03000200-0400-0500-0006-000700080009', wwid: 't10.Generic STORAGE DEVICE 0000', machineId: 'm' };
  assert.deepEqual(changes('nobody', nobody, { ...nobody, uuid: 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF' }), ['same']);
  assert.deepEqual(changes('copy', nobody, { ...nobody, machineId: 'n' }), ['clone']);
});

test('an id comes from a true MAC address, else from the serial number', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const id = (name: string, hardware: object) => new FakeBoard(path.join(folder, name), hardware).start().id;
  assert.equal(id('mac', BOARD_A), 'sluice-a1b2c3');
  assert.equal(id('software', { ...BOARD_A, mac: 'ba:27:eb:a1:b2:c3' }), 'sluice-aaaaaa');
  assert.match(id('nothing', { serial: '0000000000000000' }) ?? '', /^sluice-[0-9a-f]{8}$/);
});

test('a cloned card becomes a new gateway, and everything of the old one lies aside', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const original = used(path.join(folder, 'a'));
  const key = original.state('gateway.key');
  const clone = original.copyTo(path.join(folder, 'b'), BOARD_B);
  symlinkSync('/etc/passwd', path.join(clone.stateDir, 'stray'));
  const done = clone.start();
  assert.deepEqual([done.change, done.id], ['clone', 'sluice-b1b2b3']);
  assert.equal(clone.yaml, GOLDEN.replace('ghat-1', 'sluice-b1b2b3'), 'only the id of the configuration changes');
  const aside = path.join(clone.stateDir, 'set-aside', 'ghat-1');
  assert.deepEqual(readdirSync(aside).sort(), [
    'access.json',
    'claim',
    'gateway.key',
    'history.db',
    'identity.json',
    'log.db',
    'log.db-wal',
    'stray',
    'tls',
  ]);
  assert.equal(statSync(aside).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(clone.stateDir).sort(), ['gateway.key', 'identity.json', 'notices.json', 'set-aside']);
  assert.notEqual(clone.state('gateway.key'), key);
  assert.match(clone.status, /copy of the card of ghat-1\. It is a new gateway: sluice-b1b2b3/);
  const [notice] = JSON.parse(clone.state('notices.json')) as { event: string; data: object }[];
  assert.deepEqual([notice?.event, notice?.data], ['identity', { was: 'ghat-1', id: 'sluice-b1b2b3' }]);
  assert.deepEqual([clone.start().change, clone.start().id], ['same', 'sluice-b1b2b3']);
  assert.deepEqual([original.start().change, original.state('gateway.key')], ['same', key]);
});

test('a power cut at any step of a clone ends in the same clone', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const original = used(path.join(folder, 'a'));
  original.write(CARD);
  original.start();
  let steps = 0;
  const whole = original.copyTo(path.join(folder, 'whole'), BOARD_B);
  whole.start({ disk: new Disk(() => void steps++) });
  whole.start();
  const names = (board: FakeBoard) => Object.keys(board.files()).map((name) => name.replace(/password-[0-9a-f]{8}/, 'password'));
  for (let cut = 0; cut < steps; cut++) {
    const board = original.copyTo(path.join(folder, String(cut)), BOARD_B);
    let left = cut;
    const disk = new Disk(() => {
      if (left-- === 0) throw new PowerCut();
    });
    assert.throws(() => board.start({ disk }), PowerCut);
    board.start();
    const { id } = board.start();
    assert.equal(id, 'sluice-b1b2b3', `cut ${cut}`);
    assert.deepEqual(names(board), names(whole), `cut ${cut}`);
    assert.equal((JSON.parse(board.state('notices.json')) as object[]).length, 1, `cut ${cut}`);
    assert.match(board.yaml, /id: sluice-b1b2b3/);
  }
});

test('a clone takes over the file of its card under its new id, and a second clone too', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const golden = new FakeBoard(path.join(folder, 'golden'));
  golden.write(CARD);
  golden.start();
  writeFileSync(path.join(golden.stateDir, 'access.json'), '{}');
  for (const [i, end] of ['c1c1c1', 'd1d1d1'].entries()) {
    const clone = golden.copyTo(path.join(folder, end), {
      serial: `s${i}`,
      cid: `c${i}`,
      mac: `b8:27:eb:${(end.match(/../g) ?? []).join(':')}`,
    });
    const done = clone.start();
    assert.deepEqual([done.outcome, done.change, done.id], ['unchanged', 'clone', `sluice-${end}`]);
    assert.match(clone.card(), new RegExp(`^id: sluice-${end} `, 'm'));
    assert.match(clone.yaml, new RegExp(`id: sluice-${end}`));
    assert.equal(clone.status.includes('Claimed:     no'), true, 'the accounts of the golden card are no accounts of the clone');
    const before = clone.files();
    clone.start();
    assert.deepEqual(clone.files(), before);
  }
});

test('a moved card stays, and a copied card on the same board asks for a new log', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const moved = used(path.join(folder, 'a'));
  moved.is({ ...BOARD_B, cid: BOARD_A.cid ?? '' });
  assert.deepEqual([moved.start().change, moved.start().change], ['board-replaced', 'same']);
  assert.equal(moved.state('access.json'), 'access.json');
  const copied = used(path.join(folder, 'b'));
  copied.is({ ...BOARD_A, cid: 'another-card' });
  const done = copied.start();
  assert.deepEqual([done.change, done.id], ['card-replaced', 'ghat-1']);
  assert.equal(copied.state(COPIED_MARK), '');
  assert.equal(copied.state('log.db'), 'log.db');
});

test('a copied log goes on under a new id, and its rest leaves under the old one', async (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const state = path.join(folder, 'state');
  const open = async (boot: number) => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const log = await Log.open({
      ...{ stateDir: state, runtimeDir: path.join(folder, `run${boot}`), clock },
      ...{ maxSize: 64e6, maxAge: 1e13, commitEvery: 10_000 },
    });
    log.outlet('cloud', 'oldest', 'g1', 'json');
    return { log, clock };
  };
  const shape = { device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number', unit: 'Hz' }] } as const;
  const first = await open(1);
  for (let i = 0; i < 5; i++) first.log.append({ shape, at: first.clock.monotonic(), values: [i], reasons: null });
  const old = first.log.id;
  await first.log.close(1000);
  writeFileSync(path.join(state, COPIED_MARK), '');
  const second = await open(2);
  assert.notEqual(second.log.id, old);
  assert.deepEqual(
    second.log.opened.logs.map(({ name }) => name),
    [old, second.log.id],
  );
  await second.log.close(1000);
  assert.ok(!readdirSync(state).includes(COPIED_MARK));
  const third = await open(3);
  assert.equal(third.log.id, second.log.id, 'the mark counts once');
  await third.log.close(1000);
});

test('a person who writes another id into the configuration has the last word', (t) => {
  const board = used(scratch(t, 'cards', '/dev/shm'));
  writeFileSync(board.config, GOLDEN.replace('ghat-1', 'ghat-2'));
  assert.deepEqual([board.start().id, board.start().change], ['ghat-2', 'same']);
  writeFileSync(board.config, GOLDEN.replace('ghat-1', 'my-gateway'));
  board.start();
  assert.match(board.yaml, /id: ghat-2/);
});

test('a damaged identity file is made again, and makes no clone', (t) => {
  const board = used(scratch(t, 'cards', '/dev/shm'));
  for (const text of ['', '{', '{"v":1,"id":"../x","machine":{},"former":[]}', '{"v":2}', 'x'.repeat(100_000)]) {
    writeFileSync(path.join(board.stateDir, 'identity.json'), text);
    assert.equal(board.start().id, 'ghat-1');
    assert.equal(board.state('log.db'), 'log.db');
  }
});
