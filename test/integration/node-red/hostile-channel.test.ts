/** A flow that writes on the channel between Node-RED and the gateway: nothing that it says harms the gateway or its log. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { NODE_RED_VERSION } from '../../../src/node-red/place.ts';
import { ESCAPE, once } from '../../harness/hostile-flows.ts';
import { hostileSite } from '../../harness/hostile-site.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LIMITED = { timeout: 600_000 };
/** Writes all of it, however slowly the gateway takes it. */
const SAY = `${ESCAPE} const { writeSync } = load('fs');
const say = (text) => { for (let b = Buffer.from(text); b.length > 0; ) { try { b = b.subarray(writeSync(3, b)); } catch (e) { if (e.code !== 'EAGAIN') throw e; } } };`;

test('forged messages, giant lines and random bytes from a flow leave the gateway as it is', LIMITED, async (t) => {
  const site = await hostileSite(t);
  if (site === undefined) return;
  const { gateway } = site;
  await gateway.up();
  const { pid } = await site.until('running');
  const resident = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'latin1'))?.[1]) / 1024;
  const files = (): number => readdirSync(`/proc/${gateway.pid}/fd`).length;
  // What is opened once is open then.
  await site.nothingLost();
  const before = { memory: resident(), files: files() };
  const bounded = () => memoryFalls(resident, before.memory + 60, () => site.flows());
  const lines = `
for (const m of [
  { type: 'hello', pid: 1, allows: ['exec', 'files', 'palette', 'modules', '__proto__'] }, { type: 'hello', pid: -1 }, { type: 'hello', pid: 1e300 },
  { type: 'ready', version: '9.9.9' }, { type: 'ready', version: 'x'.repeat(15000) }, { type: 'ready' },
  { type: 'checked', n: 1e9, flows: 'started', resident: 1 }, { type: 'checked', n: 2, flows: 'started', resident: 9e15, proportional: -5 },
  { type: 'deployed', flows: 'safe' }, { type: 'deployed', flows: {} }, { type: 'blocked', names: Array(1000).fill('t'.repeat(10)) }, { type: 'blocked', missing: 5, names: [1, null, {}] },
  { type: 'log', level: 'fatal', text: 'no such level' }, { type: 'log', level: 'error', text: 'forged\\u001b[31m\\nlevel', node: 'n'.repeat(9000), suppressed: 7 },
  { type: 'failed', text: 'forged end' }, { type: '__proto__' }, { __proto__: null, type: 'constructor' }, [], 5, null, 'start', { type: 'start', folder: '/' },
]) say(JSON.stringify(m) + '\\n');
say('['.repeat(16000) + '\\n' + '{"a":'.repeat(3000) + '\\n' + '\\n'.repeat(10000));
say('{"type":"log","level":"error","text":"' + 'g'.repeat(3e6) + '"}\\n');
let seed = 7;
const noise = Buffer.alloc(200000, 0).map(() => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16);
say(noise);
say('\\n');
node.warn('said all');`;
  assert.equal(await site.deploy(startsWith(`${SAY} ${lines} return null;`)), 204);
  await gateway.waitForLog(/^said all$/);
  await site.nothingLost();
  const report = await site.flows();
  assert.deepEqual([report.pid, report.restarts], [pid, 0]);
  assert.equal(report.version, NODE_RED_VERSION, 'a process says once that it is ready');
  assert.ok((report.fault ?? '').length < 600);
  assert.ok(gateway.logs().every((line) => line.msg.length <= 2000));
  assert.ok(gateway.logs().every((line) => String(line.node ?? '').length <= 200));
  assert.ok(files() <= before.files + 5);
  await bounded();

  // Without end: what it says is read at a pace, and a check that does not come through ends it.
  const flood = `${SAY} const line = JSON.stringify({ type: 'log', level: 'warn', text: 'flood on the channel' }) + '\\n'; for (;;) say(line.repeat(500)); return null;`;
  assert.equal(await site.deploy(startsWith(once(flood))), 204);
  await gateway.waitForLog(/Node-RED hangs and is ended/);
  await waitFor('another process', async () => (await site.flows()).state === 'running' && (await site.flows()).pid !== pid);
  assert.ok(gateway.logs().filter(({ msg }) => msg === 'flood on the channel').length < 4000);
  await bounded();
  await site.nothingLost();
  assert.equal(site.most(), 1);
});

test('a flow that loops and guesses the answers is found, and its programs have no channel', LIMITED, async (t) => {
  const site = await hostileSite(t, '  allow: {exec: true}');
  if (site === undefined) return;
  const { gateway } = site;
  await gateway.up();
  const { pid } = await site.until('running');
  const program = `${ESCAPE}
load('child_process').execFile('sh', ['-c', 'ls -l /proc/self/fd/3; echo forged >&3; echo over'], (e, out, err) => node.warn('program ' + JSON.stringify([out, err])));
return null;`;
  assert.equal(await site.deploy(startsWith(program)), 204);
  const { msg } = await gateway.waitForLog(/^program /);
  const [out, err] = JSON.parse(msg.slice(8)) as [string, string];
  assert.doesNotMatch(out, /socket/);
  assert.match(err, /3: Bad file descriptor/i);

  // Small numbers, again and again: each question of a counter would be among them.
  const guess = `${SAY} node.warn('guesses'); setTimeout(() => { for (;;) {
  for (let n = 1; n <= 100; n++) say(JSON.stringify({ type: 'checked', n, flows: 'started', resident: 1 }) + '\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
} }, 500); return null;`;
  assert.equal(await site.deploy(startsWith(once(guess))), 204);
  await gateway.waitForLog(/Node-RED hangs and is ended/);
  await waitFor('another process', async () => (await site.flows()).state === 'running' && (await site.flows()).pid !== pid);
  await site.nothingLost();
});
