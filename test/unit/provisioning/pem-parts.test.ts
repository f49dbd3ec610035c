/** Authorities, certificates and keys for the upstream broker, on cards as people write them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { Disk, PowerCut } from '../../../src/provisioning/disk.ts';
import { pemFaults, pemOf } from '../../../src/provisioning/pem-parts.ts';
import { Authority } from '../../harness/certificates.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const HEAD = 'name: Water point\nupstream:\n  url: mqtts://broker.example.org\n';
const block = (key: string, pem: string): string => `  ${key}: |\n${pem.trimEnd().replace(/^/gm, '    ')}\n`;

interface Texts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
function made(t: TestContext): { first: Texts; second: Texts } | undefined {
  const authority = Authority.make(t);
  if (authority === undefined) return undefined;
  const of = (name: string): Texts => {
    const pair = authority.sign(name, { names: '' });
    const [ca, cert, key] = [authority.ca, pair.cert, pair.key].map((file) => readFileSync(file, 'utf8')) as [
      string,
      string,
      string,
    ];
    return { ca, cert, key };
  };
  return { first: of('ghat-1'), second: of('ghat-2') };
}

const inline = ({ ca, cert, key }: Texts): string => HEAD + block('ca', ca) + block('cert', cert) + block('key', key);
const NAMED = `${HEAD}  ca: ca.pem\n  cert: client.pem\n  key: client.key\n`;
/** The middle of a key, which stands nowhere else. */
const core = (key: string): string => key.split('\n')[1] ?? '';

/** The file that the configuration names. */
function kept(board: FakeBoard, key: keyof Texts): string {
  const file = new RegExp(`^ +${key}: (\\S+)$`, 'm').exec(board.yaml)?.[1] ?? '';
  assert.equal(path.dirname(file), path.join(board.stateDir, 'secrets'));
  assert.equal((statSync(file).mode & 0o777).toString(8), '600', file);
  return readFileSync(file, 'utf8');
}

function assertKept(board: FakeBoard, texts: Texts, words: string): void {
  for (const key of ['ca', 'cert', 'key'] as const) assert.equal(kept(board, key), texts[key], `${words}: ${key}`);
  const onCard = Object.entries(board.files()).filter(([name]) => name.startsWith('boot/'));
  assert.ok(
    onCard.every(([, text]) => !text.includes(core(texts.key))),
    `${words}: the key is off the card`,
  );
}

test('texts in the file: the board keeps them, the key leaves the card, and twice is once', (t) => {
  const all = made(t);
  if (all === undefined) return;
  for (const form of [(text: string) => text, (text: string) => `\ufeff${text.replaceAll('\n', '\r\n')}`]) {
    const board = new FakeBoard(scratch(t, 'pem', '/dev/shm'));
    board.write(form(inline(all.first)));
    assert.deepEqual([board.start().faults, board.start().outcome], [[], 'unchanged']);
    assertKept(board, all.first, 'inline');
    assert.match(board.card(), /^ {2}key: xxxxxxxx/m);
    assert.ok(board.card().includes(core(all.first.cert)), 'a certificate is no secret');
    const before = board.files();
    assert.equal(board.start().outcome, 'unchanged');
    assert.deepEqual(board.files(), before);
    // Another text keeps the key that the board has.
    board.write(board.card().replace('Water point', 'Ghat'));
    assert.equal(board.start().outcome, 'applied');
    assertKept(board, all.first, 'changed');
  }
});

