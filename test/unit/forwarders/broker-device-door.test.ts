import assert from 'node:assert/strict';
import test from 'node:test';
import type { DeviceMessage } from '../../../src/core/device-topics.ts';
import { DeviceDoor } from '../../../src/forwarders/broker/device-door.ts';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const broker = { kept: () => [], publish: () => false };

function bench() {
  const clock = new ManualClock();
  const door = new DeviceDoor(clock);
  const heard: string[] = [];
  const acknowledged: string[] = [];
  const refused: string[] = [];
  const listen = (who: string, ...filters: string[]) =>
    door.listen(filters, {
      message: ({ topic, payload, at }: DeviceMessage) => heard.push(`${who} ${topic} ${Buffer.from(payload)} at ${at}`),
      changed: () => {},
    });
  const publish = (topic: string, text: string) =>
    door.arrived(topic, Buffer.from(text), false, (stopped) => (stopped === undefined ? acknowledged : refused).push(text));
  door.opened(broker);
  return { clock, door, heard, acknowledged, refused, listen, publish };
}

test('messages of a listener that ended wait for its successor, unacknowledged and in order', async () => {
  const { clock, door, heard, acknowledged, listen, publish } = bench();
  const end = listen('old', 'plant/+');
  publish('plant/a', '1');
  end();
  await clock.advance(5);
  publish('plant/a', '2');
  publish('plant/b', '3');
  publish('other', '4');
  assert.deepEqual([heard, acknowledged], [['old plant/a 1 at 0'], ['1', '4']]);
  await clock.advance(2_000);
  listen('new', 'plant/a', 'plant/b');
  publish('plant/a', '5');
  assert.deepEqual(heard.slice(1), ['new plant/a 2 at 5', 'new plant/b 3 at 5', 'new plant/a 5 at 2005']);
  assert.deepEqual(acknowledged, ['1', '4', '2', '3', '5']);
  assert.equal(door.unheard, 0);
});

test('messages for which no successor comes go on after a time and are counted', async () => {
  const { clock, door, heard, acknowledged, listen, publish } = bench();
  listen('old', 'plant/#')();
  publish('plant/a', '1');
  await clock.advance(limits.EXCHANGE_WITHIN);
  assert.deepEqual([heard, acknowledged, door.unheard], [[], ['1'], 1]);
  publish('plant/a', '2');
  assert.deepEqual([acknowledged, door.unheard], [['1', '2'], 1]);
});

test('no more messages wait than the bounds allow, and the others go on and are counted', () => {
  const { door, heard, acknowledged, listen, publish } = bench();
  const end = listen('old', 'plant/#');
  end();
  for (let i = 0; i < limits.EXCHANGE_MESSAGES + 10; i++) publish('plant/a', `${i}`);
  assert.deepEqual([acknowledged.length, door.unheard], [10, 10]);
  const again = listen('new', 'plant/#');
  assert.equal(heard.length, limits.EXCHANGE_MESSAGES);
  again();
  const large = 'x'.repeat(256 * 1024);
  for (let i = 0; i < 6; i++) publish('plant/a', large);
  assert.equal(door.unheard, 12);
  listen('third', 'plant/#');
  assert.equal(heard.length, limits.EXCHANGE_MESSAGES + 4);
});

test('messages that wait while the broker stops are not acknowledged, nor are those behind them', () => {
  const { door, heard, acknowledged, refused, listen, publish } = bench();
  listen('old', 'plant/#')();
  publish('plant/a', '1');
  door.closed(broker);
  publish('plant/a', '2');
  publish('other', '3');
  assert.deepEqual([heard, acknowledged, refused], [[], ['3'], ['1', '2']]);
});
