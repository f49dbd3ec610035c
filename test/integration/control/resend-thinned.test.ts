/**
 * `resend` of a range that the log has thinned, over MQTT from a running gateway. The files are written by the log itself, run through
 * five days by a clock that the test moves: its keeper packs each hour and thins what has no room.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { Shape } from '../../../src/core/point.ts';
import { Log } from '../../../src/store/log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';
import { CLIENTS, Sub } from '../../harness/embedded-broker.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const ROOT = 'sluice/g1';
const MINUTE = 60_000;
const DAYS = 5;
const PASSWORD = 'a long enough password';
/** What thinning leaves of a shape. */
const EVERY = 8;
const shape: Shape = {
  device: 'meter',
  points: Array.from({ length: 20 }, (_, i) => ({ name: `v${i}`, type: 'float64', storage: 'number' })),
};

interface Written {
  readonly log: string;
  /** Records that were taken in, by number. */
  readonly values: Map<number, readonly number[]>;
  readonly thinned: number;
  readonly dropped: number;
}

/** The n-th record: noise that does not compress. */
const valuesOf = (n: number): number[] => shape.points.map((_, i) => Math.sin(n * 12.9898 + i * 78.233) * 43_758.5453);

async function written(t: TestContext, gateway: Gateway): Promise<Written> {
  const clock = new ManualClock(Date.now() - (DAYS + 1) * 24 * 60 * MINUTE);
  const { stateDir, runtimeDir } = gateway;
  const log = await Log.open({ stateDir, runtimeDir, clock, maxSize: 1_500_000, maxAge: 1e12, commitEvery: 5 * MINUTE });
  t.after(() => log.abandon());
  const taken = { thinned: 0, dropped: 0 };
  log.on('tidied', (result) => {
    for (const why of ['thinned', 'dropped'] as const) for (const [, n] of result[why]) taken[why] += n;
  });
  log.setClock(Math.round(clock.wall() - clock.monotonic()), false);
  log.setInventory('{}');
  const values = new Map<number, readonly number[]>();
  const name = log.opened.logs.at(-1)?.name ?? '';
  for (let minute = 1; minute <= DAYS * 24 * 60; minute++) {
    await clock.advance(MINUTE);
    const record = log.append({ shape, at: clock.monotonic(), values: valuesOf(minute), reasons: null });
    assert.ok(record !== undefined);
    values.set(record.seq, valuesOf(minute));
    if (minute % 60 === 0) await log.flush();
    if (minute % 360 === 0) await log.compact();
  }
  await log.flush();
  await log.compact();
  await log.close(60_000);
  return { log: name, values, ...taken };
}

interface Part {
  readonly part: number;
  readonly log: string;
  readonly first: number;
  readonly last: number;
  readonly records: readonly { readonly seq: number; readonly device: string; readonly values: Record<string, number> }[];
}

test('resend of a thinned range brings the records that are left, unchanged', { timeout: 300_000 }, async (t) => {
  const device = await SettableDevice.start(t);
  const publish = peer(t, 'mosquitto_pub', CLIENTS);
  if (device === undefined || publish === undefined) return;
  const gateway = makeGateway(
    t,
    (g) => `
gateway: {id: g1, stateDir: ${g.stateDir}, runtimeDir: ${g.runtimeDir}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}}}
devices: {pump: {bus: plant, unit: 1, interval: 1s, points: {speed: {table: holding, address: 10, type: uint16}}}}
buffer: {maxSize: 64MB, maxAge: 60d}
broker: {listen: {port: 0}, commands: {operator: {resend: true}}}
`,
  );
  const before = await written(t, gateway);
  t.diagnostic(`${before.values.size} records, ${before.thinned} readings thinned, ${before.dropped} dropped`);
  assert.ok(before.thinned > 0, 'the log was never full: this shows nothing');
  await gateway.up();
  for (const [name, role] of [
    ['anna', 'administrator'],
    ['olga', 'operator'],
  ])
    await request(gateway.socket, 'POST', '/api/v1/users/add', { name, role, password: PASSWORD });
  const port = await gateway.brokerPort();
  const login = ['-u', 'olga', '-P', PASSWORD, '-q', '1'];
  const sub = await Sub.start(t, port, [...login, '-t', `${ROOT}/result/+`, '-t', `${ROOT}/resend/+`, '-i', 'consumer']);
  if (sub === undefined) return;
  const resend = async (id: string, range: object): Promise<{ result: Record<string, unknown>; records: Part['records'] }> => {
    const message = JSON.stringify({ id, do: 'resend', ...range });
    const words = ['-h', '127.0.0.1', '-p', String(port), ...login, '-t', `${ROOT}/command`, '-m', message];
    assert.equal(await startChild(t, publish, words).ended, 0);
    const answer = JSON.parse((await sub.message(`${ROOT}/result/${id}`)).payload);
    assert.equal(answer.ok, true, JSON.stringify(answer));
    const parts = (): Part[] =>
      sub
        .messages()
        .filter(({ topic }) => topic === `${ROOT}/resend/${id}`)
        .map(({ payload }) => JSON.parse(payload) as Part);
    await waitFor('all parts', () => parts().length >= answer.result.parts);
    assert.deepEqual(
      parts().map(({ part }) => part),
      parts().map((_, i) => i),
    );
    for (const part of parts())
      assert.deepEqual([part.log, part.first, part.last], [before.log, part.records[0]?.seq, part.records.at(-1)?.seq]);
    return { result: answer.result, records: parts().flatMap(({ records }) => records) };
  };

  const numbers = [...before.values.keys()];
  const [first, last] = [numbers[0] ?? 0, numbers.at(-1) ?? 0];
  const all = await resend('all', { log: before.log, first, last });
  assert.equal(all.result.records, all.records.length);
  assert.ok(all.records.length < numbers.length, 'nothing is left out');
  // Each of them is a record as it was taken in. None is a mean, and none comes twice.
  for (const { seq, device: of, values } of all.records)
    assert.deepEqual([of, Object.values(values)], ['meter', before.values.get(seq)], `${seq}`);
  const got = all.records.map(({ seq }) => seq);
  assert.deepEqual(
    got,
    [...new Set(got)].sort((a, b) => a - b),
  );

  // The places of records that were taken in, between two that came: 1 where nothing is thinned, EVERY where
  // it is, and less at the end of an hour.
  const place = new Map(numbers.map((seq, i) => [seq, i] as const));
  const steps = got.slice(1).map((seq, i) => (place.get(seq) ?? 0) - (place.get(got[i] ?? 0) ?? 0));
  assert.ok(steps.filter((step) => step === EVERY).length > 20, `${steps.slice(0, 40)}`);
  assert.ok(
    steps.every((step) => step <= EVERY),
    'more is left out than thinning leaves out',
  );
  assert.ok(
    steps.slice(-100).every((step) => step === 1),
    'the newest are whole',
  );

  // A range inside the thinned part that begins and ends between two records that are left.
  const [from, to] = [got[4] ?? 0, got[12] ?? 0];
  const inside = await resend('inside', { log: before.log, first: from + 1, last: to - 1 });
  assert.deepEqual(
    inside.records.map(({ seq }) => seq),
    got.slice(5, 12),
  );
  const gap = steps.indexOf(EVERY);
  const nothing = await resend('nothing', { log: before.log, first: (got[gap] ?? 0) + 1, last: (got[gap + 1] ?? 0) - 1 });
  assert.deepEqual([nothing.result, nothing.records], [{ records: 0, parts: 0 }, []]);
});
