/**
 * Golden folder: configurations with what `sluice check` prints about them, and the plan that `--json` tells. After a
 * deliberate change run SLUICE_UPDATE_GOLDEN=1 node --test test/unit/cli/check.test.ts and read the difference.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkReport, checkText, flowRemarks, hookRemarks } from '../../../src/cli/check.ts';
import { readConfig } from '../../../src/cli/config-file.ts';
import { formatFault } from '../../../src/config/fault.ts';
import { type NodeRedConfig, nodeRedSection } from '../../../src/config/node-red.ts';
import { HOOK_SOCKET } from '../../../src/control/actions/hook-unit.ts';
import { NODE_RED_VERSION } from '../../../src/node-red/place.ts';
import { missingParts } from '../../../src/node-red/ways.ts';
import { scratch } from '../../harness/scratch.ts';

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

/** A folder where Node-RED of that version is installed. */
function nodeRedFolder(t: TestContext, version?: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-check-'));
  t.after(() => rmSync(folder, { recursive: true }));
  if (version === undefined) return folder;
  mkdirSync(path.join(folder, 'node_modules', 'node-red'), { recursive: true });
  writeFileSync(path.join(folder, 'node_modules', 'node-red', 'package.json'), JSON.stringify({ version }));
  return folder;
}

const nodeRed = (keys: object): NodeRedConfig => nodeRedSection.parse({ enabled: true, ...keys });

test('what Node-RED lacks is a warning at its line, and never a fault', async (t) => {
  const file = path.join(nodeRedFolder(t), 'gateway.yaml');
  writeFileSync(file, 'gateway: {id: g1}\nnodeRed:\n  enabled: true\n  unsafeSameUser: true\n');
  const read = readConfig(file);
  assert.deepEqual(read.faults, []);
  const missing = async () => [
    { key: 'enabled', message: 'Node-RED is not installed' },
    { key: 'unsafeSameUser', message: 'every flow can end this gateway' },
  ];
  const remarks = await flowRemarks(read, missing);
  assert.deepEqual(
    remarks.map((remark) => formatFault(remark).replace(`${path.dirname(file)}/`, '')),
    [
      'gateway.yaml:3:12: nodeRed.enabled: Node-RED is not installed',
      'gateway.yaml:4:19: nodeRed.unsafeSameUser: every flow can end this gateway',
    ],
  );
  writeFileSync(file, 'gateway: {id: g1}\n');
  assert.deepEqual(await flowRemarks(readConfig(file), missing), []);
});

test('the parts that Node-RED lacks on this machine, by the keys of the section', async (t) => {
  const there = nodeRedFolder(t, NODE_RED_VERSION);
  const keys = async (config: NodeRedConfig, folder = there) => (await missingParts(config, folder)).map(({ key }) => key);
  assert.deepEqual(await keys(nodeRed({ enabled: false }), nodeRedFolder(t)), []);
  assert.deepEqual(await keys(nodeRed({ unsafeSameUser: true })), ['unsafeSameUser']);
  assert.deepEqual(await keys(nodeRed({ unsafeSameUser: true }), nodeRedFolder(t)), ['enabled', 'unsafeSameUser']);
  assert.deepEqual(await keys(nodeRed({ user: 'sluice-nobody-here' })), ['user']);

  const [old] = await missingParts(nodeRed({ unsafeSameUser: true }), nodeRedFolder(t, '4.1.0'));
  assert.match(
    old?.message ?? '',
    /^Node-RED 5\.0\.7 belongs to this gateway, and 4\.1\.0 is installed; run sh scripts\/setup-node-red\.sh in \//,
  );
  const [user] = await missingParts(nodeRed({ user: 'sluice-nobody-here' }), there);
  assert.match(
    user?.message ?? '',
    process.getuid?.() === 0
      ? /^this machine has no user sluice-nobody-here; make one: useradd /
      : /^only a gateway that runs as root can start Node-RED under the user sluice-nobody-here; /,
  );
});

test('check says what this machine lacks for hooks, at the place of the file', (t) => {
  const file = path.join(scratch(t), 'gateway.yaml');
  writeFileSync(
    file,
    `gateway: {id: g1}
hooks:
  sms: {run: [/usr/local/lib/sluice-hooks/sms]}
  trial: {run: [/nowhere/trial], unsafeSameUser: true}
`,
  );
  const remarks = hookRemarks(readConfig(file)).map(formatFault);
  assert.equal(remarks.length, existsSync(HOOK_SOCKET) ? 1 : 2);
  assert.match(remarks.at(-1) ?? '', /:4:\d+: hooks\.trial\.unsafeSameUser: there is no program \/nowhere\/trial$/);
  if (remarks.length === 2) assert.match(remarks[0] ?? '', /:3:\d+: hooks\.sms\.run: the service sluice-hook is not there/);
});
