/**
 * The messages that a new subscriber gets at once. Those of the gateway are not stored: `value/…` is written from the latest
 * values at the moment it leaves, the rest are a few fixed messages, and all of it is rebuilt at every start. Those of clients
 * are kept here, MAX_RETAINED and MAX_RETAINED_BYTES at most, and MAX_ACCOUNT_RETAINED and MAX_ACCOUNT_RETAINED_BYTES of one account. One
 * that is beyond the share of its account is not kept. Where all together are too many, shares.ts says which account loses its oldest.
 */
import type { BrokerChange } from '../../core/broker-store.ts';
import type { Inventory, LatestValues } from '../../core/ports.ts';
import { FilterTree } from '../../core/topic-filter.ts';
import * as limits from './limits.ts';
import { packed, sizeOf as payloadSize, qosOf, unpacked } from './packed-message.ts';
import { retainedChange } from './session-journal.ts';
import { Ledger } from './shares.ts';
import { encodeValue } from './value-json.ts';

/** Topics looked at in one go. */
const LOOKED_AT = 200;

export interface RetainedPacket {
  readonly cmd: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

export class Retained {
  readonly #root: string;
  readonly #latest: LatestValues;
  readonly #fixed = new Map<string, string>();
  /** Retained messages of clients, packed (packed-message.ts), by the accounts that published them last, oldest first. */
  readonly #foreign = new Map<string, Map<string, string>>();
  /** With bytes of topics and payloads. */
  readonly #held = new Ledger(
    { count: limits.MAX_RETAINED, bytes: limits.MAX_RETAINED_BYTES },
    { count: limits.MAX_ACCOUNT_RETAINED, bytes: limits.MAX_ACCOUNT_RETAINED_BYTES },
  );
  /** Messages that were not kept, because their account has its share. */
  refused = 0;
  /** Messages that were kept, and then went because all of them were too many. */
  displaced = 0;
  /** Called for each of these. */
  onDisplaced: (topic: string) => void = () => {};
  /** `device/point` of the inventory; undefined until there is one. */
  #points: Set<string> | undefined;
  /** Made for each subscription. */
  system: { matching(filters: readonly string[]): RetainedPacket[] } | undefined;

  constructor(root: string, latest: LatestValues) {
    this.#root = root;
    this.#latest = latest;
  }

  /** Status, inventory and alarms: one message a topic, QoS 1. An empty text clears it. */
  set(topic: string, json: string): void {
    if (json === '') this.#fixed.delete(topic);
    else this.#fixed.set(topic, json);
  }

  /** How many retained messages clients and the gateway have. */
  get all(): number {
    return this.#held.count + this.#fixed.size + (this.#points?.size ?? 0);
  }
  get count(): number {
    return this.#held.count;
  }
  get bytes(): number {
    return this.#held.bytes;
  }

  isOwn(topic: string): boolean {
    return topic === this.#root || topic.startsWith(`${this.#root}/`);
  }

  /** Whether a client's message would be kept: its account has space, and the topic is not one of the gateway. */
  takes({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }, account: string): boolean {
    if (this.isOwn(topic)) return false;
    if (payload.length === 0) return true;
    const before = this.#foreign.get(account)?.get(topic);
    const [count, bytes] = before === undefined ? [1, 0] : [0, topic.length + payloadSize(before)];
    return this.#held.within(account, count, sizeOf(topic, payload) - bytes);
  }

  /** A client's message; one without content clears its topic. @returns whether it was kept */
  keep(packet: RetainedPacket, account: string): boolean {
    const { topic, payload, qos } = packet;
    if (!this.takes(packet, account)) {
      if (!this.isOwn(topic)) this.refused++;
      return false;
    }
    const before = this.#holder(topic, account);
    if (before !== undefined) this.#remove(before, topic);
    if (payload.length === 0) return true;
    const messages = this.#foreign.get(account) ?? new Map<string, string>();
    this.#foreign.set(account, messages);
    messages.set(topic, packed(payload, qos));
    this.#held.add(account, 1, sizeOf(topic, payload));
    for (let loser = this.#held.loser(account); loser !== undefined; loser = this.#held.loser(account)) {
      const [oldest] = this.#foreign.get(loser.account)?.keys() ?? [];
      if (oldest === undefined) break;
      this.#remove(loser.account, oldest);
      this.displaced++;
      this.onDisplaced(oldest);
    }
    return true;
  }

