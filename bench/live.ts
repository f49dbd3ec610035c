/**
 * What an open status page costs the gateway, with and without compression: bytes and CPU time of an update of `/api/v1/live`, and
 * memory of a stream. `npm run bench:live` (with
 * NODE_OPTIONS=--expose-gc the memory, too). Both kinds take turns in one process, so that the load of the machine is in both alike.
 * CPU time is that of all threads: zlib works beside the main one.
 */
import { Writable } from 'node:stream';
import { LiveStream } from '../src/admin/live/live-stream.ts';
import { eventGzip } from '../src/admin/packing.ts';
import * as sites from '../test/fakes/page-sites.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';

/** Each is so many updates of one kind and as many of the other. */
const TURNS = Number(process.env.SLUICE_BENCH_RUNS ?? 20);
const UPDATES = 25;
const STREAMS = 8;

/** One page, with a clock that the bench turns. */
class Page {
  bytes = 0;
  readonly #source = sites.full();
  readonly #gone = new AbortController();
  readonly #ended: Promise<void>;
  #turn: (() => void) | undefined;
  #beat: (() => void) | undefined;
  #waits = false;

  constructor(packed: boolean) {
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.bytes += chunk.length;
        done();
      },
    });
    const out = packed ? eventGzip() : sink;
    if (packed) out.pipe(sink);
    const clock = {
      after: (_ms: number, act: () => void) => {
        this.#turn = act;
        this.#waits = true;
        this.#beat?.();
        return () => {};
      },
    };
    this.#ended = new LiveStream(this.#source, clock, { every: 2000 }).run(out, this.#gone.signal);
    this.#out = out;
  }
  readonly #out: Writable;

  /** Until the round has been made and everything of it is in the sink. */
  async made(): Promise<void> {
    if (!this.#waits)
      await new Promise<void>((resolve) => {
        this.#beat = resolve;
      });
    await new Promise<void>((resolve, reject) => this.#out.write('', (error) => (error ? reject(error) : resolve())));
  }

  /** @param points so many have a new value */
  async update(points: number, n: number): Promise<void> {
    const all = [...this.#source.changed(0)].slice(0, points);
    if (points > 0)
      this.#source.take(...all.map((one, i) => ({ ...one, time: one.time + 2000 * n, value: Math.sin(i + n) * 1000 })));
    this.#waits = false;
    this.#turn?.();
    await this.made();
  }

  async end(): Promise<void> {
    this.#gone.abort();
    await this.#ended;
    this.#out.destroy();
  }
}

async function costs(points: number): Promise<(string | number)[][]> {
  const kinds = [false, true].map((packed) => ({ packed, page: new Page(packed), first: 0, cpu: [] as number[], n: 0 }));
  for (const kind of kinds) {
    await kind.page.made();
    kind.first = kind.page.bytes;
    // The code is compiled by then.
    for (let i = 0; i < 2 * UPDATES; i++) await kind.page.update(points, kind.n++);
    kind.page.bytes = 0;
  }
  for (let turn = 0; turn < TURNS; turn++)
    for (const kind of kinds) {
      const before = process.cpuUsage();
      for (let i = 0; i < UPDATES; i++) await kind.page.update(points, kind.n++);
      const { user, system } = process.cpuUsage(before);
      kind.cpu.push((user + system) / 1000 / UPDATES);
    }
  for (const { page } of kinds) await page.end();
  return kinds.map(({ packed, page, first, cpu }) => [
    `${points} of 1,000 values are new`,
    packed ? 'gzip' : 'as it is',
    ...[first, Math.round(page.bytes / TURNS / UPDATES), percentile(cpu, 0.5).toFixed(2)],
  ]);
}

/** What a stream keeps outside the heap: the window and the tables of zlib, and pieces under way. */
async function memoryOfStreams(): Promise<string> {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) return 'Start it with --expose-gc to see the memory of a stream.';
  collect();
  const before = process.memoryUsage().external;
  const pages = Array.from({ length: STREAMS }, () => new Page(true));
  for (const page of pages) await page.made();
  collect();
  const kilobytes = (process.memoryUsage().external - before) / 1024 / STREAMS;
  for (const page of pages) await page.end();
  return `A compressed stream keeps ${Math.round(kilobytes)} kB outside the heap (${STREAMS} open).`;
}

printConditions(`An update of the status page, 1,000 points and 200 alarms, ${TURNS} turns of ${UPDATES} updates`);
const rows: (string | number)[][] = [];
for (const points of [0, 100, 1000]) rows.push(...(await costs(points)));
printTable([['update', 'answer', 'first round, bytes', 'update, bytes', 'CPU ms an update (p50)'], ...rows]);
console.log(await memoryOfStreams());
