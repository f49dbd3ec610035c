/** Times without an offset in questions to a gateway: local times of the gateway, whatever zone its process has. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import { request, text } from '../../../src/admin/client.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { scratch } from '../../harness/scratch.ts';

test('the API reads dates and times without an offset in the zone of the gateway', async (t) => {
  const target = new FakeTarget();
  target.timezone = 'Asia/Kathmandu';
  const socket = path.join(scratch(t, 'admin'), 'sluice.sock');
  const server = new AdminServer({ target, socketPath: socket, listen: [], logger: silentLogger, clock: systemClock });
  t.after(() => server.stop());
  await server.start();
  await request(socket, 'GET', '/api/v1/history?point=fridge.temperature&from=2026-11-25&to=2026-11-25T06:00');
  const [asked] = target.asked;
  assert.deepEqual([asked?.from, asked?.to], [Date.UTC(2026, 10, 24, 18, 15), Date.UTC(2026, 10, 25, 0, 15)]);
  for await (const _ of text(socket, '/api/v1/export?from=2026-11-25&to=2026-11-25T06:00Z')) break;
  assert.deepEqual([target.exported?.from, target.exported?.to], [Date.UTC(2026, 10, 24, 18, 15), Date.UTC(2026, 10, 25, 6)]);
  await request(socket, 'POST', '/api/v1/bundle', { from: '2026-11-25' }).catch(() => undefined);
  assert.equal(target.bundles[0]?.from, Date.UTC(2026, 10, 24, 18, 15));
});
