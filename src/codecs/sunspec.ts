/**
 * SunSpec: where the models of a device lie. A device says "SunS" at one of three addresses of its holding registers; behind
 * it stand models, one after the other, each with its number, the count of its registers, and the registers; the number
 * 0xFFFF ends the chain (SunSpec Device Information Model Specification 1.1, "Device Modbus map").
 *
 * - Pure: the walk asks for registers and is given words. It asks for two at a time, which is legal at every head.
 * - Bounded: each step goes forward, past the last address there is none, and MOST_MODELS end it in any case.
 * - A model that is not known is stepped over by its length. What is found before a chain breaks off counts; of a chain that
 *   cannot be true nothing does.
 */
import { SluiceError } from '../core/errors.ts';
import type { ModbusPoint } from './modbus-point.ts';
import { widthOf } from './modbus-point.ts';

/** In the order in which they are tried. */
export const SUNSPEC_BASES = [40_000, 50_000, 0] as const;
/** "SunS" */
const MARKER: readonly number[] = [0x5375, 0x6e53];
const END = 0xffff;
/** Registers of the head of a model: its number and its length. */
export const HEAD = 2;
const LAST_ADDRESS = 0xffff;
/** Real devices have up to about forty. */
const MOST_MODELS = 200;

export interface ReadWish {
  /** The first of its holding registers. */
  readonly start: number;
  readonly count: number;
}

export interface SunspecModel {
  readonly id: number;
  /** The register with its number. */
  readonly start: number;
  /** Registers behind the head. */
  readonly length: number;
}

export interface SunspecChain {
  readonly base: number;
  /** In the order of the device. */
  readonly models: readonly SunspecModel[];
  /** `end`: as it should be. `cut`: it breaks off, as careless devices do. `lie`: it cannot be true. */
  readonly end: 'end' | 'cut' | 'lie';
  /** The fault at its end, in words. */
  readonly fault?: string | undefined;
}

/** Which model a role of the configuration is: the first of `models` that the device has; of several with one number the `index`th, from 1. */
export interface ModelWish {
  readonly models: readonly number[];
  readonly index: number;
}

/**
 * Walks the chain. `next(words)` gives what was asked for; `next(undefined)` says that the device refuses these addresses
 * (a Modbus exception). Whatever else goes wrong is the caller's: a walk that is left behind holds nothing.
 * @returns undefined: the device says "SunS" nowhere
 */
export function* walkChain(): Generator<ReadWish, SunspecChain | undefined, readonly number[] | undefined> {
  for (const base of SUNSPEC_BASES) {
    const words = yield { start: base, count: HEAD };
    if (words?.length === HEAD && MARKER.every((word, i) => words[i] === word)) return yield* walkModels(base);
  }
  return undefined;
}

function* walkModels(base: number): Generator<ReadWish, SunspecChain, readonly number[] | undefined> {
  const models: SunspecModel[] = [];
  const ends = (end: SunspecChain['end'], fault?: string): SunspecChain => ({ base, models, end, fault });
  let start = base + HEAD;
  while (start + HEAD - 1 <= LAST_ADDRESS) {
    const [id, length] = (yield { start, count: HEAD }) ?? [];
    if (id === END) return ends('end');
    if (id === undefined || length === undefined)
      return ends('cut', `it refuses register ${start}, where the next model or the end of the chain has to be`);
    // The device fills the rest of its map with it.
    if (id === 0) return ends('cut', `0 is in register ${start}, where the next model or the end of the chain has to be`);
    if (models.length === MOST_MODELS) return ends('lie', `it lists more than ${MOST_MODELS} models`);
    if (start + HEAD + length - 1 > LAST_ADDRESS)
      return ends(
        'lie',
        `model ${id} in register ${start} says that it has ${length} registers, which is more than a device can have`,
      );
    models.push({ id, start, length });
    start += HEAD + length;
  }
  return ends('cut', 'the registers end before the chain does');
}

/** The same for callers that read by promises. @param read resolves with undefined when the device refuses; what it rejects with ends the walk */
export async function readChain(
  read: (wish: ReadWish) => Promise<readonly number[] | undefined>,
): Promise<SunspecChain | undefined> {
  const walk = walkChain();
  let step = walk.next();
  while (!step.done) step = walk.next(await read(step.value));
  return step.value;
}

