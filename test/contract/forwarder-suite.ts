/**
 * The duties of every forwarder with a cursor, whatever it speaks (docs/reference/delivery.md). A kind runs it with a peer of its own,
 * once for each dialect; the peer gives back what it took as the dialect `json` would have written it.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { Sample, Shape } from '../../src/core/point.ts';
import type { Forwarder } from '../../src/core/ports.ts';
import type { ForwarderContext, MadeForwarderKind } from '../../src/forwarders/forwarder-kind.ts';
import { Log } from '../../src/store/log.ts';
import { forwarderContext } from '../fakes/forwarder-context.ts';
import type { ForwarderPeer, Taken } from '../harness/forwarder-peer.ts';
import { scratch } from '../harness/scratch.ts';
import { waitFor } from '../harness/wait-for.ts';
import { Consumer } from '../oracles/consumer.ts';

/** More than one batch of the settings below, of two readings a record. */
const MANY = 25;
const BATCH = { maxReadings: 10, maxAge: '20ms' };

/** In turn: a batch is of several devices. */
const SHAPES: readonly Shape[] = ['pump', 'valve', 'tank'].map((device) => ({
  device,
  points: [
    { name: 'speed', type: 'uint16', storage: 'number' },
    // More bytes than UTF-16 units.
    { name: 'state', type: 'string', storage: 'string' },
  ],
}));
/** `…/inventory`. */
const INVENTORY = JSON.stringify({ v: 1, devices: Object.fromEntries(SHAPES.map(({ device }) => [device, {}])) });

class Site {
  readonly log: Log;
  readonly peer: ForwarderPeer;
  readonly #kind: MadeForwarderKind;
  forwarder: Forwarder;
  #appended = 0;
  /** With a memory that its successors share. */
  readonly #context: ForwarderContext;

  constructor(kind: MadeForwarderKind, peer: ForwarderPeer, log: Log) {
    this.#kind = kind;
    this.peer = peer;
    this.log = log;
    this.#context = forwarderContext(log, { inventory: () => INVENTORY });
    this.forwarder = this.#make();
  }

