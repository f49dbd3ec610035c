/** `sluice rules test`: golden timelines of the rules as recordings, restarts, gaps, order, expectations, pictures. */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { differences, expectedText, readExpected } from '../../../src/cli/rules/expect.ts';
import { play, type RulesTestOptions } from '../../../src/cli/rules/play.ts';
import { type Report, reportJson, reportOf, reportText } from '../../../src/cli/rules/report.ts';
import { MOST_KEPT } from '../../../src/cli/rules/timeline.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { parseDuration } from '../../../src/core/units.ts';
import { readCase, resolveRules } from '../../harness/rule-case.ts';

const BEGIN = Date.parse('2026-11-25T00:00:00Z');
const MINUTE = 60_000;
const folder = mkdtempSync(path.join(tmpdir(), 'sluice-play-'));
after(() => rmSync(folder, { recursive: true, force: true }));
type Section = Record<string, unknown>;

function configOf(points: Record<string, Section>, rules: Section, timezone = 'UTC'): GatewayConfig {
  const devices = Map.groupBy(Object.entries(points), ([name]) => name.split('.')[0] as string);
  return {
    gateway: { id: 'g1', stateDir: 'state', clockHold: 0, timezone },
    devices: new Map(
      [...devices].map(([name, own]) => [name, { name, points: new Map(own.map(([whole, s]) => [whole.split('.')[1], s])) }]),
    ),
    rules: new Map(resolveRules(rules).map((rule) => [rule.name, rule])),
  } as unknown as GatewayConfig;
}

/** Plays the text of a recording. */
async function played(config: GatewayConfig, text: string, options: Partial<RulesTestOptions> = {}): Promise<Report> {
  const file = path.join(folder, 'recording');
  writeFileSync(file, text);
  return reportOf(await play(config, file, { config: 'gateway.yaml', ...options }));
}

const root = path.join(import.meta.dirname, '..', '..', 'cases', 'rules');
const folders = globSync('*/rules.yaml', { cwd: root }).map((file) => path.dirname(file));
/** What a recording cannot hold: what is done to the gateway. */
const VALUES = /^(?:at|tick|[a-z0-9_-]+\.[a-z0-9_-]+)$/;

const time = (text: string) => text.split(' ').reduce((sum, part) => sum + (parseDuration(part) ?? Number.NaN), 0);
const cellsOf = (detail: unknown): [value: string, quality: string, reason: string] => {
  const { bad, uncertain, int } = (typeof detail === 'object' && detail !== null ? detail : {}) as Section;
  if (bad !== undefined) return ['', 'bad', String(bad)];
  if (uncertain !== undefined) return [String(uncertain), 'uncertain', ''];
  return [String(int ?? detail), 'good', ''];
};
const quoted = (text: string) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

let goldens = 0;
for (const name of folders.sort()) {
  const golden = readCase(path.join(root, name));
  if (!golden.timeline.every((step) => Object.keys(step).every((key) => VALUES.test(key)))) continue;
  goldens++;
  test(`the golden timeline ${name} is the one of its recording`, async () => {
    const begin = golden.beginning === undefined ? BEGIN : Date.parse(golden.beginning);
    const rows = golden.timeline.flatMap(({ at, tick: _, ...points }) =>
      Object.entries(points).map(([whole, detail]) => {
        const [value, quality, reason] = cellsOf(detail);
        return `${whole},${begin + time(at)},${quoted(value)},${quality},${reason}\n`;
      }),
    );
    const last = Math.max(...golden.timeline.map(({ at }) => time(at)));
    const report = await played(
      configOf(golden.points, golden.rules, golden.timezone),
      `point,time,value,quality,reason\n${rows.join('')}`,
      {
        ...{ from: String(begin), to: String(begin + last) },
      },
    );
    if (report.notTested.length > 0) return;
    assert.deepEqual(
      report.transitions.map(({ time, rule, state, occurrence }) => ({ at: time - begin, rule, state, occurrence })),
      golden.expected.map(({ at, rule, state, occurrence }) => ({ at, rule, state, occurrence })),
    );
    for (const [i, { message, value, cause }] of golden.expected.entries()) {
      if (message !== undefined) assert.equal(report.transitions[i]?.message, message);
      if (cause !== undefined) assert.equal(report.transitions[i]?.cause, cause);
      if (value !== undefined) assert.equal(String(report.transitions[i]?.value), String(value));
    }
  });
}

test('most golden timelines are played as recordings', () => assert.ok(goldens >= 12, `${goldens}`));

