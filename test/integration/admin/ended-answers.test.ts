/** Answers without an end of their own, when something else ends: the time before the claim, the gateway. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { get, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import * as limits from '../../../src/admin/limits.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { localHttp } from '../../harness/local-http.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { webBench } from '../../harness/web-bench.ts';

async function started(t: TestContext) {
  const target = new FakeTarget();
  const socket = path.join(scratch(t, 'ends'), 'sluice.sock');
  const server = new AdminServer({
    ...{ target, socketPath: socket, listen: [localHttp()], logger: silentLogger, clock: systemClock },
  });
  t.after(() => server.stop());
  await server.start();
  const { port } = await waitFor('HTTP', () => server.http().address);
  return { target, server, port };
}

/** The responses of HTTP servers of this process, in their order. */
function responses(t: TestContext): ServerResponse[] {
  const all: ServerResponse[] = [];
  const take = (message: unknown): void => void all.push((message as { response: ServerResponse }).response);
  subscribe('http.server.request.start', take);
  t.after(() => unsubscribe('http.server.request.start', take));
  return all;
}

test('what anybody of this machine read before the claim ends with it', async (t) => {
  const bench = await webBench(t);
  const ends = ['/api/v1/tail', '/api/v1/live'].map((at) => {
    const reader = get({ host: '127.0.0.1', port: bench.http, path: at, agent: false });
    t.after(() => reader.destroy());
    const { promise, resolve } = Promise.withResolvers<void>();
    reader.on('error', () => {});
    reader.once('response', (res) =>
      res
        .resume()
        .on('error', () => {})
        .once('close', resolve),
    );
    return { begun: once(reader, 'response'), end: promise };
  });
  await Promise.all(ends.map(({ begun }) => begun));
  await waitFor('the tail', () => bench.target.listeners.size === 1);
  await bench.access.accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  await Promise.all(ends.map(({ end }) => end));
  assert.equal(bench.target.listeners.size, 0);
});

test('readings that come while the last answer is out end nothing', async (t) => {
  const { target, server, port } = await started(t);
  const asked = responses(t);
  const slow = connect(port, '127.0.0.1');
  t.after(() => slow.destroy());
  slow.on('error', () => {});
  slow.pause();
  slow.write('GET /api/v1/tail HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await waitFor('the tail', () => target.listeners.size === 1);
  const say = (): void =>
    target.say({ type: 'reading', time: 1, device: 'd', point: 'p', value: 'x'.repeat(1000), quality: 'good' });
  // More than the kernel takes, and less than a tail lets wait.
  await waitFor('a reader who is behind', () => {
    for (let i = 0; i < 1000 && (asked[0]?.writableLength ?? 0) < limits.TAIL_UNSENT / 2; i++) say();
    return (asked[0]?.writableLength ?? 0) >= limits.TAIL_UNSENT / 2;
  });
  const faults: unknown[] = [];
  asked[0]?.on('error', (error) => faults.push(error));
  const stopped = server.stop();
  await waitFor('the end of the answer', () => asked[0]?.writableEnded);
  say();
  await stopped;
  assert.deepEqual(faults, []);
  assert.equal(target.listeners.size, 0);
});
