/**
 * The load of a bus in numbers, and a configuration that would fit when the load is too high. Pure.
 *
 * - A cycle is every request once. The utilisation is wire time per time: each request at its interval, all pauses
 *   included, no repeat, no silent device, no write.
 * - From 80 % on there is a warning, and what it advises leads back below that. More than 100 % is asked for in vain; it is no fault.
 */
import { isBitTable } from '../../codecs/modbus-point.ts';
import { HEAD } from '../../codecs/sunspec.ts';
import type { BusBudget, PlannedRequest } from '../../config/kinds.ts';
import { aboutDuration, formatDuration, percent, roundUpDuration } from '../../core/units.ts';
import type { AnswerTime } from './answer-time.ts';
import { looksAtHead, type PlannedRead } from './plan.ts';
import type { DeviceTiming, LineTiming, WireTiming } from './wire-cost.ts';
import { DEFAULT_RESPONSE_TIME, readBytes, readTime, wireCost } from './wire-cost.ts';

export interface DeviceReads {
  readonly name: string;
  readonly timing: DeviceTiming;
  readonly answer: AnswerTime;
  readonly reads: readonly PlannedRead[];
}

type Request = PlannedRequest & { readonly table: PlannedRead['table'] };

/** The share of the bus that intervals may take; the rest is for repeats, silent devices and writes. */
const FILL = 0.8;
/** The longest interval that a device may have. */
const LONGEST = 86_400_000;
/** The factor by which one device may become slower to spare the others; a larger one is no advice. */
const SLOWER = [1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20];
const BAUD_RATES = [2400, 4800, 9600, 19200, 38400, 57600, 115_200];
const MOST_IN_FLIGHT = 16;

export function busBudget(bus: string, wire: WireTiming, devices: readonly DeviceReads[]): BusBudget {
  const requests = requestsOf(wire, devices);
  const sum = (of: (request: Request) => number) => requests.reduce((total, request) => total + of(request), 0);
  const utilisation = utilisationOf(requests, wire.inFlight);
  const budget = {
    ...{ bus, wire: wireWords(wire), requests },
    answers: devices.map(({ name, answer }) => ({ device: name, time: answer.ms, from: answer.from })),
    registers: sum((r) => (isBitTable(r.table) ? 0 : r.count)),
    bits: sum((r) => (isBitTable(r.table) ? r.count : 0)),
    bytes: sum((r) => r.bytes),
    cycle: shared(requests, wire.inFlight, (r) => r.time),
    utilisation,
  };
  return utilisation < FILL ? budget : { ...budget, warning: warningOf(requests, budget.cycle, wire, devices) };
}

function requestsOf(wire: WireTiming, devices: readonly DeviceReads[]): Request[] {
  return devices.flatMap(({ name, timing, reads }) => {
    const cost = wireCost(wire, timing);
    return reads.map((read) => {
      const { table, start, count, interval, points } = read;
      const look = looksAtHead(read) ? { time: readTime(cost, table, HEAD), bytes: readBytes(cost, table, HEAD) } : NO_LOOK;
      return {
        ...{ device: name, table, start, count, interval },
        ...(read.model === undefined ? {} : { model: read.model }),
        points: points.map((p) => p.name),
        time: readTime(cost, table, count) + look.time,
        bytes: readBytes(cost, table, count) + look.bytes,
      };
    });
  });
}

const NO_LOOK = { time: 0, bytes: 0 };

function utilisationOf(requests: readonly Request[], inFlight: number): number {
  return shared(requests, inFlight, (r) => r.time / r.interval);
}

/** The sum, where so many devices may be asked at once, and each answers one request after the other. */
function shared(requests: readonly Request[], inFlight: number, of: (request: Request) => number): number {
  const sums = [...Map.groupBy(requests, (r) => r.device).values()].map((own) => own.reduce((sum, r) => sum + of(r), 0));
  return Math.max(sums.reduce((a, b) => a + b, 0) / inFlight, ...sums);
}

function warningOf(requests: readonly Request[], cycle: number, wire: WireTiming, devices: readonly DeviceReads[]): string {
  const utilisation = utilisationOf(requests, wire.inFlight);
  const measure = `(${requests.length === 1 ? 'one request takes' : `its ${requests.length} requests take`} ${aboutDuration(cycle)})`;
  const what =
    Math.round(utilisation * 100) > 100
      ? `the intervals ask for ${percent(utilisation)} of what this bus carries ${measure}: the gateway will take about ${percent(1 / utilisation)} of the readings`
      : `the intervals take ${percent(utilisation)} of this bus ${measure}: a repeated request or a silent device will make readings late`;
  const ways = [
    longer(requests, utilisation),
    longerAlone(requests, wire.inFlight),
    faster(wire, devices),
    atOnce(requests, wire, devices.length),
  ].filter((way) => way !== undefined);
  const fits = ways.length > 0 ? `. What would fit: ${ways.join('; or ')}` : '';
  return `${what}${fits}${guess(wire, devices)}`;
}

