/**
 * Backups that somebody made to harm: `sluice restore` as root leaves the board
 * as it was, or makes it the gateway of the backup.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { Archive, ArchiveWriter } from '../../../src/care/archive.ts';
import { END, type Entry, entryHead } from '../../../src/care/entries.ts';
import { factoryReset } from '../../../src/care/factory-reset.ts';
import { inspect, restore } from '../../../src/care/restore.ts';
import { VERSION } from '../../../src/core/version.ts';
import { startChild } from '../../harness/child.ts';
import { mountPoint, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, sluice } from '../../harness/start-gateway.ts';
import { asRoot } from '../../peers/peers.ts';

const SRC = path.resolve(import.meta.dirname, '../../../src');

type Part = readonly [where: Entry['where'], name: string, body: string | Uint8Array];

function archive(parts: readonly Part[]): Buffer {
  const writer = new ArchiveWriter({ gateway: 'ghat-1', made: 1_795_000_000_000, program: '0.1.0' }, undefined);
  const pieces = [writer.begin()];
  for (const [where, name, body] of parts) {
    const bytes = Buffer.from(body);
    pieces.push(writer.add(Buffer.concat([entryHead({ where, name, size: bytes.length }), bytes])));
  }
  return Buffer.concat([...pieces, writer.add(END), writer.end()]);
}
const yamlOf = (stateDir: string) => `gateway: {id: new, stateDir: ${JSON.stringify(stateDir)}, runtimeDir: run}\n`;
const config = (stateDir: string): Part => ['config', 'gateway.yaml', yamlOf(stateDir)];

/** Everything in a folder, by name. */
const contentOf = (folder: string): [string, string][] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'sluice.lock')
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((name) => [path.relative(folder, name), readFileSync(name, 'latin1')]);

/** A board with the gateway `old` and one with nothing. */
function boards(t: TestContext): { folder: string; old: string; file: (content: Uint8Array) => string } {
  const folder = scratch(t, 'hostile-backup');
  const old = path.join(folder, 'old');
  // A state folder that is the whole of a disk.
  mkdirSync(path.join(old, 'state', 'lost+found'), { recursive: true });
  mkdirSync(path.join(old, 'keys'));
  writeFileSync(path.join(old, 'gateway.yaml'), yamlOf('state').replace('new', 'old'));
  for (const name of ['state/sluice.lock', 'state/access.json', 'state/log.db', 'keys/key.txt'])
    writeFileSync(path.join(old, name), 'old');
  let files = 0;
  return {
    folder,
    old,
    file: (content) => {
      const name = path.join(folder, `${++files}.sluice-backup`);
      writeFileSync(name, content);
      return name;
    },
  };
}

test('a backup that names the folder of somebody else as its state takes nothing from it', async (t) => {
  const { folder, old, file } = boards(t);
  const home = path.join(folder, 'home');
  mkdirSync(path.join(home, 'anna'), { recursive: true });
  writeFileSync(path.join(home, 'anna', 'letter.txt'), 'dear all');
  symlinkSync(home, path.join(folder, 'link'));
  const before = contentOf(folder);
  const configFile = path.join(old, 'gateway.yaml');
  for (const stateDir of [home, path.join(folder, 'link'), old, folder, path.dirname(folder), '/']) {
    const bytes = archive([config(stateDir)]);
    const opened = new Archive({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) });
    const words = /is not the state of a gateway|lies in it/;
    assert.throws(() => restore(opened, inspect(opened, VERSION), { configFile, stateDir }), words, stateDir);
    assert.throws(() => factoryReset(stateDir, { configFile, paths: [] }), words, stateDir);
    assert.deepEqual(contentOf(folder), before, stateDir);
  }
  const found = await sluice(t, 'restore', file(archive([config(home)])), '--yes', '-c', configFile);
  assert.equal(found.code, 2, found.stdout);
  assert.match(found.stderr, /home is not the state of a gateway: it holds "anna"\. Nothing was changed/);
  assert.deepEqual(readdirSync(home), ['anna'], 'no lock either: the next try finds it the same');
});

