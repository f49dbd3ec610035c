/** A backup of a running gateway goes to a new board: the same accounts, keys and readings, another log, and no number twice. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Archive } from '../../../src/care/archive.ts';
import { keepLastGood } from '../../../src/care/last-good.ts';
import { inspect, restore } from '../../../src/care/restore.ts';
import { continueRestore, settleState } from '../../../src/care/settle.ts';
import { VERSION } from '../../../src/core/version.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Consumer } from '../../oracles/consumer.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';

const SECRET = 'Planted-secret-1f09';

/** Everything in a folder, by name. */
const contentOf = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(path.join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]),
  );

test('a backup of a running gateway goes to a new board in one step', { timeout: 600_000 }, async (t) => {
  const device = await fakeTcp(t);
  const mosquitto = device && (await Mosquitto.start(t));
  const subscriber = mosquitto && (await Subscriber.start(t, mosquitto.port, ['sluice/#']));
  if (device === undefined || mosquitto === undefined || subscriber === undefined) return;
  const yaml = `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {d1: {bus: plant, unit: 1, interval: 40ms, points: {n: {table: holding, address: 0, type: uint16}}}}
buffer: {commitEvery: 100ms}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${mosquitto.port}', username: clerk, password: {file: keys/secret.txt}, batch: {maxAge: 50ms}}}
`;
  const old = makeGateway(t, () => yaml);
  mkdirSync(path.join(old.folder, 'keys'));
  writeFileSync(path.join(old.folder, 'keys/secret.txt'), `${SECRET}\n`, { mode: 0o600 });
  await old.up();
  // As a card brings it (provisioning).
  mkdirSync(path.join(old.stateDir, 'secrets'), { mode: 0o700 });
  writeFileSync(path.join(old.stateDir, 'secrets', 'platform-password'), `${SECRET}\n`, { mode: 0o600 });
  const user = startChild(
    t,
    process.execPath,
    [MAIN, ...'user add anna --role administrator --password-stdin -c'.split(' '), old.config],
    { stdin: true },
  );
  user.write('a long password 7');
  user.endInput();
  assert.equal(await user.ended, 0, user.stderr.join('\n'));
  await sluice(t, 'gateway-key', '-c', old.config);
  await waitFor('readings upstream', () => new Consumer().feedAll(subscriber.messages()).records().length > 20);

  const phrase = path.join(old.folder, 'phrase.txt');
  writeFileSync(phrase, 'one two three\n');
  const stick = scratch(t, 'stick');
  const small = path.join(stick, 'small.sluice-backup');
  const whole = path.join(stick, 'whole.sluice-backup');
  const made = await sluice(t, 'backup', small, '--passphrase-file', phrase, '-c', old.config);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(statSync(small).mode & 0o777, 0o600);
  assert.ok(!readFileSync(small, 'latin1').includes(SECRET), 'it is encrypted');
  const unasked = await sluice(t, 'backup', whole, '--encrypt', '-c', old.config);
  assert.match(unasked.stderr, /no terminal to ask for the password: give it with --passphrase-file/);
  assert.equal((await sluice(t, 'backup', whole, '--with-log', '-c', old.config)).code, 0);
  assert.deepEqual(readdirSync(stick).sort(), ['small.sluice-backup', 'whole.sluice-backup']);
  assert.ok(!readdirSync(old.stateDir).some((name) => name.startsWith('.backup')), 'no copy of the log is left');
  const madeAt = new Date((await old.status()).gateway.time).toISOString();
  // The old board goes on for a while: its numbers go beyond those of the backup.
  const before = new Consumer().feedAll(subscriber.messages()).records().length;
  await waitFor('more readings', () => new Consumer().feedAll(subscriber.messages()).records().length > before + 20);
  const oldLog = (await old.status()).log.id;
  assert.equal((await sluice(t, 'restore', small, '--passphrase-file', phrase, '--yes', '-c', old.config)).code, 1, 'it runs');
  assert.equal(await old.stop(), 0, old.tail());

  const logs = new Set([oldLog]);
  for (const [file, args] of [
    [small, ['--passphrase-file', phrase]],
    [whole, []],
  ] as const) {
    const board = new Gateway(scratch(t, 'board'));
    t.after(() => board.kill());
    const listed = await sluice(t, 'restore', file, ...args, '--list', '-c', board.config);
    assert.match(listed.stdout, /config\/gateway\.yaml .*\nconfig\/keys\/secret\.txt .*\nstate\/access\.json/);
    assert.deepEqual(readdirSync(board.folder), [], 'a list changes nothing');
    const restored = await sluice(t, 'restore', file, ...args, '-c', board.config);
    assert.equal(restored.code, 0, restored.stderr);
    for (const name of [
      'gateway.yaml',
      'keys/secret.txt',
      'state/access.json',
      'state/gateway.key',
      'state/secrets/platform-password',
    ])
      assert.equal(readFileSync(path.join(board.folder, name), 'utf8'), readFileSync(path.join(old.folder, name), 'utf8'), name);
    assert.ok(!existsSync(path.join(board.stateDir, '.restore')));
    await board.up();
    const { log, access } = await board.status();
    assert.equal(access.state, 'claimed');
    assert.ok(!logs.has(log.id), 'a new log');
    logs.add(log.id);
    await waitFor(
      'readings of the new log upstream',
      () =>
        new Consumer()
          .feedAll(subscriber.messages())
          .records()
          .filter((r) => r.log === log.id).length > 20,
    );
    if (file === whole)
      await waitFor('the readings of the old board', async () => {
        const { stdout } = await sluice(t, 'export', '-c', board.config, '--format', 'jsonl', '--to', madeAt);
        return stdout.split('\n').length > 20;
      });
    assert.equal(await board.stop(), 0, board.tail());
  }
  assert.deepEqual(new Consumer().feedAll(subscriber.messages()).judge(), [], 'no number came twice with another content');
});

