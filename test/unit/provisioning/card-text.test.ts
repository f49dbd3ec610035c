import assert from 'node:assert/strict';
import { ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { checkMade } from '../../../src/cli/provision.ts';
import { formatFault } from '../../../src/config/fault.ts';
import { decode, encodeFile, findText } from '../../../src/provisioning/card-text.ts';
import { planOf } from '../../../src/provisioning/plan.ts';
import { CARD, FakeBoard, SECRETS } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';

const utf16 = (text: string, big: boolean, mark: boolean): Buffer => {
  const bytes = Buffer.from(mark ? `\ufeff${text}` : text, 'utf16le');
  return big ? bytes.swap16() : bytes;
};
const CRLF = CARD.replaceAll('\n', '\r\n');
const FORMS: Readonly<Record<string, Uint8Array>> = {
  'plain UTF-8': Buffer.from(CARD),
  'UTF-8 with CRLF': Buffer.from(CRLF),
  'UTF-8 with a mark and CRLF': Buffer.from(`\ufeff${CRLF}`),
  'UTF-16 little-endian of Notepad': utf16(CRLF, false, true),
  'UTF-16 big-endian': utf16(CRLF, true, true),
  'UTF-16 without a mark': utf16(CRLF, false, false),
  'UTF-16 big-endian without a mark': utf16(CRLF, true, false),
  'line ends of old editors': Buffer.from(CARD.replaceAll('\n', '\r')),
};

test('every encoding and line end of editors gives the same configuration and loses its secrets', (t) => {
  const configs = Object.entries(FORMS).map(([form, bytes], i) => {
    const board = new FakeBoard(path.join(scratch(t, 'cards', '/dev/shm'), String(i)));
    board.write(bytes);
    const first = board.start();
    assert.equal(first.outcome, 'applied', `${form}: ${first.faults.join()}`);
    const left = Buffer.from(board.files()['boot/sluice.yaml'] ?? '', 'latin1');
    for (const secret of SECRETS)
      for (const encoding of ['utf8', 'utf16le'] as const)
        assert.ok(!left.includes(Buffer.from(secret, encoding)), `${form}: ${secret}`);
    const again = decode('sluice.yaml', left);
    assert.ok(again.kind === 'text' && again.text.includes('id: sluice-a1b2c3'), form);
    assert.equal(board.start().outcome, 'unchanged', form);
    return board.yaml.replaceAll(board.stateDir, 'STATE').replace(/password-[0-9a-f]{8}/, 'password');
  });
  assert.equal(new Set(configs).size, 1);
});

test('names of Windows and of browsers are found, and two files at once are refused', (t) => {
  for (const [i, name] of ['SLUICE.YML', 'Sluice.yaml', 'sluice.yaml.txt', 'sluice (1).yaml', 'sluice.txt'].entries()) {
    const board = new FakeBoard(path.join(scratch(t, 'cards', '/dev/shm'), String(i)));
    board.write(CARD, name);
    assert.equal(board.start().outcome, 'applied', name);
  }
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  board.write(CARD, 'sluice.yaml.txt');
  board.write('nothing of ours', 'sluice-notes.yaml');
  const { faults } = board.start();
  assert.deepEqual(faults, [
    'sluice.yaml:1:1: there are several files: sluice.yaml, sluice.yaml.txt. Keep one, and name it sluice.yaml',
  ]);
});

test('a file behind thousands of others is found', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write(CARD);
  // A file system in memory lists the newest first.
  for (let i = 0; i < 5000; i++) writeFileSync(path.join(board.boot, `${i}\n\r\u202e.txt`), '');
  assert.equal(board.start().outcome, 'applied');
});

test('a folder, a link, a huge file and an empty one are refused with words', (t) => {
  const cases: readonly (readonly [RegExp, (file: string, board: FakeBoard) => void])[] = [
    [/is a folder/, (file) => void mkdirSync(file)],
    [/not an ordinary file/, (file) => symlinkSync('/etc/shadow', file)],
    [/102400 kB and was not read/, (file) => ftruncateSync(openSync(file, 'w'), 100 * 1024 ** 2)],
    [/is empty/, (_, board) => board.write(' \r\n')],
    [/zero byte/, (_, board) => board.write('name: a\nsite: b\0c\n')],
    [/:2:1: the file is not UTF-8/, (_, board) => board.write(Buffer.from('name: a\nsite: caf\xe9\n', 'latin1'))],
  ];
  for (const [i, [words, make]] of cases.entries()) {
    const board = new FakeBoard(path.join(scratch(t, 'cards', '/dev/shm'), String(i)));
    make(path.join(board.boot, 'sluice.yaml'), board);
    const { outcome, faults } = board.start();
    assert.equal(outcome, 'refused');
    assert.match(faults.join('\n'), words);
    assert.match(board.status, words);
  }
});

test('a tab, a number as a password and a wrong key are explained at their place', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write('name: a\nupstream:\n\turl: mqtt://b\n');
  assert.match(board.start().faults.join(), /^sluice\.yaml:3:1: a tab cannot indent a line; use spaces/);
  board.write('nmae: a\nbuses:\n  field: {preset: modbus-960, port: /dev/ttyUSB0}\n');
  const faults = board.start().faults.join('\n');
  assert.match(faults, /^sluice\.yaml:1:1: nmae: .*did you mean "name"/m);
  assert.match(faults, /^sluice\.yaml:3:\d+: buses\.field\.preset: .*modbus-9600/m);
  board.write(
    'upstream: {url: "mqtt://b", username: 007, password: 0123}\nbuses:\n  f: {preset: modbus-9600, port: /dev/ttyS9}\n',
  );
  assert.equal(board.start().outcome, 'applied');
  const [file = ''] = /upstream-password-[0-9a-f]{8}/.exec(board.yaml) ?? [];
  assert.equal(board.state(`secrets/${file}`), '0123');
  assert.match(board.yaml, /username: "007"/);
});

