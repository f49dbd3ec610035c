/** Who changed flows by the editor, and what Node-RED said to it: as events `flows` and lines of the log, bounded in a minute. */
import type { Caller } from '../../core/access-ports.ts';
import type { Clock } from '../../core/clock.ts';
import type { Principal } from '../../core/commands.ts';
import type { Logger } from '../../core/logger.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import { EventQuota } from '../../core/quota.ts';
import type { Change } from './changes.ts';
import { EVENTS } from './limits.ts';

export interface FrontAuditOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
}

export class FrontAudit {
  readonly #quota: EventQuota;

  constructor({ clock, logger, tell }: FrontAuditOptions) {
    const both = (event: GatewayEvent): void => {
      logger[event.severity === 'info' ? 'info' : 'warn']({ part: 'flows', ...event.data }, event.message);
      tell(event);
    };
    this.#quota = new EventQuota({ clock, tell: both, most: EVENTS });
  }

  /** @param status of the answer of Node-RED; undefined: there was none */
  changed(change: Change, { who, role, door }: Principal, { address }: Caller, status: number | undefined): void {
    const done = status !== undefined && status < 400;
    const why = status === undefined ? 'Node-RED did not answer' : `Node-RED answered ${status}`;
    const from = address === undefined ? '' : ` from ${address.slice(0, 64)}`;
    const how = ` over ${door === 'https' ? 'HTTPS' : 'HTTP'}${from}`;
    this.#quota.tell(change.do, {
      ...{ event: 'flows', severity: done ? 'info' : 'warning' },
      message: done ? `${who} ${change.done}${how}.` : `${who} ${change.refused}${how}: ${why}.`,
      data: {
        ...{ what: change.do, result: done ? 'done' : 'refused', who, role, via: door, status: status ?? null },
        ...(address === undefined ? {} : { address: address.slice(0, 64) }),
      },
    });
  }

  flush(): void {
    this.#quota.flush();
  }
}
