/**
 * How far the clients of an account are read. What an account has published and the disk does not have yet is bounded. Beyond the bound its
 * messages of QoS 1 and 2 wait in front of the broker, in the network and with their clients. Invariants:
 * - a message counts from the moment in which it passes the guard of its client until it is settled (admission.ts);
 * - one that begins while there is room passes, however large it is: a large one does not wait for longer than small ones;
 * - clients of an account that wait go on in the order in which they began to wait, one piece of the network each;
 * - an account with nothing under way has room, so none waits without end;
 * - accounts do not wait for each other, and who waits is bounded by the connections.
 */
import {
  type Amount,
  MAX_ACCOUNT_UNSETTLED,
  MAX_ACCOUNT_UNSETTLED_MESSAGES,
  MAX_UNSETTLED,
  MAX_UNSETTLED_BEHIND,
} from './limits.ts';

interface Total {
  /** Under way. */
  bytes: number;
  /** How often a client began to wait. */
  waited: number;
  /** Bytes of one account. */
  readonly most: number;
}

/** The room of one account. */
export class Room {
  readonly #total: Total;
  /** In the order in which they began to wait. */
  readonly #waiting: Inflow[] = [];
  /** The first of them was called, and has not asked since then. */
  #called = false;
  /** Messages under way, and their bytes. */
  #count = 0;
  #bytes = 0;
  clients = 0;

  constructor(total: Total) {
    this.#total = total;
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.clients === 0;
  }

  get amount(): Amount {
    return { count: this.#count, bytes: this.#bytes };
  }

  get has(): boolean {
    return this.#count === 0 || (this.#count < MAX_ACCOUNT_UNSETTLED_MESSAGES && this.#bytes < this.#total.most);
  }

  /** @returns false: the client waits, and is called */
  asks(client: Inflow): boolean {
    const [first] = this.#waiting;
    if ((first === undefined || first === client) && this.has) return true;
    if (first === client) {
      this.#called = false;
      // It had its piece.
      if (client.passed) this.#waiting.push(...this.#waiting.splice(0, 1));
    } else if (!this.#waiting.includes(client)) {
      this.#waiting.push(client);
      this.#total.waited++;
    }
    return false;
  }

  /** A client does not wait for room now. */
  leaves(client: Inflow): void {
    const at = this.#waiting.indexOf(client);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    if (at === 0) this.#called = false;
    this.relieved();
  }

  /** @param count negative: these are settled */
  add(count: number, bytes: number): void {
    this.#count += count;
    this.#bytes += bytes;
    this.#total.bytes += bytes;
    if (count < 0) this.relieved();
  }

  relieved(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#called || !this.has) return;
    this.#called = true;
    first.called();
  }
}

/** What one client sends. Until it has an account nothing is counted. */
export class Inflow {
  room: Room | undefined;
  /** Something of it has passed since it was called. */
  passed = false;
  /** It waits for room, and has not been called. */
  waits = false;
  readonly #again: () => void;
  /** Messages that have passed the guard and that the broker has not read, and their bytes. */
  #unread = 0;
  #unreadBytes = 0;

  /** @param again there may be room now */
  constructor(again: () => void) {
    this.#again = again;
  }

  /** A message begins. @returns false: it waits */
  asks(): boolean {
    this.waits = this.room?.asks(this) === false;
    return !this.waits;
  }

  /** A message is whole and goes to the broker. */
  passes(bytes: number): void {
    if (this.room === undefined) return;
    this.passed = true;
    this.#unread++;
    this.#unreadBytes += bytes;
    this.room.add(1, bytes);
  }

  /** The broker has read all that has passed. From now on it counts there. */
  read(): void {
    if (this.#unread === 0) return;
    this.room?.add(-this.#unread, -this.#unreadBytes);
    this.#unread = 0;
    this.#unreadBytes = 0;
  }

  called(): void {
    this.waits = false;
    this.passed = false;
    this.#again();
  }

  /** It has nothing more now, or waits for something else: others of its account are not behind it. */
  goesOn(): void {
    this.waits = false;
    this.room?.leaves(this);
  }

  end(): void {
    this.read();
    this.goesOn();
    this.room = undefined;
  }
}

/** The rooms of all accounts that are connected or have something under way. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #total: Total;

  /** @param isFull the store has much that is not on the disk */
  constructor(isFull: () => boolean = () => false) {
    this.#total = {
      ...{ bytes: 0, waited: 0 },
      get most() {
        return isFull() || this.bytes > MAX_UNSETTLED ? MAX_UNSETTLED_BEHIND : MAX_ACCOUNT_UNSETTLED;
      },
    };
  }

  get size(): number {
    return this.#rooms.size;
  }
  /** Bytes that are under way, of all. */
  get bytes(): number {
    return this.#total.bytes;
  }

  /** How often a client began to wait. */
  get waited(): number {
    return this.#total.waited;
  }

  has(account: string): boolean {
    return this.#rooms.get(account)?.has ?? true;
  }

  /** What an account has under way. */
  under(account: string): Amount {
    return this.#rooms.get(account)?.amount ?? { count: 0, bytes: 0 };
  }

  /** A client logs in. @returns ends it */
  join(account: string, inflow: Inflow): () => void {
    const room = this.#of(account);
    room.clients++;
    inflow.room = room;
    return () => {
      inflow.end();
      room.clients--;
      this.#forget(account, room);
    };
  }

  /** A message is with the broker. @returns it is settled */
  add(account: string, bytes: number): () => void {
    const room = this.#of(account);
    room.add(1, bytes);
    return () => {
      room.add(-1, -bytes);
      this.#forget(account, room);
    };
  }

  #of(account: string): Room {
    const known = this.#rooms.get(account);
    if (known !== undefined) return known;
    const room = new Room(this.#total);
    this.#rooms.set(account, room);
    return room;
  }

  #forget(account: string, room: Room): void {
    if (room.isEmpty) this.#rooms.delete(account);
  }
}