  /** The retained message that clients left on a topic. */
  of(topic: string): { readonly payload: Buffer; readonly qos: number; readonly from: string } | undefined {
    const from = this.#holder(topic, '');
    const message = from === undefined ? undefined : this.#foreign.get(from)?.get(topic);
    return from === undefined || message === undefined ? undefined : { payload: unpacked(message), qos: qosOf(message), from };
  }

  /** Who published the retained message of a topic. @param first most often it is this account */
  #holder(topic: string, first: string): string | undefined {
    if (this.#foreign.get(first)?.has(topic) === true) return first;
    for (const [account, messages] of this.#foreign) if (messages.has(topic)) return account;
    return undefined;
  }

  #remove(account: string, topic: string): void {
    const messages = this.#foreign.get(account);
    const message = messages?.get(topic);
    if (messages === undefined || message === undefined) return;
    messages.delete(topic);
    if (messages.size === 0) this.#foreign.delete(account);
    this.#held.add(account, -1, -topic.length - payloadSize(message));
  }

  /** Every row of the store. */
  *rows(): Generator<BrokerChange> {
    for (const [account, messages] of this.#foreign)
      for (const [topic, message] of messages) yield retainedChange(topic, unpacked(message), qosOf(message), account);
  }

  topics(): Iterable<string> {
    return this.#fixed.keys();
  }

  /** Takes the points of a new inventory; returns the topics of those that are gone. */
  inventory(inventory: Inventory): string[] {
    const before = this.#points ?? new Set<string>();
    const now = new Set<string>();
    for (const [device, { points }] of Object.entries(inventory.devices))
      for (const point of Object.keys(points)) now.add(`${device}/${point}`);
    this.#points = now;
    return [...before].filter((p) => !now.has(p)).map((p) => `${this.#root}/value/${p}`);
  }

  /** True when the point is in the inventory, or none is known yet. */
  has(device: string, point: string): boolean {
    return this.#points === undefined || this.#points.has(`${device}/${point}`);
  }

  /** In between, `undefined` after every LOOKED_AT topics: a moment for others. */
  *matching(filters: readonly string[]): Generator<RetainedPacket | undefined> {
    yield* this.system?.matching(filters) ?? [];
    const tree = new FilterTree();
    for (const filter of filters) tree.add(filter);
    let looked = 0;
    for (const [topic, json] of this.#fixed) {
      if (++looked % LOOKED_AT === 0) yield undefined;
      if (tree.matches(topic)) yield { cmd: 'publish', topic, payload: Buffer.from(json), qos: 1, retain: true };
    }
    for (const messages of this.#foreign.values())
      for (const [topic, message] of messages) {
        if (++looked % LOOKED_AT === 0) yield undefined;
        if (topic.startsWith('$') || !tree.matches(topic)) continue;
        yield { cmd: 'publish', topic, payload: unpacked(message), qos: qosOf(message), retain: true };
      }
    const latest = this.#latest;
    for (const { device, point } of latest.all()) {
      if (++looked % LOOKED_AT === 0) yield undefined;
      const topic = `${this.#root}/value/${device}/${point}`;
      if (!this.has(device, point) || !tree.matches(topic)) continue;
      yield {
        cmd: 'publish',
        topic,
        // Read ahead by streams but encoded only when sent, so that it never follows a newer live message.
        get payload() {
          const value = latest.get(device, point);
          return Buffer.from(value === undefined ? '' : encodeValue(value));
        },
        qos: 0,
        retain: true,
      };
    }
  }
}

function sizeOf(topic: string, payload: Uint8Array): number {
  return topic.length + payload.length;
}
