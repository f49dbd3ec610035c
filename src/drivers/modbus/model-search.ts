/**
 * Finds the models of one SunSpec device on the wire, between all other requests there.
 *
 * - Looked for before the first poll of points in a model, and anew after the port was opened or the device was silent: what
 *   answers then may be another device. Also when registers are refused (exception 2) or the head of a model reads otherwise.
 * - One step is one request, and a turn of its own for the bus: what others wait for goes before the next step.
 * - A search that found nothing else than the one before is repeated at pauses from FIRST, doubled up to LONGEST.
 * - What one role lacks holds up no other role.
 * - A reply shows the head of its model, or the head is looked at after it came: no value is of registers that have moved.
 */
import type { DeviceMemory } from '../../codecs/modbus-memory.ts';
import { encodeRequest, type ModbusRequest, type Pdu, payloadOf } from '../../codecs/modbus-pdu.ts';
import type { ModbusPoint } from '../../codecs/modbus-point.ts';
import {
  chooseModels,
  HEAD,
  type ModelChoice,
  type ModelWish,
  placePoint,
  type ReadWish,
  readChain,
  type SunspecChain,
  type SunspecModel,
  walkChain,
} from '../../codecs/sunspec.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Movable } from './placed.ts';

const FIRST = 10_000;
const LONGEST = 600_000;
/** How the requests of a search are called in faults. */
export const SEARCH = 'the search for its SunSpec models';
/** Function, address, count or the device itself say that there is nothing to read (MODBUS Application Protocol, section 7). */
const REFUSALS: readonly unknown[] = [1, 2, 3, 4];
const NOWHERE: ModelChoice = { chosen: new Map(), missing: new Map() };

export interface SearchStep {
  readonly request: ModbusRequest;
  readonly pdu: Pdu;
}

/** A reply that does not show whose registers they are, until its model was looked at. */
interface Held {
  readonly payload: Uint8Array;
  readonly look: SearchStep;
  /** It counts only while nothing else was found. */
  readonly searches: number;
}

/** The state of a search. */
export interface SearchEnd {
  /** Other models, or at other places, than were known. */
  readonly moved: boolean;
  /** The finding, in words. */
  readonly found: string;
  readonly fault: string | undefined;
}

/** The device has no such registers: an answer for a search. */
export function isRefusal(error: SluiceError): boolean {
  return error.code === 'exception' && REFUSALS.includes(error.data.exception);
}

export class ModelSearch {
  readonly #wishes: readonly (readonly [role: string, wish: ModelWish])[];
  readonly #points: readonly ModbusPoint[];
  readonly #memory: DeviceMemory;
  #walk: ReturnType<typeof walkChain> | undefined;
  #step: SearchStep | undefined;
  #choice = NOWHERE;
  /** Why nothing can be read. */
  #lost: SluiceError | undefined;
  /** Monotonic ms from which it is looked for again. */
  #again = Number.NEGATIVE_INFINITY;
  #pause = FIRST / 2;
  /** Searches that came to an end, and findings that undid one. */
  #searches = 0;
  #searchedAt = Number.NEGATIVE_INFINITY;
  /** By the job that it answers. */
  #held = new WeakMap<Movable, Held>();

  /** @param points all of the device */
  constructor(
    wishes: readonly (readonly [role: string, wish: ModelWish])[],
    points: readonly ModbusPoint[],
    memory: DeviceMemory,
  ) {
    this.#wishes = wishes;
    this.#points = points;
    this.#memory = memory;
  }

  /** The request that comes before this job; undefined: the job itself. */
  step(job: Movable, now: number): SearchStep | undefined {
    if (job.model === undefined) return undefined;
    this.settle(job);
    const look = this.look(job);
    if (look !== undefined) return look;
    if (this.#step === undefined && now >= this.#again) {
      this.#walk = walkChain();
      this.#go(this.#walk.next(), now);
    }
    return this.#step;
  }

