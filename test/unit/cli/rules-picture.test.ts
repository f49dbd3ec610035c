/** The picture of a play: what it shows, in both languages; nothing from elsewhere; names of any kind; many alarms. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { MAX_BUCKETS } from '../../../src/cli/chart/chart.ts';
import { Panels } from '../../../src/cli/rules/panels.ts';
import { picture } from '../../../src/cli/rules/picture.ts';
import { bandsOf, spansOf } from '../../../src/cli/rules/picture-parts.ts';
import { LABELS } from '../../../src/cli/rules/picture-words.ts';
import { play } from '../../../src/cli/rules/play.ts';
import { reportOf } from '../../../src/cli/rules/report.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-picture-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const BEGIN = Date.parse('2026-11-25T00:00:00Z');
const MINUTE = 60_000;

async function drawn(rows: readonly string[], name = 'clinic', language: 'en' | 'bn' = 'en'): Promise<string> {
  const rules = resolveRules({
    warm: { point: 'fridge.temperature', above: 8, deadband: 0.5, severity: 'critical' },
    strict: { point: 'fridge.temperature', above: 7, observe: true },
  });
  const config = {
    gateway: { id: 'g1', name },
    devices: new Map([
      ['fridge', { name: 'fridge', points: new Map([['temperature', { type: 'int16', scale: 0.1, unit: 'Cel' }]]) }],
    ]),
    rules: new Map(rules.map((rule) => [rule.name, rule])),
  } as unknown as GatewayConfig;
  const file = path.join(folder, 'recording.csv');
  writeFileSync(file, `time,fridge.temperature\n${rows.join('\n')}\n`);
  const played = await play(config, file, { config: 'gateway.yaml', svg: 'x.svg' });
  return picture(reportOf(played), played, language);
}
const day = Array.from({ length: 288 }, (_, i) => {
  const at = BEGIN + i * 5 * MINUTE;
  if (i > 200 && i < 230) return '';
  return `${at},${i > 100 && i < 120 ? 9 : i === 150 ? 'timeout' : 5}`;
}).filter((row) => row !== '');

for (const language of ['en', 'bn'] as const)
  test(`values, limits, deadbands, alarms and gaps are in the picture, in ${language}`, async () => {
    const svg = await drawn(day, 'clinic', language);
    for (const label of ['value', 'deadband', 'alarm', 'gap', 'bad', 'alarms'] as const)
      assert.ok(svg.includes(LABELS[language][label]), label);
    assert.match(svg, /<path class="mean" d="M/);
    assert.match(svg, /<path class="limit critical"/);
    assert.match(svg, /class="mark deadband critical"/);
    assert.match(svg, /class="alarm critical"/);
    assert.match(svg, /class="bad gap"/);
    assert.match(svg, /class="mark lane warning trial"/);
    assert.ok(svg.includes(`warm`) && svg.includes(LABELS[language].trial));
  });

test('the picture takes nothing from elsewhere, and names cannot break it', async () => {
  const svg = await drawn(day, '</text><script>x</script>&"\u0000');
  assert.ok(!svg.includes('<script') && !svg.includes('\u0000'));
  assert.deepEqual(svg.match(/(?:https?:)?\/\/[^"']+/g), ['http://www.w3.org/2000/svg']);
  // Every element that opens is closed.
  const open = [...svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)];
  let depth = 0;
  for (const [, closes, , alone] of open) depth += closes === '/' ? -1 : alone === '/' ? 0 : 1;
  assert.equal(depth, 0);
});

test('a picture of 10,000 alarms stays small', async () => {
  const svg = await drawn(Array.from({ length: 30_000 }, (_, i) => `${BEGIN + i * 1000},${i % 2 === 0 ? 9 : 5}`));
  assert.ok(svg.length < 400_000, `${svg.length}`);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});

test('one reading, no number and huge numbers are drawn without a fault', async () => {
  for (const rows of [[`${BEGIN},5`], [`${BEGIN},timeout`], [`${BEGIN},1e308`, `${BEGIN + 1000},-1e308`]])
    assert.doesNotMatch(await drawn(rows), /NaN|Infinity/);
});

test('buckets become wider instead of more, and lose no reading', () => {
  const panels = new Panels();
  for (let i = 0; i < 200_000; i++)
    panels.take(BEGIN + i * 7000, { device: 'a', point: 'b', value: i % 10 === 0 ? undefined : i, reason: i % 10 === 0 ? 1 : 0 });
  const buckets = panels.end().get('a.b') ?? [];
  assert.ok(buckets.length <= MAX_BUCKETS);
  const sum = (key: 'count' | 'bad') => buckets.reduce((all, bucket) => all + bucket[key], 0);
  assert.deepEqual([sum('count'), sum('bad')], [180_000, 20_000]);
  assert.equal(Math.max(...buckets.map(({ max }) => max ?? 0)), 199_999);
});

test('a gap ends a run, and spans pair the begin with the end of an alarm', () => {
  const bucket = (minute: number, mean: number | null) => ({
    time: minute * MINUTE,
    min: mean,
    mean,
    max: mean,
    count: mean === null ? 0 : 1,
    bad: mean === null ? 1 : 0,
  });
  const { runs, gaps, bad } = bandsOf([bucket(0, 1), bucket(1, 2), bucket(2, null), bucket(3, 4), bucket(20, 5)], MINUTE);
  assert.deepEqual(
    runs.map((run) => run.length),
    [2, 1, 1],
  );
  assert.deepEqual(gaps, [{ from: 4 * MINUTE, to: 20 * MINUTE }]);
  assert.deepEqual(bad, [{ from: 2 * MINUTE, to: 3 * MINUTE }]);
  const entry = (time: number, state: 'active-unacknowledged' | 'normal') =>
    ({ time, state, rule: 'warm', occurrence: 1, severity: 'critical', point: 'a.b', message: '', cause: 'reading' }) as const;
  assert.deepEqual(
    spansOf({ transitions: [entry(1, 'active-unacknowledged'), entry(2, 'normal'), entry(3, 'active-unacknowledged')] }).map(
      ({ from, to }) => [from, to],
    ),
    [
      [1, 2],
      [3, undefined],
    ],
  );
});
