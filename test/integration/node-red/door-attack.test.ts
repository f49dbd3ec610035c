/**
 * Hostile clients on the socket for flows of a running gateway: whatever they do, polls happen, memory stays bounded, and flows that
 * behave get what is theirs. SLUICE_DOOR_ATTACK=full makes everything as large as it was measured.
 */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import test from 'node:test';
import { type DoorSite, doorSite } from '../../harness/door-site.ts';
import type { FlowsClient } from '../../harness/flows-client.ts';
import { memoryFalls } from '../../harness/memory-falls.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const FULL = process.env.SLUICE_DOOR_ATTACK === 'full';
const times = (few: number, many: number): number => (FULL ? many : few);
const MB = 1024 ** 2;
/** Bytes of the daemon beyond what it had before: queues, buffers of sockets and what V8 has not collected yet. */
const MOST_GROWTH = 60 * MB;

const LINES = {
  buses: '  derived: {protocol: flows}',
  devices: `
  calc: {bus: derived, points: {mean: {unit: Cel}, word: {type: string}}}
  rooms: {bus: derived, accept: {prefix: room-, points: 20}}`,
  rest: 'rules:\n  mean-high: {point: calc.mean, above: 1000}\n',
};

interface Attacked extends DoorSite {
  /** Polls went on, none was left out, and the daemon is as large as it may be. */
  held(what: string): Promise<void>;
}

async function attacked(t: test.TestContext): Promise<Attacked> {
  const site = await doorSite(t, '', LINES);
  await site.gateway.up();
  await site.until('running');
  await site.door();
  await waitFor('polls', async () => (await site.polls()).replies > 3);
  const before = resident(site.gateway.pid);
  let replies = (await site.polls()).replies;
  return {
    ...site,
    held: async (what) => {
      const { replies: now } = await waitFor(`polls after ${what}`, async () => {
        const polls = await site.polls();
        return polls.replies > replies ? polls : undefined;
      });
      replies = now;
      const grown = () => resident(site.gateway.pid) - before;
      t.diagnostic(`${what}: ${(grown() / MB).toFixed(1)} MB more than before`);
      await memoryFalls(grown, MOST_GROWTH, () => site.flows());
      await site.assertPolled();
      const { state } = await site.flows();
      assert.ok(['running', 'unhealthy'].includes(state), `${what}: Node-RED is ${state}`);
    },
  };
}

function resident(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Writes as fast as it is taken, until all is written or the other side ends it. */
async function flood(socket: net.Socket, lines: number, line: (i: number) => string): Promise<void> {
  for (let i = 0; i < lines && !socket.destroyed && socket.writable; ) {
    let text = '';
    for (const end = Math.min(lines, i + 500); i < end; i++) text += `${line(i)}\n`;
    if (!socket.write(text)) await drained(socket);
  }
}

/** There is room again, or nobody is there. */
function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.removeListener('drain', done);
      socket.removeListener('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

function connection(path: string): Promise<net.Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}

const put = (id: string, ...readings: object[]): string => JSON.stringify({ type: 'call', id, do: 'put', readings });

test('strangers with random bytes, endless lines and thousands of connections', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await attacked(t);
  const { socket: path } = await site.door();
  const good = await site.client();
  for (let i = 0; i < times(100, 1000); i++) {
    const socket = await connection(path);
    socket?.write(randomBytes(1 + (i % 5000)));
    if (i % 3 === 0) socket?.destroy();
  }
  await site.held('random bytes');
  const endless = await connection(path);
  if (endless !== undefined) await flood(endless, times(2000, 20_000), () => 'x'.repeat(1000));
  await site.held('a line without end');
  const many = times(2000, 10_000);
  let closed = 0;
  for (let i = 0; i < many; i++) {
    const socket = await connection(path);
    socket?.on('close', () => closed++);
    if (socket === undefined) closed++;
  }
  await waitFor('the oldest to be closed', () => closed > many - 50);
  await site.held(`${many} connections`);
  assert.deepEqual(await result(good, { do: 'put', readings: [{ point: 'calc.mean', value: 1 }] }), { taken: 1 });
  assert.ok((await site.client()).lines.length > 0, 'a client with the token still comes in');
  assert.equal(await site.gateway.stop(), 0);
});

