/** Reports, by log and event, what happens to the file that keeps sessions of MQTT clients. */
import type { BrokerRepair } from '../core/broker-store.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';

const FILE = 'broker.db';

export function brokerFileReport(
  logger: Logger,
  tell: (event: GatewayEvent) => void,
): { readonly onFault: (fault: string | undefined) => void; readonly onRepair: (repair: BrokerRepair) => void } {
  return {
    onFault: (fault) => {
      if (fault === undefined) {
        const message = `${FILE} keeps the sessions and retained messages of MQTT clients again.`;
        logger.info({ file: FILE }, message);
        tell({ event: 'sessions', severity: 'info', message, data: { file: FILE, kept: true } });
        return;
      }
      const message = `${FILE} cannot be used, so sessions and retained messages of MQTT clients are in memory only until the disk takes them. What clients publish for absent clients, or as retained messages, is not acknowledged until then: ${fault}`;
      logger.warn({ file: FILE, fault }, message);
      tell({ event: 'sessions', severity: 'warning', message, data: { file: FILE, kept: false, fault } });
    },
    onRepair: ({ why, aside, kept, damaged }) => {
      const message = `${FILE} was set aside as ${aside}, and a new one took its place: ${why}. ${kept} rows of the old one were kept.`;
      logger.warn({ file: FILE, why, aside, kept, damaged }, message);
      tell({
        event: 'sessions',
        severity: 'warning',
        message,
        data: { file: FILE, why, quarantine: aside, rows: kept, damaged },
      });
    },
  };
}
