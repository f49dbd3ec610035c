/** Root restores and erases a gateway that runs as another user: that user can go on with it, and cannot turn root against others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { Archive } from '../../../src/care/archive.ts';
import { factoryReset, readResetMark, resetPlan } from '../../../src/care/factory-reset.ts';
import { inspect, restore } from '../../../src/care/restore.ts';
import { continueRestore, isRestorePending, settleAtBoot, settleState } from '../../../src/care/settle.ts';
import { continueReset, secretsOfCard } from '../../../src/cli/care/factory-reset.ts';
import { VERSION } from '../../../src/core/version.ts';
import { StateDirLock } from '../../../src/store/state-dir.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, sluice } from '../../harness/start-gateway.ts';
import { asRoot } from '../../peers/peers.ts';

/** The user of the gateway. */
const USER = 65534;
const CARE = path.resolve(import.meta.dirname, '../../../src');

interface Board {
  readonly configFile: string;
  readonly stateDir: string;
}

/** As the packages make it: the configuration belongs to root, the state to the user of the gateway. */
function board(t: TestContext): Board {
  const folder = scratch(t, 'owners');
  chmodSync(folder, 0o755);
  const [configDir, stateDir] = [path.join(folder, 'etc'), path.join(folder, 'state')];
  mkdirSync(configDir);
  mkdirSync(stateDir);
  const configFile = path.join(configDir, 'gateway.yaml');
  writeFileSync(configFile, `gateway: {id: old, stateDir: ${stateDir}, runtimeDir: ${folder}/run, name: key.txt}\n`);
  writeFileSync(path.join(configDir, 'key.txt'), 'old');
  for (const name of ['access.json', 'sluice.lock']) {
    writeFileSync(path.join(stateDir, name), name === 'sluice.lock' ? '' : 'old');
    chownSync(path.join(stateDir, name), USER, USER);
  }
  for (const file of [configDir, configFile, path.join(configDir, 'key.txt')]) chownSync(file, 0, USER);
  for (const file of [configFile, path.join(configDir, 'key.txt')]) chmodSync(file, 0o640);
  chownSync(stateDir, USER, USER);
  for (const folder of [configDir, stateDir]) chmodSync(folder, 0o750);
  return { configFile, stateDir };
}

/** What the user of the gateway finds at its start, for each board. */
function asUser(boards: readonly Board[]): string[] {
  const script = `
    import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
    import path from 'node:path';
    import { continueRestore, settleState } from '${CARE}/care/settle.ts';
    import { continueReset } from '${CARE}/cli/care/factory-reset.ts';
    import { StateDirLock } from '${CARE}/store/state-dir.ts';
    const found = ${JSON.stringify(boards)}.map(({ configFile, stateDir }) => {
      try {
        continueReset(configFile);
        continueRestore(configFile);
        const lock = StateDirLock.take(stateDir);
        const settled = settleState(stateDir);
        lock.release();
        const config = path.dirname(configFile);
        for (const name of readdirSync(config, { recursive: true }))
          if (!name.includes('sluice-restore') && statSync(path.join(config, name)).isFile()) readFileSync(path.join(config, name));
        for (const name of readdirSync(stateDir, { recursive: true }))
          accessSync(path.join(stateDir, name), constants.R_OK | constants.W_OK);
        return settled + ' ' + /id: ([\\w-]+)/.exec(readFileSync(configFile, 'utf8'))?.[1];
      } catch (thrown) {
        return String(thrown.message);
      }
    });
    process.stdout.write(JSON.stringify(found));`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { uid: USER, gid: USER, encoding: 'utf8', env: {} });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as string[];
}

/** A backup with a file below a folder on each side. */
async function backupOf(t: TestContext): Promise<() => Archive> {
  const folder = scratch(t, 'source');
  mkdirSync(path.join(folder, 'keys/deep'), { recursive: true });
  writeFileSync(path.join(folder, 'keys/deep/key.txt'), 'new');
  writeFileSync(path.join(folder, 'key.txt'), 'new');
  const source = path.join(folder, 'gateway.yaml');
  const text = (dir: string) => `
gateway: {id: new, stateDir: ${dir}, name: key.txt}
forwarders: {c: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: u, password: {file: keys/deep/key.txt}}}
`;
  mkdirSync(path.join(folder, 'state/secrets'), { recursive: true });
  for (const name of ['access.json', 'secrets/one']) writeFileSync(path.join(folder, 'state', name), 'new');
  writeFileSync(source, text(path.join(folder, 'state')));
  const file = path.join(folder, 'a.sluice-backup');
  const made = await sluice(t, 'backup', file, '-c', source);
  assert.equal(made.code, 0, made.stderr);
  const bytes = readFileSync(file);
  return () => new Archive({ size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) });
}

