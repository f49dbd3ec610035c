/** Rights of credentials on topics: each role, devices with filters of their own, and filters that cover others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { MqttCredential } from '../../../src/core/access-ports.ts';
import { matches } from '../../../src/core/topic-filter.ts';
import { covers, mayRead, publishRight } from '../../../src/forwarders/broker/topic-rules.ts';

type Role = MqttCredential['principal']['role'];
const ROOT = 'sluice/g1';
const of = (role: Role, publish: string[] = [], subscribe: string[] = []): MqttCredential => ({
  ...{ principal: { who: 'x', door: 'mqtt', role }, owner: `user:x` },
  ...{ publish, subscribe },
});
const plug = of('device', ['tele/plug-1/#', 'stat/plug-1/+'], ['cmnd/plug-1/#']);

test('nobody publishes under sluice/ or $, whatever the role and the filters', () => {
  const everything = ['#', 'sluice/#', '$SYS/#'];
  for (const role of ['device', 'viewer', 'flow-editor', 'operator', 'administrator'] as const)
    for (const topic of [
      'sluice',
      'sluice/g1/data',
      'sluice/g1/status',
      'sluice/other/command',
      'sluice/g1/command/x',
      '$SYS/x',
      '$share/a',
    ])
      assert.equal(publishRight(of(role, everything), topic, ROOT), 'none', `${role} ${topic}`);
});

test('a command goes to the command port, whose grants decide', () => {
  assert.equal(publishRight(of('viewer'), 'sluice/g1/command', ROOT), 'command');
  assert.equal(publishRight(plug, 'sluice/g1/command', ROOT), 'command');
});

test('a client without an account sends no command', () => {
  assert.equal(publishRight({ ...of('viewer'), owner: 'anonymous' }, 'sluice/g1/command', ROOT), 'none');
});

test('a device publishes and reads what its filters name', () => {
  const may = (topic: string) => publishRight(plug, topic, ROOT);
  assert.deepEqual([may('tele/plug-1/STATE'), may('tele/plug-1'), may('stat/plug-1/POWER')], ['message', 'message', 'message']);
  assert.deepEqual([may('tele/plug-2/STATE'), may('stat/plug-1/a/b'), may('cmnd/plug-1/POWER')], ['none', 'none', 'none']);
  assert.deepEqual(
    ['cmnd/plug-1/POWER', 'cmnd/plug-1/+', 'cmnd/plug-1/#'].map((f) => mayRead(plug, f)),
    [true, true, true],
  );
  assert.deepEqual(
    ['#', '+/plug-1/#', 'cmnd/+/POWER', 'sluice/g1/data', '$SYS/#'].map((f) => mayRead(plug, f)),
    [false, false, false, false, false],
  );
});

test('people read everything but $ topics, and publish from the role flow-editor on', () => {
  const rights = (role: Role) => [
    publishRight(of(role), 'zigbee2mqtt/lamp/set', ROOT),
    mayRead(of(role), '#'),
    mayRead(of(role), '$SYS/#'),
  ];
  assert.deepEqual(rights('viewer'), ['none', true, false]);
  assert.deepEqual(rights('flow-editor'), ['message', true, false]);
  assert.deepEqual(rights('operator'), ['message', true, false]);
  assert.deepEqual(rights('administrator'), ['message', true, true]);
});

test('property: a filter that covers another one matches every topic of it', () => {
  const level = fc.constantFrom('a', 'b', '', '$x');
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])].join('/'));
  let covered = 0;
  fc.assert(
    fc.property(filter, filter, fc.array(topic, { minLength: 20, maxLength: 40 }), (wide, narrow, topics) => {
      if (!covers(wide, narrow)) return;
      covered++;
      for (const one of topics)
        assert.ok(!matches(narrow, one) || matches(wide, one), `${wide} covers ${narrow}, but not ${one}`);
    }),
    { numRuns: 3000 },
  );
  assert.ok(covered > 50);
});

test('property: every filter covers itself, and # covers all that begin without $', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '+', 'b'), { minLength: 1, maxLength: 4 }), fc.boolean(), (levels, rest) => {
      const filter = [...levels, ...(rest ? ['#'] : [])].join('/');
      assert.ok(covers(filter, filter));
      assert.ok(covers('#', filter));
    }),
  );
});

/** The words of the standard, level by level. */
function matchesByLevels(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const [wanted, levels] = [filter.split('/'), topic.split('/')];
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

test('a filter is compared with a topic as the standard says, whatever is in them', () => {
  const level = fc.constantFrom('', '+', '#', 'a', 'ab', 'a+', '#a', '++', '$SYS', 'ß');
  const text = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
  fc.assert(
    fc.property(text, text, (filter, topic) => {
      assert.equal(matches(filter, topic), matchesByLevels(filter, topic), `${filter} and ${topic}`);
    }),
    { numRuns: 5_000 },
  );
});