export interface ModelChoice {
  readonly chosen: ReadonlyMap<string, SunspecModel>;
  /** Roles that no model of the device can play, and what to do about it, in words. */
  readonly missing: ReadonlyMap<string, string>;
}

/**
 * The models of a device that its configuration asks for, by role.
 * @throws SluiceError bad-reply, in words, when it has no chain, or one that cannot be true
 */
export function chooseModels(
  chain: SunspecChain | undefined,
  wishes: Iterable<readonly [role: string, wish: ModelWish]>,
): ModelChoice {
  if (chain === undefined)
    throw new SluiceError(
      'bad-reply',
      `it is not a SunSpec device: "SunS" is at none of the holding registers ${SUNSPEC_BASES.join(', ')}; check \`unit\`, and that SunSpec is switched on in the device`,
    );
  if (chain.end === 'lie')
    throw new SluiceError(
      'bad-reply',
      `its list of SunSpec models cannot be right: ${chain.fault}; look for newer firmware, or write its points with their own addresses`,
    );
  const chosen = new Map<string, SunspecModel>();
  const missing = new Map<string, string>();
  for (const [role, { models, index }] of wishes) {
    const found = models
      .map((id) => chain.models.filter((model) => model.id === id)[index - 1])
      .find((model) => model !== undefined);
    if (found === undefined) missing.set(role, missingWords(chain, role, { models, index }));
    else chosen.set(role, found);
  }
  return { chosen, missing };
}

function missingWords(chain: SunspecChain, role: string, { models, index }: ModelWish): string {
  const wanted = `${index > 1 ? `${index} times ` : ''}SunSpec model ${models.join(' or ')} (${role})`;
  const has = chain.models.map(({ id }) => id);
  // The integer and the floating point variants of a kind lie ten apart: 101 to 103 and 111 to 113, 201 to 204 and 211 to 214.
  const twin = models.flatMap((id) => [id + 10, id - 10]).find((id) => has.includes(id));
  const hint =
    twin === undefined
      ? 'choose a profile for one of these'
      : `choose the profile for model ${twin}, the ${models.some((id) => id + 10 === twin) ? 'floating point' : 'integer'} variant`;
  const broken = chain.fault === undefined ? '' : ` (its chain breaks off: ${chain.fault})`;
  return `it does not have ${wanted}; it has ${has.length === 0 ? 'none' : has.join(', ')}${broken}: ${hint}`;
}

/**
 * A point at its absolute address; undefined where the model of the device is too short to have it (an older version).
 * A point without a model is where it says. @throws SluiceError not-found for a role that was not chosen
 */
export function placePoint(point: ModbusPoint, chosen: ReadonlyMap<string, SunspecModel>): ModbusPoint | undefined {
  if (point.model === undefined) return point;
  const { model: role, ...rest } = point;
  const model = chosen.get(role);
  if (model === undefined) throw new SluiceError('not-found', `no SunSpec model was chosen for ${role}`);
  if (point.address + widthOf(point) > HEAD + model.length) return undefined;
  return { ...rest, address: model.start + point.address };
}

/** A device that has what is asked for, as the simulator plays it: where its models lie, and the words of marker and heads. */
export function layChain(
  wishes: Iterable<readonly [role: string, wish: ModelWish]>,
  points: readonly ModbusPoint[],
): { chosen: ReadonlyMap<string, SunspecModel>; words: ReadonlyMap<number, number> } {
  const base = SUNSPEC_BASES[0];
  const words = new Map<number, number>(MARKER.map((word, i) => [base + i, word]));
  const chosen = new Map<string, SunspecModel>();
  let start = base + HEAD;
  for (const [role, { models, index }] of wishes) {
    const [id = END] = models;
    const ends = points.filter((point) => point.model === role).map((point) => point.address + widthOf(point) - HEAD);
    const length = Math.max(1, ...ends);
    for (let copy = 1; copy <= index; copy++) {
      words.set(start, id).set(start + 1, length);
      chosen.set(role, { id, start, length });
      start += HEAD + length;
    }
  }
  words.set(start, END).set(start + 1, 0);
  return { chosen, words };
}
