/** pino, as JSON lines; on a terminal the same lines in a form for people. */
import pino from 'pino';
import type { Logger } from '../core/logger.ts';

export async function createLogger(options: { level: string; terminal: boolean }): Promise<Logger> {
  const settings = { level: options.level, base: null };
  let logger: Logger = pino(settings);
  if (options.terminal) {
    const { default: pretty } = await import('pino-pretty');
    logger = pino(settings, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ssp', ignore: 'pid,hostname', sync: true }));
  }
  return logger;
}
