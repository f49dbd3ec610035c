/** What a forwarder has not delivered, by the files of a log that nobody has open. Nothing can be committed in them. */
import type { RecordFilter } from '../../codecs/record-filter.ts';
import { SluiceError } from '../../core/errors.ts';
import { withoutNames } from '../../core/privacy.ts';
import type { ReadRequest } from '../delivery/backlog-request.ts';
import { Lanes } from '../delivery/lanes.ts';
import type { Span } from '../files/lane-state.ts';
import { type BootInfo, keyOf, seqOf } from '../files/layout.ts';
import type { DamagedBlock } from '../files/repair-report.ts';
import { LanesTable } from '../hot/tables/lanes-table.ts';
import type { LogReader } from '../read/reading.ts';
import { BootTable } from '../time/boot-table.ts';
import { joined } from '../time/clock-segments.ts';
import type { ContentBatch, ContentSource, Owed, RangeSource } from './content.ts';

type Between = NonNullable<ReadRequest['between']>;

/** A lane ends before the first record that may still get another time, and before a damaged part: a receipt would pass over it. */
export class FilesContent implements ContentSource {
  readonly #reader: LogReader;
  readonly #gateway: string;
  readonly #forwarder: string;
  readonly #filter: RecordFilter | undefined;
  readonly #times: OpenTimes;
  readonly #damaged: DamagedBlock[] = [];
  /** Records were left out because their time may still change. */
  uncertain = false;

  /** @param machine the name of this boot of the machine; undefined where it has none */
  constructor(
    reader: LogReader,
    gateway: string,
    forwarder: string,
    filter: RecordFilter | undefined,
    machine: string | undefined,
  ) {
    this.#reader = reader;
    this.#gateway = gateway;
    this.#forwarder = forwarder;
    this.#filter = filter;
    this.#times = new OpenTimes(reader, machine);
  }

  /** Damaged parts that were met: everything from there on was left out. */
  get damaged(): readonly DamagedBlock[] {
    return this.#damaged;
  }

