/**
 * The page that a technician reads: what is wrong comes first, then buses, forwarders and the log in words. It fits 80 columns;
 * times are those of the zone of this machine.
 */

import type { AlarmStatus } from '../admin/live/live-types.ts';
import type { WaitingReply } from '../admin/log-questions.ts';
import type { ForwarderStatus, GatewayStatus } from '../admin/target.ts';
import type { BusStatus, DeviceStatus } from '../core/ports.ts';
import { formatSize } from '../core/units.ts';
import { overloadAdvice } from '../drivers/modbus/words.ts';
import { figureLines } from './alarm-stats.ts';
import { localDate, localTime } from './local-time.ts';
import { paint } from './running.ts';
import { actionLines, failingActions } from './status-actions.ts';
import { configLines, configWrong, spaceWrong, upstreamWrong } from './status-config.ts';
import { rough, statusDetails } from './status-details.ts';
import { count, whereOf } from './status-words.ts';
import { clean } from './terminal/clean.ts';

interface PageOptions {
  /** With every figure below the page. */
  readonly verbose?: boolean;
  /** Columns. */
  readonly width?: number;
  /** Readings that wait on the disk too, where they were counted. */
  readonly waiting?: WaitingReply['forwarders'];
}

/** Something that is wrong: what, and what to know or to do about it. */
interface Wrong {
  readonly head: string;
  readonly text?: string | undefined;
  readonly colour: 31 | 33;
}

export function statusText(report: GatewayStatus, { verbose = false, width = 80, waiting = [] }: PageOptions = {}): string {
  const { gateway } = report;
  const lines = [
    paint(1, `${nameOf(report)}, Sluice ${gateway.version}, running for ${rough(gateway.uptime * 1000)}`),
    `${localDate(gateway.time)}, ${clockWords(report)}`,
    '',
    ...wrongText(report, width),
    ...report.alarms.filter((a) => !isWrong(a)).map((a) => quietAlarm(a, gateway.time)),
    ...figureLines(report.alarmFigures),
    ...configLines(report),
    '',
    ...report.buses.flatMap((bus) => busLines(bus, gateway)),
    ...report.forwarders.flatMap((f) => forwarderLines(f, waiting, gateway.time)),
    ...actionLines(report.actions),
    ...logLines(report),
    ...brokerLines(report),
    ...flowLines(report),
    ...accessLines(report),
  ];
  const fitted = lines.flatMap((line) => wrap(line, width, '    '));
  const more = verbose ? ['', ...statusDetails(report)] : [];
  return `${[...fitted, ...more].join('\n')}\n`;
}

export function nameOf({ gateway: { id, name } }: GatewayStatus): string {
  return name === undefined ? id : `${id} (${clean(name)})`;
}

/** What is wrong, in lines of that width. */
export function wrongText(report: GatewayStatus, width: number): string[] {
  const wrong = wrongOf(report);
  if (wrong.length === 0) return [paint(32, 'Nothing is wrong.')];
  return [paint(31, count(wrong.length, 'thing is wrong:', 'things are wrong:')), ...wrong.flatMap((w) => wrongLines(w, width))];
}

/** Worst first: alarms, then what is not read, what is not kept, what is not delivered. */
function wrongOf(report: GatewayStatus): Wrong[] {
  const { gateway, log, clock } = report;
  const utc = (monotonic: number) => gateway.time + monotonic - gateway.monotonic;
  return [
    ...configWrong(report),
    ...upstreamWrong(report),
    ...report.alarms.filter(isWrong).map((a) => alarmWrong(a, gateway.time)),
    ...failingActions(report.actions, gateway.time).map((one): Wrong => ({ ...one, colour: 31 })),
    ...report.buses.flatMap((bus) => busWrongs(bus, gateway.time, utc, gateway.monotonic)),
    ...log.faults.map((text): Wrong => ({ head: 'the log has a fault', text, colour: 31 })),
    ...log.salvage.flatMap((s): Wrong[] =>
      s.running === undefined
        ? []
        : [{ head: `${s.file} was damaged: ${s.why}`, text: `what is left comes back: ${s.running}`, colour: 33 }],
    ),
    ...spaceWrong(report),
    ...log.refusedFolders.map((text): Wrong => ({ head: 'a folder is not used', text, colour: 33 })),
    ...report.forwarders.flatMap((f) => forwarderWrong(f, gateway.time)),
    ...(report.broker?.fault === undefined
      ? []
      : [{ head: 'the broker of the gateway', text: report.broker.fault, colour: 31 } as const]),
    ...(report.http?.fault === undefined ? [] : [{ head: 'HTTP of the gateway', text: report.http.fault, colour: 33 } as const]),
    ...flowWrongs(report),
    ...(report.access.state === 'locked' ? [{ head: 'nobody can log in', text: report.access.fault, colour: 31 } as const] : []),
    ...(clock.known
      ? []
      : [
          {
            head: 'the time is not known',
            text: `${clock.source}. Readings are kept and get their right time later.`,
            colour: 33,
          } as const,
        ]),
  ];
}

