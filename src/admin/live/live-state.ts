/** The state of a gateway as pages that stay open get it: the status without what changes with every poll. */
import type { BusStatus, DeviceStatus } from '../../core/ports.ts';
import type { GatewayStatus } from '../target.ts';
import type { AlarmStatus, LiveActions, LiveBus, LiveDevice, LiveFigures, LiveForwarder, LiveState } from './live-types.ts';

export function liveState(status: GatewayStatus, machine: LiveState['machine']): LiveState {
  const { gateway, clock, log } = status;
  const { id, name, version, boot, time, uptime, monotonic } = gateway;
  return {
    gateway: { id, name, version, boot, started: Math.round(time / 10_000 - uptime / 10) * 10_000 },
    configuration: status.configuration ?? null,
    inForce: status.inForce,
    clock: { known: clock.known, source: clock.source, since: clock.since },
    buses: status.buses.map((bus) => busOf(bus, monotonic, (at) => Math.round(time - (monotonic - at)))),
    alarms: status.alarms.map(alarmOf),
    // Without the length of the longest one: it grows all the time.
    observed: (status.observed ?? []).map(({ observedSince, count, ...alarm }) => ({ ...alarmOf(alarm), observedSince, count })),
    alarmFigures: figuresOf(status.alarmFigures),
    actions: status.actions === undefined ? null : actionsOf(status.actions),
    forwarders: status.forwarders.map((forwarder) => forwarderOf(forwarder, time)),
    log: {
      ...{ records: log.records, bytes: log.bytes, maxBytes: log.maxBytes },
      ...{ dropped: log.dropped, thinned: log.thinned, removed: log.removed + log.aged },
      ...{ lastCommit: log.lastCommit, faults: log.faults },
    },
    machine,
  };
}

function figuresOf({
  annunciated,
  perHour,
  perDay,
  flood,
  chattering,
  standing,
  worst,
}: GatewayStatus['alarmFigures']): LiveFigures {
  const tenth = (n: number): number => Math.round(n * 10) / 10;
  return {
    ...{ annunciated, perHour: tenth(perHour), perDay: tenth(perDay) },
    ...(flood.active && { flood: flood.alarms }),
    ...{ chattering: chattering.rules, standing: standing.rules },
    worst: worst.map(({ rule, count }) => ({ rule, count })),
  };
}

/** Actions that a page shows. */
const MOST_ACTIONS = 30;

function actionsOf({ kinds, list, failing }: NonNullable<GatewayStatus['actions']>): LiveActions {
  const sum = (key: 'done' | 'failed' | 'dropped' | 'waiting'): number => kinds.reduce((all, kind) => all + kind[key], 0);
  return {
    ...{ done: sum('done'), failed: sum('failed') + sum('dropped'), waiting: sum('waiting'), failing },
    list: list.slice(0, MOST_ACTIONS).map(({ rule, action, done, failed, dropped, last, error }) => {
      const [kind = '', ...target] = action.split(' ');
      return {
        ...{ rule, kind: kind as LiveActions['list'][number]['kind'], target: target.join(' ') },
        ...{ done, failed: failed + dropped, last, error: error?.message },
      };
    }),
  };
}

function alarmOf({ rule, state, severity, point, value, since, occurrence, message, ...more }: AlarmStatus): AlarmStatus {
  return {
    ...{ rule, state, severity, point, value, since, occurrence, message },
    ...{ messages: more.messages, shelvedUntil: more.shelvedUntil, firstOut: more.firstOut },
  };
}

function busOf({ name, protocol, state, fault, load, devices }: BusStatus, now: number, utc: (at: number) => number): LiveBus {
  return {
    ...{ name, protocol, state, fault },
    missed: load?.overloaded === true ? load.missed : undefined,
    devices: devices.map((device) => deviceOf(device, now, utc)),
  };
}

function deviceOf(device: DeviceStatus, now: number, utc: (at: number) => number): LiveDevice {
  const { name, state, fault, restsUntil, lastReply, share } = device;
  return {
    ...{ name, state, fault },
    rests: restsUntil !== undefined && restsUntil > now ? true : undefined,
    lastReply: state === 'answering' || lastReply === undefined ? undefined : utc(lastReply),
    share: share === undefined ? undefined : { bad: share.bad, of: share.of },
  };
}

function forwarderOf(forwarder: GatewayStatus['forwarders'][number], time: number): LiveForwarder {
  const { name, type, url, state, fault, nextTry, mode, lastAck, lag, waiting } = forwarder;
  const longest = Math.max(lag.data, lag.history);
  // Whole seconds: the difference of two clocks that both go on shakes by a millisecond.
  const oldestUnsent = longest === 0 ? null : Math.round((time - longest) / 1000) * 1000;
  return { ...{ name, type, url, state, fault, nextTry, mode, lastAck, oldestUnsent, waiting } };
}