/** Copies with owners; a power cut tidies nothing up. */
function cutAt(made: Board, step: string, begin: (afterStep: (at: string) => void) => void): void {
  const folder = path.dirname(made.stateDir);
  assert.throws(
    () =>
      begin((at) => {
        if (at !== step) return;
        spawnSync('cp', ['-a', folder, `${folder}.cut`]);
        throw new Error('cut');
      }),
    /cut/,
  );
  rmSync(folder, { recursive: true });
  spawnSync('mv', [`${folder}.cut`, folder]);
}

test('the user of a gateway finishes or drops what root restored, or says that root has to', async (t) => {
  if (!asRoot(t, 'act for other users')) return;
  const steps = ['staged', 'decided', 'placed key.txt', 'configuration'];
  const boards = steps.map(() => board(t));
  const archive = await backupOf(t);
  for (const [i, step] of steps.entries()) {
    const target = boards[i] as Board;
    cutAt(target, step, (afterStep) => restore(archive(), inspect(archive(), VERSION), target, afterStep));
  }
  const whole = board(t);
  restore(archive(), inspect(archive(), VERSION), whole);
  const pending = () => boards.map(({ configFile }) => isRestorePending(configFile));
  assert.deepEqual(pending(), [false, true, true, true]);
  const found = asUser([...boards, whole]);
  assert.deepEqual(pending(), [false, true, true, false], 'the user finished the last one, and its mark is still there');
  const root = scratch(t, 'root');
  const onCard = async ({ configFile, stateDir }: Board): Promise<string> => {
    const boot = scratch(t, 'boot');
    await sluice(t, 'provision', '--report', '--boot', boot, '-c', configFile, '--state', stateDir, '--root', root);
    return readFileSync(path.join(boot, 'sluice-status.txt'), 'utf8');
  };
  assert.match(await onCard(boards[2] as Board), /^Result: {6}A restore was interrupted, and no gateway starts/m);
  assert.doesNotMatch(await onCard(boards[3] as Board), /interrupted/, 'a gateway runs');
  assert.deepEqual([found[0], found[3], found[4]], ['restore-dropped old', 'nothing new', 'nothing new']);
  for (const words of [found[1], found[2]])
    assert.match(words ?? '', /was interrupted, and this start cannot finish it: .*sudo sluice provision, then start/);
  for (const { configFile, stateDir } of boards) settleAtBoot(configFile, stateDir);
  assert.deepEqual(asUser(boards), ['nothing old', 'nothing new', 'nothing new', 'nothing new']);
  for (const { configFile, stateDir } of [...boards, whole]) {
    const id = /id: (\w+)/.exec(readFileSync(configFile, 'utf8'))?.[1];
    assert.equal(readFileSync(path.join(path.dirname(configFile), 'key.txt'), 'utf8'), id);
    assert.equal(readFileSync(path.join(stateDir, 'access.json'), 'utf8'), id);
    assert.deepEqual(
      readdirSync(path.dirname(configFile)).sort(),
      id === 'new' ? ['gateway.yaml', 'key.txt', 'keys'] : ['gateway.yaml', 'key.txt'],
      'nothing is left of the stage',
    );
  }
});

test('the user of a gateway cannot make root restore or place a file', (t) => {
  if (!asRoot(t, 'act for other users')) return;
  const { configFile, stateDir } = board(t);
  const victim = scratch(t, 'victim');
  writeFileSync(path.join(victim, 'file'), 'of root');
  // A decision in a folder of the user, and links in place of folders.
  const forged = path.join(stateDir, '.gateway.yaml.sluice-restore');
  mkdirSync(path.join(forged, 'files'), { recursive: true });
  writeFileSync(path.join(forged, 'ready'), JSON.stringify({ v: 1, id: 'x', stateDir }));
  mkdirSync(path.join(stateDir, '.restore'));
  symlinkSync(victim, path.join(stateDir, '.restore/state'));
  const target = { v: 1, id: 'x', configFile: path.join(stateDir, 'gateway.yaml') };
  writeFileSync(path.join(stateDir, '.restore/target.json'), JSON.stringify(target));
  spawnSync('chown', ['-R', '-h', `${USER}:${USER}`, stateDir]);
  assert.equal(continueRestore(target.configFile), false);
  assert.equal(settleState(stateDir), 'restore-dropped');
  settleAtBoot(configFile, stateDir);
  assert.deepEqual(readdirSync(victim), ['file']);
  // The lock of root closes files of the log; a link leads elsewhere.
  symlinkSync(path.join(victim, 'file'), path.join(stateDir, 'log.db'));
  chmodSync(path.join(victim, 'file'), 0o644);
  StateDirLock.take(stateDir).release();
  assert.equal(statSync(path.join(victim, 'file')).mode & 0o777, 0o644);
});

