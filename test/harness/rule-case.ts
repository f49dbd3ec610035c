/**
 * Plays golden timelines of rules: test/cases/rules/<name>/{rules.yaml,timeline.yaml,expected.yaml}. Times are "so long after
 * the beginning" in true time, whatever the clocks of the gateway say; docs are in test/cases/rules/README.md.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { ResolvedRule, RuleAround } from '../../src/config/kinds.ts';
import { policyOf, type WrittenPolicy } from '../../src/config/rule-policy.ts';
import { ruleSchema } from '../../src/config/sections.ts';
import type { AlarmTransition, Severity } from '../../src/core/alarm.ts';
import { Calendar } from '../../src/core/calendar.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { Language } from '../../src/core/languages.ts';
import type { PointInfo, PointType, Sample, Shape, Value } from '../../src/core/point.ts';
import { storageOf } from '../../src/core/point.ts';
import type { ReasonName } from '../../src/core/reasons.ts';
import { ABSENT, GOOD, reasonCode } from '../../src/core/reasons.ts';
import type { Sentence } from '../../src/core/sentence.ts';
import { parseDuration } from '../../src/core/units.ts';
import { type AlarmChange, RuleEngine } from '../../src/rules/engine.ts';
import { RULE_KINDS } from '../../src/rules/kinds.ts';
import type { Moment, RuleState } from '../../src/rules/rule-state.ts';
import { parseRuleState } from '../../src/rules/rule-state.ts';

type Section = Record<string, unknown>;
const SCHEMA = ruleSchema({ drivers: [], rules: RULE_KINDS, forwarders: [] });
/** True time of the beginning: 2026-11-18. */
const BEGINNING = 1_795_000_000_000;

type Points = Readonly<Record<string, { readonly type: PointType }>>;

/** What a kind learns of the site; a point that is not listed is of unknown storage. */
function around(points: Points): RuleAround {
  return {
    points: {
      find: (point) => ({ storage: points[point] === undefined ? undefined : storageOf(points[point].type, false) }),
      all: () => Object.keys(points),
    },
    fault(at, message) {
      throw new Error(`${at.join('.')}: ${message}`);
    },
  };
}

/** Rules as the configuration room resolves them; throws on the first fault. */
export function resolveRules(written: Section, points: Points = {}, language: Language = 'en'): ResolvedRule[] {
  return Object.entries(written).map(([name, value]) => {
    const rule = SCHEMA.parse(value) as Section & { point?: string; onDelay: number; offDelay: number; severity: Severity };
    const kinds = RULE_KINDS.filter((one) => rule[one.key] !== undefined);
    const [known] = kinds;
    if (kinds.length !== 1 || known === undefined) throw new Error(`${name}: exactly one kind is needed`);
    if ((rule.point === undefined) !== (known.own === false)) throw new Error(`${name}: ${known.key} and point: do not fit`);
    const { key: kind, own } = known;
    const setting = known.resolve === undefined ? rule[kind] : known.resolve(rule[kind], around(points));
    const others = (known.inputs?.(setting) ?? []).map((input) => input.point);
    const [first = '', ...inputs] = rule.point === undefined ? others : [rule.point, ...others];
    const [device = '', point = ''] = first.split('.');
    const { onDelay, offDelay, severity } = rule;
    const deadband = (rule.deadband as number | undefined) ?? 0;
    const { acknowledge, latch, group, suppressedBy } = rule as Pick<ResolvedRule, 'latch' | 'group' | 'suppressedBy'> & Section;
    return {
      ...{ name, device, point, kind, setting, deadband, onDelay, offDelay, severity },
      ...policyOf(rule as WrittenPolicy, language),
      ...(own === false && { own }),
      ...(inputs.length > 0 && { inputs }),
      ...(rule.observe ? { observe: true as const } : {}),
      ...(acknowledge === 'required' && { mustAcknowledge: true }),
      ...(latch === true && { latch }),
      ...(group !== undefined && { group }),
      ...(suppressedBy !== undefined && { suppressedBy }),
    };
  });
}

export interface Expected {
  readonly at: number;
  readonly rule: string;
  readonly state: string;
  readonly occurrence: number;
  readonly value?: Value | undefined;
  readonly message?: string | undefined;
  readonly cause?: string | undefined;
  readonly firstOut?: true | undefined;
  readonly said?: Sentence | undefined;
}

interface Case {
  readonly points: Record<string, { type: PointType; unit?: string }>;
  readonly rules: Section;
  /** Where the gateway stands, and when the timeline begins (UTC); absent: UTC, and BEGINNING. */
  readonly timezone?: string;
  readonly beginning?: string;
  readonly timeline: readonly (Section & { at: string })[];
  readonly expected: readonly Expected[];
}

