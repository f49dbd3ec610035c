/** The recorded story of each site in examples/sites: it gives its timeline, and every rule of the site begins its alarm in it and ends it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { loadConfigText } from '../../../src/config/load.ts';
import { parseTimeline } from '../../../src/config/timeline.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { sluice } from '../../harness/start-gateway.ts';

const SITES = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'sites');

/** Rules whose alarm does not end by itself, and why. */
const STAYS: Readonly<Record<string, string>> = {
  'vaccine-clinic fridge-heat-in-all':
    'its time in all grows until a person acknowledges the alarm, and a recording has no person',
};
/** States in which the condition is over. A latched alarm, and one that nobody has acknowledged, then wait for a person. */
const OVER = ['normal', 'returned-unacknowledged', 'latched'];

const seen = new Set<string>();

for (const site of readdirSync(SITES)) {
  const folder = path.join(SITES, site);
  const file = path.join(folder, 'gateway.yaml');
  const golden = path.join(folder, 'story.yaml');

  test(`${site}: the story gives its timeline`, async (t) => {
    const story = path.join(folder, 'story.csv');
    const { code, stdout, stderr } = await sluice(t, 'rules', 'test', story, '-c', file, '--expect', golden);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
  });

  test(`${site}: each rule begins its alarm in the story and ends it`, () => {
    const { config } = loadConfigText(readFileSync(file, 'utf8'), file, kinds, { profileDirs: [] });
    const timeline = parseTimeline(readFileSync(golden, 'utf8'));
    assert.ok(config !== undefined && config.rules.size > 0);
    for (const rule of config.rules.keys()) {
      const states = timeline.filter((entry) => entry.rule === rule).map(({ state }) => state);
      const begins = states.indexOf('active-unacknowledged');
      assert.ok(begins >= 0, `${rule} never begins`);
      const ends = states.slice(begins).some((state) => OVER.includes(state));
      const stays = STAYS[`${site} ${rule}`];
      if (stays !== undefined) seen.add(`${site} ${rule}`);
      assert.equal(ends, stays === undefined, `${rule}: ${stays ?? 'its alarm never ends'}`);
      if (stays === undefined) assert.ok(OVER.includes(states.at(-1) ?? ''), `${rule} is in alarm at the end of the story`);
    }
  });
}

test('each exception is one of a rule that exists', () => assert.deepEqual([...seen].sort(), Object.keys(STAYS).sort()));