test('random bytes and alias bombs become words, and change nothing', (t) => {
  const board = new FakeBoard(scratch(t, 'cards', '/dev/shm'));
  board.write('name: good\n');
  board.start();
  const good = board.yaml;
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
    .split('')
    .map((key, i) => `${key}: &${key} [${`*${'abcdefghij'[i]},`.repeat(9)}]`)
    .join('\n')}\n`;
  board.write(bomb);
  assert.match(board.start().faults.join(), /too many values|more than/);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      board.write(bytes);
      const { outcome } = board.start();
      assert.ok(outcome === 'refused' || outcome === 'applied' || outcome === 'failed');
      if (outcome !== 'applied') assert.equal(board.yaml, good);
      assert.match(board.status, /Result: /);
    }),
    { numRuns: 60 },
  );
  assert.equal(board.yaml, good);
});

test('a text in any encoding is written back as it was read', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 3 }),
      fc.constantFrom('utf-8', 'utf-16le', 'utf-16be'),
      (text, encoding) => {
        fc.pre(!/[\0\r]/.test(text) && text.trim() !== '' && !text.startsWith('\ufeff') && text.isWellFormed());
        const bytes = encodeFile(text, { encoding, hasMark: true });
        const read = decode('f', bytes);
        assert.ok(read.kind === 'text');
        assert.deepEqual([read.text, read.encoding], [text, encoding]);
        assert.deepEqual(encodeFile(read.text, read), bytes);
      },
    ),
    { numRuns: 200 },
  );
});

test('a boot partition that is not there is no fault', () => {
  assert.deepEqual(findText('/nowhere/at/all'), { kind: 'none' });
});

test('no fault shows a secret of the file, whatever sign is missing or too much', () => {
  const text = `name: Ghat 1
upstream:
  url: mqtts://broker.example.org
  password: Geheim-77-upstream
claimCode: 4HJN-P8WZ-6STD
wifi: {name: Ghat, password: Geheim-88-wlan}
`;
  const secrets = ['Geheim-77-up', 'P8WZ-6S', 'Geheim-88-wl'];
  const context = { config: '/etc/g.yaml', stateDir: '/s', id: 'g', former: [], folder: '/nowhere' };
  const faultsOf = (changed: string): string => {
    const planned = planOf(
      { file: 'sluice.yaml', text: changed, encoding: 'utf-8', hasMark: false },
      { ...context, check: () => ({ faults: [], warnings: [] }) },
    );
    return 'faults' in planned ? planned.faults.join('\n') : planned.plan.warnings.join('\n');
  };
  const by = (key: string, ...pairs: readonly (readonly [string, string])[]) =>
    pairs.map(([from, to]) => text.replace(from, to)).concat(text.replace(key, `${key} `));
  const habits = by(
    'claimCode',
    ['password: G', 'password:G'],
    ['password: G', 'password = G'],
    ['password: Geheim-77-upstream', 'password: “Geheim-77-upstream”'],
    ['password: G', 'password: !G'],
    ['claimCode: 4', 'claimCode:4'],
    ['Ghat, password: G', 'Ghat, password:G'],
    ['wifi: {', 'wifi:{'],
    ['wifi: {', 'wifi = {'],
    ['url: mqtts://', 'url:mqtts://anna:Geheim-77-up@'],
    ['url: mqtts://', 'url = mqtts://anna:Geheim-77-up@'],
  );
  // One sign goes, comes or is another one, from the first secret on.
  const slips = [...[...text.slice(text.indexOf('password'))].keys()].flatMap((at) => {
    const i = at + text.indexOf('password');
    return [...':"\'{}[!&*#= \n“'].flatMap((sign) => [
      text.slice(0, i) + sign + text.slice(i),
      text.slice(0, i) + sign + text.slice(i + 1),
    ]);
  });
  let faulty = 0;
  // The same in gateway.yaml, whose faults go upstream as well.
  const gateway = (line: string) =>
    `gateway: {id: g}\nforwarders:\n  cloud:\n    type: mqtt\n    url: mqtt://h\n    username: a\n    ${line}\n`;
  for (const line of [
    'password:Geheim-77-up',
    'password = Geheim-77-up',
    'password: “Geheim-77-up”',
    'password: !Geheim-77-up',
    'proxy: {url: socks5://h, password:Geheim-77-up}',
    'password: [Geheim-77-up]',
    'passwort: Geheim-77-up',
  ]) {
    const faults = checkMade(gateway(line), '/etc/gateway.yaml').faults.map(formatFault).join('\n');
    assert.ok(faults !== '' && !faults.includes('Geheim-77'), `${line}: ${faults}`);
  }
  for (const changed of [...habits, ...slips]) {
    const faults = faultsOf(changed);
    if (faults !== '') faulty++;
    for (const secret of secrets) assert.ok(!faults.includes(secret), `${faults}\n${changed}`);
  }
  assert.ok(faulty > slips.length / 3, `${faulty} of ${slips.length}`);
});
