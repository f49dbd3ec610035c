/** How often the state of a gateway is made for those who ask for it: over HTTP for all together, on the socket for each. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { AdminServer } from '../../../src/admin/admin-server.ts';
import { request } from '../../../src/admin/client.ts';
import { STATUS_AGE } from '../../../src/admin/limits.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeTarget } from '../../fakes/admin-target.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { localHttp } from '../../harness/local-http.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

test('500 requests over HTTP make one state, and a call that changes something the next one', async (t) => {
  const clock = new ManualClock();
  const target = new FakeTarget();
  let made = 0;
  const status = target.status.bind(target);
  target.status = () => {
    made++;
    const now = status();
    return { ...now, gateway: { ...now.gateway, name: `state ${made} `.repeat(40) } };
  };
  const socket = path.join(scratch(t, 'builds'), 'sluice.sock');
  const server = new AdminServer({ target, socketPath: socket, listen: [localHttp()], logger: silentLogger, clock });
  t.after(() => server.stop());
  await server.start();
  const { port } = await waitFor('HTTP', () => server.http().address);
  const url = `http://127.0.0.1:${port}/api/v1/status`;
  const ask = async (encoding: string): Promise<string> => {
    const answer = await fetch(url, { headers: { 'Accept-Encoding': encoding } });
    assert.equal(answer.status, 200);
    return answer.text();
  };

  const asked = Array.from({ length: 500 }, (_, i) => ask(i % 2 === 0 ? 'gzip' : 'identity'));
  const all = new Set(await Promise.all(asked));
  assert.equal(made, 1);
  assert.equal(all.size, 1, 'compressed and plain answers say the same');
  assert.ok([...all][0]?.includes('state 1 '));

  // The socket gets the state of the moment.
  await request(socket, 'GET', '/api/v1/status');
  await request(socket, 'GET', '/api/v1/status');
  assert.equal(made, 3);

  // A call by any door.
  assert.ok((await ask('identity')).includes('state 1 '));
  await request(socket, 'POST', '/api/v1/reload', {});
  assert.ok((await ask('gzip')).includes('state 4 '));
  await assert.rejects(request(socket, 'POST', '/api/v1/write', { target: 'd.p', value: 1, odd: true }));
  const refused = made;
  await ask('gzip');
  assert.equal(made, refused, 'a body that is refused reaches nothing');

  await clock.advance(STATUS_AGE);
  await ask('gzip');
  await ask('identity');
  assert.equal(made, refused + 1);
});
