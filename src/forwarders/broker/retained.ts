/**
 * The messages that a new subscriber gets at once. Those of the gateway are not stored: `value/…` is written from the latest
 * values at the moment it leaves, the rest are a few fixed messages, and all of it is rebuilt at every start. Those of clients
 * are kept here, MAX_RETAINED and MAX_RETAINED_BYTES at most.
 */
import type { BrokerChange } from '../../core/broker-store.ts';
import type { Inventory, LatestValues } from '../../core/ports.ts';
import { FilterTree } from '../../core/topic-filter.ts';
import { MAX_RETAINED, MAX_RETAINED_BYTES } from './limits.ts';
import { copyOf } from './queue.ts';
import { retainedChange } from './session-journal.ts';
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
  /** Of clients. */
  readonly #foreign = new Map<string, RetainedPacket>();
  /** Bytes of topics and payloads in it. */
  #bytes = 0;
  /** Messages that were not kept for want of space. */
  refused = 0;
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

  /** Of clients and of the gateway. */
  get all(): number {
    return this.#foreign.size + this.#fixed.size + (this.#points?.size ?? 0);
  }
  get count(): number {
    return this.#foreign.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  isOwn(topic: string): boolean {
    return topic === this.#root || topic.startsWith(`${this.#root}/`);
  }

  /** Whether a client's message would be kept: there is space, and the topic is not one of the gateway. */
  takes({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }): boolean {
    if (this.isOwn(topic)) return false;
    const before = this.#foreign.get(topic);
    const bytes = this.#bytes + sizeOf(topic, payload) - (before === undefined ? 0 : sizeOf(topic, before.payload));
    return payload.length === 0 || (bytes <= MAX_RETAINED_BYTES && (before !== undefined || this.#foreign.size < MAX_RETAINED));
  }

  /** A client's message; one without content clears its topic. @returns whether it was kept */
  keep(packet: RetainedPacket): boolean {
    const { topic, payload } = packet;
    if (!this.takes(packet)) {
      if (!this.isOwn(topic)) this.refused++;
      return false;
    }
    const before = this.#foreign.get(topic);
    if (before !== undefined) this.#bytes -= sizeOf(topic, before.payload);
    this.#foreign.delete(topic);
    if (payload.length === 0) return true;
    this.#foreign.set(topic, { ...packet, payload: copyOf(payload) });
    this.#bytes += sizeOf(topic, payload);
    return true;
  }

  /** Every row of the store. */
  *rows(): Generator<BrokerChange> {
    for (const { topic, payload, qos } of this.#foreign.values()) yield retainedChange(topic, payload, qos);
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
    for (const packet of this.#foreign.values()) {
      if (++looked % LOOKED_AT === 0) yield undefined;
      if (!packet.topic.startsWith('$') && tree.matches(packet.topic)) yield packet;
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
