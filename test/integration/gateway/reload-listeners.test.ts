/** Reloads that move the addresses of HTTP of a running gateway: what fails leaves everything as it was, and no poll is missed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { issue } from '../../../src/access/tls/issuing.ts';
import { request } from '../../../src/admin/client.ts';
import { BUILT } from '../../../src/core/version.ts';
import { freePort } from '../../harness/free-port.ts';
import { nodeRedSite } from '../../harness/node-red-site.ts';
import { Pauses } from '../../harness/pauses.ts';
import { Relay } from '../../harness/relay.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { CountingDevice } from '../../peers/counting-device.ts';

const DAY = 86_400_000;
/** Milliseconds between two polls. */
const INTERVAL = 500;

async function occupied(t: TestContext): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

/** @returns the status code */
async function ask(port: number, at = '/healthz'): Promise<number> {
  const [res] = (await once(get({ port, host: '127.0.0.1', path: at, agent: false }), 'response')) as [IncomingMessage];
  res.resume();
  await once(res, 'end');
  return res.statusCode ?? 0;
}

async function bench(t: TestContext) {
  const device = await CountingDevice.start(t, [1]);
  if (device === undefined) return undefined;
  const link = await Relay.start(t, device.port);
  const yaml = (g: Gateway, more: string) => `
${g.section}
buses: {one: {protocol: modbus-tcp, host: 127.0.0.1, port: ${link.port}}}
devices: {d1: {bus: one, unit: 1, interval: ${INTERVAL}ms, points: {n: {table: holding, address: 0, type: uint32}}}}
${more}
`;
  const port = await freePort();
  const gateway = makeGateway(t, (g) => yaml(g, `dashboard: {listen: {port: ${port}}}`));
  const pauses = new Pauses(t);
  await gateway.up();
  const counters = async () => (await gateway.status()).buses[0]?.devices[0]?.counters ?? assert.fail('no device');
  await waitFor('the first polls', async () => (await counters()).replies > 2 && (await ask(port)) === 200);
  const begin = await counters();
  /** It is the bus of the start: the same connection, its counts go on, and it left out no poll. */
  const undisturbed = async (): Promise<void> => {
    const now = await counters();
    const seen = await waitFor('a further reply', async () => {
      const next = await counters();
      return next.replies > now.replies ? next : undefined;
    });
    assert.ok(now.replies >= begin.replies);
    assert.deepEqual([link.connections, seen.badReplies], [1, begin.badReplies]);
    pauses.assertPolled((seen.missedPolls ?? 0) - (begin.missedPolls ?? 0), INTERVAL);
    const timeouts = seen.timeouts - begin.timeouts;
    assert.ok(timeouts <= pauses.moments(INTERVAL, INTERVAL / 2), `${timeouts} time-outs; pauses: ${pauses.words}`);
  };
  return { gateway, yaml, port, undisturbed };
}

test('a reload to a port of another program changes nothing, and the old page is served', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { gateway, port } = b;
  const [taken, broker] = [await occupied(t), await freePort()];
  const more = `dashboard: {listen: {port: ${taken}}}\nbroker: {listen: {port: ${broker}}}\nrules: {r: {point: d1.n, above: 5}}`;
  for (let round = 0; round < 3; round++) {
    await assert.rejects(gateway.reload(b.yaml(gateway, more)), {
      code: 'listen-failed',
      message: new RegExp(
        `another program listens on 127.0.0.1:${taken}.*: stop it, or choose another port for dashboard.listen; nothing was changed$`,
      ),
    });
    assert.equal(await ask(port), 200);
  }
  gateway.signal('SIGHUP');
  await gateway.waitForLog(/The configuration was refused; nothing was changed/);
  const { http, broker: none, alarms } = await gateway.status();
  assert.deepEqual([http?.listeners.map((one) => one.port), none, alarms], [[port], undefined, []]);
  await b.undisturbed();
  assert.equal(await gateway.stop(), 0);
});

