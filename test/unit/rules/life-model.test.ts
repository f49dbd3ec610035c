/**
 * Several alarms at once against an oracle: readings, delays, operators, suppression, first-out, kills, damaged states, reloads, clock
 * steps. The oracle knows no table: it keeps facts about each rule and derives the state from them, in the order of importance.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { ResolvedRule } from '../../../src/config/kinds.ts';
import { ALARM_CAUSES, ALARM_STATES, type AlarmTransition } from '../../../src/core/alarm.ts';
import { badSample, type Shape } from '../../../src/core/point.ts';
import { RuleEngine } from '../../../src/rules/engine.ts';
import { type Moment, parseRuleState, type RuleState } from '../../../src/rules/rule-state.ts';

const WALL = 1_795_000_000_000;
const GRACE = 60_000;
const NEVER = Number.POSITIVE_INFINITY;
const NAMES = ['mains', 'first', 'second', 'third'] as const;
type Name = (typeof NAMES)[number];

const base = { device: 'd', kind: 'above', setting: 8, deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' } as const;
const RULES: Readonly<Record<Name, ResolvedRule>> = {
  mains: { ...base, name: 'mains', point: 'mains', offDelay: 3001 },
  first: { ...base, name: 'first', point: 'first', group: 'g', suppressedBy: ['mains'], mustAcknowledge: true, latch: true },
  second: { ...base, name: 'second', point: 'second', group: 'g', suppressedBy: ['third', 'mains'], onDelay: 5003 },
  third: { ...base, name: 'third', point: 'third', group: 'g', latch: true, onDelay: 1009, offDelay: 2003 },
};
const SHAPES = new Map<string, Shape>(
  NAMES.map((name) => [name, { device: 'd', points: [{ name, type: 'float64', storage: 'number' }] }]),
);
const changed = (rule: ResolvedRule, version: number): ResolvedRule =>
  version === 0 ? rule : { ...rule, setting: 8 + version / 100 };

// ---- the oracle ----

interface Facts {
  version: number;
  occurrence: number;
  holds: boolean;
  acknowledged: boolean;
  unseen: boolean;
  tripped: boolean;
  firstOut: boolean;
  shelvedUntil: number;
  outOfService: boolean;
  delay: { kind: 'on' | 'off'; due: number; confirmed: boolean; ranOut: boolean } | undefined;
  shown: string;
}
const fresh = (version: number): Facts => ({
  ...{ version, occurrence: 0, holds: false, acknowledged: false, unseen: false, tripped: false, firstOut: false },
  ...{ shelvedUntil: NEVER, outOfService: false, delay: undefined, shown: 'normal' },
});

/** The suppressing one of two that are due at one moment comes first. */
const rankOf = (name: Name): number => (RULES[name].suppressedBy === undefined ? 0 : 1);

class Oracle {
  facts = new Map<Name, Facts>(NAMES.map((name) => [name, fresh(0)]));
  lines: string[] = [];
  start = 0;

