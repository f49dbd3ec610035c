/** What a forwarder with a cursor is made of. */
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { LogDialect } from './dialect.ts';
import type { LinkOptions } from './link.ts';

export interface LogForwarderOptions extends ForwarderContext, LinkOptions {
  readonly dialect: LogDialect;
}
