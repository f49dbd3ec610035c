/** `npm run audit` and CI against a registry that knows of weaknesses, that knows of none, that refuses, and that is not there. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Advisories, advisoryRegistry } from '../../fakes/advisory-registry.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const LOCKS = ['package-lock.json', 'node-red/package-lock.json'];

const REASON = '(Example of a weakness, https://github.com/advisories/GHSA-0000-0000-0000)';

/** @returns exit status and lines of the audit of this repository */
async function audit(t: TestContext, registry: string): Promise<{ code: number | string; lines: string[] }> {
  const env = {
    npm_config_registry: registry,
    npm_config_fetch_retries: '0',
    npm_config_cache: scratch(t, 'npm'),
    npm_config_update_notifier: 'false',
  };
  const child = startChild(t, process.execPath, [path.join(ROOT, 'scripts', 'audit.ts')], { env });
  return { code: await child.ended, lines: child.stdout };
}

const weak = (severity: string): Advisories => ({
  mqtt: [
    {
      ...{ id: 1099999, url: 'https://github.com/advisories/GHSA-0000-0000-0000', title: 'Example of a weakness', severity },
      ...{ vulnerable_versions: '<999.0.0', cwe: ['CWE-400'], cvss: { score: 7.5, vectorString: null } },
    },
  ],
});

test('an advisory that is high fails the audit, and names part, reason and place', async (t) => {
  const registry = await advisoryRegistry(t, weak('high'));
  const { code, lines } = await audit(t, registry.url);
  assert.equal(code, 1);
  // npm writes the versions as it knows them: here it knows those of the lock file alone.
  for (const lock of LOCKS)
    assert.equal(lines.filter((line) => line.startsWith(`${lock}: mqtt`) && line.endsWith(`: high ${REASON}`)).length, 1, lock);
  assert.ok(
    lines.some((line) => line.endsWith('@node-red/nodes: high (needs mqtt)')),
    lines.join('\n'),
  );
  assert.equal(lines.at(-1), `${LOCKS[1]} has a known weakness that is high or critical.`);
  const [own = {}, flows = {}] = registry.asked;
  assert.deepEqual([registry.asked.length, own.aedes?.length, flows['node-red']?.length], [2, 1, 1]);
  for (const tool of ['typescript', '@biomejs/biome', 'tap'])
    assert.equal(own[tool], undefined, `${tool} is no part of a gateway`);
});

test('advisories below high are named and do not fail, and none leaves both files clean', async (t) => {
  const some = await advisoryRegistry(t, weak('moderate'));
  const moderate = await audit(t, some.url);
  assert.equal(moderate.code, 0);
  assert.equal(moderate.lines.filter((line) => line.endsWith(`: moderate ${REASON}`)).length, 2, moderate.lines.join('\n'));
  const none = await advisoryRegistry(t, {});
  const clean = LOCKS.map((lock) => `${lock}: no known weakness that is high or critical.`);
  assert.deepEqual(await audit(t, none.url), { code: 0, lines: clean });
  assert.deepEqual(
    moderate.lines.filter((line) => clean.includes(line)),
    clean,
  );
});

test('a registry that refuses or is not there fails nothing, and says that nothing was audited', async (t) => {
  const refusing = await advisoryRegistry(t, undefined);
  for (const url of [refusing.url, `http://127.0.0.1:${await freePort()}/`]) {
    const { code, lines } = await audit(t, url);
    assert.equal(code, 0, url);
    const unsaid = LOCKS.map((lock) => `${lock} was NOT audited: the registry gave no answer.`);
    assert.deepEqual(
      lines.filter((line) => / was NOT audited/.test(line)),
      unsaid,
    );
    assert.equal(lines.at(-1), unsaid[1]);
    assert.ok(!lines.some((line) => line.includes('no known weakness')), lines.join('\n'));
  }
});

test('CI shows a weakness and goes on; with SLUICE_CI_AUDIT=1 it fails before its tests', async (t) => {
  const folder = scratch(t, 'ci');
  const program = (name: string, text: string): void => {
    writeFileSync(path.join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(path.join(folder, name), 0o755);
  };
  program('dpkg-query', 'echo install ok installed');
  program(
    'npm',
    `case "$*" in
  'run --silent audit') echo 'mqtt <999.0.0: high'; exit "$AUDIT" ;;
  'test --silent') echo '3 passed, 0 failed' ;;
  *) echo "unexpected: npm $*"; exit 9 ;;
esac`,
  );
  const run = async (audited: string, strict: string): Promise<{ code: number | string; last: string[] }> => {
    const env = { PATH: `${folder}:${process.env.PATH}`, AUDIT: audited, SLUICE_CI_AUDIT: strict, SLUICE_CI_FIELD: '' };
    const child = startChild(t, 'bash', [path.join(ROOT, '.ci', 'run')], { env });
    const code = await child.ended;
    assert.equal(child.stdout[0], 'mqtt <999.0.0: high', child.stderr.join('\n'));
    return { code, last: child.stdout.slice(-1) };
  };
  assert.deepEqual(await run('1', ''), { code: 0, last: ['3 passed, 0 failed'] });
  assert.deepEqual(await run('1', '1'), { code: 1, last: ['0 passed, 1 failed'] });
  assert.deepEqual(await run('0', '1'), { code: 0, last: ['3 passed, 0 failed'] });
});
