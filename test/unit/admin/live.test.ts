/** What a page that stays open gets, and what it gets after a loss. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { LiveStream } from '../../../src/admin/live/live-stream.ts';
import { EventParser, type ServerEvent } from '../../../src/admin/pages/gateway/event-parser.ts';
import type { Shape } from '../../../src/core/point.ts';
import { reasonCode } from '../../../src/core/reasons.ts';
import { Latest } from '../../../src/pipeline/latest.ts';
import { FakeLive, QUIET_STATE } from '../../fakes/live-source.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { waitFor } from '../../harness/wait-for.ts';

const reading = (point: string, value: number | null, reason = 0, device = 'fridge') => ({
  ...{ device, point, type: 'int16', time: 1000, value, reason },
});

/** A reader of everything that a stream writes. */
function reader(t: test.TestContext, source: FakeLive, after?: string) {
  const clock = new ManualClock();
  const out = new PassThrough();
  const gone = new AbortController();
  t.after(() => gone.abort());
  const parser = new EventParser();
  const events: ServerEvent[] = [];
  const read = (): void => {
    const text = out.read() as Buffer | null;
    if (text !== null) events.push(...parser.push(text.toString()));
  };
  const stream = new LiveStream(source, clock, { after, every: 2000 });
  const ended = stream.run(out, gone.signal);
  return {
    events,
    gone,
    ended,
    out,
    /** All events of the next round. */
    async round(): Promise<ServerEvent[]> {
      const before = events.length;
      if (before > 0) await clock.advance(2000);
      await waitFor('the end of a round', () => {
        read();
        return events.slice(before).some(({ event }) => event === 'beat');
      });
      return events.slice(before);
    },
  };
}

const kinds = (events: readonly ServerEvent[]) => events.map(({ event }) => event);

test('the first round of a page brings everything, later ones only what changed', async (t) => {
  const source = new FakeLive();
  source.setDevices({ fridge: { bus: 'field', points: { temperature: { type: 'int16', unit: 'Cel', writable: false } } } });
  source.take(reading('temperature', 42));
  const page = reader(t, source);
  const first = await page.round();
  assert.deepEqual(kinds(first), ['inventory', 'state', 'readings', 'beat']);
  assert.deepEqual(JSON.parse(first[0]?.data ?? ''), {
    fridge: { bus: 'field', points: { temperature: { type: 'int16', unit: 'Cel' } } },
  });
  assert.deepEqual(JSON.parse(first[1]?.data ?? ''), QUIET_STATE);
  assert.deepEqual(JSON.parse(first[2]?.data ?? ''), { fridge: { temperature: [1000, 42] } });
  assert.deepEqual(kinds(await page.round()), ['beat']);

  source.take(reading('temperature', null, reasonCode('timeout')), reading('humidity', 60, reasonCode('out-of-range')));
  source.nowState = { ...QUIET_STATE, clock: { known: false, source: 'nobody', since: 1 } };
  const third = await page.round();
  assert.deepEqual(kinds(third), ['state', 'readings', 'beat']);
  assert.deepEqual(JSON.parse(third[0]?.data ?? ''), { clock: { known: false, source: 'nobody', since: 1 } });
  assert.deepEqual(JSON.parse(third[1]?.data ?? ''), {
    fridge: { temperature: [1000, null, 'timeout'], humidity: [1000, 60, 'out-of-range'] },
  });
});

test('a page that comes back gets the readings that it missed, once', async (t) => {
  const source = new FakeLive();
  source.take(reading('a', 1));
  source.take(reading('b', 1));
  const page = reader(t, source);
  const id = (await page.round()).at(-1)?.id;
  assert.equal(id, 'b1-2');
  page.gone.abort();
  await page.ended;
  source.take(reading('b', 2));
  source.take(reading('b', 3));
  const again = (await reader(t, source, id).round()).filter(({ event }) => event === 'readings');
  assert.deepEqual(
    again.map(({ data }) => JSON.parse(data)),
    [{ fridge: { b: [1000, 3] } }],
  );
});

test('an id of another start, of the future or of nobody brings everything', async (t) => {
  const source = new FakeLive();
  source.take(reading('a', 1));
  for (const id of ['b0-1', 'b1-2', 'b1', '', '-', 'b1--1', 'b1-0x1', 'b1-9999999999999999']) {
    const readings = (await reader(t, source, id).round()).filter(({ event }) => event === 'readings');
    assert.deepEqual(
      readings.map(({ data }) => JSON.parse(data)),
      [{ fridge: { a: [1000, 1] } }],
      id,
    );
  }
});

