/**
 * Makes sessions and retained messages of the rows that the last run left, within the limits of this one. A row that belongs to
 * nothing is deleted: numbers are used again, and it would be taken for one of another session or message.
 */
import type { BrokerChange, BrokerTable, BrokerValue } from '../../core/broker-store.ts';
import { matches } from '../../core/topic-filter.ts';
import { MAX_SUBSCRIPTIONS } from './limits.ts';
import type { OwnBacklog, OwnMessage } from './own-backlog.ts';
import { type Entry, GATEWAY, type Span, type Stored } from './queue.ts';
import type { Retained } from './retained.ts';
import type { Session } from './session.ts';
import { incomingOf, type Place, type SessionJournal } from './session-journal.ts';
import type { Sessions } from './sessions.ts';

/** What they are numbered by instead of aedes' counter: below all that it gives, in their order. */
const BEFORE_ALL = -1_000_000_000;

type Rows = ReadonlyMap<BrokerTable, readonly (readonly BrokerValue[])[]>;

/** @returns how many rows belonged to nothing */
export function restore(
  changes: readonly BrokerChange[],
  { sessions, retained, journal }: { sessions: Sessions; retained: Retained; journal: SessionJournal },
): number {
  let orphans = 0;
  const rows = new Map<BrokerTable, (readonly BrokerValue[])[]>();
  for (const { table, values } of changes) {
    const list = rows.get(table);
    if (list === undefined) rows.set(table, [values]);
    else list.push(values);
  }
  const byKey = new Map<number, { session: Session; connected: boolean }>();
  // Those that were used last are kept.
  const found = [...rowsOf(rows, 'session')].sort((a, b) => Number(a[3] ?? -1) - Number(b[3] ?? -1));
  for (const [key, id, owner, away, log, seq] of found) {
    const session = { key: Number(key), id: String(id), owner: String(owner), place: placeOf(log, seq) };
    byKey.set(session.key, { session: sessions.add({ ...session, away: Number(away ?? 0) }), connected: away === null });
  }
  for (const [key, topic, qos, rest, log, seq] of rowsOf(rows, 'filter')) {
    const session = byKey.get(Number(key))?.session;
    const filter = { topic: String(topic), qos: Number(qos), rest: parseRest(rest), place: placeOf(log, seq) };
    if (session !== undefined && session.filters.size < MAX_SUBSCRIPTIONS) session.filters.set(filter.topic, filter);
    else journal.unfilter(Number(key), filter.topic, 'later');
    if (session === undefined) orphans++;
  }
  for (const [key, value] of rowsOf(rows, 'incoming')) {
    const session = byKey.get(Number(key))?.session;
    const { number, sum } = incomingOf(value);
    // Before the first connection of this run.
    if (session?.incoming.has(number) === false) session.incoming.set(number, { sum, connection: 0, stored: true });
    else {
      journal.incomingDone(Number(key), number, sum, 'later');
      orphans++;
    }
  }
  const messages = new Map(
    rowsOf(rows, 'message').map(([message, topic, payload, , from]) => {
      const stored: Stored = { message: Number(message), waits: 0 };
      return [stored.message, { stored, topic: String(topic), payload: bytesOf(payload), from: String(from) }];
    }),
  );
  let counter = BEFORE_ALL;
  const places = [...rowsOf(rows, 'place')]
    .sort((a, b) => Number(a[1]) - Number(b[1]))
    .flatMap(([key, message, ...rest]) => {
      const to = byKey.get(Number(key));
      const content = messages.get(Number(message));
      if (to === undefined || content === undefined) {
        journal.unplaced(Number(key), Number(message));
        orphans++;
        return [];
      }
      // Counted before the first is queued: one that is pushed out of a queue may wait in another one.
      content.stored.waits++;
      return [{ to, content, rest }];
    });
  for (const { stored } of messages.values()) {
    journal.goOnFrom(stored.message + 1);
    if (stored.waits > 0) continue;
    journal.forget(stored);
    orphans++;
  }
  for (const { to, content, rest } of places) {
    const [number, qos, state] = rest;
    const { stored, topic, payload, from } = content;
    const entry: Entry = {
      ...{ brokerId: 'kept', brokerCounter: counter++, topic, payload, stored, own: undefined, from },
      ...{ qos: Number(qos), messageId: Number(number) || undefined, released: state === 1 },
      // It may have been sent before the last run ended.
      ...{ dup: to.connected, sent: false },
    };
    sessions.queues.push(to.session.id, entry);
  }
  sessions.fit();
  for (const [topic, payload, qos, from] of rowsOf(rows, 'retained')) {
    const packet = { cmd: 'publish', topic: String(topic), payload: bytesOf(payload), qos: Number(qos), retain: true } as const;
    if (!retained.keep(packet, String(from))) journal.unretained(packet.topic, 'later');
  }
  sessions.revision++;
  return orphans;
}

