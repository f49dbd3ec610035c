/**
 * Discovery of the dialect `homeassistant` before the tables of two releases of Home Assistant, as they answered when they ran
 * (test/oracles/home-assistant-released.ts). Both got the messages of `CHANGES` on that day, and their answers stand beside them.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { POINT_TYPES } from '../../../src/core/point.ts';
import { ownConfig } from '../../../src/forwarders/mqtt/dialects/homeassistant/discovery.ts';
import { AT, announced, type HomePoint, UNITS } from '../../harness/home-announced.ts';
import { type Answer, answersOf, RELEASES } from '../../oracles/home-assistant-released.ts';
import { BLOCKED, CLASSES, COMPONENTS, REQUIRED, SHARED, STATE_CLASSES } from '../../oracles/home-assistant-tables.ts';
import { discovered } from '../../peers/home-assistant.ts';

/** How many components a message has, when each release takes all of it. */
function taken(text: string): number {
  const counts = RELEASES.map((release) => {
    const { message, components, dropped } = answersOf(release, text);
    assert.equal(message, 'taken', `${release.release}: ${text}`);
    assert.deepEqual(dropped, [], release.release);
    for (const [key, answer] of components) assert.equal(answer, 'taken', `${release.release}: ${key} of ${text}`);
    return components.size;
  });
  assert.equal(new Set(counts).size, 1);
  return counts[0] ?? 0;
}

const WRITES = [undefined, { min: 0, max: 10 }, { min: -1e9, max: 1e9, step: 1e-9 }];

test('homeassistant: two releases take each unit in each form of a point', () => {
  assert.deepEqual(
    RELEASES.map(({ release }) => release),
    ['2025.6.3', '2026.4.0.dev0'],
  );
  let seen = 0;
  for (const unit of UNITS) {
    const points: Record<string, HomePoint> = {};
    for (const type of POINT_TYPES)
      for (const counts of [false, true])
        for (const [i, write] of WRITES.entries())
          points[`${type}-${counts ? 'counter' : 'number'}-${i}`] = {
            ...{ type, writable: true, ...(unit === '' ? {} : { unit }) },
            facts: { ...(counts ? { counts: true as const } : {}), ...(write === undefined ? {} : { write }) },
          };
    seen += taken(announced(points).text);
  }
  assert.equal(seen, UNITS.length * (POINT_TYPES.length * 2 * WRITES.length + 1));
  assert.equal(taken(ownConfig(AT)), 1);
});

const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
const bounds = fc.record({
  min: fc.double({ min: -1e6, max: 0, noNaN: true }),
  max: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
});
const point = fc.record({
  type: fc.constantFrom(...POINT_TYPES),
  unit: fc.oneof(fc.constantFrom(...UNITS), fc.string({ maxLength: 8 })),
  writable: fc.boolean(),
  counts: fc.boolean(),
  write: fc.option(bounds, { nil: undefined }),
  labels: fc.uniqueArray(label, { maxLength: 5 }),
});

test('homeassistant: two releases take each device of any points', () => {
  const platforms = new Set<string>();
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 12 }), (made) => {
      const points = made.map(({ type, unit, writable, counts, write, labels }, i): [string, HomePoint] => {
        const bound = type === 'string' ? { labels } : write;
        const facts = { labels, ...(counts ? { counts: true as const } : {}), ...(bound === undefined ? {} : { write: bound }) };
        return [`p${i}`, { type, writable, ...(unit === '' ? {} : { unit }), facts }];
      });
      const { text } = announced(Object.fromEntries(points));
      assert.equal(taken(text), points.length + 1);
      for (const { p } of Object.values((JSON.parse(text) as { cmps: Record<string, { p: string }> }).cmps)) platforms.add(p);
    }),
    { numRuns: 1000 },
  );
  assert.deepEqual([...platforms].sort(), Object.keys(COMPONENTS).sort());
});

test('homeassistant: two releases take the golden messages', () => {
  const cases = path.join(import.meta.dirname, '../../cases/homeassistant');
  const counts = readdirSync(cases)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => {
      const lines = readFileSync(path.join(cases, file), 'utf8').split('\n');
      const configs = lines.map((line) => line.split('\t')).filter(([topic = '', , text]) => topic.endsWith('/config') && text);
      return [file, configs.reduce((sum, [, , text = '']) => sum + taken(text), 0)];
    });
  // So many entities each release had, too.
  assert.deepEqual(Object.fromEntries(counts), { 'computed.txt': 7, 'empty.txt': 1, 'sensors.txt': 15, 'writable.txt': 8 });
});

