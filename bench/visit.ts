/**
 * The bytes of a visit by its parts: a forwarder under a budget connects, says one alarm and leaves. tshark reads the packets on the wire
 * to another host (Mosquitto in a network namespace), with the keys of TLS; the kernel counts the same packets. Beside it: what the
 * forwarder counts itself. `npm run bench:visit`. Load does not change these figures. It needs root and tshark.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authority } from '../test/harness/certificates.ts';
import { FarHost } from '../test/harness/far-host.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { findProgram } from '../test/peers/peers.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { alone } from './lib/fleet-net.ts';
import { Workspace } from './lib/workspace.ts';

const ALARM = JSON.stringify({
  ...{ v: 1, rule: 'warm', state: 'active-unacknowledged', severity: 'critical', occurrence: 'd42fdf5aac/1234' },
  ...{ device: 'pump', point: 't0', value: 41.25, message: 'The pump is warm.', time: 1_795_000_000_000, log: 'd42fdf5aac' },
});
const FIELDS = [
  ...['tcp.stream', 'ip.dst', 'ip.len', 'tcp.len', 'tcp.flags.syn', 'tcp.flags.fin', 'tcp.flags.reset'],
  ...['tls.handshake.type', 'tls.alert_message.level', 'mqtt.msgtype'],
];
const TICKET = '4';
const PARTS = [
  ...['TCP: opening', 'TLS: handshake', 'TLS: tickets', 'CONNECT, CONNACK', 'PUBLISH', 'PUBACK', 'acknowledgements alone'],
  ...['DISCONNECT', 'TLS: end', 'TCP: closing'],
] as const;
type Part = (typeof PARTS)[number];
const MQTT: Readonly<Record<string, Part>> = {
  ...{ 1: 'CONNECT, CONNACK', 2: 'CONNECT, CONNACK', 3: 'PUBLISH', 4: 'PUBACK', 14: 'DISCONNECT' },
};

interface Visit {
  readonly parts: Map<Part, { packets: number; bytes: number }>;
  opened: boolean;
  ending: boolean;
}

/** What a packet is for: the first thing in it counts. */
function partOf(fields: readonly string[], visit: Visit): Part {
  const [, , , length, syn, fin, reset, handshake = '', alert = '', mqtt = ''] = fields;
  const is = (flag: string | undefined) => flag === '1' || flag === 'True';
  if (is(syn)) return 'TCP: opening';
  if (is(fin) || is(reset)) visit.ending = true;
  if (length === '0') {
    const part = visit.ending ? 'TCP: closing' : visit.opened ? 'acknowledgements alone' : 'TCP: opening';
    visit.opened = true;
    return part;
  }
  const [type = ''] = mqtt.split(',');
  if (handshake !== '') return handshake.split(',').every((one) => one === TICKET) ? 'TLS: tickets' : 'TLS: handshake';
  return MQTT[type] ?? (alert === '' ? 'TLS: handshake' : 'TLS: end');
}

function visitsOf(lines: readonly string[]): Visit[] {
  const visits: Visit[] = [];
  for (const line of lines) {
    const fields = line.split('\t');
    const stream = Number(fields[0]);
    visits[stream] ??= { parts: new Map(), opened: false, ending: false };
    const visit = visits[stream];
    const part = partOf(fields, visit);
    const { packets, bytes } = visit.parts.get(part) ?? { packets: 0, bytes: 0 };
    visit.parts.set(part, { packets: packets + 1, bytes: bytes + Number(fields[2]) });
  }
  return visits;
}

alone();
await Workspace.use(async (space) => {
  const t = space.asTest;
  const authority = Authority.make(t);
  const far = await FarHost.make(t, 1);
  const pair = far && authority?.sign('broker', { names: `IP:${far.host}` });
  const broker = pair && (await far.broker(t, pair));
  const tshark = findProgram('tshark');
  if (far === undefined || authority === undefined || broker === undefined || tshark === undefined)
    throw new Error('this measurement needs root, openssl, Mosquitto and tshark');
  const keys = path.join(space.folder, 'keys');
  const columns: { readonly name: string; readonly visit: Visit; readonly counted: { headers: number; all: number } }[] = [];
  for (const [way, url, names, more] of [
    ['plain', broker.plain, ['without TLS'], []],
    ['tls', broker.tls, ['TLS 1.3, full', 'TLS 1.3, resumed', 'again'], []],
    ['tls12', broker.tls, ['TLS 1.2, full', 'TLS 1.2, resumed'], ['--tls-max-v1.2']],
  ] as const) {
    const file = path.join(space.folder, `${way}.pcap`);
    const capture = space.spawn(tshark, ['-i', 'far1', '-n', '-f', 'tcp', '-w', file, '-F', 'pcap']);
    await waitFor('tshark to capture', () => capture.stderr.some((line) => /Capturing/.test(line)));
    await sleep(1000);
    const before = far.crossed();
    const words = [url, ALARM, String(names.length), ...(way === 'plain' ? [] : [authority.ca])];
    const flags = ['--disable-warning=ExperimentalWarning', `--tls-keylog=${keys}`, ...more];
    const child = space.spawn(process.execPath, [...flags, path.join(import.meta.dirname, 'lib', 'visit-child.ts'), ...words]);
    if ((await child.ended) !== 0) throw new Error(child.stderr.join('\n'));
    await far.quiet();
    const now = far.crossed();
    await sleep(1000);
    await capture.stop('SIGINT');
    const decode = ['-d', 'tcp.port==1884,mqtt', '-d', 'tls.port==8883,mqtt', '-o', `tls.keylog_file:${keys}`];
    const read = ['-r', file, ...decode, '-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])];
    const { stdout } = spawnSync(tshark, read, { encoding: 'utf8', maxBuffer: 1e8 });
    if (process.env.SLUICE_VISIT_PACKETS !== undefined) console.error(stdout);
    const visits = visitsOf(stdout.split('\n').filter((line) => line !== ''));
    const seen = visits.flatMap(({ parts }) => [...parts.values()]).reduce((sum, { bytes }) => sum + bytes, 0);
    const kernel = now.sent + now.received - before.sent - before.received;
    if (seen !== kernel) throw new Error(`${way}: tshark saw ${seen} bytes, and the kernel counted ${kernel}`);
    for (const [i, name] of names.entries())
      columns.push({ name, visit: visits[i] as Visit, counted: JSON.parse(child.stdout[i] ?? '{}') });
  }
  printConditions(`A visit for one alarm of ${ALARM.length} bytes, bytes of IP packets by what is first in them, both ways`);
  const all = ({ parts }: Visit) =>
    [...parts.values()].reduce((sum, one) => ({ packets: sum.packets + one.packets, bytes: sum.bytes + one.bytes }));
  printTable([
    ['part', ...columns.map(({ name }) => `${name}: bytes (packets)`)],
    ...PARTS.map((part) => [
      part,
      ...columns.map(({ visit }) => {
        const found = visit.parts.get(part);
        return found === undefined ? '' : `${found.bytes} (${found.packets})`;
      }),
    ]),
    ['together', ...columns.map(({ visit }) => `${all(visit).bytes} (${all(visit).packets})`)],
    ['as the gateway counts', ...columns.map(({ counted }) => counted.all)],
  ]);
});
process.exit(0);
