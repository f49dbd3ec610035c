/**
 * Points that follow alarms: a lamp, a relay, a buzzer. Invariants:
 * - a point is on while one of the rules that name it asks for it, else off; it is written when that changes, and once at the start;
 * - what fails is tried again until it succeeds, after 2 s, doubled each time up to 1 min; events report the first failure and its end;
 * - a point that no rule names any more, after a reload, is cleared once and then left alone;
 * - the log knows which points are on: one that the run before held, and that no rule names now, is cleared at the start, with an event
 *   (MOST_LEFT at each start; the log keeps the others);
 * - bounds: one entry for each point, MOST_LEFT of them without a rule, one write under way for each, WRITING at a time.
 */
import * as z from 'zod';
import type { PlainValue, ResolvedAction } from '../../config/actions.ts';
import type { ResolvedRule } from '../../config/kinds.ts';
import { POINT } from '../../config/point-name.ts';
import type { Severity } from '../../core/alarm.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import type { ActionTally, Counted } from './tally.ts';

const RETRY_FIRST = 2000;
const RETRY_LONGEST = 60_000;
const WRITING = 4;
const MOST_LEFT = 256;

type Output = Extract<ResolvedAction, { kind: 'output' }>;

const KEY = '@output.';
export const isOutputState = (key: string): boolean => key.startsWith(KEY);

/** A point that was on, as the log has it. */
const heldSchema = z.object({
  point: z.string().regex(POINT),
  clear: z.union([z.number(), z.boolean(), z.string().max(250)]),
  rule: z.string().max(64),
});

export interface OutputsSide {
  readonly clock: Clock;
  readonly write: (point: string, value: PlainValue, rule: string) => Promise<unknown>;
  readonly isOn: (rule: string, how: Output['while']) => boolean;
  readonly tell: (event: GatewayEvent) => void;
  readonly tally: ActionTally;
  /** For the next start; null forgets it. */
  readonly save: (key: string, state: unknown) => void;
}

interface Entry {
  readonly point: string;
  readonly set: PlainValue;
  readonly clear: PlainValue;
  /** Empty: it is cleared and forgotten. */
  readonly users: readonly { readonly rule: string; readonly how: Output['while'] }[];
  /** The rule on whose behalf it is written. */
  rule: string;
  /** As it was written last; undefined: not yet, just now, or nobody knows. */
  written: PlainValue | undefined;
  wait: number;
  due: number;
  failed: boolean;
  /** The run before held it, and no rule names it now. */
  readonly orphan?: true | undefined;
}

export class Outputs {
  readonly #s: OutputsSide;
  #entries = new Map<string, Entry>();
  #byRule = new Map<string, Entry[]>();
  readonly #dirty = new Set<Entry>();
  /** Points that are written just now. A reload changes entries, not what is under way. */
  readonly #writing = new Set<string>();
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(side: OutputsSide) {
    this.#s = side;
  }

  /** Points that are not yet as they should be. */
  get waiting(): number {
    return this.#dirty.size;
  }