test('clients with the token that never read, flood and overflow', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await attacked(t);
  const good = await site.client();
  good.say({ type: 'subscribe', id: 's', points: ['d1.n', 'calc.word'], mode: 'every', credit: 1024 });

  const deaf = await site.client();
  deaf.socket.pause();
  for (let i = 0; i < 64; i++) deaf.say({ type: 'subscribe', id: `s${i}`, points: ['*'], mode: 'every', credit: 1024 });
  await flood(deaf.socket, times(500, 2000), (i) => JSON.stringify({ type: 'call', id: `c${i}`, do: 'status' })).catch(() => {});
  await site.held('a client that never reads');

  const loud = await site.client();
  const lines = times(50_000, 1_000_000);
  const began = performance.now();
  await Promise.race([
    flood(loud.socket, lines, (i) => put(`p${i}`, { point: 'calc.mean', value: i % 90 })),
    new Promise((resolve) => setTimeout(resolve, times(10_000, 60_000))),
  ]);
  const seconds = (performance.now() - began) / 1000;
  await site.held('a flood of puts');
  const {
    puts = 0,
    leftOutPuts,
    lines: read,
  } = await waitFor('readings that were left out', async () => {
    const { door } = await site.flows();
    return (door?.leftOutPuts ?? 0) > 0 ? door : undefined;
  });
  t.diagnostic(`${read} lines were read in ${seconds.toFixed(1)} s; ${puts} readings taken, ${leftOutPuts} left out`);
  assert.ok(leftOutPuts <= puts);
  await loud.line('the line about it', ({ type, what }) => type === 'throttled' && what === 'put');
  loud.socket.destroy();

  // The flood of one point cost the others nothing.
  const words = Array.from({ length: 20 }, (_, i) => `word-${i}`);
  for (const value of words) {
    assert.deepEqual(await result(good, { do: 'put', readings: [{ point: 'calc.word', value }] }), { taken: 1 });
    await waitFor(value, () => good.readings('s').some((reading) => reading.value === value));
  }

  const names = await site.client();
  await flood(names.socket, times(20_000, 1_000_000) / 100, (i) =>
    put(`n${i}`, ...Array.from({ length: 100 }, (_, k) => ({ point: `rooms.room-${i * 100 + k}`, value: 1 }))),
  );
  await waitFor('its last answer', async () => ((await site.flows()).door?.refusedPuts ?? 0) > times(10_000, 500_000));
  await site.held('a flood of names');
  const { buses } = await site.gateway.status();
  assert.equal(buses.find(({ protocol }) => protocol === 'flows')?.state, 'open');
  const inventory = await names.line('the inventory', ({ type, devices }) => type === 'inventory' && roomsOf(devices) === 20);
  assert.equal(roomsOf(inventory.devices), 20);

  const odd = await site.client();
  const hostile = [
    '__proto__.mean',
    'calc.__proto__',
    'calc.constructor',
    'rooms.room-é',
    `rooms.room-${'x'.repeat(500)}`,
    'd1.n',
    'calc.',
    'toString',
    'rooms.room-\u0000',
  ];
  const answer = await result(odd, { do: 'put', readings: hostile.map((point) => ({ point, value: 1 })) });
  assert.deepEqual([answer.taken, (answer.refused as unknown[]).length], [0, hostile.length]);
  const wild = [-1, 253_402_300_800_000, 1e308, 'soon'].map((time) => ({ point: 'calc.mean', value: 1, time }));
  assert.equal((await result(odd, { do: 'put', readings: wild })).taken, 0);
  odd.socket.write('{"type":"call","id":"nan","do":"put","readings":[{"point":"calc.mean","value":NaN}]}\n');
  await odd.ended();

  const history = await site.client();
  for (let i = 0; i < 32; i++) history.say({ type: 'call', id: `h${i}`, do: 'history', point: 'd1.n', from: 0, most: 50_000 });
  await waitFor('32 answers', () => history.lines.filter(({ type }) => type === 'answer').length === 32);
  assert.ok(history.lines.every(({ error }) => error === undefined));
  await site.held('32 questions about everything');
  assert.equal(await site.gateway.stop(), 0);
});

test('Node-RED is killed while calls wait, and the gateway while clients are there', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await attacked(t);
  const client = await site.client();
  const { pid } = await site.flows();
  for (let i = 0; i < 30; i++) client.say({ type: 'call', id: `h${i}`, do: 'history', point: 'd1.n' });
  client.say({ type: 'call', id: 'p', do: 'put', readings: [{ point: 'rooms.room-kept', value: 3 }] });
  await client.line('the put', ({ type, id }) => type === 'answer' && id === 'p');
  await client.line('the inventory', ({ type, devices }) => type === 'inventory' && roomsOf(devices) === 1);
  process.kill(pid ?? 0, 'SIGKILL');
  await client.ended();
  // It lasts two seconds.
  await waitFor('the pause before the next start', () => site.gateway.logs().some((line) => line.state === 'backing-off'));
  await waitFor('no connection', async () => (await site.flows()).door?.connections === 0);
  await site.until('running');
  await site.held('a killed Node-RED');
  const again = await site.client();
  assert.deepEqual(await result(again, { do: 'put', readings: [{ point: 'calc.mean', value: 5 }] }), { taken: 1 });
  await site.gateway.kill();
  await again.ended();
  await site.gateway.up();
  await site.until('running');
  const last = await site.client();
  const inventory = await last.line('the inventory', ({ type }) => type === 'inventory');
  assert.equal(roomsOf(inventory.devices), 1, 'the accepted point survives SIGKILL');
  const { result: counted, parts } = await last.call({ do: 'history', point: 'calc.mean', from: 0 });
  assert.deepEqual([counted?.count, parts.length], [1, 1], 'and so does the reading');
  assert.equal(await site.gateway.stop(), 0);
});

async function result(client: FlowsClient, call: object): Promise<Record<string, unknown>> {
  const { result: done, error } = await client.call(call);
  assert.ok(done, JSON.stringify(error));
  return done;
}

function roomsOf(devices: unknown): number {
  return Object.keys((devices as Record<string, { points: object }>).rooms?.points ?? {}).length;
}
