/** Files that Sluice writes are for its user and group, whatever the umask of the shell; and `check` sees a password that others can read. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { answerTcp, fakeTcp } from '../../fakes/modbus-device.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const modeOf = (file: string): number => statSync(file).mode & 0o7777;
/** `sluice` from a shell that keeps nothing from anybody. */
const open = (t: TestContext, ...args: string[]): Child =>
  startChild(t, 'sh', ['-c', 'umask 0; exec "$@"', 'sh', process.execPath, MAIN, ...args]);

test('log files (old ones too), captures and a new configuration are 0640', async (t) => {
  const device = await fakeTcp(t, answerTcp);
  const dir = scratch(t, 'modes');
  const state = path.join(dir, 'state');
  const config = path.join(dir, 'gateway.yaml');
  writeFileSync(
    config,
    `
gateway: {id: g1, stateDir: ${state}, runtimeDir: ${dir}/run}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 50ms, points: {a: {table: holding, address: 4, type: uint16}}}}
buffer: {commitEvery: 100ms}
`,
  );
  for (const start of [1, 2]) {
    const gateway = open(t, 'run', '-c', config);
    await gateway.line(/The gateway is running/);
    await waitFor('the files', () => readdirSync(state).includes('log.db-shm'));
    for (const entry of readdirSync(state, { withFileTypes: true, recursive: true })) {
      const { name } = entry;
      // The group may look into folders, and nobody but the owner may write.
      const closed = entry.isDirectory() ? 0o027 : 0o137;
      const file = path.join(entry.parentPath, name);
      // A file that was written beside another one may have taken its place since.
      const found = statSync(file, { throwIfNoEntry: false });
      if (found === undefined) continue;
      assert.equal(found.mode & closed, name === 'sluice.sock' ? 0o020 : 0, `${name}, start ${start}`);
    }
    if (start === 2) {
      const [fresh, old] = [path.join(dir, 'fresh.pcapng'), path.join(dir, 'old.jsonl')];
      writeFileSync(old, '');
      chmodSync(old, 0o666);
      const capture = open(t, 'capture', 'plant', '-c', config, '-o', fresh, '--replay', old);
      await waitFor('frames', () => statSync(old).size > 200);
      await capture.stop('SIGINT');
      assert.deepEqual([modeOf(fresh), modeOf(old)], [0o640, 0o640]);
    }
    assert.equal(await gateway.stop('SIGTERM'), 0);
    // As an earlier version left them.
    for (const name of readdirSync(state).filter((n) => /\.db|\.lock/.test(n))) chmodSync(path.join(state, name), 0o644);
  }
  const made = open(t, 'init', path.join(dir, 'new'));
  assert.equal(await made.ended, 0);
  assert.equal(modeOf(path.join(dir, 'new', 'gateway.yaml')), 0o640);
});

test('check warns of a password in a readable file, and names the command that mends it', async (t) => {
  const dir = scratch(t, 'modes');
  const file = path.join(dir, 'gateway.yaml');
  const check = async () => {
    const child = startChild(t, process.execPath, [MAIN, 'check', file]);
    return { code: await child.ended, stderr: child.stderr.join('\n') };
  };
  const yaml = (password: string) => `
gateway: {id: g1, stateDir: ${dir}/state}
forwarders: {cloud: {type: mqtt, url: 'mqtt://127.0.0.1:1', username: u, password: ${password}}}
`;
  writeFileSync(file, yaml('s3cret-word'));
  chmodSync(file, 0o644);
  const open = await check();
  assert.equal(open.code, 0);
  assert.match(
    open.stderr,
    /gateway\.yaml:3:\d+: forwarders\.cloud\.password: every user of this machine can read .*gateway\.yaml, and it contains a secret/,
  );
  assert.doesNotMatch(open.stderr, /s3cret/);
  const command = /run (chmod o-rwx \S+),/.exec(open.stderr)?.[1] ?? '';
  assert.equal(spawnSync('sh', ['-c', command]).status, 0, command);
  assert.deepEqual(await check(), { code: 0, stderr: '' });
  // Without a secret in it the configuration is nobody's secret.
  chmodSync(file, 0o644);
  writeFileSync(path.join(dir, 'password'), 'x', { mode: 0o600 });
  writeFileSync(file, yaml('{file: password}'));
  assert.deepEqual(await check(), { code: 0, stderr: '' });
});

test('the setup writes its log through no link that somebody planted', (t) => {
  const root = scratch(t, 'setup');
  const tmp = path.join(root, 'tmp');
  const precious = path.join(root, 'precious');
  for (const name of ['scripts', 'bin', 'src', 'tmp', 'stubs', 'node_modules']) mkdirSync(path.join(root, name));
  copyFileSync(path.join(import.meta.dirname, '..', '..', '..', 'scripts', 'setup.sh'), path.join(root, 'scripts', 'setup.sh'));
  for (const name of ['package-lock.json', 'tsconfig.json', 'scripts/build.ts', 'src/a.ts'])
    writeFileSync(path.join(root, name), '');
  writeFileSync(path.join(root, 'bin', 'find-node.sh'), 'check_machine() { CPU=x64; }\nfind_node() { NODE=true; }\n');
  writeFileSync(path.join(root, 'stubs', 'npm'), '#!/bin/sh\necho overwritten\n', { mode: 0o755 });
  writeFileSync(precious, 'kept');
  // The name that the next processes would have, were it made of their numbers.
  for (let pid = 1; pid < 4000; pid++) symlinkSync(precious, path.join(tmp, `sluice-setup.${process.pid + pid}`));
  const env = { PATH: `${root}/stubs:/usr/bin:/bin`, TMPDIR: tmp };
  const { status, stderr } = spawnSync('sh', [path.join(root, 'scripts', 'setup.sh')], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stderr, /Installing packages .*done/);
  assert.equal(readFileSync(precious, 'utf8'), 'kept');
  assert.equal(readdirSync(tmp).length, 3999, 'and leaves nothing there');
});
