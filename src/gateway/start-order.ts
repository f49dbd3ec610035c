/**
 * The start of a gateway, in the order in which nothing is lost: the clock, the page that says that it starts, the log, what reads and
 * judges, where it goes, and only then the buses. Its counterpart is stop-order.ts.
 */

import type { AdminServer } from '../admin/admin-server.ts';
import type { MdnsResponder } from '../admin/mdns/responder.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { isActionState } from '../control/actions/actions.ts';
import type { Machine } from '../core/clock.ts';
import type { Shape } from '../core/point.ts';
import { VERSION } from '../core/version.ts';
import { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import { Counters } from '../pipeline/counters.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import type { ClockReport } from '../reports/clock.ts';
import { reportLeft } from '../reports/left-notices.ts';
import type { LogWatch } from '../reports/log-watch.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Moment } from '../rules/rule-state.ts';
import { statesOf } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';
import type { StateDirLock } from '../store/state-dir.ts';
import { findable } from './findable.ts';
import { openLog, restore, rulesOf } from './kept-state.ts';
import { clockReportOf, ingestOf, logWatchOf } from './on-the-log.ts';
import type { Parts, PartsSide } from './parts.ts';

/** What comes with the start. Until it is over, and after a start that failed, some of it is missing. */
export interface Came {
  lock?: StateDirLock;
  admin?: AdminServer;
  log?: Log;
  logWatch?: LogWatch;
  counters?: Counters;
  /** How long Modbus devices took to answer. */
  times?: MeasuredFile;
  rules?: RuleEngine;
  ingest?: Ingest;
  /** Says its name in the local network. */
  finder?: MdnsResponder;
  clockReport?: ClockReport;
}

/** The gateway that starts. */
export interface Starting extends PartsSide, Pick<Parts, 'latest'> {
  readonly machine: Machine | undefined;
  readonly onFatal: (error: Error) => void;
  setInventory(config: GatewayConfig, shapes: readonly Shape[]): void;
}

/** @param came gets each thing as soon as it is there: a stop may come at any time. @throws SluiceError log-open, log-newer */
export async function startInOrder(g: Starting, parts: Parts, came: Came): Promise<void> {
  const { config, clock, logger } = g;
  const { watch } = parts;
  const moment = (): Moment => {
    const at = clock.monotonic();
    return { at, wall: at + watch.offset, wallKnown: watch.known };
  };
  await watch.begin();
  // A certificate that is made now holds for as long as the clock lets it.
  parts.web.beginDashboard(config);
  const openFaults: string[] = [];
  const log = await openLog(config, {
    ...{ clock, machine: g.machine },
    onRetry: (error) => {
      openFaults.push(error);
      logger.warn({ error }, 'The log cannot be opened; the gateway tries again.');
    },
  });
  came.log = log;
  came.logWatch = logWatchOf(g, { log, openFaults, onFatal: g.onFatal });
  parts.forwarders.begin(config, log);
  if (log.clock.lastKnown !== undefined) watch.trust(log.clock.lastKnown);
  if (log.clock.inherited !== undefined) watch.inherit(log.clock.inherited);
  const move = log.setClock(watch.offset, !watch.known);
  const counters = new Counters({ log, clock, moment });
  came.counters = counters;
  came.times = new MeasuredFile(config.gateway.stateDir, clock, logger);
  const field = parts.plant.prepare(config);
  await restore({ counters, derived: parts.derived }, field.shapes, logger);
  g.setInventory(config, field.shapes);
  const rules = rulesOf(config, { log, start: moment(), shapes: field.shapes });
  came.rules = rules;
  came.ingest = ingestOf(g, { log, rules, parts });
  parts.actions.restore([...statesOf(log.opened.savedStates, isActionState)]);
  if (log.opened.statesLeft > 0)
    logger.warn(
      { states: log.opened.statesLeft },
      'The log keeps more states of rules and forwarders than a start takes up. The largest are left out. Use fewer rules with long windows.',
    );
  parts.newest.begin(log.opened.lastAlarms);
  came.ingest.add(parts.newest);
  came.logWatch.tellStart();
  await reportLeft(config.gateway.stateDir, (event) => came.ingest?.event(event));
  parts.listening.begin();
  parts.access.begin();
  came.clockReport = clockReportOf(g, log);
  came.clockReport.began(watch, move);
  came.ingest.tick();
  await (await parts.broker.prepare(config)).apply();
  parts.forwarders.start();
  await field.apply();
  parts.alarmed.changed();
  parts.actions.start();
  parts.safe.start();
  watch.start();
  if (!watch.known)
    logger.warn(
      { wall: clock.wall(), source: watch.status().source },
      'The clock of this board is not right yet. Readings wait for the right time; alarms do not wait.',
    );
  counters.start();
  await parts.flows.prepare(config.nodeRed).apply();
  parts.web.beginFront(config);
  came.finder = findable(g, () => came.admin);
  came.finder.start();
}

/** What is said when the start is over. @param waits addresses of the broker that are not open */
export function started(g: Pick<Starting, 'boot' | 'config' | 'log'>, waits: readonly string[]): object {
  return {
    ...{ gateway: g.config.gateway.id, boot: g.boot, log: g.log.id, version: VERSION },
    ...(waits.length === 0 ? {} : { waits }),
  };
}
