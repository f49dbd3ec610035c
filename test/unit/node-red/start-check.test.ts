/** Flows on the disk that Node-RED would never come to an end with: found before it reads them, whatever else lies there. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { FLOW_BACKUP, FLOW_FILE, flowsFault } from '../../../src/node-red/child/start-check.ts';
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
  assert.equal(fault([null, 1, 'x', [], ...NESTED]), ITSELF);
  assert.match(fault([{ id: 'g', type: 'group', z: 't', g: 'g' }, tab]) ?? '', /the group g is inside of itself/);
  assert.equal(fault(deep(MOST_DEEP)), undefined);
  assert.match(fault(deep(MOST_DEEP + 1)) ?? '', new RegExp(`more than ${MOST_DEEP} subflows or groups`));
  assert.equal(fault(wide(3)), undefined);
  assert.match(fault(wide(6)) ?? '', new RegExp(`more than ${MOST_COPIES} nodes`));
  // Node-RED reports these itself, and starts without them.
  for (const damaged of ['{', '{}', 'null', '[', '7']) assert.equal(fault(damaged), undefined, damaged);
});

test('an empty file of flows is judged by the backup that Node-RED takes in its place', (t) => {
  const folder = scratch(t, 'start-check');
  writeFileSync(path.join(folder, FLOW_BACKUP), JSON.stringify(NESTED));
  assert.equal(flowsFault(folder), undefined, 'Node-RED begins without flows where there is no file');
  writeFileSync(path.join(folder, FLOW_FILE), JSON.stringify(GOOD));
  assert.equal(flowsFault(folder), undefined);
  writeFileSync(path.join(folder, FLOW_FILE), '');
  assert.equal(flowsFault(folder), ITSELF);
  writeFileSync(path.join(folder, FLOW_BACKUP), '');
  assert.equal(flowsFault(folder), undefined);
});
