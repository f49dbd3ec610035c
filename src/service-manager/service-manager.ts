/**
 * systemd, which started this process: it hears when the gateway is ready, what it does, and that it still works (sd_notify(3)).
 * Without systemd nothing happens here.
 */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { Datagrams } from './datagrams.ts';
import { Liveness, type Look } from './liveness.ts';
import { threadState } from './thread-state.ts';

/**
 * How often the start asks for more time, ms, for how much, and for how long in all: a damaged log is read for minutes. It asks for as
 * much as the unit gives, because the main thread may wait for a slow card.
 */
const START = { every: 10_000, more: 90_000, most: 20 * 60_000 };
/** Between two looks, ms, and a third of the watchdog's time at most. Without a watchdog the words are still renewed. */
const LOOK_EVERY = 10_000;

/** The gateway as it is seen from here. */
export interface Watched {
  look(): Omit<Look, 'now' | 'stateOf'>;
  /** One line for people. */
  words(): string;
}

export class ServiceManager {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #socket: Pick<Datagrams, 'send'> | undefined;
  /** Milliseconds between two looks. */
  readonly #every: number;
  readonly #feeds: boolean;
  readonly #liveness = new Liveness();
  #cancel: (() => void) | undefined;
  /** Between `ready` and `stopping`: before that, the end of a reload would look like the end of the start. */
  #runs = false;
  /** What the manager has not taken and must hear; '' or READY=1. */
  #unsent = '';
  #words = '';
  #fault: string | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly socket: Pick<Datagrams, 'send'> | undefined;
    /** Microseconds, from WATCHDOG_USEC; undefined: no watchdog. */
    readonly watchdog?: number | undefined;
  }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#socket = options.socket;
    this.#feeds = options.watchdog !== undefined;
    this.#every = Math.min((options.watchdog ?? Number.POSITIVE_INFINITY) / 1000 / 3, LOOK_EVERY);
  }

  /** @param env of the process; its variables about the service manager are for this process alone */
  static async of(env: NodeJS.ProcessEnv, options: { clock: Clock; logger: Logger }): Promise<ServiceManager> {
    const { NOTIFY_SOCKET: path, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    const socket = path === undefined ? undefined : await Datagrams.to(path);
    if (path !== undefined && socket === undefined)
      options.logger.error({ socket: path }, 'The service manager cannot be reached, so it takes this start for a failed one.');
    const watched = usec !== undefined && /^[1-9]\d*$/.test(usec) && (pid === undefined || Number(pid) === process.pid);
    return new ServiceManager({ ...options, socket, watchdog: watched ? Number(usec) : undefined });
  }

  /** Asks for time until `ready`: the log of a gateway that lost its power may need repair. */
  starting(): void {
    if (this.#socket === undefined) return;
    const begun = this.#clock.monotonic();
    const more = (): void => {
      if (this.#clock.monotonic() - begun > START.most) return;
      this.#send('STATUS=The gateway starts.', `EXTEND_TIMEOUT_USEC=${START.more * 1000}`);
      this.#cancel = this.#clock.after(START.every, more);
    };
    more();
  }

  /** The gateway runs. From now on the watchdog is fed while it works. */
  ready(gateway: Watched): void {
    if (this.#socket === undefined) return;
    this.#cancel?.();
    this.#runs = true;
    this.#send('READY=1', this.#say(gateway.words()), this.#feed());
    const look = (): void => {
      this.#cancel = this.#clock.after(this.#every, look);
      this.#look(gateway);
    };
    this.#cancel = this.#clock.after(this.#every, look);
  }

  /** @param reload puts another configuration in force; the manager hears of its begin and its end */
  async reloading<Result>(reload: () => Promise<Result>): Promise<Result> {
    if (!this.#runs) return reload();
    this.#unsent = '';
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      return await reload();
    } finally {
      if (this.#runs) this.#send('READY=1');
    }
  }

  stopping(): void {
    this.#cancel?.();
    this.#runs = false;
    this.#unsent = '';
    this.#send('STOPPING=1', 'STATUS=The gateway commits its readings and stops.');
  }

  #look(gateway: Watched): void {
    const fault = this.#liveness.look({ ...gateway.look(), now: this.#clock.monotonic(), stateOf: threadState });
    if (this.#fault === undefined && fault !== undefined && this.#feeds)
      this.#logger.error({ fault }, 'The gateway hangs. It feeds the watchdog no more, so the service manager starts it again.');
    this.#fault = fault;
    this.#send(this.#say(fault === undefined ? gateway.words() : `Hangs: ${fault}.`), fault === undefined ? this.#feed() : '');
  }

  #feed(): string {
    return this.#feeds ? 'WATCHDOG=1' : '';
  }

  /** The line, when it is a new one. */
  #say(words: string): string {
    if (words === this.#words) return '';
    this.#words = words;
    return `STATUS=${words.replaceAll('\n', ' ')}`;
  }

  /** A manager that is busy has a full queue. The next look then says again what it must hear: it takes a start without READY=1 for a failed one. */
  #send(...lines: readonly string[]): void {
    const message = [this.#unsent, ...lines].filter((line) => line !== '').join('\n');
    if (message === '' || this.#socket === undefined) return;
    if (this.#socket.send(`${message}\n`)) {
      this.#unsent = '';
      return;
    }
    this.#words = '';
    if (lines.includes('READY=1')) this.#unsent = 'READY=1';
  }
}
