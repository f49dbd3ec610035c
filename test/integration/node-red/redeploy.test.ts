/** People deploy again and again: nothing in the gateway grows with it, and what a deploy opened at its socket is closed by the next. */
// Takes minutes: it starts before the others.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { text } from '../../../src/admin/client.ts';
import { nodeRedSite, startsWith } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const DEPLOYS = Number(process.env.SLUICE_DEPLOYS ?? 1000);
/** Growth of the daemon, MB. */
const MORE_HEAP = 5;
const MORE_RESIDENT = 40;
const DERIVED = {
  buses: '  derived: {protocol: flows}',
  devices: '  calc: {bus: derived, silentAfter: 1h, points: {double: {}}}',
  rest: 'rules:\n  double-high: {point: calc.double, above: -1}\n',
};

/** It reads a point, gives another one, and gets the alarm of that. The first reading and the alarm come at each start. */
const flowOf = (n: number): object[] => {
  const ours = (id: string, type: string, to: string[], more: object): object => ({
    ...{ id, type, z: 'tab', x: 100, y: 100, name: '', gateway: '', wires: [to] },
    ...more,
  });
  const says = (id: string, func: string): object => ({
    ...{ id, type: 'function', z: 'tab', x: 400, y: 100, outputs: 1, libs: [], func, wires: [[]] },
  });
  return startsWith(`node.warn('deploy ${n}'); return msg;`, [
    ours('in', 'sluice reading in', ['out'], {
      ...{ points: ['d1.n'], mode: 'every', every: '', everyUnit: 's', quality: 'good', initial: true },
    }),
    ours('out', 'sluice reading out', [], {
      ...{ point: 'calc.double', pointType: 'point', value: 'payload', valueType: 'msg', unit: '', time: '', timeType: 'now' },
    }),
    ours('alarm', 'sluice alarm in', ['alarmed'], { rules: ['double-*'], severities: [], states: [], present: true }),
    says('alarmed', `node.warn('alarmed in ${n} ' + msg.topic);`),
  ]);
};

test('1,000 deploys leave no memory, subscription, file, thread or flood of lines', {
  timeout: 600_000,
}, async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, '', DERIVED);
  const { gateway } = site;
  await gateway.up();
  const { pid } = await site.until('running');
  const door = async () => (await site.flows()).door ?? assert.fail('no socket for flows');
  const deploy = async (n: number): Promise<void> => assert.equal(await site.deploy(flowOf(n)), 204);
  /** The nodes of the last deploy are at the socket, and nothing of an earlier one. */
  const settled = async () => {
    let now = await door();
    await waitFor(
      () => `one connection with two subscriptions: ${JSON.stringify(now)}`,
      async () => {
        now = await door();
        return now.connections === 1 && now.subscriptions === 2;
      },
    );
    return now;
  };
  const heap = async (): Promise<number> => {
    let metrics = '';
    for await (const piece of text(gateway.socket, '/metrics')) metrics += piece;
    return Number(/^sluice_process_heap_bytes (\d+)/m.exec(metrics)?.[1]) / 1024 ** 2;
  };
  const resident = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'latin1'))?.[1]) / 1024;
  /** The least of some: garbage comes and goes. */
  const measured = async () => {
    let least = Number.POSITIVE_INFINITY;
    const until = (await site.polls()).replies + 10;
    await waitFor(
      'some polls',
      async () => {
        least = Math.min(least, await heap());
        return (await site.polls()).replies >= until;
      },
      { every: 200 },
    );
    return {
      heap: least,
      resident: resident(),
      files: readdirSync(`/proc/${gateway.pid}/fd`).length,
      threads: readdirSync(`/proc/${gateway.pid}/task`).length,
    };
  };
  for (let n = 0; n < 50; n++) await deploy(n);
  const first = await settled();
  const before = await measured();
  const lines = gateway.logs().length;
  const { passed, suppressed } = (await site.flows()).lines;
  for (let n = 0; n < DEPLOYS; n++) await deploy(n);
  const last = await settled();
  const after = await measured();
  t.diagnostic(`${JSON.stringify(before)} before, ${JSON.stringify(after)} after, ${gateway.logs().length - lines} lines`);
  t.diagnostic(`${JSON.stringify(first)} before, ${JSON.stringify(last)} after`);
  // The flows of most deploys came as far as their first reading and the present alarm before the next one.
  for (const what of ['readings', 'alarms'] as const)
    assert.ok(last[what] - first[what] > DEPLOYS / 2, `${last[what] - first[what]} ${what}`);
  assert.deepEqual([last.faults, last.refusedHellos, last.refusedConnections], [0, 0, 0]);
  assert.ok(Number.isFinite(before.heap));
  // Ten polls may pass without a collection of garbage. What leaked stays.
  let now = after;
  await waitFor(
    () => `the memory of before: ${JSON.stringify(before)} before, ${JSON.stringify(now)} now`,
    async () => {
      if (now.heap - before.heap < MORE_HEAP && now.resident - before.resident < MORE_RESIDENT) return true;
      now = { ...now, heap: await heap(), resident: resident() };
      return false;
    },
    { every: 200 },
  );
  // The log may start the thread of its compaction meanwhile, which has eight files.
  assert.ok(after.files <= before.files + 12, `${before.files} files before, ${after.files} after`);
  assert.ok(after.threads <= before.threads + 2);
  // Six lines a deploy without a bound.
  const report = await site.flows();
  assert.ok(report.lines.passed + report.lines.suppressed - passed - suppressed >= DEPLOYS);
  assert.deepEqual([report.pid, report.restarts], [pid, 0]);
  await site.assertPolled();
  assert.equal(await gateway.stop(), 0);
});
