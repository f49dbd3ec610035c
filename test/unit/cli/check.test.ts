/**
 * Golden folder: configurations with what `sluice check` prints about them, and the plan that `--json` tells. After a
 * deliberate change run SLUICE_UPDATE_GOLDEN=1 node --test test/unit/cli/check.test.ts and read the difference.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkReport, checkText } from '../../../src/cli/check.ts';
import { readConfig } from '../../../src/cli/config-file.ts';

const folder = path.join(import.meta.dirname, '../../cases/check');

function golden(file: string, text: string): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (process.env.SLUICE_UPDATE_GOLDEN === '1' && text !== before) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
}

/** One request a line. */
function planText({ buses, ...rest }: ReturnType<typeof checkReport>, dir: string): string {
  const lines = buses.flatMap(({ requests, ...bus }) => [
    ` {"bus":${JSON.stringify(bus)},"requests":[`,
    requests.map((request) => `  ${JSON.stringify(request)}`).join(',\n'),
    ' ]}',
  ]);
  return `${[JSON.stringify(rest), ...lines].join('\n').replaceAll(`${dir}/`, '')}\n`;
}

for (const name of readdirSync(folder).sort()) {
  test(`sluice check: ${name}`, () => {
    const dir = path.join(folder, name);
    const result = readConfig(path.join(dir, 'gateway.yaml'));
    const { out, err } = checkText(path.join(dir, 'gateway.yaml'), result);
    golden(path.join(dir, 'expected.txt'), `${err}${out}`.replaceAll(`${dir}/`, ''));
    const report = checkReport(result);
    golden(path.join(dir, 'plan.txt'), planText(report, dir));
    assert.equal(
      report.warnings.some((warning) => /^buses\.[^.]+$/.test(warning.path)),
      report.buses.some((bus) => bus.utilisation >= 0.8),
      'a warning from 80 % on',
    );
    for (const { requests, requestsPerCycle } of report.buses) assert.equal(requests.length, requestsPerCycle);
  });
}

test('docs/how-to/plan-a-bus.md shows what is printed', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/how-to/plan-a-bus.md'), 'utf8');
  for (const name of ['light', 'overloaded'])
    assert.ok(
      page.includes(`$ sluice check gateway.yaml\n${readFileSync(path.join(folder, name, 'expected.txt'), 'utf8')}`),
      name,
    );
});

test('a configuration with faults has no budget', () => {
  const result = readConfig(path.join(import.meta.dirname, '../../cases/config-refused/no-points/gateway.yaml'));
  assert.deepEqual(checkReport(result).buses, []);
  const { out, err } = checkText('gateway.yaml', result);
  assert.equal(out, '');
  assert.match(err, /a gateway would refuse it/);
});
