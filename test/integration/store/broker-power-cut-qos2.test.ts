/**
 * No power cut makes two messages or none of one of QoS 2: its publisher and its receivers go on with their sessions where they were,
 * with what the cut has left of broker.db, and each receiver has each message once.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type mqtt from 'mqtt';
import { systemClock } from '../../../src/core/clock.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { BrokerFile } from '../../../src/store/broker-store.ts';
import { knownAccess } from '../../fakes/open-access.ts';
import { startChild } from '../../harness/child.ts';
import { BrokerBench } from '../../harness/embedded-broker.ts';
import { imageDisk } from '../../harness/image-disk.ts';
import { Holder, Moments, NotedStore, open, TOPIC } from '../../harness/qos2-clients.ts';
import { Cuts, recordingDisk } from '../../harness/recording-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 45);
const MEGABYTES = 16;
const HARNESS = path.join(import.meta.dirname, '..', '..', 'harness');
/** Messages of each publisher. One in three has the content of another one: identifiers do not tell them apart either. */
const MESSAGES = 120;
const IN_FLIGHT = 5;
/** Faulty cuts that are looked at. */
const MOST_FAULTY = 3;

class Reader {
  readonly id: string;
  readonly store: NotedStore;
  readonly got: { readonly at: number; readonly content: string }[] = [];
  readonly #moments: Moments;
  #client: mqtt.MqttClient | undefined;

