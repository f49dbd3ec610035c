/** Golden messages and properties of the dialect `homeassistant`. `SLUICE_GOLDEN=write` writes the golden files anew. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { Value } from '../../../src/core/point.ts';
import type { LatestValue, NoticeMessage } from '../../../src/core/ports.ts';
import type { PointFacts } from '../../../src/core/site-facts.ts';
import { MAX_FORWARDER_STATE } from '../../../src/forwarders/forwarder-kind.ts';
import type { DialectContext, LiveSpeaker, OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { componentOf, type Platform } from '../../../src/forwarders/mqtt/dialects/homeassistant/component.ts';
import { homeassistantDialect } from '../../../src/forwarders/mqtt/dialects/homeassistant/dialect.ts';
import { KnownDevices } from '../../../src/forwarders/mqtt/dialects/homeassistant/known.ts';
import { places } from '../../../src/forwarders/mqtt/dialects/homeassistant/places.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { discovered } from '../../peers/home-assistant.ts';

const CASES = path.join(import.meta.dirname, '../../cases/homeassistant');

interface Written {
  readonly devices: Readonly<
    Record<
      string,
      {
        readonly profile?: string;
        readonly points: Readonly<Record<string, { type: string; unit?: string; writable?: boolean }>>;
      }
    >
  >;
  readonly facts?: Readonly<Record<string, PointFacts>>;
  readonly made?: { readonly vendor: string; readonly model: string };
  readonly rules?: readonly { readonly name: string; readonly device: string }[];
  readonly values?: Readonly<Record<string, number | string | boolean | null>>;
  readonly alarms?: readonly Readonly<Record<string, unknown>>[];
  /** Points that may be written. */
  readonly grant?: readonly string[];
}

class Site {
  readonly clock = new ManualClock();
  readonly commands: string[] = [];
  readonly events: string[] = [];
  memory: unknown;
  written: Written;
  readonly latest = new Map<string, LatestValue>();
  speaker: LiveSpeaker;

  constructor(written: Written, memory: unknown = undefined, gateway = 'g_1') {
    this.written = written;
    this.memory = memory;
    for (const [key, value] of Object.entries(written.values ?? {})) this.set(key, value);
    const context: DialectContext = {
      ...{ gateway, forwarder: 'home', clientId: 'home', options: undefined, compress: 'none', clock: this.clock, goneRules: [] },
      ...{ now: () => this.clock.wall(), clockKnown: () => true },
      memory: {
        load: () => structuredClone(this.memory),
        save: (state) => {
          assert.ok(JSON.stringify(state).length <= MAX_FORWARDER_STATE);
          this.memory = structuredClone(state);
        },
      },
      status: () => '{}',
      inventory: () => JSON.stringify({ v: 1, revision: 1, devices: this.written.devices }),
      hasRule: (rule) => (this.written.rules ?? []).some(({ name }) => name === rule),
      latest: { get: (device, point) => this.latest.get(`${device}.${point}`), all: () => this.latest.values() },
      site: {
        point: (device, point) => this.written.facts?.[`${device}.${point}`],
        made: () => this.written.made,
        rules: () => this.written.rules ?? [],
        alarms: () => (this.written.alarms ?? []).map(noticeOf),
      },
      mayWrite: (device, point) => this.written.grant?.includes(`${device}.${point}`) ?? false,
      event: (event) => void this.events.push(event),
      command: (payload) => void this.commands.push(Buffer.from(payload).toString()),
    };
    this.speaker = homeassistantDialect.create(context);
  }

  set(key: string, value: Value | null): void {
    const [device = '', point = ''] = key.split('.');
    const type = this.written.devices[device]?.points[point]?.type ?? 'float64';
    this.latest.set(key, { device, point, type, time: 1, value, reason: value === null ? 1 : 0 });
  }

  /** Everything is taken. */
  greet(): OutMessage[] {
    return [...this.speaker.greet()].map((message) => {
      message.taken?.();
      return message;
    });
  }
}

