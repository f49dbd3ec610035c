/** A running gateway whose HTTPS gets more requests than it can answer: it polls on, its memory is bounded, others are served. */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Pauses } from '../../harness/pauses.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { WebClient } from '../../harness/web-bench.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** Answers that the storm gets before the polls are counted, and polls that are counted. */
const ANSWERS = 2_000;
const POLLS = 60;
/** Milliseconds between two polls. */
const INTERVAL = 200;
/** Megabytes that the storm may cost: buffers of 64 connections, and garbage. Without a bound it was more than the process may have. */
const MORE_MEMORY = 90;

test('requests of thirty addresses that wait for no answer leave the polls their time', { timeout: 600_000 }, async (t) => {
  const s = await site(t, {
    device: SettableDevice.start,
    devices: `  d1: {bus: plant, unit: 1, interval: ${INTERVAL}ms, points: {n: {table: holding, address: 0, type: uint16}}}`,
    more: 'dashboard: {listen: [{port: 0, tls: true}]}',
  });
  if (s === undefined) return;
  const { gateway } = s;
  const pauses = new Pauses(t);
  await gateway.up();
  const port = await waitFor('HTTPS', async () => {
    const { listeners = [] } = (await gateway.status()).http ?? {};
    return listeners.find(({ tls, fault, port }) => tls && fault === undefined && port > 0)?.port;
  });
  const polled = async () => {
    const { replies = 0, missedPolls = 0 } = (await gateway.status()).buses[0]?.devices[0]?.counters ?? {};
    return { replies, missedPolls };
  };
  const resident = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024;
  await waitFor('a poll', async () => (await polled()).replies > 0);
  const calm = resident();

  const storm = fork(path.join(import.meta.dirname, '..', '..', 'harness', 'storm.ts'), ['requests', `${port}`, `${ANSWERS}`], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  t.after(() => storm.kill('SIGKILL'));
  await once(storm, 'message');
  const before = await polled();
  pauses.begin();
  const ca = readFileSync(path.join(gateway.stateDir, 'tls', 'ca.crt'), 'utf8');
  let most = resident();
  let served = 0;
  const during = await waitFor(
    () => `${POLLS} polls; ${gateway.over ?? 'it runs'}\n${gateway.tail()}`,
    async () => {
      most = Math.max(most, resident());
      const client = new WebClient({ https: port, ca }, '127.0.50.1');
      const answer = await client.ask('GET', '/healthz').catch(() => undefined);
      client.close();
      if (answer?.status === 200) served++;
      const now = await polled();
      return now.replies + now.missedPolls - before.replies - before.missedPolls >= POLLS ? now : undefined;
    },
  );
  const [replies, missed] = [during.replies - before.replies, during.missedPolls - before.missedPolls];
  t.diagnostic(
    `${replies} polls, ${missed} left out; memory ${calm.toFixed(0)} MB, at most ${most.toFixed(0)} MB; ${served} served`,
  );
  pauses.assertPolled(missed, INTERVAL);
  assert.ok(most - calm < MORE_MEMORY, `${calm} MB before, at most ${most} MB`);
  // How many are refused depends on how fast the machine is; admin/https-callers counts them.
  assert.ok(served > 0, 'a client of another address');
});
