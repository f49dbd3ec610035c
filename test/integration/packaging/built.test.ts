/** The installed gateway: bin, dist and few packages. It reads, keeps, forwards, answers and stops as the sources do. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildProgram, bundle, EXTERNAL } from '../../../scripts/build.ts';
import { request } from '../../../src/admin/client.ts';
import type { ReadyReport } from '../../../src/admin/target.ts';
import { readableStack } from '../../../src/cli/readable-stack.ts';
import { fakeTcp, registerOf } from '../../fakes/modbus-device.ts';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');

/** Built, and without the packages that are in the bundle. @returns what to start */
async function install(t: TestContext): Promise<string> {
  const home = scratch(t, 'built');
  await buildProgram(path.join(home, 'dist'));
  for (const part of ['bin', 'hardware-profiles', 'package.json'])
    cpSync(path.join(ROOT, part), path.join(home, part), { recursive: true });
  mkdirSync(path.join(home, 'node_modules'));
  const nodes = readdirSync(path.join(ROOT, 'node_modules')).filter((name) => name.startsWith('node-linux-'));
  for (const name of [...EXTERNAL, ...nodes]) {
    mkdirSync(path.dirname(path.join(home, 'node_modules', name)), { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(home, 'node_modules', name));
  }
  return path.join(home, 'bin', 'sluice');
}

/** Loaded text of a start of a small site, bytes. It was 2,456,000 with the packages that such a site has no use for. */
const MOST_TEXT = 2_300_000;
/** A text of each package that stands in no other one; the site of the test uses aedes alone. */
const WORDS_OF = {
  aedes: /maxInflightInbound exceeded/,
  '@marcbachmann/cel-js': /found no matching overload/,
  'dns-packet': /NOTZONE/,
  'readable-stream': /ERR_STREAM_UNSHIFT_AFTER_END_EVENT/,
  ws: /Sec-WebSocket-Extensions/,
  'the tables of a locale': /^locale /m,
};
/** Notes what the main thread loads, and whether it asks for the tables of a locale. */
const NOTES = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';
const note = (line) => appendFileSync(process.env.SLUICE_TEST_LOADED, line + '\\n');
if (isMainThread) {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      note(Buffer.byteLength(loaded.source ?? '') + ' ' + url);
      return loaded;
    },
  });
  for (const name of ['DateTimeFormat', 'NumberFormat'])
    Intl[name] = new Proxy(Intl[name], {
      construct: (target, args) => (note('0 locale ' + name), new target(...args)),
      apply: (target, self, args) => (note('0 locale ' + name), target(...args)),
    });
  const { toLocaleString } = Number.prototype;
  Number.prototype.toLocaleString = function (...args) {
    note('0 locale number');
    return toLocaleString.apply(this, args);
  };
}
`;

/** What a start loaded: its bytes, and where it lies. */
function loadedIn(file: string): { readonly bytes: number; readonly of: string }[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => ({ bytes: Number(line.slice(0, line.indexOf(' '))), of: line.slice(line.indexOf(' ') + 1) }));
}

test('the built gateway reads, keeps, forwards, answers and stops', async (t) => {
  const sluice = await install(t);
  const device = await fakeTcp(t);
  const upstream = new MqttPeer();
  await upstream.start();
  t.after(() => upstream.stop());
  const folder = scratch(t, 'site');
  const config = path.join(folder, 'gateway.yaml');
  const socket = path.join(folder, 'state', 'sluice.sock');
  writeFileSync(
    config,
    `