  of(name: Name): Facts {
    return this.facts.get(name) as Facts;
  }
  suppressed(name: Name): boolean {
    return (RULES[name].suppressedBy ?? []).some((other) => {
      const by = this.facts.get(other as Name);
      return by?.holds === true && !by.outOfService;
    });
  }
  derive(name: Name): string {
    const f = this.of(name);
    if (f.outOfService) return 'out-of-service';
    if (f.shelvedUntil !== NEVER) return 'shelved';
    if (f.holds) return this.suppressed(name) ? 'suppressed' : f.acknowledged ? 'active-acknowledged' : 'active-unacknowledged';
    if (RULES[name].mustAcknowledge && f.unseen) return 'returned-unacknowledged';
    return RULES[name].latch && f.tripped ? 'latched' : 'normal';
  }
  /** One thing happened at one moment: who shows another state now says so. @param forced reports also without a change */
  settle(actor: Name | undefined, cause: string, forced = false): void {
    for (const name of this.facts.keys()) {
      const f = this.of(name);
      const state = this.derive(name);
      if (state === f.shown && !(forced && name === actor)) continue;
      if (state !== f.shown) {
        if (state === 'active-unacknowledged') f.unseen = f.tripped = true;
        if (state === 'suppressed' || state === 'shelved' || state === 'out-of-service') f.acknowledged = false;
        if (state === 'normal') f.unseen = f.tripped = f.firstOut = false;
      }
      f.shown = state;
      this.lines.push(`${name} ${f.occurrence} ${state} ${name === actor ? cause : 'suppression'}${f.firstOut ? ' first' : ''}`);
    }
  }
  troubled(name: Name): boolean {
    const f = this.of(name);
    if (f.shown === 'suppressed' || f.outOfService) return false;
    return f.holds || f.shown === 'latched' || f.shown === 'returned-unacknowledged';
  }
  turn(name: Name, holds: boolean, cause: string): void {
    const f = this.of(name);
    const because = f.delay?.ranOut ? 'restart' : cause;
    f.delay = undefined;
    f.acknowledged = false;
    if (holds) {
      const peers = [...this.facts.keys()].filter((other) => other !== name && RULES[other].group === 'g');
      f.occurrence++;
      f.firstOut = RULES[name].group === 'g' && !this.suppressed(name) && !f.outOfService && !peers.some((p) => this.troubled(p));
      if (!this.suppressed(name) && !f.outOfService) f.tripped = true;
    }
    f.holds = holds;
    this.settle(name, because);
  }
  value(name: Name, alarm: boolean, now: number): void {
    const f = this.facts.get(name);
    if (f === undefined) return;
    if (alarm === f.holds) f.delay = undefined;
    else if (f.delay === undefined) {
      const length = alarm ? RULES[name].onDelay : RULES[name].offDelay;
      if (length === 0) this.turn(name, alarm, 'reading');
      else f.delay = { kind: alarm ? 'on' : 'off', due: now + length, confirmed: true, ranOut: false };
    } else {
      if (!f.delay.confirmed) f.delay.due = Math.max(f.delay.due, now);
      f.delay.confirmed = true;
      this.pass(now);
    }
  }
  bad(name: Name): void {
    const delay = this.facts.get(name)?.delay;
    if (delay?.kind === 'off') delay.confirmed = false;
  }
  /** When a delay does what it waits for. */
  due({ delay }: Facts): number {
    if (delay === undefined) return NEVER;
    if (delay.confirmed) return delay.due;
    return delay.kind === 'on' ? Math.max(delay.due, this.start + GRACE) : NEVER;
  }
  pass(now: number): void {
    for (;;) {
      const next = [...this.facts]
        .map(([name, f]) => ({ name, at: Math.min(this.due(f), f.shelvedUntil) }))
        .sort((a, b) => a.at - b.at || rankOf(a.name) - rankOf(b.name))[0];
      if (next === undefined || next.at > now) return;
      const f = this.of(next.name);
      if (f.shelvedUntil <= next.at) {
        f.shelvedUntil = NEVER;
        this.settle(next.name, 'expiry');
      } else this.turn(next.name, f.delay?.kind === 'on', 'delay');
    }
  }
  restart(now: number, lost: readonly Name[]): void {
    this.start = now;
    for (const name of lost) if (this.facts.has(name)) this.facts.set(name, fresh(this.of(name).version));
    for (const f of this.facts.values()) {
      if (f.delay !== undefined) {
        f.delay.confirmed = false;
        f.delay.ranOut = f.delay.due <= now;
      }
      f.shelvedUntil = f.shelvedUntil === NEVER ? NEVER : Math.max(f.shelvedUntil, now);
    }
    this.settle(undefined, '');
    this.pass(now);
  }
  /** The rules are replaced: changed and removed ones end, and what they suppressed shows itself. */
  reload(versions: ReadonlyMap<Name, number>): void {
    const ended: Name[] = [];
    for (const [name, f] of [...this.facts]) {
      const version = versions.get(name);
      if (version === f.version) continue;
      const kept = version !== undefined && f.outOfService;
      if (f.shown !== 'normal' && !kept) {
        this.lines.push(`${name} ${f.occurrence} normal reload`);
        ended.push(name);
      }
      if (version === undefined) this.facts.delete(name);
      else
        this.facts.set(name, {
          ...fresh(version),
          occurrence: f.occurrence,
          outOfService: kept,
          shown: kept ? 'out-of-service' : 'normal',
        });
    }
    for (const [name, version] of versions) if (!this.facts.has(name)) this.facts.set(name, fresh(version));
    this.settle(undefined, '');
  }
}

