/** Reports the log to the operator: log lines, events, counts. */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { VERSION } from '../core/version.ts';
import { littleSpace } from '../store/files/free-space.ts';
import { bootName } from '../store/files/layout.ts';
import type { Log } from '../store/log.ts';
import { LogFaults, type LogPart } from './log-faults.ts';
import { LossReport } from './losses.ts';
import { SalvageReport } from './salvage.ts';
import { RemovalReport } from './thinning.ts';

const HISTORY: LogPart = {
  ...{ part: 'history', severity: 'warning', again: 'The history of the log is kept again' },
  begins: (fault) =>
    `The history of the log cannot be written: ${fault}. Readings stay where they are while there is room, and the gateway tries again.`,
};
const RUNTIME: LogPart = {
  ...{ part: 'runtime', severity: 'warning', again: 'The newest readings are safe again if the process is killed' },
  begins: (fault) =>
    `The runtime directory cannot be written: ${fault}. The newest readings are lost if the process is killed now, and live ones wait for their commit.`,
};

/** @param fault that the disk is full, in words */
export const fullAtStart = (fault: string): GatewayEvent => ({
  ...{ event: 'log', severity: 'warning' },
  message: `${fault}. The gateway started with the room that it keeps for this.`,
  data: { part: 'log', writable: true, fault },
});

export interface LogWatchOptions {
  readonly log: Log;
  /** The fault of each try to open it that failed, in words. */
  readonly openFaults?: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly event: (event: GatewayEvent) => void;
  readonly onFatal: (error: Error) => void;
  /** Points that no event names, `device.point`. Absent: none. */
  readonly withheld?: ((point: string) => boolean) | undefined;
}

/** Events that wait for the end of the start. A log line says each of them too. */
const MOST_EARLY = 100;

export class LogWatch {
  readonly #given: LogWatchOptions;
  readonly #options: LogWatchOptions;
  readonly losses: LossReport;
  readonly removals: RemovalReport;
  readonly salvage: SalvageReport;
  readonly faults: LogFaults;
  readonly #history: LogFaults;
  readonly #runtime: LogFaults;
  #runtimeFault: string | undefined;
  /** The findings of the opening; the rest is reported as it comes. */
  readonly #repairs: LogWatchOptions['log']['opened']['repairs'];

  /** Events before `tellStart`, when nobody can take one yet. undefined: the start was reported. */
  #early: GatewayEvent[] | undefined = [];

