/** What log-ins, sessions and accounts share. */
import type { Clock } from '../core/clock.ts';
import type { AccessAudit } from './access-audit.ts';
import type { AccountBook } from './account-book.ts';
import type { LogIns } from './log-ins.ts';
import type { RandomBytes } from './secrets.ts';
import type { Sessions } from './sessions.ts';

export interface AccessParts {
  readonly book: AccountBook;
  readonly audit: AccessAudit;
  readonly logIns: LogIns;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** UTC milliseconds as the gateway knows it; known: it can be believed. */
  readonly time: () => { readonly utc: number; readonly known: boolean };
}