export function readCase(folder: string): Case {
  const read = (file: string): unknown => parse(readFileSync(path.join(folder, file), 'utf8'));
  const rules = read('rules.yaml') as Pick<Case, 'points' | 'rules' | 'timezone' | 'beginning'>;
  const expected = (read('expected.yaml') as (Section & { at: string })[] | null) ?? [];
  return {
    ...rules,
    timeline: read('timeline.yaml') as Case['timeline'],
    expected: expected.map((line) => ({ ...line, at: time(line.at), value: parseValue(line.value) }) as Expected),
  };
}

/** Ms. */
export function time(text: string): number {
  const ms = text
    .split(' ')
    .map(parseDuration)
    .reduce<number>((sum, part) => sum + (part ?? Number.NaN), 0);
  if (Number.isNaN(ms)) throw new Error(`not a time: ${text}`);
  return ms;
}

function parseValue(written: unknown): Value | undefined {
  if (typeof written === 'object' && written !== null && 'int' in written) return BigInt(String(written.int));
  return written as Value | undefined;
}

interface Done {
  readonly rule: string;
  readonly for?: string;
  readonly reason?: string;
}
type ActOf = (engine: RuleEngine, done: Done, moment: Moment) => AlarmChange;

/** What amina does. */
const ACTS: Readonly<Record<string, ActOf>> = {
  acknowledge: (engine, { rule }, moment) => engine.acknowledge(rule, 'amina', moment),
  reset: (engine, { rule }, moment) => engine.reset(rule, 'amina', moment),
  shelve: (engine, { rule, for: length = '1h', reason }, moment) => engine.shelve(rule, time(length), 'amina', moment, reason),
  unshelve: (engine, { rule }, moment) => engine.shelve(rule, null, 'amina', moment),
  outOfService: (engine, { rule, reason = '' }, moment) => engine.outOfService(rule, reason, 'amina', moment),
  inService: (engine, { rule }, moment) => engine.inService(rule, 'amina', moment),
};

interface Restart {
  readonly off: string;
  readonly clock: string;
  readonly rules?: Section;
  /** The gateway stops in order; otherwise it is killed. */
  readonly clean?: boolean;
}

/** @param json of a saved state */
type Harm = (json: string) => string;

/** One gateway that is restarted: true time runs on, each run has its own monotonic and wall clock. */
class Gateway {
  readonly transitions: Expected[] = [];
  readonly #store = new Map<string, string>();
  readonly #shapes: readonly Shape[];
  readonly #exact: boolean;
  readonly #harm: Harm;
  readonly #harmed: boolean;
  #engine: RuleEngine;
  #rules: ResolvedRule[];
  /** True time at which the monotonic clock of this run was 0. */
  #boot = -5000;
  #wallKnown = true;
  readonly #points: Points;
  readonly #calendar: Calendar;
  readonly #beginning: number;
  /** What the clock on the wall shows minus the true time. */
  #wrong = 0;

  readonly #language: Language;

  /** @param exact tick at every `nextDue`; otherwise only where the timeline says so. */
  constructor(from: Case, exact: boolean, language: Language, harm?: Harm) {
    this.#language = language;
    this.#exact = exact;
    this.#harmed = harm !== undefined;
    this.#harm = harm ?? ((json) => json);
    this.#points = from.points;
    this.#calendar = new Calendar(from.timezone ?? 'UTC');
    this.#beginning = from.beginning === undefined ? BEGINNING : Date.parse(from.beginning);
    this.#rules = resolveRules(from.rules, from.points, language);
    const devices = Map.groupBy(Object.entries(from.points), ([name]) => name.split('.')[0] as string);
    this.#shapes = [...devices].map(([device, points]) => ({ device, points: points.map(pointInfo) }));
    this.#engine = this.#start(0);
  }

