/** `resend` over MQTT: records come again whole and in order, and beside the marks of the forwarder. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import Database from 'better-sqlite3';
import { LanesTable } from '../../../src/store/hot/tables/lanes-table.ts';
import { commandedGateway, type ResentPart, ROOT } from '../../harness/commanded-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

test('resend brings records again, by numbers and by time, whole and in order', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  for (const value of [11, 12, 13, 14]) {
    await s.device.set(10, value);
    await waitFor(`the reading ${value}`, () =>
      s.sub.messages().some(({ topic, payload }) => topic === `${ROOT}/data` && payload.includes(`"speed":${value}`)),
    );
  }
  const sent = s.sub
    .messages()
    .filter(({ topic }) => topic === `${ROOT}/data`)
    .flatMap(({ payload }) => {
      const batch = JSON.parse(payload) as ResentPart;
      return batch.records.map((record) => ({ log: batch.log, ...record }));
    });
  const [begin, end] = [sent[0], sent.at(-1)];
  assert.ok(begin !== undefined && end !== undefined);
  const byNumber = await s.ask({ id: 'n1', do: 'resend', log: begin.log, first: begin.seq, last: end.seq });
  assert.equal(byNumber.ok, true, byNumber.message);
  const again = s.parts('n1').flatMap((part) => part.records.map((record) => ({ log: part.log, ...record })));
  assert.deepEqual(again, sent);
  assert.equal(byNumber.result?.records, again.length);
  const middle = sent.slice(1, -1).filter(({ device }) => device === 'pump');
  const [from, to] = [middle[0]?.time ?? 0, middle.at(-1)?.time ?? 0];
  await s.ask({ id: 'n2', do: 'resend', from, to, points: ['pump.speed'] });
  const some = s.parts('n2').flatMap(({ records }) => records);
  assert.deepEqual(
    some.map(({ seq }) => seq),
    sent.filter(({ device, time }) => device === 'pump' && time >= from && time <= to).map(({ seq }) => seq),
  );
  assert.deepEqual([...new Set(some.map(({ values, bad }) => Object.keys({ ...values, ...bad }).join()))], ['speed']);
  assert.equal((await s.ask({ id: 'n3', do: 'resend', log: '0000000000', first: 1, last: 2 })).code, 'not-found');
});

test('resend moves no cursor, leaves nothing unsent and repeats nothing on data or history', async (t) => {
  const s = await commandedGateway(t);
  if (s === undefined) return;
  const batches = (topic: string): ResentPart[] =>
    s.sub
      .messages()
      .filter((one) => one.topic === `${ROOT}/${topic}`)
      .map(({ payload }) => JSON.parse(payload) as ResentPart);
  const numbers = (topic: string): number[] => batches(topic).flatMap(({ records }) => records.map(({ seq }) => seq));
  await waitFor('twenty records', () => numbers('data').length >= 20);
  // From now on nothing is read, so nothing moves by itself.
  await s.gateway.reload(s.yaml(s.gateway).replace('interval: 100ms', 'interval: 1h'));
  const forwarder = async () => {
    const found = (await s.gateway.status()).forwarders[0];
    assert.ok(found !== undefined);
    const { mode, lag, waiting, counters } = found;
    return { mode, lag, waiting, readings: counters.readings, published: counters.published, retries: counters.retries };
  };
  /** As the log has them on the disk. */
  const marks = () => {
    const db = new Database(path.join(s.gateway.stateDir, 'log.db'), { readonly: true });
    try {
      const state = new LanesTable(db).forwarders().find(({ name }) => name === 'cloud')?.state;
      assert.ok(state !== undefined);
      // Not `data`: it also passes the numbers of events, and each command has one.
      const { history, handed, handedHistory, ranges, since } = state;
      return { history, handed, handedHistory, ranges, since };
    } finally {
      db.close();
    }
  };
  // The reload itself reads each device once more. It is quiet when three looks in turn show the same, and nothing is unsent.
  let n = 0;
  const looks: string[] = [];
  await waitFor(
    () => `everything to be sent: ${JSON.stringify(marks())}, ${looks.slice(-3)}`,
    async () => {
      // Its entry in the audit is committed, and the marks with it.
      await s.ask({ id: `look${n++}`, do: 'shelve', target: 'fast', for: '1h' });
      const { waiting, lag, ...rest } = await forwarder();
      looks.push(JSON.stringify([rest, numbers('data').length]));
      const sent = waiting === 0 && lag.data === 0 && lag.history === 0 && marks().handed === numbers('data').at(-1);
      return sent && looks.length > 3 && new Set(looks.slice(-3)).size === 1;
    },
  );
  const before = { marks: marks(), forwarder: await forwarder(), data: numbers('data'), history: numbers('history') };
  assert.equal(new Set(before.data).size, before.data.length);
  const { log } = batches('data')[0] as ResentPart;
  const range = { log, first: before.data[0], last: before.data.at(-1) };
  for (const id of ['one', 'two']) {
    const answer = await s.ask({ id, do: 'resend', ...range });
    assert.equal(answer.ok, true, answer.message);
    assert.deepEqual(
      s.parts(id).flatMap(({ records }) => records.map(({ seq }) => seq)),
      before.data,
    );
  }
  // A later entry: what the resends had moved would be on the disk with it.
  const audited = () => s.sub.messages().filter(({ payload }) => /unshelve fast was done/.test(payload)).length;
  await s.ask({ id: 'after', do: 'shelve', target: 'fast', for: null });
  await waitFor('its audit', () => audited() === 1);
  assert.deepEqual({ marks: marks(), forwarder: await forwarder(), data: numbers('data'), history: numbers('history') }, before);
});