test('a folder in a comment of the configuration gets no state of a backup', async (t) => {
  const { folder, file } = boards(t);
  const [meant, commented] = [path.join(folder, 'new/state'), path.join(folder, 'commented')];
  // Its own profile is not in its place yet, so the configuration is not valid as a whole.
  const yaml = `gateway:
  id: new
  # stateDir: ${commented}   # the folder for everything that the gateway writes
  stateDir: ${meant}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: 1}}
devices: {meter: {bus: plant, unit: 1, profile: own-meter}}
`;
  const profile = 'title: Own meter\nfamily: modbus\npoints: {a: {table: holding, address: 0, type: uint16}}\n';
  const parts: Part[] = [
    ['config', 'gateway.yaml', yaml],
    ['config', 'profiles/own-meter.yaml', profile],
    ['state', 'access.json', 'accounts'],
  ];
  mkdirSync(path.join(folder, 'new'));
  const done = await sluice(t, 'restore', '--yes', file(archive(parts)), '-c', path.join(folder, 'new/gateway.yaml'));
  assert.equal(done.code, 0, done.stderr);
  assert.equal(readFileSync(path.join(meant, 'access.json'), 'utf8'), 'accounts');
  assert.equal(existsSync(commented), false);
});

test('a disk that is too small for the files beside the configuration keeps what is on it', async (t) => {
  const { folder, old, file } = boards(t);
  const many = (size: number, count: number): Part[] =>
    Array.from({ length: count }, (_, i) => ['config', `profiles/${i}.yaml`, Buffer.alloc(size, 35)] as const);
  const bomb = await sluice(
    t,
    ...['restore', file(archive([config('state'), ...many(12_000_000, 3)])), '--yes', '-c', path.join(old, 'gateway.yaml')],
  );
  assert.match(bomb.stderr, /more than 32 MB of files of the configuration/);
  if (!asRoot(t, 'mount a small file system')) return;
  const disk = mountPoint(t, 'small');
  run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=755', 'full', disk);
  cpSync(old, disk, { recursive: true });
  const before = contentOf(disk);
  const state = path.join(folder, 'elsewhere');
  const backup = file(archive([config(state), ...many(1_500_000, 2)]));
  const full = await sluice(t, 'restore', backup, '--yes', '-c', path.join(disk, 'gateway.yaml'));
  assert.equal(full.code, 2, full.stdout);
  assert.match(full.stderr, /cannot be put back:.*(no space|full).*The gateway is as it was/i);
  assert.deepEqual(contentOf(disk), before);
  assert.deepEqual(readdirSync(disk).sort(), readdirSync(old).sort(), 'nothing is left of the try');
});

test('of two restores one is refused; one that is killed goes through again', async (t) => {
  const { folder, old, file } = boards(t);
  const log: Part = ['state', 'log.db', Buffer.alloc(8_000_000, 7)];
  const backup = file(archive([config('state'), ['config', 'keys/key.txt', 'new'], log, ['state', 'access.json', 'new']]));
  const run = (board: string) => {
    cpSync(old, board, { recursive: true });
    const start = () =>
      startChild(t, process.execPath, [MAIN, 'restore', backup, '--yes', '-c', path.join(board, 'gateway.yaml')]);
    return { board, start };
  };
  const isNew = (board: string) => {
    const state = readFileSync(path.join(board, 'state/access.json'), 'utf8');
    const key = readFileSync(path.join(board, 'keys/key.txt'), 'utf8');
    assert.equal(state, key, 'no mix of old and new');
    assert.match(readFileSync(path.join(board, 'gateway.yaml'), 'utf8'), new RegExp(`id: ${key},`));
    return key === 'new';
  };
  const both = run(path.join(folder, 'both'));
  const children = [both.start(), both.start()];
  const codes = await Promise.all(children.map(({ ended }) => ended));
  assert.ok(codes.includes(0) && codes.every((code) => code === 0 || code === 1), String(codes));
  for (const [i, code] of codes.entries())
    if (code !== 0) assert.match(children[i]?.stderr.join(' ') ?? '', /running with this state directory/);
  assert.ok(isNew(both.board));

  const inStage = (board: string) => readdirSync(board).some((name) => name.endsWith('.sluice-restore'));
  const signs: Record<string, (board: string) => boolean> = {
    state: (board) => existsSync(path.join(board, 'state/.restore')),
    stage: inStage,
    held: (board) => existsSync(path.join(board, '.gateway.yaml.sluice-restore')),
  };
  for (const [sign, isSeen] of Object.entries(signs)) {
    const { board, start } = run(path.join(folder, sign));
    const child = start();
    let ended = false;
    void child.ended.finally(() => {
      ended = true;
    });
    // It may be through before it is seen: then nothing was cut, which is as good.
    while (!ended && !isSeen(board)) await new Promise((resolve) => setTimeout(resolve, 1));
    await child.stop('SIGKILL');
    const again = start();
    assert.equal(await again.ended, 0, again.stderr.join('\n'));
    assert.ok(isNew(board), sign);
    assert.ok(existsSync(path.join(board, 'state', 'lost+found')), 'it is of the disk');
    assert.deepEqual(
      [...readdirSync(board), ...readdirSync(path.join(board, 'state'))].filter((name) => name.includes('restore')),
      [],
    );
  }
});

