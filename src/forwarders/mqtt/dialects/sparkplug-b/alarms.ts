/** Alarms and events as metrics of the edge node. */
import { DATA_TYPES, type DataType, type Metric } from '../../../../codecs/sparkplug.ts';
import type { Heard } from '../../../../codecs/sparkplug-heard.ts';
import type { NoticeMessage } from '../../../../core/ports.ts';
import { encoded } from './births.ts';
import type { Metrics } from './metrics.ts';

/** Rules that births name. */
const MOST_RULES = 2000;
const EVENT = 'Event';
const RESULT = 'Command/Result';
const ACKNOWLEDGE = 'Acknowledge';
/** The metrics of each rule: key in a notice, name of the metric, type. */
const PARTS = [
  ['state', 'State', DATA_TYPES.String],
  ['severity', 'Severity', DATA_TYPES.String],
  ['message', 'Message', DATA_TYPES.String],
  ['occurrence', 'Occurrence', DATA_TYPES.Int64],
  ['value', 'Value', DATA_TYPES.String],
  ['cause', 'Cause', DATA_TYPES.String],
] as const;
/** A rule in a group has this metric too. */
const FIRST_OUT = ['firstOut', 'FirstOut', DATA_TYPES.Boolean] as const;

export class NodeMetrics {
  readonly #metrics: Metrics;
  readonly #acknowledges: boolean;
  #rules = new Set<string>();
  #grouped: ReadonlySet<string> = new Set();
  readonly #gone = new Set<string>();
  /** By rule: the newest transition that the host was given. */
  readonly #newest = new Map<string, Place>();
  /** The rule that a metric of an NCMD acknowledges. */
  #byName: ReadonlyMap<string, string> = new Map();
  #byAlias: ReadonlyMap<bigint, string> = new Map();

  /** @param acknowledges whether births offer a metric that acknowledges an alarm */
  constructor(metrics: Metrics, acknowledges: boolean) {
    this.#metrics = metrics;
    this.#acknowledges = acknowledges;
  }

  /** As births say it from now on. */
  refresh(rules: Iterable<{ readonly name: string; readonly group?: string | undefined }>): void {
    const all = [...rules];
    this.#rules = new Set(all.map(({ name }) => name).slice(0, MOST_RULES));
    this.#grouped = new Set(all.filter(({ group }) => group !== undefined).map(({ name }) => name));
    for (const rule of this.#gone) this.#rules.add(rule);
    const names = this.#acknowledges ? [...this.#rules].map((rule) => [nameOf(rule, ACKNOWLEDGE), rule] as const) : [];
    this.#byName = new Map(names);
    this.#byAlias = new Map(names.map(([name, rule]) => [BigInt(this.#metrics.aliasOf(`/${name}`)), rule]));
  }
  /** Whether births name what a notice is about. */
  has(kind: 'alarm' | 'event', key: string): boolean {
    return kind === 'event' || this.#rules.has(key);
  }
  /** @returns false when there is no more space for it */
  remember(rule: string): boolean {
    if (this.#gone.size >= MOST_RULES) return false;
    this.#gone.add(rule);
    return true;
  }
  /** The rule of a metric that acknowledges it. */
  ruleOf({ name, alias }: Heard): string | undefined {
    return name !== undefined ? this.#byName.get(name) : alias === undefined ? undefined : this.#byAlias.get(alias);
  }

  /** For NBIRTH. @param now UTC ms */
  *births(alarms: Iterable<NoticeMessage>, now: number): Generator<Metric> {
    const newest = new Map([...alarms].map((alarm) => [alarm.key, alarm]));
    this.#newest.clear();
    for (const rule of this.#rules) {
      const alarm = newest.get(rule);
      const said = alarm === undefined ? {} : withFirstOut(parsed(alarm.json));
      this.#newest.set(rule, placeOf(said));
      const time = timeOf(said, now);
      for (const [key, part, type] of this.#partsOf(rule))
        yield this.#metric(nameOf(rule, part), type, said[key], time, { birth: true });
      if (this.#acknowledges) yield this.#metric(nameOf(rule, ACKNOWLEDGE), DATA_TYPES.Boolean, false, now, { birth: true });
    }
    for (const name of [EVENT, RESULT]) yield this.#metric(name, DATA_TYPES.String, undefined, now, { birth: true });
  }

  /** For NDATA. @param late the host had births since it happened */
  notice(kind: 'alarm' | 'event', key: string, json: string, now: number, late: boolean): Metric[] {
    const said = withFirstOut(parsed(json));
    const time = timeOf(said, now);
    const how = { historical: late || (kind === 'alarm' && this.#isOld(key, placeOf(said))) };
    if (kind === 'event') return [this.#metric(EVENT, DATA_TYPES.String, json, time, how)];
    return this.#partsOf(key).map(([of, part, type]) => this.#metric(nameOf(key, part), type, said[of], time, how));
  }
  /** Whether the host was given a later transition of this rule. A clock may have been set back, so numbers decide. */
  #isOld(rule: string, place: Place): boolean {
    const newest = this.#newest.get(rule);
    const old = newest?.log !== undefined && newest.log === place.log && newest.seq > place.seq;
    if (!old) this.#newest.set(rule, place);
    return old;
  }
  /** For NDATA: what became of a command. */
  result(json: string, now: number): Metric[] {
    return [this.#metric(RESULT, DATA_TYPES.String, json, now, {})];
  }

  #partsOf(rule: string) {
    return this.#grouped.has(rule) ? [...PARTS, FIRST_OUT] : PARTS;
  }

  #metric(
    name: string,
    datatype: DataType,
    value: unknown,
    timestamp: number,
    { birth = false, historical = false }: { birth?: boolean; historical?: boolean },
  ): Metric {
    const alias = this.#metrics.aliasOf(`/${name}`);
    return { ...(birth ? { name, datatype } : {}), alias, timestamp, historical, value: bytesOf(value, datatype) };
  }
}

/** Where a transition stands in the log; `log` is absent where that is not known. */
interface Place {
  readonly log: string | undefined;
  readonly seq: number;
}
function placeOf({ log, seq }: Record<string, unknown>): Place {
  return typeof log === 'string' && typeof seq === 'number' ? { log, seq } : { log: undefined, seq: 0 };
}
function nameOf(rule: string, part: string): string {
  return `Alarm/${rule}/${part}`;
}
function bytesOf(value: unknown, type: DataType): Uint8Array | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
  return encoded(value, type);
}
function parsed(json: string): Record<string, unknown> {
  return JSON.parse(json) as Record<string, unknown>;
}
/** It is there only where it is true. */
function withFirstOut(said: Record<string, unknown>): Record<string, unknown> {
  return { ...said, firstOut: said.firstOut === true };
}
function timeOf({ time }: Record<string, unknown>, now: number): number {
  return typeof time === 'number' && time >= 0 ? Math.round(time) : now;
}
