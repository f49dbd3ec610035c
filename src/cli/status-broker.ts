/** What `sluice status -v` says of the embedded broker: how much of each total is used, and each counter that is not 0. */
import type { GatewayStatus } from '../admin/target.ts';
import { formatSize } from '../core/units.ts';
import { DROPPED, REACHED, REFUSED } from '../forwarders/broker/broker-counts.ts';
import * as limits from '../forwarders/broker/limits.ts';
import { paint } from './running.ts';
import { count, whereOf } from './status-words.ts';
import { clean } from './terminal/clean.ts';

type Broker = NonNullable<GatewayStatus['broker']>;

export function brokerLines(broker: GatewayStatus['broker']): string[] {
  if (broker === undefined) return [];
  const { state, clients, fault } = broker;
  const line = `broker   ${state}${whereOf(broker)}, ${count(clients, 'client')} of ${limits.MAX_CONNECTIONS}${fault === undefined ? '' : paint(31, `: ${clean(fault)}`)}`;
  return [
    line,
    ...sessionLines(broker),
    ...withheldLines(broker),
    ...waitingLines(broker),
    ...counted('MQTT clients turned away since the start:', broker.refused, REFUSED),
    ...counted('messages not delivered or not kept since the start:', broker.dropped, DROPPED),
    ...counted('limits reached since the start:', broker.reached, REACHED),
  ];
}

function sessionLines({
  sessions,
  queuedMessages,
  queuedBytes,
  retained,
  retainedBytes = 0,
  store,
}: Omit<Broker, 'retainedBytes'> & Partial<Broker>): string[] {
  const where = store.state === 'file' ? ` in broker.db (${formatSize(store.bytes)})` : ' in memory only';
  const of = (bytes: number, most: number): string => `${formatSize(bytes)} of ${formatSize(most)}`;
  const held = [
    `         ${sessions} of ${limits.MAX_SESSIONS} sessions${where}`,
    `         ${queuedMessages} of ${count(limits.MAX_ALL_SESSIONS_MESSAGES, 'message')} waiting for them, ${of(queuedBytes, limits.MAX_ALL_SESSIONS_BYTES)}`,
    `         ${retained} of ${count(limits.MAX_RETAINED, 'retained message')} of clients, ${of(retainedBytes, limits.MAX_RETAINED_BYTES)}`,
  ];
  const fault = store.fault === undefined ? [] : [paint(31, `         broker.db takes nothing: ${clean(store.fault)}`)];
  const repaired =
    store.repairs === 0 ? [] : [`         broker.db was damaged and set aside ${count(store.repairs, 'time')} since the start`];
  return [...(sessions + retained > 0 || fault.length > 0 ? held : []), ...fault, ...repaired];
}

function withheldLines({ withheldMessages = 0, withheldBytes = 0 }: Partial<Broker>): string[] {
  if (withheldMessages === 0) return [];
  const what = `${count(withheldMessages, 'message')} of clients, ${formatSize(withheldBytes)}`;
  return [paint(31, `         not acknowledged until the disk takes it: ${what}`)];
}

function waitingLines({ unsentBytes, partialBytes }: Broker): string[] {
  if (unsentBytes + partialBytes === 0) return [];
  return [
    `         ${formatSize(unsentBytes)} wait for connected clients, ${formatSize(partialBytes)} of ${formatSize(limits.MAX_PARTIAL)} of packets are not whole`,
  ];
}

/** @param counts of an older gateway some are missing, or all */
function counted(
  title: string,
  counts: Readonly<Partial<Record<string, number>>> | undefined,
  words: Readonly<Record<string, string>>,
): string[] {
  const lines = Object.entries(counts ?? {}).flatMap(([name, n = 0]) =>
    n === 0 ? [] : [`           ${n} ${clean(name)}${words[name] === undefined ? '' : `: ${words[name]}`}`],
  );
  return lines.length === 0 ? [] : [`         ${title}`, ...lines];
}
