/**
 * The metrics of one edge node: which there are, under which alias, of which type. They come from the inventory, and from records of
 * points that the configuration has no more: what births do not name must not come as data.
 *
 * - An alias belongs to its name as long as the forwarder lives.
 * - A type changes only where a kept reading does not fit it (a `scale` was removed, say). Then it is widened, and births follow.
 */
import { ALIASES_END, LEAST_ALIAS } from '../../../../codecs/format-sparkplug-b.ts';
import { DATA_TYPES, type DataType, dataTypeOf } from '../../../../codecs/sparkplug.ts';
import type { PointType } from '../../../../core/point.ts';
import type { Inventory } from '../../../../core/ports.ts';
import type { SiteFacts } from '../../../../core/site-facts.ts';

/** Points that only kept records have. */
const MOST_GONE = 10_000;

export interface Slot {
  readonly device: string;
  readonly point: string;
  readonly alias: number;
  readonly type: DataType;
  readonly unit?: string | undefined;
}

/** A point as the payload format names it in `to`. */
export interface Written {
  readonly point: string;
  readonly type: DataType;
}

export class Metrics {
  readonly #site: SiteFacts;
  #devices = new Map<string, Map<string, Slot>>();
  #byAlias = new Map<number, Slot>();
  #configured = new Set<string>();
  #aliases = new Map<string, number>();
  #next = LEAST_ALIAS;
  /** Types of points that the configuration does not have. */
  readonly #gone = new Map<string, { readonly device: string; readonly point: string; readonly type: DataType }>();
  readonly #wider = new Map<string, DataType>();
  /** Readings of points for which there is no more space. */
  leftOut = 0;

  constructor(site: SiteFacts) {
    this.#site = site;
  }

  /** As births say it from now on. @param inventory its JSON */
  refresh(inventory: string): void {
    if (this.#next + this.#aliases.size >= ALIASES_END) this.#startAgain();
    this.#devices = new Map();
    this.#byAlias = new Map();
    const { devices = {} } = JSON.parse(inventory) as Partial<Inventory>;
    this.#configured = new Set(Object.keys(devices));
    for (const [device, { points = {} }] of Object.entries(devices)) {
      this.#devices.set(device, new Map());
      for (const [point, { type, unit }] of Object.entries(points)) {
        const plain = this.#site.point(device, point)?.plain === true;
        this.#add(device, point, dataTypeOf(type as PointType, plain), unit);
        this.#gone.delete(keyOf(device, point));
      }
    }
    for (const { device, point, type } of this.#gone.values()) this.#add(device, point, type, undefined);
  }

  #add(device: string, point: string, type: DataType, unit: string | undefined): void {
    const key = keyOf(device, point);
    const slot = { device, point, unit, alias: this.aliasOf(key), type: this.#wider.get(key) ?? type };
    const slots = this.#devices.get(device) ?? new Map<string, Slot>();
    slots.set(point, slot);
    this.#devices.set(device, slots);
    this.#byAlias.set(slot.alias, slot);
  }

  /** @param key of a metric; those of the node begin with a slash */
  aliasOf(key: string): number {
    let alias = this.#aliases.get(key);
    if (alias === undefined) {
      alias = this.#next++;
      this.#aliases.set(key, alias);
    }
    return alias;
  }
  /** Names that came and went used them all up: births may give new ones. */
  #startAgain(): void {
    this.#aliases = new Map();
    this.#next = LEAST_ALIAS;
  }

  /** Devices of the configuration. */
  get devices(): Iterable<string> {
    return this.#configured;
  }
  isConfigured(device: string): boolean {
    return this.#configured.has(device);
  }
  of(device: string): Iterable<Slot> {
    return this.#devices.get(device)?.values() ?? [];
  }
  slot(device: string, point: string): Slot | undefined {
    return this.#devices.get(device)?.get(point);
  }
  withAlias(alias: bigint): Slot | undefined {
    return alias < BigInt(ALIASES_END) ? this.#byAlias.get(Number(alias)) : undefined;
  }

  /** A kept record has that point and births do not. @returns false when there is no more space for it */
  remember(device: string, { point, type }: Written): boolean {
    if (this.#gone.size >= MOST_GONE) return false;
    this.#gone.set(keyOf(device, point), { device, point, type });
    return true;
  }

  /** A kept reading does not fit its type. @param number whether its value is one */
  widen({ device, point, type }: Slot, number: boolean): void {
    this.#wider.set(
      keyOf(device, point),
      number && type !== DATA_TYPES.String && type !== DATA_TYPES.DateTime && type !== DATA_TYPES.Double
        ? DATA_TYPES.Double
        : DATA_TYPES.String,
    );
  }
}

function keyOf(device: string, point: string): string {
  return `${device}/${point}`;
}
