/**
 * Delivery while an older log comes back, as the smallest model there can be, against the contract's consumer. A loss begins a new log;
 * what is left of the old one is held, and joins later, in front. The order across logs is bent by that, and no other rule is.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Consumer } from '../../oracles/consumer.ts';
import { type Random, random } from '../../oracles/store-samples.ts';

const WALKS = 1500;
const STEPS = 80;
const LANES = ['data', 'history'] as const;
type Lane = (typeof LANES)[number];

interface Item {
  readonly log: string;
  readonly seq: number;
  readonly lane: Lane;
  acked: boolean;
  /** Acknowledged in a file too: a power cut keeps it. */
  durable: boolean;
  held: boolean;
}

class Model {
  readonly consumer = new Consumer();
  /** Oldest log first, numbers ascending. */
  readonly items: Item[] = [];
  readonly #next: Random;
  readonly #whole: boolean;
  #log = 0;
  #seq = 1;
  #lane: Lane = 'data';
  /** Times that a topic went back to an older log. */
  bent = 0;
  readonly #at = new Map<Lane, number>();

  /** @param whole nothing of a log is given out before all of it is there */
  constructor(seed: number, whole: boolean) {
    this.#next = random(seed);
    this.#whole = whole;
  }

  walk(): void {
    for (let i = 0; i < STEPS; i++) this.#step(this.#next(20));
    for (const item of this.items) item.held = false;
    while (this.items.some((item) => !item.acked)) for (const lane of LANES) this.#send(lane, true);
  }

  #step(n: number): void {
    if (n < 7) this.items.push({ ...this.#given(), lane: this.#lane, acked: false, durable: false, held: false });
    else if (n < 12) this.#send('data', this.#next(3) > 0);
    else if (n < 15) this.#send('history', this.#next(3) > 0);
    else if (n === 15) this.#lane = this.#lane === 'data' ? 'history' : 'data';
    else if (n === 16) for (const item of this.items) item.durable = item.acked;
    // A restart knows what the files know; the rest is sent again.
    else if (n === 17) for (const item of this.items) item.acked = item.durable;
    else if (n === 18) this.#lose();
    else this.#comeBack();
  }
  #given(): { log: string; seq: number } {
    return { log: `log${this.#log}`, seq: this.#seq++ };
  }
  /** Cursors are at most too low afterwards, and what is left is held. */
  #lose(): void {
    for (const item of this.items) {
      item.acked = item.durable;
      item.held = true;
    }
    this.#log++;
    this.#seq = 1;
    this.#lane = 'data';
  }
  #comeBack(): void {
    const held = this.items.filter((item) => item.held);
    // As it must not be: record by record, in whatever order they are found.
    const some = this.#whole ? held : held.filter(() => this.#next(2) === 0);
    for (const item of some) item.held = false;
  }

  /** The oldest of a lane that is not acknowledged, and those behind it, in one log. @param answered else the answer is lost */
  #send(lane: Lane, answered: boolean): void {
    const waits = this.items.filter((item) => item.lane === lane && !item.acked && !item.held);
    const [first] = waits;
    if (first === undefined) return;
    const of = waits.filter((item) => item.log === first.log);
    const batch: Item[] = [];
    for (const item of of.slice(0, 1 + this.#next(4))) {
      // A batch covers no number of the other lane.
      const before = batch.at(-1)?.seq ?? item.seq;
      const between = this.items.some((o) => o.log === item.log && o.lane !== lane && o.seq > before && o.seq < item.seq);
      if (between) break;
      batch.push(item);
    }
    const at = Number(first.log.slice(3));
    if (at < (this.#at.get(lane) ?? 0)) this.bent++;
    this.#at.set(lane, at);
    const records = batch.map(({ seq }) => ({ seq, device: 'd', time: seq, values: { value: seq } }));
    const last = batch.at(-1)?.seq ?? first.seq;
    const payload = { v: 1, gateway: 'g1', log: first.log, boot: `b${at}`, first: first.seq, last, records };
    this.consumer.feed(`sluice/g1/${lane}`, JSON.stringify(payload));
    if (answered) for (const item of batch) item.acked = true;
  }
}

function lost(model: Model): string[] {
  const has = new Set(model.consumer.records().map((r) => `${r.log}/${r.seq}`));
  return model.items.map(({ log, seq }) => `${log}/${seq}`).filter((number) => !has.has(number));
}

test('a log that comes back behind a newer one loses nothing and doubles nothing', () => {
  let bent = 0;
  for (let seed = 1; seed <= WALKS; seed++) {
    const model = new Model(seed, true);
    model.walk();
    assert.deepEqual(model.consumer.judge(), [], `seed ${seed}`);
    assert.deepEqual(lost(model), [], `seed ${seed}`);
    bent += model.bent;
  }
  assert.ok(bent > WALKS / 2, `a topic went back to an older log ${bent} times`);
});

test('control: given out before all of it is there, a log loses records', () => {
  let broken = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const model = new Model(seed, false);
    model.walk();
    if (model.consumer.judge().length > 0 && lost(model).length > 0) broken++;
  }
  assert.ok(broken > 50, `${broken} of 200 walks broke the contract`);
});
