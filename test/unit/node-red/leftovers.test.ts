/** What an earlier daemon left: found and ended whatever it calls itself, and nothing else is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { systemClock } from '../../../src/core/clock.ts';
import { endLeftovers, leftovers, MARK } from '../../../src/node-red/leftovers.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

/** Names as /proc shows them beside the state: of an ended process, and with brackets and lines. */
const NAMES = ['a) Z 1', ') Z ', 'x) S 1 (y) Z 1', '\n)\tZ'];

test('a process of Node-RED that calls itself ended is found and ended', async (t) => {
  const dir = scratch(t, 'leftovers');
  const calls = (name: string) => [
    '-e',
    `process.title = ${JSON.stringify(name)}; console.log('named'); setInterval(() => {}, 1000);`,
  ];
  const marked = NAMES.map((name) => startChild(t, process.execPath, calls(name), { env: { [MARK]: dir } }));
  const near = [`${dir}x`, `${dir}/`, ''].map((other) =>
    startChild(t, process.execPath, [...calls('near'), `of ${MARK}=${dir}`], { env: { [MARK]: other } }),
  );
  for (const child of [...marked, ...near]) await waitFor('its name', () => child.stdout.includes('named'));
  assert.match(readFileSync(`/proc/${marked[0]?.pid}/stat`, 'latin1'), /\) Z /);

  assert.deepEqual(
    leftovers(dir).sort((a, b) => a - b),
    marked.map(({ pid }) => pid).sort((a, b) => Number(a) - Number(b)),
  );
  await endLeftovers(dir, systemClock, 0);
  assert.deepEqual(
    await Promise.all(marked.map(({ ended }) => ended)),
    NAMES.map(() => 'SIGKILL'),
  );
  assert.deepEqual(
    near.map(({ over }) => over),
    [undefined, undefined, undefined],
  );
});
