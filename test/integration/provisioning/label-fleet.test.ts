/** Labels are read by zbarimg, a foreign decoder; a fleet of 1,000 sites is made and each file is put in force as a card is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { checkMade } from '../../../src/cli/provision.ts';
import { parseCsv } from '../../../src/provisioning/fleet/csv.ts';
import { makeFleet } from '../../../src/provisioning/fleet/fleet.ts';
import { labelForTerminal, labelPng, labelSvg, labelText } from '../../../src/provisioning/label.ts';
import { modulesOf, pngOf, terminalText } from '../../../src/provisioning/qr.ts';
import { FakeBoard } from '../../harness/fake-board.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const FACTS = {
  id: 'ghat-1',
  name: 'Water <point> & "pump"',
  key: '9fa4 d83b 0877 b0e3 df4f ed23 6b2b eff1',
  claimCode: '7K3M-Q2XV-9TRD',
};
const TEXT = 'sluice:ghat-1?key=9fa4d83b0877b0e3df4fed236b2beff1&claim=7K3M-Q2XV-9TRD';

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

test('a table of any bytes becomes words or rows, within its bounds', () => {
  const parsed = parseCsv(`id\n${'x\n'.repeat(20)}`, 10);
  assert.ok('fault' in parsed && /more than 10 rows/.test(parsed.fault));
  const long = parseCsv(`id\n"${'x'.repeat(5000)}`, 10);
  assert.ok('fault' in long && /more than 2000 characters/.test(long.fault));
});
