/**
 * Alarms that leave in the turn that made them. aedes writes a message to a client in a later turn of the event loop, behind everything
 * that the sockets have for the gateway meanwhile. Invariants:
 * - messages of a client keep their order: while aedes has one to write, an alarm goes the way of aedes, too;
 * - a client with a session goes the way of aedes always: its queue counts what aedes writes;
 * - MOST_AT_ONCE messages leave so in one turn, since the writes of the rule wait for them.
 */
import type { AedesPublishPacket, Client } from 'aedes';
import { writeToStream } from 'mqtt-packet';
import { guardOf } from './clients.ts';

export const MOST_AT_ONCE = 8;
/** Ends of turns after which aedes has written: the first may be under way already when the message comes. */
const TURNS = 2;

export class AtOnce {
  #turn = 0;
  #armed = false;
  /** Ends of turns that are still to be counted. */
  #left = 0;
  /** Messages of this turn that left at once. */
  #sent = 0;
  /** The turn in which aedes got the last message of a client. */
  readonly #given = new WeakMap<Client, number>();

  /** aedes writes a message to this client in the next turn. */
  given(client: Client): void {
    this.#given.set(client, this.#turn);
    this.#left = TURNS;
    this.#arm();
  }

  /** @returns false: the message has to go the way of aedes */
  send(client: Client, packet: AedesPublishPacket): boolean {
    const given = this.#given.get(client);
    if (!client.clean || !client.connected || (given !== undefined && this.#turn < given + TURNS)) return false;
    if (this.#sent >= MOST_AT_ONCE) return false;
    if (this.#sent++ === 0)
      setImmediate(() => {
        this.#sent = 0;
      });
    const guard = guardOf(client);
    guard.hurry();
    writeToStream({ ...packet, cmd: 'publish', retain: false, dup: false }, guard);
    return true;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    // aedes makes its own immediate when this call has returned: ours comes behind it.
    queueMicrotask(() =>
      setImmediate(() => {
        this.#armed = false;
        this.#turn++;
        if (--this.#left > 0) this.#arm();
      }),
    );
  }
}
