/** The line of the log about an alarm stands behind the alarm: to write one wakes a thread, which takes its time from the alarm. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../../../src/core/logger.ts';
import type { Shape } from '../../../src/core/point.ts';
import { ingestOf } from '../../../src/gateway/on-the-log.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { RecordParts } from '../../../src/pipeline/record-parts.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { resolveRules } from '../../harness/rule-case.ts';

const shape: Shape = { device: 'b', points: [{ name: 'x', type: 'float64', storage: 'number' }] };

test('an alarm and its write come before its line in the log of the process', async () => {
  const order: string[] = [];
  const note = (word: string) => () => void order.push(word);
  const clock = new ManualClock();
  const latest = new Latest(() => 0);
  latest.setShapes([shape]);
  const resolved = resolveRules({ high: { point: 'b.x', above: 8 } });
  const config = { rules: new Map(resolved.map((rule) => [rule.name, rule])), privacy: undefined };
  const rules = new RuleEngine({ rules: resolved, start: { at: 0, wall: 0, wallKnown: true }, shapes: [shape] });
  const logger = { warn: (_: object, words: string) => order.push(`line: ${words}`) } as unknown as Logger;
  const log = {
    append: () => undefined,
    saveState: () => {},
    notice: (kind: string, key: string) => ({ kind, key, seq: 1, json: '{}' }),
  };
  const g = { clock, latest, logger, config, watch: { offset: 0, known: true } };
  const parts = {
    ...{ samples: { sample: () => {} }, records: new RecordParts(undefined), outside: { tell: () => {} } },
    ...{ alarmed: { changed: () => {} }, actions: { planned: () => {}, begin: note('write') } },
  };
  const ingest = ingestOf(g as never, { log: log as never, rules, parts: parts as never });
  ingest.add({ sample: () => {}, notice: note('alarm'), inventory: () => {} });
  ingest.sample({ shape, at: 1, values: [9], reasons: null });
  assert.deepEqual(order, ['alarm', 'write']);
  await nextTurn();
  assert.equal(order.length, 3);
  assert.match(order[2] ?? '', /^line: ./);
});
