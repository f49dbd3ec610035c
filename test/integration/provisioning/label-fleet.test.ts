/** Labels are read by zbarimg, a foreign decoder; a fleet of 1,000 sites is made and each file is put in force as a card is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Certificates } from '../../../src/access/tls/certificates.ts';
import { issue } from '../../../src/access/tls/issuing.ts';
import { checkMade } from '../../../src/cli/provision.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { BUILT } from '../../../src/core/version.ts';
import { authorityFingerprintOf } from '../../../src/provisioning/authority.ts';
import { parseCsv } from '../../../src/provisioning/fleet/csv.ts';
import { makeFleet } from '../../../src/provisioning/fleet/fleet.ts';
import { labelForTerminal, labelPng, labelSvg, labelText } from '../../../src/provisioning/label.ts';
import { modulesOf, pngOf, terminalText } from '../../../src/provisioning/qr.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, sluice } from '../../harness/start-gateway.ts';
import { peer } from '../../peers/peers.ts';

const DAY = 86_400_000;
const FACTS = {
  id: 'ghat-1',
  name: 'Water <point> & "pump"',
  key: '9fa4 d83b 0877 b0e3 df4f ed23 6b2b eff1',
  tls: 'B4:5D:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:0F:1E:2D:3C:4B:5A:69:78:87:96:A5:B4:C3:E1',
  claimCode: '7K3M-Q2XV-9TRD',
};
const TEXT =
  'sluice:ghat-1?key=9fa4d83b0877b0e3df4fed236b2beff1&tls=b45d00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3e1&claim=7K3M-Q2XV-9TRD';

/** What stands on a label in place of its fingerprint. */
const NO_FINGERPRINT =
  'TLS fingerprint: none yet. The gateway makes it at its first start. It is then shown by: sudo sluice label';

/** The picture of the path in an SVG, one module a number of pixels: an engine that knows `M`, `h`, `v` and `z`. */
function drawn(svg: string): boolean[][] {
  const size = modulesOf(labelText(FACTS)).length;
  const rows = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  for (const [, x = '', y = '', width = ''] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let i = 0; i < Number(width); i++) (rows[Number(y)] as boolean[])[Number(x) + i] = true;
  return rows;
}
/** Half blocks of a terminal. */
function shown(text: string): boolean[][] {
  return text.split('\n').flatMap((line) => {
    const letters = [...line];
    return [letters.map((letter) => letter === ' ' || letter === '▄'), letters.map((letter) => letter === ' ' || letter === '▀')];
  });
}

test('a foreign decoder reads the PNG, the SVG and the code on the terminal', (t) => {
  const zbar = peer(t, 'zbarimg', 'apt-get install -y zbar-tools');
  if (zbar === undefined) return;
  const folder = scratch(t);
  const terminal = shown(terminalText(TEXT));
  const pictures = {
    png: labelPng(FACTS),
    svg: pngOf(drawn(labelSvg(FACTS))),
    terminal: pngOf(terminal.slice(0, terminal[0]?.length)),
  };
  for (const [name, bytes] of Object.entries(pictures)) {
    const file = path.join(folder, `${name}.png`);
    writeFileSync(file, bytes);
    assert.equal(execFileSync(zbar, ['-q', '--raw', file], { encoding: 'utf8' }).trim(), TEXT, name);
  }
});

