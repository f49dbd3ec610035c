/** States of rules as a damaged log may give them: every golden timeline goes on over a restart, with finite times and bounded states. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { parseRuleState } from '../../../src/rules/rule-state.ts';
import { hostileJson } from '../../harness/hostile-json.ts';
import { playCase, readCase } from '../../harness/rule-case.ts';
import { random } from '../../oracles/store-samples.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'cases', 'rules');
const SEEDS = Number(process.env.SLUICE_STATE_SEEDS ?? 6);
/** JSON letters of one state: MOST in watch.ts and the words of two messages, with room. */
const LONGEST = 200_000;

/** Places in which a number of JSON cannot be: NaN and infinities become null. */
function numbersOf(value: unknown, at = '$'): [string, number][] {
  if (typeof value === 'number') return [[at, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => numbersOf(part, `${at}.${key}`));
}

const cases = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());

for (const { name } of cases)
  test(`${name}: hostile states of the run before`, () => {
    const from = readCase(path.join(FOLDER, name));
    const half = Math.floor(from.timeline.length / 2);
    const last = from.timeline.at(-1);
    const restart = (at: string) => ({ at, restart: { off: '0s', clock: 'known', clean: true } });
    const timeline = [
      ...from.timeline.slice(0, half),
      ...(half > 0 ? [restart(from.timeline[half - 1]?.at ?? '0s')] : []),
      ...from.timeline.slice(half),
      ...(last === undefined ? [] : [restart(last.at), { at: last.at, tick: true }]),
    ];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const next = random(seed * 7919);
      const { transitions, gateway } = playCase({ ...from, timeline }, true, (text) =>
        JSON.stringify(hostileJson(JSON.parse(text), next, seed % 3 === 0 ? 0.6 : 0.15)),
      );
      for (const { at, message } of transitions) {
        assert.ok(Number.isFinite(at), `seed ${seed}: a transition at ${at}`);
        assert.ok((message ?? '').length <= 10_000, `seed ${seed}: a message of ${message?.length} letters`);
      }
      const views = gateway.alarms(last?.at ?? '0s');
      for (const [at, number] of numbersOf(views))
        assert.ok(!Number.isNaN(number), `seed ${seed}: ${at} of the alarms is ${number}`);
      for (const text of gateway.saved) {
        assert.ok(text.length < LONGEST, `seed ${seed}: a state of ${text.length} letters`);
        assert.notEqual(parseRuleState(text), undefined, `seed ${seed}: its own state is refused: ${text.slice(0, 2000)}`);
      }
    }
  });