function noticeOf(alarm: Readonly<Record<string, unknown>>): NoticeMessage {
  return { kind: 'alarm', key: String(alarm.rule), seq: 1, json: JSON.stringify(alarm) };
}

/** One line for a message. The version of the gateway is none of the golden text. */
const line = ({ topic, payload, qos, retain }: OutMessage): string =>
  `${topic}\t${qos}${retain ? ' retained' : ''}\t${String(payload).replaceAll(/"sw_version":"[^"]+"/g, '"sw_version":"V"')}`;

for (const name of readdirSync(CASES).filter((file) => file.endsWith('.json')))
  test(`homeassistant: ${name}`, () => {
    const site = new Site(JSON.parse(readFileSync(path.join(CASES, name), 'utf8')) as Written);
    const devices = Object.keys(site.written.devices);
    const will = site.speaker.will() ?? assert.fail('no will');
    const messages = [will, ...site.greet(), ...devices.flatMap((device) => [...site.speaker.values(device, [])])];
    for (const { topic, payload } of messages) if (topic.endsWith('/config') && payload !== '') discovered(String(payload));
    const golden = path.join(CASES, name.replace('.json', '.txt'));
    const text = `${messages.map(line).join('\n')}\n`;
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(golden, text);
    assert.equal(text, readFileSync(golden, 'utf8'));
  });

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,6}$/);
const UNITS =
  'Cel [degF] K % V mV kV A W kW MW V.A kV.A V.A{reactive} W.h kW.h Hz Pa bar [psi] mm[Hg] m mm m/s L m3 m3/h L/min s min h d g kg lx W/m2 [ppm] ug/m3 dB[mW] uS/cm [pH] By bit/s 1 deg {x} /min'.split(
    ' ',
  );
const pointArb = fc.record(
  {
    type: fc.constantFrom('bool', 'int16', 'uint16', 'uint32', 'int64', 'uint64', 'float32', 'string', 'datetime', 'bcd16'),
    unit: fc.constantFrom(...UNITS),
    writable: fc.boolean(),
  },
  { requiredKeys: ['type'] },
);
/** Labels that Home Assistant cannot show as they are. */
const oddLabel = fc.constantFrom('none', 'None', 'NONE', ' a', 'a', 'a ', ' ', '  ', '(none)', ' none ', '\t');
const factsArb: fc.Arbitrary<PointFacts> = fc
  .record({
    counts: fc.boolean(),
    labels: fc.uniqueArray(fc.oneof({ weight: 9, arbitrary: fc.string({ minLength: 1, maxLength: 8 }) }, oddLabel), {
      maxLength: 120,
    }),
    min: fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined }),
    max: fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined }),
    step: fc.option(fc.constantFrom(1, 0.1, 1e-6, 0.5), { nil: undefined }),
    write: fc.boolean(),
  })
  .map(({ counts, labels, min, max, step, write }) => ({
    ...(counts ? { counts: true as const } : {}),
    ...(labels.length > 0 ? { labels } : {}),
    ...(write ? { write: { min, max, step, ...(labels.length > 0 ? { labels: labels.slice(1) } : {}) } } : {}),
  }));
const siteArb = fc
  .uniqueArray(
    fc.tuple(name, fc.uniqueArray(fc.tuple(name, pointArb, factsArb, fc.boolean()), { maxLength: 6, selector: ([n]) => n })),
    {
      maxLength: 4,
      selector: ([n]) => n,
    },
  )
  .map(
    (devices): Written => ({
      devices: Object.fromEntries(
        devices.map(([device, points]) => [device, { points: Object.fromEntries(points.map(([point, of]) => [point, of])) }]),
      ),
      facts: Object.fromEntries(
        devices.flatMap(([device, points]) => points.map(([point, , facts]) => [`${device}.${point}`, facts])),
      ),
      grant: devices.flatMap(([device, points]) =>
        points.flatMap(([point, , , granted]) => (granted ? [`${device}.${point}`] : [])),
      ),
      rules: devices.flatMap(([device], i) => (i % 2 === 0 ? [{ name: `rule-${device}`, device }] : [])),
    }),
  );

