/** Clients of an account are read while it has room: no more than may wait passes, nobody overtakes, and nobody waits without end. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import * as limits from '../../../src/forwarders/broker/limits.ts';
import { Inflow, Rooms } from '../../../src/forwarders/broker/rooms.ts';

const ACCOUNTS = ['a', 'b'];
const LARGEST = limits.MAX_PACKET;

/** A client as its guard and the broker see it. */
class Client {
  readonly inflow: Inflow;
  /** What has not passed, what has passed and is not read, and what is with the broker: ends it. */
  sent: number[] = [];
  unread: number[] = [];
  open: (() => void)[] = [];
  over = false;
  readonly account: string;
  readonly #model: Model;
  readonly #leave: () => void;

  constructor(account: string, model: Model) {
    this.account = account;
    this.#model = model;
    this.inflow = new Inflow(() => model.again.push(this));
    this.#leave = model.rooms.join(account, this.inflow);
  }

  /** A piece of the network, as the guard takes it. @param most messages in it */
  feed(most: number): void {
    if (this.over || this.inflow.waits) return;
    for (let n = 0; n < most; n++) {
      const [next] = this.sent;
      if (next === undefined) break;
      if (!this.inflow.asks()) return;
      this.sent.shift();
      this.inflow.passes(next);
      this.unread.push(next);
      this.#model.passed.push([this, next]);
    }
    this.inflow.goesOn();
  }
  read(): void {
    if (this.over) return;
    this.inflow.read();
    for (const bytes of this.unread.splice(0)) this.open.push(this.#model.rooms.add(this.account, bytes));
  }
  end(): void {
    if (this.over) return;
    this.over = true;
    this.sent = [];
    this.unread = [];
    this.#leave();
  }
}

class Model {
  isFull = false;
  readonly rooms = new Rooms(() => this.isFull);
  readonly clients: Client[] = [];
  readonly again: Client[] = [];
  /** Since somebody looked. */
  passed: [Client, number][] = [];

  turn(pieces: number): void {
    for (const client of this.again.splice(0)) client.feed(pieces);
  }
  /** The first message beyond the bound may have any size. */
  check(): void {
    for (const account of ACCOUNTS) {
      const passed = this.passed.filter(([client]) => client.account === account);
      if (passed.length === 0) continue;
      const room = this.rooms.under(account);
      assert.ok(room.bytes - (passed.at(-1)?.[1] ?? 0) < limits.MAX_ACCOUNT_UNSETTLED, `${room.bytes} bytes of ${account}`);
      assert.ok(room.count <= limits.MAX_ACCOUNT_UNSETTLED_MESSAGES, `${room.count} messages of ${account}`);
    }
    this.passed = [];
  }
}

const step = fc.record({
  does: fc.constantFrom('comes', 'sends', 'sends', 'sends many', 'reads', 'settles', 'turn', 'goes', 'full'),
  account: fc.constantFrom(...ACCOUNTS),
  which: fc.nat(20),
  bytes: fc.array(fc.integer({ min: 1, max: LARGEST }), { minLength: 1, maxLength: 4 }),
});

test('property: no more of an account is under way than may wait, and all that was sent goes on', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const model = new Model();
      const { clients } = model;
      for (const account of [...ACCOUNTS, ...ACCOUNTS]) clients.push(new Client(account, model));
      for (const { does, account, which, bytes } of steps) {
        const client = clients[which % clients.length] as Client;
        if (does === 'comes') clients.push(new Client(account, model));
        else if (does === 'turn') model.turn(3);
        else if (does === 'full') model.isFull = !model.isFull;
        else if (does === 'reads') client.read();
        else if (does === 'settles') client.open.shift()?.();
        else if (does === 'goes') client.end();
        else if (!client.over) {
          client.sent.push(...(does === 'sends' ? bytes : Array<number>(1500).fill(1)));
          client.feed(2000);
        }
        // The bound of a store that is full holds from now on, and not for what has passed.
        model.check();
      }
      const left = () => clients.reduce((n, { sent, unread, open }) => n + sent.length + unread.length + open.length, 0);
      for (let rounds = 2 * left() + 10; left() > 0; rounds--) {
        assert.ok(rounds > 0, 'nobody waits without end');
        for (const client of clients) {
          client.read();
          client.open.shift()?.();
          // What was in the network, and nobody waits.
          client.feed(3);
        }
        model.turn(3);
        model.check();
      }
      assert.equal(model.rooms.bytes, 0);
      for (const client of clients) client.end();
      assert.equal(model.rooms.size, 0, 'nothing is left of an account without clients');
    }),
    { numRuns: 200 },
  );
});

/** Clients of one account whose room is used up by the first, and what settles that. */
function crowded(count: number) {
  const model = new Model();
  const clients = Array.from({ length: count }, () => new Client('a', model));
  const settle = model.rooms.add('a', limits.MAX_ACCOUNT_UNSETTLED);
  return { model, clients, settle };
}

test('clients go on in the order in which they began to wait, a piece each', () => {
  const { model, clients, settle } = crowded(3);
  for (const client of clients) {
    client.sent = [1, 2, 3, 4];
    client.feed(2);
  }
  assert.equal(model.rooms.waited, 3);
  settle();
  const order: number[] = [];
  while (model.again.length > 0) {
    assert.equal(model.again.length, 1, 'one of an account is called at a time');
    const client = model.again.shift() as Client;
    order.push(clients.indexOf(client));
    client.feed(2);
    // The rest is the next piece; the others wait before it.
    client.feed(2);
  }
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2]);
  assert.ok(clients.every(({ sent }) => sent.length === 0));
});

test('one that comes while others wait does not overtake them', () => {
  const { model, clients, settle } = crowded(2);
  const [first, second] = clients as [Client, Client];
  first.sent = [1];
  first.feed(1);
  settle();
  // Called, and its turn has not come.
  second.sent = [1];
  second.feed(1);
  assert.deepEqual([first.sent.length, second.sent.length], [1, 1]);
  model.turn(1);
  assert.deepEqual([first.sent.length, second.sent.length], [0, 1]);
  model.turn(1);
  assert.equal(second.sent.length, 0);
});

test('one that was called and ends, or waits for something else, holds up nobody', () => {
  for (const leaves of [(client: Client) => client.end(), (client: Client) => client.inflow.goesOn()]) {
    const { model, clients, settle } = crowded(2);
    for (const client of clients) {
      client.sent = [1];
      client.feed(1);
    }
    settle();
    assert.deepEqual(model.again, [clients[0]]);
    leaves(clients[0] as Client);
    assert.deepEqual(model.again, clients);
  }
});

test('an account whose room is used up takes none of another one', () => {
  const { model, clients } = crowded(1);
  const [full] = clients as [Client];
  full.sent = [1];
  full.feed(1);
  const other = new Client('b', model);
  other.sent = [LARGEST, 1];
  other.feed(2);
  assert.deepEqual([full.sent.length, other.sent.length], [1, 0]);
});

test('beyond the bytes of all accounts each has a message, and then little', () => {
  const model = new Model();
  for (let n = 0; model.rooms.bytes <= limits.MAX_UNSETTLED; n++) model.rooms.add(`${n}`, limits.MAX_ACCOUNT_UNSETTLED);
  const client = new Client('a', model);
  client.sent = [LARGEST, 1];
  client.feed(2);
  assert.deepEqual(client.sent, [1], 'one beyond its bound passes where nothing is under way');
});
