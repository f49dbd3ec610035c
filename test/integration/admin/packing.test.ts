/** Compressed answers, as clients see them: which ones, that events do not wait in the stream, and how many streams there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import test, { type TestContext } from 'node:test';
import { createGunzip, gunzipSync } from 'node:zlib';
import { MAX_PACKED_STREAMS } from '../../../src/admin/limits.ts';
import { acceptsGzip } from '../../../src/admin/packing.ts';
import { EventParser, type ServerEvent } from '../../../src/admin/pages/gateway/event-parser.ts';
import { ROUTES } from '../../../src/admin/routes/table.ts';
import * as sites from '../../fakes/page-sites.ts';
import { PASSWORD, ROOT } from '../../fakes/test-access.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { type WebBench, webBench } from '../../harness/web-bench.ts';

const GZIP = { 'accept-encoding': 'gzip, deflate, br' };

function begin(options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) =>
    request({ ...options, agent: false }, resolve)
      .on('error', reject)
      .end(),
  );
}

async function got(options: RequestOptions): Promise<{ readonly head: IncomingMessage; readonly body: Buffer }> {
  const head = await begin(options);
  const parts: Buffer[] = [];
  for await (const part of head as AsyncIterable<Buffer>) parts.push(part);
  return { head, body: Buffer.concat(parts) };
}

const LIVE = '/api/v1/live?every=1000';

async function openPage(t: TestContext, options: RequestOptions): Promise<IncomingMessage> {
  const head = await begin({ ...options, path: LIVE, headers: GZIP });
  t.after(() => head.destroy());
  return head;
}

/** The events of an answer, as they come out of what came so far. */
function eventsOf(head: IncomingMessage): ServerEvent[] {
  const events: ServerEvent[] = [];
  const parser = new EventParser();
  const out = head.headers['content-encoding'] === 'gzip' ? head.pipe(createGunzip()) : head;
  out.on('data', (part: Buffer) => events.push(...parser.push(part.toString())));
  out.on('error', () => {});
  return events;
}

/** Everybody may look through these two before the claim. */
const doors = ({ http, socket }: WebBench): RequestOptions[] => [{ host: '127.0.0.1', port: http }, { socketPath: socket }];

test('who accepts gzip is read from the header as RFC 9110 has it', () => {
  for (const accepts of ['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, GZIP;q=0.5', 'gzip;q=0.001', 'x-gzip'])
    assert.equal(acceptsGzip({ 'accept-encoding': accepts }), true, accepts);
  for (const refuses of ['', 'identity', 'br', 'gzip;q=0', 'gzip; q=0.000', 'gzip;q=0 , br', 'br, gzip ; q=0'])
    assert.equal(acceptsGzip({ 'accept-encoding': refuses }), false, refuses);
  assert.equal(acceptsGzip({}), false);
});

