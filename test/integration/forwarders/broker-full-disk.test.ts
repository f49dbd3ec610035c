/**
 * Foreign publishers while the disk of broker.db takes nothing: no acknowledgement is a lie. Live subscribers get what is published, and
 * what no session needs is acknowledged.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { CommittingDisk } from '../../fakes/committing-disk.ts';
import type { Folders } from '../../fakes/kept-bench.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { Child, startChild } from '../../harness/child.ts';
import { BrokerBench, CLIENTS, Raw, remaining, Sub, text } from '../../harness/embedded-broker.ts';
import { mayMount, mountPoint, run } from '../../harness/loop-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { ForeignClient, LIBRARIES } from '../../peers/foreign-client.ts';
import { peer } from '../../peers/peers.ts';

const SESSION = ['-c', '-i', 'tech', '-q', '1', '-t', 'plant/kept'];
const BIG = 'y'.repeat(60_000);

/** A small disk, and a broker on it in a process of its own. */
class Site {
  readonly #t: TestContext;
  readonly #disk: string;
  readonly #runtimeDir: string;
  readonly #publisher: string;
  child: Child;
  port = 0;
  #publishers = 0;

  private constructor(t: TestContext, disk: string, publisher: string) {
    this.#t = t;
    this.#disk = disk;
    this.#publisher = publisher;
    this.#runtimeDir = scratch(t, 'full-run');
    this.child = this.#broker();
  }

