/** Addresses of HTTP over a reload: taken before anything stops, given back, exchanged, and what is under way meanwhile. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WebListeners } from '../../../src/admin/web-listeners.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { freePort } from '../../harness/free-port.ts';
import { localHttp } from '../../harness/local-http.ts';
import { waitFor } from '../../harness/wait-for.ts';

const NONE: ReadonlySet<number> = new Set();

function webSite(t: TestContext) {
  const open: ServerResponse[] = [];
  const web = new WebListeners({
    ...{ logger: silentLogger, clock: systemClock },
    handle: async (req, res) => {
      if (req.url === '/slow') open.push(res);
      else res.end('done');
    },
  });
  t.after(() => web.stop());
  /** A raw connection, and what came on it. */
  const dial = async (port: number) => {
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    const got = { text: '', over: false };
    socket.on('data', (chunk: Buffer) => {
      got.text += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      got.over = true;
    });
    await once(socket, 'connect');
    return { socket, got };
  };
  return { web, open, dial };
}
const ask = (socket: Socket, path = '/') => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);

test('an address that another program has is refused, and what listens goes on', async (t) => {
  const { web, dial } = webSite(t);
  const port = await freePort();
  web.set([localHttp(port)]);
  await waitFor('the address', () => web.all[0]?.address);
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const taken = (blocker.address() as { port: number }).port;
  const free = await freePort();
  await assert.rejects(web.prepare([localHttp(free), localHttp(taken)], NONE), {
    code: 'listen-failed',
    message: new RegExp(`another program listens on 127.0.0.1:${taken} .*choose another port for dashboard.listen`),
  });
  const { socket, got } = await dial(port);
  ask(socket);
  await waitFor('an answer', () => got.text.includes('done'));
  await assert.rejects(dial(free), { code: 'ECONNREFUSED' }, 'what was taken is given back');
  assert.deepEqual(
    web.all.map(({ listen }) => listen.port),
    [port],
  );
});

test('who connects to a taken address waits until it is in use, and is ended where it is not', async (t) => {
  const { web, dial } = webSite(t);
  const [one, other] = [await freePort(), await freePort()];
  const next = await web.prepare([localHttp(one)], NONE);
  const early = await dial(one);
  ask(early.socket);
  assert.equal(web.connections, 0);
  next.open();
  next.close();
  next.follow();
  await waitFor('the answer', () => early.got.text.includes('done'));
  const again = await web.prepare([localHttp(one), localHttp(other)], NONE);
  const late = await dial(other);
  ask(late.socket);
  await again.cancel();
  await waitFor('the end', () => late.got.over);
  assert.equal(late.got.text, '');
  await assert.rejects(dial(other), { code: 'ECONNREFUSED' });
});

test('at an address that goes, a request under way and a first request are answered', async (t) => {
  const { web, open, dial } = webSite(t);
  const [before, after] = [await freePort(), await freePort()];
  web.set([localHttp(before)]);
  await waitFor('the address', () => web.all[0]?.address);
  const [slow, half, silent, used] = [await dial(before), await dial(before), await dial(before), await dial(before)];
  ask(slow.socket, '/slow');
  half.socket.write('GET / HTTP/1.1\r\nHost: local');
  ask(used.socket);
  await waitFor('one under way, one answered', () => open.length === 1 && used.got.text.includes('done'));
  await waitFor('all four', () => web.connections === 4);
  const next = await web.prepare([localHttp(after)], NONE);
  next.open();
  next.close();
  next.follow();
  await assert.rejects(dial(before), { code: 'ECONNREFUSED' });
  await waitFor('the connection that waits for a further request', () => used.got.over);
  half.socket.write('host\r\n\r\n');
  ask(silent.socket);
  open[0]?.end('done');
  for (const [name, { got }] of Object.entries({ slow, half, silent })) {
    await waitFor(`the answer of ${name}`, () => got.text.includes('done'));
    await waitFor(`the end of ${name}`, () => got.over);
  }
  const fresh = await dial(after);
  ask(fresh.socket);
  await waitFor('the new address', () => fresh.got.text.includes('done'));
});

test('a port that goes and comes back as another listener is exchanged, without a try before', async (t) => {
  const { web, dial } = webSite(t);
  const port = await freePort();
  web.set([localHttp(port)]);
  await waitFor('the address', () => web.all[0]?.address);
  const first = web.all[0];
  const next = await web.prepare([{ ...localHttp(port), key: 'other' }], new Set([port]));
  assert.equal(web.all[0], first);
  next.open();
  next.close();
  next.follow();
  await waitFor('the other listener', () => web.all[0] !== first && web.all[0]?.address);
  const { socket, got } = await dial(port);
  ask(socket);
  await waitFor('an answer', () => got.text.includes('done'));
});

test('a stop ends what was taken and not used', async (t) => {
  const { web, dial } = webSite(t);
  const port = await freePort();
  const next = await web.prepare([localHttp(port)], NONE);
  const { got } = await dial(port);
  await web.stop();
  await waitFor('the end', () => got.over);
  next.open();
  next.close();
  next.follow();
  await assert.rejects(dial(port), { code: 'ECONNREFUSED' });
});

test('an exchanged listener is not kept by those after it', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const { web } = webSite(t);
  web.set([localHttp(0)]);
  await waitFor('the address', () => web.all[0]?.address);
  const first = new WeakRef(web.all[0] ?? assert.fail('no listener'));
  for (let n = 0; n < 5; n++) {
    const next = await web.prepare([{ ...localHttp(0), key: `${n}` }], NONE);
    next.open();
    next.close();
    next.follow();
  }
  await waitFor('the first one to go', () => {
    gc();
    return first.deref() === undefined;
  });
  assert.equal(web.all.length, 1);
});
