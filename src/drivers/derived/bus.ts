/** Derived points as a bus: no wire, nothing is polled, and nothing can be written. It computes in the turn of the sample that it is given. */
import type { Clock } from '../../core/clock.ts';
import type { DerivedMemory, SampleFeed } from '../../core/derived-points.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { hasValue } from '../../core/point.ts';
import type { Bus, BusStatus, DeviceStatus, SampleSink } from '../../core/ports.ts';
import { ABSENT, qualityOf, reasonName } from '../../core/reasons.ts';
import { senderCounters } from '../sender.ts';
import { Graph, type GraphDevice, type Node } from './graph.ts';
import { SAVE_EVERY } from './limits.ts';
import { restoreState, savedAtOf, stateOf } from './saved-state.ts';

/** Points in a fault of a device. */
const NAMED = 3;

export interface DerivedContext {
  readonly clock: Clock;
  readonly emit: SampleSink;
  readonly feed: SampleFeed;
  readonly memory: DerivedMemory;
}

interface Device {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly recorder: Graph['recorders'][number];
  readonly isRemembering: boolean;
  readonly counts: { bad: number };
  last: Sample | undefined;
}

export class DerivedBus implements Bus {
  readonly name: string;
  readonly #c: DerivedContext;
  readonly #graph: Graph;
  readonly #devices: readonly Device[];
  readonly #byShape: ReadonlyMap<Shape, Device>;
  /** States of an earlier run whose age is not known yet. */
  #unplaced: { readonly nodes: readonly Node[]; readonly state: unknown }[] = [];
  #startedAt = 0;
  #end: (() => void) | undefined;
  #cancelSave: (() => void) | undefined;
  #cancelTick: (() => void) | undefined;
  #tickAt = Number.POSITIVE_INFINITY;

