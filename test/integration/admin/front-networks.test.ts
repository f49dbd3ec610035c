/** WebSockets of HTTP-in nodes that answer everybody: the addresses of one IPv6 network (/64) have the bound of one address together. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { MAX_SOCKETS_OF_ONE } from '../../../src/admin/front/limits.ts';
import { startChild } from '../../harness/child.ts';
import { closedNet } from '../../harness/closed-net.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const PROGRAM = path.join(import.meta.dirname, '..', '..', 'harness', 'web-socket-networks.ts');
const GATE = 'fd09::1';
/** Two of one network, and one of another. */
const [ONE, SAME, OTHER] = ['fd09:0:0:1::1', 'fd09:0:0:1:ffff::2', 'fd09:0:0:2::1'];
const JOINED = 101;
const BUSY = 503;

test('an IPv6 network has the WebSockets of one address, and another network has its own', async (t) => {
  const net = await closedNet(t);
  if (net === undefined) return;
  const [through = '', ...words] = net.before;
  const adds = [GATE, ONE, SAME, OTHER].map((one) => `ip addr add ${one}/128 dev lo nodad`).join(' && ');
  assert.equal(await startChild(t, through, [...words, 'sh', '-c', adds]).ended, 0);
  const site = startChild(
    t,
    through,
    [...words, process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, GATE, scratch(t, 'front')],
    { stdin: true },
  );
  await site.line(/"ready"/);
  const answers = () => site.stdout.filter((line) => line.startsWith('{'));
  const open = async (from: string | undefined, count: number): Promise<unknown> => {
    const before = answers().length;
    site.write(`${from} ${count}`);
    const answer = await waitFor(
      () => `an answer: ${site.stderr.join('\n')}`,
      () => answers()[before],
    );
    return JSON.parse(answer);
  };
  const joined = (count: number): number[] => Array.from({ length: count }, () => JOINED);
  const half = MAX_SOCKETS_OF_ONE / 2;
  assert.deepEqual(await open(ONE, half), { statuses: joined(half), sockets: half, refused: 0 });
  assert.deepEqual(await open(SAME, half + 1), { statuses: [...joined(half), BUSY], sockets: 2 * half, refused: 1 });
  assert.deepEqual(await open(ONE, 1), { statuses: [BUSY], sockets: 2 * half, refused: 2 });
  assert.deepEqual(await open(OTHER, 1), { statuses: joined(1), sockets: 2 * half + 1, refused: 2 });
});
