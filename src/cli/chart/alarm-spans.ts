/** The times at which an alarm was active, from its records in the log. Pure. */
import type { AlarmState, Severity } from '../../core/alarm.ts';
import type { AlarmSpan } from './chart.ts';

interface Transition {
  readonly rule: string;
  readonly state: AlarmState;
  readonly severity: Severity;
  readonly time: number;
}

const ACTIVE: readonly string[] = ['active-unacknowledged', 'active-acknowledged'] satisfies AlarmState[];
const SEVERITIES: readonly string[] = ['critical', 'warning', 'info'] satisfies Severity[];

/** Fed with the lines of the log, in its order. Keeps what lies in from..to; bounded by the records of the log. */
export class AlarmSpans {
  readonly #from: number;
  readonly #to: number;
  readonly #wanted: ReadonlySet<string>;
  readonly #open = new Map<string, Transition>();
  readonly #spans: AlarmSpan[] = [];

  /** @param wanted names of rules */
  constructor(from: number, to: number, wanted: ReadonlySet<string>) {
    this.#from = from;
    this.#to = to;
    this.#wanted = wanted;
  }

  take(line: string): void {
    const transition = parsed(line);
    if (transition === undefined || !this.#wanted.has(transition.rule)) return;
    const { rule, state, time } = transition;
    const begun = this.#open.get(rule);
    if (ACTIVE.includes(state)) {
      // An acknowledgement, or a start of the gateway: it goes on.
      if (begun === undefined) this.#open.set(rule, transition);
      return;
    }
    this.#open.delete(rule);
    if (begun !== undefined) this.#add(begun, time);
  }

  /** By rule, oldest first. */
  end(): ReadonlyMap<string, readonly AlarmSpan[]> {
    for (const begun of this.#open.values()) this.#add(begun, undefined);
    this.#open.clear();
    const by = Map.groupBy(
      this.#spans.toSorted((a, b) => a.from - b.from),
      ({ rule }) => rule,
    );
    return by;
  }

  #add({ rule, severity, time }: Transition, to: number | undefined): void {
    if (time > this.#to || (to !== undefined && to < this.#from)) return;
    this.#spans.push({ rule, severity, from: time, to: to !== undefined && to > this.#to ? undefined : to });
  }
}

/** undefined for what is damaged. */
function parsed(line: string): Transition | undefined {
  let found: Partial<Record<keyof Transition, unknown>>;
  try {
    found = JSON.parse(line) as typeof found;
  } catch {
    return undefined;
  }
  const { rule, state, severity, time } = found;
  if (typeof rule !== 'string' || typeof state !== 'string' || typeof time !== 'number' || !Number.isFinite(time))
    return undefined;
  const known = typeof severity === 'string' && SEVERITIES.includes(severity) ? (severity as Severity) : 'warning';
  return { rule, state: state as AlarmState, severity: known, time };
}