const fridge = configOf(
  { 'fridge.temperature': { type: 'int16', scale: 0.1, unit: 'Cel' }, 'fridge.door': { type: 'bool' } },
  {
    warm: { point: 'fridge.temperature', above: 8, deadband: 0.5, onDelay: '30m', severity: 'critical' },
    silent: { point: 'fridge.temperature', stale: '20m' },
    door: { point: 'fridge.door', equals: true, observe: true },
  },
);
const table = (rows: readonly (readonly [minutes: number, ...cells: (string | number)[]])[]) =>
  `time,fridge.temperature,fridge.door\n${rows.map(([m, ...cells]) => `${BEGIN + m * MINUTE},${cells.join(',')}\n`).join('')}`;
const minutes = (report: Report) => report.transitions.map(({ time, rule, state }) => [(time - BEGIN) / MINUTE, rule, state]);

test('a timeline has its reasons, and a summary with what still runs', async () => {
  const report = await played(
    fridge,
    table([
      [0, 4, 0],
      [10, 9, 1],
      [25, 9.5, 0],
      [40, 9, 0],
      [55, 7, 0],
      [60, 9, 0],
    ]),
  );
  assert.deepEqual(minutes(report), [
    [10, 'door', 'active-unacknowledged'],
    [25, 'door', 'normal'],
    [40, 'warm', 'active-unacknowledged'],
    [55, 'warm', 'normal'],
  ]);
  const [, , began, ended] = report.transitions;
  assert.deepEqual(
    [began?.value, began?.unit, began?.limit, began?.cause, ended?.lasted],
    [9.5, 'Cel', 'above 8', 'delay', 15 * MINUTE],
  );
  assert.deepEqual(report.running, [{ rule: 'warm', kind: 'on', elapsed: 0, length: 30 * MINUTE }]);
  const text = reportText(report);
  assert.match(text, /warm \(critical\): ALARM, not acknowledged\n {4}fridge.temperature is 9.5 °C, above 8 for 30m/);
  assert.match(text, /door \(warning\): normal after 15m \(observed only\)/);
  assert.match(text, /^no alarm: silent$/m);
  assert.equal((JSON.parse(reportJson(report)) as Report).transitions.length, 4);
});

test('what comes due in a gap happens at its own time, and the gap is named', async () => {
  const rows = Array.from({ length: 10 }, (_, i) => [i * 5, 4, 0] as const);
  const report = await played(fridge, table([...rows, [145, 4, 0]]));
  assert.deepEqual(minutes(report), [
    [65, 'silent', 'active-unacknowledged'],
    [145, 'silent', 'normal'],
  ]);
  assert.match(report.notes.join('\n'), /Gaps without a reading.*fridge.temperature .* for 1h 40m/);
});

test('--to goes on after the last reading, and --from begins before the first', async () => {
  const options = { from: String(BEGIN - 25 * MINUTE), to: String(BEGIN + 30 * MINUTE) };
  assert.deepEqual(minutes(await played(fridge, table([[0, 4, 0]]), options)), [
    [-5, 'silent', 'active-unacknowledged'],
    [0, 'silent', 'normal'],
    [20, 'silent', 'active-unacknowledged'],
  ]);
});

test('a reading older than the newest of its point is left out and named', async () => {
  const report = await played(
    fridge,
    table([
      [0, 4, 0],
      [10, 4, 0],
      [5, 99, 1],
      [11, 4, 0],
    ]),
  );
  assert.deepEqual(minutes(report), []);
  assert.match(report.notes.join('\n'), /left out: 2, the first at line 4, 4\. Sort the file by time/);
});

test('another start of the gateway is a restart, over which a delay goes on', async () => {
  const row = (m: number, boot: string, value: number) =>
    `${JSON.stringify({ log: 'x', seq: m, boot, device: 'fridge', time: BEGIN + m * MINUTE, values: { temperature: value } })}\n`;
  const text = row(0, 'b1', 9) + row(10, 'b1', 9) + row(25, 'b2', 9) + row(31, 'b2', 9);
  const report = await played(fridge, text);
  assert.deepEqual(minutes(report), [[30, 'warm', 'active-unacknowledged']]);
  assert.match(report.notes.join('\n'), /2 starts of the gateway/);
});

test('a rule without a reading is named as not tested', async () => {
  const report = await played(fridge, `time,fridge.temperature\n${BEGIN},4\n`);
  assert.deepEqual(report.notTested, ['door']);
  assert.deepEqual(
    report.rules.map(({ rule }) => rule),
    ['warm', 'silent'],
  );
});