function isWrong({ state }: AlarmStatus): boolean {
  return state.startsWith('active') || state === 'returned-unacknowledged' || state === 'latched';
}

function alarmWrong(a: AlarmStatus, now: number): Wrong {
  const since = localTime(a.since, now);
  const state = {
    'active-unacknowledged': `ALARM ${a.rule} (${a.severity}) since ${since}`,
    'active-acknowledged': `ALARM ${a.rule} (${a.severity}) since ${since}, acknowledged`,
    latched: `over, but not reset: ${a.rule} (${a.severity}), since ${since}`,
    'returned-unacknowledged': `over, but not acknowledged: ${a.rule} (${a.severity}), since ${since}`,
  } as const;
  return {
    head: state[a.state as keyof typeof state],
    text: a.message,
    colour: a.state.startsWith('active') ? 31 : 33,
  };
}

/** Shelved, or out of service: somebody decided that it is quiet. */
function quietAlarm(a: AlarmStatus, now: number): string {
  const until = a.shelvedUntil === undefined ? '' : ` until ${localTime(a.shelvedUntil, now)}`;
  return `  ${a.state === 'shelved' ? 'shelved' : a.state.replaceAll('-', ' ')}${until}: ${a.rule}: ${clean(a.message)}`;
}

function busWrongs(bus: BusStatus, time: number, utc: (monotonic: number) => number, now: number): Wrong[] {
  const closed: Wrong[] =
    bus.state === 'open' || bus.fault === undefined ? [] : [{ head: `bus ${bus.name} is not open`, text: bus.fault, colour: 31 }];
  const devices = bus.devices.flatMap((d): Wrong[] => {
    // The bus that is not open has said what each of its devices would say.
    const fault = closed.length > 0 ? undefined : d.fault;
    if (fault === undefined && (d.state !== 'silent' || closed.length > 0)) return [];
    const since =
      d.lastReply === undefined ? 'has not answered yet' : `gives no good answer since ${localTime(utc(d.lastReply), time)}`;
    const head = `${d.name} ${d.state === 'silent' ? since : 'has a fault'}`;
    const again = d.restsUntil === undefined ? '' : `, asked again in ${rough(d.restsUntil - now)}`;
    const share = d.share === undefined ? '' : ` (${shareWords(d.share)})`;
    return [{ head: `${head}${again}${share}`, text: fault, colour: d.state === 'silent' ? 31 : 33 }];
  });
  const load: Wrong[] =
    bus.load?.overloaded === true
      ? [
          {
            head: `bus ${bus.name} is asked for more than it carries: ${bus.load.missed} of ${count(bus.load.due, 'poll')} were left out`,
            text: overloadAdvice(
              bus.protocol !== 'modbus-tcp' && bus.protocol !== 'modbus-udp',
              bus.devices.filter(({ state }) => state === 'silent').map(({ name }) => name),
            ),
            colour: 33,
          },
        ]
      : [];
  return [...closed, ...devices, ...load];
}

function forwarderWrong(f: ForwarderStatus, now: number): Wrong[] {
  // Nothing connects where a person carries bundles.
  // Under a budget a forwarder waits without a fault and without a next try.
  const rests = f.type === 'bundle' || (f.state === 'waiting' && f.nextTry === null);
  if ((f.state === 'connected' || rests) && f.fault === undefined) return [];
  const next = f.nextTry === null ? '' : `, tried again in ${rough(f.nextTry - now)}`;
  const head = f.state === 'connected' ? `forwarder ${f.name}` : `forwarder ${f.name} is not connected${next}`;
  return [{ head, text: f.fault, colour: 33 }];
}