// ---- the engine under the same walk ----

class Site {
  now = 1000;
  wallStep = 0;
  lines: string[] = [];
  versions = new Map<Name, number>(NAMES.map((name) => [name, 0]));
  readonly store = new Map<string, string>();
  engine: RuleEngine;
  #boot = 0;

  constructor() {
    this.engine = new RuleEngine({ rules: this.rules(), start: this.moment(), shapes: SHAPES.values() });
  }
  rules(): ResolvedRule[] {
    return [...this.versions].map(([name, version]) => changed(RULES[name], version));
  }
  moment(): Moment {
    return { at: this.now - this.#boot, wall: WALL + this.now + this.wallStep, wallKnown: true };
  }
  take(transitions: readonly AlarmTransition[]): void {
    for (const { rule, occurrence, state, cause, firstOut, message } of transitions) {
      assert.ok(ALARM_CAUSES.includes(cause) && message !== '');
      this.lines.push(`${rule} ${occurrence} ${state} ${cause}${firstOut ? ' first' : ''}`);
    }
    const dirty = this.engine.takeDirty(this.moment());
    for (const state of dirty.changed) this.store.set(state.rule, JSON.stringify(state));
    for (const name of dirty.removed) this.store.delete(name);
  }
  tick(): void {
    this.take(this.engine.tick(this.moment().at));
  }
  sample(name: Name, value: number | undefined): void {
    const shape = SHAPES.get(name) as Shape;
    const { at } = this.moment();
    this.take(
      this.engine.sample(value === undefined ? badSample(shape, at, 'timeout') : { shape, at, values: [value], reasons: null }),
    );
  }
  restart(off: number): void {
    this.now += off;
    this.#boot = this.now - 17;
    const saved = [...this.store.values()].map(parseRuleState).filter((one): one is RuleState => one !== undefined);
    this.engine = new RuleEngine({ rules: this.rules(), start: this.moment(), saved, shapes: SHAPES.values() });
    this.tick();
  }
  state(name: Name): string {
    return this.engine.alarms(this.moment()).find(({ rule }) => rule === name)?.state ?? 'normal';
  }
}

const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('value' as const), name, alarm: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('bad' as const), name }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 7000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 60_000, max: 90_000 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('acknowledge' as const, 'reset' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('shelve' as const), name, ms: fc.integer({ min: 1000, max: 9000 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('unshelve' as const, 'out-of-service' as const, 'in-service' as const), name }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      off: fc.integer({ min: 0, max: 12_000 }),
      lost: fc.subarray([...NAMES], { maxLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reload' as const),
      name,
      how: fc.constantFrom('change' as const, 'remove' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('clock' as const), step: fc.integer({ min: -86_400_000, max: 86_400_000 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What an operator does: the oracle says whether it can be done. */
function operate(site: Site, oracle: Oracle, each: Step & { name: Name }): void {
  const f = oracle.facts.get(each.name);
  const shown = f?.shown ?? 'none';
  const ask = (can: boolean, act: () => { transitions: readonly AlarmTransition[] }, effect: () => void): void => {
    if (f === undefined || !can) {
      assert.throws(act, { code: 'not-found' }, `${each.do} in ${shown}`);
      return;
    }
    site.take(act().transitions);
    effect();
  };
  const { engine } = site;
  const facts = f as Facts;
  switch (each.do) {
    case 'acknowledge':
      ask(
        shown === 'active-unacknowledged' || shown === 'returned-unacknowledged' || shown === 'active-acknowledged',
        () => engine.acknowledge(each.name, 'amina', site.moment()),
        () => {
          facts.unseen = false;
          facts.acknowledged = facts.holds;
          oracle.settle(each.name, 'operator');
        },
      );
      break;
    case 'reset':
      ask(
        shown === 'latched',
        () => engine.reset(each.name, 'amina', site.moment()),
        () => {
          facts.tripped = false;
          oracle.settle(each.name, 'operator');
        },
      );
      break;
    case 'shelve':
      ask(
        shown !== 'out-of-service',
        () => engine.shelve(each.name, each.ms, 'amina', site.moment()),
        () => {
          facts.shelvedUntil = site.now + each.ms;
          facts.unseen = false;
          oracle.settle(each.name, 'operator', true);
        },
      );
      break;
    case 'unshelve':
      ask(
        shown === 'shelved',
        () => engine.shelve(each.name, null, 'amina', site.moment()),
        () => {
          facts.shelvedUntil = NEVER;
          oracle.settle(each.name, 'operator');
        },
      );
      break;
    case 'out-of-service':
      ask(
        true,
        () => engine.outOfService(each.name, 'repair', 'amina', site.moment()),
        () => {
          facts.outOfService = true;
          facts.shelvedUntil = NEVER;
          facts.unseen = false;
          oracle.settle(each.name, 'operator', true);
        },
      );
      break;
    case 'in-service':
      ask(
        shown === 'out-of-service',
        () => engine.inService(each.name, 'amina', site.moment()),
        () => {
          facts.outOfService = false;
          oracle.settle(each.name, 'operator');
        },
      );
      break;
  }
}

function walk(steps: readonly Step[], visited: Set<string>): void {
  const site = new Site();
  const oracle = new Oracle();
  for (const each of steps) {
    // No two things fall on one millisecond by accident.
    site.now += 1;
    const states = [...oracle.facts].map(([of, { shown }]) => [of, shown] as const);
    oracle.pass(site.now);
    site.tick();
    switch (each.do) {
      case 'value':
        oracle.value(each.name, each.alarm, site.now);
        site.sample(each.name, each.alarm ? 9 : 5);
        break;
      case 'bad':
        oracle.bad(each.name);
        site.sample(each.name, undefined);
        break;
      case 'wait':
        site.now += each.ms;
        oracle.pass(site.now);
        site.tick();
        break;
      case 'restart':
        for (const lost of each.lost) if (site.store.has(lost)) site.store.set(lost, (site.store.get(lost) ?? '').slice(0, -1));
        site.restart(each.off);
        oracle.restart(site.now, each.lost);
        break;
      case 'reload': {
        const version = site.versions.get(each.name);
        if (each.how === 'change' || version === undefined) site.versions.set(each.name, (version ?? 0) + 1);
        else site.versions.delete(each.name);
        oracle.reload(site.versions);
        site.take(site.engine.reload(site.rules(), site.moment(), SHAPES.values()));
        break;
      }
      case 'clock':
        site.wallStep += each.step;
        site.engine.clockKnown(site.moment());
        site.tick();
        break;
      default:
        operate(site, oracle, each);
    }
    for (const [of, f] of oracle.facts) {
      assert.equal(site.state(of), f.shown, `${of} after ${each.do}`);
      const owes = site.engine.look(of, site.moment())?.owesReset;
      assert.equal(owes, RULES[of].latch === true && f.tripped, `${of} owes its reset after ${each.do}`);
    }
    assert.deepEqual(site.lines.toSorted(), oracle.lines.toSorted(), `after ${each.do}`);
    for (const [of, before] of states) visited.add(`${before} ${each.do} ${oracle.facts.get(of)?.shown ?? 'gone'}`);
    site.lines = [];
    oracle.lines = [];
  }
}

test('random walks over all states and inputs: the engine does what the oracle derives', () => {
  const visited = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => walk(steps, visited)),
    { numRuns: 1500 },
  );
  const states = new Set([...visited].flatMap((line) => [line.split(' ')[0], line.split(' ')[2]]));
  for (const state of ALARM_STATES) assert.ok(states.has(state), `${state} was never reached`);
  assert.ok(visited.size >= 120, `only ${visited.size} different steps: the walks are too tame`);
});

test('saved states that are damaged in any key make no throw, and the alarm lives on', () => {
  const site = new Site();
  site.sample('first', 9);
  site.sample('mains', 9);
  site.take(site.engine.outOfService('third', 'repair', 'amina', site.moment()).transitions);
  site.take(site.engine.shelve('second', 60_000, 'amina', site.moment()).transitions);
  const states = [...site.store.values()].map((json) => JSON.parse(json) as Record<string, unknown>);
  const keys = [
    ...new Set(states.flatMap((state) => Object.keys(state))),
    'holds',
    'unseen',
    'tripped',
    'firstOut',
    'away',
    'pending',
  ];
  const hostile = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(...ALARM_STATES, 1e308, -1e308, 2 ** 53, -1, 'x'.repeat(100_000), true, false),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...keys), hostile), { minLength: 1, maxLength: 4 }), (damage) => {
      const saved = states.map((state) =>
        parseRuleState(JSON.stringify({ ...state, ...Object.fromEntries(damage), rule: state.rule })),
      );
      const start = site.moment();
      const engine = new RuleEngine({
        rules: site.rules(),
        start,
        saved: saved.filter((one) => one !== undefined),
        shapes: SHAPES.values(),
      });
      engine.tick(start.at);
      for (const of of NAMES) {
        const shape = SHAPES.get(of) as Shape;
        for (const [i, value] of [9, 5, 9].entries())
          engine.sample({ shape, at: start.at + 1 + i, values: [value], reasons: null });
      }
      engine.tick(start.at + 3_600_000);
      const later = { ...start, at: start.at + 3_600_000, wall: start.wall + 3_600_000 };
      for (const alarm of engine.alarms(later)) {
        assert.ok(ALARM_STATES.includes(alarm.state));
        assert.ok(Math.abs(alarm.since) <= 8.64e15 && alarm.message.length <= 5000, alarm.rule);
      }
      JSON.stringify(engine.state(later));
    }),
    { numRuns: 1000 },
  );
});

