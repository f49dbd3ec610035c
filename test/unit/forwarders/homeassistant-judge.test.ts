/**
 * Discovery of the dialect `homeassistant` before the tables of Home Assistant (test/oracles/home-assistant-tables.ts): each unit in
 * each form of a point, each state that a point can have, and the judge itself.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { POINT_TYPES, type PointType, type Value } from '../../../src/core/point.ts';
import type { PointFacts } from '../../../src/core/site-facts.ts';
import { componentOf } from '../../../src/forwarders/mqtt/dialects/homeassistant/component.ts';
import { ownConfig } from '../../../src/forwarders/mqtt/dialects/homeassistant/discovery.ts';
import { AT, announced, type HomePoint as Point, UNITS } from '../../harness/home-announced.ts';
import { CLASSES as TAKEN } from '../../oracles/home-assistant-tables.ts';
import { discovered, type Entity, shown } from '../../peers/home-assistant.ts';

function entityOf(found: ReadonlyMap<string, Entity | 'removed'>, key: string): Entity {
  const entity = found.get(key);
  assert.ok(entity !== undefined && entity !== 'removed');
  return entity;
}

test('homeassistant: each unit in each form of a point has a class that takes it', () => {
  const classes = new Set<string>();
  let seen = 0;
  for (const unit of UNITS)
    for (const type of POINT_TYPES) {
      const points: Record<string, Point> = {};
      for (const counts of [false, true])
        for (const write of [undefined, { min: 0, max: 10 }, { min: -1e9, max: 1e9, step: 1e-9 }])
          points[`p${Object.keys(points).length}`] = {
            ...{ type, writable: true, ...(unit === '' ? {} : { unit }) },
            facts: { ...(counts ? { counts: true } : {}), ...(write === undefined ? {} : { write }) },
          };
      const found = discovered(announced(points).text);
      assert.equal(found.size, 7, 'six points and a rule');
      for (const [key, entity] of found) {
        assert.ok(entity !== 'removed', key);
        seen++;
        if (entity.config.device_class !== undefined) classes.add(String(entity.config.device_class));
      }
    }
  assert.equal(seen, UNITS.length * POINT_TYPES.length * 7);
  // Each class of the table is one that some point has.
  assert.deepEqual([...classes].filter((is) => is !== 'problem').sort(), Object.keys(TAKEN).sort());
});

test('homeassistant: the discovery of the gateway itself is one', () => {
  const entity = entityOf(discovered(ownConfig(AT)), 'connected');
  assert.equal(entity.platform, 'binary_sensor');
  assert.deepEqual([shown(entity, 'online'), shown(entity, 'offline')], ['on', 'off']);
});

const label = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
  fc.constantFrom('none', 'None', ' NONE ', ' a', 'a', 'a ', ' ', '\t', '(none)', '( )'),
);
test('homeassistant: each label is an option, is shown as it, and is meant by it', () => {
  fc.assert(
    fc.property(fc.uniqueArray(label, { minLength: 1, maxLength: 12 }), fc.boolean(), (labels, writable) => {
      const facts: PointFacts = { labels, ...(writable ? { write: { labels } } : {}) };
      const { text, components } = announced({ mode: { type: 'string', writable, facts } });
      const entity = entityOf(discovered(text), 'mode');
      assert.equal(entity.platform, writable ? 'select' : 'sensor');
      const component = components.get('mode') ?? assert.fail('no component');
      for (const value of labels) {
        const state = shown(entity, JSON.stringify({ mode: component.show({ ...READ, value }) }));
        assert.ok((entity.config.options as string[]).includes(state), state);
        if (!writable) continue;
        const meant = component.asked(state);
        // Labels that differ in spaces alone are one option, which means the first of them.
        const twins = labels.filter((one) => component.show({ ...READ, value: one }) === state);
        assert.equal(meant, twins[0]);
      }
      assert.equal(shown(entity, JSON.stringify({ mode: component.show({ ...READ, value: null }) })), 'unknown');
    }),
    { numRuns: 500 },
  );
});
const READ = { device: 'd', point: 'p', type: 'string', time: 1, reason: 0 } as const;

/** What a point of that type can have. */
function valueFor(type: PointType): fc.Arbitrary<Value | null> {
  if (type === 'bool') return fc.option(fc.boolean());
  if (type === 'string' || type === 'datetime')
    return fc.option(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom('None', 'none', '', ' ', '1')));
  const number = fc.oneof(fc.double(), fc.integer(), fc.integer({ min: -120, max: 120 }), fc.constantFrom(0, -0, 1e21, 5e-324));
  return fc.option(/64$/.test(type) ? fc.oneof(number, fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n)) : number);
}
const reading = fc
  .constantFrom(...POINT_TYPES)
  .chain((type) => fc.record({ type: fc.constant(type), value: valueFor(type), unit: fc.constantFrom(...UNITS) }));