type Message = Record<string, unknown> & {
  dev: Record<string, unknown>;
  o: Record<string, unknown>;
  cmps: Record<'t' | 'e' | 'n' | 's' | 'ALARM-hot', Record<string, unknown>>;
};
const POINTS: Readonly<Record<string, HomePoint>> = {
  t: { type: 'int16', unit: 'Cel' },
  e: { type: 'uint32', unit: 'kW.h', facts: { counts: true } },
  n: { type: 'int16', unit: 'bar', writable: true, facts: { write: { min: 0, max: 9 } } },
  s: { type: 'string', writable: true, facts: { labels: ['a', 'b'], write: { labels: ['a'] } } },
};
type Whole = 'whole message';
/** What is changed, the component that it concerns, and the answers of 2025.6.3 and 2026.4.0.dev0. One answer: both gave it. */
const CHANGES: readonly (readonly [change: (m: Message) => unknown, of: string, ...answers: (Answer | Whole)[]])[] = [
  [(m) => (m.qos = 1), 't', 'taken'],
  [(m) => (m.foo = 1), 't', 'whole message'],
  [(m) => (m.dev.serial = 'x'), 't', 'whole message'],
  [(m) => (m.dev.identifiers = []), 't', 'whole message'],
  [(m) => delete m.o.name, 't', 'whole message'],
  [(m) => (m.cmps.t.p = 'gauge'), 't', 'whole message'],
  [(m) => delete m.cmps.t.unique_id, 't', 'whole message'],
  [(m) => delete m.cmps.t.qos, 't', 'taken'],
  [(m) => delete m.cmps.n.command_topic, 'n', 'refused'],
  [(m) => delete m.cmps.s.options, 's', 'refused'],
  [(m) => (m.cmps.t.unit_of_measurement = 'C'), 't', 'warned', 'refused'],
  [(m) => delete m.cmps.t.unit_of_measurement, 't', 'warned'],
  [(m) => (m.cmps.t.state_class = 'total'), 't', 'warned'],
  [(m) => (m.cmps.e.state_class = 'measurement'), 'e', 'warned'],
  [(m) => (m.cmps.t.state_class = 'often'), 't', 'refused'],
  [(m) => (m.cmps.t.device_class = 'heat'), 't', 'refused'],
  [(m) => (m.cmps['ALARM-hot'].device_class = 'alarm'), 'ALARM-hot', 'refused'],
  [(m) => Object.assign(m.cmps.n, { min: 9, max: 0 }), 'n', 'refused'],
  [(m) => (m.cmps.n.step = 0.0001), 'n', 'refused'],
  [(m) => (m.cmps.n.unit_of_measurement = 'C'), 'n', 'taken'],
  [(m) => Object.assign(m.cmps.t, { device_class: 'conductivity', unit_of_measurement: '\u00b5S/cm' }), 't', 'taken'],
  [(m) => Object.assign(m.cmps.t, { device_class: 'conductivity', unit_of_measurement: '\u03bcS/cm' }), 't', 'warned', 'taken'],
];

test('homeassistant: the tables answer each changed message as the releases did', () => {
  const good = announced(POINTS).text;
  assert.equal(taken(good), 5);
  for (const [change, of, ...said] of CHANGES) {
    const message = JSON.parse(good) as Message;
    change(message);
    const text = JSON.stringify(message);
    for (const [i, release] of RELEASES.entries()) {
      const { message: whole, components } = answersOf(release, text);
      const answer = whole === 'refused' ? 'whole message' : components.get(of);
      assert.equal(answer, said[i] ?? said[0], `${release.release}: ${String(change)}`);
      for (const [key, other] of components) if (key !== of) assert.equal(other, 'taken', `${key}: ${String(change)}`);
    }
    // The judge of the other tests refuses what one of them does not take.
    if (said.some((answer) => answer !== 'taken')) assert.throws(() => discovered(text), String(change));
  }
  const silent = JSON.parse(good) as Message;
  silent.cmps.t.min = 1;
  for (const release of RELEASES) assert.deepEqual(answersOf(release, JSON.stringify(silent)).dropped, ['t.min']);
});

test('homeassistant: the tables of the judge say nothing that a release does not', () => {
  const words = (text = ''): string[] => text.split(' ');
  let units = 0;
  for (const release of RELEASES) {
    for (const [platform, keys] of Object.entries(COMPONENTS)) {
      const { keys: theirs, required } = release.components[platform] ?? assert.fail(platform);
      const own = keys.filter((key) => key !== 'p' && !words(theirs).includes(key));
      assert.deepEqual(own, [], `${release.release}: ${platform}`);
      assert.deepEqual(words(required), REQUIRED[platform]);
    }
    assert.deepEqual(words(release.shared), [...SHARED].sort());
    assert.deepEqual(
      words(release.attributesDropped).filter((key) => !BLOCKED.includes(key)),
      [],
    );
    for (const [is, { since, now, states }] of Object.entries(CLASSES)) {
      const theirs = release.units[is]?.split('|') ?? assert.fail(is);
      for (const unit of since.filter((one) => now.includes(one))) {
        units++;
        assert.ok(theirs.includes(unit ?? ''), `${release.release}: ${is} in ${unit}`);
      }
      const letters = words(release.stateClasses[is]).map((state) => STATE_CLASSES[state] ?? '');
      assert.deepEqual(letters.sort().join(''), [...states].sort().join(''), `${release.release}: ${is}`);
    }
  }
  assert.ok(units > 200, `${units} units`);
});
