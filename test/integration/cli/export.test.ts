/** `sluice export` from files: of a log that was closed or killed, in folders that may not be written, with and without a bar. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { machineBoot } from '../../../src/time/probes.ts';
import { startChild } from '../../harness/child.ts';
import { loopDisk, mayMount, run } from '../../harness/loop-disk.ts';
import { RandomHistory } from '../../harness/random-history.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { random } from '../../oracles/store-samples.ts';
import { asRoot, peer } from '../../peers/peers.ts';

/** A configuration whose log lies in `dir`/state. */
function configFor(t: TestContext, dir: string): string {
  const file = path.join(scratch(t, 'export'), 'gateway.yaml');
  writeFileSync(file, `gateway: {id: g1, stateDir: ${path.join(dir, 'state')}}\n`);
  return file;
}
async function exported(t: TestContext, config: string, env: NodeJS.ProcessEnv = {}) {
  const child = startChild(t, process.execPath, [MAIN, 'export', '-c', config], { env });
  const code = await child.ended;
  return { code, lines: child.stdout, stderr: child.stderr.join('\n') };
}

test('an export from a read-only file system works, closed or killed, and leaves no file', async (t) => {
  if (!mayMount(t)) return;
  const disk = loopDisk(t, 'export', 8);
  const made = new RandomHistory(disk, random(3));
  made.make();
  const config = configFor(t, disk);
  const whole = await exported(t, config);
  assert.equal(whole.code, 0, whole.stderr);
  assert.ok(whole.lines.length > 50);

  run('mount', '-o', 'remount,ro', disk);
  const tmp = scratch(t, 'tmp');
  const readOnly = await exported(t, config, { TMPDIR: tmp });
  assert.deepEqual([readOnly.code, readOnly.stderr], [0, '']);
  assert.deepEqual(readOnly.lines, whole.lines);
  assert.deepEqual(readdirSync(tmp), [], 'the copy is gone');
  const noRoom = await exported(t, config, { TMPDIR: path.join(tmp, 'none') });
  assert.equal(noRoom.code, 1);
  assert.match(noRoom.stderr, /is read-only, so its log must be copied first.* Set TMPDIR to a folder/);

  // Killed: the newest records lie in the write-ahead file only.
  run('mount', '-o', 'remount,rw', disk);
  const { reader } = made.reader();
  t.after(() => reader.close());
  const { default: Database } = await import('better-sqlite3');
  const writer = new Database(made.file);
  t.after(() => writer.close());
  writer.pragma('wal_autocheckpoint = 0');
  writer.prepare('delete from block where id = (select max(id) from block)').run();
  cpSync(path.join(disk, 'state'), path.join(disk, 'killed', 'state'), { recursive: true });
  assert.ok(readdirSync(path.join(disk, 'killed', 'state')).includes('log.db-wal'));
  writer.close();
  reader.close();
  run('mount', '-o', 'remount,ro', disk);
  const killed = await exported(t, configFor(t, path.join(disk, 'killed')));
  assert.deepEqual([killed.code, killed.stderr], [0, '']);
  run('mount', '-o', 'remount,rw', disk);
  const expected = await exported(t, config);
  assert.deepEqual(killed.lines, expected.lines);
  assert.ok(killed.lines.length < whole.lines.length, 'what the write-ahead file says was seen');
});

test('a folder of somebody else, which may be read and not written', { timeout: 400_000 }, async (t) => {
  const setpriv = peer(t, 'setpriv', 'apt-get install -y util-linux');
  if (setpriv === undefined) return;
  if (!asRoot(t, 'become somebody else')) return;
  const dir = scratch(t, 'export');
  new RandomHistory(dir, random(3)).make();
  const config = configFor(t, dir);
  const whole = await exported(t, config);
  run('chmod', '-R', 'a+rX', dir, path.dirname(config));
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const child = startChild(t, setpriv, [...nobody, process.execPath, MAIN, 'export', '-c', config]);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.deepEqual(child.stdout, whole.lines);
});

