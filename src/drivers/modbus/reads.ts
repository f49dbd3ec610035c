/** From the settings of a bus and its devices to the requests that read them, and to what these ask of the bus. Pure. */

import { HEAD } from '../../codecs/sunspec.ts';
import type { BusBudget, MeasuredTimes, ResolvedBus, ResolvedDevice } from '../../config/kinds.ts';
import { type AnswerTime, answerTime, timeKey } from './answer-time.ts';
import { busBudget } from './budget.ts';
import { pointsOf } from './check.ts';
import type { PlannedRead, PlanPoint, ReadLimits } from './plan.ts';
import { looksAtHead, planReads } from './plan.ts';
import type { AsciiSettings, DeviceSettings, RtuOverTcpSettings, RtuSettings, TcpSettings, UdpSettings } from './schema.ts';
import type { ReadCost, WireProtocol, WireTiming } from './wire-cost.ts';
import { lineBehind, readTime, wireCost } from './wire-cost.ts';

/**
 * The requests of a device, with how often each is made. Where the models of a SunSpec device lie is not known, so each model
 * is planned for itself, and its head is read along, by which a reply shows that it is of that model.
 */
export function readsOf(wire: WireTiming, device: ResolvedDevice, answer = assumedOf(wire, device)): PlannedRead[] {
  const settings = settingsOf(device);
  const points = pointsOf(device).map((point) => ({
    ...point,
    interval: point.interval ?? settings.interval,
    companions: point.scaleFactor === undefined ? [] : [point.scaleFactor],
  }));
  const cost = costOf(wire, device, answer);
  return [...Map.groupBy(points, (point) => point.model)].flatMap(([model, own]) =>
    model === undefined ? planReads(own, settings.limits, cost) : readsOfModel(model, own, settings.limits, cost),
  );
}

/** The head in every reply, or a look at it for replies without it: what costs less. */
function readsOfModel(
  model: string,
  own: readonly (PlanPoint & { companions: readonly string[] })[],
  limits: ReadLimits,
  cost: ReadCost,
): PlannedRead[] {
  const head: PlanPoint = { ...HEAD_POINT, interval: Math.min(...own.map((point) => point.interval)) };
  const plan = (points: readonly PlanPoint[]) =>
    planReads(points, { ...limits, gaps: undefined }, cost).flatMap((read): PlannedRead[] => {
      const asked = read.points.filter((point) => point !== head);
      return asked.length === 0 ? [] : [{ ...read, points: asked, model }];
    });
  if (!limits.merge) return plan(own);
  const [cheapest = []] = [
    plan([head, ...own]),
    plan([head, ...own.map((point) => ({ ...point, companions: [...point.companions, head.name] }))]),
  ].sort((a, b) => wireShare(a, cost) - wireShare(b, cost));
  return cheapest;
}

/** Wire time per time that reads take; 1 is all that a wire has. */
export function wireShare(reads: readonly PlannedRead[], cost: ReadCost): number {
  const time = (read: PlannedRead) =>
    readTime(cost, read.table, read.count) + (looksAtHead(read) ? readTime(cost, read.table, HEAD) : 0);
  return reads.reduce((sum, read) => sum + time(read) / read.interval, 0);
}

/** The cost of a read of the device when it takes so long to answer. */
export function costOf(wire: WireTiming, device: ResolvedDevice, answer: AnswerTime): ReadCost {
  return wireCost(wire, { turnaround: settingsOf(device).turnaround, responseTime: answer.ms });
}

/** For devices of which nothing was measured. */
function assumedOf({ protocol }: WireTiming, device: ResolvedDevice): AnswerTime {
  return answerTime(protocol, settingsOf(device).responseTime, undefined);
}

/** The known answer time of a device. */
export function answerOf(bus: ResolvedBus, device: ResolvedDevice, measured: MeasuredTimes | undefined): AnswerTime {
  const { responseTime } = settingsOf(device);
  return answerTime(bus.protocol as WireProtocol, responseTime, measured?.get(timeKey(bus, device)));
}

/** Number and length of a model; names of points have no blank. */
const HEAD_POINT = { name: 'head of the model', table: 'holding', address: 0, type: 'uint32' } as const;

export function budgetOf(bus: ResolvedBus, devices: readonly ResolvedDevice[], measured?: MeasuredTimes): BusBudget {
  const wire = wireOf(bus);
  const reads = devices.map((device) => {
    const answer = answerOf(bus, device, measured);
    const timing = { turnaround: settingsOf(device).turnaround, responseTime: answer.ms };
    return { name: device.name, timing, answer, reads: readsOf(wire, device, answer) };
  });
  return busBudget(bus.name, wire, reads);
}

export function wireOf(bus: ResolvedBus): WireTiming {
  // The config room has parsed the bus by the schema of this room.
  const settings = bus.settings as unknown as TcpSettings | UdpSettings | RtuSettings | AsciiSettings | RtuOverTcpSettings;
  return {
    protocol: bus.protocol as WireProtocol,
    line: 'parity' in settings ? settings : 'baudRate' in settings ? lineBehind(settings.baudRate) : undefined,
    turnaround: settings.turnaround,
    inFlight: 'inFlight' in settings ? settings.inFlight : 1,
  };
}

function settingsOf(device: ResolvedDevice): DeviceSettings {
  return device.settings as unknown as DeviceSettings;
}
