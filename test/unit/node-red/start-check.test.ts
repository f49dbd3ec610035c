/** Flows on the disk that Node-RED would never come to an end with: found before it reads them, whatever else lies there. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {
  ASIDE,
  DEEPEST,
  FLOW_BACKUP,
  FLOW_FILE,
  MOST_ON_DISK,
  setAside,
  unfitFlows,
} from '../../../src/node-red/child/start-check.ts';
import { MOST_COPIES, MOST_DEEP } from '../../../src/node-red/revisions/nesting.ts';
import { scratch } from '../../harness/scratch.ts';

const subflow = (id: string) => ({ id, type: 'subflow', name: id, in: [], out: [] });
const use = (id: string, of: string, z: string) => ({ id, type: `subflow:${of}`, z, x: 1, y: 1, wires: [] });
const tab = { id: 't', type: 'tab', label: 'T' };
const GOOD = [tab, subflow('s'), { id: 'n', type: 'debug', z: 's', x: 1, y: 1 }, use('u', 's', 't')];
const NESTED = [tab, subflow('s'), use('u', 's', 's'), use('v', 's', 't')];
/** @param levels subflows inside of each other */
const deep = (levels: number) => [
  ...Array.from({ length: levels - 1 }, (_, i) => [subflow(`d${i}`), use(`u${i}`, `d${i + 1}`, `d${i}`)]).flat(),
  ...[subflow(`d${levels - 1}`), use('top', 'd0', 't'), tab],
];
/** Each of `levels` subflows uses the next one ten times. */
const wide = (levels: number) => [
  ...Array.from({ length: levels }, (_, i) => [
    subflow(`w${i}`),
    ...Array.from({ length: 10 }, (_, n) => use(`u${i}-${n}`, `w${i + 1}`, `w${i}`)),
  ]).flat(),
  ...[subflow(`w${levels}`), use('top', 'w0', 't'), tab],
];

const flowsFault = (folder: string): string | undefined => unfitFlows(folder)?.why;
const ITSELF = 'the flows on the disk would never start: the subflow s is inside of itself; take it out there';

test('flows on the disk are judged as a deploy is', (t) => {
  const folder = scratch(t, 'start-check');
  const fault = (flows: unknown): string | undefined => {
    writeFileSync(path.join(folder, FLOW_FILE), typeof flows === 'string' ? flows : JSON.stringify(flows));
    return flowsFault(folder);
  };
  assert.equal(flowsFault(folder), undefined, 'no file');
  assert.equal(fault(GOOD), undefined);
  assert.equal(fault(NESTED), ITSELF);
  assert.equal(fault(`\uFEFF${JSON.stringify(NESTED)}`), ITSELF);
  assert.match(fault([{ id: 'g', type: 'group', z: 't', g: 'g' }, tab]) ?? '', /the group g is inside of itself/);
  assert.equal(fault(deep(MOST_DEEP)), undefined);
  assert.match(fault(deep(MOST_DEEP + 1)) ?? '', new RegExp(`more than ${MOST_DEEP} subflows or groups`));
  assert.equal(fault(wide(3)), undefined);
  assert.match(fault(wide(6)) ?? '', new RegExp(`more than ${MOST_COPIES} nodes`));
  assert.equal(unfitFlows(folder)?.file, undefined, 'Node-RED can show them');
});

test('a file that Node-RED cannot read as flows is moved away, with words that say what it is', (t) => {
  const folder = scratch(t, 'start-check');
  const at = (file: string): string => path.join(folder, file);
  const nested = (levels: number): string => `[{"id":"n","type":"x","k":${'['.repeat(levels)}${']'.repeat(levels)}}]`;
  const wrong: [text: string, words: RegExp][] = [
    ['{', /flows\.json is no JSON$/],
    ['[{"id":"a","type":"tab"', /is no JSON$/],
    ['\u0000\u0000', /is no JSON$/],
    ['{}', /is no list of nodes$/],
    ['null', /is no list of nodes$/],
    ['7', /is no list of nodes$/],
    ['"flows"', /is no list of nodes$/],
    ['[null]', /is no list of nodes: its entry 1 is none$/],
    [JSON.stringify([tab, 1]), /its entry 2 is none$/],
    [JSON.stringify([tab, []]), /its entry 2 is none$/],
    [nested(DEEPEST - 1), /more than 1000 lists and objects inside each other$/],
    [nested(10_000), /more than 1000 lists and objects inside each other$/],
    ['['.repeat(1_000_000), /more than 1000 lists and objects inside each other$/],
    [`[${' '.repeat(MOST_ON_DISK)}]`, /has 10000002 bytes, and at most 10000000 are read$/],
  ];
  for (const [text, words] of wrong) {
    writeFileSync(at(FLOW_FILE), text);
    const unfit = unfitFlows(folder) ?? assert.fail(text.slice(0, 40));
    assert.match(unfit.why, words);
    assert.match(setAside(folder, unfit), /; it was moved to flows\.json\.unusable in the folder of Node-RED$/);
    assert.deepEqual([existsSync(at(FLOW_FILE)), readFileSync(at(ASIDE), 'utf8') === text], [false, true]);
    // As after a power cut: nothing took its place.
    const again = unfitFlows(folder) ?? assert.fail('again');
    assert.match(again.why, /flows\.json was moved to flows\.json\.unusable, and no others took its place yet$/);
    assert.deepEqual([again.file, again.lost], [undefined, true]);
  }
  for (const good of ['[]', nested(DEEPEST - 2), JSON.stringify([{ ...tab, info: `${'[{'.repeat(5000)}\\"[` }])]) {
    writeFileSync(at(FLOW_FILE), good);
    assert.equal(unfitFlows(folder), undefined, good.slice(0, 40));
  }
  // What is there in place of a file would let Node-RED wait, or begin without flows.
  writeFileSync(at(FLOW_FILE), '');
  writeFileSync(at(FLOW_BACKUP), '{}');
  const backup = unfitFlows(folder) ?? assert.fail('backup');
  assert.match(setAside(folder, backup), /\.flows\.json\.backup is no list of nodes; it was moved/);
  const empty = scratch(t, 'start-check');
  mkdirSync(path.join(empty, FLOW_FILE));
  const noFile = unfitFlows(empty) ?? assert.fail('folder');
  assert.match(setAside(empty, noFile), /flows\.json is no file; it was moved/);
  symlinkSync('/dev/zero', path.join(empty, FLOW_FILE));
  assert.match(setAside(empty, unfitFlows(empty) ?? assert.fail('link')), /is no file/);
});

test('an empty file of flows is judged by the backup that Node-RED takes in its place', (t) => {
  const folder = scratch(t, 'start-check');
  writeFileSync(path.join(folder, FLOW_BACKUP), JSON.stringify(NESTED));
  assert.equal(flowsFault(folder), undefined, 'Node-RED begins without flows where there is no file');
  writeFileSync(path.join(folder, FLOW_FILE), JSON.stringify(GOOD));
  assert.equal(flowsFault(folder), undefined);
  writeFileSync(path.join(folder, FLOW_FILE), '');
  assert.equal(flowsFault(folder), ITSELF);
  // Both are empty after a power cut: Node-RED would begin without flows, and nobody would hear of it.
  writeFileSync(path.join(folder, FLOW_BACKUP), '');
  const lost = { why: 'the flows on the disk are lost: flows.json is empty, and it has no backup', lost: true };
  assert.deepEqual(unfitFlows(folder), lost);
  rmSync(path.join(folder, FLOW_BACKUP));
  assert.deepEqual(unfitFlows(folder), lost);
});
