import type { ForwarderStatus, FrontStatus, GatewayStatus, WireStatus } from '../admin/target.ts';
import type { BusStatus, DeviceCounters, DeviceStatus } from '../core/ports.ts';
import { formatSize } from '../core/units.ts';
import type { SalvageStatus } from '../reports/salvage.ts';
import { localDate } from './local-time.ts';
import { paint } from './running.ts';
import { actionDetails } from './status-actions.ts';
import { brokerLines } from './status-broker.ts';
import { count, whereOf } from './status-words.ts';
import { clean } from './terminal/clean.ts';

/** Every figure of the gateway, for those who ask for more than the page. */
export function statusDetails(report: GatewayStatus): string[] {
  const { gateway, log } = report;
  return [
    `clock    ${localDate(gateway.time)} ${clockWords(report)}`,
    `log      ${count(log.records, 'record')}, ${formatSize(log.bytes)} of ${formatSize(log.maxBytes)}, ${count(log.pending, 'reading waits', 'readings wait')} for the next commit${log.dropped > 0 ? paint(31, `, ${count(log.dropped, 'reading')} lost`) : ''}`,
    memoryLine(log.memory),
    ...takenLines(log),
    ...log.salvage.flatMap(salvageLines),
    ...report.buses.flatMap((bus) => busLines(bus, gateway)),
    ...report.forwarders.flatMap((f) => forwarderLines(f, gateway.time)),
    ...actionDetails(report.actions, gateway.time),
    ...brokerLines(report.broker),
    ...certificateLines(report),
    ...httpLines(report.http),
    ...diskLines(report.flows?.disk),
    ...doorLines(report.flows?.door),
    ...frontLines('editor', report.flows?.front?.editor),
    ...frontLines('http-in', report.flows?.front?.['http-in']),
  ];
}

function httpLines(http: GatewayStatus['http']): string[] {
  if (http === undefined) return [];
  const fault = http.fault === undefined ? '' : paint(31, `: ${clean(http.fault)}`);
  return [`http     ${http.state}${whereOf(http)}${fault}`, ...webLines(http)];
}

/** A door to Node-RED. */
function frontLines(name: string, door: FrontStatus | undefined): string[] {
  if (door === undefined) return [];
  const fault = door.fault === undefined ? '' : paint(31, `: ${clean(door.fault)}`);
  const { strangers, sockets } = door.refused;
  const more = [
    ...(strangers > 0 ? [`${count(strangers, 'request')} without a log-in`] : []),
    ...(sockets > 0 ? [`${count(sockets, 'WebSocket')} beyond the limit`] : []),
  ];
  const open = `, ${count(door.sockets, 'WebSocket')}`;
  return [`${name.padEnd(8)} ${door.state}${whereOf(door)}${fault}`, ...webLines(door, open, more)];
}

/** Older gateways report no counts. */
function webLines(
  { connections = 0, refused }: Pick<Partial<NonNullable<GatewayStatus['http']>>, 'connections' | 'refused'>,
  open = '',
  more: readonly string[] = [],
): string[] {
  if (refused === undefined) return [];
  const words = [
    ...(refused.connections > 0 ? [`${count(refused.connections, 'connection')} without a place`] : []),
    ...(refused.requests > 0 ? [`${count(refused.requests, 'request')} beyond the limit of an address`] : []),
    ...(refused.hosts > 0 ? [`${count(refused.hosts, 'request')} for another name`] : []),
    ...(refused.origins > 0 ? [`${count(refused.origins, 'request')} of pages of other sites`] : []),
    ...more,
  ];
  return [
    `         ${count(connections, 'connection')}${open} open${words.length === 0 ? '' : `; refused since the start: ${words.join(', ')}`}`,
  ];
}

/** What flows take of the disk. */
function diskLines(disk: NonNullable<GatewayStatus['flows']>['disk']): string[] {
  if (disk === undefined) return [];
  const { used, most, free, spare } = disk;
  const folder = used === undefined ? `may take ${formatSize(most)}` : `takes ${formatSize(used)} of ${formatSize(most)}`;
  const space = free === undefined ? '' : `; ${formatSize(free)} of the disk are free`;
  return [`flows    their folder ${folder}${space}${spare > 0 ? `, ${formatSize(spare)} are kept for the log` : ''}`];
}

