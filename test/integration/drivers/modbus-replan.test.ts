/**
 * A gateway on a line of another program whose devices answer sooner than assumed: it finds that out, reads by the cheaper plan,
 * and nobody downstream sees more of it than other sets of points in its records; the next start begins with that plan.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { checkReport, checkText } from '../../../src/cli/check.ts';
import { readConfig } from '../../../src/cli/config-file.ts';
import { statusText } from '../../../src/cli/status-page.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { Peek } from '../../harness/mqtt-peek.ts';
import { Pauses } from '../../harness/pauses.ts';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { cheapestCuts, type Place } from '../../oracles/wire-optimum.ts';
import { LineDevice } from '../../peers/line-device.ts';
import { pythonPeer } from '../../peers/peers.ts';

const BAUD = 19_200;
/** Milliseconds. */
const INTERVAL = 500;
const STALE = 5000;
const ANSWER = 2;
/** Holes of 12 to 24 registers: all are read along where a device takes 20 ms, none where it takes 2 ms. */
const ADDRESSES = [0, 14, 30, 48, 70, 95];
const PLACES = ADDRESSES.map((from): Place => ({ table: 'holding', from, to: from + 1 }));

function lineDevice(t: TestContext): Promise<LineDevice> | undefined {
  if (pythonPeer(t, 'pty', 'apt-get install -y python3') === undefined) return undefined;
  return LineDevice.start((command, args, options) => startChild(t, command, args, options), scratch(t, 'line'), {
    baud: BAUD,
    answer: ANSWER,
  });
}

test('what is measured makes a cheaper plan in the run, and is the plan of the next start', async (t) => {
  const device = await lineDevice(t);
  if (device === undefined) return;
  const port = await freePort();
  const points = ADDRESSES.map((a) => `      r${a}: {table: holding, address: ${a}, type: uint16}`).join('\n');
  const gateway = makeGateway(
    t,
    () => `
gateway: {id: g1, stateDir: state, runtimeDir: run}
buses: {field: {protocol: modbus-rtu, port: ${device.port}, baudRate: ${BAUD}}}
devices:
  meter:
    bus: field
    unit: 1
    interval: ${INTERVAL}ms
    points:
${points}
      seldom: {table: holding, address: 31, type: uint16, report: {atMost: 10m}}
rules:
  high: {point: meter.r0, above: 5}
  quiet: {point: meter.r95, stale: ${STALE}ms}
broker: {listen: {port: ${port}}}
`,
  );
  const pauses = new Pauses(t);
  await gateway.up();
  const peek = await Peek.start(t, port, 'sluice/g1/#');
  const of = (topic: string) => peek.messages.filter((m) => m.topic === `sluice/g1/${topic}`).map((m) => JSON.parse(m.text));
  await waitFor('the alarm', () => of('alarm/high').length > 0);
  const before = checkReport(readConfig(gateway.config)).buses[0];
  assert.deepEqual(before?.answers, [{ device: 'meter', time: 20, from: 'assumed' }]);
  const seen = (from: number) =>
    new Set(
      device
        .exchanges()
        .slice(from)
        .map((e) => e.start),
    ).size;
  assert.ok(seen(0) < ADDRESSES.length, 'read with holes at first');

  await gateway.waitForLog(/^meter: read by \d requests from now on, before by \d: it answers after .*, and 20ms were assumed\./);
  const changed = device.exchanges().length;
  await waitFor('some rounds by the new plan', () => device.exchanges().length > changed + 40);
  const optimum = cheapestCuts([...PLACES, { table: 'holding', from: 31, to: 32 }], {}, { baud: BAUD, answer: ANSWER });
  assert.equal(seen(changed + 1), optimum.requests.length, 'by as many requests as physics says');

  // What others see of it.
  interface Row {
    readonly seq: number;
    readonly time: number;
    readonly values: Record<string, number>;
  }
  const records = await waitFor('each point more than 20 times', () => {
    const rows: Row[] = of('data').flatMap((b) => b.records);
    return ADDRESSES.every((a) => rows.filter(({ values }) => `r${a}` in values).length > 20) ? rows : undefined;
  });
  assert.ok(records.every(({ seq }, i) => i === 0 || seq > (records[i - 1]?.seq ?? 0)));
  assert.equal(new Set(of('inventory').map((i) => i.revision)).size, 1, 'the inventory keeps its revision');
  assert.equal(new Set(of('data').map((b) => b.inventory)).size, 1);
  assert.ok(records.filter(({ values }) => 'seldom' in values).length <= 1, 'nothing new by `report:`');
  // A client that subscribes while it is published gets it twice under one number: as it comes, and retained.
  assert.deepEqual([...new Map(of('alarm/high').map((a) => [a.seq, a.state])).values()], ['active-unacknowledged']);
  if (pauses.longest < STALE - 2 * INTERVAL) assert.deepEqual(of('alarm/quiet'), []);
  const status = await gateway.status();
  // A machine that stands still leaves out polls by itself: so many of each request at most.
  const missed = status.buses[0]?.devices[0]?.counters.missedPolls ?? Number.NaN;
  pauses.assertPolled(missed, INTERVAL, ADDRESSES.length + 1);
  assert.equal(status.buses[0]?.devices[0]?.answer?.from, 'measured');
  assert.match(statusText(status, { verbose: true }), /its reads are planned for an answer after \d+(\.\d)? ms \(measured\)/);

  // `check` beside the running gateway goes by what that has measured.
  const now = await waitFor('the file of times', () => {
    const result = readConfig(gateway.config);
    return result.budgets[0]?.answers[0]?.from === 'measured' ? result : undefined;
  });
  const budget = checkReport(now).buses[0];
  assert.equal(budget?.requestsPerCycle, optimum.requests.length);
  assert.ok((budget?.utilisation ?? 1) < (before?.utilisation ?? 0));
  assert.match(checkText(gateway.config, now).out, /time until a device answers: \d+(\.\d+)?ms \(measured\) meter/);

  assert.equal(await gateway.stop(), 0);
  const stopped = device.exchanges().length;
  await gateway.up();
  await waitFor('some rounds', () => device.exchanges().length > stopped + 40);
  assert.equal(seen(stopped), optimum.requests.length, 'from the first request on');
  assert.equal(await gateway.stop(), 0);

  writeFileSync(path.join(gateway.stateDir, 'modbus-times.json'), '{"v":1,"crc":0,"times":{"field/meter/modbus-rtu/1":9}}');
  assert.equal(readConfig(gateway.config).budgets[0]?.answers[0]?.from, 'assumed', 'a damaged file is none');
  const damaged = device.exchanges().length;
  await gateway.up();
  await waitFor('some rounds', () => device.exchanges().length > damaged + 6);
  assert.ok(seen(damaged) < ADDRESSES.length);
});