/** Every interval longer, in proportion: the plan stays the cheapest, and rounding up only lengthens. */
function longer(requests: readonly Request[], utilisation: number): string | undefined {
  const changes = lengthened(requests, utilisation / FILL);
  if (changes === undefined) return undefined;
  if (changes.size > 3) return `every interval ${Math.ceil((utilisation / FILL) * 10) / 10} times as long`;
  return `${changes.size === 1 ? 'interval' : 'the intervals'} ${changeWords(changes)}`;
}

/** Only those of the device that takes most, where that is enough. */
function longerAlone(requests: readonly Request[], inFlight: number): string | undefined {
  const shares = [...Map.groupBy(requests, (r) => r.device)].map(([device, own]) => ({
    device,
    own,
    share: utilisationOf(own, 1),
  }));
  const [most, ...others] = shares.sort((a, b) => b.share - a.share);
  if (most === undefined || others.length === 0) return undefined;
  for (const factor of SLOWER) {
    const changes = lengthened(most.own, factor);
    if (changes === undefined || changes.size > 3) return undefined;
    const then = requests.map((r) => (r.device === most.device ? { ...r, interval: changes.get(r.interval) ?? r.interval } : r));
    if (utilisationOf(then, inFlight) < FILL)
      return `only for ${most.device}, which takes ${percent(most.share)}, ${changeWords(changes)}`;
  }
  return undefined;
}

function lengthened(requests: readonly Request[], factor: number): Map<number, number> | undefined {
  const intervals = [...new Set(requests.map((r) => r.interval))].sort((a, b) => a - b);
  const changes = new Map(intervals.map((interval) => [interval, roundUpDuration(interval * factor)]));
  return [...changes.values()].some((interval) => interval > LONGEST) ? undefined : changes;
}

function changeWords(changes: ReadonlyMap<number, number>): string {
  return [...changes].map(([from, to]) => `${formatDuration(to)} instead of ${formatDuration(from)}`).join(', ');
}

/** The same requests on a faster line. */
function faster(wire: WireTiming, devices: readonly DeviceReads[]): string | undefined {
  const { line } = wire;
  if (line === undefined) return undefined;
  for (const baudRate of BAUD_RATES.filter((rate) => rate > line.baudRate)) {
    const then = utilisationOf(requestsOf({ ...wire, line: { ...line, baudRate } }, devices), wire.inFlight);
    if (then < FILL) return `baudRate ${baudRate} here and in every device (then ${percent(then)})`;
  }
  return undefined;
}

/** More requests at once on a network. */
function atOnce(requests: readonly Request[], wire: WireTiming, devices: number): string | undefined {
  if (wire.line !== undefined) return undefined;
  for (let inFlight = wire.inFlight + 1; inFlight <= Math.min(devices, MOST_IN_FLIGHT); inFlight++) {
    const then = utilisationOf(requests, inFlight);
    if (then < FILL) return `inFlight ${inFlight}, if the far end accepts it (then ${percent(then)})`;
  }
  return undefined;
}

function guess({ protocol }: WireTiming, devices: readonly DeviceReads[]): string {
  const assumed = devices.filter(({ answer }) => answer.from === 'assumed');
  if (assumed.length === 0) return '';
  const time = formatDuration(DEFAULT_RESPONSE_TIME[protocol]);
  const who =
    assumed.length === devices.length ? 'a device answers' : `${assumed.length} of its ${devices.length} devices answer`;
  return `. This assumes ${time} until ${who}. A running gateway measures the time; if you know it, write responseTime under the device`;
}

function wireWords({ protocol, line }: WireTiming): string {
  if (line === undefined) return protocol;
  return protocol === 'modbus-rtu-over-tcp' ? `${protocol}, ${line.baudRate} baud` : `${protocol}, ${lineWords(line)}`;
}

function lineWords({ baudRate, dataBits, parity, stopBits }: LineTiming): string {
  return `${baudRate} baud ${dataBits}${{ none: 'N', even: 'E', odd: 'O' }[parity]}${stopBits}`;
}