test('one record that ends both conditions raises nothing in between', () => {
  for (const order of [
    ['flow', 'stopped'],
    ['stopped', 'flow'],
  ] as const) {
    const both: Shape = {
      device: 'd',
      points: [
        { name: 'run', type: 'float64', storage: 'number' },
        { name: 'flow', type: 'float64', storage: 'number' },
      ],
    };
    const rules: Record<string, ResolvedRule> = {
      stopped: { ...base, name: 'stopped', point: 'run', kind: 'below', setting: 1 },
      flow: { ...base, name: 'flow', point: 'flow', kind: 'below', setting: 1, suppressedBy: ['stopped'] },
    };
    const engine = new RuleEngine({
      rules: order.map((one) => rules[one] as ResolvedRule),
      start: { at: 0, wall: WALL, wallKnown: true },
      shapes: [both],
    });
    const record = (at: number, run: number, flow: number) =>
      engine.sample({ shape: both, at, values: [run, flow], reasons: null }).map(({ rule, state }) => `${rule} ${state}`);
    assert.deepEqual(record(1, 0, 0), ['stopped active-unacknowledged', 'flow suppressed']);
    assert.deepEqual(record(2, 1, 5).toSorted(), ['flow normal', 'stopped normal']);
    assert.deepEqual(record(3, 1, 0), ['flow active-unacknowledged']);
    assert.deepEqual(record(4, 0, 0), ['stopped active-unacknowledged', 'flow suppressed']);
    assert.deepEqual(record(5, 1, 0), ['stopped normal', 'flow active-unacknowledged']);
  }
});
