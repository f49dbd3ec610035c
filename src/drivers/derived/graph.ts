/**
 * Derived points at work. Its invariants:
 *
 * - Pure: it reads no clock and keeps no timer. The outcome depends on the samples and on their times only, not on when `tick` is
 *   called: a sample first does what came due before it. A replay of the same samples gives the same points.
 * - One sample computes each point once, after all its inputs: nobody sees a point of a new and an old input of one sample.
 * - One record a device and cause, with the time of the cause. Points that the cause does not reach are absent in it. A record that
 *   waited for `every` has the time at which it was due.
 * - A point has no reading before each of its inputs had one. A bad input makes it bad for the same reason, an uncertain one
 *   uncertain; an input older than `staleAfter` makes it bad, `timeout`, at the time at which it became too old. A formula may have a
 *   result `without` such an input. An input without any reading counts as too old for it `staleAfter` after the first reading of
 *   another one: an instrument that is broken since it was mounted holds up no point for ever.
 * - A reading that is older than the newest one of its point changes nothing.
 * - Bounded: one slot a source, one node a point; what a point remembers has the bounds of its formula.
 */

import type { Instant } from '../../core/derived-points.ts';
import { conversion, toBase } from '../../core/dimensions.ts';
import type { PointInfo, Sample, Shape, Value } from '../../core/point.ts';
import { hasValue, reasonAt } from '../../core/point.ts';
import { ABSENT, GOOD, qualityOf, reasonCode } from '../../core/reasons.ts';
import { ALIKE, AS_READ, type Calculation, type Input, type Result, type Role } from './formula.ts';
import { conversionFor } from './gases.ts';
import { Heap } from './heap.ts';
import { inOrder } from './order.ts';
import type { PlannedPoint } from './plan.ts';
import { Recorder, type RecorderSettings } from './recorder.ts';

const [TIMEOUT, INVALID, NOT_A_NUMBER] = [reasonCode('timeout'), reasonCode('invalid'), reasonCode('not-a-number')];
const OUT_OF_RANGE = reasonCode('out-of-range');

/** The newest reading of an input. */
export interface Slot {
  readonly key: string;
  /** undefined: none yet. */
  at: number | undefined;
  raw: Value;
  reason: number;
  unit: string | undefined;
  readonly followers: Node[];
}

export interface Node {
  readonly point: PlannedPoint;
  readonly order: number;
  readonly inputs: readonly Slot[];
  /** By input; undefined while its unit cannot be converted. */
  readonly conversions: ({ readonly scale: number; readonly offset: number } | undefined)[];
  readonly units: (string | undefined)[];
  readonly own: Slot;
  readonly back: { readonly scale: number; readonly offset: number };
  readonly calculation: Calculation;
  readonly recorder: Recorder;
  readonly index: number;
  bad: boolean;
  /** The first reading of an input while another one had none, where the formula has a result without that one. */
  since: number | undefined;
}

interface Bound {
  readonly index: number;
  readonly slot: Slot;
}
const NOTHING: readonly Bound[] = [];

export interface GraphDevice extends RecorderSettings {
  readonly points: readonly PlannedPoint[];
}

export class Graph {
  readonly recorders: readonly Recorder[];
  readonly nodes: readonly Node[];
  readonly slots = new Map<string, Slot>();
  readonly #bound = new WeakMap<Shape, readonly Bound[]>();
  readonly #own: ReadonlySet<Shape>;
  readonly #due = new Heap();
  readonly #dirty: Uint8Array;
  readonly #emit: (sample: Sample) => void;
  /** Not later than the first input of a point that gets too old, and the first record that waits. */
  #nodesWake = Number.POSITIVE_INFINITY;
  #recordsWake = Number.POSITIVE_INFINITY;
  #begin = Number.NEGATIVE_INFINITY;
  /** Readings that were older than one before. */
  late = 0;

