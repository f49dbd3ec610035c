/** Parts of bundles on the command line: sets of numbers, drives, tokens of sticks, tables that grow, files that are written whole. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { firstLine, WholeFile } from '../../../src/cli/bundle/bundle-file.ts';
import { csvTarget } from '../../../src/cli/bundle/csv-target.ts';
import { driveOf } from '../../../src/cli/bundle/drive.ts';
import { exportBundle } from '../../../src/cli/bundle/export-bundle.ts';
import { importBundles } from '../../../src/cli/bundle/import.ts';
import { KeysFolder } from '../../../src/cli/bundle/keys-folder.ts';
import { NumberRanges } from '../../../src/cli/bundle/number-ranges.ts';
import { NumberSets } from '../../../src/cli/bundle/number-sets.ts';
import { makeGatewaySecret, makePlatformSecret } from '../../../src/codecs/bundle/keys.ts';
import type { Statement } from '../../../src/codecs/bundle/statement.ts';
import { makeStickToken, stickFault } from '../../../src/codecs/bundle/stick.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Shape } from '../../../src/core/point.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

test('ranges of numbers hold what a set holds', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(6)).map(([first, more]) => [first, first + more] as const);
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), (added) => {
      const ranges = new NumberRanges();
      const set = new Set<number>();
      for (const [first, last] of added) {
        ranges.add(first, last);
        for (let n = first; n <= last; n++) set.add(n);
      }
      for (let n = -1; n < 70; n++) assert.equal(ranges.has(n), set.has(n), `${n}`);
      assert.equal(ranges.highest, Math.max(-1, ...set));
      assert.ok(ranges.all.every(([first], i) => i === 0 || first > (ranges.all[i - 1]?.[1] ?? 0) + 1));
      assert.deepEqual(new NumberRanges(ranges.all).all, ranges.all);
    }),
  );
});

test('a token holds for its platform and its stick alone', () => {
  const platform = makePlatformSecret();
  const token = makeStickToken(platform, '1A2B-3C4D', 1);
  assert.equal(stickFault(token, '1A2B-3C4D', platform), undefined);
  assert.match(stickFault(token, '1A2B-3C4E', platform) ?? '', /made for another stick/);
  assert.match(stickFault(token, undefined, platform) ?? '', /made for another stick/);
  assert.match(stickFault(token, '1A2B-3C4D', makePlatformSecret()) ?? '', /another platform/);
  const moved = token.replace('1A2B-3C4D', '9999-9999');
  assert.match(stickFault(moved, '9999-9999', platform) ?? '', /did not sign/);
  const other = makePlatformSecret();
  const forged = makeStickToken({ ...other, fingerprint: platform.fingerprint }, '1A2B-3C4D', 1);
  assert.match(stickFault(forged, '1A2B-3C4D', platform) ?? '', /did not sign/);
  // A file system without an id has a random text instead. It does not hold where there is an id.
  const random = makeStickToken(platform, '0'.repeat(32), 1);
  assert.equal(stickFault(random, undefined, platform), undefined);
  assert.match(stickFault(random, '1A2B-3C4D', platform) ?? '', /another stick/);
  for (let at = 0; at < token.length - 1; at++) {
    const changed = `${token.slice(0, at)}${token[at] === 'x' ? 'y' : 'x'}${token.slice(at + 1)}`;
    assert.notEqual(stickFault(changed, '1A2B-3C4D', platform), undefined, `letter ${at}`);
  }
  fc.assert(fc.property(fc.string(), (text) => assert.notEqual(stickFault(text, undefined, platform), undefined)));
});

test('a drive can be pulled out if it says so, or hangs on USB', (t) => {
  const dir = scratch(t, 'drive');
  const { dev } = statSync(dir);
  const number = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const system = (name: string, real: string, flag: string) => {
    const sys = path.join(dir, name);
    mkdirSync(path.join(sys, real, 'sdx1'), { recursive: true });
    mkdirSync(path.join(sys, 'dev', 'block'), { recursive: true });
    writeFileSync(path.join(sys, real, 'removable'), `${flag}\n`);
    symlinkSync(path.join(sys, real, 'sdx1'), path.join(sys, 'dev', 'block', number));
    return { sys, byUuid: path.join(dir, 'none') };
  };
  // Where the scratch folder lies on the drive of the system, no drive is ever carried away.
  const onRoot = statSync('/').dev === dev;
  assert.equal(driveOf(dir, system('card', 'devices/mmc/block/sdx', '1')).removable, !onRoot);
  assert.equal(driveOf(dir, system('usb', 'devices/usb1/1-1/block/sdx', '0')).removable, !onRoot);
  assert.equal(driveOf(dir, system('disk', 'devices/pci/block/sdx', '0')).removable, false);
  assert.equal(driveOf(dir, { sys: path.join(dir, 'none'), byUuid: dir }).removable, false);
  assert.ok(dir.startsWith(driveOf(dir).top));
});

const SHAPE: Shape = {
  device: 'pump',
  points: [
    { name: 'n', type: 'uint16', storage: 'number', unit: 'Hz' },
    { name: 's', type: 'string', storage: 'string' },
  ],
};
const STATEMENT: Statement = {
  ...{ v: 1, bundle: '0'.repeat(32), gateway: 'g1', platform: '0'.repeat(32), made: 1, sha256: '' },
  ...{ records: 1, readings: 2, notices: 0, ranges: [] },
};
function batch(seqs: readonly number[], text: string): Batch {
  const records = seqs.map((seq) => ({ seq, sample: { shape: SHAPE, at: seq, values: [seq, text], reasons: null } }));
  return {
    ...{ lane: 'history', gateway: 'g1', log: 'k3', boot: 'b1', inventory: 1, sent: 1 },
    offset: 0,
    estimated: false,
    records,
  };
}
async function play(file: string, batches: readonly Batch[], end: 'commit' | 'abandon' = 'commit'): Promise<number> {
  const one = await csvTarget(file).begin(STATEMENT);
  for (const of of batches) await one.batch(of, 'history');
  if (end === 'commit') return (await one.commit()).records;
  one.abandon();
  return 0;
}

test('a table takes each record once, also with texts that look like its lines', async (t) => {
  const file = path.join(scratch(t, 'csv'), 'readings.csv');
  const nasty = 'a "quoted"\ng1,k3,4,b1,pump,n,1,2\r\n=cmd()';
  assert.equal(await play(file, [batch([1, 3], nasty)]), 2);
  assert.equal(await play(file, [batch([1, 2, 3, 4], nasty)]), 2);
  const once = readFileSync(file, 'utf8');
  assert.equal(await play(file, [batch([4, 1], 'other')]), 0);
  assert.equal(await play(file, [batch([9], 'other')], 'abandon'), 0);
  assert.equal(readFileSync(file, 'utf8'), once);
  assert.equal(once.match(/^g1,k3,\d,b1,pump,n,/gm)?.length, 4 + 4, 'four records, and four that stand in texts');
  assert.deepEqual(readdirSync(path.dirname(file)), ['readings.csv']);
});

test('a table takes other points of a record that it has', async (t) => {
  const file = path.join(scratch(t, 'csv'), 'readings.csv');
  const whole = batch([1, 2], 'x');
  const odd = 'läu"ft, s';
  const shape = { device: SHAPE.device, points: [{ name: odd, type: 'string', storage: 'string' } as const] };
  const some = (name: Shape) => ({
    ...whole,
    records: whole.records.map(({ seq, sample }) => ({ seq, sample: { ...sample, shape: name, values: ['x'] } })),
  });
  assert.equal(await play(file, [some(shape)]), 2);
  assert.equal(await play(file, [whole]), 2);
  assert.equal(await play(file, [whole, some(shape)]), 0);
  assert.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, 1 + 2 + 4);
});

test('a table keeps its mode and the link to it; a new one is not for everybody', async (t) => {
  const dir = scratch(t, 'csv');
  const [file, link] = [path.join(dir, 'real.csv'), path.join(dir, 'readings.csv')];
  await play(file, [batch([1], 'x')]);
  assert.equal(statSync(file).mode & 0o007, 0);
  chmodSync(file, 0o604);
  symlinkSync(file, link);
  assert.equal(await play(link, [batch([1, 2], 'x')]), 1);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(statSync(file).mode & 0o777, 0o604);
  assert.match(readFileSync(file, 'utf8'), /^g1,k3,2,/m);
  symlinkSync(path.join(dir, 'none.csv'), path.join(dir, 'to-nothing.csv'));
  await assert.rejects(play(path.join(dir, 'to-nothing.csv'), [batch([1], 'x')]), /is a link to a file that is not there/);
});

test('sets of numbers hold each number once, and only so many', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.oneof(fc.nat(100), fc.maxSafeNat()))), (added) => {
      const [sets, known] = [new NumberSets(), new Set<string>()];
      for (const [name, n] of added) {
        assert.equal(sets.add(name, n), !known.has(`${name}${n}`));
        known.add(`${name}${n}`);
      }
    }),
  );
  const few = new NumberSets(2);
  for (const n of [0, 29, 30, 59]) assert.ok(few.add('a', n));
  assert.throws(() => few.add('b', 0), /use a database as the target/);
});

test('a table of somebody else is not touched', async (t) => {
  const dir = scratch(t, 'csv');
  const texts = ['time,point,value\n1,a,2\n', 'gateway,log,seq,boot,device,point,time,value,unit,quality,reason\ng1,k3', ''];
  for (const [i, text] of texts.entries()) {
    const file = path.join(dir, `${i}.csv`);
    writeFileSync(file, text);
    await assert.rejects(
      play(file, [batch([1], 'x')]),
      (e: SluiceError) => e.code === 'usage' && /nothing was written/.test(e.message),
    );
    assert.equal(readFileSync(file, 'utf8'), text);
  }
});

test('a file has its name only when it is whole, and leftovers of ended programs go', (t) => {
  const dir = scratch(t, 'whole');
  writeFileSync(path.join(dir, '.sluice-4194305-1.part'), 'of a program that ended');
  writeFileSync(path.join(dir, '.sluice-1-1.part'), 'of a program that runs');
  const file = new WholeFile(dir);
  file.write(Buffer.from('abc'));
  assert.deepEqual(readdirSync(dir).sort(), ['.sluice-1-1.part', `.sluice-${process.pid}-${lastOf(dir)}.part`].sort());
  assert.equal(readFileSync(file.finish('x.sluice'), 'utf8'), 'abc');
  file.abandon();
  assert.deepEqual(readdirSync(dir).sort(), ['.sluice-1-1.part', 'x.sluice']);
  assert.throws(() => new WholeFile(path.join(dir, 'none')), /there is no such folder/);
});
function lastOf(dir: string): string {
  return readdirSync(dir).flatMap((name) => new RegExp(`^\\.sluice-${process.pid}-(\\d+)`).exec(name)?.[1] ?? [])[0] ?? '';
}

test('a device, a pipe or a folder is never replaced by a file', (t) => {
  const dir = scratch(t, 'whole');
  symlinkSync('/dev/null', path.join(dir, 'stdout'));
  execFileSync('mkfifo', [path.join(dir, 'pipe')]);
  mkdirSync(path.join(dir, 'folder'));
  const before = readdirSync(dir).sort();
  for (const name of before) {
    assert.throws(() => WholeFile.for(path.join(dir, name)), /no ordinary file, so it stays/, name);
    const file = new WholeFile(dir);
    assert.throws(() => file.finish(name), /no ordinary file, so it stays/, name);
    file.abandon();
  }
  assert.deepEqual(readdirSync(dir).sort(), before);
  assert.ok(lstatSync(path.join(dir, 'stdout')).isSymbolicLink());
});

test('the password in a file has neither the mark of an editor nor a line end', (t) => {
  const file = path.join(scratch(t, 'line'), 'password.txt');
  for (const text of ['good word', 'good word\n', '\ufeffgood word\r\n', 'good word\r\nsecond\n']) {
    writeFileSync(file, text);
    assert.equal(firstLine(file, 100), 'good word', JSON.stringify(text));
  }
});

test('keys are for their owner alone; another key of a gateway is taken only on demand', (t) => {
  const dir = path.join(scratch(t, 'keys'), 'platform');
  const folder = new KeysFolder(dir);
  const made = folder.make();
  assert.equal(folder.secret().text, made.text);
  assert.equal(statSync(path.join(dir, 'platform.key')).mode & 0o777, 0o600);
  assert.throws(() => folder.make(), SluiceError);
  const [one, other] = [makeGatewaySecret(), makeGatewaySecret()];
  folder.trust('g1', one, false);
  folder.trust('g1', one, false);
  assert.throws(() => folder.trust('g1', other, false), /known with another key/);
  assert.equal(folder.gateway('g1')?.text, one.text);
  folder.trust('g1', other, true);
  assert.equal(folder.gateway('g1')?.text, other.text);
  assert.deepEqual(folder.gateways, ['g1']);
  for (const id of ['../platform', 'a/b', '', '.', 'G']) assert.throws(() => folder.gateway(id), SluiceError, id);
});

test('an export that cannot write its file ends the answer of the gateway', async (t) => {
  const dir = scratch(t, 'export');
  const [socket, folder] = [path.join(dir, 'sluice.sock'), path.join(dir, 'stick')];
  mkdirSync(folder);
  let ended = false;
  const server = createServer((_, res) => {
    res.on('close', () => {
      ended = true;
    });
    // The stick is pulled out, and the answer goes on.
    rmdirSync(folder);
    res.write('SLB');
  });
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await assert.rejects(exportBundle({ config: 'gateway.yaml', socket, bundle: folder }, {}), { code: 'usage' });
  await waitFor('the end of the answer', () => ended);
});

test('names of files on a stick are shown without what a terminal would obey', async (t) => {
  const folder = scratch(t, 'names');
  const keys = path.join(folder, 'platform');
  new KeysFolder(keys).make();
  const stick = path.join(folder, 'stick');
  mkdirSync(stick);
  writeFileSync(path.join(stick, 'a\u001b[2J.sluice'), 'none');
  mkdirSync(path.join(stick, 'b\u001b[2J.sluice'));
  const written: string[] = [];
  const write = t.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  const { exitCode } = process;
  await importBundles([stick], { to: path.join(folder, 'readings.csv'), keys });
  write.mock.restore();
  process.exitCode = exitCode;
  assert.equal(written.length, 2);
  for (const line of written) assert.match(line, /[ab]\\u001b\[2J\.sluice/);
  assert.equal(written.join('').includes('\u001b'), false);
});
