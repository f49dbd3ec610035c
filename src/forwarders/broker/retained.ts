/**
 * The messages that a new subscriber gets at once. Nothing is stored twice: `value/…` is written from the latest values at the
 * moment it leaves, the rest are a few fixed messages. Nothing of it comes from a disk: it is rebuilt at every start.
 */
import type { Inventory, LatestValues } from '../../core/ports.ts';
import { FilterTree } from './topic-filter.ts';
import { encodeValue } from './value-json.ts';

/** Topics looked at in one go. */
const LOOKED_AT = 200;

export interface RetainedPacket {
  readonly cmd: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1;
  readonly retain: true;
}

export class Retained {
  readonly #root: string;
  readonly #latest: LatestValues;
  readonly #fixed = new Map<string, string>();
  /** `device/point` of the inventory; undefined until there is one. */
  #points: Set<string> | undefined;

  constructor(root: string, latest: LatestValues) {
    this.#root = root;
    this.#latest = latest;
  }

  /** Status, inventory and alarms: one message a topic, QoS 1. An empty text clears it. */
  set(topic: string, json: string): void {
    if (json === '') this.#fixed.delete(topic);
    else this.#fixed.set(topic, json);
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
    const tree = new FilterTree();
    for (const filter of filters) tree.add(filter);
    let looked = 0;
    for (const [topic, json] of this.#fixed) {
      if (++looked % LOOKED_AT === 0) yield undefined;
      if (tree.matches(topic)) yield { cmd: 'publish', topic, payload: Buffer.from(json), qos: 1, retain: true };
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
