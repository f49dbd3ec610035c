/** Rules that act, with everything that they act on made up: what was done stands in `did`, in order. */
import type { ResolvedHook } from '../../src/config/actions.ts';
import type { ResolvedRule } from '../../src/config/kinds.ts';
import { Actions, type ActionsSide, type AlarmLook } from '../../src/control/actions/actions.ts';
import type { AlarmState, AlarmTransition } from '../../src/core/alarm.ts';
import type { Command, CommandPort } from '../../src/core/commands.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { GatewayEvent } from '../../src/core/ports.ts';
import type { MessageOutcome, RuleMessage } from '../../src/core/rule-message.ts';
import { wordsIn } from '../../src/core/sentence.ts';
import type { Moment } from '../../src/rules/rule-state.ts';
import { ManualClock } from './manual-clock.ts';

export interface BenchOptions {
  readonly clock?: ManualClock;
  /** What the log has of an earlier run; the bench changes it. */
  readonly saved?: Map<string, unknown>;
  readonly alarms?: Map<string, AlarmLook>;
  readonly wallKnown?: boolean;
  readonly hooks?: readonly ResolvedHook[];
  readonly deliveries?: Map<string, (message: RuleMessage) => Promise<MessageOutcome>>;
}

export function actionsBench(rules: readonly ResolvedRule[], options: BenchOptions = {}) {
  const { clock = new ManualClock(), saved = new Map<string, unknown>(), alarms = new Map<string, AlarmLook>() } = options;
  const did: string[] = [];
  const events: GatewayEvent[] = [];
  const remarks: string[] = [];
  const logged: string[] = [];
  let known = new Map(rules.map((rule) => [rule.name, rule]));
  /** Answers for points: an error, or a promise that decides. A point without one takes every value. */
  const points = new Map<string, () => Promise<void>>();
  /** Throws for those that may not write the point now. */
  const locks = new Map<string, (who: string) => void>();
  /** How forwarders answer; one without an answer acknowledges. */
  const { deliveries = new Map<string, (message: RuleMessage) => Promise<MessageOutcome>>() } = options;
  const hookRuns = new Map<string, () => Promise<string>>();
  const heard = { flows: new Set<string>(), broker: true };
  const clockState = { wallKnown: options.wallKnown ?? true };
  const moment = (): Moment => ({ at: clock.monotonic(), wall: clock.wall(), wallKnown: clockState.wallKnown });
  const commands = {
    run: async (command: Command, by: { readonly who: string; readonly door: string }) => {
      if (command.do !== 'write') throw new Error(command.do);
      did.push(`${by.door} ${by.who}: ${command.point}=${String(command.value)}`);
      locks.get(command.point)?.(by.who);
      await points.get(command.point)?.();
      logged.push(`${command.point}=${String(command.value)}`);
      return {};
    },
  } as unknown as CommandPort;
  const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger } as unknown as ActionsSide['logger'];
  const actions = new Actions({
    ...{ clock, logger, commands, moment },
    gateway: () => 'g1',
    rules: () => known,
    hooks: () => new Map((options.hooks ?? []).map((hook) => [hook.name, hook])),
    look: (rule) => alarms.get(rule),
    busOf: (device) => `bus of ${device.split('-')[0]}`,
    assertFree: (point, by) => locks.get(point)?.(by.who),
    publish: (topic, payload) => {
      if (heard.broker) did.push(`publish ${topic}: ${payload}`);
      return heard.broker;
    },
    deliver: (forwarder, message) => {
      did.push(`deliver ${forwarder} ${message.topic}: ${message.payload}`);
      return deliveries.get(forwarder)?.(message) ?? Promise.resolve({ result: 'acknowledged' });
    },
    shown: (facts) => facts,
    trigger: (flow, facts) => {
      if (heard.flows.has(flow)) did.push(`flow ${flow}: ${facts.message}`);
      return heard.flows.has(flow);
    },
    run: async (hook, request) => {
      did.push(`hook ${hook.name}: ${JSON.stringify(request.run)}`);
      return (await hookRuns.get(hook.name)?.()) ?? '';
    },
    save: (key, state) => {
      // What a log gives back is JSON.
      if (state === null) saved.delete(key);
      else saved.set(key, JSON.parse(JSON.stringify(state)));
    },
    remark: (rule, occurrence, words) => void remarks.push(`${rule} ${occurrence}: ${wordsIn(words, 'en')}`),
    tell: (event) => void events.push(event),
  });
  actions.restore(saved);
  actions.start();
  /** The alarm of a rule has this state from now on. */
  const turn = async (name: string, state: AlarmState, more: Partial<AlarmTransition> = {}): Promise<void> => {
    const before = alarms.get(name);
    const rule = known.get(name);
    const begins = state === 'active-unacknowledged' && before?.state.startsWith('active') !== true;
    const occurrence = (before?.occurrence ?? 0) + (begins ? 1 : 0);
    const message = more.message ?? `${name} is ${state}`;
    alarms.set(name, { state, occurrence, holds: state.startsWith('active'), message });
    const severity = rule?.severity ?? 'warning';
    const at = clock.monotonic();
    actions.planned([
      { rule: name, occurrence, state, severity, point: 'd.p', at, message, cause: 'reading', value: 9, ...more },
    ]);
    actions.begin();
    await clock.advance(0);
  };
  return {
    ...{
      actions,
      clock,
      did,
      events,
      remarks,
      points,
      locks,
      hookRuns,
      deliveries,
      heard,
      alarms,
      saved,
      turn,
      moment,
      clockState,
      logged,
    },
    waiting: () => Object.fromEntries(actions.status().kinds.map(({ kind, waiting }) => [kind, waiting])),
    /** Rules of another configuration. @param trial it may be rolled back */
    reload: (next: readonly ResolvedRule[], trial = false) => {
      known = new Map(next.map((rule) => [rule.name, rule]));
      actions.reload(trial);
      actions.begin();
    },
    /** The same rules in the next run, after so long. The log is what was saved. */
    restart: (after = 0, more: BenchOptions = {}) => {
      actions.stop();
      const next = new ManualClock(clock.wall() + after);
      return actionsBench([...known.values()], { ...options, saved, alarms, clock: next, ...more });
    },
  };
}

export const silent = async (): Promise<void> => {
  throw new SluiceError('timeout', 'unit 1 does not answer');
};

/** @param parts of the rule, as resolved */
export function ruleOf(name: string, parts: Partial<ResolvedRule> = {}): ResolvedRule {
  return {
    ...{ name, device: 'd', point: 'p', kind: 'above', setting: 8, deadband: 0, onDelay: 0, offDelay: 0, severity: 'warning' },
    ...parts,
  };
}