test('a bar is drawn on a terminal only, beside the lines, and not with --quiet', async (t) => {
  // util-linux: a terminal for what runs in it.
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  if (script === undefined) return;
  const dir = scratch(t, 'export');
  new RandomHistory(dir, random(3)).make();
  const config = configFor(t, dir);
  const file = path.join(scratch(t, 'out'), 'out.csv');
  const onTerminal = async (rest: string) => {
    const command = `'${process.execPath}' '${MAIN}' export -c '${config}' ${rest}`;
    const child = startChild(t, script, ['-qec', command, '/dev/null']);
    assert.equal(await child.ended, 0, child.stdout.join('\n'));
    return child.stdout.join('\n');
  };
  const bar = /\[#+\.*\] +100 % +[\d,]+ lines/;
  assert.match(await onTerminal(`> '${file}'`), bar);
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.ok(lines.length > 50 && lines.every((line) => !line.includes('[')), 'the bar is not in the file');
  assert.equal(await onTerminal(`--quiet > '${file}'`), '');
  assert.equal(readFileSync(file, 'utf8'), lines.join('\n'));
  assert.doesNotMatch(await onTerminal(''), bar);
  const piped = await exported(t, config);
  assert.deepEqual([piped.stderr, piped.lines.length], ['', lines.length - 1]);
});

test('a relative time counts back from the time of the log, not of the system clock', async (t) => {
  const dir = scratch(t, 'export');
  const config = configFor(t, dir);
  const DAY = 86_400_000;
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock, machine: machineBoot() },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 60_000 },
  });
  const wall = () => Date.now() - Math.round(performance.now());
  // This board's clock stands 400 days behind.
  log.setClock(wall() + 400 * DAY, false);
  log.setInventory('{}');
  const shape: Shape = { device: 'd', points: [{ name: 'n', type: 'uint32', storage: 'number' }] };
  for (const [i, ago] of [2 * DAY, 60_000].entries())
    assert.ok(log.append({ shape, at: performance.now() - ago, values: [i], reasons: null }));
  await log.close(60_000);
  const child = startChild(t, process.execPath, [MAIN, 'export', '-c', config, '--from', '1d']);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.equal(child.stdout.length, 2, child.stdout.join('\n'));
  assert.match(child.stdout[1] ?? '', /,d,n,[^,]+Z,1,/);
  assert.match(
    child.stderr.join('\n'),
    /^sluice: it is .* for the gateway, and .* for the system clock; times are counted back from the time of the gateway$/,
  );
  // Times that are written out are what they are.
  const written = startChild(t, process.execPath, [MAIN, 'export', '-c', config, '--from', '2020-01-01T00:00:00Z']);
  assert.equal(await written.ended, 0);
  assert.deepEqual([written.stdout.length, written.stderr.length], [3, 0]);
});

test('a full disk behind standard output is reported; a reader that goes away ends it quietly', async (t) => {
  for (const command of ['export', 'profile list']) {
    const config = configFor(t, scratch(t, 'full'));
    new RandomHistory(path.dirname(config), random(5)).make();
    const words = `${command} -c ${config.replace('gateway.yaml', 'here.yaml')}`;
    writeFileSync(config.replace('gateway.yaml', 'here.yaml'), 'gateway: {id: g1, stateDir: state}\n');
    const full = startChild(t, 'sh', ['-c', `exec ${process.execPath} ${MAIN} ${words} > /dev/full`]);
    assert.equal(await full.ended, 1);
    assert.deepEqual(full.stderr, ['sluice: the output cannot be written: the disk is full; what was written is not complete']);
    const gone = startChild(t, 'sh', ['-c', `${process.execPath} ${MAIN} ${words} | head -n 1`]);
    assert.equal(await gone.ended, 0);
    assert.deepEqual([gone.stdout.length, gone.stderr], [1, []]);
  }
});

test('a chart is the same from the files of a stopped gateway, with one reading and with alarms', async (t) => {
  const dir = scratch(t, 'chart');
  const log = await Log.open({
    ...{ stateDir: path.join(dir, 'state'), runtimeDir: path.join(dir, 'run'), clock: systemClock },
    ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
  });
  // A chart of years begins with the day of the first reading: two hours ago it makes thousands of seconds, also after midnight.
  const offset = Date.now() - 7_200_000 - Math.round(systemClock.monotonic());
  log.setClock(offset, false);
  log.setInventory('{}');
  const shape: Shape = { device: 'fridge', points: [{ name: 'temperature', type: 'float32', storage: 'number', unit: 'Cel' }] };
  assert.ok(log.append({ shape, at: systemClock.monotonic(), values: [9.5], reasons: null }));
  const time = offset + systemClock.monotonic();
  log.notice('alarm', 'warm', systemClock.monotonic(), {
    ...{ rule: 'warm', state: 'active-unacknowledged', severity: 'critical', time, message: 'too warm' },
  });
  await log.close(60_000);
  const config = path.join(dir, 'gateway.yaml');
  const line = '{bus: b, unit: 1, points: {temperature: {table: holding, address: 0, type: float32, unit: Cel}}}';
  writeFileSync(
    config,
    `gateway: {id: g1, stateDir: ${path.join(dir, 'state')}}
buses: {b: {protocol: modbus-tcp, host: 127.0.0.1}}
devices: {fridge: ${line}}
rules: {warm: {point: fridge.temperature, above: 8, severity: critical}}
`,
  );
  const chart = async (...words: string[]) => {
    const child = startChild(t, process.execPath, [MAIN, 'export', '-c', config, '--format', 'svg', ...words]);
    return { code: await child.ended, svg: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
  };
  const all = await chart();
  assert.deepEqual([all.code, all.stderr], [0, '']);
  for (const words of ['fridge.temperature, °C', 'warm: above 8 °C', 'Alarm warm (critical), since', '<circle'])
    assert.ok(all.svg.includes(words), words);
  const years = await chart('--from', '3650d', '--every', '1s');
  assert.equal(years.code, 0);
  assert.match(years.stderr, /--every 1s makes \d+ steps, and a chart has room for 1500/);
  const none = await chart('--to', '2001-01-01T00:00:00Z');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /the log has no readings in this time; choose another with --from and --to/);
  assert.equal((await chart('--points', 'fridge.tmp')).code, 1);
});