  constructor(given: LogWatchOptions) {
    const options = { ...given, event: (event: GatewayEvent) => this.#tell(event) };
    this.#given = given;
    this.#options = options;
    this.#repairs = options.log.opened.repairs.filter((r) => r.unfinished !== true);
    this.losses = new LossReport(options.clock, options.event, options.withheld);
    this.removals = new RemovalReport(options.clock, options.event, options.withheld);
    this.salvage = new SalvageReport(options.clock, options.logger, options.event);
    this.faults = new LogFaults(
      {
        ...{ part: 'log', severity: 'critical', again: 'The log is written again' },
        begins: (fault, what) =>
          what === 'commit'
            ? `The log cannot be written: ${fault}. The gateway keeps readings in memory and tries again.`
            : `The file of the log cannot be written: ${fault}. Commits continue in its write-ahead file, as long as that has room.`,
        notKept: () => this.losses.totals.overflow,
      },
      options,
    );
    this.#history = new LogFaults(HISTORY, options);
    this.#runtime = new LogFaults(RUNTIME, options);
    this.#listen();
  }

  stop(): void {
    this.losses.stop();
    this.removals.stop();
    this.faults.stop();
    this.#history.stop();
    this.#runtime.stop();
  }

  /** A fault of the runtime directory is met while a record is appended, where nothing can be reported. */
  #lookAtRuntime(): void {
    const { mirrorFault } = this.#options.log.status();
    if (mirrorFault === this.#runtimeFault) return;
    this.#runtimeFault = mirrorFault;
    this.#runtime.changed('mirror', mirrorFault);
  }

  #listen(): void {
    const { log, logger, event, onFatal } = this.#options;
    // Each forwarder listens while it is connected; how many there are is the configuration's to say.
    log.setMaxListeners(0);
    log.on('fault', (fault) => {
      this.faults.changed('commit', fault);
      this.#lookAtRuntime();
    });
    log.on('checkpoint', (fault) => this.faults.changed('checkpoint', fault));
    log.on('committed', (result) => {
      this.losses.dropped(result.lost, result.lostNotices, result);
      this.removals.taken({ ...result, thinned: [] });
      this.#lookAtRuntime();
    });
    log.on('tidied', (result) => {
      this.losses.dropped(result.lost, 0, { aged: result.aged, dropped: [...result.dropped, ...result.thinned] });
      this.removals.taken(result);
    });
    log.on('tidyFault', (fault) => this.#history.changed('tidy', fault));
    log.on('damaged', ({ first, last, readings }) => {
      logger.error(
        { first, last, readings },
        'A block of the log is damaged; its readings cannot be delivered. Delivery continues behind them.',
      );
      event({
        event: 'loss',
        severity: 'critical',
        message: `A block of the log is damaged: ${readings} readings cannot be read any more.`,
        data: { first, last, readings },
      });
    });
    log.on('repaired', (repair) => this.salvage.repaired(repair));
    log.on('salvaging', (progress) => this.salvage.progressed(progress));
    log.on('salvaged', ({ why }, fault) => this.salvage.ended(why, fault));
    log.on('overflow', (readings, notices) => this.losses.overflow(readings, notices));
    log.on('dead', (error) => onFatal(error));
  }

  /** A file may be mended, or a fault begin, while the gateway is still being put together: the event waits. */
  #tell(event: GatewayEvent): void {
    if (this.#early === undefined) this.#given.event(event);
    else if (this.#early.length < MOST_EARLY) this.#early.push(event);
  }

  /** Reports the findings of the start to operators, then what came meanwhile. */
  tellStart(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#tellOpened();
    for (const event of early) this.#given.event(event);
  }

  #tellOpened(): void {
    const { log, event, openFaults = [] } = this.#options;
    const { recovered, boot } = log.opened;
    event({
      event: 'start',
      severity: 'info',
      message: `The gateway started (${bootName(boot)}).`,
      data: { boot: bootName(boot), version: VERSION, recoveredRecords: recovered.records },
    });
    const failures = openFaults.length;
    if (failures > 0)
      event({
        ...{ event: 'log', severity: 'warning' },
        message: `The log could be opened only after ${failures === 1 ? 'a try' : `${failures} tries`} that failed: ${openFaults.at(-1)}. The card may be failing.`,
        data: { part: 'log', writable: true, failures, fault: openFaults.at(-1) ?? '' },
      });
    for (const repair of this.#repairs) this.salvage.repaired(repair);
    if (log.salvage !== undefined) this.salvage.began(log.salvage.why);
    this.#lookAtRuntime();
    this.#tellRuntimeDir();
    const space = littleSpace(log.options.stateDir);
    if (space !== undefined)
      this.#options.logger.warn({ stateDir: log.options.stateDir }, `${space}: what cannot be written is kept in memory.`);
  }

  #tellRuntimeDir(): void {
    const { log, logger, event } = this.#options;
    const { chosen, refused } = log.runtime;
    for (const fault of refused) {
      logger.warn({ fault }, 'The gateway does not use a folder for the newest readings that another user may have made.');
      // Without any folder the mirror itself says so.
      if (chosen !== undefined)
        event({
          ...{ event: 'log', severity: 'warning' },
          message: `The newest readings are in ${chosen.dir}: ${fault}.`,
          data: { part: 'runtime', writable: true, fault },
        });
    }
    if (chosen === undefined)
      logger.warn(
        {},
        'There is no memory-backed folder for the newest readings: live readings wait for the commit. Set gateway.runtimeDir or run under systemd.',
      );
    else if (!chosen.memoryBacked)
      logger.warn({ runtimeDir: chosen.dir }, 'gateway.runtimeDir is not memory-backed: every reading is written to the card.');
  }
}