function wrongLines({ head, text, colour }: Wrong, width: number): string[] {
  const lines = wrap(`  ${clean(head)}`, width, '    ').map((line) => paint(colour, line));
  return text === undefined ? lines : [...lines, ...wrap(`    ${clean(text)}`, width, '    ')];
}

function busLines(bus: BusStatus, { monotonic: now, time }: GatewayStatus['gateway']): string[] {
  const busy = bus.load === undefined || bus.load.due === 0 ? '' : `, busy ${Math.round(bus.load.busy * 100)} % of the time`;
  const state = bus.state === 'open' ? paint(32, 'open') : paint(33, bus.state);
  const wide = Math.max(0, ...bus.devices.map((d) => d.name.length));
  return [
    `bus ${bus.name} (${bus.protocol}) ${state}${busy}`,
    ...bus.devices.map((d) => `  ${d.name.padEnd(Math.min(wide, 24))}  ${deviceWords(d, bus.protocol, now, time)}`),
  ];
}

const STATES = { answering: paint(32, 'answering'), silent: paint(31, 'silent   '), unknown: 'no answer yet' } as const;
const SHARES = {
  damaged: 'replies were damaged',
  wrong: 'replies were wrong',
  missing: 'requests had no answer',
  failed: 'requests failed',
} as const;

function shareWords({ bad, of, kind }: NonNullable<DeviceStatus['share']>): string {
  return `${bad} of the last ${of} ${SHARES[kind]}`;
}

function deviceWords(d: DeviceStatus, protocol: string, now: number, time: number): string {
  const { requests, replies } = d.counters;
  const last = d.lastReply === undefined ? '' : `, the last ${rough(now - d.lastReply)} ago`;
  // What talks by itself is not asked, and replies to nothing.
  const got =
    requests === 0
      ? count(replies, protocol === 'flows' ? 'reading' : protocol === 'derived' ? 'record' : 'frame')
      : `${replies} of ${count(requests, 'request')} answered`;
  const share = d.share === undefined || d.fault !== undefined ? [] : [shareWords(d.share)];
  const { recovery } = d;
  const good =
    recovery === undefined
      ? []
      : [`good again since ${localTime(time + recovery.since - now, time)} (${count(recovery.replies, 'reply', 'replies')})`];
  return `${STATES[d.state]}  ${[...(good.length === 0 ? [got + last] : good), ...share].join('; ')}`;
}

function forwarderLines(f: ForwarderStatus, waiting: WaitingReply['forwarders'], now: number): string[] {
  const state = f.state === 'connected' ? paint(32, 'connected') : paint(33, f.state);
  const acked = f.lastAck === null ? '' : `, the last at ${localTime(f.lastAck, now)}`;
  const lag = Math.max(f.lag.data, f.lag.history);
  const carried = f.lastAck === null ? '  no receipt since the start' : `  the last receipt at ${localTime(f.lastAck, now)}`;
  const head =
    f.type === 'bundle'
      ? [`forwarder ${f.name}, carried in bundles`, carried]
      : [`forwarder ${f.name} to ${clean(f.url)} ${state}`, `  ${count(f.counters.readings, 'reading')} delivered${acked}`];
  return [
    ...head,
    `  ${waitingWords(
      f,
      waiting.find(({ name }) => name === f.name),
      lag,
      now,
    )}`,
  ];
}

function waitingWords(
  { lag, waiting }: ForwarderStatus,
  all: WaitingReply['forwarders'][number] | undefined,
  longest: number,
  now: number,
): string {
  if (longest === 0) return 'nothing waits';
  const oldest = `for the platform, the oldest from ${localTime(now - longest, now)}`;
  if (lag.history === 0) return `${count(waiting, 'reading waits', 'readings wait')} ${oldest}`;
  // Those on the disk are counted apart, and not while the log is busy.
  if (all === undefined) return `readings wait ${oldest}`;
  return `${all.exact ? '' : 'about '}${count(all.exact ? all.readings : rounded(all.readings), 'reading waits', 'readings wait')} ${oldest}`;
}

/** To two digits: 12345 is about 12000. */
function rounded(n: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, n))) - 1);
  return Math.round(n / step) * step;
}

