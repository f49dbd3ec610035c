/** Parts of the dialect `sparkplug-b`: metrics under their births, what is owed again, and the state of a primary host. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LEAST_ALIAS, sparkplugBatch } from '../../../src/codecs/format-sparkplug-b.ts';
import { ProtoWriter, protoFields } from '../../../src/codecs/protobuf.ts';
import { type DataType, dataTypeOf } from '../../../src/codecs/sparkplug.ts';
import { heardOf, heardValue } from '../../../src/codecs/sparkplug-heard.ts';
import type { NoticeMessage } from '../../../src/core/ports.ts';
import { adopt, type Place } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/adopt.ts';
import { NodeMetrics } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/alarms.ts';
import { LateNotices } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/late-notices.ts';
import { Metrics, type Slot } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/metrics.ts';
import { PrimaryHost } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/primary-host.ts';
import { Rolling } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/rolling.ts';
import { Silence } from '../../../src/forwarders/mqtt/dialects/sparkplug-b/silence.ts';
import { batches } from '../../oracles/random-batch.ts';

/** Alias, time, whether it is historical, and the value of each metric of a payload, by the types of its aliases. */
function opened(payload: Uint8Array, types: ReadonlyMap<number, DataType>) {
  return [...protoFields(payload, 100_000)].map((field) => {
    assert.ok(field.wire === 2);
    const heard = heardOf(field.bytes);
    const fields = [...protoFields(field.bytes, 100)];
    const bits = (of: number) => fields.flatMap((f) => (f.field === of && f.wire === 0 ? [Number(f.bits)] : []))[0];
    const alias = Number(heard.alias);
    const type = types.get(alias);
    return {
      alias,
      time: bits(3),
      historical: bits(5) === 1,
      heard,
      value: type === undefined ? undefined : heardValue(heard, type),
    };
  });
}

test('metrics take the aliases and types of their births, and what is older is historical', () => {
  fc.assert(
    fc.property(
      batches,
      fc.boolean(),
      fc.constantFrom('data' as const, 'history' as const),
      fc.nat(300_000),
      (random, plain, lane, older) => {
        const batch = { ...random, lane };
        const last = batch.records.at(-1);
        assert.ok(last !== undefined);
        const since = last.sample.at + batch.offset - older;
        for (const { to, payload } of sparkplugBatch(batch)) {
          const [, device = '', ...names] = to.split(' ');
          const types = new Map<number, DataType>();
          const places = names.map((name, i): Place => {
            const [point = ''] = name.split(':');
            const info = batch.records
              .filter(({ sample }) => sample.shape.device === device)
              .flatMap(({ sample }) => sample.shape.points)
              .find((p) => p.name === point);
            assert.ok(info !== undefined);
            const slot: Slot = { device, point, alias: LEAST_ALIAS + 1000 + i, type: dataTypeOf(info.type, plain) };
            types.set(slot.alias, slot.type);
            return { slot, written: Number(name.split(':')[1]) as DataType };
          });
          const misfits: string[] = [];
          const out = new ProtoWriter(8);
          const { newest } = adopt(out, payload as Uint8Array, places, since, (slot) => misfits.push(slot.point));
          const before = opened(payload as Uint8Array, new Map(places.map(({ written }, i) => [LEAST_ALIAS + i, written])));
          const after = opened(out.take(), types);
          assert.equal(after.length + misfits.length, before.length);
          // Those that stay are in their order.
          let at = 0;
          let reached = since;
          for (const was of before) {
            const place = places[was.alias - LEAST_ALIAS];
            const is = after[at];
            const [own] = [was.heard.value].flatMap((v) =>
              v === undefined || place === undefined
                ? []
                : 'number' in v
                  ? [v.number]
                  : 'text' in v
                    ? [v.text]
                    : [heardValue(was.heard, place.written)],
            );
            // A Double is written with the fewest digits that name it: an integer of 64 bits has others.
            const says = (value: unknown): boolean =>
              own === undefined || (typeof value === 'number' ? Object.is(value, Number(own)) : String(value) === String(own));
            // A point may have two values of one time, of which the first does not fit.
            if (is === undefined || is.alias !== place?.slot?.alias || is.time !== was.time || !says(is.value)) {
              assert.ok(misfits.includes(place?.slot?.point ?? ''), `${String(own)} became ${String(is?.value)}`);
              continue;
            }
            at++;
            const late = lane === 'history' || (was.time ?? 0) < reached;
            assert.equal(is.historical, late);
            if (!late) reached = was.time ?? 0;
            assert.equal(is.heard.isNull, was.heard.isNull);
          }
          assert.equal(at, after.length, 'each value has its place');
          assert.equal(newest, reached);
        }
      },
    ),
  );
});