  static async start(t: TestContext): Promise<Site | undefined> {
    const publisher = peer(t, 'mosquitto_pub', CLIENTS);
    if (publisher === undefined || !mayMount(t)) return undefined;
    const disk = mountPoint(t, 'full-broker');
    run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk);
    mkdirSync(path.join(disk, 'state'));
    const site = new Site(t, disk, publisher);
    await site.listens();
    return site;
  }

  get #ballast(): string {
    return path.join(this.#disk, 'ballast');
  }
  get folders(): Pick<Folders, 'stateDir' | 'runtimeDir'> {
    return { stateDir: path.join(this.#disk, 'state'), runtimeDir: this.#runtimeDir };
  }

  #broker(): Child {
    const program = path.join(import.meta.dirname, '..', '..', 'harness', 'broker-child.ts');
    const { stateDir, runtimeDir } = this.folders;
    return startChild(this.#t, process.execPath, [program, stateDir, runtimeDir, '0']);
  }
  async listens(): Promise<void> {
    this.port = (JSON.parse(await this.child.line(/"port"/)) as { port: number }).port;
  }
  /** What the broker says of its file, in order; undefined: it takes something again. */
  faults(): string[] {
    return this.child.stdout.filter((line) => line.startsWith('{"fault":"') || line === '{}');
  }

  fill(): void {
    const file = openSync(this.#ballast, 'w');
    try {
      for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
    } catch {
      // It is full.
    }
    closeSync(file);
  }
  makeRoom(): void {
    run('mount', '-o', 'remount,size=16m', this.#disk);
    rmSync(this.#ballast, { force: true });
  }

  /** One message by a foreign client. */
  publish(topic: string, content: string, ...more: string[]): Child {
    const id = `pub${this.#publishers++}`;
    const args = ['-h', '127.0.0.1', '-p', `${this.port}`, '-q', '1', '-i', id, '-t', topic, '-m', content, ...more];
    const child = new Child(this.#publisher, args);
    this.#t.after(() => child.stop('SIGKILL'));
    return child;
  }

  /** Publishes for an absent session until the disk takes nothing. @returns what was acknowledged, and the first that was not */
  async untilFull(live: Sub): Promise<{ acknowledged: string[]; content: string; withheld: Child }> {
    const acknowledged: string[] = [];
    for (let n = 0; ; n++) {
      const content = `${n} ${BIG}`;
      const child = this.publish('plant/kept', content);
      await waitFor('an acknowledgement or a fault', () => child.over !== undefined || this.faults().length > 0);
      // It went to who is there, whatever the disk does.
      await live.message('plant/kept', ({ payload }) => payload === content);
      if (child.over === undefined) return { acknowledged, content, withheld: child };
      assert.equal(child.over, 0, child.stderr.join('\n'));
      acknowledged.push(content);
      assert.ok(n < 100, 'the disk is never full');
    }
  }

  async kill(): Promise<void> {
    await this.child.stop('SIGKILL');
    this.child = this.#broker();
    await this.listens();
  }
}

async function absentSession(t: TestContext, port: number): Promise<boolean> {
  const first = await Sub.start(t, port, SESSION);
  if (first === undefined) return false;
  await first.child.stop('SIGTERM');
  return true;
}

test('a full disk: no PUBACK for an absent session, and after SIGKILL all that had one', { timeout: 300_000 }, async (t) => {
  const site = await Site.start(t);
  if (site === undefined || !(await absentSession(t, site.port))) return;
  const live = await Sub.start(t, site.port, ['-q', '1', '-t', 'plant/#']);
  if (live === undefined) return;
  // Nothing is lost of it by the full disk.
  const kept = site.publish('plant/state', 'on', '-r');
  assert.equal(await kept.ended, 0);
  site.fill();
  const { acknowledged, withheld } = await site.untilFull(live);
  assert.ok(acknowledged.length > 0, 'the disk had some room');
  // The broker acknowledges a message that nobody needs later. It withholds a retained one, which a new subscriber needs.
  for (let n = 0; n < 5; n++) assert.equal(await site.publish('plant/free', `${n}`).ended, 0);
  const retained = site.publish('plant/state', 'off', '-r');
  assert.deepEqual((await live.message('plant/state', ({ payload }) => payload === 'off')).qos, 1);
  assert.deepEqual([withheld.over, retained.over], [undefined, undefined]);
  for (const one of [withheld, retained]) await one.stop('SIGKILL');
  // It starts on the full disk and reads what is there.
  await site.kill();
  const second = await Sub.start(t, site.port, SESSION);
  const got = () => second?.messages().map(({ payload }) => payload) ?? [];
  await waitFor(
    () => `the queue; ${got().length} of ${acknowledged.length} came`,
    () => got().length >= acknowledged.length || undefined,
  );
  assert.deepEqual(got().slice(0, acknowledged.length), acknowledged);
  const state = await Sub.start(t, site.port, ['-t', 'plant/state']);
  assert.equal((await state?.message('plant/state'))?.payload, 'on');
});

test('a disk that returns: the PUBACK follows, and after SIGKILL everything is there', { timeout: 300_000 }, async (t) => {
  const site = await Site.start(t);
  if (site === undefined || !(await absentSession(t, site.port))) return;
  const live = await Sub.start(t, site.port, ['-q', '1', '-t', 'plant/#']);
  if (live === undefined) return;
  site.fill();
  const { acknowledged, content, withheld } = await site.untilFull(live);
  const retained = site.publish('plant/state', 'on', '-r');
  await live.message('plant/state');
  assert.deepEqual([withheld.over, retained.over], [undefined, undefined]);
  site.makeRoom();
  assert.deepEqual([await withheld.ended, await retained.ended], [0, 0]);
  await waitFor('the end of the fault', () => site.faults().length >= 2);
  assert.deepEqual(site.faults().length, 2, 'a fault and its end');
  await site.kill();
  const second = await Sub.start(t, site.port, SESSION);
  const all = [...acknowledged, content];
  const got = () => second?.messages().map(({ payload }) => payload) ?? [];
  await waitFor(
    () => `the queue; ${got().length} of ${all.length} came`,
    () => got().length >= all.length || undefined,
  );
  assert.deepEqual(got(), all);
  const state = await Sub.start(t, site.port, ['-t', 'plant/state']);
  assert.equal((await state?.message('plant/state'))?.payload, 'on');
});

/** A broker whose disk fails and recovers by hand. */
async function failing(t: TestContext) {
  const disk = new CommittingDisk();
  const clock = new ManualClock();
  const bench = new BrokerBench(t, { store: disk, clock, access: openAccess('plant/#') });
  const port = await bench.start();
  const client = async (id: string, flags = 2): Promise<Raw> => {
    const raw = await Raw.open(t, port);
    assert.equal(await raw.connect(id, flags), 0);
    return raw;
  };
  const absent = async (): Promise<void> => {
    const raw = await client('absent', 0);
    raw.subscribe(['plant/kept'], 2);
    await waitFor('a SUBACK', () => {
      disk.commit();
      return raw.bytes.length >= 9;
    });
    raw.socket.destroy();
    await waitFor('it to be away', () => bench.broker.status().clients === 0);
  };
  return { disk, clock, bench, port, client, absent, status: () => bench.broker.status() };
}

function publish(raw: Raw, qos: 1 | 2, id: number, content = 'x'): void {
  const body = Buffer.concat([text('plant/kept'), Buffer.from([0, id]), Buffer.from(content)]);
  raw.send(0x30 | (qos << 1), remaining(body.length), body);
}

/** What came behind the CONNACK, by the types of the packets; all have a body of two bytes or none. */
const answers = (raw: Raw): string => raw.bytes.subarray(4).toString('hex');

for (const qos of [1, 2] as const)
  test(`a client whose messages of QoS ${qos} wait for the disk has its pings answered`, async (t) => {
    const s = await failing(t);
    await s.absent();
    s.disk.fail();
    const raw = await s.client('pub');
    // In one piece of the network.
    raw.socket.cork();
    for (let id = 1; id <= 20; id++) publish(raw, qos, id);
    raw.socket.uncork();
    await waitFor('the messages', () => s.status().withheldMessages === 20);
    for (let n = 1; n <= 3; n++) {
      raw.send(0xc0, 0);
      await waitFor('a PINGRESP', () => answers(raw) === 'd000'.repeat(n));
    }
    assert.equal(s.status().queuedMessages, qos === 1 ? 20 : 0);
    s.disk.recover();
    const acks = Array.from({ length: 20 }, (_, i) => `${qos === 1 ? '40' : '50'}0200${(i + 1).toString(16).padStart(2, '0')}`);
    await waitFor(
      () => `the acknowledgements; there are ${answers(raw)}`,
      () => {
        s.disk.commit();
        return answers(raw) === 'd000'.repeat(3) + acks.join('');
      },
    );
    assert.deepEqual([s.status().withheldMessages, s.status().withheldBytes, s.status().queuedMessages], [0, 0, 20]);
    assert.equal(s.disk.rows('place').length, 20);
  });

test('a client whose message waits for the lane of its account has its pings answered', async (t) => {
  const s = await failing(t);
  await s.absent();
  // With a ping behind the messages in one piece of the network: its answer says that they were read.
  const sent = async (id: string, content: string, count: number): Promise<Raw> => {
    const raw = await s.client(id);
    raw.socket.cork();
    for (let n = 1; n <= count; n++) publish(raw, 1, n, content);
    raw.send(0xc0, 0);
    raw.socket.uncork();
    await waitFor('a PINGRESP', () => answers(raw) === 'd000');
    return raw;
  };
  // The disk does not answer, and one message fills the lane.
  const first = await sent('first', 'y'.repeat(limits.LANE_BYTES), 1);
  const second = await sent('second', 'x', 20);
  for (let n = 2; n <= 3; n++) {
    second.send(0xc0, 0);
    await waitFor('a PINGRESP', () => answers(second) === 'd000'.repeat(n));
  }
  const acks = (count: number) =>
    Array.from({ length: count }, (_, i) => `400200${(i + 1).toString(16).padStart(2, '0')}`).join('');
  await waitFor('all acknowledgements', () => {
    s.disk.commit();
    return answers(first) === `d000${acks(1)}` && answers(second) === `${'d000'.repeat(3)}${acks(20)}`;
  });
});

for (const library of LIBRARIES)
  test(`${library} gets its PUBACK when the disk has the message, and its reader at once`, async (t) => {
    const s = await failing(t);
    await s.absent();
    const start = (id: string) => ForeignClient.start(t, library, { port: s.port, id, clean: true });
    const [reader, writer] = [await start('reader'), await start('writer')];
    if (reader === undefined || writer === undefined) return;
    assert.equal(await reader.subscribe('plant/#'), 1);
    s.disk.fail();
    let isAcknowledged: boolean | undefined;
    const publishing = writer.publish('plant/kept', 'one').then((acknowledged) => {
      isAcknowledged = acknowledged;
    });
    await reader.message('plant/kept', 'one');
    assert.equal(await reader.publish('plant/free', 'two'), true);
    assert.deepEqual([isAcknowledged, s.status().withheldMessages, s.status().queuedMessages], [undefined, 1, 1]);
    s.disk.recover();
    await waitFor('the PUBACK', () => {
      s.disk.commit();
      return isAcknowledged;
    });
    await publishing;
    assert.deepEqual(s.disk.rows('message').length, 1);
  });

test('a publisher that waits too long is ended, counted, and may not come back at once', async (t) => {
  const s = await failing(t);
  await s.absent();
  s.disk.fail();
  const [raw, other] = [await s.client('pub'), await s.client('other')];
  publish(raw, 1, 1);
  await waitFor('it to wait', () => s.status().withheldMessages === 1);
  await s.clock.advance(limits.WITHHELD_WITHIN);
  await waitFor('its end', () => raw.closed);
  assert.deepEqual([raw.bytes.length, s.status().refused.behind, s.status().withheldMessages], [4, 1, 0]);
  const early = await Raw.open(t, s.port);
  assert.equal(await early.connect('pub'), 3);
  assert.deepEqual([s.status().refused.early, other.closed], [1, false]);
  await s.clock.advance(limits.COME_BACK_AFTER);
  const again = await s.client('pub');
  publish(again, 1, 1);
  await waitFor('it to wait', () => s.status().withheldMessages === 1);
  assert.equal(s.status().queuedMessages, 1, 'its message is there once');
  s.disk.recover();
  await waitFor('the PUBACK', () => {
    s.disk.commit();
    return answers(again) === '40020001';
  });
  assert.deepEqual(s.status().refused.behind, 1);
});