  #make(): Forwarder {
    const settings = this.#kind.forwarder.parse({ ...this.peer.settings, batch: BATCH });
    return this.#kind.create({ name: 'cloud', type: this.#kind.type, settings }, this.#context);
  }

  /** Another one of the same name, as a reload makes it. */
  again(): void {
    this.forwarder = this.#make();
    this.forwarder.start();
  }

  add(count: number): void {
    for (let i = 0; i < count; i++) {
      const shape = SHAPES[this.#appended % SHAPES.length] as Shape;
      const values: Sample['values'] = [this.#appended++ % 65_536, 'läuft ✓'];
      assert.ok(this.log.append({ shape, at: systemClock.monotonic(), values, reasons: null }));
    }
  }

  get consumer(): Consumer {
    return new Consumer().feedAll(this.peer.taken().map(({ topic, bytes }) => ({ topic, payload: bytes.toString() })));
  }
  /** In the order of their numbers. */
  get speeds(): unknown[] {
    return this.consumer.records().map((r) => r.values.speed);
  }
  get all(): number[] {
    return Array.from({ length: this.#appended }, (_, i) => i);
  }

  connected(): Promise<true> {
    return waitFor(
      () => `a connection: ${JSON.stringify(this.forwarder.status())}`,
      () => this.forwarder.connected,
    ) as Promise<true>;
  }
  /** Everything that was appended has arrived and is acknowledged. */
  async delivered(): Promise<void> {
    await waitFor(
      () => `all of ${this.#appended}: ${this.speeds}; ${JSON.stringify(this.forwarder.status())}`,
      () => this.speeds.length === this.#appended && this.owes === false,
    );
    assert.deepEqual(this.speeds, this.all);
    assert.deepEqual(this.consumer.judge(), []);
  }
  get owes(): boolean {
    const { waiting } = this.forwarder.status();
    return waiting.data !== undefined || waiting.history !== undefined;
  }
}

/** Its records, without what may differ between two sendings. */
function content({ topic, bytes }: Taken): unknown {
  const { sent: _, ...rest } = JSON.parse(bytes.toString());
  return { topic, ...rest };
}

/** @param far undefined after a skip */
export function forwarderContract(
  kind: MadeForwarderKind,
  with_: string,
  far: (t: TestContext) => Promise<ForwarderPeer | undefined>,
) {
  const it = (does: string, run: (site: Site) => Promise<void>): void => {
    test(`${kind.type} with ${with_}: ${does}`, async (t) => {
      const peer = await far(t);
      if (peer === undefined) return;
      const folder = scratch(t, 'contract');
      const log = await Log.open({
        ...{ stateDir: path.join(folder, 'state'), runtimeDir: path.join(folder, 'run'), clock: systemClock },
        ...{ maxSize: 64e6, maxAge: 1e12, commitEvery: 50 },
      });
      log.setClock(Date.now() - Math.round(systemClock.monotonic()), false);
      log.setInventory('{}');
      const site = new Site(kind, peer, log);
      // Before the folder goes.
      try {
        await run(site);
      } finally {
        await site.forwarder.stop(0);
        await peer.down();
        await log.close(10_000);
      }
    });
  };

  it('hands over every reading, alarm and event once and in order', async (site) => {
    await site.peer.up();
    site.add(MANY);
    await site.log.flush();
    site.forwarder.start();
    await site.connected();
    for (let i = 0; i < 3; i++) {
      site.add(MANY);
      site.log.notice('alarm', 'high', systemClock.monotonic(), { rule: 'high', occurrence: i });
      site.log.notice('event', 'start', systemClock.monotonic(), { event: 'start', count: i });
    }
    await site.delivered();
    const notices = () => [...site.consumer.accepted.values()].filter((r) => r.kind === 'alarm' || r.kind === 'event');
    await waitFor('alarms and events', () => notices().length === 6);
    for (const kind of ['alarm', 'event']) {
      const counts = notices().filter((n) => n.kind === kind);
      assert.deepEqual(
        counts.map(({ values }) => values.occurrence ?? values.count),
        [0, 1, 2],
      );
    }
    assert.equal(site.consumer.duplicates, 0);
  });

  it('takes for delivered only what the peer acknowledged', async (site) => {
    await site.peer.up();
    site.forwarder.start();
    await site.connected();
    site.peer.hold(true);
    site.add(3);
    await waitFor('the batch to be there', () => site.speeds.length === 3);
    const held = site.forwarder.status();
    assert.deepEqual({ acked: held.counters.acked, readings: held.counters.readings }, { acked: 0, readings: 0 });
    assert.ok(site.owes);
    site.peer.hold(false);
    await site.delivered();
    const { counters } = site.forwarder.status();
    assert.equal(counters.readings, 6);
    const batches = site.peer.taken().filter((b) => /(data|history)$/.test(b.topic));
    assert.equal(
      counters.bytes,
      batches.reduce((sum, { wire }) => sum + wire, 0),
      'bytes, not characters',
    );
  });

  it('has one batch under way a topic, however much waits', async (site) => {
    await site.peer.up();
    site.forwarder.start();
    await site.connected();
    site.peer.hold(true);
    site.add(MANY);
    await waitFor('a batch to be there', () => site.speeds.length > 0);
    site.add(MANY);
    await site.log.flush();
    site.peer.hold(false);
    await site.delivered();
    assert.deepEqual([...new Set(site.peer.most.values())], [1], JSON.stringify([...site.peer.most]));
  });

  it('stops in time without acknowledgements; its successor goes on', async (site) => {
    await site.peer.up();
    site.forwarder.start();
    await site.connected();
    site.add(5);
    await site.delivered();
    site.peer.hold(true);
    site.add(5);
    await waitFor('a batch to be there', () => site.speeds.length > 5);
    await site.forwarder.stop(100);
    assert.equal(site.forwarder.status().state, 'stopped');
    assert.ok(site.owes);
    const before = site.peer.taken().length;
    site.peer.hold(false);
    site.again();
    await site.delivered();
    const repeated = site.peer.taken().slice(before);
    assert.ok(
      repeated.every(({ bytes }) =>
        (JSON.parse(bytes.toString()).records ?? []).every((r: { values: { speed: number } }) => r.values.speed >= 5),
      ),
      'nothing that was acknowledged comes again',
    );
  });

  it('reports an absent peer, and delivers everything afterwards', async (site) => {
    site.forwarder.start();
    site.add(MANY);
    const { fault, state, nextTry } = await waitFor('a fault', () => {
      const status = site.forwarder.status();
      return status.fault !== undefined && status.state === 'waiting' ? status : undefined;
    });
    assert.match(fault ?? '', /^[a-z][^{}]* [^{}]*[a-z)]$/, 'a sentence');
    assert.deepEqual(
      { state, next: typeof nextTry, connected: site.forwarder.connected },
      { state: 'waiting', next: 'number', connected: false },
    );
    await site.peer.up();
    await site.connected();
    await site.delivered();
    assert.equal(site.forwarder.status().fault, undefined);
  });

  it('repeats a batch after a lost acknowledgement before newer ones', async (site) => {
    await site.peer.up();
    site.forwarder.start();
    await site.connected();
    site.peer.lose(1);
    site.add(1);
    await waitFor(
      'the batch to be there again',
      () => site.peer.taken().filter((b) => /(data|history)$/.test(b.topic)).length > 1,
    );
    const [first, second] = site.peer
      .taken()
      .filter((b) => /(data|history)$/.test(b.topic))
      .map(content);
    assert.deepEqual(second, first);
    site.peer.lose(3);
    for (let i = 0; i < 8; i++) {
      site.add(5);
      await site.log.flush();
    }
    await site.delivered();
    const { counters } = site.forwarder.status();
    assert.ok(counters.retries >= 2 && counters.connects >= 3, JSON.stringify(counters));
    assert.ok(site.consumer.duplicates >= 1);
  });
}