const bounds = fc.record({ min: fc.integer({ min: -100, max: 0 }), max: fc.integer({ min: 1, max: 100 }) });

test('homeassistant: whatever a point has, its state is one that its entity takes', () => {
  const unknown = { outside: 0, inside: 0 };
  fc.assert(
    fc.property(reading, fc.boolean(), fc.option(bounds, { nil: undefined }), ({ type, value, unit }, counts, write) => {
      const point = { type, writable: true, ...(unit === '' ? {} : { unit }) };
      const facts = { ...(counts ? { counts: true as const } : {}), ...(write === undefined ? {} : { write }) };
      const entity = entityOf(discovered(announced({ x: { ...point, facts } }).text), 'x');
      const said = componentOf(point, facts, true).show({ ...READ, type, value });
      const state = shown(entity, JSON.stringify({ x: said }));
      if (said === null) assert.equal(state, 'unknown');
      if (entity.platform !== 'number' || value === null || write === undefined) return;
      const fits = Number(value) >= write.min && Number(value) <= write.max;
      assert.equal(state === 'unknown', !fits);
      unknown[fits ? 'inside' : 'outside']++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(unknown.inside > 20 && unknown.outside > 20, JSON.stringify(unknown));
});

test('homeassistant: the judge refuses what Home Assistant refuses or drops', () => {
  const points: Record<string, Point> = {
    t: { type: 'int16', unit: 'Cel' },
    e: { type: 'uint32', unit: 'kW.h', facts: { counts: true } },
    n: { type: 'int16', unit: 'bar', writable: true, facts: { write: { min: 0, max: 9 } } },
    s: { type: 'string', writable: true, facts: { labels: ['a', 'b'], write: { labels: ['a'] } } },
  };
  const good = announced(points).text;
  assert.equal(discovered(good).size, 5);
  type Message = Record<string, unknown> & {
    dev: Record<string, unknown>;
    o: Record<string, unknown>;
    cmps: Record<'t' | 'e' | 'n' | 's' | 'ALARM-hot', Record<string, unknown>>;
  };
  const wrong: readonly (readonly [words: RegExp, change: (message: Message) => unknown])[] = [
    [/unknown keys in the message/, (m) => (m.qos = 1)],
    [/unknown keys in dev/, (m) => (m.dev.serial = 'x')],
    [/unknown keys in o/, (m) => (m.o.url = 'x')],
    [/a device has an id/, (m) => (m.dev.identifiers = [])],
    [/the origin has a name/, (m) => delete m.o.name],
    [/unknown keys in t/, (m) => (m.cmps.t.min = 1)],
    [/t: no platform gauge/, (m) => (m.cmps.t.p = 'gauge')],
    [/t has an id/, (m) => delete m.cmps.t.unique_id],
    [/t is received with QoS 1/, (m) => delete m.cmps.t.qos],
    [/n has its command_topic/, (m) => delete m.cmps.n.command_topic],
    [/s has its options/, (m) => delete m.cmps.s.options],
    [/temperature in C$/, (m) => (m.cmps.t.unit_of_measurement = 'C')],
    [/temperature in undefined/, (m) => delete m.cmps.t.unit_of_measurement],
    [/temperature as total$/, (m) => (m.cmps.t.state_class = 'total')],
    [/energy as measurement$/, (m) => (m.cmps.e.state_class = 'measurement')],
    [/t: often$/, (m) => (m.cmps.t.state_class = 'often')],
    [/no device class heat/, (m) => (m.cmps.t.device_class = 'heat')],
    [/ALARM-hot: alarm/, (m) => (m.cmps['ALARM-hot'].device_class = 'alarm')],
    [/n: 9 to 0/, (m) => Object.assign(m.cmps.n, { min: 9, max: 0 })],
    [/by 0\.0001/, (m) => (m.cmps.n.step = 0.0001)],
    [/s: the option None/, (m) => (m.cmps.s.options = ['None'])],
    [/s: the option {2}a/, (m) => (m.cmps.s.options = [' a'])],
    [/unknown keys in t/, (m) => (m.cmps.t.availability = [{ topic: 'a', mode: 'all' }])],
  ];
  for (const [words, change] of wrong) {
    const message = JSON.parse(good) as Message;
    change(message);
    assert.throws(() => discovered(JSON.stringify(message)), words);
  }
  const number = entityOf(discovered(good), 'n');
  assert.equal(shown(number, '{"n":9}'), '9');
  assert.throws(() => shown(number, '{"n":9.5}'), /9\.5/);
});
