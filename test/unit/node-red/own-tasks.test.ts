/** Programs of a flow end with its process, whatever they do to be forgotten. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { endOf, lastOf, mayHaveOwnTasks, ownTasks } from '../../../src/node-red/own-tasks.ts';
import { startChild } from '../../harness/child.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot, cannot } from '../../peers/peers.ts';

const NOBODY = { uid: 65_534, gid: 65_534 };

function withWords(words: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1') === words;
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('a program in another session, without environment, ends with the one that started it', async (t) => {
  if (!asRoot(t, 'make a namespace of process numbers')) return;
  if (!(await mayHaveOwnTasks(NOBODY))) {
    cannot(t, 'make a namespace of process numbers');
    return;
  }
  const seconds = String(4_000_000 + process.pid);
  // Behind "ready" it has one child, which stays: one that comes and goes may be gone before it is looked at.
  const script = `setsid env -i sleep ${seconds} & id -u; echo ready; wait`;
  const start = () => {
    const [program = '', ...words] = ownTasks(NOBODY, ['env', '-u', 'NODE_OPTIONS'], ['sh', '-c', script]);
    return startChild(t, program, words);
  };
  const killed = start();
  await killed.line(/^ready$/);
  assert.equal(killed.stdout[0], '65534');
  const inner = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${lastOf(killed.pid ?? 0)}/status`, 'latin1'))?.[1]);
  assert.notEqual(inner, killed.pid);
  const [left] = await waitFor('the program', () => {
    const found = withWords(`sleep\0${seconds}\0`);
    return found.length > 0 ? found : undefined;
  });
  assert.notEqual(left, undefined);
  const first = Number(readFileSync(`/proc/${killed.pid}/task/${killed.pid}/children`, 'latin1').trim());
  process.kill(first, 'SIGKILL');
  await killed.ended;
  assert.deepEqual(withWords(`sleep\0${seconds}\0`), []);
});

test('the end of the shell says how its command ended', () => {
  assert.equal(endOf(0, null), 'it ended with status 0');
  assert.equal(endOf(1, null), 'it ended with status 1');
  assert.equal(endOf(137, null), 'it was ended by SIGKILL');
  assert.equal(endOf(134, null), 'it was ended by SIGABRT');
  assert.equal(endOf(255, null), 'it ended with status 255');
  assert.equal(endOf(null, 'SIGTERM'), 'it was ended by SIGTERM');
});
