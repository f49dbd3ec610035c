/** What CI makes of the answers of `npm audit`: a finding fails, and a registry without an answer is neither weak nor clean. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { verdictOf } from '../../../scripts/audit-words.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const reportOf = (...severities: string[]): string =>
  JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: Object.fromEntries(
      severities.map((severity, i) => [`part-${i}`, { name: `part-${i}`, severity, isDirect: false, via: [], range: '<1.2.3' }]),
    ),
    metadata: { vulnerabilities: { total: severities.length } },
  });

test('a weakness of a dependency that is high or critical fails, and a smaller one is named', () => {
  assert.deepEqual(verdictOf(reportOf()), { state: 'clean', lines: [] });
  assert.deepEqual(verdictOf(reportOf('moderate', 'low')), {
    ...{ state: 'clean', lines: ['part-0 <1.2.3: moderate', 'part-1 <1.2.3: low'] },
  });
  for (const severity of ['high', 'critical']) assert.equal(verdictOf(reportOf('low', severity)).state, 'weak', severity);
});

test('a registry that does not answer makes a lock file neither weak nor clean', () => {
  const refused = JSON.stringify({ message: '405 Method Not Allowed', method: 'POST', statusCode: 405, error: { summary: '' } });
  assert.deepEqual(verdictOf(refused), { state: 'unknown', lines: ['405 Method Not Allowed'] });
  for (const odd of ['', 'npm error network', '{"auditReportVersion":3,"vulnerabilities":{}}', 'null', '[]'])
    assert.equal(verdictOf(odd).state, 'unknown', odd);
});

test('CI audits both lock files before its tests', () => {
  const ci = readFileSync(path.join(ROOT, '.ci', 'run'), 'utf8');
  assert.ok(ci.indexOf('npm run --silent audit') > 0);
  assert.ok(ci.indexOf('npm run --silent audit') < ci.lastIndexOf('npm test --silent'));
  assert.match(readFileSync(path.join(ROOT, 'scripts', 'audit.ts'), 'utf8'), /\['\.', 'node-red'\]/);
});