  #start(at: number, saved: readonly RuleState[] = []): RuleEngine {
    const start = this.#moment(at);
    return new RuleEngine({ rules: this.#rules, start, saved, shapes: this.#shapes, calendar: () => this.#calendar });
  }

  step({ at: text, ...what }: Section & { at: string }): void {
    const at = time(text);
    if (this.#exact) this.#run(at);
    for (const [key, detail] of Object.entries(what)) {
      if (key === 'tick') this.#collect(this.#engine.tick(at - this.#boot));
      else if (key === 'restart') this.#restart(at, detail as Restart);
      else if (key === 'clock') {
        const { wrong } = (typeof detail === 'object' ? detail : {}) as { wrong?: string };
        this.#wallKnown = true;
        if (wrong !== undefined) this.#wrong = wrong.startsWith('-') ? -time(wrong.slice(1)) : time(wrong);
        this.#engine.clockKnown(this.#moment(at));
      } else if (key === 'reload') {
        this.#rules = resolveRules(detail as Section, this.#points, this.#language);
        this.#collect(this.#engine.tick(at - this.#boot));
        this.#collect(this.#engine.reload(this.#rules, this.#moment(at), this.#shapes));
      } else if (key in ACTS) this.#act(ACTS[key] as ActOf, detail as Done, at);
      else if (key === 'record') this.#collect(this.#engine.sample(this.#record(detail as Section, at)));
      else this.#collect(this.#engine.sample(this.#record({ [key]: detail }, at)));
    }
    this.#commit(at);
  }

  alarms(text: string) {
    return this.#engine.alarms(this.#moment(time(text)));
  }
  /** What the next run finds, as JSON. */
  get saved(): readonly string[] {
    return [...this.#store.values()];
  }

  #act(act: ActOf, detail: Done, at: number): void {
    try {
      this.#collect(act(this.#engine, detail, this.#moment(at)).transitions);
    } catch (thrown) {
      // A harmed state may leave nothing to do.
      if (!this.#harmed || !(thrown instanceof SluiceError)) throw thrown;
    }
  }

  #run(until: number): void {
    for (;;) {
      const due = this.#engine.nextDue();
      if (due === undefined || due + this.#boot > until) return;
      this.#collect(this.#engine.tick(due));
    }
  }

  #restart(at: number, { off, clock, rules, clean }: Restart): void {
    this.#collect(this.#engine.tick(at - this.#boot));
    this.#commit(at, clean === true);
    const next = at + time(off);
    this.#boot = next - 7000;
    this.#wallKnown = clock === 'known';
    if (rules !== undefined) this.#rules = resolveRules(rules, this.#points, this.#language);
    const saved = [...this.#store.values()]
      .map((text) => parseRuleState(this.#harm(text)))
      .filter((state): state is RuleState => state !== undefined);
    this.#engine = this.#start(next, saved);
    this.#collect(this.#engine.tick(next - this.#boot));
    this.#commit(next);
  }

  #commit(at: number, last = false): void {
    const { changed, removed } = this.#engine.takeDirty(this.#moment(at), last);
    for (const state of changed) this.#store.set(state.rule, JSON.stringify(state));
    for (const name of removed) this.#store.delete(name);
  }

  /** A board without a clock battery believes that it is 1970. */
  #moment(at: number): Moment {
    return {
      at: at - this.#boot,
      wall: this.#wallKnown ? this.#beginning + this.#wrong + at : at - this.#boot,
      wallKnown: this.#wallKnown,
    };
  }

  #collect(transitions: readonly AlarmTransition[]): void {
    for (const { at, ...rest } of transitions) this.transitions.push({ ...rest, at: at + this.#boot });
  }

  /** Readings of one device that come together. */
  #record(readings: Section, at: number): Sample {
    const device = Object.keys(readings)[0]?.split('.')[0];
    const shape = this.#shapes.find((s) => s.device === device);
    if (shape === undefined) throw new Error(`the timeline has ${Object.keys(readings)}, which is no point`);
    const values = shape.points.map((): Value => 0);
    const reasons = new Uint8Array(values.length).fill(ABSENT);
    let late = 0;
    for (const [point, detail] of Object.entries(readings)) {
      const index = shape.points.findIndex(({ name }) => point === `${device}.${name}`);
      if (index === -1) throw new Error(`the timeline has ${point}, which is no point of ${device}`);
      const { bad, uncertain, late: ago, value } = (typeof detail === 'object' && detail !== null ? detail : {}) as Section;
      if (ago !== undefined) late = time(ago as string);
      reasons[index] =
        bad !== undefined ? reasonCode(bad as ReasonName) : uncertain !== undefined ? reasonCode('out-of-range') : GOOD;
      if (bad === undefined) values[index] = parseValue(uncertain ?? value ?? detail) as Value;
    }
    return { shape, at: at - late - this.#boot, values, reasons: values.length === 1 && reasons[0] === GOOD ? null : reasons };
  }
}

function pointInfo([name, { type, unit }]: [string, { type: PointType; unit?: string }]): PointInfo {
  return { name: name.split('.')[1] as string, type, storage: storageOf(type, false), unit };
}

/** Plays a case; the transitions in the order of their times. @param harm what a restart finds of a saved state */
export function playCase(
  from: Case,
  exact: boolean,
  harm?: Harm,
  language: Language = 'en',
): { transitions: Expected[]; gateway: Gateway } {
  const gateway = new Gateway(from, exact, language, harm);
  for (const step of from.timeline) gateway.step(step);
  return { transitions: gateway.transitions.toSorted((a, b) => a.at - b.at), gateway };
}
