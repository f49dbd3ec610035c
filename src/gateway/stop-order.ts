/**
 * The end of a gateway, in the order in which nothing is lost: buses first, then what takes their readings, then forwarders while
 * the disk is written, then the log. Each part has its time (stop-budget.ts), and a part that hangs takes none of the others.
 */
import type { AdminServer } from '../admin/admin-server.ts';
import type { MdnsResponder } from '../admin/mdns/responder.ts';
import type { Clock } from '../core/clock.ts';
import type { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import type { Counters } from '../pipeline/counters.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import type { ClockReport } from '../reports/clock.ts';
import type { LogWatch } from '../reports/log-watch.ts';
import type { Log } from '../store/log.ts';
import type { StateDirLock } from '../store/state-dir.ts';
import type { Parts } from './parts.ts';
import { FLOWS_CLOSE, StopBudget } from './stop-budget.ts';

/** What came with the start. Where a start is not over, some of it is missing. */
export interface Started {
  readonly log?: Pick<Log, 'commitSoon' | 'close'> | undefined;
  readonly logWatch?: Pick<LogWatch, 'stop'> | undefined;
  readonly clockReport?: Pick<ClockReport, 'stop'> | undefined;
  readonly ingest?: Pick<Ingest, 'stop'> | undefined;
  readonly counters?: Pick<Counters, 'stop'> | undefined;
  readonly times?: Pick<MeasuredFile, 'stop'> | undefined;
  readonly admin?: Pick<AdminServer, 'stop'> | undefined;
  readonly finder?: Pick<MdnsResponder, 'stop'> | undefined;
  readonly lock?: Pick<StateDirLock, 'release'> | undefined;
}

/** The parts that have something to end. */
export interface StoppedParts {
  readonly commands: Pick<Parts['commands'], 'stop' | 'flush'>;
  readonly outside: Pick<Parts['outside'], 'flush'>;
  readonly flows: Pick<Parts['flows'], 'stop'>;
  readonly watch: Pick<Parts['watch'], 'stop'>;
  readonly safe: Pick<Parts['safe'], 'stop'>;
  readonly actions: Pick<Parts['actions'], 'stop' | 'end'>;
  readonly plant: Pick<Parts['plant'], 'stop'>;
  readonly access: Pick<Parts['access'], 'stop'>;
  readonly forwarders: Pick<Parts['forwarders'], 'stop'>;
  readonly broker: Pick<Parts['broker'], 'stop'>;
  readonly tls: Pick<Parts['tls'], 'stop'>;
}

/**
 * @param exchange the buses that a reload exchanges just now
 * @param started asked again at each step: a start may still be under way
 */
export async function stopInOrder(
  parts: StoppedParts,
  options: { readonly clock: Clock; readonly exchange: Promise<unknown>; readonly started: () => Started },
): Promise<void> {
  const { started } = options;
  const budget = new StopBudget(options.clock);
  // What is not done yet stays in the log for the next start.
  parts.actions.stop();
  parts.commands.stop();
  const flows = parts.flows.stop(FLOWS_CLOSE);
  // Safe values are written by the buses of the new configuration, as soon as the old ones have let go of their wires.
  await budget.within(budget.for('exchange'), options.exchange);
  parts.watch.stop();
  started().clockReport?.stop();
  started().logWatch?.stop();
  // While the buses still run.
  await parts.safe.stop(budget.for('safe'));
  await budget.within(budget.for('buses'), parts.plant.stop());
  let access: Promise<void> | undefined;
  if (started().ingest !== undefined) {
    parts.commands.flush();
    access = parts.access.stop();
    parts.outside.flush();
  }
  started().ingest?.stop();
  started().counters?.stop();
  // While the forwarders wait for the network, the disk is written: a hanging broker takes no time from it.
  started().log?.commitSoon();
  const forwarders = budget.for('forwarders');
  await budget.within(
    forwarders,
    parts.forwarders.stop(forwarders),
    parts.broker.stop(),
    parts.tls.stop(),
    started().times?.stop(),
    started().finder?.stop(),
    access,
  );
  // Messages that the far side has acknowledged meanwhile are done, and their events are in the log.
  parts.actions.end();
  if (started().ingest !== undefined) parts.outside.flush();
  await started().log?.close(budget.for('log'));
  await started().admin?.stop();
  await budget.within(budget.for('flows'), flows);
  started().lock?.release();
}