test('files beside it: marks, line ends and capitals of Windows, and the key file is gone', (t) => {
  const all = made(t);
  if (all === undefined) return;
  const board = new FakeBoard(scratch(t, 'pem', '/dev/shm'));
  const put = (texts: Texts) => {
    board.write(`\ufeff${texts.ca.replaceAll('\n', '\r\n')}`, 'CA.PEM');
    board.write(Buffer.from(`\ufeff${texts.cert}`, 'utf16le'), 'client.pem');
    board.write(texts.key.replaceAll('\n', '\r\n'), 'Client.Key');
  };
  put(all.first);
  board.write(NAMED);
  assert.deepEqual([board.start().faults, board.start().outcome], [[], 'unchanged']);
  assertKept(board, all.first, 'files');
  assert.equal(existsSync(path.join(board.boot, 'Client.Key')), false);
  assert.match(board.card(), /^ {2}key: client\.key$/m);
  // A renewed certificate with its key is a change, though no letter of sluice.yaml is another one.
  put(all.second);
  assert.equal(board.start().outcome, 'applied');
  assertKept(board, all.second, 'renewed');
  assert.equal(board.start().outcome, 'unchanged');
  // The certificate alone does not fit the key that the board has.
  board.write(all.first.cert, 'client.pem');
  const { outcome, faults } = board.start();
  assert.equal(outcome, 'refused');
  assert.match(faults.join(), /^sluice\.yaml:6:8: upstream\.key: the private key that this board has does not belong/);
  assertKept(board, all.second, 'refused');
});