/** The socket for flows. */
function doorLines(door: NonNullable<GatewayStatus['flows']>['door']): string[] {
  if (door === undefined) return [];
  if (!door.open)
    return [`flows    the socket for flows is closed${door.fault === undefined ? '' : paint(31, `: ${clean(door.fault)}`)}`];
  const refused = [
    ...(door.refusedConnections > 0 ? [`${count(door.refusedConnections, 'connection')} without a place`] : []),
    ...(door.refusedHellos > 0 ? [`${count(door.refusedHellos, 'connection')} with a wrong token`] : []),
    ...(door.faults > 0 ? [count(door.faults, 'wrong line')] : []),
    ...(door.refusedCommands > 0 ? [count(door.refusedCommands, 'command')] : []),
    ...(door.refusedPuts > 0 ? [count(door.refusedPuts, 'reading')] : []),
  ];
  const dropped = door.dropped > 0 ? `, ${door.dropped} dropped` : '';
  const leftOut = door.leftOutPuts > 0 ? `, ${door.leftOutPuts} left out` : '';
  return [
    `flows    ${count(door.connections, 'connection')} on the socket for flows, ${count(door.subscriptions, 'subscription')}`,
    `         given ${count(door.readings, 'reading')}${dropped}; got ${count(door.puts, 'reading')}${leftOut} and ${count(door.commands, 'command')}`,
    ...(refused.length === 0 ? [] : [`         refused since the start: ${refused.join(', ')}`]),
  ];
}

function memoryLine({ pending, tail, live, unanswered }: GatewayStatus['log']['memory']): string {
  const of = ({ bytes, limit }: typeof pending) => `${formatSize(bytes)} of ${formatSize(limit)}`;
  const sent = unanswered > 0 ? `, ${formatSize(unanswered)} sent and not answered` : '';
  return `         in memory ${of(pending)} for the disk, ${of(tail)} in the runtime directory, ${of(live)} for live batches${sent}`;
}

/** What went for want of space, delivered or not. */
function takenLines({ thinned, removed }: GatewayStatus['log']): string[] {
  const taken = [
    ...(thinned > 0 ? [`${count(thinned, 'old reading')} thinned out`] : []),
    ...(removed > 0 ? [`${count(removed, 'oldest reading')} dropped`] : []),
  ];
  return taken.length === 0 ? [] : [`         full: ${taken.join(', ')} since the start`];
}

export function salvageLines(s: SalvageStatus): string[] {
  const lost = [
    ...(s.lostRecords > 0 ? [`${s.lostRecords} records are lost`] : []),
    ...(s.gaps > 0 ? [`${s.gaps} ranges of numbers are gone`] : []),
    ...(s.unread > 0 ? [`${s.unread} pages and long rows were not read`] : []),
  ];
  if (s.running !== undefined)
    return [`salvage  ${s.file}: ${paint(31, clean(s.why))}`, `         the rest of it is being restored: ${clean(s.running)}`];
  return [
    `salvage  ${s.file} at ${localDate(s.time)}: ${paint(31, clean(s.why))}`,
    `         ${s.records} records, ${s.notices} alarms and events came back${lost.length === 0 ? '' : paint(31, `, ${lost.join(', ')}`)}${s.quarantine === null ? '' : `; the old file: ${clean(s.quarantine)}`}`,
  ];
}

function clockWords({ clock, gateway }: GatewayStatus): string {
  const since = `for ${rough(Math.max(0, gateway.time - clock.since))}`;
  if (!clock.known) return paint(33, `not known ${since}: ${clean(clock.source)}`);
  const apart =
    Math.abs(clock.systemOffset) < 1000
      ? ''
      : `, the system clock is ${rough(Math.abs(clock.systemOffset))} ${clock.systemOffset < 0 ? 'behind' : 'ahead'}`;
  return `known ${since} by ${clean(clock.source)}${apart}`;
}

function busLines(bus: BusStatus, { monotonic: now }: GatewayStatus['gateway']): string[] {
  const head = `bus      ${bus.name} (${bus.protocol}) ${bus.state === 'open' ? paint(32, 'open') : paint(33, bus.state)}${bus.fault === undefined ? '' : `: ${clean(bus.fault)}`}`;
  const devices = bus.devices.map((d) => {
    const c = d.counters;
    const state = d.state === 'answering' ? paint(32, 'answering') : d.state === 'silent' ? paint(31, 'silent') : 'no answer yet';
    const last = d.lastReply === undefined ? '' : `, last ${rough(now - d.lastReply)} ago`;
    const answers = c.replies + c.exceptions;
    const latency = answers > 0 && c.latencySum > 0 ? `, ${latencyWords(c, answers)}` : '';
    const errors = [
      [c.timeouts, c.timeouts === 1 ? 'time-out' : 'time-outs'],
      [c.exceptions, c.exceptions === 1 ? 'exception' : 'exceptions'],
      [c.crcErrors, 'damaged'],
      [c.badReplies, 'wrong'],
      [c.lateReplies, 'late'],
      [c.halfFrames ?? 0, c.halfFrames === 1 ? 'half frame' : 'half frames'],
      [c.skippedBytes, `${c.skippedBytes === 1 ? 'byte' : 'bytes'} skipped${stretches(c)}`],
      [c.repeats ?? 0, c.repeats === 1 ? 'repeat' : 'repeats'],
      [c.leftOut ?? 0, 'left out of a flood'],
      [c.missedPolls ?? 0, c.missedPolls === 1 ? 'poll left out' : 'polls left out'],
    ] as const;
    const asked = c.requests > answers ? ` of ${c.requests} requests` : '';
    const wrong = errors.filter(([n]) => n > 0).map(([n, word]) => `, ${n} ${word}`);
    return [
      `  ${d.name} ${state}: ${repliesOf(c, bus.protocol)}${asked}${last}${latency}${wrong.join('')}`,
      ...answerLines(d.answer),
    ];
  });
  return [head, ...loadLines(bus), ...waitingLines(bus), ...devices.flat()];
}