  /** @param rules that act. An output that did not change keeps what was written */
  configure(rules: readonly ResolvedRule[]): void {
    const users = new Map<string, { readonly output: Output; readonly all: Entry['users'][number][] }>();
    for (const { name, actions = [] } of rules)
      for (const action of actions) {
        if (action.kind !== 'output') continue;
        const known = users.get(action.point) ?? { output: action, all: [] };
        users.set(action.point, known);
        known.all.push({ rule: name, how: action.while });
      }
    const next = new Map<string, Entry>();
    for (const [point, { output, all }] of users) {
      const { set, clear } = output;
      const old = this.#entries.get(point);
      const same = old?.set === set && old.clear === clear;
      const rule = all[0]?.rule ?? '';
      next.set(point, {
        point,
        set,
        clear,
        users: all,
        rule,
        written: same ? old.written : undefined,
        wait: RETRY_FIRST,
        due: 0,
        failed: false,
      });
    }
    const left = [...this.#entries.values()].filter(({ point, written, clear }) => !next.has(point) && written !== clear);
    for (const entry of left.slice(-MOST_LEFT)) next.set(entry.point, { ...entry, users: [], due: 0 });
    this.#entries = next;
    this.#dirty.clear();
    this.#byRule = new Map();
    for (const entry of next.values()) {
      this.#dirty.add(entry);
      for (const { rule } of entry.users) this.#byRule.set(rule, [...(this.#byRule.get(rule) ?? []), entry]);
    }
  }

  /** Takes up what the run before held. Call it after `configure`. */
  restore(saved: Iterable<readonly [key: string, state: unknown]>): void {
    let orphans = 0;
    for (const [key, state] of saved) {
      if (!key.startsWith(KEY)) continue;
      const held = heldSchema.safeParse(state).data;
      // A rule that names it writes it at the start anyway.
      if (held !== undefined && key === KEY + held.point && this.#entries.has(held.point)) continue;
      if (held === undefined || key !== KEY + held.point) {
        this.#s.save(key, null);
        continue;
      }
      // It is still on: the log keeps it, and the next start takes it up.
      if (orphans === MOST_LEFT) continue;
      orphans++;
      const { point, clear, rule } = held;
      const entry: Entry = {
        ...{ point, set: clear, clear, users: [], rule, written: undefined, wait: RETRY_FIRST, due: 0, failed: false },
        orphan: true,
      };
      this.#entries.set(point, entry);
      this.#dirty.add(entry);
    }
  }

  /** The alarm of a rule has another state. */
  changed(rule: string): void {
    for (const entry of this.#byRule.get(rule) ?? []) {
      entry.rule = rule;
      entry.due = 0;
      this.#dirty.add(entry);
    }
  }

  /** Writes what is not as it should be. */
  begin(): void {
    if (this.#stopped) return;
    const now = this.#s.clock.monotonic();
    for (const entry of this.#dirty) {
      if (this.#writing.size >= WRITING) break;
      if (this.#writing.has(entry.point) || entry.due > now) continue;
      const value = this.#wanted(entry);
      if (entry.written === value) this.#isRight(entry);
      else void this.#write(entry, value);
    }
    this.#wait(now);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wanted({ users, set, clear }: Entry): PlainValue {
    return users.some(({ rule, how }) => this.#s.isOn(rule, how)) ? set : clear;
  }

  #isRight(entry: Entry): void {
    this.#dirty.delete(entry);
    if (entry.users.length === 0) this.#forget(entry);
  }

  #forget(entry: Entry): void {
    this.#dirty.delete(entry);
    if (this.#isCurrent(entry)) this.#entries.delete(entry.point);
  }

  async #write(entry: Entry, value: PlainValue): Promise<void> {
    this.#writing.add(entry.point);
    // Nobody knows until it ends; a reload meanwhile takes that over.
    entry.written = undefined;
    this.#s.tally.started(jobOf(entry));
    // Before it is on: a run that is killed in between clears it too.
    if (entry.users.length > 0 && value !== entry.clear)
      this.#s.save(KEY + entry.point, { point: entry.point, clear: entry.clear, rule: entry.rule });
    try {
      await this.#s.write(entry.point, value, entry.rule);
      entry.written = value;
      this.#s.tally.ended(jobOf(entry), 'done');
      entry.wait = RETRY_FIRST;
      if (value === entry.clear) this.#s.save(KEY + entry.point, null);
      if (entry.orphan === true)
        this.#tell(
          entry,
          'warning',
          'cleared',
          `The output ${entry.point} was on for the rule ${entry.rule} when the gateway ended. No rule names it now, so it is ${String(value)}.`,
        );
      else if (entry.failed && this.#isCurrent(entry))
        this.#tell(entry, 'info', 'done', `The output ${entry.point} is ${String(value)} now, after it had failed.`);
      entry.failed = false;
    } catch (thrown) {
      this.#failed(entry, value, thrown);
    }
    this.#writing.delete(entry.point);
    this.begin();
  }

  #failed(entry: Entry, value: PlainValue, thrown: unknown): void {
    const asked = thrown instanceof SluiceError ? thrown.data.again : undefined;
    const soon = typeof asked === 'number' && Number.isFinite(asked);
    if (!soon) this.#s.tally.ended(jobOf(entry), 'failed', toError(thrown));
    if (entry.users.length === 0 && !soon && isFinal(thrown)) {
      if (this.#isCurrent(entry) && !this.#stopped)
        this.#tell(
          entry,
          'critical',
          'failed',
          `The output ${entry.point} has no rule any more and could not be set to ${String(value)}: ${toError(thrown).message}. Set it by hand.`,
        );
      this.#s.save(KEY + entry.point, null);
      this.#forget(entry);
      return;
    }
    entry.due = this.#s.clock.monotonic() + (soon ? Math.min(Math.max(asked, 10), RETRY_LONGEST) : entry.wait);
    if (soon) return;
    entry.wait = Math.min(entry.wait * 2, RETRY_LONGEST);
    if (!entry.failed && !this.#stopped && this.#isCurrent(entry))
      this.#tell(
        entry,
        'critical',
        'failed',
        `The output ${entry.point} could not be set to ${String(value)}: ${toError(thrown).message}. The gateway tries again until it succeeds.`,
      );
    entry.failed = true;
  }

  /** A reload may have taken it away while it was written. */
  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.point) === entry;
  }

  #tell({ point, rule }: Entry, severity: Severity, result: string, message: string): void {
    this.#s.tell({
      event: 'action',
      severity,
      message,
      data: { rule, action: 'output', of: `output ${point}`, result, via: 'rule', who: `rule ${rule}` },
    });
  }

  #wait(now: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#stopped || this.#writing.size >= WRITING) return;
    let due = Number.POSITIVE_INFINITY;
    for (const entry of this.#dirty) if (!this.#writing.has(entry.point)) due = Math.min(due, entry.due);
    if (due !== Number.POSITIVE_INFINITY) this.#cancel = this.#s.clock.after(Math.max(0, due - now), () => this.begin());
  }
}

/** For its figures. */
function jobOf({ point, set, clear, rule }: Entry): Counted {
  return { action: { kind: 'output', on: ['active'], point, set, clear, while: 'active' }, facts: { rule } };
}

/** The point went with its rule, or nobody may write it any more. A lock of another rule passes. */
function isFinal(thrown: unknown): boolean {
  return thrown instanceof SluiceError && thrown.retry === 'never' && thrown.data.interlock === undefined;
}
