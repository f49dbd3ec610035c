/** The newest transition of each rule, over starts and reloads. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { NoticeMessage } from '../../../src/core/ports.ts';
import { NewestAlarms } from '../../../src/pipeline/newest-alarms.ts';

const notice = (key: string, state: string, kind: NoticeMessage['kind'] = 'alarm') =>
  ({ kind, key, json: JSON.stringify({ rule: key, state }) }) as NoticeMessage;
const states = (alarms: NewestAlarms) => Array.from(alarms.all(), ({ json }) => json);

test('one transition of each rule is kept: that of an earlier start until a newer one comes', () => {
  const alarms = new NewestAlarms();
  alarms.begin([notice('a', 'active'), notice('b', 'active')]);
  alarms.notice(notice('a', 'normal'));
  alarms.notice(notice('start', 'ignored', 'event'));
  for (let n = 0; n < 1000; n++) alarms.notice(notice('b', `${n}`));
  assert.deepEqual(states(alarms), ['{"rule":"a","state":"normal"}', '{"rule":"b","state":"999"}']);
});

test('a rule that a reload removes has none, and begins anew where it comes back', () => {
  const alarms = new NewestAlarms();
  alarms.begin([notice('a', 'active'), notice('b', 'active')]);
  alarms.rules(new Set(['b', 'c']));
  assert.deepEqual(states(alarms), ['{"rule":"b","state":"active"}']);
  alarms.rules(new Set(['a', 'b', 'c']));
  alarms.notice(notice('a', 'normal'));
  assert.equal(states(alarms).length, 2);
});