test('points without a place are left out and counted', () => {
  const shape = { device: 'd', points: [{ name: 'n', type: 'int16', storage: 'number' }] } as const;
  const head = { gateway: 'g', log: 'l', boot: 'b', inventory: 1, sent: 0, offset: 0, estimated: false, lane: 'data' } as const;
  const [message] = sparkplugBatch({ ...head, records: [{ seq: 1, sample: { shape, at: 5, values: [7], reasons: null } }] });
  const out = new ProtoWriter();
  const left = adopt(out, message?.payload as Uint8Array, [{ slot: undefined, written: 2 }], 0, () => assert.fail());
  assert.deepEqual([left, out.length], [{ newest: 0, leftOut: 1 }, 0]);
});

const site = { point: () => ({ plain: true as const }), made: () => undefined, rules: () => [], alarms: () => [] };
const inventoryOf = (points: Readonly<Record<string, string>>) =>
  JSON.stringify({
    devices: { d: { points: Object.fromEntries(Object.entries(points).map(([name, type]) => [name, { type }])) } },
  });

test('an alias stays with its name, and no two names share one', () => {
  const metrics = new Metrics(site);
  metrics.refresh(inventoryOf({ a: 'int16', b: 'int16' }));
  const [a, b] = [metrics.slot('d', 'a')?.alias, metrics.slot('d', 'b')?.alias];
  metrics.refresh(inventoryOf({ b: 'int16', c: 'int16' }));
  assert.equal(metrics.slot('d', 'b')?.alias, b);
  metrics.refresh(inventoryOf({ a: 'bool', c: 'int16' }));
  assert.equal(metrics.slot('d', 'a')?.alias, a);
  assert.equal(new Set([a, b, metrics.slot('d', 'c')?.alias, metrics.aliasOf('/d/a')]).size, 4);
  assert.equal(metrics.withAlias(BigInt(a ?? 0))?.type, 11);
  assert.equal(metrics.withAlias(2n ** 64n - 1n), undefined);
});

test('points of kept records alone are bounded, and one may be configured again', () => {
  const metrics = new Metrics(site);
  metrics.refresh(inventoryOf({ a: 'int16' }));
  assert.ok(metrics.remember('d', { point: 'old', type: 12 }));
  metrics.refresh(inventoryOf({ a: 'int16' }));
  assert.equal(metrics.slot('d', 'old')?.type, 12);
  metrics.refresh(inventoryOf({ a: 'int16', old: 'bool' }));
  assert.equal(metrics.slot('d', 'old')?.type, 11);
  let taken = 0;
  while (metrics.remember('gone', { point: `p${taken}`, type: 1 })) taken++;
  assert.equal(taken, 10_000);
});

test('what was sent in the last moments is owed again, remembered in a few stretches', () => {
  const rolling = new Rolling(45_000);
  for (let i = 1; i <= 100_000; i++) rolling.add({ log: 1, lane: 'data', first: i, last: i }, i * 10);
  rolling.add({ log: 1, lane: 'history', first: 5, last: 9 }, 1_000_000);
  rolling.add({ log: 2, lane: 'data', first: 1, last: 3 }, 1_000_000);

  const spans = rolling.take(1_000_000 - 45_000);
  const [data, ...others] = spans.map(({ log, lane, first, last }) => [log, lane, first, last]);
  assert.deepEqual(others, [
    [1, 'history', 5, 9],
    [2, 'data', 1, 3],
  ]);
  // 4,500 readings are 45 s; some seconds more are put together with them.
  assert.ok(data?.[3] === 100_000 && Number(data[2]) <= 95_500 && Number(data[2]) > 90_000, String(data));
  assert.deepEqual(rolling.take(0), []);
  rolling.add({ log: 1, lane: 'history', first: 1, last: 2 }, 0);
  assert.deepEqual(rolling.take(0, 'data'), []);
});

test('a notice comes again behind births three times at most', () => {
  const late = new LateNotices(1000);
  const notice = { log: 1, seq: 1, kind: 'alarm', key: 'k', json: '{}' } as const;
  late.add(notice, 0);
  late.add({ ...notice, seq: 2 }, 2000);
  const times: number[] = [];
  for (let now = 2000; now < 2500; now += 100) {
    late.lost(now - 1000);
    times.push(late.take(now).length);
  }
  assert.deepEqual(times, [1, 1, 0, 0, 0]);
  for (let seq = 0; seq < 1000; seq++) late.add({ ...notice, seq }, 2500);
  late.lost(2500);
  assert.equal(late.take(2500).length, 200);
  late.lost(2501);
  assert.deepEqual(late.take(2501), [], 'the broker answered so long after them that it had them');
});

test('a device is silent after two batches without a word of it', () => {
  const silence = new Silence();
  silence.heard('d', false);
  assert.equal(silence.isDown('d'), false);
  silence.heard('d', false);
  assert.equal(silence.isDown('d'), true);
  silence.heard('d', true);
  assert.equal(silence.isDown('d'), false);
});