test('a backup of a gateway with a broken file brings the last good configuration back', async (t) => {
  const gateway = makeGateway(t, () => 'gateway: {id: g1\n');
  const good = `gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1}}
devices: {d1: {bus: plant, unit: 1, profile: own-meter}}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: clerk, password: {file: keys/secret.txt}}}
`;
  const profile =
    'vendor: T\nmodel: M\ntitle: own\nfamily: modbus\nsources: [a]\npoints: {n: {table: holding, address: 0, type: uint16}}\n';
  for (const folder of ['keys', 'profiles', 'state']) mkdirSync(path.join(gateway.folder, folder));
  const own = path.join(gateway.folder, 'profiles/own-meter.yaml');
  writeFileSync(own, profile);
  writeFileSync(path.join(gateway.folder, 'keys/secret.txt'), SECRET, { mode: 0o600 });
  writeFileSync(path.join(gateway.stateDir, 'access.json'), 'accounts');
  await keepLastGood(
    gateway.stateDir,
    { file: gateway.config, text: good, profiles: [{ file: own, text: profile }] },
    VERSION,
    1_795_000_000_000,
  );
  // The profile was broken too.
  writeFileSync(own, 'family: [\n');
  const file = path.join(gateway.folder, 'g1.sluice-backup');
  const made = await sluice(t, 'backup', file, '-c', gateway.config);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /gateway\.yaml has faults, so the backup has the last good configuration in its place\./);
  const to = path.join(scratch(t, 'restored'), 'gateway.yaml');
  const done = await sluice(t, 'restore', file, '-c', to);
  assert.equal(done.code, 0, done.stderr);
  const folder = path.dirname(to);
  assert.equal(readFileSync(to, 'utf8'), good);
  assert.equal(readFileSync(`${to}.broken`, 'utf8'), 'gateway: {id: g1\n');
  assert.equal(readFileSync(path.join(folder, 'profiles/own-meter.yaml'), 'utf8'), profile);
  assert.equal(readFileSync(path.join(folder, 'keys/secret.txt'), 'utf8'), SECRET);
  assert.equal(readFileSync(path.join(folder, 'state/access.json'), 'utf8'), 'accounts');
  assert.equal((await sluice(t, 'check', to)).code, 0);
});

