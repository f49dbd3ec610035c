/**
 * What the page knows of the gateway. Pure: each function makes a new model of an old one, so that a view is drawn from one state.
 * What a lost connection leaves is kept and marked as old; it never looks fresh.
 */
import type { LiveBeat, LiveInventory, LiveReading, LiveReadings, LiveState } from '../../live/live-types.ts';
import { hasOwn } from '../parts/own.ts';

export type Link = 'connecting' | 'live' | 'lost' | 'busy';

export interface Model {
  readonly link: Link;
  /** undefined until the gateway has sent all of it. */
  readonly state: LiveState | undefined;
  readonly inventory: LiveInventory;
  readonly readings: ReadonlyMap<string, ReadonlyMap<string, LiveReading>>;
  /** Time of the gateway minus the clock of this device, milliseconds. */
  readonly offset: number;
  /** When something came last, by the clock of this device; 0: nothing yet. */
  readonly heard: number;
  /** Milliseconds between the rounds of the gateway. */
  readonly every: number;
}

export const EMPTY: Model = {
  link: 'connecting',
  state: undefined,
  inventory: {},
  readings: new Map(),
  offset: 0,
  heard: 0,
  every: 2000,
};

export function withState(model: Model, parts: Partial<LiveState>): Model {
  // A first state always has all parts; later ones only those that changed.
  return { ...model, state: { ...model.state, ...parts } as LiveState };
}

/** Readings of points that are gone go with them. */
export function withInventory(model: Model, inventory: LiveInventory): Model {
  const readings = new Map<string, ReadonlyMap<string, LiveReading>>();
  for (const [device, points] of model.readings) {
    const known = inventory[device]?.points;
    if (known === undefined) continue;
    readings.set(device, new Map([...points].filter(([point]) => hasOwn(known, point))));
  }
  return { ...model, inventory, readings };
}

export function withReadings(model: Model, news: LiveReadings): Model {
  const readings = new Map(model.readings);
  for (const [device, points] of Object.entries(news))
    readings.set(device, new Map([...(readings.get(device) ?? []), ...Object.entries(points)]));
  return { ...model, readings };
}

export function withBeat(model: Model, beat: LiveBeat, here: number): Model {
  return { ...model, link: 'live', offset: beat.time - here, heard: here, every: beat.every };
}

/** @param here the clock of this device. @returns the time of the gateway now, UTC milliseconds */
export function gatewayNow(model: Model, here: number): number {
  return here + model.offset;
}