/**
 * Gives sessions what the gateway published before `to` and they did not get. The log may answer late, when clients are there: a
 * session that has ended gets nothing, and one whose queue was handed out would not hand out more before its next connection.
 * @param missed what of the log a session misses in its queue
 */
export async function restoreOwn(
  sessions: Sessions,
  backlog: OwnBacklog,
  root: string,
  to: Place,
  missed: (session: Session, left: Span) => void,
): Promise<void> {
  const waiting = [...sessions.all()].flatMap((session) => {
    const wanted = [...session.filters.values()].filter(({ qos, place }) => qos > 0 && place !== undefined);
    const { place } = session;
    return place === undefined || wanted.length === 0 ? [] : [{ session, place, wanted }];
  });
  const [some] = waiting;
  if (some === undefined) return;
  const oldest = waiting.reduce((a, { place }) => (backlog.isFrom(place, spanAt(a)) ? place : a), some.place);
  const wants = (topic: string) => waiting.some(({ wanted }) => wanted.some((filter) => matches(filter.topic, topic)));
  const { messages, left } = await backlog.read(oldest, to, { data: wants(`${root}/data`), notices: true });
  let counter = BEFORE_ALL / 2;
  for (const { session, place, wanted: before } of waiting) {
    if (sessions.get(session.id) !== session) continue;
    const wanted = before.filter(({ topic }) => session.filters.has(topic));
    const gets = ({ topic, span }: OwnMessage): boolean =>
      backlog.isFrom(place, span) &&
      wanted.some((filter) => backlog.isFrom(filter.place ?? place, span) && matches(filter.topic, `${root}/${topic}`));
    const entries = messages.filter(gets).map(({ topic, payload, span }): Entry => {
      const common = {
        brokerId: 'kept',
        brokerCounter: counter++,
        topic: `${root}/${topic}`,
        payload,
        stored: undefined,
        own: span,
        from: GATEWAY,
      };
      return { ...common, qos: 1, dup: false, messageId: undefined, sent: false, released: false };
    });
    if (session.awaySince !== undefined || session.replaying) sessions.queues.insert(session, entries, to);
    else for (const span of spansOf(entries)) missed(session, span);
    if (
      left !== undefined &&
      wanted.some((filter) => matches(filter.topic, `${root}/data`)) &&
      backlog.isFrom(place, spanAt({ log: left.log, seq: left.last }))
    )
      missed(session, { ...left, first: place.log === left.log ? Math.max(left.first, place.seq) : left.first });
  }
}

function rowsOf(rows: Rows, table: BrokerTable): readonly (readonly BrokerValue[])[] {
  return rows.get(table) ?? [];
}
/** From the first to the last number, of each log. */
function spansOf(entries: readonly Entry[]): Iterable<Span> {
  const spans = new Map<string, Span>();
  for (const { own } of entries) {
    if (own === undefined) continue;
    const { first, last } = spans.get(own.log) ?? own;
    spans.set(own.log, { log: own.log, first: Math.min(first, own.first), last: Math.max(last, own.last) });
  }
  return spans.values();
}
function spanAt({ log, seq }: Place): Span {
  return { log, first: seq, last: seq };
}
function placeOf(log: BrokerValue | undefined, seq: BrokerValue | undefined): Place | undefined {
  return typeof log === 'string' && typeof seq === 'number' ? { log, seq } : undefined;
}
function bytesOf(value: BrokerValue | undefined): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : Buffer.alloc(0);
}
function parseRest(text: BrokerValue | undefined): Readonly<Record<string, unknown>> {
  const rest: unknown = JSON.parse(String(text));
  return typeof rest === 'object' && rest !== null ? { ...rest } : {};
}
