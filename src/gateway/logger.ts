/** pino, as JSON lines; on a terminal the same lines in a form for people. */
import pino from 'pino';
import type { Logger } from '../core/logger.ts';

/** Who reads the lines may stand still; the end of the process does not wait for that longer, ms. */
const WRITTEN_WITHIN = 2000;

export interface ProcessLogger {
  readonly logger: Logger;
  /**
   * Resolves when the lines so far are written, after WRITTEN_WITHIN at the latest. Call it in the turn of the last line. A process that
   * ended with a line under way would write it behind the last one, or never.
   */
  written(): Promise<void>;
}

export async function createLogger(options: { level: string; terminal: boolean }): Promise<ProcessLogger> {
  const settings = { level: options.level, base: null };
  if (options.terminal) {
    const { default: pretty } = await import('pino-pretty');
    const stream = pretty({ colorize: true, translateTime: 'SYS:HH:MM:ssp', ignore: 'pid,hostname', sync: true });
    return { logger: pino(settings, stream), written: async () => {} };
  }
  // Not in the main thread: a reader that stands still holds up no poll.
  const out = pino.destination({ fd: 1, sync: false });
  const logger = pino(settings, out);
  const written = (): Promise<void> =>
    new Promise((resolve) => {
      // The last line was left out, so nothing is under way.
      if (!logger.isLevelEnabled('info')) return resolve();
      const timer = setTimeout(resolve, WRITTEN_WITHIN);
      out.once('drain', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  return { logger, written };
}
