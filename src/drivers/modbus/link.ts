/**
 * Keeps one wire open: opens it, opens it again when it is lost, for ever.
 *
 * - Attempts are apart by 100 ms, doubled up to 10 s, each with up to half of it as jitter. A wire that had carried a good
 *   reply, or that was closed because nothing was answered, is opened again at once.
 * - A recurring failure is logged when it starts and when it ends.
 */
import { waitAfter } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { formatDuration } from '../../core/units.ts';
import { Client } from './client.ts';
import type { Dial, PortEvents } from './port.ts';

const BACKOFF = { first: 100, longest: 10_000 };

export interface LinkOptions {
  readonly label: string;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Milliseconds that opening may take. */
  readonly openLimit: number;
  /** Puts the failure of an opening into words; where it fails itself, the failure stands as it is. */
  readonly explain: (error: Error) => SluiceError | Promise<SluiceError>;
  /** Puts it into words that the other side closes what it has opened, before any good reply; without it the words of the error serve. */
  readonly dropped?: ((error: SluiceError) => SluiceError) | undefined;
  readonly events: Pick<PortEvents, 'late' | 'skipped' | 'tap'>;
  /** The state has changed. */
  readonly changed: () => void;
}

export class Link {
  state: 'closed' | 'opening' | 'open' = 'closed';
  /** Openings in a row that failed or carried no good reply. */
  failures = 0;
  fault: SluiceError | undefined;
  client: Client | undefined;
  /** Being opened for the first time, or again after it worked: worth waiting for. */
  hopeful = false;
  /** Monotonic time by which the opening ends. */
  openBy = Number.NEGATIVE_INFINITY;
  readonly #options: LinkOptions;
  #cancel: (() => void) | undefined;
  #stopped = false;
  #failingSince: number | undefined;
  /** It opens, but is lost before any good reply: only a reply ends that fault. */
  #flapping = false;
  #opened = 0;
  #attempts = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#open(true);
  }

  /** A good reply came over it. */
  proven(): void {
    this.failures = 0;
    if (this.#flapping) this.#mended();
  }

  stop(done: () => void): void {
    this.#stopped = true;
    this.#cancel?.();
    this.state = 'closed';
    const client = this.client;
    this.client = undefined;
    if (client) client.close(done);
    else done();
  }

  #open(hopeful: boolean): void {
    this.state = 'opening';
    this.hopeful = hopeful;
    const { clock, dial, events, openLimit, logger, label, changed } = this.#options;
    const client = new Client(dial, clock, {
      late: events.late,
      skipped: events.skipped,
      get tap() {
        return events.tap;
      },
      closed: (error, ours) => this.#lost(client, error, ours),
    });
    this.client = client;
    this.openBy = clock.monotonic() + openLimit;
    client.open(openLimit, (error) => {
      if (this.#stopped || this.client !== client) return client.close(() => {});
      if (error) {
        void this.#failed(error);
        return;
      }
      if (this.#failingSince !== undefined && !this.#flapping) this.#mended();
      else if (this.#opened === 0) logger.info({}, `${label} is open`);
      this.#opened++;
      this.state = 'open';
      changed();
    });
  }

  async #failed(error: Error): Promise<void> {
    // `explain` may ask the system, and no answer of the system may end the daemon.
    const fault = await Promise.resolve(error)
      .then(this.#options.explain)
      .catch(() => new SluiceError('bus-open', `${this.#options.label}: ${error.message}`, { cause: error }));
    if (this.#stopped) return;
    this.#complain(fault);
    this.#again();
  }

  #lost(client: Client, error: SluiceError, ours: boolean): void {
    if (this.#stopped || this.client !== client) return;
    if (ours && error.code === 'timeout') {
      // It has had its time: trying again at once is not too often.
      this.#options.logger.debug({ cause: error.message }, `${this.#options.label} is opened again`);
      this.#open(true);
    } else if (this.failures === 0) {
      this.#options.logger.debug({ cause: error.message }, `${this.#options.label} was lost`);
      this.failures = 1;
      this.#open(true);
    } else {
      this.#flapping = true;
      this.#complain(ours ? error : (this.#options.dropped?.(error) ?? error));
      this.#again();
    }
    this.#options.changed();
  }

  #again(): void {
    this.state = 'closed';
    const delay = waitAfter(BACKOFF, this.failures++, this.#options.random());
    this.#cancel = this.#options.clock.after(delay, () => this.#open(false));
    this.#options.changed();
  }

  #mended(): void {
    const lasted = formatDuration(this.#options.clock.monotonic() - (this.#failingSince ?? 0));
    this.#options.logger.info({ attempts: this.#attempts }, `${this.#options.label} works again after ${lasted}`);
    this.#failingSince = undefined;
    this.#flapping = false;
    this.#attempts = 0;
    this.fault = undefined;
  }

  #complain(fault: SluiceError): void {
    this.fault = fault;
    this.#attempts++;
    if (this.#failingSince !== undefined) return;
    this.#failingSince = this.#options.clock.monotonic();
    this.#options.logger.warn({ code: fault.code }, fault.message);
  }
}