test('a label has the fingerprint of the authority, which stays when a certificate is renewed', async (t) => {
  const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
  if (openssl === undefined) return;
  const folder = scratch(t);
  const stateDir = path.join(folder, 'state');
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(config, 'gateway: {id: ghat-1, stateDir: state}\n');
  const command = (...words: string[]): string =>
    execFileSync(process.execPath, [MAIN, 'label', '-c', config, ...words], { encoding: 'utf8', stdio: 'pipe' });
  assert.match(command(), /^TLS {2}no fingerprint yet: the gateway makes its authority when it first starts with "tls: true"$/m);
  const leaves: string[] = [];
  for (const utc of [BUILT + DAY, BUILT + 500 * DAY]) {
    const certificates = new Certificates({
      ...{ stateDir, subject: 'ghat-1', clock: new ManualClock(utc), logger: silentLogger, now: () => ({ utc, known: true }) },
      onChange: () => {},
    });
    await certificates.start();
    leaves.push(certificates.current?.fingerprint ?? '');
    await certificates.stop();
    const file = path.join(stateDir, 'tls/ca.crt');
    const words = ['x509', '-in', file, '-noout', '-fingerprint', '-sha256'];
    const foreign: string = execFileSync(openssl, words, { encoding: 'utf8' }).trim().split('=')[1] ?? '';
    assert.match(foreign, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const { tls, text } = JSON.parse(command('--json')) as { tls: string; text: string };
    assert.deepEqual([tls, text], [foreign, `sluice:ghat-1?tls=${foreign.replaceAll(':', '').toLowerCase()}`]);
    assert.ok(labelForTerminal({ id: 'ghat-1', tls }).includes(`\nTLS  SHA-256 ${foreign}\n`));
  }
  assert.notEqual(leaves[0], leaves[1], 'the certificate was renewed');
  // A picture with the claim code is for its user alone, whatever lies there.
  const [picture, other] = [path.join(folder, 'label.svg'), path.join(folder, 'other')];
  writeFileSync(path.join(stateDir, 'claim'), '7K3M-Q2XV-9TRD\n');
  writeFileSync(other, 'of somebody else');
  for (const put of [() => writeFileSync(picture, 'old', { mode: 0o644 }), () => symlinkSync(other, picture)]) {
    rmSync(picture, { force: true });
    put();
    command('--claim', '-o', picture);
    assert.equal(lstatSync(picture).mode & 0o777, 0o600);
    assert.match(readFileSync(picture, 'utf8'), /7K3M-Q2XV-9TRD/);
  }
  assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
  assert.ok(!leaves.includes(''));
});

test('a file in place of the authority gives no fingerprint, whatever it holds', async (t) => {
  const stateDir = scratch(t);
  const file = path.join(stateDir, 'tls/ca.crt');
  mkdirSync(path.dirname(file));
  const { authority, server } = await issue({
    ...{ subject: 'x', names: { dns: ['x'], addresses: [] }, permits: { dns: ['x'], addresses: [] } },
    ...{ from: BUILT, until: BUILT + DAY, caFrom: BUILT, caUntil: BUILT + DAY },
  });
  writeFileSync(file, authority.certificate);
  assert.match(authorityFingerprintOf(stateDir) ?? '', /^[0-9A-F:]{95}$/);
  for (const bytes of ['', 'x', server.certificate, authority.certificate.slice(0, 200), Buffer.alloc(100_000, 0x2d)]) {
    writeFileSync(file, bytes);
    assert.equal(authorityFingerprintOf(stateDir), undefined);
  }
  rmSync(file);
  mkdirSync(file);
  assert.equal(authorityFingerprintOf(stateDir), undefined);
});

test('each line of a label fits beside the code, and the last one stands above its edge', () => {
  const { tls: _, ...without } = FACTS;
  for (const facts of [FACTS, without]) {
    const svg = labelSvg({ ...facts, id: 'a'.repeat(63), name: 'Ghat 1, Basti' });
    const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number);
    const lines = [...svg.matchAll(/<text x="(\d+)" y="([\d.]+)" font-size="([\d.]+)">([^<]*)<\/text>/g)];
    assert.equal(lines.length, 9);
    for (const [, x, y, size, text = ''] of lines) {
      assert.ok(Number(y) < height, text);
      assert.ok(Number(x) + text.length * Number(size) * 0.6 <= width, text);
    }
    const letters = lines.map(([, , , , text = '']) => text.replaceAll('\u00a0', ' ').trim()).slice(5);
    if (facts === FACTS) assert.equal(letters.join(':'), `TLS ${FACTS.tls}`);
    else assert.equal(letters.join(' '), NO_FINGERPRINT);
  }
});

test('a label shows no claim code unless it is asked for, and keeps names as text', () => {
  const { claimCode: _, ...open } = FACTS;
  for (const text of [labelText(open), labelSvg(open), labelForTerminal(open)]) assert.ok(!text.includes('7K3M'));
  assert.ok(labelSvg(FACTS).includes('7K3M-Q2XV-9TRD'));
  assert.ok(!/<point>/.test(labelSvg(FACTS)));
  assert.throws(() => modulesOf('x'.repeat(301)), RangeError);
});

const TEMPLATE = `language: bn
timezone: Asia/Dhaka
upstream: {url: "mqtts://broker.example.org"}
buses:
  field: {preset: modbus-9600, port: /dev/ttyUSB0, devices: {fridge: {unit: 1, profile: xy-md02}}}
wifi: {name: Field, password: "shared wifi", country: BD}
`;