/** Plays discovery messages: ids of entities with their platform and device, as Home Assistant has them afterwards. */
function play(into: Map<string, Map<string, string>>, messages: readonly OutMessage[]): Map<string, Map<string, string>> {
  for (const { topic, payload } of messages) {
    if (!topic.endsWith('/config')) continue;
    if (payload === '') {
      into.delete(topic);
      continue;
    }
    const entities = into.get(topic) ?? new Map<string, string>();
    into.set(topic, entities);
    for (const [key, found] of discovered(String(payload)))
      if (found === 'removed') entities.delete(key);
      else entities.set(key, `${found.platform} ${found.config.unique_id}`);
    const ids = [...into.values()].flatMap((one) => [...one.values()]).map((one) => one.split(' ')[1]);
    assert.equal(new Set(ids).size, ids.length, 'an id is there once, at every moment');
  }
  return into;
}

test('homeassistant: every discovery message is one, and nothing is writable without a grant', () => {
  fc.assert(
    fc.property(siteArb, (written) => {
      const site = new Site(written);
      const writable = new Set(
        site
          .greet()
          .flatMap(({ topic, payload }) =>
            topic.endsWith('/config')
              ? [...discovered(String(payload)).values()].flatMap((found) =>
                  found !== 'removed' && found.config.command_topic !== undefined
                    ? [String(found.config.unique_id).slice('g_1.'.length)]
                    : [],
                )
              : [],
          ),
      );
      for (const point of writable) {
        assert.ok(written.grant?.includes(point), point);
        assert.ok(written.facts?.[point]?.write, point);
      }
    }),
    { numRuns: 150 },
  );
});

test('homeassistant: after any change of the site and over a restart nothing old is left', () => {
  fc.assert(
    fc.property(siteArb, fc.array(fc.tuple(siteArb, fc.boolean()), { minLength: 1, maxLength: 3 }), (first, changes) => {
      let site = new Site(first);
      const seen = play(new Map(), site.greet());
      for (const [written, restarts] of changes) {
        if (restarts) site = new Site(written, site.memory);
        else site.written = written;
        play(seen, site.greet());
        assert.deepEqual(plain(seen), plain(play(new Map(), new Site(written).greet())));
      }
    }),
    { numRuns: 100 },
  );
});

function plain(seen: Map<string, Map<string, string>>): Record<string, string[]> {
  return Object.fromEntries(
    [...seen].map(([topic, entities]): [string, string[]] => [topic, [...entities.values()].sort()]).sort(),
  );
}

test('homeassistant: what was told and not acknowledged is removed after a restart', () => {
  const room: Written = { devices: { room: { points: { t: { type: 'int16' }, u: { type: 'int16' } } } } };
  const site = new Site(room);
  // Everything leaves, and the connection breaks before any of it is acknowledged.
  const seen = play(new Map(), [...site.speaker.greet()]);
  const next = new Site({ devices: {} }, site.memory);
  const messages = [...next.speaker.greet()];
  const cleared = messages
    .filter(({ payload, retain }) => payload === '' && retain)
    .map(({ topic }) => topic.split('/').slice(-2).join('/'));
  assert.deepEqual(cleared, ['g__1_room/config', 'device/room', 'available/room']);
  assert.deepEqual([...play(seen, messages).keys()], ['homeassistant/device/g__1/config']);
  // Not acknowledged again: the next one removes it again, and then it is forgotten.
  const third = new Site({ devices: {} }, next.memory);
  assert.equal(third.greet().filter(({ payload }) => payload === '').length, 3);
  assert.equal(new Site({ devices: {} }, third.memory).greet().filter(({ payload }) => payload === '').length, 0);
});