test('a reload to a damaged certificate changes nothing; with a good one the page moves to TLS', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { gateway, port } = b;
  const file = (name: string) => path.join(gateway.folder, name);
  const names = { dns: ['localhost'], addresses: ['127.0.0.1'] };
  const { server } = await issue({
    ...{ subject: 'g1', names, permits: { dns: [], addresses: [] }, from: BUILT, until: BUILT + 3000 * DAY },
    ...{ caFrom: BUILT, caUntil: BUILT + 4000 * DAY },
  });
  const half = server.certificate.slice(0, server.certificate.length / 2);
  const next = b.yaml(gateway, `dashboard: {listen: {port: ${port}, tls: {cert: ${file('a.crt')}, key: ${file('a.key')}}}}`);
  const damages: [string, string, string][] = [
    ['cut', half, server.key],
    ['empty', '', server.key],
    ['a key of something else', server.certificate, 'no key'],
  ];
  for (const [what, cert, key] of damages) {
    writeFileSync(file('a.crt'), cert);
    writeFileSync(file('a.key'), key);
    await assert.rejects(
      gateway.reload(next),
      { code: 'tls-files', message: /a\.crt and .*correct the files or their names and reload again; nothing was changed$/ },
      what,
    );
    assert.equal(await ask(port), 200, what);
  }
  assert.equal((await gateway.status()).http?.listeners[0]?.tls, false);
  writeFileSync(file('a.crt'), server.certificate);
  writeFileSync(file('a.key'), server.key);
  assert.deepEqual(await gateway.reload(next), ['dashboard']);
  await waitFor('TLS', async () => {
    const [one] = (await gateway.status()).http?.listeners ?? [];
    return one?.tls === true && one.fault === undefined && one.port === port;
  });
  await b.undisturbed();
});

test('a page that moves to a new port answers every request of both ports', async (t) => {
  const b = await bench(t);
  if (b === undefined) return;
  const { gateway } = b;
  let { port } = b;
  for (let round = 0; round < 5; round++) {
    const next = await freePort();
    // At the old port: one that sent half of its request, and one that sent nothing yet.
    const open = [0, 1].map(() => connect(port, '127.0.0.1'));
    const texts = open.map((socket) => {
      const got = { text: '' };
      socket.on('data', (chunk: Buffer) => {
        got.text += chunk.toString();
      });
      return got;
    });
    t.after(() => {
      for (const socket of open) socket.destroy();
    });
    await Promise.all(open.map((socket) => once(socket, 'connect')));
    open[0]?.write('GET /healthz HTTP/1.1\r\nHost: local');
    await waitFor('both', async () => ((await gateway.status()).http?.connections ?? 0) >= 2);
    // At the new port: whoever gets a connection gets an answer.
    let over = false;
    let answers = 0;
    const faults: unknown[] = [];
    const hammer = async (): Promise<void> => {
      while (!over || answers === 0) {
        await ask(next).then(
          (code) => {
            answers++;
            if (code !== 200) faults.push(code);
          },
          (thrown: NodeJS.ErrnoException) => {
            if (thrown.code !== 'ECONNREFUSED') faults.push(thrown.code);
          },
        );
      }
    };
    const hammers = [hammer(), hammer()];
    assert.deepEqual(await gateway.reload(b.yaml(gateway, `dashboard: {listen: {port: ${next}}}`)), ['dashboard']);
    await assert.rejects(ask(port), { code: 'ECONNREFUSED' });
    open[0]?.write('host\r\n\r\n');
    open[1]?.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    for (const got of texts) await waitFor('its answer', () => got.text.includes('200 OK') && got.text.includes('"ok"'));
    over = true;
    await Promise.all(hammers);
    assert.deepEqual(faults, []);
    port = next;
  }
  await b.undisturbed();
  assert.equal(await gateway.stop(), 0);
});

test('the front of Node-RED stays where its new port is taken, and moves to a free one', async (t) => {
  const [editor, http] = [await freePort(), await freePort()];
  const front = (at: number) => `  editor: {listen: {port: ${at}}}\n  http: {listen: {port: ${http}}}\n`;
  const site = await nodeRedSite(t, front(editor));
  const { gateway } = site;
  await gateway.up();
  const ports = async () => {
    const { front: doors } = await site.flows();
    return [doors?.editor?.listeners[0]?.port, doors?.['http-in']?.listeners[0]?.port];
  };
  await site.until('running');
  await waitFor('the front', async () => (await ask(editor, '/')) < 500);
  const pid = (await site.flows()).pid;
  const taken = await occupied(t);
  await assert.rejects(gateway.reload(site.yaml(front(taken))), {
    code: 'listen-failed',
    message: /choose another port for nodeRed\.editor\.listen; nothing was changed$/,
  });
  assert.ok((await ask(editor, '/')) < 500);
  assert.deepEqual(await ports(), [editor, http]);
  // The two doors exchange their ports.
  const swapped = `  editor: {listen: {port: ${http}}}\n  http: {listen: {port: ${editor}}}\n`;
  assert.deepEqual(await gateway.reload(site.yaml(swapped)), ['nodeRed']);
  await waitFor('the exchange', async () => JSON.stringify(await ports()) === JSON.stringify([http, editor]));
  await waitFor('the editor there', async () => (await ask(http, '/')) < 500);
  assert.equal((await site.flows()).pid, pid, 'Node-RED goes on');
  assert.equal(((await request(gateway.socket, 'GET', '/healthz')) as { status: string }).status, 'ok');
});
