/** bin/sluice on machines that it can and cannot run on; what such a machine answers is played by small scripts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { scratch } from '../../harness/scratch.ts';

const BIN = path.join(import.meta.dirname, '..', '..', '..', 'bin');

/** A folder as installed, with a Node that prints how it was started, and a PATH on which only the given programs answer. */
function install(t: TestContext, options: { node?: 'with' | 'without'; built?: boolean; programs?: Record<string, string> }) {
  const root = scratch(t, 'launcher');
  const home = path.join(root, 'lib', 'node_modules', 'sluice');
  mkdirSync(home, { recursive: true });
  cpSync(BIN, path.join(home, 'bin'), { recursive: true });
  const script = (file: string, body: string) => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
  };
  if (options.node !== 'without')
    for (const cpu of ['x64', 'arm64'])
      script(path.join(home, 'node_modules', `node-linux-${cpu}`, 'bin', 'node'), 'echo "node [$MALLOC_ARENA_MAX] $*"');
  if (options.built !== false) {
    mkdirSync(path.join(home, 'dist', 'cli'), { recursive: true });
    writeFileSync(path.join(home, 'dist', 'cli', 'main.js'), '');
  }
  const stubs = path.join(root, 'stubs');
  for (const [name, body] of Object.entries(options.programs ?? {})) script(path.join(stubs, name), body);
  // Without the folder of the Node that runs this test.
  const system = ['dirname', 'readlink', 'uname', 'getconf', 'cat'].map((name) => `/usr/bin/${name}`);
  const tools = path.join(root, 'tools');
  mkdirSync(tools);
  for (const file of system) symlinkSync(file, path.join(tools, path.basename(file)));
  const run = (file: string, ...args: string[]) => {
    const result = spawnSync('/bin/sh', [file, ...args], { encoding: 'utf8', env: { PATH: `${stubs}:${tools}` } });
    return { code: result.status, out: result.stdout.trim(), err: result.stderr.trim() };
  };
  return { home, root, script, run, sluice: path.join(home, 'bin', 'sluice') };
}

test('starts its own Node through links, the daemon with its memory flags and the rest without', (t) => {
  const { root, home, run, sluice } = install(t, {});
  mkdirSync(path.join(root, 'bin'));
  symlinkSync('../lib/node_modules/sluice/bin/sluice', path.join(root, 'bin', 'sluice'));
  symlinkSync(path.join(root, 'bin', 'sluice'), path.join(root, 'again'));
  const main = path.join(home, 'dist', 'cli', 'main.js');
  const flags = '--max-semi-space-size=1 --max-old-space-size=96';
  for (const file of [sluice, path.join(root, 'bin', 'sluice'), path.join(root, 'again')])
    assert.deepEqual(run(file, 'run', '-c', 'a b'), { code: 0, out: `node [1] ${flags} ${main} run -c a b`, err: '' });
  assert.equal(run(sluice, 'check', 'run').out, `node [] ${main} check run`);
  assert.equal(run(sluice).out, `node [] ${main}`);
});

test('finds the Node that a package manager put beside it', (t) => {
  const { home, root, script, run, sluice } = install(t, { node: 'without' });
  for (const cpu of ['x64', 'arm64'])
    script(path.join(root, 'lib', 'node_modules', `node-linux-${cpu}`, 'bin', 'node'), 'echo "beside $*"');
  assert.equal(run(sluice, 'status').out, `beside ${path.join(home, 'dist', 'cli', 'main.js')} status`);
});

test('takes the system Node where it is new enough, and refuses an old one in words', (t) => {
  const node = (version: string) => ({ node: `[ "$1" = --version ] && echo ${version} || echo "system $*"` });
  const recent = install(t, { node: 'without', programs: node('v25.1.0') });
  assert.match(recent.run(recent.sluice, 'status').out, /^system .*main\.js status$/);
  const old = install(t, { node: 'without', programs: node('v20.20.2') });
  const refused = old.run(old.sluice, 'status');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /^sluice: needs Node 24 or newer, and .*\/node is v20\.20\.2\. .*npm ci --ignore-scripts/);
  const none = install(t, { node: 'without' });
  assert.match(none.run(none.sluice).err, /found no Node/);
});

test('refuses machines that it cannot run on, in words', (t) => {
  const machine = (system: string, cpu: string) => ({ uname: `[ "$1" = -s ] && echo ${system} || echo ${cpu}` });
  for (const [programs, words] of [
    [machine('Linux', 'armv7l'), /needs a 64-bit board and system.*armv7l.*64-bit Raspberry Pi OS/],
    [machine('Linux', 'armv6l'), /needs a 64-bit board/],
    [machine('Linux', 'i686'), /needs a 64-bit board/],
    [machine('Linux', 'riscv64'), /this machine is riscv64/],
    [machine('Darwin', 'arm64'), /this is macOS/],
    [{ getconf: 'echo 32' }, /32-bit although its kernel is 64-bit/],
  ] as const) {
    const { run, sluice } = install(t, { programs });
    const { code, out, err } = run(sluice, 'run');
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(err, words);
  }
});

test('says when it is not built or not installed', (t) => {
  const unbuilt = install(t, { built: false });
  assert.match(unbuilt.run(unbuilt.sluice, 'run').err, /not built yet: run 'sh scripts\/setup\.sh'/);
  const bare = install(t, { node: 'without' });
  writeFileSync(path.join(bare.home, 'package-lock.json'), '{}');
  assert.match(bare.run(bare.sluice, 'run').err, /not installed yet: run 'npm ci --ignore-scripts'/);
});