function logLines({ log, gateway }: GatewayStatus): string[] {
  const lost = log.dropped > 0 ? paint(31, `, ${count(log.dropped, 'reading')} lost before delivery`) : '';
  const taken = [
    ...(log.thinned > 0 ? [`${count(log.thinned, 'old reading')} thinned out`] : []),
    ...(log.removed > 0 ? [`${count(log.removed, 'oldest reading')} dropped`] : []),
  ];
  const back = log.salvage.filter(({ running }) => running === undefined);
  return [
    `log  ${count(log.records, 'record')}, ${formatSize(log.bytes)} of ${formatSize(log.maxBytes)}${lost}`,
    ...(taken.length === 0 ? [] : [`  it is full: ${taken.join(', ')} since the start`]),
    ...back.map(
      (s) =>
        `  ${s.file} was damaged and repaired at ${localTime(s.time, gateway.time)}: ${count(s.records, 'record')} came back${s.lostRecords > 0 ? paint(31, `, ${count(s.lostRecords, 'record')} are lost`) : ''}`,
    ),
  ];
}

function flowWrongs({ flows, gateway }: GatewayStatus): Wrong[] {
  if (flows === undefined) return [];
  const full = flows.disk?.full;
  if (full !== undefined)
    return [
      { head: 'the flows of Node-RED are stopped', text: `${full}. The flows start again when there is room.`, colour: 31 },
    ];
  if (flows.safeMode !== undefined)
    return [
      {
        head: 'the flows of Node-RED are stopped (safe mode)',
        text: `${flows.safeMode}. Deploy in the editor to start them.`,
        colour: 31,
      },
    ];
  if (flows.state === 'unhealthy') return [{ head: 'Node-RED hangs', text: flows.reason, colour: 31 }];
  if (flows.fault !== undefined && flows.state === 'running')
    return [{ head: 'the flows of Node-RED do not run', text: flows.fault, colour: 31 }];
  if (flows.door?.fault !== undefined) return [{ head: 'flows cannot reach the gateway', text: flows.door.fault, colour: 31 }];
  if (flows.door?.slow !== undefined) return [{ head: 'a flow is throttled', text: flows.door.slow, colour: 33 }];
  if (flows.state !== 'backing-off') return [];
  const next = flows.nextStart === null ? '' : `, it starts again in ${rough(Math.max(0, flows.nextStart - gateway.time))}`;
  return [{ head: `Node-RED does not run${next}`, text: flows.reason, colour: 33 }];
}

function flowLines({ flows }: GatewayStatus): string[] {
  if (flows === undefined) return [];
  const { memory } = flows;
  const used = memory === undefined ? '' : `, ${formatSize(mebibytes(memory.proportional ?? memory.resident))} of memory`;
  const restarts = flows.restarts === 0 ? '' : `, ${count(flows.restarts, 'restart')}`;
  const state = flows.state === 'running' ? paint(32, flows.state) : paint(33, flows.state);
  return [`flows  Node-RED ${state}${used}${restarts}`];
}

/** Whole ones, to read. */
function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2) * 1024 ** 2;
}

function brokerLines({ broker }: GatewayStatus): string[] {
  if (broker === undefined) return [];
  return [`broker  ${broker.state}${whereOf(broker)}, ${count(broker.clients, 'client')}`];
}

function accessLines({ access }: GatewayStatus): string[] {
  const { state, users, devices, tokens } = access;
  if (state !== 'claimed') return [];
  return [`access  ${count(users, 'user')}, ${count(devices, 'MQTT device')}, ${count(tokens, 'token')}`];
}

function clockWords({ clock, gateway }: GatewayStatus): string {
  const since = rough(Math.max(0, gateway.time - clock.since));
  if (!clock.known) return paint(33, `not known for ${since}`);
  const apart =
    Math.abs(clock.systemOffset) < 1000
      ? ''
      : `; the system clock is ${rough(Math.abs(clock.systemOffset))} ${clock.systemOffset < 0 ? 'behind' : 'ahead'}`;
  return `known for ${since} by ${clean(clock.source)}${apart}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no columns
const COLOUR = /\u001b\[\d+m/g;

/** Breaks at blanks; what has no blank stays whole. @param indent of the lines after the first */
function wrap(line: string, width: number, indent: string): string[] {
  const long = (text: string) => text.replaceAll(COLOUR, '').length > width;
  if (!long(line)) return [line];
  const lead = /^ */.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let now = lead;
  for (const word of line.trim().split(' ')) {
    const next = now.trim() === '' ? now + word : `${now} ${word}`;
    if (long(next) && now.trim() !== '') {
      lines.push(now);
      now = indent + word;
    } else now = next;
  }
  return [...lines, now];
}