  constructor(id: string, moments: Moments) {
    this.id = id;
    this.store = new NotedStore(moments);
    this.#moments = moments;
  }
  async come(port: number): Promise<void> {
    const note = (content: string) => this.got.push({ at: this.#moments.now, content });
    const { client } = await open(port, this.id, { incomingStore: this.store }, note);
    this.#client = client;
  }
  async subscribe(): Promise<void> {
    await this.#client?.subscribeAsync('plant/#', { qos: 2 });
  }
  async leave(): Promise<void> {
    await this.#client?.endAsync(true);
  }
  until(moment: number): string[] {
    return this.got.flatMap(({ at, content }) => (at <= moment ? [content] : []));
  }
}

interface Clients {
  readonly writers: readonly { readonly id: string; readonly store: NotedStore }[];
  readonly holder: Holder;
  readonly readers: readonly Reader[];
}

/** Publishes; one reader stays, one comes and goes, and one is away. */
async function work(port: number, moments: Moments, random: () => number): Promise<Clients & { readonly first: number }> {
  const readers = ['stays', 'comes', 'away'].map((id) => new Reader(id, moments));
  for (const reader of readers) {
    await reader.come(port);
    await reader.subscribe();
  }
  const [, comes, away] = readers;
  await away?.leave();
  const writers = ['w0', 'w1'].map((id) => ({ id, store: new NotedStore(moments) }));
  const holder = new Holder('holder', moments);
  await holder.connect(port);
  const first = moments.now;
  const content = (id: string, n: number) => (random() < 1 / 3 ? `${id} again` : `${id}-${n} ${'x'.repeat(random() * 400)}`);

  const written = writers.map(async ({ id, store }) => {
    const { client } = await open(port, id, { outgoingStore: store });
    let waiting = 0;
    for (let n = 0; n < MESSAGES; n++) {
      waiting++;
      client.publish(TOPIC, content(id, n), { qos: 2 }, () => waiting--);
      const most = Math.floor(random() * IN_FLIGHT);
      await waitFor(`the PUBCOMPs of ${id}`, () => waiting <= most, { every: 1 });
    }
    await waitFor(`the last PUBCOMP of ${id}`, () => waiting === 0, { every: 1 });
    return client;
  });
  const held = async () => {
    for (let n = 0; n < MESSAGES; ) {
      for (let more = Math.floor(random() * IN_FLIGHT); more >= 0 && n < MESSAGES; more--) holder.publish(content('h', n++));
      await waitFor('the PUBRECs', () => holder.ids('published').length === 0, { every: 1 });
      const stay = n < MESSAGES ? Math.floor(random() * IN_FLIGHT) : 0;
      for (const id of holder.ids('received').slice(0, holder.ids('received').length - stay)) holder.release(id);
      await waitFor('the PUBCOMPs', () => holder.ids('released').length === 0, { every: 1 });
    }
  };
  let over = false;
  const blinks = async () => {
    while (!over) {
      const more = (comes?.got.length ?? 0) + 10 + random() * 20;
      await waitFor('some messages', () => over || (comes?.got.length ?? 0) >= more, { every: 1 });
      await comes?.leave();
      await comes?.come(port);
    }
  };
  const blinking = blinks();
  const [clients] = await Promise.all([Promise.all(written), held()]);
  over = true;
  await blinking;
  const [stays] = readers;
  await waitFor('all messages', () => [stays, comes].every((reader) => reader?.got.length === 3 * MESSAGES));
  for (const client of clients) await client.endAsync(true);
  for (const reader of readers) await reader.leave();
  holder.close();
  return { writers, holder, readers, first };
}

/** @returns what is wrong when all go on with their sessions on what a cut left */
async function goOn(t: TestContext, stateDir: string, moment: number, { writers, holder, readers }: Clients): Promise<string[]> {
  const wrong: string[] = [];
  const bench = new BrokerBench(t, {
    access: knownAccess('plant/#'),
    store: new BrokerFile({
      // The board was off: what lay in memory is gone.
      ...{ stateDir, runtimeDir: scratch(t, 'run', '/dev/shm'), clock: systemClock },
      onFault: (fault) => wrong.push(`a fault: ${fault}`),
      onRepair: ({ why }) => wrong.push(`it had to be repaired: ${why}`),
    }),
  });
  const ends: (() => unknown)[] = [];
  try {
    const port = await bench.start();
    const sent = [...writers.flatMap(({ store }) => store.contents(moment)), ...holder.contents(moment)];
    const got = new Map<string, string[]>();
    for (const reader of readers) {
      const all = reader.until(moment);
      got.set(reader.id, all);
      const { client, present } = await open(port, reader.id, { incomingStore: reader.store.at(moment) }, (one) => all.push(one));
      ends.push(() => client.endAsync(true));
      if (!present) wrong.push(`the session of ${reader.id} is gone`);
    }
    const resumed = writers.map(async ({ id, store }) => {
      const { client, ready } = await open(port, id, { outgoingStore: store.at(moment) });
      ends.push(() => client.endAsync(true));
      await ready;
      await client.publishAsync(TOPIC, `the end of ${id}`, { qos: 2 });
      sent.push(`the end of ${id}`);
    });
    const then = holder.at(moment);
    ends.push(() => then.close());
    await Promise.all([...resumed, resume(then, port)]);
    sent.push('the end of h');
    const ended = () => [...got.values()].every((all) => all.filter((one) => one.startsWith('the end of')).length === 3);
    const limit = { timeout: 30_000, every: 2 };
    await waitFor('the last messages', ended, limit).catch(() => wrong.push('the last messages do not come'));
    const empty = () => bench.broker.status().queuedMessages === 0;
    await waitFor('empty queues', empty, limit).catch(() => wrong.push('the queues are not empty'));
    for (const [id, all] of got) wrong.push(...compare(id, sent, all));
  } catch (thrown) {
    wrong.push(String(thrown));
  } finally {
    for (const end of ends) await end();
    await bench.broker.stop();
  }
  return wrong;
}

/** Repeats all that has no PUBREC, and all that has one and no PUBREL: the broker cannot tell them apart. Each PUBREL comes twice. */
async function resume(holder: Holder, port: number): Promise<void> {
  await holder.connect(port);
  const again = holder.ids('published', 'received');
  for (const id of again) holder.repeat(id);
  const waits = { timeout: 30_000, every: 1 };
  await waitFor('a PUBREC for each repeat', () => holder.came.pubrec === again.length, waits);
  const all = holder.ids('received', 'released');
  for (const id of [...all, ...all]) holder.release(id);
  await waitFor('a PUBCOMP for each PUBREL', () => holder.came.pubcomp === 2 * all.length, waits);
  holder.publish('the end of h');
  await waitFor('the PUBREC of the last one', () => holder.came.pubrec === again.length + 1, waits);
  for (const id of holder.ids('received')) holder.release(id);
  await waitFor('the PUBCOMP of the last one', () => holder.came.pubcomp === 2 * all.length + 1, waits);
}

function compare(id: string, sent: readonly string[], got: readonly string[]): string[] {
  const wrong: string[] = [];
  const count = (all: readonly string[], one: string) => all.filter((other) => other === one).length;
  for (const one of new Set([...sent, ...got])) {
    const [wanted, had] = [count(sent, one), count(got, one)];
    if (wanted !== had) wrong.push(`${id} has ${one.slice(0, 12)} ${had} times, and it was published ${wanted} times`);
  }
  const numbers = (writer: string) =>
    got.flatMap((one) => (one.startsWith(`${writer}-`) ? [Number.parseInt(one.slice(writer.length + 1), 10)] : []));
  for (const writer of ['w0', 'w1', 'h']) {
    const order = numbers(writer);
    if (order.some((n, i) => i > 0 && n <= (order[i - 1] as number))) wrong.push(`${id} has ${writer} in the order ${order}`);
  }
  return wrong;
}

async function cutMany(t: TestContext, count: number, without?: 'fdatasync') {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const disk = await recordingDisk(t, MEGABYTES);
  const images = disk === undefined ? undefined : imageDisk(t, MEGABYTES * 1024 ** 2);
  if (disk === undefined || images === undefined) return undefined;
  const state = path.join(disk.folder, 'state');
  mkdirSync(state);
  const loader = without === undefined ? [] : ['--import', path.join(HARNESS, 'without-sync.ts')];
  const args = [path.join(HARNESS, 'broker-child.ts'), state, scratch(t, 'run', '/dev/shm'), '0', 'patient'];
  const child = startChild(t, process.execPath, [...loader, ...args], { env: { WITHOUT_SYNC: without } });
  const { port } = JSON.parse(await child.line(/"port"/)) as { port: number };
  const moments = new Moments(() => (existsSync(disk.record) ? statSync(disk.record).size : 0));
  const random = seeded(SEED);
  const clients = await work(port, moments, random);
  const last = moments.now;
  await child.stop('SIGTERM');
  await disk.stop();
  const entries = disk.entries();
  const inTime = (at: number) => at >= clients.first && at <= last;
  // One right behind what a publisher noted, one behind what a receiver noted, and one behind any write.
  const notesOf = (all: readonly { readonly store: NotedStore }[]) =>
    all.flatMap(({ store }) => store.notes.map(({ at }) => at)).filter(inTime);
  const writes = entries.filter((e) => e.write !== undefined && inTime(e.end)).map((e) => e.end);
  const kinds = [notesOf(clients.writers), notesOf(clients.readers), writes];
  const chosen = Array.from({ length: count }, (_, i) => {
    const of = kinds[i % kinds.length] as number[];
    return of[Math.floor(random() * of.length)] as number;
  }).sort((a, b) => a - b);
  const cuts = new Cuts(entries, disk.size);
  const faults: string[] = [];
  const found = { faults, lost: 0, between: 0, released: 0, faulty: 0, last };
  for (const moment of chosen) {
    const cut = cuts.at(moment, random);
    found.lost += cut.lost;
    const then = clients.holder.at(moment);
    found.between += then.ids('received').length;
    found.released += clients.readers.filter(({ store }) => unfinished(store.at(moment))).length;
    const wrong = await images.with(cut.image, (folder) => goOn(t, path.join(folder, 'state'), moment, clients));
    faults.push(...wrong.map((fault) => `cut at ${moment}: ${fault}`));
    if (wrong.length > 0 && ++found.faulty >= MOST_FAULTY) break;
  }
  return found;
}

function unfinished(store: mqtt.Store): boolean {
  let is = false;
  for (let id = 1; id <= 3 * MESSAGES; id++)
    store.get({ messageId: id }, (missing) => {
      is ||= !missing;
    });
  return is;
}

test(`no power cut of ${CUTS} loses or doubles a message of QoS 2`, { timeout: 900_000 }, async (t) => {
  const found = await cutMany(t, CUTS);
  if (found === undefined) return;
  const { faults, lost, between, released } = found;
  t.diagnostic(`${CUTS} cuts lost ${lost} writes; ${between} messages without PUBREL; ${released} readers without PUBREL`);
  assert.deepEqual(faults, [], `SLUICE_SEED=${SEED}`);
  assert.ok(lost > 0, 'the cuts lost writes that were not flushed');
  assert.ok(between > 0 && released > 0, 'the cuts came between PUBREC and PUBREL, on both sides');
});

test('control: the same cuts find that a file is not synced', { timeout: 600_000 }, async (t) => {
  const found = await cutMany(t, 30, 'fdatasync');
  if (found === undefined) return;
  assert.ok(
    found.faults.some((fault) => /times/.test(fault)),
    `SLUICE_SEED=${SEED}: nothing was lost: ${found.faults.join('; ')}`,
  );
});
