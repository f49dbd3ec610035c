/** Bundles into a broker: what is left out as played, where the rest goes, what each message says of its range, and what is retained. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { BrokerPlay } from '../../../src/cli/bundle/broker-target.ts';
import { Played } from '../../../src/cli/bundle/played.ts';
import type { Statement } from '../../../src/codecs/bundle/statement.ts';
import type { Batch } from '../../../src/codecs/format.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import type { Shape } from '../../../src/core/point.ts';
import type { OutMessage } from '../../../src/forwarders/mqtt/dialect.ts';
import { scratch } from '../../harness/scratch.ts';

const STATEMENT: Statement = {
  ...{ v: 1, bundle: 'abcdef01'.repeat(4), gateway: 'g1', platform: '0'.repeat(32), forwarder: 'carrier', made: 1, sha256: '' },
  ...{ records: 1, readings: 1, notices: 0, ranges: [{ log: 'k3', lane: 'history', first: 1, last: 100 }] },
};

function shapeOf(device: string, points: readonly string[]): Shape {
  return { device, points: points.map((name) => ({ name, type: 'uint16', storage: 'number' })) };
}
/** Each batch has shapes of its own, as after decoding. */
function batch(seqs: readonly number[], of: readonly string[], more: Partial<Batch> = {}): Batch {
  const shapes = new Map<string, Shape>();
  const records = seqs.map((seq) => {
    const device = seq % 2 === 0 ? 'even' : 'odd';
    const shape = shapes.get(device) ?? shapeOf(device, of);
    shapes.set(device, shape);
    return { seq, sample: { shape, at: seq, values: of.map(() => seq), reasons: null } };
  });
  return {
    ...{ lane: 'history', gateway: 'g1', log: 'k3', boot: 'b1', inventory: 1, sent: 1, offset: 0, estimated: false },
    ...{ records, ...more },
  };
}

interface Message {
  readonly topic: string;
  readonly retain: boolean;
  readonly body: { readonly first: number; readonly last: number; readonly filtered?: true; readonly records: { seq: number }[] };
}
function importer(t: TestContext): (statement: Statement, play: (play: BrokerPlay) => Promise<void>) => Promise<Outcome> {
  const folder = scratch(t, 'played');
  return async (statement, play) => {
    const messages: Message[] = [];
    const publish = async ({ topic, retain, payload }: OutMessage) => {
      messages.push({ topic, retain, body: JSON.parse(String(payload)) as Message['body'] });
    };
    const one = new BrokerPlay({ publish }, statement, new Played(folder, 'broker-g1.json'));
    await play(one);
    return { messages, added: one.commit() };
  };
}
interface Outcome {
  readonly messages: readonly Message[];
  readonly added: { readonly records: number; readonly notices: number };
}
const numbers = (messages: readonly Message[]) =>
  messages.map(({ topic, body }) => [topic.slice('sluice/g1/'.length), ...body.records.map(({ seq }) => seq)]);

test('a bundle of a wider filter or another forwarder is not taken for one that was played', async (t) => {
  const run = importer(t);
  const narrow = batch([1, 3, 5], ['a'], { filtered: true, range: { first: 1, last: 6 } });
  const first = await run(STATEMENT, (play) => play.batch(narrow, 'history'));
  assert.deepEqual(numbers(first.messages), [['history', 1, 3, 5]]);
  // The same once more is played; a wider filter has more records, and more points of the same ones.
  assert.deepEqual((await run(STATEMENT, (play) => play.batch(narrow, 'history'))).messages, []);
  const longer = batch([1, 3, 5, 7], ['a'], { filtered: true });
  assert.deepEqual(numbers((await run(STATEMENT, (play) => play.batch(longer, 'history'))).messages), [['history', 7]]);
  const wide = batch([1, 2, 3, 4, 5, 6, 7, 8], ['a', 'b']);
  const other = { ...STATEMENT, forwarder: 'cloud' };
  const second = await run(other, (play) => play.batch(wide, 'history'));
  assert.deepEqual(numbers(second.messages), [
    ['resend/bundle-abcdef01', 1, 2, 3, 4, 5, 6, 7],
    ['history', 8],
  ]);
  assert.equal(second.added.records, 8);
  assert.deepEqual((await run(other, (play) => play.batch(wide, 'history'))).messages, []);
  // Records that the narrow filter left out, with the same points as those that it took.
  const rest = await run(STATEMENT, (play) => play.batch(batch([2, 4], ['a'], { filtered: true }), 'history'));
  assert.deepEqual(numbers(rest.messages), [['resend/bundle-abcdef01', 2, 4]]);
});

test('alarms that another filter left out are played, each once', async (t) => {
  const run = importer(t);
  const alarm = (seq: number) => ({ kind: 'alarm', log: 'k3', seq, name: 'hot', time: 1, json: '{"records":[]}' }) as const;
  const some = async (play: BrokerPlay) => play.notice(alarm(9));
  const all = async (play: BrokerPlay) => {
    for (const seq of [4, 9, 11]) await play.notice(alarm(seq));
  };
  const ranges = [{ log: 'k3', lane: 'alarm', first: 1, last: 20 }] as const;
  assert.equal((await run({ ...STATEMENT, ranges }, some)).added.notices, 1);
  assert.equal((await run({ ...STATEMENT, ranges, forwarder: 'cloud' }, all)).added.notices, 2);
  assert.equal((await run({ ...STATEMENT, ranges }, all)).added.notices, 0);
});

test('an import retains nothing, so it replaces nothing newer', async (t) => {
  const { messages } = await importer(t)({ ...STATEMENT, made: 9_999_999_999_999 }, async (play) => {
    await play.inventory('{"revision":1}');
    await play.notice({ kind: 'alarm', log: 'k3', seq: 1, name: 'hot', time: 1, json: '{}' });
    await play.notice({ kind: 'event', log: 'k3', seq: 2, name: 'loss', time: 1, json: '{}' });
  });
  assert.deepEqual(
    messages.map(({ topic, retain }) => [topic, retain]),
    [
      ['sluice/g1/inventory', false],
      ['sluice/g1/alarm/hot', false],
      ['sluice/g1/event', false],
    ],
  );
});

test('parts of a batch share its range, and say that there is a filter', async (t) => {
  const run = importer(t);
  await run(STATEMENT, (play) => play.batch(batch([1, 3], ['z']), 'history'));
  // Seven hundred readings of a record: each is a message.
  const points = Array.from({ length: 700 }, (_, i) => `p${i}`);
  const whole = batch([2, 5, 9], points, { filtered: true, range: { first: 1, last: 12 } });
  const { messages } = await run(STATEMENT, (play) => play.batch(whole, 'history'));
  assert.deepEqual(
    messages.map(({ topic, body }) => [topic.split('/')[2], body.first, body.last, body.filtered]),
    [
      ['resend', 1, 3, true],
      ['history', 4, 5, true],
      ['history', 6, 12, true],
    ],
  );
});

test('a file of what was played that is damaged or old is named', (t) => {
  const folder = scratch(t, 'played');
  for (const text of ['{', '{"v":1,"made":1,"lanes":[]}', 'null']) {
    writeFileSync(path.join(folder, 'x.json'), text);
    assert.throws(
      () => new Played(folder, 'x.json'),
      (e: SluiceError) => e instanceof SluiceError && /x\.json is damaged.*Remove it/.test(e.message),
    );
  }
});
