/** The fence: what each grant opens and nothing more, shown by a Node that runs behind it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { nodeRedSection } from '../../../src/config/node-red.ts';
import { childEnvironment, grantsOf, kernelLimits, nodeFlags } from '../../../src/node-red/fence.ts';
import { GRANTS, type Grant } from '../../../src/node-red/messages.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';

const MB = 1024 ** 2;

/** What a program behind the fence may do. */
async function behind(t: TestContext, allow: readonly Grant[]): Promise<Record<string, boolean | string>> {
  const folder = scratch(t, 'fence');
  const outside = path.join(scratch(t, 'outside'), 'secret');
  writeFileSync(outside, 'secret');
  const code = `const fs = require('node:fs'), may = (run) => { try { run(); return true; } catch { return false; } };
    console.log(JSON.stringify({
      readOwn: may(() => { fs.writeFileSync(${JSON.stringify(path.join(folder, 'own'))}, 'x'); fs.readFileSync(${JSON.stringify(path.join(folder, 'own'))}); }),
      readOther: may(() => fs.readFileSync(${JSON.stringify(outside)})),
      largest: (() => { let n = 0; try { for (; n < 40; n++) fs.appendFileSync(${JSON.stringify(path.join(folder, 'large'))}, Buffer.alloc(1e6)); } catch (e) { return e.code + ' ' + n; } })(),
      writeOther: may(() => fs.writeFileSync(${JSON.stringify(outside)}, 'changed')),
      program: may(() => { const { error } = require('node:child_process').spawnSync('true'); if (error) throw error; }),
      database: may(() => new (require('node:sqlite').DatabaseSync)(${JSON.stringify(`${outside}.db`)}).exec('create table t (a)')),
      hiddenDatabase: may(() => new (process.getBuiltinModule('node:sqlite').DatabaseSync)(${JSON.stringify(outside)})),
      worker: may(() => new (require('node:worker_threads').Worker)('0', { eval: true })),
    }));`;
  const [program = '', ...before] = kernelLimits(96 * MB, 16 * MB, false, true);
  const child = startChild(t, program, [...before, process.execPath, ...nodeFlags(allow, 96 * MB, folder), '-e', code]);
  return JSON.parse(await child.line(/^\{/)) as Record<string, boolean | string>;
}

test('without grants a program reads and writes its folder, and starts nothing', async (t) => {
  assert.deepEqual(await behind(t, []), {
    ...{ readOwn: true, readOther: false, writeOther: false, program: false, worker: false },
    ...{ database: false, hiddenDatabase: false },
    // The kernel refuses it; the process goes on.
    largest: 'EFBIG 16',
  });
});

test('each grant opens what it names', async (t) => {
  const opens: Record<Grant, string[]> = {
    exec: ['program'],
    files: ['readOther', 'writeOther', 'database', 'hiddenDatabase'],
    palette: ['program', 'worker'],
    modules: ['program', 'worker'],
  };
  for (const grant of GRANTS) {
    const may = await behind(t, [grant]);
    const open = Object.keys(may).filter((what) => !/^(readOwn|largest)$/.test(what) && may[what] === true);
    assert.deepEqual(open, opens[grant], grant);
  }
});

test('grants follow from the section, in one order', () => {
  const allow = (keys: object) => grantsOf(nodeRedSection.parse({ enabled: true, user: 'flows', allow: keys }).allow);
  assert.deepEqual(allow({}), []);
  assert.deepEqual(allow({ modules: true, exec: true, files: false }), ['exec', 'modules']);
});

test('the kernel counts tasks only under a user of its own', () => {
  const has = (ownUser: boolean, limits: boolean) =>
    kernelLimits(100 * MB, 16 * MB, ownUser, limits).map((word) => word.split('=')[0]);
  assert.ok(has(true, true).includes('--nproc'));
  assert.ok(!has(false, true).includes('--nproc'));
  for (const word of ['--data', '--nofile', '--core', '--fsize', 'nice']) assert.ok(has(false, true).includes(word), word);
  assert.ok(!has(true, false).includes('prlimit'), 'a machine without prlimit starts it too');
});

test('nothing of the environment of the gateway goes along but what every program needs', () => {
  const before = { ...process.env };
  Object.assign(process.env, { SLUICE_SECRET: 'x', NODE_OPTIONS: '--import=x', LANG: 'bn_BD.UTF-8', TZ: 'Asia/Dhaka' });
  try {
    const env = childEnvironment('/flows', ['MARK', 'here']);
    assert.equal(env.SLUICE_SECRET, undefined);
    assert.equal(env.NODE_OPTIONS, undefined);
    assert.deepEqual(
      [env.LANG, env.TZ, env.HOME, env.TMPDIR, env.MARK],
      ['bn_BD.UTF-8', 'Asia/Dhaka', '/flows', '/flows/tmp', 'here'],
    );
    for (const name of ['LANG', 'TZ']) delete process.env[name];
    assert.deepEqual(
      Object.keys(childEnvironment('/flows', ['MARK', 'here'])).filter((name) => name === 'LANG' || name === 'TZ'),
      [],
    );
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
});