test('homeassistant: a rule that is announced no more leaves no alarm behind', () => {
  const points = { t: { type: 'int16' } };
  const both: Written = {
    devices: { room: { points }, hall: { points } },
    rules: ['cold', 'hot'].map((name) => ({ name, device: name === 'hot' ? 'hall' : 'room' })),
  };
  const alarms = (site: Site): string[] =>
    site
      .greet()
      .filter(({ topic, payload }) => /\/alarm\//.test(topic) && payload === '')
      .map(({ topic }) => topic.split('/').at(-1) ?? '');
  const site = new Site(both);
  assert.deepEqual(alarms(site), []);
  // A filter leaves out a rule of one device, and the other device as a whole.
  const filtered = new Site({ devices: { room: { points } } }, site.memory);
  assert.deepEqual(alarms(filtered).sort(), ['cold', 'hot']);
  assert.deepEqual(alarms(new Site({ devices: { room: { points } } }, filtered.memory)), []);
  // One that moves to another device keeps its own.
  const moved = new Site({ ...both, rules: [{ name: 'cold', device: 'hall' }] }, site.memory);
  assert.deepEqual(alarms(moved), ['hot']);
});

test('homeassistant: a birth is answered, a retained one and a flood of them are not', async () => {
  const site = new Site({ devices: {} });
  const birth = (text = 'online', retained = false) =>
    site.speaker.received?.('homeassistant/status', Buffer.from(text), retained);
  assert.deepEqual([birth('offline'), birth('online', true), birth('\u00ff')], [undefined, undefined, undefined]);
  assert.equal(birth(), 'greet');
  assert.deepEqual(
    Array.from({ length: 1000 }, () => birth()).filter((answer) => answer !== undefined),
    [],
  );
  await site.clock.advance(10_000);
  assert.equal(birth(), 'greet');
});

test('homeassistant: commands become writes of their point, each with an id of its own', () => {
  const site = new Site({
    devices: {
      d: {
        points: {
          n: { type: 'float32', writable: true },
          big: { type: 'int64', writable: true },
          on: { type: 'bool', writable: true },
          mode: { type: 'string', writable: true },
        },
      },
    },
    facts: {
      'd.n': { write: { min: 0, max: 9 } },
      'd.big': { write: { min: 0, max: 9e18 } },
      'd.on': { write: {} },
      'd.mode': { labels: ['a', '1'], write: { labels: ['a', '1'] } },
    },
    grant: ['d.n', 'd.big', 'd.on', 'd.mode'],
  });
  site.speaker.will();
  site.greet();
  const ids = new Set<unknown>();
  const said = (point: string, payload: string | Uint8Array): unknown => {
    const before = site.commands.length;
    site.speaker.received?.(`homeassistant/sluice/g_1/set/${point}`, Buffer.from(payload), false);
    const text = site.commands[before];
    if (text === undefined || text === '') return text;
    const { id, ...rest } = JSON.parse(text) as Record<string, unknown>;
    assert.match(String(id), /^[A-Za-z0-9_.-]{1,64}$/);
    ids.add(id);
    return Object.values(rest);
  };
  const write = (target: string, value: unknown) => ['write', target, value];
  assert.deepEqual(said('d/n', '4.5'), write('d.n', 4.5));
  assert.deepEqual(said('d/n', '1e999'), write('d.n', '1e999'));
  assert.deepEqual(said('d/n', 'Infinity'), write('d.n', 'Infinity'));
  assert.deepEqual(said('d/big', '9007199254740993'), write('d.big', '9007199254740993'));
  assert.deepEqual(said('d/on', 'ON'), write('d.on', true));
  assert.deepEqual(said('d/on', 'true'), write('d.on', 'true'));
  assert.deepEqual(said('d/mode', '1'), write('d.mode', '1'));
  assert.deepEqual(said('nobody/x', '"'), write('nobody.x', '"'));
  assert.equal(said('d/n', Uint8Array.of(0xff)), '');
  assert.equal(said('d/n', 'x'.repeat(1025)), '');
  assert.equal(said('d', '1'), undefined);
  assert.equal(said('d/n/o', '1'), undefined);
  // A start later the same count is another command.
  const next = new Site(site.written, site.memory);
  next.speaker.will();
  next.speaker.received?.('homeassistant/sluice/g_1/set/d/n', Buffer.from('1'), false);
  ids.add((JSON.parse(next.commands[0] ?? '') as { id: unknown }).id);
  assert.equal(ids.size, 9);
});

test('homeassistant: a device is available while one point has a value; a bad one is unknown', () => {
  const site = new Site({ devices: { d: { points: { a: { type: 'int16' }, b: { type: 'bool' } } } }, values: { 'd.a': 1 } });
  site.greet();
  const say = () => [...site.speaker.values('d', [])].map(({ topic, payload }) => `${topic.split('/').at(-2)} ${payload}`);
  assert.deepEqual(say(), ['device {"a":1,"b":null}']);
  site.set('d.a', null);
  assert.deepEqual(say(), ['available offline', 'device {"a":null,"b":null}']);
  site.set('d.b', true);
  assert.deepEqual(say(), ['available online', 'device {"a":null,"b":"ON"}']);
  site.set('d.a', Number.NaN);
  assert.deepEqual(say(), ['device {"a":null,"b":"ON"}']);
});

test('homeassistant: a site beyond all bounds is told as far as it fits, and an event says so', () => {
  const points = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`p${i}`, { type: 'int16' }]));
  const small = { points: { t: { type: 'int16' } } };
  const many = Array.from({ length: 1200 }, (_, i): [string, typeof small] => [`device-with-a-longer-name-${i}`, small]);
  const site = new Site({ devices: { large: { points }, ...Object.fromEntries(many) } });
  const messages = site.greet();
  assert.equal(messages.filter(({ topic }) => topic.endsWith('/config')).length, 1001);
  assert.ok(messages.every(({ payload }) => String(payload).length < 200_000));
  assert.deepEqual(site.events, ['overload']);
  site.greet();
  assert.equal(site.events.length, 1, 'once');
});

