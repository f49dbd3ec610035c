/**
 * The way of clients' messages through the store and on to their receivers, a lane for each account. Invariants:
 * - a lane keeps its order;
 * - of one lane the store has LANE_ROWS rows and LANE_BYTES at most that are not on the disk, and the message that goes beyond them. The
 *   next commit is small enough for others to wait for, however much an account publishes;
 * - a client with little in its lane is read on, so that its pings have answers. One with more is not, and none of a lane with much: the
 *   account would have published more than may wait, and lose its connections (admission.ts);
 * - LANE_TURNS of one lane wait for a turn of the event loop at a time, so another lane and the clients that are read pass between them;
 * - how many wait in all is bounded where they come in (admission.ts).
 */
import { LANE_BYTES, LANE_READ_ON, LANE_READ_ON_ALL, LANE_ROWS, LANE_TURNS } from './limits.ts';

/** What core/turns.ts lets through. */
export interface Turns {
  enter(): boolean;
  later(run: () => void): void;
}

/** A message that the store has now. */
export interface Given {
  /** Rows that the next commit takes for it. */
  readonly rows: number;
  /** Resolves in the order in which messages were given, with whether it is on the disk. */
  readonly settles: Promise<boolean>;
}

/** The connection of a client that publishes. */
interface Reader {
  readonly connection: object;
  readOn(): void;
}

interface Lane {
  readonly name: string;
  /** Not given to the store yet, oldest first. */
  readonly waiting: (() => void)[];
  /** Settled, and without their turn. */
  readonly settled: (() => void)[];
  /** What the store has of it. */
  given: number;
  rows: number;
  bytes: number;
  /** Turns that were asked for. */
  asked: number;
  /** Bytes of clients that wait. */
  held: number;
}

export class Lanes {
  readonly #turns: Turns;
  /** Those with messages. */
  readonly #lanes = new Map<string, Lane>();
  /** Bytes that wait for room in a lane, by connections. */
  readonly #waiting = new WeakMap<object, number>();

  /** @param turns absent: nobody waits for a turn */
  constructor(turns: Turns = { enter: () => true, later: queueMicrotask }) {
    this.#turns = turns;
  }

  get size(): number {
    return this.#lanes.size;
  }

  /**
   * Resolves when a message may go on, with whether it is on the disk.
   * @param give called when the lane has room for it, at once where it has: it gives the message to the store
   * @param by its client; undefined: nobody waits for an answer
   */
  pass(name: string, bytes: number, give: () => Given, by?: () => Reader): Promise<boolean> {
    const lane = this.#of(name);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const run = (): void => {
      const { rows, settles } = give();
      lane.given++;
      lane.rows += rows;
      lane.bytes += bytes;
      void settles.then((safe) => {
        lane.given--;
        lane.rows -= rows;
        lane.bytes -= bytes;
        // In their order: nobody overtakes who waits.
        if (lane.settled.length === 0 && this.#turns.enter()) resolve(safe);
        else lane.settled.push(() => resolve(safe));
        this.#goOn(lane);
      });
    };
    if (lane.waiting.length === 0 && hasRoom(lane)) run();
    else {
      const begins = by === undefined ? undefined : this.#waits(lane, by(), bytes);
      lane.waiting.push(() => {
        begins?.();
        run();
      });
    }
    return promise;
  }

  /** A message waits for room. A slow disk may need many commits until then. @returns ends it */
  #waits(lane: Lane, by: Reader, bytes: number): () => void {
    const { connection } = by;
    const add = (more: number): number => {
      const all = (this.#waiting.get(connection) ?? 0) + more;
      this.#waiting.set(connection, all);
      lane.held += more;
      return all;
    };
    // Later, since its bytes are being parsed now.
    if (add(bytes) <= LANE_READ_ON && lane.held <= LANE_READ_ON_ALL) queueMicrotask(() => by.readOn());
    return () => void add(-bytes);
  }

  #of(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane: Lane = { name, waiting: [], settled: [], given: 0, rows: 0, bytes: 0, asked: 0, held: 0 };
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Asks for as many turns as it has use for. */
  #goOn(lane: Lane): void {
    const { name, waiting, settled } = lane;
    const most = Math.min(LANE_TURNS, settled.length + (hasRoom(lane) ? waiting.length : 0));
    while (lane.asked < most) {
      lane.asked++;
      this.#turns.later(() => {
        lane.asked--;
        // What others wait for comes before what only begins.
        if (settled.length > 0) settled.shift()?.();
        else if (hasRoom(lane)) waiting.shift()?.();
        this.#goOn(lane);
      });
    }
    if (waiting.length + settled.length + lane.given + lane.asked === 0) this.#lanes.delete(name);
  }
}

/** One message of any size has room in an empty lane. */
function hasRoom({ given, rows, bytes }: Lane): boolean {
  return given === 0 || (rows < LANE_ROWS && bytes < LANE_BYTES);
}