test('a table of 1,000 sites becomes 1,000 files with codes of their own, and labels', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const rows = Array.from({ length: 1000 }, (_, i) => `site-${i};"Ghat ${i}, Basti";user-${i};password-${i}`);
  const table = file('sites.csv', `\ufeffid;Site;upstream.username;upstream.password\r\n${rows.join('\r\n')}\r\n`);
  const template = file('sluice.yaml', TEMPLATE);
  const out = path.join(folder, 'cards');
  assert.deepEqual(makeFleet({ table, template, out, check: checkMade }), { sites: 1000, faults: [] });
  assert.equal(statSync(out).mode & 0o777, 0o700);
  const names = readdirSync(out);
  assert.equal(names.length, 1002);
  const codes = new Set<string>();
  for (const name of names) {
    const one = path.join(out, name);
    assert.equal(statSync(one).mode & 0o777, statSync(one).isDirectory() ? 0o700 : 0o600, name);
    if (!statSync(one).isDirectory()) continue;
    assert.equal(statSync(path.join(one, 'sluice.yaml')).mode & 0o777, 0o600);
    const text = readFileSync(path.join(one, 'sluice.yaml'), 'utf8');
    assert.ok(text.includes(`id: ${name}`));
    codes.add(/^claimCode: (\S+)$/m.exec(text)?.[1] ?? '');
  }
  assert.equal(codes.size, 1000);
  assert.ok([...codes].every((code) => /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/.test(code)));
  const list = readFileSync(path.join(out, 'claim-codes.csv'), 'utf8').trimEnd().split('\r\n');
  assert.equal(list.length, 1001);
  assert.match(list[8] ?? '', /^site-7,"Ghat 7, Basti",/);
  const sheet = readFileSync(path.join(out, 'labels.html'), 'utf8');
  assert.equal(sheet.match(/<svg /g)?.length, 1000);
  // They are made before the gateways are.
  assert.equal(sheet.match(/>TLS\u00a0fingerprint:\u00a0none\u00a0yet\.</g)?.length, 1000);
  assert.doesNotMatch(sheet, /(src|href)=|https?:\/\/(?!www\.w3\.org)/);

  const board = new FakeBoard(path.join(folder, 'board'));
  board.write(readFileSync(path.join(out, 'site-7', 'sluice.yaml')));
  const done = board.start();
  assert.deepEqual([done.outcome, done.id, done.faults], ['applied', 'site-7', []]);
  assert.match(board.yaml, /username: user-7/);
  assert.match(board.yaml, /name: Ghat 7, Basti/);
  assert.ok(codes.has(board.state('claim').trim()));
});

test('bad rows are named by their lines, and nothing is written', (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const table = path.join(folder, 'sites.csv');
  const out = path.join(folder, 'cards');
  const faultsOf = (text: string): readonly string[] => {
    writeFileSync(table, text);
    const { faults } = makeFleet({ table, template: undefined, out, check: checkMade });
    assert.equal(existsSync(out), faults.length === 0 && existsSync(out));
    return faults.map((fault) => fault.replace(`${table}:`, ''));
  };
  const code = '7K3M-Q2XV-9TRD';
  const faults = faultsOf(
    `id,site,wifi.name,wifi.password,claimCode\na,"two\nlines",,,${code}\nGhat 2,x,,,\na,y,,,\nc,y,Net,short,\nd,y,,,${code.toLowerCase()}\ne,y,,\nf,"\u0007",,,\n`,
  );
  const lines = faults.map((fault) => fault.split(': ')[0]);
  assert.deepEqual(lines, ['2', '4', '5', '6', '7', '8', '9']);
  assert.match(faults.join('\n'), /^4: id: a name has small letters.*write ghat-2/m);
  assert.match(faults.join('\n'), /^5: the id a stands in line 2 already$/m);
  assert.match(faults.join('\n'), /^6: wifi\.password: a Wi-Fi password has 8 to 63/m);
  assert.match(faults.join('\n'), /^8: this row has 4 cells, and the row of names has 5$/m);
  assert.match(faultsOf('name\nx\n').join(), /the column id is missing/);
  assert.match(faultsOf('id,colour\na,b\n').join(), /there is no column "colour"; the columns are id, site/);
  assert.match(faultsOf('id,site\na,"x\n').join(), /2: a quote is opened here and never closed/);
  assert.match(faultsOf('').join(), /is empty/);
  assert.deepEqual(readdirSync(folder), ['sites.csv']);
});

test('a certificate in a file beside the template is refused with the other way', async (t) => {
  const folder = scratch(t, 'cards', '/dev/shm');
  const [table, template, out] = ['sites.csv', 'sluice.yaml', 'out'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(table, 'id\na\n');
  writeFileSync(path.join(folder, 'ca.pem'), 'a certificate');
  writeFileSync(template, 'upstream: {url: mqtts://broker.example.org, ca: ca.pem}\n');
  const { code, stderr } = await sluice(t, 'fleet', table, '-t', template, '-o', out);
  assert.equal(code, 78);
  assert.match(stderr, /the template names the file ca\.pem.*write its text into the template.*"ca: \|"/);
  assert.ok(!existsSync(out));
});

test('a table of any bytes becomes words or rows, within its bounds', () => {
  const parsed = parseCsv(`id\n${'x\n'.repeat(20)}`, 10);
  assert.ok('fault' in parsed && /more than 10 rows/.test(parsed.fault));
  const long = parseCsv(`id\n"${'x'.repeat(5000)}`, 10);
  assert.ok('fault' in long && /more than 2000 characters/.test(long.fault));
});
