/** pino, as JSON lines; on a terminal the same lines in a form for people. */
import { fstatSync } from 'node:fs';
import pino from 'pino';
import type { Logger } from '../core/logger.ts';
import { Datagrams } from '../service-manager/datagrams.ts';
import { journalMessage, prefixed } from '../service-manager/journal.ts';

/** Who reads the lines may stand still; the end of the process does not wait for that longer, ms. */
const WRITTEN_WITHIN = 2000;
const JOURNAL = '/run/systemd/journal/socket';

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
  const journal = toJournal() ? await journalStream(out) : undefined;
  const logger = pino(settings, journal?.stream ?? out);
  const written = (): Promise<void> =>
    new Promise((resolve) => {
      // The last line was left out, or the journal has it, so nothing is under way.
      if (!logger.isLevelEnabled('info') || journal?.has() === true) return resolve();
      const timer = setTimeout(resolve, WRITTEN_WITHIN);
      out.once('drain', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  return { logger, written };
}

/** Standard output is the journal of systemd, which says so by the device and the inode of the stream. */
function toJournal(): boolean {
  try {
    const { dev, ino } = fstatSync(1);
    return process.env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** Lines with fields by the socket of the journal. While it is away or full, they go the plain way, which waits for it. */
async function journalStream(out: pino.DestinationStream): Promise<{ stream: pino.DestinationStream; has: () => boolean }> {
  const socket = await Datagrams.to(JOURNAL);
  let last = false;
  const write = (line: string): void => {
    const message = socket === undefined ? undefined : journalMessage(line);
    last = message !== undefined && socket?.send(message) === true;
    if (!last) out.write(prefixed(line));
  };
  return { stream: { write }, has: () => last };
}