test('the page of the reference lists the routes whose answers are compressed, and no other', () => {
  const page = readFileSync(new URL('../../../docs/reference/http.md', import.meta.url), 'utf8');
  const [, list = ''] = /<!-- packed -->\n([\s\S]*?)<!-- end -->/.exec(page) ?? [];
  const packed = ROUTES.filter(({ packs }) => packs === true);
  assert.deepEqual(
    packed.map(({ path }) => path).toSorted(),
    [...list.matchAll(/`([^`]+)`/g)].map(([, path]) => path),
  );
  for (const { method, path, action } of packed) {
    assert.equal(method, 'GET', path);
    assert.ok(!['accounts', 'session', 'log-in', 'claim-code', 'claim'].includes(action), `${path} shows accounts or secrets`);
  }
});

test('an answer with an end is compressed for those who accept it, and says the same', async (t) => {
  const bench = await webBench(t);
  for (const door of doors(bench)) {
    const path = '/api/v1/openapi.json';
    const plain = await got({ ...door, path });
    const packed = await got({ ...door, path, headers: GZIP });
    assert.equal(plain.head.headers['content-encoding'], undefined);
    assert.equal(packed.head.headers['content-encoding'], 'gzip');
    for (const { head } of [plain, packed]) assert.equal(head.headers.vary, 'Accept-Encoding');
    assert.equal(Number(packed.head.headers['content-length']), packed.body.length);
    assert.equal(gunzipSync(packed.body).toString(), plain.body.toString());
    assert.ok(packed.body.length * 3 < plain.body.length, `${packed.body.length} of ${plain.body.length} bytes`);
    const head = await got({ ...door, path, method: 'HEAD', headers: GZIP });
    assert.equal(head.head.headers['content-length'], packed.head.headers['content-length']);
    assert.equal(head.body.length, 0);
    const short = await got({ ...door, path: '/api/v1/waiting', headers: GZIP });
    assert.equal(short.head.headers['content-encoding'], undefined, 'a short one stays as it is');
  }
});

test('sessions, accounts, errors and answers to a POST are never compressed', async (t) => {
  const bench = await webBench(t);
  const { accounts } = bench.access;
  await accounts.addUser({ name: 'anna', role: 'administrator', password: PASSWORD }, ROOT);
  for (let i = 0; i < 40; i++) await accounts.addUser({ name: `viewer-${i}`, role: 'viewer', password: PASSWORD }, ROOT);
  const client = bench.client();
  await client.logIn('anna');
  const asked: [string, string, number][] = [
    ['GET', '/api/v1/session', 200],
    ['GET', '/api/v1/users', 200],
    ['GET', '/api/v1/tokens', 200],
    ['GET', `/api/v1/history?point=${'x'.repeat(2000)}`, 400],
    ['POST', '/api/v1/session/end', 200],
  ];
  for (const [method, path, status] of asked) {
    const answer = await client.page(method, path, { headers: GZIP });
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers['content-encoding'], undefined, path);
    assert.doesNotThrow(() => JSON.parse(answer.text), path);
  }
  assert.equal(
    (await got({ socketPath: bench.socket, path: '/api/v1/claim', headers: GZIP })).head.headers['content-encoding'],
    undefined,
  );
});

test('each round of an open page comes whole out of the compressed stream while it is open', async (t) => {
  const bench = await webBench(t);
  const full = sites.full();
  bench.target.live.setDevices(full.inventory().devices);
  bench.target.live.take(...full.changed(0));
  for (const door of doors(bench)) {
    const head = await openPage(t, door);
    assert.equal(head.headers['content-encoding'], 'gzip');
    let bytes = 0;
    head.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    const events = eventsOf(head);
    const beats = () => events.filter(({ event }) => event === 'beat').length;
    await waitFor('the first round', () => beats() > 0);
    const readings = events.filter(({ event }) => event === 'readings').map(({ data }) => JSON.parse(data) as object);
    assert.equal(readings.flatMap((devices) => Object.values(devices).flatMap(Object.keys)).length, 1000);
    const length = events.reduce((sum, { data }) => sum + data.length, 0);
    assert.ok(bytes * 8 < length, `${bytes} bytes for ${length}`);
    assert.equal(head.complete, false);
    await waitFor('a second round', () => beats() > 1);
  }
});

test('so many streams are compressed at one time, and a further one comes as it is', async (t) => {
  const bench = await webBench(t);
  const open: IncomingMessage[] = [];
  for (const door of doors(bench)) for (let i = 0; i < 5; i++) open.push(await openPage(t, door));
  const encodings = open.map(({ headers }) => headers['content-encoding']);
  assert.equal(encodings.filter((one) => one === 'gzip').length, MAX_PACKED_STREAMS);
  assert.deepEqual(encodings.slice(MAX_PACKED_STREAMS), [undefined, undefined]);
  for (const head of open.slice(MAX_PACKED_STREAMS)) {
    const events = eventsOf(head);
    await waitFor('a round that is not compressed', () => events.some(({ event }) => event === 'beat'));
  }
  for (const head of open) head.destroy();
  const [door = {}] = doors(bench);
  await waitFor('a place', async () => {
    const head = await openPage(t, door);
    const packed = head.headers['content-encoding'] === 'gzip';
    head.destroy();
    return packed;
  });
});

test('a gateway that stops ends its compressed streams whole', async (t) => {
  const bench = await webBench(t);
  const [door = {}] = doors(bench);
  const head = await openPage(t, door);
  const out = head.pipe(createGunzip());
  const faults: unknown[] = [];
  out.on('error', (fault) => faults.push(fault));
  let text = '';
  out.on('data', (part: Buffer) => {
    text += part.toString();
  });
  await waitFor('a round', () => text.includes('event: beat'));
  await bench.server.stop();
  await waitFor('the end', () => out.readableEnded || faults.length > 0);
  assert.deepEqual(faults, []);
  assert.match(text, /\n\n$/);
});