/** By what its reads are planned, and what is measured where that is something else. */
function answerLines(answer: DeviceStatus['answer']): string[] {
  if (answer === undefined) return [];
  const { planned, from, measured } = answer;
  if (measured === undefined) return [`    its reads are planned for an answer after ${ms(planned)} (${from})`];
  const now = from === 'measured' && ms(measured) === ms(planned) ? '' : `; measured are ${ms(measured)}`;
  return [`    its reads are planned for an answer after ${ms(planned)} (${from})${now}`];
}

/** What talks by itself is not asked, and replies to nothing. */
function repliesOf({ requests, replies, repeats }: DeviceCounters, protocol: string): string {
  if (protocol === 'flows') return count(replies, 'reading');
  if (protocol === 'derived') return count(replies, 'record');
  if (repeats !== undefined) return count(replies, 'message');
  return requests === 0 && replies > 0 ? count(replies, 'frame') : count(replies, 'reply', 'replies');
}

function stretches({ resyncs }: DeviceCounters): string {
  return resyncs === undefined ? '' : ` in ${count(resyncs, 'place')}`;
}

function loadLines({ load }: Pick<BusStatus, 'load'>): string[] {
  if (load === undefined || load.due === 0) return [];
  const missed = load.missed > 0 ? `, ${load.missed} left out` : '';
  return [`  busy ${Math.round(load.busy * 100)} % of the time, ${count(load.due, 'poll')} in the last half minute${missed}`];
}

function waitingLines({ waiting }: Pick<BusStatus, 'waiting'>): string[] {
  if (waiting === undefined || waiting.bytes === 0) return [];
  return [`  ${formatSize(waiting.bytes)} of ${formatSize(waiting.limit)} of messages wait for their turn`];
}

/** Average, 95th percentile and maximum; what only talks by itself has no latency. */
function latencyWords(c: DeviceCounters, answers: number): string {
  const average = `${ms(c.latencySum / answers)} on average`;
  if (c.latencyP95 === undefined) return average;
  return `${average} (last ${ms(c.latencyLast)}, 95 % within ${ms(c.latencyP95)} beyond the wire, longest ${ms(c.latencyMax)})`;
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function certificateLines({ certificate }: GatewayStatus): string[] {
  if (certificate === undefined) return [];
  const { fingerprint, authority, until } = certificate;
  return [
    `certificate  until ${localDate(until)}, SHA-256 ${fingerprint}`,
    `         its authority (tls/ca.crt): SHA-256 ${authority}`,
  ];
}

function forwarderLines(f: ForwarderStatus, now: number): string[] {
  const state = f.state === 'connected' ? paint(32, 'connected') : paint(33, f.state);
  const acked = f.lastAck === null ? 'nothing acknowledged yet' : `last acknowledged ${rough(now - f.lastAck)} ago`;
  const lag = Math.max(f.lag.data, f.lag.history);
  const next = f.nextTry === null ? '' : `; next try in ${rough(f.nextTry - now)}`;
  return [
    `forward  ${f.name} to ${clean(f.url)} ${state}, ${f.mode}, ${count(f.counters.readings, 'reading')} delivered, ${acked}${lag > 0 ? `, oldest waiting ${rough(lag)}` : ''}`,
    ...(f.wire === null ? [] : [`         ${monthWords(f.wire)}`, ...budgetLines(f.wire)]),
    ...(f.fault === undefined ? [] : [`         ${paint(33, clean(f.fault))}${next}`]),
  ];
}

function monthWords({ month, sent, received, headers }: WireStatus): string {
  const when = month === null ? 'until the clock is known' : `in ${month}`;
  const parts = `${formatSize(sent)} sent, ${formatSize(received)} received, about ${formatSize(headers)} headers of TCP and IP`;
  return `on the wire ${when}: ${formatSize(sent + received + headers)} (${parts})`;
}

function budgetLines({ today, perDay }: WireStatus): string[] {
  return perDay === null ? [] : [`         its budget: ${formatSize(today)} of ${formatSize(perDay)} spent today`];
}

/** A span for people: the two largest units at most. */
export function rough(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60 === 0 ? '' : ` ${s % 60}s`}`;
  return s < 86_400
    ? `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`
    : `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
}