  /** @param emit gets the records, in the order of their computation */
  constructor(devices: readonly GraphDevice[], emit: (sample: Sample) => void) {
    this.#emit = emit;
    this.recorders = devices.map((device) => new Recorder(device));
    const all = devices.flatMap(({ points }, device) => points.map((point, index) => ({ point, device, index })));
    const places = new Map(all.map(({ point }, i) => [`${point.device}.${point.name}`, i]));
    const order = inOrder(all.map(({ point }) => point.inputs.map((input) => places.get(input.point) ?? -1)));
    this.nodes = order.flatMap((i, rank) => {
      const entry = all[i];
      const recorder = entry && this.recorders[entry.device];
      return entry === undefined || recorder === undefined ? [] : [this.#node(entry.point, rank, recorder, entry.index)];
    });
    this.#dirty = new Uint8Array(this.nodes.length);
    this.#own = new Set(this.recorders.map(({ shape }) => shape));
  }

  sample(sample: Sample, now: Instant): void {
    const { shape, at } = sample;
    const bound = this.#bound.get(shape) ?? this.#bind(shape);
    if (bound.length === 0) return;
    if (at >= Math.min(this.#nodesWake, this.#recordsWake)) this.tick({ ...now, at });
    for (const { index, slot } of bound) {
      const reason = reasonAt(sample, index);
      if (reason === ABSENT) continue;
      if (slot.at !== undefined && at < slot.at) {
        this.late++;
        continue;
      }
      this.#set(slot, at, sample.values[index] ?? 0, reason);
    }
    this.#run({ ...now, at }, sample.unasked);
  }

  /** Does what has come due up to and including this time, in the order of its times. */
  tick(now: Instant): void {
    if (now.at < this.#nodesWake) {
      this.#flush(now.at);
      return;
    }
    // What is done at one time may make more come due.
    let last = Number.NEGATIVE_INFINITY;
    for (let due = this.#firstDue(); due <= now.at && due > last; due = this.#firstDue()) {
      last = due;
      this.#flush(due);
      for (const node of this.nodes) {
        if (dueOf(node) !== due) continue;
        // Whatever comes out of it: it is not due again for this.
        node.bad = true;
        this.#mark(node);
      }
      this.#run({ ...now, at: Math.max(due, this.#begin) }, undefined);
    }
    this.#nodesWake = this.#firstDue();
    this.#flush(now.at);
  }

  #firstDue(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const node of this.nodes) first = Math.min(first, dueOf(node));
    return first;
  }

  /** What waited for `every`. */
  #flush(until: number): void {
    if (until < this.#recordsWake) return;
    const due = this.recorders.filter(({ dueAt }) => dueAt <= until).sort((a, b) => a.dueAt - b.dueAt);
    for (const recorder of due) {
      const record = recorder.flush(until);
      if (record !== undefined) this.#emit(record);
    }
    this.#recordsWake = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.recorders) this.#recordsWake = Math.min(this.#recordsWake, dueAt);
  }

  /** The time at which to call `tick`; it may be early, never late. undefined: no time will change anything. */
  get nextDue(): number | undefined {
    const wake = Math.min(this.#nodesWake, this.#recordsWake);
    return wake === Number.POSITIVE_INFINITY ? undefined : wake;
  }

  /** Records have no earlier time: the start reports those that came due while the gateway was off. */
  begin(at: number): void {
    this.#begin = at;
  }

  /** A reading of an earlier run; nothing is computed from it yet. */
  restore(slot: Slot, at: number, raw: Value, reason: number): void {
    Object.assign(slot, { at, raw, reason });
    this.#nodesWake = Number.NEGATIVE_INFINITY;
  }

  /** The same of a point that waited for an input already. */
  waited(node: Node, since: number): void {
    node.since = since;
    this.#nodesWake = Number.NEGATIVE_INFINITY;
  }

  /** Reports what waits for `every`. */
  rest(at: number): void {
    for (const recorder of this.recorders) {
      const record = recorder.rest(at);
      if (record !== undefined) this.#emit(record);
    }
  }

  #node(point: PlannedPoint, order: number, recorder: Recorder, index: number): Node {
    const { formula, unit, own, settings, staleAfter } = point;
    const inputs = point.inputs.map((input) => this.#slot(input.point));
    const node: Node = {
      ...{ point, order, recorder, index, inputs, bad: true, since: undefined },
      own: this.#slot(`${point.device}.${point.name}`),
      conversions: inputs.map(() => undefined),
      units: inputs.map(() => undefined),
      back: conversion(own, unit ?? own) ?? { scale: 1, offset: 0 },
      calculation: formula.create({ ...settings, staleAfter }),
    };
    node.own.unit = unit;
    for (const slot of new Set(inputs)) slot.followers.push(node);
    return node;
  }

  #slot(key: string): Slot {
    const known = this.slots.get(key);
    if (known !== undefined) return known;
    const slot: Slot = { key, at: undefined, raw: 0, reason: GOOD, unit: undefined, followers: [] };
    this.slots.set(key, slot);
    return slot;
  }

  #bind(shape: Shape): readonly Bound[] {
    const found = this.#own.has(shape)
      ? NOTHING
      : shape.points.flatMap((info: PointInfo, index): Bound[] => {
          const slot = this.slots.get(`${shape.device}.${info.name}`);
          if (slot === undefined || slot.followers.length === 0) return [];
          slot.unit = info.unit;
          return [{ index, slot }];
        });
    this.#bound.set(shape, found);
    return found;
  }

  #set(slot: Slot, at: number, raw: Value, reason: number): void {
    slot.at = at;
    slot.raw = raw;
    slot.reason = reason;
    for (const node of slot.followers) this.#mark(node);
  }

  #mark(node: Node): void {
    if (this.#dirty[node.order] === 1) return;
    this.#dirty[node.order] = 1;
    this.#due.push(node.order);
  }

