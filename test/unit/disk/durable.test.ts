/** The invariants of src/disk/durable.ts, with every call of the file system recorded, and with a fault at each of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs, {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { besideOf, ifKept, readSmall, replaceFile, syncFolder, writeAll, writeNew } from '../../../src/disk/durable.ts';
import { scratch } from '../../harness/scratch.ts';

const CALLS = ['openSync', 'writeSync', 'fchownSync', 'fchmodSync', 'fsyncSync', 'closeSync', 'renameSync', 'rmSync'] as const;
type Call = (typeof CALLS)[number];
const OLD = Buffer.from('the old content');
const NEW = Buffer.alloc(100_000, 'new');
const modeOf = (file: string) => statSync(file).mode & 0o7777;
const bytes = (text: string) => [Buffer.from(text)];

class Injected extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`${code}: by the test`);
    this.code = code;
  }
}

/**
 * Records the calls that change files, as `call name`.
 * @param fault throws in the place of a call. @param most bytes that one write takes
 */
function recorded(t: TestContext, fault: (call: Call, nth: number) => void = () => {}, most = Number.POSITIVE_INFINITY) {
  const calls: string[] = [];
  const names = new Map<number, string>();
  const real = Object.fromEntries(CALLS.map((call) => [call, fs[call]])) as unknown as Record<
    Call,
    (...args: unknown[]) => unknown
  >;
  for (const call of CALLS)
    Object.assign(fs, {
      [call]: (...args: unknown[]) => {
        const [first] = args;
        const name = typeof first === 'number' ? (names.get(first) ?? '?') : path.basename(String(first));
        calls.push(`${call} ${name}`);
        fault(call, calls.length - 1);
        if (call === 'writeSync') args[3] = Math.min(args[3] as number, most);
        const result = real[call](...args);
        if (call === 'openSync') names.set(result as number, name);
        return result;
      },
    });
  syncBuiltinESMExports();
  const end = (): string[] => {
    Object.assign(fs, real);
    syncBuiltinESMExports();
    return calls;
  };
  t.after(end);
  return { calls, end };
}

test('a new file has its content, and its mode whatever the umask is', (t) => {
  const folder = scratch(t, 'durable');
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  for (const mode of [0o600, 0o640, 0o644, 0o755]) {
    const file = path.join(folder, mode.toString(8));
    writeNew(
      file,
      ['one ', 'two', '', ' three'].map((text) => Buffer.from(text)),
      { mode },
    );
    assert.equal(readFileSync(file, 'utf8'), 'one two three');
    assert.equal(modeOf(file), mode);
  }
});

test('nobody else can open a new file before it is whole and has its owner', (t) => {
  const file = path.join(scratch(t, 'durable'), 'secret');
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const modes: number[] = [];
  function* pieces() {
    for (let i = 0; i < 3; i++) {
      modes.push(modeOf(file));
      yield Buffer.from('secret');
    }
  }
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const { end } = recorded(t);
  writeNew(file, pieces(), { mode: 0o644, owner });
  const calls = end();
  assert.deepEqual(modes, [0o600, 0o600, 0o600]);
  const changes = calls.filter((call) => /^f/.test(call));
  assert.deepEqual(changes, ['fchownSync secret', 'fchmodSync secret', 'fsyncSync secret']);
});

test('nothing that has the name already is written to: a file, a folder, a link', (t) => {
  const folder = scratch(t, 'durable');
  const at = (name: string) => path.join(folder, name);
  writeFileSync(at('file'), OLD);
  mkdirSync(at('folder'));
  symlinkSync(at('file'), at('link'));
  symlinkSync(at('nowhere'), at('dangling'));
  for (const name of ['file', 'folder', 'link', 'dangling'])
    assert.throws(() => writeNew(at(name), [NEW], { mode: 0o644 }), { code: 'EEXIST' }, name);
  assert.deepEqual(readFileSync(at('file')), OLD);
  assert.equal(readlinkSync(at('dangling')), at('nowhere'));
  assert.ok(!existsSync(at('nowhere')));
});

test('a replaced file is synced beside itself, renamed, and its folder synced', (t) => {
  const folder = scratch(t, 'durable');
  const file = path.join(folder, 'file');
  writeFileSync(file, OLD);
  const { end } = recorded(t, undefined, 40_000);
  replaceFile(file, NEW);
  const name = path.basename(folder);
  assert.deepEqual(end(), [
    'rmSync file.new',
    'openSync file.new',
    ...['writeSync file.new', 'writeSync file.new', 'writeSync file.new'],
    'fchmodSync file.new',
    'fsyncSync file.new',
    'closeSync file.new',
    'renameSync file.new',
    `openSync ${name}`,
    `fsyncSync ${name}`,
    `closeSync ${name}`,
  ]);
  assert.deepEqual(readFileSync(file), NEW);
  assert.equal(modeOf(file), 0o600);
  assert.deepEqual(readdirSync(folder), ['file']);
});

