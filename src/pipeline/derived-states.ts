/**
 * States of derived points, kept over restarts in the log beside those of rules. What a commit carries for it is one state a device,
 * a few times an hour. A state names the place in the log where it was saved: a point that adds up (energy) continues from the
 * newest value behind it, so a power cut loses what was not committed, and nothing else.
 */
import type { Clock } from '../core/clock.ts';
import type { DerivedMemory } from '../core/derived-points.ts';
import type { Shape } from '../core/point.ts';
import { savedState, statesOf } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';

/** A start does not wait longer for the log, ms. */
const RESTORE_WITHIN = 5000;

interface Kept {
  readonly state: unknown;
  readonly log: string;
  readonly seq: number;
  /** Points whose newest value in the log counts more than the state. */
  readonly resumed: readonly string[];
}

export interface DerivedStatesOptions {
  readonly log: () => Pick<Log, 'opened' | 'id' | 'next' | 'keeper' | 'saveState'>;
  readonly clock: Clock;
}

export class DerivedStates implements DerivedMemory {
  readonly #options: DerivedStatesOptions;
  /** What this run saved. */
  readonly #saved = new Map<string, { readonly state: unknown; readonly at: number }>();
  readonly #logged = new Map<string, number>();

  constructor(options: DerivedStatesOptions) {
    this.#options = options;
  }

  load(device: string): { readonly state: unknown; readonly at?: number | undefined } | undefined {
    const { savedStates } = this.#options.log().opened;
    const saved = this.#saved.get(device);
    if (saved !== undefined) return saved;
    const kept = parseKept(savedState(savedStates, keyOf(device)));
    return kept && { state: kept.state };
  }

  logged(device: string, point: string): number | undefined {
    return this.#logged.get(`${device}.${point}`);
  }

  save(device: string, state: object, at: number, resumed: readonly string[]): void {
    const log = this.#options.log();
    this.#saved.set(device, { state, at });
    log.saveState(keyOf(device), { state, log: log.id, seq: log.next, resumed } satisfies Kept);
  }

  /**
   * Looks for values behind the saved states. To be called before the first reading.
   * @param shapes of the devices that are configured
   * @throws what reading the log throws; then the saved states are what is gone on from
   */
  async restore(shapes: readonly Shape[]): Promise<void> {
    const { clock } = this.#options;
    const log = this.#options.log();
    const states = new Map(statesOf(log.opened.savedStates, (key) => key.startsWith(PREFIX)));
    const wanted = shapes.flatMap(({ device, points }) => {
      const kept = parseKept(states.get(keyOf(device)));
      const ordinal = log.opened.logs.find(({ name }) => name === kept?.log)?.ordinal;
      if (kept === undefined || ordinal === undefined) return [];
      const there = points.filter(({ name }) => kept.resumed.includes(name));
      return there.map(({ name }) => ({ device, points: [name], log: ordinal, seq: kept.seq }));
    });
    if (wanted.length === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = clock.after(RESTORE_WITHIN, () => resolve(undefined));
    const result = await Promise.race([log.keeper.newest({ wanted }), late]).finally(cancel);
    for (const [i, { device, points }] of wanted.entries()) {
      const [value] = result?.found[i]?.values ?? [];
      if (typeof value === 'number' && Number.isFinite(value)) this.#logged.set(`${device}.${points[0]}`, value);
    }
  }
}

function parseKept(json: unknown): Kept | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { state, log, seq, resumed } = json as Partial<Record<keyof Kept, unknown>>;
  if (typeof log !== 'string' || !Number.isSafeInteger(seq) || !Array.isArray(resumed)) return undefined;
  return { state, log, seq: seq as number, resumed: resumed.filter((name) => typeof name === 'string') };
}

const PREFIX = '@derived.';
/** No rule and no point has such a name. */
const keyOf = (device: string): string => `${PREFIX}${device}`;
