/** What is said of messages that do not reach the broker: those that it refuses for good, and those that the log does not give. */
import type { SluiceError } from '../../core/errors.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Carried } from '../drain-sides.ts';
import type { LogForwarderOptions } from './log-forwarder-options.ts';

export class DeliveryWords {
  readonly #options: Pick<LogForwarderOptions, 'name' | 'logger' | 'event'>;
  /** Why the log does not give what waits. */
  readonly #unread = new Map<Carried, string>();
  /** Messages that were refused for good. */
  refusals = 0;

  constructor(options: Pick<LogForwarderOptions, 'name' | 'logger' | 'event'>) {
    this.#options = options;
  }

  /** While the log does not give something. */
  get fault(): string | undefined {
    return [...this.#unread.values()][0];
  }

  refused(what: OutBatch | OutNotice, error: SluiceError): void {
    this.refusals++;
    const { name: forwarder, logger, event } = this.#options;
    const range =
      'lane' in what
        ? { lane: what.lane, first: what.first, last: what.last, readings: what.readings }
        : { kind: what.kind, key: what.key, seq: what.seq };
    logger.error(
      { forwarder, ...range, error: error.message },
      'The upstream broker refused a message for good; the gateway skips it.',
    );
    // A broker that refuses these events too would be told so for ever.
    if (!('lane' in what) && what.kind === 'event' && what.key === 'refused') return;
    const words = `The broker of ${forwarder} refused a message for good; the gateway skipped it.`;
    event('refused', words, { forwarder, ...range });
  }

  /** @param error undefined: the log gives it again */
  unread(of: Carried, error: SluiceError | undefined): void {
    const { name: forwarder, logger } = this.#options;
    if (error === undefined) {
      if (this.#unread.delete(of) && this.#unread.size === 0) logger.info({ forwarder }, 'The log can be read again.');
      return;
    }
    if (this.#unread.size === 0)
      logger.error({ forwarder, error: error.message }, 'The log cannot be read; the gateway asks again for what waits.');
    this.#unread.set(of, error.message);
  }
}

/** @param why something waits for the broker @param crowd see Outlet */
export function keptWords(why: string | undefined, crowd: number | undefined): string | undefined {
  if (why === undefined || crowd === undefined) return why;
  return `${why}; alarms of ${crowd} rules wait, and no alarm of a further rule leaves before the broker takes one of these`;
}
