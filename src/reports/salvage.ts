/** Reports to the operator what was damaged or missing: log lines, the events `salvage` and `loss`, status, metrics. */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import type { Range, Repair, Salvaged, SalvageProgress, Unread } from '../store/files/repair-report.ts';

/** Repairs that status names; the newest. */
const MAX_REPAIRS = 8;

export interface SalvageStatus {
  readonly time: number;
  readonly file: string;
  readonly why: string;
  /** Where the damaged file lies. */
  readonly quarantine: string | null;
  /** The records that came back. */
  readonly records: number;
  readonly notices: number;
  /** Records of which only the heads of their blocks were left. */
  readonly lostRecords: number;
  /** Ranges of numbers of which nothing is left. */
  readonly gaps: number;
  /** Pages and long rows that the bounds of the salvage left in the damaged file. */
  readonly unread: number;
  /** How far it is, in words; absent when it is over. */
  readonly running?: string;
}

/** Milliseconds between two log lines about one that goes on. */
const PROGRESS_EVERY = 30_000;

interface Running extends SalvageProgress {
  readonly at: number;
  readonly loggedAt: number;
}

export class SalvageReport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #event: (event: GatewayEvent) => void;
  readonly #repairs: { readonly at: number; readonly repair: Repair }[] = [];
  readonly #running = new Map<Repair['file'], Running>();
  /** Since the start. */
  readonly totals = { repairs: 0, records: 0, lostRecords: 0 };

  constructor(clock: Clock, logger: Logger, event: (event: GatewayEvent) => void) {
    this.#clock = clock;
    this.#logger = logger;
    this.#event = event;
  }

  /** A start found a damaged file, and what is left of it comes back while everything else goes on. */
  began(why: string): void {
    const now = this.#clock.monotonic();
    this.#running.set('log.db', { file: 'log.db', at: now, loggedAt: now, why, phase: 'find', done: 0, of: 0 });
    const message = `log.db was damaged or not the newest: ${why}. The gateway runs on a new log and restores the rest of the old one in that time.`;
    this.#logger.error({ file: 'log.db', why }, message);
    this.#event({ event: 'salvage', severity: 'warning', message, data: { file: 'log.db', why, running: true } });
  }

  progressed({ file, why, phase, done, of }: SalvageProgress): void {
    const now = this.#clock.monotonic();
    let running = this.#running.get(file);
    if (running === undefined) {
      // A start begins with log.db, and says so itself.
      if (file === 'log.db') return;
      running = { file, at: now, loggedAt: now, why, phase, done, of };
      this.#logger.error(
        { file, why },
        `${file} was damaged: ${why}. The gateway runs on, and the rest of it is being restored.`,
      );
    }
    const due = now - running.loggedAt >= PROGRESS_EVERY;
    this.#running.set(file, { ...running, phase, done, of, loggedAt: due ? now : running.loggedAt });
    if (due)
      this.#logger.info({ file, phase, done, of }, `The rest of ${file} is being restored: ${progressWords(phase, done, of)}.`);
  }

  /** @param fault it could not be done now */
  ended(why: string, fault: string | undefined): void {
    this.#running.delete('log.db');
    if (fault === undefined) return;
    const message = `The rest of log.db could not be restored now: ${fault}. It is kept, and the next start tries again.`;
    this.#logger.error({ file: 'log.db', why, fault }, message);
    this.#event({ event: 'salvage', severity: 'warning', message, data: { file: 'log.db', why, fault } });
  }

  repaired(repair: Repair): void {
    if (repair.file === 'history.db') this.#running.delete(repair.file);
    this.#repairs.push({ at: this.#clock.monotonic(), repair });
    if (this.#repairs.length > MAX_REPAIRS) this.#repairs.shift();
    const { salvaged } = repair;
    this.totals.repairs++;
    this.totals.records += salvaged?.records ?? 0;
    this.totals.lostRecords += salvaged?.lost.records ?? 0;
    const { file, why, quarantine, ended } = repair;
    const data = {
      file,
      why,
      ...(quarantine === undefined ? {} : { quarantine }),
      ...(ended.length === 0 ? {} : { ended: ended.join(' ') }),
      ...(salvaged === undefined ? {} : came(salvaged)),
    };
    this.#logger.error(data, 'A file of the log was damaged or not the newest; the rest of it was salvaged.');
    this.#event({ event: 'salvage', severity: 'warning', message: salvageWords(repair), data });
    for (const { oldLog, newLog, first, last, records, notices } of salvaged?.again ?? [])
      this.#event({
        event: 'salvage',
        severity: 'warning',
        message: `${first} to ${last} of the log ${oldLog === '' ? '(its name is gone)' : oldLog} are delivered as log ${newLog} and may come twice. The topic that they used before is not known any more.`,
        data: { file, oldLog, newLog, first, last, records, notices },
      });
    if (salvaged !== undefined && salvaged.lost.blocks === 0 && salvaged.gaps.length === 0 && ended.length === 0) return;
    const { blocks, records, readings } = salvaged?.lost ?? { blocks: 0, records: 0, readings: 0 };
    this.#event({
      event: 'loss',
      severity: 'critical',
      message: lossWords(repair),
      data: {
        file,
        ...(ended.length === 0 ? {} : { ended: ended.join(' ') }),
        ...(salvaged === undefined ? {} : { lostBlocks: blocks, lostRecords: records, lostReadings: readings }),
        ...(blocks === 0 ? {} : { lost: rangeWords(salvaged?.lost.ranges ?? []) }),
        ...(gapWords(salvaged) === '' ? {} : { gaps: gapWords(salvaged) }),
      },
    });
  }

  /** @param offset from monotonic to UTC, ms */
  status(offset: number): SalvageStatus[] {
    const running = [...this.#running.values()].map(
      ({ file, at, why, phase, done, of }): SalvageStatus => ({
        ...{ time: Math.round(at) + offset, file, why, quarantine: null },
        ...{ records: 0, notices: 0, lostRecords: 0, gaps: 0, unread: 0 },
        running: progressWords(phase, done, of),
      }),
    );
    const over = this.#repairs.map(({ at, repair: { file, why, quarantine, salvaged } }) => ({
      time: Math.round(at) + offset,
      file,
      why,
      quarantine: quarantine ?? null,
      records: salvaged?.records ?? 0,
      notices: salvaged?.notices ?? 0,
      lostRecords: salvaged?.lost.records ?? 0,
      gaps: (salvaged?.gaps.length ?? 0) + (salvaged?.moreGaps ?? 0),
      unread: (salvaged?.unread?.pages ?? 0) + (salvaged?.unread?.rows ?? 0),
    }));
    return [...over, ...running];
  }
}

