/**
 * `sluice update apply` with whatever a stick or a server may bring, on a full card, killed, and started twice. The running slot
 * stays as it is, nothing boots the other one, and the words say what to do.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { isAtWork } from '../../../src/update/at-work.ts';
import { makeUpdateSecret } from '../../../src/update/keys.ts';
import { Child } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { UpdateCard, writeUpdate } from '../../harness/update-card.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot } from '../../peers/peers.ts';

const MIB = 1024 ** 2;

function apply(t: TestContext, card: UpdateCard, from: string): Child {
  const args = ['update', 'apply', '--from', from, '--root', card.root, '-c', path.join(card.root, 'none.yaml')];
  const child = new Child(process.execPath, [MAIN, ...args]);
  t.after(() => child.stop('SIGKILL'));
  return child;
}

async function refused(t: TestContext, card: UpdateCard, from: string, name: string, words: RegExp): Promise<void> {
  const child = apply(t, card, from);
  assert.equal(await child.ended, 1, `${name}: ${child.stderr.join('\n')}`);
  const said = child.stderr.filter((line) => !/none\.yaml/.test(line)).join('\n');
  assert.match(said, words, name);
  assert.doesNotMatch(said, /^\s+at |Error:/m, name);
  assert.ok(card.holds('a', 2), name);
  assert.deepEqual(card.entries, ['sluice-a.conf'], name);
}

/** One bit of a file. @param back bytes from its end */
function flip(file: string, back = Math.floor(statSync(file).size / 2)): void {
  const bytes = readFileSync(file);
  const at = bytes.length - back;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

test('nothing that a stick can bring harms the running release', async (t) => {
  const folder = scratch(t, 'update');
  const card = new UpdateCard(path.join(folder, 'card'));
  const good = await writeUpdate(path.join(folder, 'good'), 3);
  const thief = await writeUpdate(path.join(folder, 'thief'), 3, [makeUpdateSecret('release')]);
  const old = await writeUpdate(path.join(folder, 'old'), 1);
  const other = await writeUpdate(path.join(folder, 'other'), 3, undefined, { target: 'rpi-arm64' });
  const named = (end: string) => readdirSync(good).find((name) => name.startsWith('root-') && name.endsWith(end)) ?? end;
  const [index, pack] = [named('.index'), named('.pack')];
  const cases: readonly (readonly [string, RegExp, (stick: string) => void])[] = [
    ['a manifest that ends early', /damaged.*fetch it again/, (stick) => truncateSync(path.join(stick, 'update.json'), 400)],
    ['a bit of the manifest', /no key|damaged/, (stick) => flip(path.join(stick, 'update.json'))],
    ['a manifest of a gigabyte', /longer than/, (stick) => truncateSync(path.join(stick, 'update.json'), 1024 * MIB)],
    ['the signature of a thief', /no key that this gateway trusts/, (stick) => cpSync(thief, stick, { recursive: true })],
    ['an old release again', /is older than number 2/, (stick) => cpSync(old, stick, { recursive: true })],
    ['a release for another board', /is for rpi-arm64/, (stick) => cpSync(other, stick, { recursive: true })],
    ['a bit of the index', /not the file that the manifest names/, (stick) => flip(path.join(stick, index))],
    ['an index of a gigabyte', /longer than/, (stick) => truncateSync(path.join(stick, index), 1024 * MIB)],
    // Its first half is on the card already, and is not read.
    ['a bit of the pack', /not what the manifest says/, (stick) => flip(path.join(stick, pack), 1000)],
    ['a pack that ends early', /ends too early/, (stick) => truncateSync(path.join(stick, pack), 100_000)],
    [
      'a link to a file of root',
      /is a link/,
      (stick) => replace(stick, 'update.json', (file) => symlinkSync('/etc/shadow', file)),
    ],
    ['a link to a device', /is a link/, (stick) => replace(stick, pack, (file) => symlinkSync('/dev/zero', file))],
    ['a pipe', /is no file/, (stick) => replace(stick, pack, (file) => execFileSync('mkfifo', [file]))],
  ];
  for (const [name, words, spoil] of cases) {
    const stick = path.join(folder, 'stick');
    cpSync(good, stick, { recursive: true });
    spoil(stick);
    await refused(t, card, stick, name, words);
    rmSync(stick, { recursive: true });
  }
  await refused(t, card, path.join(folder, 'nothing'), 'no stick', /has no file update\.json/);
  const child = apply(t, card, good);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.ok(card.holds('b', 3));
  assert.deepEqual(card.entries, ['sluice-a.conf', 'sluice-b+3.conf']);
});

function replace(stick: string, name: string, make: (file: string) => void): void {
  rmSync(path.join(stick, name));
  make(path.join(stick, name));
}

test('a card that becomes full keeps its release, and the next try goes through', async (t) => {
  if (!asRoot(t, 'mount a small file system')) return;
  const folder = scratch(t, 'update');
  const card = new UpdateCard(path.join(folder, 'card'));
  const good = await writeUpdate(path.join(folder, 'good'), 3);
  for (const [place, words] of [
    ['boot/firmware/sluice/b', /cannot be written; the running system is untouched/],
    ['state', /no space|full|cannot be written/i],
  ] as const) {
    const mount = path.join(card.root, place);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=755', 'full', mount]);
    try {
      // Room for one small file.
      writeFileSync(path.join(mount, 'others'), Buffer.alloc(56 * 1024));
      await refused(t, card, good, place, words);
    } finally {
      execFileSync('umount', [mount]);
    }
  }
  const child = apply(t, card, good);
  assert.equal(await child.ended, 0, child.stderr.join('\n'));
  assert.ok(card.holds('b', 3));
});

test('a second one gives way to the first, and one that was killed leaves nothing in the way', async (t) => {
  const folder = scratch(t, 'update');
  const card = new UpdateCard(path.join(folder, 'card'));
  const good = await writeUpdate(path.join(folder, 'good'), 3);
  let asked = 0;
  let open = false;
  const server = createServer((request, response) => {
    const bytes = readFileSync(path.join(good, path.basename(request.url ?? '')));
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from !== undefined) asked++;
    // The third part does not come.
    if (asked >= 3 && !open) return;
    const body = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
    response.writeHead(from === undefined ? 200 : 206, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const look = apply(t, card, await writeUpdate(path.join(folder, 'same'), 2));
  assert.equal(await look.ended, 0, look.stderr.join('\n'));
  assert.ok(!existsSync(path.join(card.root, 'run')), 'the LED shows no look that found nothing');
  const first = apply(t, card, address);
  await waitFor(
    () => `the third part to be asked for: ${first.stderr.join('\n')}`,
    () => asked >= 3,
  );
  assert.ok(isAtWork(card.root), 'the LED shows what is written');
  await refused(t, card, good, 'a second one', /another sluice update is at work/);
  assert.equal(first.over, undefined);
  await first.stop('SIGKILL');
  assert.deepEqual(card.entries, ['sluice-a.conf']);
  open = true;
  const next = apply(t, card, address);
  assert.equal(await next.ended, 0, next.stderr.join('\n'));
  assert.ok(card.holds('a', 2) && card.holds('b', 3));
  assert.equal(readdirSync(path.join(card.root, 'state/update')).filter((name) => name.endsWith('.new')).length, 0);
});
