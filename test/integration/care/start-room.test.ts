/**
 * The room that a gateway keeps for a start on a full disk: it starts, polls and raises alarms there, again after each stop and kill,
 * and nothing is lost or taken for damaged. What lies in the place of the file and is no room stays as it is.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { RemovedReply } from '../../../src/admin/log-questions.ts';
import { ROOM, ROOM_FILE, StartRoom } from '../../../src/care/start-room.ts';
import { BALLAST, fillDisk, loopDisk, mayMount, memoryDisk, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const SLOW = { timeout: 400_000 };
const LENT = /^The disk is full: \d+ kB of .* The gateway starts with the room that it keeps for this/;
const TOLD = /The disk is full: .*The gateway started with the room that it keeps for this/;
const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
const freeOf = (folder: string): number => {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
};

/** A gateway on a disk, with a device and an alarm. Its events go upstream. */
async function siteOn(t: TestContext, folder: string) {
  const device = await SettableDevice.start(t);
  const upstream = await Mosquitto.start(t);
  const events = upstream && (await Subscriber.start(t, upstream.port, ['sluice/g1/event']));
  if (device === undefined || upstream === undefined || events === undefined) return undefined;
  const gateway = makeGateway(
    t,
    ({ stateDir }) => `
gateway: {id: g1, stateDir: ${stateDir}, runtimeDir: ${scratch(t, 'run', '/dev/shm')}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 50ms, points: {n: {table: holding, address: 0, type: uint16}}}}
rules: {high: {point: d1.n, above: 100}}
buffer: {commitEvery: 100ms}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${upstream.port}', batch: {maxAge: 50ms}}}
`,
    folder,
  );
  return { device, gateway, events, room: path.join(gateway.stateDir, ROOM_FILE) };
}

const isActive = async (gateway: Gateway): Promise<boolean> =>
  (await gateway.status()).alarms.some(({ state }) => state.startsWith('active'));
const replies = async (gateway: Gateway): Promise<number> => (await gateway.status()).buses[0]?.devices[0]?.counters.replies ?? 0;

test('on a disk that filled up meanwhile the gateway starts, polls and raises alarms', SLOW, async (t) => {
  const disk = memoryDisk(t, 'size=80m');
  const made = disk === undefined ? undefined : await siteOn(t, disk);
  if (disk === undefined || made === undefined) return;
  const { gateway, device, events, room } = made;
  await gateway.up();
  await waitFor('the room', () => sizeOf(room) === ROOM);
  assert.equal(statSync(room).mode & 0o777, 0o600);
  const { log } = await gateway.status();
  assert.equal(await gateway.stop(), 0);

  let told = 0;
  for (const value of [101, 102, 103]) {
    fillDisk(disk);
    await device.set(0, 0);
    await gateway.up();
    await gateway.waitForLog(LENT);
    const before = await replies(gateway);
    await waitFor('polls', async () => (await replies(gateway)) > before);
    await waitFor('no alarm', async () => !(await isActive(gateway)));
    await device.set(0, value);
    await waitFor('the alarm', () => isActive(gateway));
    assert.equal((await gateway.status()).log.id, log.id);
    await waitFor('room for the next start', () => sizeOf(room) > 0);
    told += 1;
    await waitFor('the event', () => events.messages().filter(({ payload }) => TOLD.test(payload)).length >= told);
    // A second one has no lock, and takes nothing from the first.
    const kept = sizeOf(room);
    const second = await sluice(t, 'run', '-c', gateway.config);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /a gateway is running with this state directory/);
    assert.ok(sizeOf(room) >= kept);
    assert.equal(await gateway.stop(), 0);
  }
  rmSync(path.join(disk, BALLAST));
  await gateway.up();
  await waitFor('a log without a fault', async () => (await gateway.status()).log.faults.length === 0);
  await waitFor('all of the room', () => sizeOf(room) === ROOM);
  assert.equal(await gateway.stop(), 0);
});

test('starts and kills on an ext4 that is filled each time damage nothing', SLOW, async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'room', 96);
  const made = await siteOn(t, disk);
  if (made === undefined) return;
  const { gateway, device, room } = made;
  await device.set(0, 1);
  await gateway.up();
  await waitFor('the room', () => sizeOf(room) === ROOM);
  const { log } = await gateway.status();
  const lines = async (): Promise<string[]> => {
    const { stdout } = await sluice(t, 'export', '-c', gateway.config, '--points', 'd1.n', '--format', 'jsonl');
    return stdout.split('\n').filter((line) => line !== '');
  };
  let before: string[] = [];
  await waitFor('readings', async () => {
    before = await lines();
    return before.length > 10;
  });
  await gateway.kill();

  let lent = 0;
  const RUNS = /^The gateway is running/;
  for (const until of [LENT, RUNS, 'kept', LENT, 'kept'] as const) {
    fillDisk(disk);
    const seen = gateway.logs().length;
    const said = (pattern: RegExp) =>
      gateway
        .logs()
        .slice(seen)
        .some(({ msg }) => pattern.test(msg));
    gateway.start();
    await waitFor(
      () => `a start; last lines:\n${gateway.tail()}`,
      () =>
        gateway.over !== undefined ||
        (until === 'kept' ? said(RUNS) && (sizeOf(room) > 0 || !said(LENT)) : said(RUNS) || said(until)),
    );
    // A kill before the gateway ran may have left the room to others: then the start ends with the words for a full disk.
    if (gateway.over !== undefined) assert.match(gateway.tail(), /The disk is full: /);
    if (said(LENT)) lent++;
    await gateway.kill();
    const names = readdirSync(gateway.stateDir);
    assert.ok(!names.some((name) => name.includes('damaged')), names.join(' '));
  }
  assert.ok(lent > 0, 'the room was lent');
  rmSync(path.join(disk, BALLAST));
  await gateway.up();
  assert.equal((await gateway.status()).log.id, log.id);
  await waitFor('all of the room', () => sizeOf(room) === ROOM);
  const after = new Set(await lines());
  const missing = before.filter((line) => !after.has(line)).length;
  // A log on a disk that others filled stays small: what it dropped for that is counted.
  const { points } = (await request(gateway.socket, 'GET', '/api/v1/removed?points=d1.n')) as RemovedReply;
  const counted = points.reduce((sum, { dropped, thinned }) => sum + dropped.readings + thinned.readings, 0);
  assert.ok(missing <= counted, `${missing} readings are missing, and ${counted} were dropped`);
  assert.equal(await gateway.stop(), 0);
});