  #run(now: Instant, unasked: true | undefined): void {
    const touched = new Set<Recorder>();
    for (let order = this.#due.pop(); order !== undefined; order = this.#due.pop()) {
      this.#dirty[order] = 0;
      const node = this.nodes[order];
      if (node === undefined) continue;
      const result = this.#compute(node, now);
      if (result !== undefined) {
        node.bad = qualityOf(result.reason) === 'bad';
        node.recorder.put(node.index, result);
        touched.add(node.recorder);
        this.#set(node.own, now.at, result.value, result.reason);
      }
      const due = dueOf(node);
      if (due < this.#nodesWake) this.#nodesWake = due;
    }
    for (const recorder of touched) {
      const record = recorder.take(now.at, unasked);
      if (record !== undefined) this.#emit(record);
      else this.#recordsWake = Math.min(this.#recordsWake, recorder.dueAt);
    }
  }

  /** @returns undefined while it waits for the first reading of an input */
  #compute(node: Node, now: Instant): Result | undefined {
    const { inputs, calculation, point, back } = node;
    // Without a bad input each has its value.
    const values: (Input | undefined)[] = [];
    let doubt = GOOD;
    let bad = GOOD;
    for (const [i, slot] of inputs.entries()) {
      const { reason } = slot;
      if (slot.at === undefined && calculation.without === undefined) return undefined;
      if (slot.at === undefined) node.since ??= now.at;
      const isOld = now.at - (slot.at ?? node.since ?? now.at) > point.staleAfter;
      if (slot.at === undefined && !isOld) return undefined;
      if (isOld && calculation.without === undefined) return { value: 0, reason: TIMEOUT };
      const isThere = !isOld && hasValue(reason);
      const input = isThere ? this.#input(node, i, slot) : undefined;
      const isNumber = input !== undefined && Number.isFinite(input.value);
      values.push(isNumber ? input : undefined);
      if (isNumber) doubt ||= reason;
      else if (isThere) bad ||= input === undefined ? INVALID : NOT_A_NUMBER;
      else bad ||= isOld ? TIMEOUT : reason;
    }
    const result =
      bad === GOOD ? calculation.step(values as Input[], now) : (calculation.gap?.(now) ?? calculation.without?.(values));
    if (result === undefined) return { value: 0, reason: bad };
    const { value, reason } = result;
    if (!hasValue(reason)) return { value: 0, reason };
    const shown = this.#rounded(point, value * back.scale + back.offset);
    if (!Number.isFinite(shown)) return { value: 0, reason: NOT_A_NUMBER };
    const { range } = point.settings;
    const isOutside = range !== undefined && (shown < (range.min ?? shown) || shown > (range.max ?? shown));
    return { value: shown, reason: reason !== GOOD ? reason : doubt !== GOOD ? doubt : isOutside ? OUT_OF_RANGE : GOOD };
  }

  #input(node: Node, i: number, { raw, unit }: Slot): Input | undefined {
    if (typeof raw !== 'number' && typeof raw !== 'bigint')
      return node.point.formula.inputs === undefined ? undefined : { value: 0, raw, scale: 1 };
    if (node.conversions[i] === undefined || node.units[i] !== unit) {
      node.conversions[i] = convertible(unit, node.point, node.point.inputs[i]?.role);
      node.units[i] = unit;
    }
    const by = node.conversions[i];
    return by && { value: Number(raw) * by.scale + by.offset, raw, scale: by.scale };
  }

  #rounded({ settings, formula }: PlannedPoint, value: number): number {
    const decimals = settings.decimals ?? formula.decimals;
    // Halves of decimals that doubles cannot hold are of no interest; noise behind 12 digits is.
    const short = Number(value.toPrecision(12));
    const rounded = decimals === undefined ? short : Number(short.toFixed(decimals));
    return rounded === 0 ? 0 : rounded;
  }
}

/** When the next of its inputs is too old. A point that is bad already has nothing to say then, unless one of them never had a reading. */
function dueOf({ bad, inputs, own, point, since }: Node): number {
  let due = Number.POSITIVE_INFINITY;
  if (bad && since === undefined) return due;
  for (const { at } of inputs) {
    if (bad && at !== undefined) continue;
    const old = (at ?? since ?? Number.POSITIVE_INFINITY) + point.staleAfter + 1;
    // The point was computed without an input that was too old by then.
    if (own.at === undefined || old > own.at) due = Math.min(due, old);
  }
  return due;
}

function convertible(unit: string | undefined, { own, unit: written }: PlannedPoint, role: Role | undefined) {
  const wanted = role?.unit(own) ?? AS_READ;
  if (wanted === AS_READ || (unit === undefined && written === undefined)) return { scale: 1, offset: 0 };
  if (unit === undefined) return undefined;
  return wanted === ALIKE ? toBase(unit) : conversionFor(role ?? {}, unit, wanted);
}