test('bad texts and files are refused with their line, and the last good configuration stays', (t) => {
  const all = made(t);
  if (all === undefined) return;
  const { ca, cert, key } = all.first;
  const board = new FakeBoard(scratch(t, 'pem', '/dev/shm'));
  board.write(inline(all.first));
  assert.equal(board.start().outcome, 'applied');
  const good = board.yaml;
  board.write('no text of PEM\n', 'notes.txt');
  board.write(Buffer.alloc(70_000, 65), 'large.pem');
  board.write(cert, 'client.pem');
  const cases: readonly (readonly [text: string, fault: RegExp])[] = [
    [`${HEAD}  ca: missing.pem\n`, /:4:7: upstream\.ca: there is no file missing\.pem beside sluice\.yaml; copy it/],
    [`${HEAD}  ca: notes.txt\n`, /upstream\.ca: there is no certificate in it; a PEM text begins with/],
    [`${HEAD}  ca: large.pem\n`, /upstream\.ca: large\.pem cannot be read, or has more than 64 kB/],
    [`${HEAD}  ca: ../etc/passwd\n`, /upstream\.ca: write the name of a file that lies beside sluice\.yaml, without a folder/],
    [HEAD + block('ca', `${ca}${key}`), /upstream\.ca: there is a private key in it, which would stay on the card/],
    [
      HEAD +
        block(
          'ca',
          ca.replace(/[A-Z]{3}/g, 'AAA').replace(/-----\w+ CERT/g, (l) => l),
        ),
      /upstream\.ca: /,
    ],
    [HEAD + block('cert', cert), /upstream\.cert: a certificate needs its private key/],
    [HEAD + block('key', key), /upstream\.key: a private key needs its certificate/],
    [HEAD + block('cert', cert) + block('key', all.second.key), /upstream\.key: this key does not belong to the certificate/],
    [HEAD + block('cert', cert) + block('key', ca), /upstream\.key: there is no private key in it that can be read/],
    [`${HEAD}  ca: [1, 2]\n`, /upstream\.ca: write the certificates of the authorities as PEM text, or the name of a file/],
    [HEAD.replace('mqtts', 'mqtt') + block('ca', ca), /upstream\.?\w*: the address of the broker begins with mqtt:\/\//],
  ];
  for (const [text, words] of cases) {
    board.write(text);
    const { outcome, faults } = board.start();
    assert.equal(outcome, 'refused', `${text}: ${faults.join()}`);
    assert.match(faults.join('\n'), words);
    assert.ok(!faults.join().includes(core(key)), 'no fault shows the key');
    assert.equal(board.yaml, good);
    assert.equal(board.card(), text, 'a person corrects the file that he wrote');
  }
  board.write(inline(all.first));
  board.start();
  assertKept(board, all.first, 'afterwards');
});

test('a power cut at any step leaves a configuration whose files fit each other', (t) => {
  const all = made(t);
  if (all === undefined) return;
  const folder = scratch(t, 'pem', '/dev/shm');
  const prepared = (name: string): FakeBoard => {
    const board = new FakeBoard(path.join(folder, name));
    board.write(inline(all.first));
    board.start();
    board.write(NAMED);
    for (const [file, text] of [
      ['ca.pem', all.second.ca],
      ['client.pem', all.second.cert],
      ['client.key', all.second.key],
    ] as const)
      board.write(text, file);
    return board;
  };
  let steps = 0;
  prepared('whole').start({ disk: new Disk(() => void steps++) });
  assert.ok(steps > 25, `${steps} steps`);
  for (let cut = 0; cut < steps; cut++) {
    const board = prepared(`cut-${cut}`);
    let left = cut;
    const disk = new Disk(() => {
      if (left-- === 0) throw new PowerCut();
    });
    assert.throws(() => board.start({ disk }), PowerCut);
    const texts: Texts = kept(board, 'cert') === all.first.cert ? all.first : all.second;
    for (const key of ['ca', 'cert', 'key'] as const) assert.equal(kept(board, key), texts[key], `cut ${cut}: ${key}`);
    board.start();
    assertKept(board, all.second, `after cut ${cut}`);
    assert.equal(board.start().outcome, 'unchanged');
    rmSync(path.join(folder, `cut-${cut}`), { recursive: true });
  }
});

test('a power cut while a key in the file is written over leaves a card that is freed of it', (t) => {
  const all = made(t);
  if (all === undefined) return;
  const folder = scratch(t, 'pem', '/dev/shm');
  const rest = all.first.key.trim().split('\n').at(-2) ?? '';
  const quoted = `${HEAD}${block('ca', all.first.ca)}${block('cert', all.first.cert)}  key: ${JSON.stringify(all.first.key)}\n`;
  const wide = Buffer.from(`\ufeff${inline(all.first)}`, 'utf16le');
  for (const [name, text] of [
    ['block', inline(all.first)],
    ['quoted', quoted],
    ['utf-16', wide],
  ] as const) {
    const board = new FakeBoard(path.join(folder, name));
    board.write(text);
    let seen = 0;
    const disk = new Disk((step) => {
      if (step.startsWith('written over') && ++seen === 1) throw new PowerCut();
    });
    assert.throws(() => board.start({ disk }), PowerCut);
    const card = () => readFileSync(path.join(board.boot, 'sluice.yaml')).toString(name === 'utf-16' ? 'utf16le' : 'utf8');
    assert.ok(card().includes(rest) && /(?:x\s*){16}/.test(card()), `${name}: half of it`);
    const over: string[] = [];
    const { outcome, faults } = board.start({ disk: new Disk((step) => void over.push(step)) });
    assert.deepEqual([outcome, faults], ['unchanged', []], name);
    assert.ok(
      over.some((step) => step.startsWith('written over')),
      `${name}: the rest is written over before the file goes`,
    );
    assert.ok(!card().includes(rest) && card().includes('key: xxxxxxxx'), name);
    assertKept(board, all.first, name);
  }
});

test('a key that was written over in part counts as taken', (t) => {
  const folder = scratch(t, 'pem', '/dev/shm');
  const file = path.join(folder, 'client.key');
  writeFileSync(file, `${'x'.repeat(700)}AAAA\n-----END PRIVATE KEY-----\n`);
  const left = { file, bytes: readFileSync(file) };
  assert.deepEqual(pemOf('key', 'client.key', folder), { text: 'xxxxxxxx', file: left });
  assert.deepEqual(pemOf('key', 'other.key', folder), { text: 'xxxxxxxx', file: undefined });
});

test('no text ends the program, or is taken for a certificate', () => {
  const part = fc.constantFrom(
    '-----BEGIN CERTIFICATE-----\n',
    '-----END CERTIFICATE-----\n',
    '-----BEGIN PRIVATE KEY-----\n',
    'MIIB\n',
    '-',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 30 }), fc.string(), (parts, name) => {
      const text = parts.join('');
      assert.ok([...pemFaults({ ca: text })].length === 1);
      const found = pemOf('ca', name, '/nowhere');
      assert.ok(typeof found === 'string' || found.file === undefined);
    }),
  );
});
