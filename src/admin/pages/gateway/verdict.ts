/** What needs attention, from the state of the gateway. Pure. */
import type { AlarmStatus, LiveState } from '../../live/live-types.ts';

export interface Verdict {
  readonly alarms: number;
  /** Actions of rules that failed when they were to be done last. */
  readonly actions: number;
  readonly silent: number;
  readonly buses: number;
  readonly forwarders: number;
  readonly log: boolean;
  readonly clock: boolean;
  /** A version of the configuration that was rolled back lately. */
  readonly rolledBack: number | undefined;
  /** Nothing is taken from upstream, although keys are pinned. */
  readonly upstream: boolean;
}

/** A roll-back that is older needs nobody now. */
const LATELY = 86_400_000;

const RANK: Readonly<Record<AlarmStatus['state'], number>> = {
  'active-unacknowledged': 0,
  'returned-unacknowledged': 1,
  latched: 2,
  'active-acknowledged': 3,
  shelved: 4,
  suppressed: 5,
  'out-of-service': 6,
  normal: 7,
};
const WEIGHT: Readonly<Record<AlarmStatus['severity'], number>> = { critical: 0, warning: 1, info: 2 };

/** Shelved alarms, suppressed ones and those that somebody took out of service need nobody now. */
export const needsAttention = ({ state }: AlarmStatus): boolean => RANK[state] < RANK.shelved;

/** What needs somebody first: not acknowledged, then by severity, then the newest. */
export function inOrder(alarms: readonly AlarmStatus[]): AlarmStatus[] {
  return [...alarms].sort(
    (a, b) => RANK[a.state] - RANK[b.state] || WEIGHT[a.severity] - WEIGHT[b.severity] || b.since - a.since,
  );
}

/** @param now UTC milliseconds as the gateway knows it */
export function verdictOf(state: LiveState, now: number): Verdict {
  const { last, fault } = state.inForce ?? {};
  return {
    alarms: state.alarms.filter(needsAttention).length,
    actions: state.actions?.failing ?? 0,
    silent: state.buses.flatMap((bus) => bus.devices).filter((device) => device.state === 'silent').length,
    buses: state.buses.filter((bus) => bus.state !== 'open').length,
    forwarders: state.forwarders.filter(({ state, type }) => state !== 'connected' && type !== 'bundle').length,
    log: state.log.faults.length > 0,
    clock: !state.clock.known,
    rolledBack: last?.outcome === 'rolled-back' && now - last.time < LATELY ? last.version : undefined,
    upstream: fault !== undefined,
  };
}