test('a reset of root leaves a gateway that its user starts; a cut one does not start', (t) => {
  if (!asRoot(t, 'act for other users')) return;
  const [cut, whole] = [board(t), board(t)];
  const configDir = path.dirname(whole.configFile);
  for (const name of ['gateway.yaml.before-provisioning', 'gateway.yaml.new', '.gateway.yaml.sluice-restore'])
    writeFileSync(path.join(configDir, name), 'a secret');
  const root = scratch(t, 'root');
  const wifi = path.join(root, 'etc/NetworkManager/system-connections/sluice-wifi.nmconnection');
  mkdirSync(path.dirname(wifi), { recursive: true });
  writeFileSync(wifi, 'psk=a secret');
  assert.deepEqual(secretsOfCard(whole.stateDir, root), [], 'no card made this gateway');
  mkdirSync(path.join(whole.stateDir, 'provision'));
  writeFileSync(path.join(whole.stateDir, 'provision/applied.json'), '{}');
  const others = secretsOfCard(whole.stateDir, root);
  factoryReset(whole.stateDir, resetPlan(whole.configFile, whole.stateDir, undefined, others));
  assert.deepEqual([readdirSync(configDir), existsSync(wifi)], [['gateway.yaml'], false]);
  cutAt(cut, 'configuration', (afterStep) =>
    factoryReset(cut.stateDir, resetPlan(cut.configFile, cut.stateDir, undefined), afterStep),
  );
  const [refused, started] = asUser([cut, whole]);
  assert.match(refused ?? '', /was interrupted, .*: root began it\. Finish it with sudo sluice factory-reset --yes, then start/);
  assert.match(started ?? '', /^nothing /);
  const mask = process.umask(0o077);
  try {
    assert.equal(continueReset(cut.configFile), true, 'at the next boot, with the mask of that unit');
  } finally {
    process.umask(mask);
  }
  assert.match(asUser([cut])[0] ?? '', /^nothing /);
  assert.equal(readResetMark(cut.stateDir), undefined);
});

test('root erases nothing that a mark of another user names, and such a gateway does not start', (t) => {
  if (!asRoot(t, 'act for other users')) return;
  const { configFile, stateDir } = board(t);
  const victim = path.join(scratch(t, 'victim'), 'file');
  writeFileSync(victim, 'of root');
  const mark = path.join(stateDir, '.factory-reset');
  const text = JSON.stringify({ v: 1, configFile, paths: [victim] });
  const own = path.join(path.dirname(victim), 'mark');
  writeFileSync(own, text);
  const forged: [string, () => void][] = [
    ['a file of the user', () => writeFileSync(mark, text)],
    ['a link to a file of root', () => symlinkSync(own, mark)],
    ['a second name of a file of root', () => linkSync(own, mark)],
    ['a folder', () => mkdirSync(mark)],
  ];
  for (const [what, forge] of forged) {
    rmSync(mark, { recursive: true, force: true });
    forge();
    if (what === 'a file of the user') chownSync(mark, USER, USER);
    assert.equal(readResetMark(stateDir), 'foreign', what);
    assert.throws(() => continueReset(configFile), /another user may have begun it/, what);
    assert.equal(continueReset(configFile, [stateDir], true), false, what);
    assert.equal(readFileSync(victim, 'utf8'), 'of root', what);
  }
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'run', '-c', configFile], {
    ...{ uid: USER, gid: USER, encoding: 'utf8', env: {} },
  });
  assert.equal(status, 78, stderr);
  assert.match(stderr, /a factory reset of .* was interrupted, and this start cannot finish it/);
});