  /** @param payload of the reply to `step`; undefined where it was refused. @returns what came of the search, with its last step */
  learn(step: SearchStep, payload: Uint8Array | undefined, now: number): SearchEnd | undefined {
    // By hand it may have come to its end meanwhile.
    if (step !== this.#step || this.#walk === undefined) return undefined;
    return this.#go(this.#walk.next(payload && wordsOf(payload)), now);
  }

  /** The chain is known; what was looked for is. */
  conclude(chain: SunspecChain | undefined, now: number): SearchEnd {
    this.#walk = undefined;
    this.#step = undefined;
    this.#searches++;
    const before = this.#choice;
    this.#choice = NOWHERE;
    this.#lost = undefined;
    try {
      this.#choice = chooseModels(chain, this.#wishes);
    } catch (thrown) {
      if (!(thrown instanceof SluiceError)) throw thrown;
      this.#lost = thrown;
    }
    const moved = placesOf(before) !== placesOf(this.#choice);
    // It may be another device: a factor of the one before scales nothing here.
    this.#memory.forget();
    this.#pause = moved ? FIRST : Math.min(LONGEST, this.#pause * 2);
    this.#searchedAt = now;
    const whole = this.#lost === undefined && this.#choice.missing.size === 0;
    this.#again = whole ? Number.POSITIVE_INFINITY : now + this.#pause;
    const faults = this.#lost ? [this.#lost.message] : [...this.#choice.missing.values(), ...this.#tooShort()];
    return { moved, found: placesOf(this.#choice), fault: faults.length === 0 ? undefined : faults.join('; ') };
  }

  /** The next answer may come from another device. */
  restart(): void {
    this.letGo();
    this.#walk = undefined;
    this.#step = undefined;
    this.#again = Number.NEGATIVE_INFINITY;
  }

  /** Registers of a model were refused: they may lie elsewhere by now. */
  doubt(): void {
    this.#again = Math.min(this.#again, this.#searchedAt + this.#pause);
  }

  /** Nothing is known, or what was known may be wrong. */
  get open(): boolean {
    return this.#again === Number.NEGATIVE_INFINITY;
  }

  /** @returns words where a reply begins with another head than that of the model it should be of: its values are none then */
  strayed(job: Movable, payload: Uint8Array): string | undefined {
    const model = this.#modelOf(job);
    return model === undefined || !showsHead(job, payload, model) ? undefined : this.#strayed(payload, model);
  }

  /** Keeps a reply that does not show its head. @returns whether it does not, and `look` has to be asked before it is one */
  hold(job: Movable, payload: Uint8Array): boolean {
    const model = this.#modelOf(job);
    if (model === undefined || showsHead(job, payload, model)) return false;
    const look = stepTo({ start: model.start, count: HEAD });
    this.#held.set(job, { payload, look, searches: this.#searches });
    return true;
  }

  /** The step that has to be asked before the reply held for a job counts. */
  look(job: Movable): SearchStep | undefined {
    const held = this.#held.get(job);
    return held?.searches === this.#searches ? held.look : undefined;
  }

  /**
   * The answer to `look`; undefined where it was refused.
   * @returns the reply that was held, or words where its model lies there no more; undefined: `step` was no such look
   */
  looked(job: Movable, step: SearchStep, head: Uint8Array | undefined): Uint8Array | string | undefined {
    const held = this.#held.get(job);
    const model = this.#modelOf(job);
    if (held?.look !== step || model === undefined) return undefined;
    this.#held.delete(job);
    return this.#strayed(head ?? new Uint8Array(2 * HEAD), model) ?? held.payload;
  }

  /** A poll has ended without what it was to bring. */
  letGo(): void {
    this.#held = new WeakMap();
  }

  /** Puts a job to where its model lies now. */
  settle(job: Movable): void {
    if (job.model === undefined || job.search === this.#searches) return;
    job.search = this.#searches;
    const model = this.#modelOf(job);
    const placed = model && job.model.place(model);
    if (this.#lost !== undefined) job.lack = 'bad-reply';
    else if (this.#searches > 0 && placed === undefined) job.lack = 'not-there';
    else Object.assign(job, placed, { lack: undefined });
  }

  /** The model of a point, and the point where it lies now. @throws SluiceError write-refused while that is not known */
  locate(point: ModbusPoint): { readonly point: ModbusPoint; readonly model: SunspecModel | undefined } {
    if (point.model === undefined) return { point, model: undefined };
    const refuse = (words: string) => new SluiceError('write-refused', `${point.name}: ${words}`, { data: { sent: false } });
    if (this.#lost !== undefined) throw refuse(this.#lost.message);
    const missing = this.#choice.missing.get(point.model);
    if (missing !== undefined) throw refuse(missing);
    const model = this.#choice.chosen.get(point.model);
    if (model === undefined || this.open)
      throw refuse('its SunSpec models are not known yet: try again after the device was read');
    const placed = placePoint(point, this.#choice.chosen);
    if (placed === undefined) throw refuse(`SunSpec model ${model.id} of this device is too short to have it`);
    return { point: placed, model };
  }

  /** Models that end before some of their points, in words. */
  *#tooShort(): Generator<string> {
    const { chosen } = this.#choice;
    for (const [role, { id, length }] of chosen) {
      const lacking = this.#points.filter((p) => p.model === role && placePoint(p, chosen) === undefined).map((p) => p.name);
      if (lacking.length > 0)
        yield `its SunSpec model ${id} has ${length} registers, too few for ${lacking.join(', ')}: remove these points (\`null\`)`;
    }
  }

  #strayed(head: Uint8Array, model: SunspecModel): string | undefined {
    if (isHead(head, model)) return undefined;
    this.#lost = new SluiceError('bad-reply', `SunSpec model ${model.id} is not in register ${model.start} any more`);
    this.#searches++;
    this.doubt();
    return this.#lost.message;
  }

  #modelOf({ model }: Pick<Movable, 'model'>): SunspecModel | undefined {
    return model && this.#choice.chosen.get(model.role);
  }

  #go(step: ReturnType<ReturnType<typeof walkChain>['next']>, now: number): SearchEnd | undefined {
    if (step.done) return this.conclude(step.value, now);
    this.#step = stepTo(step.value);
    return undefined;
  }
}

function stepTo(wish: ReadWish): SearchStep {
  const request = { kind: 'read', table: 'holding', ...wish } as const;
  return { request, pdu: encodeRequest(request) };
}

/** Whether a reply begins with number and length of its model. */
function showsHead({ request }: Movable, payload: Uint8Array, { start }: SunspecModel): boolean {
  return request.start === start && payload.length >= 2 * HEAD;
}

/** The chain of a device, asked for now. @param ask rejects with a SluiceError; @returns undefined where it has none */
export function searchByHand(
  ask: (request: ModbusRequest) => Promise<{ readonly pdu: Uint8Array }>,
): Promise<SunspecChain | undefined> {
  return readChain(async (wish) => {
    try {
      return wordsOf(payloadOf((await ask({ kind: 'read', table: 'holding', ...wish })).pdu));
    } catch (thrown) {
      if (thrown instanceof SluiceError && isRefusal(thrown)) return undefined;
      throw thrown;
    }
  });
}

function wordsOf(payload: Uint8Array): number[] {
  return Array.from({ length: payload.length >> 1 }, (_, i) => ((payload[2 * i] ?? 0) << 8) | (payload[2 * i + 1] ?? 0));
}

/** @param payload that begins with the first two registers of the model */
export function isHead(payload: Uint8Array, { id, length }: SunspecModel): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = payload;
  return ((a << 8) | b) === id && ((c << 8) | d) === length;
}

function placesOf({ chosen }: ModelChoice): string {
  return [...chosen]
    .map(([role, { id, start, length }]) => `${role} is model ${id} in register ${start}, ${length} long`)
    .join('; ');
}