gateway: {id: g1, stateDir: ${folder}/state, runtimeDir: ${folder}/run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices:
  d1: {bus: plant, unit: 1, interval: 50ms, points: {n: {table: holding, address: 3, type: uint16}}}
  meter: {bus: plant, unit: 2, profile: sdm120}
rules: {high: {point: d1.n, above: 1}}
broker: {listen: {host: 127.0.0.1, port: ${await freePort()}}}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${upstream.port}', batch: {maxAge: 10ms}}}
`,
  );
  const notes = path.join(folder, 'notes.mjs');
  writeFileSync(notes, NOTES);
  const loads = path.join(folder, 'loaded');
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(notes).href}`, SLUICE_TEST_LOADED: loads };
  const gateway = startChild(t, sluice, ['run', '-c', config], { env: { ...process.env, ...env } });
  const told = () => [...gateway.stdout, ...gateway.stderr].join('\n');
  const delivered = (topic: string) => upstream.taken.some((taken) => taken.topic === `sluice/g1/${topic}`);
  await waitFor(told, () => delivered('data') && delivered('alarm/high') && delivered('status'));
  assert.equal(((await request(socket, 'GET', '/readyz')) as ReadyReport).ready, true, told());

  // A package that this site has no use for costs its start nothing.
  const loaded = loadedIn(loads);
  assert.ok(
    loaded.some(({ of }) => /\/dist\/cli\/aedes-/.test(of)),
    'what it uses is noted',
  );
  const words = loaded.map(({ of }) => (of.startsWith('file:') ? `${of}\n${readFileSync(new URL(of), 'utf8')}` : of)).join('\n');
  const found = Object.entries(WORDS_OF).flatMap(([name, one]) => (one.test(words) ? [name] : []));
  assert.deepEqual(found, ['aedes']);
  const text = loaded.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(text > MOST_TEXT / 2 && text < MOST_TEXT, `${text} bytes of JavaScript`);

  // The log is read by the keeper thread.
  const run = async (...args: string[]) => {
    const child = startChild(t, sluice, [...args, '-c', config]);
    assert.equal(await child.ended, 0, child.stderr.join('\n'));
    assert.deepEqual(child.stderr, []);
    return child.stdout;
  };
  const lines = await waitFor(told, async () => {
    const exported = await run('export', '--format', 'jsonl');
    return exported.length > 0 ? exported : undefined;
  });
  assert.deepEqual((JSON.parse(lines[0] ?? '') as { values: unknown }).values, { n: registerOf(3) });
  assert.match((await run('status')).join('\n'), /cloud/);
  const computed = path.join(folder, 'computed.yaml');
  writeFileSync(computed, readFileSync(config, 'utf8').replace('point: d1.n, above: 1', 'expression: d1.n + 1 > 2'));
  const checked = startChild(t, sluice, ['check', computed]);
  assert.equal(await checked.ended, 0, `CEL is there for those who use it: ${checked.stderr.join('\n')}`);

  assert.equal(await gateway.stop('SIGTERM'), 0, told());
  assert.match(gateway.stdout.at(-1) ?? '', /Stopped\./);
  assert.deepEqual(gateway.stderr, []);
});

test('each command of the built program can be loaded, and what it is made of is told', async (t) => {
  const sluice = await install(t);
  const dist = path.join(path.dirname(sluice), '..', 'dist');
  const files = readdirSync(path.join(dist, 'cli')).filter((name) => name.endsWith('.js'));
  for (const command of ['capture', 'check', 'export', 'init', 'read', 'run', 'scan', 'simulate', 'status', 'tail', 'write']) {
    const chunks = files.filter((name) => name.startsWith(`${command}-`));
    assert.ok(chunks.length > 0, command);
    for (const name of chunks) await import(pathToFileURL(path.join(dist, 'cli', name)).href);
  }
  const text = readFileSync(path.join(dist, 'LICENSES.txt'), 'utf8');
  const packages = text.split(`\n${'-'.repeat(80)}\n\n`);
  for (const name of ['zod', 'yaml', 'mqtt', 'mqtt-packet', 'aedes', 'commander'])
    assert.ok(
      packages.some((p) => p.includes(`${name} `) && /copyright/i.test(p)),
      name,
    );
  for (const each of packages) assert.match(each, /copyright|licen[cs]e/i);
});

test('a stack trace of the built program names the sources', async (t) => {
  const folder = scratch(t, 'stack');
  const source = path.join(folder, 'fails.ts');
  writeFileSync(
    source,
    [
      `import { SluiceError } from '${ROOT}/src/core/errors.ts';`,
      'function inTheMiddle(): never {',
      "  throw new SluiceError('internal', 'it failed');",
      '}',
      'export function fails(): void {',
      '  inTheMiddle();',
      '}',
      '',
    ].join('\n'),
  );
  await bundle({ fails: source }, path.join(folder, 'out'));
  const { fails } = (await import(pathToFileURL(path.join(folder, 'out', 'fails.js')).href)) as { fails: () => void };
  let stack = '';
  try {
    fails();
  } catch (thrown) {
    stack = (thrown as Error).stack ?? '';
  }
  assert.match(stack, /out\/\S+\.js:\d+:\d+/);
  const readable = readableStack(stack);
  assert.match(readable, /^SluiceError: it failed\n\s+at .*fails\.ts:3:\d+\)?\n\s+at .*fails\.ts:6:\d+\)?\n/);
  assert.equal(readableStack('Error: no place\n    at /nowhere/x.js:1:1'), 'Error: no place\n    at /nowhere/x.js:1:1');
});
