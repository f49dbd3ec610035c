/** Standard output that takes nothing: help, the version and every command say so and fail; a reader that went away is no fault. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { type TestContext } from 'node:test';
import { startChild } from '../../harness/child.ts';
import { MAIN, makeGateway } from '../../harness/start-gateway.ts';

const FULL = 'sluice: the output cannot be written: the disk is full; what was written is not complete';

async function toFull(t: TestContext, ...words: string[]): Promise<{ code: number | string; stderr: string[] }> {
  const child = startChild(t, 'sh', ['-c', 'exec "$0" "$@" > /dev/full', process.execPath, MAIN, ...words]);
  return { code: await child.ended, stderr: child.stderr };
}

/** The exit code, where the reader is gone before the first word. */
async function toNobody(...words: string[]): Promise<{ code: unknown; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}

const HELP = [['--help'], ['help'], ['--version'], ['export', '--help'], ['help', 'alarm'], ['simulate', '--help']];

test('help and the version fail with words where the output cannot be written', async (t) => {
  for (const words of HELP) assert.deepEqual(await toFull(t, ...words), { code: 1, stderr: [FULL] }, words.join(' '));
});

test('help and the version end quietly where nobody reads them', async () => {
  for (const words of HELP) assert.deepEqual(await toNobody(...words), { code: 0, stderr: '' }, words.join(' '));
  const usage = await toNobody('nonsense');
  assert.equal(usage.code, 2);
  assert.match(usage.stderr, /unknown command 'nonsense'/);
});

test('commands about a running gateway, and lists, fail where the output cannot be written', async (t) => {
  const gateway = makeGateway(t, ({ section }) => `${section}\n`);
  await gateway.up();
  const at = ['-c', gateway.config];
  for (const words of [
    ['status', ...at],
    ['status', '--json', ...at],
    ['status', '-v', ...at],
    ['alarm', 'list', ...at],
    ['export', ...at],
    ['check', gateway.config],
    ['pack', 'list'],
    ['pack', 'apply', 'vaccine-fridge', '--set', 'temperature=fridge.temperature'],
  ]) {
    assert.deepEqual(await toFull(t, ...words), { code: 1, stderr: [FULL] }, words.join(' '));
    assert.deepEqual(await toNobody(...words), { code: 0, stderr: '' }, words.join(' '));
  }
});