test('points with report: are named, since a log has less than the rules saw', async () => {
  const config = configOf({ 'a.b': { type: 'int16', report: { change: 1 } } }, { high: { point: 'a.b', above: 1 } });
  const report = await played(config, `time,a.b\n${BEGIN},4\n`);
  assert.match(report.notes.join('\n'), /`report:` lets through of a\.b/);
});

test('a chattering rule keeps its list bounded and its count exact', async () => {
  const config = configOf({ 'a.b': { type: 'int16' } }, { high: { point: 'a.b', above: 1 } });
  const rows = Array.from({ length: 30_000 }, (_, i) => `${BEGIN + i * 1000},${i % 2 === 0 ? 2 : 0}\n`);
  const report = await played(config, `time,a.b\n${rows.join('')}`);
  assert.deepEqual([report.transitions.length, report.more, report.rules[0]?.count], [MOST_KEPT, 30_000 - MOST_KEPT, 15_000]);
  assert.match(reportText(report), /20000 more transitions are not listed/);
});

test('a saved timeline is the expected one; another one is shown as a difference', async () => {
  const rows = [
    [0, 4, 0],
    [10, 9, 0],
    [25, 9.5, 0],
    [40, 9, 0],
    [55, 7, 0],
  ] as const;
  const report = await played(fridge, table(rows));
  const file = path.join(folder, 'expected.yaml');
  writeFileSync(file, expectedText(report.transitions));
  assert.deepEqual(differences(readExpected(file, report.from), report.transitions), []);
  writeFileSync(file, reportJson(report));
  assert.deepEqual(differences(readExpected(file, report.from), report.transitions), []);
  writeFileSync(
    file,
    '- {at: 40m, rule: warm, state: active-unacknowledged, cause: delay}\n- {at: 55m, rule: warm, state: normal}\n',
  );
  assert.deepEqual(differences(readExpected(file, report.from), report.transitions), []);
  const later = await played(fridge, table([...rows.slice(0, 4), [56, 7, 0]]));
  assert.deepEqual(differences(readExpected(file, later.from), later.transitions), [
    '- 2026-11-25T00:55:00.000Z warm normal',
    '+ 2026-11-25T00:56:00.000Z warm normal (occurrence 1, severity "critical", value 7, message "fridge.temperature is 7 °C, back to normal")',
  ]);
});

for (const [text, words] of [
  ['- {at: 40m, rule: warm}', /entry 1 \(state\)/],
  ['- {rule: warm, state: normal}', /either time: or at:/],
  ['- {at: soon, rule: warm, state: normal}', /"soon" is not a time/],
  ['- {at: 1m, rule: warm, state: normal, valu: 3}', /entry 1.*valu/],
  ['- {time: 20.11.2026, rule: warm, state: normal}', /"20.11.2026" is not a time/],
  ['- {time: [1], rule: warm, state: normal}', /entry 1 \(time\): this is not written as it should be$/],
  ['gateway: {id: g}', /expected.yaml: write a list: \[a, b, c\]; this is a section$/],
  ['a: b: c', /expected.yaml: line 1 cannot be read as YAML; write a list, one entry on a line$/],
  ['{', /expected.yaml: line 1 cannot be read as YAML/],
] as const)
  test(`an expectation with a fault is refused: ${text}`, () => {
    const file = path.join(folder, 'expected.yaml');
    writeFileSync(file, text);
    assert.throws(() => readExpected(file, BEGIN), words);
  });

test('a time a thousand years away ends the play in words', async () => {
  const config = configOf(
    { 'meter.count': { type: 'uint32' } },
    { day: { point: 'meter.count', total: { above: 5, per: 'hour' } } },
  );
  const rows = `time,meter.count\n${new Date(BEGIN).toISOString()},1\n`;
  await assert.rejects(
    played(config, `${rows}4999-11-25T00:00:00Z,2\n`),
    /^SluiceError: line 3: .* more than 100 years apart; correct/,
  );
  await assert.rejects(played(config, rows, { to: '4999-11-25' }), /more than 100 years apart/);
  await assert.rejects(played(config, rows, { from: '0001-01-01' }), /line 2: .* leave it out with --from and --to$/);
  assert.equal((await played(config, `${rows}2027-02-25T00:00:00Z,2\n`)).readings, 2, 'a gap of three months is a gap');
});
