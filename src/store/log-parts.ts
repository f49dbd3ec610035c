/** The parts of an open log, made and joined. What others ask of them goes through Log (log.ts). */
import type { EventEmitter } from 'node:events';
import path from 'node:path';
import { Tiers } from './archive/tiers.ts';
import { Committer } from './committer.ts';
import { AllHandOvers, LiveHandOver } from './delivery/hand-over.ts';
import { Lease } from './delivery/lease.ts';
import type { LogSide } from './delivery/outlet.ts';
import { Outlets } from './delivery/outlets.ts';
import { HISTORY_FILE } from './files/history-layout.ts';
import type { Opened } from './hot/opened.ts';
import type { LogEvents, LogOptions } from './log-options.ts';
import { Mirror } from './tail/mirror.ts';
import type { RuntimeChoice } from './tail/runtime-dir.ts';
import { Tail } from './tail/tail.ts';
import { Keeper, type WriterThread } from './threads/threads.ts';
import { ClockBook } from './time/clock-book.ts';

/** The log, as its parts need it. Nothing of it is asked while they are made. */
export interface PartsSide extends LogSide, Pick<EventEmitter<LogEvents>, 'emit' | 'on'> {
  /** Its name. */
  readonly id: string;
  readonly options: LogOptions;
  readonly runtime: RuntimeChoice;
  readonly opened: Opened;
  /** Logs up to this ordinal are still coming back; 0: none. */
  readonly heldBack: number;
  commitSoon(): void;
  trimRecent(): void;
  /** Alarms and events that got no number get one now. */
  giveNumbers(): void;
}

export class LogParts {
  readonly live: LiveHandOver;
  readonly outlets: Outlets;
  readonly numbers: Lease;
  readonly clock: ClockBook;
  readonly keeper: Keeper;
  readonly tiers: Tiers;
  readonly tail: Tail;
  readonly committer: Committer;
  readonly #log: PartsSide;

  /** @param agreement memory of writer and keeper, see hot/agreement.ts */
  constructor(log: PartsSide, file: string, agreement: SharedArrayBuffer, writer: WriterThread) {
    const { options, opened, runtime } = log;
    this.#log = log;
    this.live = new LiveHandOver(log, opened.forwarders);
    this.outlets = new Outlets(log, this.live);
    this.numbers = new Lease(opened.next, opened.leaseEnd);
    this.clock = new ClockBook(
      opened.boots,
      new AllHandOvers(
        () => this.outlets.parties,
        opened.forwarders,
        () => this.numbers.next,
      ),
    );
    const historyFile = path.join(options.stateDir, HISTORY_FILE);
    this.keeper = new Keeper(
      file,
      historyFile,
      agreement,
      {
        damaged: (block) => log.emit('damaged', block),
        corrupt: () => writer.send({ kind: 'look' }),
        mending: (progress) => log.emit('salvaging', progress),
        repaired: (repair, logs) => {
          log.emit('repaired', repair);
          writer.send({ kind: 'keep', logs });
        },
      },
      options.salvage?.history,
    );
    this.tiers = new Tiers({
      options,
      boot: opened.boot,
      historyFile,
      tidy: (request) => this.keeper.tidy(request),
      check: () => this.keeper.check(),
      now: () => ({
        ...{ at: options.clock.monotonic(), wall: this.wall(), active: this.outlets.states() },
        from: log.heldBack + 1,
      }),
      compacted: () => log.commitSoon(),
      tidied: (result) => log.emit('tidied', result),
      fault: (fault) => log.emit('tidyFault', fault),
    });
    log.on('repaired', () => this.tiers.mended());
    const mirror = new Mirror(runtime.chosen?.dir, runtime.refused.at(-1));
    mirror.clear();
    const tailSide = {
      segment: () => this.#segment(),
      lanes: () => this.outlets.parties.map((p) => p.tailState()),
      gaveUp: (readings: number, notices: number) => log.emit('overflow', readings, notices),
    };
    this.tail = new Tail(tailSide, mirror, opened.next, opened.shapes, opened.inventory);
    this.committer = new Committer(
      {
        ...{ options, tail: this.tail, numbers: this.numbers, clock: this.clock, outlets: this.outlets, tiers: this.tiers },
        wall: () => this.wall(),
        send: (request, transfer) => writer.send({ kind: 'commit', request }, transfer),
        reserved: () => log.giveNumbers(),
        fault: (fault) => log.emit('fault', fault),
        ended: (result) => {
          if (this.tail.recent.full) log.trimRecent();
          log.emit('committed', result);
        },
      },
      opened.next - 1,
      opened.bytes,
    );
  }

  /** UTC ms of now, when it is known. */
  wall(): number | undefined {
    const known = this.clock.last;
    return known === undefined || known.estimated ? undefined : this.#log.options.clock.monotonic() + known.offset;
  }

  #segment() {
    const { opened, id } = this.#log;
    const { own: clock, first, machine } = this.clock;
    const { committed: upTo } = this.committer;
    // Before the first commit of a run the file settles no more than what it held at the opening.
    const committed = upTo < opened.next ? (opened.logs.at(-1)?.last ?? 0) : upTo;
    return { log: id, boot: opened.boot, clock, first, machine, committed };
  }
}