test('a fault at any call leaves the old file or the new one, and the next try ends well', (t) => {
  const folder = scratch(t, 'durable');
  const outcomes = new Set<string>();
  let failed = 0;
  for (let nth = 0; ; nth++) {
    const file = path.join(folder, `file-${nth}`);
    writeFileSync(file, OLD);
    const { calls, end } = recorded(
      t,
      (_, at) => {
        if (at === nth) throw new Injected('EIO');
      },
      40_000,
    );
    const fds = readdirSync('/proc/self/fd').length;
    let thrown: unknown;
    try {
      replaceFile(file, NEW, 0o640);
    } catch (error) {
      thrown = error;
    }
    end();
    if (nth >= calls.length) {
      assert.equal(thrown, undefined);
      break;
    }
    failed++;
    assert.ok(thrown instanceof Injected, `call ${calls[nth]} failed and was not reported`);
    const content = readFileSync(file);
    assert.ok(content.equals(OLD) || content.equals(NEW), `${calls[nth]}: ${content.length} bytes`);
    const renamed = calls.slice(0, nth).some((call) => call.startsWith('renameSync'));
    assert.ok(content.equals(renamed ? NEW : OLD), `${calls[nth]}: the old file until the rename, the new one from then on`);
    outcomes.add(renamed ? 'new' : 'old');
    // A close that the test refused leaves its file open; every other fault gives it back.
    if (!calls[nth]?.startsWith('closeSync')) assert.equal(readdirSync('/proc/self/fd').length, fds, `${calls[nth]}: left open`);
    replaceFile(file, NEW, 0o640);
    assert.deepEqual(readFileSync(file), NEW);
    assert.equal(modeOf(file), 0o640);
    assert.ok(!existsSync(besideOf(file)), `${calls[nth]}: nothing is left beside it`);
  }
  assert.deepEqual([failed, [...outcomes].sort()], [12, ['new', 'old']]);
});

test('a link in place of a file, or beside it, is replaced and not followed', (t) => {
  const folder = scratch(t, 'durable');
  const [file, foreign] = [path.join(folder, 'file'), path.join(folder, 'foreign')];
  writeFileSync(foreign, OLD, { mode: 0o644 });
  symlinkSync(foreign, file);
  symlinkSync(foreign, besideOf(file));
  replaceFile(file, 'text');
  assert.ok(lstatSync(file).isFile());
  assert.equal(readFileSync(file, 'utf8'), 'text');
  assert.deepEqual([readFileSync(foreign).equals(OLD), modeOf(foreign)], [true, 0o644]);
});

test('writes that the disk takes in parts are whole, wherever they begin', (t) => {
  const file = path.join(scratch(t, 'durable'), 'file');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(20), fc.integer({ min: 1, max: 7 }), (content, at, most) => {
      writeFileSync(file, Buffer.alloc(100, 0xee));
      const fd = fs.openSync(file, 'r+');
      const { end } = recorded(t, undefined, most);
      writeAll(fd, content, at);
      end();
      fs.closeSync(fd);
      const wanted = Buffer.alloc(100, 0xee);
      wanted.set(content, at);
      assert.deepEqual(readFileSync(file), wanted);
    }),
    { numRuns: 50 },
  );
});

test('FAT refuses owner and mode, and the file is written; any other fault is one', (t) => {
  const folder = scratch(t, 'durable');
  const owner = { uid: 0, gid: 0 };
  const write = (name: string, onFat: boolean, code: string): void => {
    const { end } = recorded(t, (call) => {
      if (call === 'fchownSync' || call === 'fchmodSync') throw new Injected(code);
    });
    try {
      writeNew(path.join(folder, name), bytes('card'), { mode: 0o644, owner, onFat });
    } finally {
      end();
    }
  };
  write('kept', true, 'EPERM');
  assert.equal(readFileSync(path.join(folder, 'kept'), 'utf8'), 'card');
  assert.throws(() => write('elsewhere', false, 'EPERM'), { code: 'EPERM' });
  assert.throws(() => write('broken', true, 'EIO'), { code: 'EIO' });
});

test('a change that a file system may not keep passes over its four refusals alone', () => {
  const refused = (thrown: unknown) =>
    ifKept(() => {
      throw thrown;
    });
  for (const code of ['EPERM', 'ENOTSUP', 'EINVAL', 'ENOSYS']) refused(new Injected(code));
  for (const code of ['EIO', 'ENOSPC', 'EROFS', 'EACCES']) assert.throws(() => refused(new Injected(code)), { code });
  assert.throws(() => refused(new Error('no code')), /no code/);
  assert.throws(
    () => refused('EPERM'),
    (thrown) => thrown === 'EPERM',
  );
});

test('a small file is read whole up to its bound, and not at all beyond it', (t) => {
  const file = path.join(scratch(t, 'durable'), 'file');
  for (const size of [0, 1, 99, 100]) {
    const content = Buffer.alloc(size, 'x');
    writeFileSync(file, content);
    assert.deepEqual(readSmall(file, 100), content, `${size} bytes`);
  }
  writeFileSync(file, Buffer.alloc(101));
  assert.equal(readSmall(file, 100), undefined);
  // The kernel says 0 bytes of it, and gives more.
  assert.equal(statSync('/proc/self/status').size, 0);
  assert.equal(readSmall('/proc/self/status', 100), undefined);
  assert.match(readSmall('/proc/self/status', 100_000)?.toString() ?? '', /^Name:/);
});

test('anything but a plain file is not read, and a pipe without a writer holds nobody up', (t) => {
  const folder = scratch(t, 'durable');
  const at = (name: string) => path.join(folder, name);
  writeFileSync(at('file'), OLD);
  symlinkSync(at('file'), at('link'));
  symlinkSync(at('link-to-itself'), at('link-to-itself'));
  assert.equal(spawnSync('mkfifo', [at('pipe')]).status, 0);
  const fds = readdirSync('/proc/self/fd').length;
  for (const name of ['none', 'link', 'link-to-itself', 'pipe', '.', 'file/below'])
    assert.equal(readSmall(at(name), 1e6), undefined, name);
  assert.equal(readSmall('/dev/zero', 1e6), undefined);
  assert.equal(readdirSync('/proc/self/fd').length, fds, 'each is closed again');
});

test('a folder that is not there cannot be synced, and says so', (t) => {
  const folder = scratch(t, 'durable');
  syncFolder(folder);
  assert.throws(() => syncFolder(path.join(folder, 'gone')), { code: 'ENOENT' });
});
