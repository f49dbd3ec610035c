/**
 * State of counters, kept over restarts.
 *
 * - The log itself remembers them: a counter and its cumulative value stand in one record. A commit carries nothing more for
 *   it, and what a kill or a power cut leaves of the log is what the cumulative value goes on from.
 * - Beside the rule states the log keeps a state of each counter. It says from which number on the log is to be looked through
 *   at a start, and is saved when the counter begins, rolls over, is reset or exchanged, at most SAVE_EVERY after a change, and
 *   at a stop. A record behind it is newer and wins.
 * - Bounded: one state a counter, in memory and in the log. It is kept when its device goes: one that comes back counts on.
 */
import type { CounterKey, CounterMemory, CounterState } from '../codecs/counter.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import type { Shape } from '../core/point.ts';
import type { Moment } from '../rules/rule-state.ts';
import { statesOf } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';
import { amountOf, isAmount, isCounterState, parseSaved, type SavedCounter, textOf } from './counter-state.ts';

/** Milliseconds; so much of the log is looked through at a start. */
const SAVE_EVERY = 3_600_000;
/** A start does not wait longer for the log, ms. */
const RESTORE_WITHIN = 5000;

interface Entry {
  readonly key: CounterKey;
  state: CounterState;
  /** It changed since it was saved. */
  dirty: boolean;
}

export interface CountersOptions {
  readonly log: Pick<Log, 'opened' | 'id' | 'next' | 'keeper' | 'saveState'>;
  readonly clock: Clock;
  readonly moment: () => Moment;
}

export class Counters implements CounterMemory {
  readonly #options: CountersOptions;
  readonly #entries = new Map<string, Entry>();
  #cancel: (() => void) | undefined;

  constructor(options: CountersOptions) {
    this.#options = options;
  }

  get(key: CounterKey): CounterState | undefined {
    const entry = this.#entries.get(nameOf(key));
    return entry?.key.fingerprint === key.fingerprint ? entry.state : undefined;
  }

  set(key: CounterKey, state: CounterState, turned: boolean): void {
    const entry: Entry = { key, state, dirty: true };
    this.#entries.set(nameOf(key), entry);
    if (turned) this.#save(entry);
  }

  /**
   * Takes up what an earlier run left. To be called before the first reading.
   * @param shapes of the devices that are configured
   * @throws SluiceError log-read; then the saved states, at most SAVE_EVERY old, are what is gone on from
   */
  async restore(shapes: readonly Shape[]): Promise<void> {
    const { log, clock } = this.#options;
    const saved = [...statesOf(log.opened.savedStates, isCounterState)].flatMap(([, state]) => parseSaved(state) ?? []);
    for (const counter of saved) this.#take(counter, counter.value, counter.cumulative);
    const there = saved.filter(({ device, point, total }) =>
      shapes.some((s) => s.device === device && [point, total].every((name) => s.points.some((p) => p.name === name))),
    );
    if (there.length === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = clock.after(RESTORE_WITHIN, () => resolve(undefined));
    const wanted = there.map(({ device, point, total, log: name, seq }) => {
      const ordinal = log.opened.logs.find((l) => l.name === name)?.ordinal;
      return { device, points: [point, total], log: ordinal ?? 0, seq: ordinal === undefined ? 0 : seq };
    });
    const result = await Promise.race([log.keeper.newest({ wanted }), late]).finally(cancel);
    if (result === undefined) throw new SluiceError('log-read', `the log did not answer within ${RESTORE_WITHIN / 1000} s`);
    for (const [i, counter] of there.entries()) {
      const [value, total] = result.found[i]?.values ?? [];
      if (isAmount(value) && isAmount(total)) this.#take(counter, textOf(value), textOf(total));
    }
  }

  /** Saves now and then what changed. */
  start(): void {
    this.#cancel = this.#options.clock.after(SAVE_EVERY, () => {
      this.save();
      this.start();
    });
  }

  /** Everything that changed is in the next commit. */
  save(): void {
    for (const entry of this.#entries.values()) if (entry.dirty) this.#save(entry);
  }

  stop(): void {
    this.#cancel?.();
    this.save();
  }

  /** Its last change may be later than the state says; how fast it grew is then judged by too long a time, never by too short a one. */
  #take({ device, point, total, fingerprint, time }: SavedCounter, value: string, cumulative: string): void {
    const key: CounterKey = { device, point, total, fingerprint };
    const { at, wall, wallKnown } = this.#options.moment();
    const since = time === undefined || !wallKnown ? undefined : at - Math.max(0, wall - time);
    const state = { value: amountOf(value), total: amountOf(cumulative), at: since };
    this.#entries.set(nameOf(key), { key, state, dirty: false });
  }

  #save(entry: Entry): void {
    const { key, state } = entry;
    const { log, moment } = this.#options;
    const { at, wall, wallKnown } = moment();
    entry.dirty = false;
    const saved: SavedCounter = {
      ...key,
      ...{ value: textOf(state.value), cumulative: textOf(state.total) },
      time: wallKnown && state.at !== undefined ? wall - (at - state.at) : undefined,
      ...{ log: log.id, seq: log.next },
    };
    log.saveState(nameOf(key), saved);
  }
}

function nameOf({ device, point }: CounterKey): string {
  return `${device}.${point}`;
}