test('a change of the clock brings every reading with its new time, also after a loss', async (t) => {
  const source = new FakeLive();
  source.take(reading('a', 1));
  source.take(reading('b', 2));
  const page = reader(t, source);
  const before = (await page.round()).at(-1)?.id;
  assert.deepEqual(kinds(await page.round()), ['beat']);
  source.nowSteps++;
  const after = await page.round();
  assert.deepEqual(kinds(after), ['readings', 'beat']);
  assert.deepEqual(JSON.parse(after[0]?.data ?? ''), { fridge: { a: [1000, 1], b: [1000, 2] } });
  assert.deepEqual(kinds(await page.round()), ['beat']);
  const all = ['inventory', 'state', 'readings', 'beat'];
  assert.deepEqual(kinds(await reader(t, source, before).round()), all, 'what it has is of the time before');
  assert.deepEqual(kinds(await reader(t, source, after.at(-1)?.id).round()), ['inventory', 'state', 'beat']);
});

test('1,200 points come in events of 500, and a device may have any name that is allowed', async (t) => {
  const source = new FakeLive();
  source.take(...Array.from({ length: 1200 }, (_, i) => reading(`p${i}`, i, 0, 'constructor')));
  const batches = (await reader(t, source).round())
    .filter(({ event }) => event === 'readings')
    .map(({ data }) => JSON.parse(data));
  assert.deepEqual(
    batches.map((batch) => Object.keys(batch.constructor).length),
    [500, 500, 200],
  );
  assert.deepEqual(batches[2].constructor.p1199, [1000, 1199]);
  assert.equal('p0' in Object, false);
});

test('a reader that takes nothing gets no further round, and then the newest', async (t) => {
  const source = new FakeLive();
  source.setDevices({ fridge: { bus: 'field', points: {} } });
  source.take(...Array.from({ length: 3000 }, (_, i) => reading(`p${i}`, 0)));
  const page = reader(t, source);
  await waitFor('the first event', () => page.out.readableLength > 0);
  const held = page.out.readableLength + page.out.writableLength;
  for (let i = 1; i <= 50; i++) source.take(reading('p0', i));
  assert.equal(page.out.readableLength + page.out.writableLength, held, 'nothing piles up');
  await page.round();
  const next = (await page.round()).filter(({ event }) => event === 'readings').map(({ data }) => JSON.parse(data));
  assert.deepEqual(next, [{ fridge: { p0: [1000, 50] } }]);
});

test('what changes with every commit comes in one round of five', async (t) => {
  const source = new FakeLive();
  const page = reader(t, source);
  await page.round();
  const came: boolean[] = [];
  for (let i = 1; i <= 10; i++) {
    source.nowState = { ...QUIET_STATE, log: { ...QUIET_STATE.log, records: 1200 + i } };
    came.push(kinds(await page.round()).includes('state'));
  }
  assert.deepEqual(came, [false, false, false, false, true, false, false, false, false, true]);
});

test('a stream whose reader is gone ends, and one whose gateway ends rejects', async (t) => {
  const source = new FakeLive();
  const page = reader(t, source);
  await page.round();
  page.gone.abort();
  await page.ended;
  const broken = new FakeLive();
  broken.state = () => {
    throw new Error('the gateway is stopping');
  };
  await assert.rejects(reader(t, broken).ended, /stopping/);
});

test('latest values know which samples are newer than a number', () => {
  const shape = (device: string): Shape => ({ device, points: [{ name: 'n', type: 'int16', storage: 'number' }] });
  const [one, two] = [shape('one'), shape('two')];
  const latest = new Latest(() => 0);
  latest.setShapes([one, two]);
  const take = (of: Shape, value: number) => latest.take({ shape: of, at: 1, values: [value], reasons: null });
  take(one, 1);
  take(two, 2);
  const seen = latest.newest;
  take(one, 3);
  assert.deepEqual(
    [...latest.changed(seen)].map(({ device, value }) => [device, value]),
    [['one', 3]],
  );
  assert.deepEqual([...latest.changed(latest.newest)], []);
  assert.equal([...latest.changed(0)].length, 2);
  latest.setShapes([two]);
  assert.deepEqual(
    [...latest.changed(0)].map(({ device }) => device),
    ['two'],
  );
});