test('a cut restore leaves the old gateway or the new one, and a forged file changes nothing', async (t) => {
  const source = makeGateway(
    t,
    () => 'gateway: {id: g1, stateDir: state, runtimeDir: run}\nbuses: {}\ndevices: {}\nforwarders: {}\n',
  );
  writeFileSync(
    path.join(source.folder, 'gateway.yaml'),
    'gateway: {id: new, stateDir: state, runtimeDir: run, name: "keys/key.txt"}\n',
  );
  mkdirSync(path.join(source.folder, 'keys'));
  writeFileSync(path.join(source.folder, 'keys/key.txt'), 'new');
  mkdirSync(source.stateDir);
  writeFileSync(path.join(source.stateDir, 'access.json'), 'new');
  const file = path.join(source.folder, 'a.sluice-backup');
  const made = await sluice(t, 'backup', file, '-c', source.config);
  assert.equal(made.code, 0, made.stderr);
  const bytes = readFileSync(file);
  const archive = () => new Archive({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) });
  const oldBoard = scratch(t, 'old');
  writeFileSync(path.join(oldBoard, 'gateway.yaml'), 'gateway: {id: old, stateDir: state, runtimeDir: run}\n');
  mkdirSync(path.join(oldBoard, 'state/tls'), { recursive: true });
  for (const name of ['access.json', 'log.db', 'log.db-wal', 'tls/own.pem'])
    writeFileSync(path.join(oldBoard, 'state', name), 'old');
  writeFileSync(path.join(oldBoard, 'state', 'sluice.lock'), '');
  mkdirSync(path.join(oldBoard, 'keys'));
  writeFileSync(path.join(oldBoard, 'keys/key.txt'), 'old');

  for (const step of ['staged', 'decided', 'placed keys/key.txt', 'configuration', 'fault', 'none']) {
    const board = scratch(t, 'board');
    cpSync(oldBoard, board, { recursive: true });
    const target = { configFile: path.join(board, 'gateway.yaml'), stateDir: path.join(board, 'state') };
    const atCut = scratch(t, 'cut');
    const cut = () =>
      restore(archive(), inspect(archive(), VERSION), target, (at) => {
        if (at === 'staged' && step === 'fault') throw new Error('no room');
        if (at !== step) return;
        cpSync(board, atCut, { recursive: true });
        throw new Error('cut');
      });
    if (step === 'none') cut();
    else assert.throws(cut, step === 'fault' ? /no room.*as it was/ : /cut/);
    if (step === 'fault')
      assert.deepEqual(
        readdirSync(target.stateDir).filter((name) => name.startsWith('.restore')),
        [],
      );
    else if (step !== 'none') {
      // The power went: nothing tidied up behind the fault.
      rmSync(board, { recursive: true });
      cpSync(atCut, board, { recursive: true });
    }
    const continued = continueRestore(target.configFile);
    const settled = settleState(target.stateDir);
    const id = /id: (\w+)/.exec(readFileSync(target.configFile, 'utf8'))?.[1];
    const state = contentOf(target.stateDir);
    assert.equal(id, ['staged', 'fault'].includes(step) ? 'old' : 'new', step);
    assert.equal(readFileSync(path.join(board, 'keys/key.txt'), 'utf8'), id, `${step}: no mix of old and new files`);
    assert.equal(state.get('access.json'), id, step);
    assert.equal(state.has('log.db-wal'), id === 'old', step);
    assert.equal(continued, id === 'new' && step !== 'none', step);
    assert.equal(settled, step === 'staged' ? 'restore-dropped' : 'nothing', step);
    assert.ok(![...contentOf(board).keys()].some((name) => name.includes('restore')), step);
  }

  // Through the program: damaged, foreign, newer, without room to be one.
  const board = scratch(t, 'board');
  cpSync(oldBoard, board, { recursive: true });
  const untouched = contentOf(board);
  const bad: [string, Uint8Array, RegExp][] = [
    ['cut', bytes.subarray(0, bytes.length - 40), /ends too early/],
    ['changed', Buffer.from(bytes).fill(1, bytes.length - 60, bytes.length - 50), /damaged/],
    ['foreign', Buffer.from('PK\u0003\u0004 a zip file'), /is no backup of Sluice/],
    ['empty', Buffer.alloc(0), /is no backup of Sluice/],
  ];
  for (const [what, content, words] of bad) {
    const name = path.join(source.folder, 'bad.sluice-backup');
    writeFileSync(name, content);
    const run = await sluice(t, 'restore', name, '--yes', '-c', path.join(board, 'gateway.yaml'));
    assert.equal(run.code, 1, what);
    assert.match(run.stderr, words, what);
    assert.deepEqual(contentOf(board), untouched, what);
  }
  const asked = await sluice(t, 'restore', file, '-c', path.join(board, 'gateway.yaml'));
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /its readings would go.*--yes/);
  rmSync(path.join(board, 'keys'), { recursive: true });
  symlinkSync(scratch(t, 'elsewhere'), path.join(board, 'keys'));
  const led = await sluice(t, 'restore', file, '--yes', '-c', path.join(board, 'gateway.yaml'));
  assert.match(led.stderr, /keys is a link/);
  assert.equal(led.code, 2);
  rmSync(path.join(board, 'keys'));
  cpSync(path.join(oldBoard, 'keys'), path.join(board, 'keys'), { recursive: true });
  assert.deepEqual(contentOf(board), untouched);
});
