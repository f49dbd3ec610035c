/** What waits of all MQTT devices together has one bound, and it costs the device that sends most. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as limits from '../../../src/drivers/mqtt/limits.ts';
import { WaitingBytes } from '../../../src/drivers/mqtt/waiting-bytes.ts';
import { mqttBench } from '../../fakes/mqtt-bench.ts';

const MAD = Array.from(
  { length: 4 },
  (_, i) => `\n  mad${i}: {bus: radio, topic: mad${i}/+, decode: {type: text}, points: {value: {}}}`,
).join('');
const CALM = '\n  calm: {bus: radio, topic: calm/+, decode: {type: text}, points: {value: {}}}';
const LARGE = `1${' '.repeat(limits.MAX_PAYLOAD - 1)}`;

test('devices that flood with large messages hold 1 MB at most, and a calm one loses nothing', async () => {
  const { clock, topics, bus, device, told } = mqttBench(MAD + CALM);
  // Every device uses up what it may send at once, and all of them what all may.
  for (const name of ['mad0', 'mad1', 'mad2', 'mad3', 'calm'])
    for (let i = 0; i < limits.MESSAGES_AT_ONCE; i++) topics.say(`${name}/0`, '1');
  topics.say('calm/0', '2');
  assert.equal(bus.status().waiting?.bytes, 'calm/0'.length + 1);
  for (let i = 0; i < limits.WAITING_TOPICS; i++)
    for (const name of ['mad0', 'mad1', 'mad2', 'mad3']) {
      topics.say(`${name}/${i}`, LARGE);
      const { bytes = 0, limit } = bus.status().waiting ?? {};
      assert.ok(bytes <= limits.WAITING_BYTES && limit === limits.WAITING_BYTES, `${bytes}`);
    }
  const { bytes = 0 } = bus.status().waiting ?? {};
  assert.ok(bytes > limits.WAITING_BYTES - limits.MAX_PAYLOAD - 100, `the space is used: ${bytes}`);
  const left = ['mad0', 'mad1', 'mad2', 'mad3'].map((name) => device(name).counters.leftOut ?? 0);
  const held = Math.floor(limits.WAITING_BYTES / (limits.MAX_PAYLOAD + 'mad0/00'.length));
  assert.equal(
    left.reduce((a, b) => a + b, 0),
    4 * limits.WAITING_TOPICS - held,
  );
  assert.ok(Math.max(...left) - Math.min(...left) <= 2, `none gives more way than another: ${left}`);
  assert.equal(device('calm').counters.leftOut, 0);
  told();
  await clock.advance(60_000);
  assert.equal(bus.status().waiting?.bytes, 0);
  assert.ok(told().includes('calm value=2'));
});

test('what waits when the bus stops is read then, since its device has the acknowledgement', async () => {
  const { topics, bus, told } = mqttBench(CALM);
  for (let i = 0; i < limits.MESSAGES_AT_ONCE; i++) topics.say('calm/0', '1');
  topics.say('calm/1', '2');
  topics.say('calm/2', '3');
  told();
  await bus.stop();
  assert.deepEqual(told(), ['calm value=2', 'calm value=3']);
  assert.equal(bus.status().waiting?.bytes, 0);
});

test('the holder of most gives way, and one that holds nothing is not asked', () => {
  const waiting = new WaitingBytes(100);
  const asked: string[] = [];
  const holder = (name: string, gives: number) => ({
    giveWay(): void {
      asked.push(name);
      waiting.release(this, gives);
    },
  });
  const [large, small, gone] = [holder('large', 30), holder('small', 5), holder('gone', 0)];
  waiting.hold(gone, 10);
  waiting.release(gone, 10);
  waiting.hold(large, 60);
  waiting.hold(small, 50);
  assert.deepEqual([asked, waiting.bytes], [['large'], 80]);
  waiting.hold(small, 45);
  assert.deepEqual(asked, ['large', 'small', 'small', 'small', 'small', 'small']);
  assert.equal(waiting.bytes, 100);
});