test('homeassistant: what is remembered is bounded, and garbage in it is left out', () => {
  const platforms = new Map<string, Platform>(Array.from({ length: 500 }, (_, i) => [`point-${i}`, 'sensor']));
  const told = new KnownDevices(undefined);
  for (let i = 0; i < 3000; i++) told.add(`device-${i}`, platforms);
  const state = told.state();
  assert.ok(JSON.stringify(state).length <= 60_100);
  assert.ok(Object.keys(new KnownDevices(state).state().devices).length > 2000);
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (devices, one) => {
      for (const kept of [devices, { devices }, { devices: { d: one } }, { devices: { d: { sensor: one } } }]) {
        const read = new KnownDevices(kept);
        assert.deepEqual(new KnownDevices(read.state()).state(), read.state());
      }
    }),
  );
});

test('homeassistant: no two gateways, devices or points share a topic or an id', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, name, name), { maxLength: 8 }), (named) => {
      const one = (
        make: (at: ReturnType<typeof places>, device: string, point: string) => string,
        letters: (n: string[]) => string,
      ) => {
        const of = new Map<string, string>();
        for (const [gateway, device, point] of named) {
          const key = make(places(gateway), device, point);
          const was = of.get(key) ?? letters([gateway, device, point]);
          assert.equal(was, letters([gateway, device, point]));
          of.set(key, was);
        }
      };
      one(
        (at, device) => at.config(device),
        ([gateway, device]) => `${gateway}/${device}`,
      );
      one(
        (at, device, point) => at.pointId(device, point),
        (all) => all.join('/'),
      );
    }),
  );
  const [a, b] = [places('a_b').config('c'), places('a').config('b_c')];
  assert.notEqual(a, b);
  assert.notEqual(places('a__b').config('c'), places('a').config('b_c'));
});

test('homeassistant: states are what their entity can be', () => {
  const show = (type: string, facts: PointFacts, value: Value | null) =>
    componentOf({ type }, facts).show({ device: 'd', point: 'p', type, time: 1, value, reason: 0 });
  assert.equal(show('string', { labels: ['on'] }, '7'), null);
  assert.equal(show('string', {}, 'é'.repeat(300)), 'é'.repeat(255));
  assert.equal(String(show('string', {}, '😀'.repeat(300))).length, 255);
  assert.equal(show('uint64', {}, 18446744073709551615n), '18446744073709551615');
  assert.equal(show('bool', {}, 1), null);
});