function progressWords(phase: SalvageProgress['phase'], done: number, of: number): string {
  const share = of === 0 ? 0 : Math.floor((100 * done) / of);
  return phase === 'find' ? `${share} % of the old file read` : `${share} % of what was found is back`;
}

function came({ blocks, records, readings, notices, unread }: Salvaged) {
  const left = unread === undefined ? {} : { unreadPages: unread.pages, unreadRows: unread.rows };
  return { blocks, records, readings, notices, ...left };
}

/** A salvage has bounds, and what is behind them is for people. */
function unreadWords(unread: Unread | undefined, quarantine: string | undefined): string {
  if (unread === undefined) return '';
  const pages = unread.pages === 0 ? [] : [`${unread.pages} pages`];
  const rows = unread.rows === 0 ? [] : [`${unread.rows} long rows`];
  const copy = quarantine === undefined ? '' : ` Copy ${quarantine} to another disk if you need them.`;
  return ` ${[...pages, ...rows].join(' and ')} of it were not read, because a salvage is bounded.${copy}`;
}

/** `k3v9q2 10..19, k3v9q2 40..44`. */
function rangeWords(ranges: readonly Range[], more = 0): string {
  const words = ranges.map(({ log, first, last }) => `${log} ${first}..${last}`);
  return [...words, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
function gapWords(salvaged: Salvaged | undefined): string {
  return rangeWords(salvaged?.gaps ?? [], salvaged?.moreGaps);
}

function salvageWords({ file, why, quarantine, salvaged }: Repair): string {
  const came =
    salvaged === undefined
      ? 'Nothing of it came back.'
      : `${salvaged.records} records and ${salvaged.notices} alarms and events came back.`;
  const left = unreadWords(salvaged?.unread, quarantine);
  return `${file} was damaged or not the newest: ${why}. ${came}${left}${quarantine === undefined ? '' : ` The old file is in ${quarantine}.`}`;
}

function lossWords({ file, salvaged, ended }: Repair): string {
  const words: string[] = [];
  if (salvaged === undefined) words.push(`Nothing of ${file} could be read.`);
  else if (salvaged.lost.blocks > 0)
    words.push(`${salvaged.lost.records} records (${salvaged.lost.readings} readings) of ${file} are lost.`);
  if (gapWords(salvaged) !== '') words.push(`Nothing is left of these numbers: ${gapWords(salvaged)}.`);
  if (ended.length > 0) words.push('The gateway may have lost readings that it had acknowledged, so it begins a new log.');
  return words.join(' ');
}