test('the state of a primary host counts when it is newer, and nothing else does', () => {
  const host = new PrimaryHost();
  const say = (state: unknown) => host.take(Buffer.from(typeof state === 'string' ? state : JSON.stringify(state)));
  assert.equal(say({ online: true, timestamp: 10 }), 'online');
  assert.equal(say({ online: false, timestamp: 9 }), undefined);
  assert.equal(host.online, true);
  assert.equal(say({ online: false, timestamp: 10 }), 'offline');
  assert.equal(host.online, false);
  for (const junk of [
    '',
    'ONLINE',
    '[]',
    'null',
    '{"online":true}',
    '{"online":1,"timestamp":20}',
    `{"online":true,"timestamp":1e400}`,
    'x'.repeat(2000),
  ])
    assert.equal(say(junk), undefined, junk.slice(0, 20));
  host.forget();
  assert.equal(say({ online: true, timestamp: 1 }), 'online');
});

test('births name every part of an alarm, and a notice has each of them, its cause too', () => {
  const json = JSON.stringify({
    state: 'active-unacknowledged',
    severity: 'critical',
    message: 'Hot.',
    occurrence: 2,
    value: 9,
    cause: 'delay',
  });
  const node = new NodeMetrics(new Metrics(site), false);
  node.refresh([{ name: 'hot' }]);
  const born = [...node.births([], 0)].filter(({ name }) => name?.startsWith('Alarm/hot/') === true);
  assert.deepEqual(
    born.map(({ name }) => name?.slice('Alarm/hot/'.length)),
    ['State', 'Severity', 'Message', 'Occurrence', 'Value', 'Cause'],
  );
  assert.ok(born.every(({ value }) => value === undefined));
  const told = node.notice('alarm', 'hot', json, 0, false);
  assert.deepEqual(
    told.map(({ alias }) => alias),
    born.map(({ alias }) => alias),
  );
  const cause = Buffer.from(told.at(-1)?.value ?? []);
  assert.match(cause.toString('latin1'), /delay$/);
  // What an earlier version logged has no cause.
  assert.equal(node.notice('alarm', 'hot', '{}', 0, false).at(-1)?.value, undefined);
});

test('a rule of a group says whether it was the first, and another one has no such metric', () => {
  const node = new NodeMetrics(new Metrics(site), false);
  node.refresh([{ name: 'hot', group: 'boiler' }, { name: 'cold' }]);
  const born = [...node.births([], 0)];
  const named = born.filter(({ name }) => name?.endsWith('/FirstOut') === true);
  assert.deepEqual(
    named.map(({ name, value }) => [name, value]),
    [['Alarm/hot/FirstOut', undefined]],
  );
  const said = (json: object) =>
    node.notice('alarm', 'hot', JSON.stringify(json), 0, false).find(({ alias }) => alias === named[0]?.alias)?.value;
  const [first, second] = [said({ state: 'active-unacknowledged', firstOut: true }), said({ state: 'normal' })];
  assert.ok(first !== undefined && second !== undefined);
  assert.notDeepEqual(first, second);
  const alarm = { kind: 'alarm', key: 'hot', json: '{"state":"normal","firstOut":true}' } as NoticeMessage;
  const later = [...node.births([alarm], 0)].find(({ name }) => name === 'Alarm/hot/FirstOut');
  assert.deepEqual(later?.value, first);
});

test('a transition that was kept is historical where births say a later one, and by its number', () => {
  const alarm = (seq: number, log = 'l', time = 10 - seq) => ({
    ...{ kind: 'alarm' as const, key: 'hot', seq },
    json: JSON.stringify({ log, seq, state: 'normal', time }),
  });
  const node = new NodeMetrics(new Metrics(site), false);
  node.refresh([{ name: 'hot' }]);
  const historical = ({ json }: NoticeMessage) => node.notice('alarm', 'hot', json, 0, false).map((metric) => metric.historical);
  const all = (is: boolean) => Array.from({ length: 6 }, () => is);
  [...node.births([alarm(3)], 0)];
  for (const seq of [1, 2]) assert.deepEqual(historical(alarm(seq)), all(true), `number ${seq}`);
  // The clock was set back meanwhile.
  for (const seq of [3, 4]) assert.deepEqual(historical(alarm(seq)), all(false), `number ${seq}`);
  assert.deepEqual(historical(alarm(3)), all(true), 'it comes again');
  assert.deepEqual(historical(alarm(1, 'newer')), all(false), 'numbers of another log say nothing');
  [...node.births([], 0)];
  assert.deepEqual(historical(alarm(1)), all(false), 'births say nothing of it');
  const event = node.notice('event', 'start', JSON.stringify({ log: 'l', seq: 1 }), 0, false);
  assert.deepEqual(
    event.map((metric) => metric.historical),
    [false],
  );
});