  owed(): readonly Owed[] {
    return owedInFiles(this.#reader, this.#forwarder);
  }

  async batch({ ordinal, log, lane, last }: Owed, from: number, maxReadings: number): ReturnType<ContentSource['batch']> {
    if (lane !== 'data' && lane !== 'history') throw new SluiceError('internal', 'notices are no batch');
    return this.#next(ordinal, log, from, last, maxReadings, undefined);
  }

  async notices({ ordinal, lane, last }: Owed, after: number, limit: number): ReturnType<ContentSource['notices']> {
    if (lane !== 'alarm' && lane !== 'event') throw new SluiceError('internal', 'a batch is no notice');
    const { notices } = this.#reader.notices({ id: 0, log: ordinal, only: lane, after, to: last, limit });
    return notices.map((notice) => ({ ...notice, json: withoutNames(this.#filter?.outward, notice.json) }));
  }

  /** Everything of that time. */
  range(between: Between): RangeSource {
    return {
      logs: owedInFiles(this.#reader, undefined).map(({ ordinal, log: name, last }) => ({ ordinal, name, last })),
      batch: async (ordinal, name, first, to, maxReadings) => {
        for (let from = first; from <= to; ) {
          const found = this.#next(ordinal, name, from, to, maxReadings, between);
          if (found === undefined || found.batch !== undefined) return found?.batch;
          from = found.upTo + 1;
        }
        return undefined;
      },
    };
  }

  /** undefined: what is at `from` cannot leave. */
  #next(
    log: number,
    name: string,
    from: number,
    to: number,
    maxReadings: number,
    between: Between | undefined,
  ): { batch?: ContentBatch; upTo: number } | undefined {
    const certain = Math.min(to, this.#times.first(log, from) - 1);
    if (certain >= from) return this.#whole(log, name, from, certain, maxReadings, between);
    // Such a number need not be that of a record of this lane.
    const found = this.#whole(log, name, from, to, 1, between);
    if (found?.batch === undefined) return found;
    if (found.batch.first > from) return { upTo: found.batch.first - 1 };
    this.uncertain = true;
    return undefined;
  }

  /** undefined: `from` lies in a damaged part. */
  #whole(log: number, logName: string, from: number, to: number, maxReadings: number, between: Between | undefined) {
    const outward = this.#filter?.outward;
    const filter = between === undefined ? this.#filter : outward && { outward };
    for (let end = this.#soundUpTo(log, from, to); end >= from; ) {
      const { batch, upTo } = this.#reader.read({
        ...{ id: 0, log, logName, from, to: end, maxReadings, lane: 'history', between },
        ...{ format: 'columns', formatOptions: {}, gateway: this.#gateway, sent: Date.now() },
        // A time range is everything of that time that the forwarder may have.
        ...(filter === undefined ? {} : { filter }),
      });
      this.#damaged.push(...this.#reader.takeDamaged());
      const sound = this.#soundUpTo(log, from, end);
      if (sound === end)
        return batch === undefined
          ? { upTo }
          : { batch: { ...batch, payload: batch.messages[0]?.payload ?? '' }, upTo: batch.last };
      end = sound;
    }
    return undefined;
  }
  #soundUpTo(log: number, from: number, to: number): number {
    return this.#damaged
      .filter((part) => part.log === log && part.last >= from)
      .reduce((end, { first }) => Math.min(end, Math.max(first, from) - 1), to);
  }
}

/**
 * @param forwarder undefined: one stretch for each log, with everything in it
 * @throws SluiceError not-found: the log does not know the forwarder
 */
export function owedInFiles(reader: LogReader, forwarder: string | undefined): Owed[] {
  const { db, history } = reader;
  const logs = db.prepare<[], { ordinal: number; name: string }>('select ordinal, name from log order by ordinal').all();
  const states = new LanesTable(db).forwarders().filter(({ name }) => name === forwarder);
  if (forwarder !== undefined && states.length === 0)
    throw new SluiceError('not-found', `the log does not know the forwarder ${forwarder} yet: start the gateway once`);
  return logs.flatMap(({ ordinal, name: log }) => {
    const top = Math.max(
      ...['block', 'notice'].map((table) => lastOf(db, table, ordinal)),
      history === undefined ? 0 : lastOf(history.db, 'unit', ordinal),
    );
    if (forwarder === undefined) return [{ ordinal, log, lane: 'history' as const, first: 0, last: top }];
    const state = states.find((one) => one.log === ordinal)?.state;
    if (state === undefined) return [];
    const lanes = Lanes.load(state);
    const notices = (['alarm', 'event'] as const).map((lane) => ({ lane, first: lanes.noticesAcked(lane) + 1, last: top }));
    const records = (['history', 'data'] as const).flatMap((lane) =>
      lanes.spans(lane).map(({ from, to }) => ({ lane, first: from, last: Math.min(to, top) })),
    );
    return [...notices, ...records].filter(({ first, last }) => first <= last).map((of) => ({ ordinal, log, ...of }));
  });
}

/** The highest number of a log in a table. */
function lastOf(db: LogReader['db'], table: string, ordinal: number): number {
  const column = table === 'notice' ? 'id' : 'last';
  const found = db
    .prepare<[number, number], number>(`select ${column} from ${table} where id >= ? and id < ? order by id desc limit 1`)
    .pluck()
    .get(keyOf(ordinal, 0), keyOf(ordinal + 1, 0));
  return found === undefined ? 0 : table === 'notice' ? seqOf(found) : found;
}

/**
 * The numbers whose time a later start of the gateway may still correct (contract, rule 8). Nobody was handed them, and
 * their boot lies within this boot of the machine, or their time is estimated and no later boot learnt the time.
 */
export class OpenTimes {
  /** By the ordinal of the log, ascending. */
  readonly #open = new Map<number, Span[]>();
  readonly #handed = new Map<number, Span[]>();

  /** @param machine the name of this boot of the machine; undefined where it has none */
  constructor({ db, clock }: LogReader, machine: string | undefined) {
    const boots = new BootTable(db).open(clock);
    const isOurs = (boot: BootInfo) => boot.machine.id !== '' && boot.machine.id === machine;
    const known = boots.findLastIndex((boot) => !isOurs(boot) && boot.clock.segments.some((segment) => !segment.estimated));
    for (const [i, boot] of boots.entries()) {
      const { log, first, last } = boot;
      const spans = isOurs(boot) ? [{ from: first, to: last }] : i > known ? estimatedOf(boot) : [];
      this.#open.set(
        log,
        [...(this.#open.get(log) ?? []), ...spans].sort((a, b) => a.from - b.from),
      );
    }
    const lanes = Map.groupBy(new LanesTable(db).forwarders(), ({ log }) => log);
    for (const [log, states] of lanes)
      this.#handed.set(log, joined(states.flatMap(({ state }) => Lanes.load(state).handedOver())));
  }

  /** The lowest such number of a log, `from` or more; Infinity: there is none. */
  first(log: number, from: number): number {
    for (const span of this.#open.get(log) ?? []) {
      let at = Math.max(span.from, from);
      for (const handed of this.#handed.get(log) ?? []) if (handed.from <= at) at = Math.max(at, handed.to + 1);
      if (at <= span.to) return at;
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** A number without a mapping has an estimated time as well. */
function estimatedOf({ first, last, clock }: BootInfo): Span[] {
  const marks = [{ fromSeq: 0, estimated: true }, ...clock.segments];
  return marks.flatMap(({ fromSeq, estimated }, i) => {
    const from = Math.max(first, fromSeq);
    const to = Math.min(last, (marks[i + 1]?.fromSeq ?? Number.POSITIVE_INFINITY) - 1);
    return estimated && from <= to ? [{ from, to }] : [];
  });
}