const SPOILT: readonly (readonly [what: string, make: (file: string, other: string) => void])[] = [
  ['a folder', (file) => mkdirSync(file)],
  ['a pipe', (file) => run('mkfifo', file)],
  ['a link', (file, other) => symlinkSync(other, file)],
  ['a second name of a file', (file, other) => linkSync(other, file)],
];

for (const [what, make] of SPOILT)
  test(`${what} in the place of the room gives nothing and stays as it is`, async (t) => {
    const disk = memoryDisk(t, 'size=80m');
    if (disk === undefined) return;
    const file = path.join(disk, ROOM_FILE);
    const other = path.join(disk, 'other');
    writeFileSync(other, 'of a person');
    make(file, other);
    const { ino, mode } = lstatSync(file);
    await new StartRoom(disk).keep();
    fillDisk(disk);
    const room: StartRoom = new StartRoom(disk);
    assert.equal(room.lend(), undefined);
    await room.keep();
    assert.deepEqual([lstatSync(file).ino, lstatSync(file).mode], [ino, mode]);
    assert.equal(readFileSync(other, 'utf8'), 'of a person');
  });

test('a sparse file and an empty one give nothing, and become room where there is space', async (t) => {
  const disk = memoryDisk(t, 'size=80m');
  if (disk === undefined) return;
  const file = path.join(disk, ROOM_FILE);
  for (const size of [0, ROOM]) {
    writeFileSync(file, '');
    truncateSync(file, size);
    fillDisk(disk);
    const room: StartRoom = new StartRoom(disk);
    assert.equal(room.lend(), undefined, `${size} bytes`);
    await room.keep();
    assert.equal(statSync(file).blocks, 0);
    rmSync(path.join(disk, BALLAST));
    await room.keep();
    assert.ok(statSync(file).blocks * 512 >= ROOM);
    rmSync(file);
  }
});

test('room is lent where bytes are missing, taken back but for a rest, and lent again', async (t) => {
  const disk = memoryDisk(t, 'size=80m');
  if (disk === undefined) return;
  const file = path.join(disk, ROOM_FILE);
  await new StartRoom(disk).keep();
  assert.equal(new StartRoom(disk).lend(), undefined, 'the disk has room');
  fillDisk(disk);
  for (let held = sizeOf(file); held > 0; ) {
    const room: StartRoom = new StartRoom(disk);
    assert.match(room.lend() ?? '', /^The disk is full: 0 kB of /);
    assert.ok(freeOf(disk) >= held && sizeOf(file) === 0);
    await room.keep();
    assert.ok(sizeOf(file) < held, 'it ends');
    held = sizeOf(file);
    // What the log has is more than a start needs.
    assert.ok(held === 0 || freeOf(disk) >= 320 * 1024);
    assert.equal(new StartRoom(disk).lend(), undefined, 'a start that is not full takes nothing');
    await new StartRoom(disk).keep();
    assert.equal(sizeOf(file), held, 'and writes nothing');
    fillDisk(disk);
  }
  assert.equal(new StartRoom(disk).lend(), undefined);
  assert.equal(sizeOf(file), 0);
});

test('a disk that takes no further file keeps its room: bytes are no help there', async (t) => {
  const disk = memoryDisk(t, 'size=80m,nr_inodes=20');
  if (disk === undefined) return;
  await new StartRoom(disk).keep();
  fillDisk(disk);
  for (let n = 0; statfsSync(disk).ffree > 0; n++) writeFileSync(path.join(disk, `f${n}`), '');
  assert.equal(new StartRoom(disk).lend(), undefined);
  assert.equal(sizeOf(path.join(disk, ROOM_FILE)), ROOM);
});

test('a disk that never had 64 MB free keeps no room, and what was cut is made whole', async (t) => {
  const [small, large] = [memoryDisk(t, 'size=60m'), memoryDisk(t, 'size=80m')];
  if (small === undefined || large === undefined) return;
  await new StartRoom(small).keep();
  assert.deepEqual(readdirSync(small), []);
  const file = path.join(large, ROOM_FILE);
  writeFileSync(file, Buffer.alloc(100_000, 1));
  await new StartRoom(large).keep();
  assert.equal(sizeOf(file), ROOM);
  const { mtimeMs } = statSync(file);
  await new StartRoom(large).keep();
  assert.equal(statSync(file).mtimeMs, mtimeMs, 'a start that finds it whole writes nothing');
});

test('a stop ends the writing of the room, and the next start goes on', async (t) => {
  const disk = memoryDisk(t, 'size=80m');
  if (disk === undefined) return;
  const room: StartRoom = new StartRoom(disk);
  const kept = room.keep();
  room.end();
  await kept;
  assert.ok(sizeOf(path.join(disk, ROOM_FILE)) < ROOM);
  assert.ok(existsSync(path.join(disk, ROOM_FILE)));
  await new StartRoom(disk).keep();
  assert.equal(sizeOf(path.join(disk, ROOM_FILE)), ROOM);
});
