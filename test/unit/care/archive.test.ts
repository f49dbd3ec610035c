/** The bytes of a backup: nothing that was not written by the command is ever believed, and nothing sizes memory before it is checked. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Archive, type ArchiveHead, ArchiveWriter, CHUNK } from '../../../src/care/archive.ts';
import { END, type Entry, entryHead, readEntries } from '../../../src/care/entries.ts';
import { inspect, isNewer } from '../../../src/care/restore.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { scratch } from '../../harness/scratch.ts';
import { pythonPeer } from '../../peers/peers.ts';

const PASSPHRASE = 'correct horse battery';
const HEAD: Omit<ArchiveHead, 'kdf'> = { gateway: 'ghat-1', made: 1_795_000_000_000, program: '0.1.0' };
const isRefused = (thrown: unknown) => thrown instanceof SluiceError && thrown.code === 'backup-refused';
const sourceOf = (bytes: Uint8Array) => ({ size: bytes.length, read: (at: number, n: number) => bytes.subarray(at, at + n) });
const sourceNow = (bytes: () => Uint8Array) => ({
  get size() {
    return bytes().length;
  },
  read: (at: number, n: number) => bytes().subarray(at, at + n),
});

function made(files: readonly (Entry & { body?: Uint8Array })[], passphrase?: string, head = HEAD): Buffer {
  const writer = new ArchiveWriter(head, passphrase);
  const parts = [writer.begin()];
  for (const { body, ...entry } of files)
    parts.push(writer.add(Buffer.concat([entryHead(entry), body ?? Buffer.alloc(Math.min(entry.size, 1000), 7)])));
  return Buffer.concat([...parts, writer.add(END), writer.end()]);
}
function contentOf(bytes: Uint8Array, passphrase?: string): [string, string][] {
  const archive = new Archive(sourceOf(bytes));
  if (passphrase !== undefined) archive.unlock(passphrase);
  const found: [string, string][] = [];
  for (const { entry, bytes: body } of readEntries(archive.pieces()))
    found.push([`${entry.where}/${entry.name}`, Buffer.concat([...body()]).toString('latin1')]);
  return found;
}
const file = (name: string, text: string, where: Entry['where'] = 'config') => {
  const body = Buffer.from(text, 'latin1');
  return { where, name, size: body.length, body };
};

test('what is written is read again, whatever the lengths, encrypted or not', () => {
  const lengths = [0, 1, 100, CHUNK - 60, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17];
  for (const [length, passphrase] of [...lengths.map((n) => [n, undefined] as const), [CHUNK + 1, PASSPHRASE] as const]) {
    const files = [file('gateway.yaml', 'gateway: {}\n'), file('log.db', 'x'.repeat(length), 'state'), file('a/b.txt', '')];
    assert.deepEqual(contentOf(made(files, passphrase), passphrase), [
      ['config/gateway.yaml', 'gateway: {}\n'],
      ['state/log.db', 'x'.repeat(length)],
      ['config/a/b.txt', ''],
    ]);
  }
});

test('a backup that is cut, changed or random is refused, wherever it was hit', () => {
  const random = seeded(11);
  for (const passphrase of [undefined, PASSPHRASE]) {
    const whole = made([file('gateway.yaml', 'gateway: {}\n'), file('access.json', 'y'.repeat(300), 'state')], passphrase);
    const head = 8 + whole.readUInt32LE(4);
    // The key is made once; what the archive reads changes behind its head.
    let now: Uint8Array = whole;
    const archive = new Archive(sourceNow(() => now));
    if (passphrase !== undefined) archive.unlock(passphrase);
    const read = () => {
      for (const { bytes } of readEntries(archive.pieces())) for (const _ of bytes());
    };
    read();
    for (let length = head; length < whole.length; length++) {
      now = whole.subarray(0, length);
      assert.throws(read, isRefused, `cut to ${length}`);
    }
    for (let at = head; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      now = bytes;
      assert.throws(read, isRefused, `a bit of byte ${at}`);
    }
    now = Buffer.concat([whole, Buffer.from([0])]);
    assert.throws(read, isRefused, 'a byte behind the end');
    if (passphrase === undefined)
      for (let at = 0; at < head; at++) {
        assert.throws(() => contentOf(whole.subarray(0, at)), isRefused);
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ 4;
        assert.throws(() => contentOf(bytes), isRefused, `a bit of byte ${at} of the head`);
      }
  }
  for (let i = 0; i < 500; i++) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)));
    if (i % 2 === 0 && bytes.length > 8) bytes.set([0x53, 0x4c, 0x4b, 1, 40, 0, 0, 0]);
    assert.throws(() => contentOf(bytes), isRefused);
  }
  assert.throws(() => contentOf(made([], PASSPHRASE), 'another one'), /passphrase is another one/);
  assert.throws(() => contentOf(made([], PASSPHRASE)), /is encrypted: give its passphrase/);
});

test('names that lead out of the two folders, links by name, doubles and sizes are refused', () => {
  const names: [Entry['where'], string][] = [
    ...(['../x', '/etc/passwd', 'a/../../x', 'a//b', './x', '.ssh/keys', 'a/.b', '', 'a\0b', 'a\\..\\b', 'x'.repeat(200)].map(
      (name) => ['config', name],
    ) as [Entry['where'], string][]),
    ...(['../log.db', 'sluice.lock', 'log.db-wal', 'other', 'tls/x.pem', 'flow-revisions/../x', '.restore/ready'].map((name) => [
      'state',
      name,
    ]) as [Entry['where'], string][]),
  ];
  for (const [where, name] of names)
    assert.throws(() => contentOf(made([{ where, name, size: 3 }])), isRefused, `${where} ${JSON.stringify(name)}`);
  assert.throws(() => contentOf(made([file('a', '1'), file('a', '2')])), /names config\/a twice/);
  for (const size of [2 ** 53, -1, 1.5, 17 * 1024 * 1024, 1e300])
    assert.throws(() => contentOf(made([{ where: 'config', name: 'a', size, body: Buffer.alloc(10) }])), isRefused, String(size));
  assert.throws(
    () => contentOf(made([{ where: 'state', name: 'log.db', size: 2 ** 35, body: Buffer.alloc(10) }])),
    /not complete/,
  );
});

test('a newer format, a newer program and dear costs of scrypt are refused before any work', () => {
  const newer = made([file('gateway.yaml', 'x')]);
  newer[3] = 2;
  assert.throws(() => contentOf(newer), /newer version of Sluice/);
  const program = (version: string) =>
    new Archive(sourceOf(made([file('gateway.yaml', 'x')], undefined, { ...HEAD, program: version })));
  assert.throws(() => inspect(program('0.2.0'), '0.1.9'), /was made by Sluice 0\.2\.0, and this is 0\.1\.9/);
  assert.equal(inspect(program('0.1.9'), '0.1.9').text, 'x');
  assert.deepEqual([isNewer('1.0.0', '0.9.9'), isNewer('0.10.0', '0.9.0'), isNewer('0.9.0', '0.10.0')], [true, true, false]);
  const kdf = (change: object): Buffer => {
    const text = Buffer.from(
      JSON.stringify({ ...HEAD, kdf: { name: 'scrypt', n: 32768, r: 8, p: 3, salt: 'A'.repeat(22), ...change } }),
    );
    return Buffer.concat([Buffer.from([0x53, 0x4c, 0x4b, 1, text.length & 255, text.length >> 8, 0, 0]), text, Buffer.alloc(40)]);
  };
  for (const change of [
    { n: 2 ** 30 },
    { n: 1000 },
    { n: 2 },
    { r: 1024 },
    { p: 1000 },
    { p: 0 },
    { salt: 'x' },
    { name: 'none' },
  ])
    assert.throws(() => new Archive(sourceOf(kdf(change))), isRefused, JSON.stringify(change));
});

test('Python opens the encrypted format with the words of its page', (t) => {
  const python = pythonPeer(t, 'cryptography', 'apt-get install -y python3-cryptography');
  if (python === undefined) return;
  const dir = scratch(t, 'backup');
  const name = path.join(dir, 'a.sluice-backup');
  writeFileSync(
    name,
    made([file('gateway.yaml', 'gateway: {}\n'), file('log.db', 'z'.repeat(CHUNK + 5), 'state')], 'a passphrase ✓'),
  );
  const script = path.join(import.meta.dirname, '../../oracles/open-backup.py');
  const out = execFileSync(python, [script, name, 'a passphrase ✓'], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(out), [
    ['config/gateway.yaml', 12, 'gateway: {}\n'],
    ['state/log.db', CHUNK + 5, 'z'.repeat(20)],
  ]);
});