/** A restore in a process of its own, which waits at a step until a file is there. */
function slowRestore(t: TestContext, backup: string, target: { configFile: string; stateDir: string }, step: string) {
  const go = path.join(scratch(t, 'go'), 'go');
  const script = `
    import { existsSync, readFileSync } from 'node:fs';
    import { Archive } from '${SRC}/care/archive.ts';
    import { inspect, restore } from '${SRC}/care/restore.ts';
    import { VERSION } from '${SRC}/core/version.ts';
    const bytes = readFileSync(${JSON.stringify(backup)});
    const archive = () => new Archive({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) });
    try {
      restore(archive(), inspect(archive(), VERSION), ${JSON.stringify(target)}, (at) => {
        if (at !== '${step}') return;
        process.stdout.write('waits\\n');
        while (!existsSync('${go}')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      });
      process.stdout.write('restored\\n');
    } catch (thrown) {
      process.stdout.write('refused: ' + thrown.message + '\\n');
    }`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const child = startChild(t, process.execPath, args);
  return {
    waits: () => child.line(/^waits$/),
    goOn: async () => {
      writeFileSync(go, '');
      await child.ended;
      return child.stdout.at(-1) ?? child.stderr.join('\n');
    },
  };
}

test('two restores of one configuration with different state folders never mix', async (t) => {
  const { folder, old, file } = boards(t);
  const board = path.join(folder, 'board');
  cpSync(old, board, { recursive: true });
  const configFile = path.join(board, 'gateway.yaml');
  const one = (stateDir: string) => {
    const named = yamlOf(stateDir).replace('new', stateDir);
    const parts: Part[] = [
      ['config', 'gateway.yaml', named],
      ['config', 'keys/key.txt', stateDir],
      ['state', 'access.json', stateDir],
    ];
    return { backup: file(archive(parts)), target: { configFile, stateDir: path.join(board, stateDir) } };
  };
  const [first, second] = [one('first'), one('second')];
  const before = contentOf(board);
  // The later one takes the stage of the earlier one away.
  const early = slowRestore(t, first.backup, first.target, 'staged');
  await early.waits();
  const late = slowRestore(t, second.backup, second.target, 'staged');
  await late.waits();
  assert.match(
    await early.goOn(),
    /^refused: another restore of .*gateway\.yaml, or sluice provision, took away what this one had put together, so it gave way and changed nothing/,
  );
  assert.deepEqual(
    contentOf(board).filter(([name]) => !name.includes('restore')),
    before,
    'the gateway is as it was',
  );
  assert.equal(await late.goOn(), 'restored');
  const isWhole = (id: string) => {
    assert.match(readFileSync(configFile, 'utf8'), new RegExp(`id: ${id}, stateDir: "${id}"`));
    assert.equal(readFileSync(path.join(board, 'keys/key.txt'), 'utf8'), id);
    assert.equal(readFileSync(path.join(board, id, 'access.json'), 'utf8'), id);
    assert.deepEqual(
      readdirSync(board, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('restore')),
      [],
    );
  };
  isWhole('second');

  // One that holds is finished before the other one begins.
  const holds = slowRestore(t, first.backup, first.target, 'decided');
  await holds.waits();
  const other = slowRestore(t, second.backup, second.target, 'staged');
  assert.match(await other.goOn(), /^refused: a gateway is running with this state directory/);
  assert.equal(await holds.goOn(), 'restored');
  isWhole('first');
});