  constructor(name: string, devices: readonly GraphDevice[], context: DerivedContext) {
    this.name = name;
    this.#c = context;
    this.#graph = new Graph(devices, (sample) => this.#emit(sample));
    this.#devices = this.#graph.recorders.map((recorder) => {
      const nodes = this.#graph.nodes.filter((node) => node.recorder === recorder);
      const isRemembering = nodes.some(({ calculation }) => calculation.save !== undefined);
      return { name: recorder.name, nodes, recorder, isRemembering, counts: { bad: 0 }, last: undefined };
    });
    this.#byShape = new Map(this.#devices.map((device) => [device.recorder.shape, device]));
  }

  get shapes(): Shape[] {
    return this.#devices.map(({ recorder }) => recorder.shape);
  }

  start(): void {
    if (this.#end !== undefined) return;
    const { feed } = this.#c;
    this.#startedAt = this.#c.clock.monotonic();
    this.#graph.begin(this.#startedAt);
    for (const device of this.#devices) this.#restore(device);
    this.#end = feed.listen({ sample: (sample) => this.#sample(sample), clockChanged: () => this.#clockChanged() });
    this.#saveLater();
    this.#schedule();
  }

  async stop(): Promise<void> {
    if (this.#end === undefined) return;
    this.#end();
    this.#end = undefined;
    this.#cancelSave?.();
    this.#cancelTick?.();
    this.#tickAt = Number.POSITIVE_INFINITY;
    this.#graph.rest(this.#c.clock.monotonic());
    for (const device of this.#devices) this.#save(device);
  }

  /** The newest readings: there is nothing to ask. */
  async read(device: string): Promise<Sample[]> {
    const known = this.#devices.find(({ name }) => name === device);
    if (known === undefined) throw new SluiceError('not-found', `there is no device ${device} on the bus ${this.name}`);
    if (this.#end === undefined) throw new SluiceError('bus-closed', 'the gateway does not compute points now');
    if (known.last === undefined)
      throw new SluiceError('timeout', `no point of ${device} was computed yet: ${waits(known.nodes)}`);
    return [newestOf(known, known.last.at)];
  }

  status(): BusStatus {
    const isOpen = this.#end !== undefined;
    return {
      ...{ name: this.name, protocol: 'derived', state: isOpen ? 'open' : 'closed', fault: undefined },
      devices: this.#devices.map((device) => this.#statusOf(device)),
    };
  }

  #statusOf({ name, nodes, recorder, counts, last }: Device): DeviceStatus {
    const bad = nodes.filter((node) => node.own.at !== undefined && node.bad);
    const some = bad.slice(0, NAMED).map((node) => `${node.point.name}: ${culprit(node)}`);
    const more = bad.length > NAMED ? `; and ${bad.length - NAMED} more` : '';
    return {
      name,
      state: last === undefined ? 'unknown' : 'answering',
      fault: bad.length === 0 ? undefined : `points are bad (${some.join('; ')}${more})`,
      lastReply: last?.at,
      counters: senderCounters({ replies: recorder.records, timeouts: 0, badReplies: counts.bad, leftOut: recorder.held }),
    };
  }

  #sample(sample: Sample): void {
    this.#graph.sample(sample, this.#c.feed.now());
    this.#schedule();
  }

  #emit(sample: Sample): void {
    const device = this.#byShape.get(sample.shape);
    if (device !== undefined) {
      device.last = sample;
      if (sample.reasons?.some((reason) => qualityOf(reason) === 'bad')) device.counts.bad++;
    }
    this.#c.emit(sample);
  }

  #schedule(): void {
    const due = this.#graph.nextDue ?? Number.POSITIVE_INFINITY;
    // A timer that comes early looks again; one for each sample would cost more.
    if (due >= this.#tickAt || this.#end === undefined) return;
    const { clock, feed } = this.#c;
    this.#cancelTick?.();
    this.#tickAt = due;
    this.#cancelTick = clock.after(Math.max(0, due - clock.monotonic()), () => {
      this.#tickAt = Number.POSITIVE_INFINITY;
      this.#graph.tick(feed.now());
      this.#schedule();
    });
  }

  #restore({ name, nodes }: Device): void {
    const kept = this.#c.memory.load(name);
    if (kept === undefined) return;
    const now = this.#c.feed.now();
    const savedAt = kept.at ?? savedAtOf(kept.state, now);
    restoreState(this.#graph, nodes, kept.state, now, savedAt);
    if (savedAt === undefined) this.#unplaced.push({ nodes, state: kept.state });
    if (kept.at !== undefined) return;
    for (const { point, calculation } of nodes) {
      const newer = calculation.resume && this.#c.memory.logged(name, point.name);
      if (newer !== undefined) calculation.resume?.(newer);
    }
  }

  #clockChanged(): void {
    const now = this.#c.feed.now();
    if (!now.known) return;
    for (const { nodes, state } of this.#unplaced.splice(0)) {
      const savedAt = savedAtOf(state, { ...now, at: this.#startedAt });
      const off = savedAt === undefined ? 0 : this.#startedAt - savedAt;
      if (off > 0) for (const { calculation } of nodes) calculation.placed?.(off, this.#startedAt);
    }
  }

  #saveLater(): void {
    if (!this.#devices.some(({ isRemembering }) => isRemembering)) return;
    this.#cancelSave = this.#c.clock.after(SAVE_EVERY, () => {
      for (const device of this.#devices) if (device.isRemembering && device.last !== undefined) this.#save(device);
      this.#saveLater();
    });
  }

  #save({ name, nodes, last }: Device): void {
    // Nothing came and nothing was said in this run: what an earlier one saved is still right.
    if (last === undefined && nodes.every(({ inputs }) => inputs.every(({ at }) => at === undefined || at < this.#startedAt)))
      return;
    const now = this.#c.feed.now();
    const resumed = nodes.flatMap(({ point, calculation }) => (calculation.resume === undefined ? [] : [point.name]));
    this.#c.memory.save(name, stateOf(nodes, now), now.at, resumed);
  }
}

/** A record reaches some points only: this has all that were computed. */
function newestOf({ nodes, recorder }: Device, at: number): Sample {
  const { shape } = recorder;
  const values = new Array<number>(shape.points.length).fill(0);
  const reasons = new Uint8Array(shape.points.length).fill(ABSENT);
  for (const { own, index } of nodes)
    if (own.at !== undefined) {
      values[index] = Number(own.raw);
      reasons[index] = own.reason;
    }
  return { shape, at, values, reasons };
}

/** Why a point is bad. */
function culprit({ inputs, own }: Node): string {
  const all = inputs.filter(({ at, reason }) => at !== undefined && !hasValue(reason));
  const bad = all.find(({ reason }) => reason === own.reason) ?? (reasonName(own.reason) === 'timeout' ? undefined : all[0]);
  if (bad !== undefined) return `${bad.key} is bad, ${reasonName(bad.reason)}`;
  if (reasonName(own.reason) !== 'timeout') return reasonName(own.reason);
  const oldest = inputs.find(({ at }) => at === undefined) ?? inputs.reduce((a, b) => ((a.at ?? 0) <= (b.at ?? 0) ? a : b));
  return oldest.at === undefined ? `no reading of ${oldest.key} yet` : `no new reading of ${oldest.key}`;
}

function waits(nodes: readonly Node[]): string {
  const missing = new Set(nodes.flatMap(({ inputs }) => inputs.flatMap(({ key, at }) => (at === undefined ? [key] : []))));
  return missing.size === 0 ? 'it waits for a reading' : `it waits for ${[...missing].slice(0, NAMED).join(', ')}`;
}
