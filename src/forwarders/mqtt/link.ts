/**
 * The loop of an upstream broker: connect, work, wait with back-off and jitter, again; for ever, whatever the broker does.
 * The speaker makes what is said on a connection; the work does everything else on it.
 */
import { waitAfter } from '../../core/backoff.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { ForwarderReport } from '../../core/ports.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import { Brokers } from './brokers.ts';
import { Account } from './budget/account.ts';
import type { Connection } from './connection.ts';
import { Courier, noConnection } from './courier.ts';
import { Dial, type DialOptions } from './dial.ts';
import type { OutMessage, Speaker } from './dialect.ts';
import type { Failure } from './failure.ts';
import { FirstBroker, type FirstBrokerSide } from './first-broker.ts';
import { Greeting } from './greeting.ts';
import { hear } from './hearing.ts';
import type { LinkWork } from './link-work.ts';
import { OutageWords } from './outage-words.ts';
import { RetryPause } from './retry-pause.ts';
import { failureOf, isIdle, RetryPlan } from './retry-plan.ts';
import { ShortWindows, type TryLimits } from './short-windows.ts';

const ACK_TIMEOUT = 15_000;
/** A connection that lasted so long was a good one. */
const STABLE = 10_000;
/** After so many in a row that did not last, the log does not report each one any more. */
const FLAPS = 3;
/** Whether a visit is due is asked so often, ms. */
const LOOK_EVERY = 1000;
/** For a goodbye, milliseconds. */
const LEAVE = 1000;

/** `moves`: to make place for one to the first broker. `renews`: its log-in ends soon. `visited`: nothing is left. */
type Ending = 'over' | 'moves' | 'renews' | 'visited';

export interface LinkOptions extends DialOptions, Pick<ForwarderContext, 'log' | 'logger' | 'memory' | 'random' | 'timezone'> {
  readonly ackTimeout?: number | undefined;
  /** What of the network decides about a connection, as a text; tests have another one. */
  readonly network?: (() => string) | undefined;
  /** Milliseconds on another broker until the first one is asked; tests have less time. */
  readonly backAfter?: number | undefined;
  /** Tests answer for the first broker. */
  readonly ask?: FirstBrokerSide['open'] | undefined;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #speaker: Speaker;
  readonly #work: LinkWork;
  readonly #brokers: Brokers;
  readonly #dial: Dial;
  readonly #windows = new ShortWindows();
  readonly #words: OutageWords;
  /** The bytes of its connections. */
  readonly account: Account;
  state: ForwarderReport['state'] = 'stopped';
  /** Words, while something is wrong. */
  fault: string | undefined;
  /** Monotonic, while it waits. */
  nextTry: number | undefined;
  connects = 0;
  violations = 0;
  #stopping = false;
  #askStop: () => void = () => {};
  readonly #stopAsked = new Promise<void>((resolve) => {
    this.#askStop = resolve;
  });
  #loop: Promise<void> | undefined;
  #connection: Connection | undefined;
  #courier: Courier | undefined;
  #greeting: Greeting | undefined;
  #connecting: AbortController | undefined;
  /** Why this connection is left for another one. */
  #leaves: string | undefined;
  /** This connection ends with a goodbye. */
  #orderly = false;
  readonly #pause: RetryPause;
  /** Connections in a row that ended before they were good ones. */
  #flaps = 0;

  constructor(options: LinkOptions, speaker: Speaker, work: LinkWork) {
    this.#options = options;
    this.#speaker = speaker;
    this.#work = work;
    this.#brokers = new Brokers(options.settings.url, options.backAfter);
    const { clock, clockKnown, log, logger, memory, name, timezone } = options;
    this.#words = new OutageWords(logger, name);
    this.#pause = new RetryPause(options);
    const side = { meter: () => this.account.meter, excess: () => work.visits?.excess() };
    this.#dial = new Dial(options, speaker, side);
    const times = { clock, clockKnown, timezone, offset: () => log.clock.last?.offset };
    this.account = new Account({ ...times, memory: memory(`${name}@wire`) });
  }

  /** The broker that is connected or is tried next. */
  get url(): string {
    return this.#brokers.url;
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.#loop = this.#run();
    this.account.keep();
  }

  /** A broker that is away or slow changes both times again and again. */
  duties(): Duty[] {
    const { nextTry } = this;
    const { name } = this.#options;
    const answerBy = this.#connection?.answerBy;
    return [
      ...(nextTry === undefined ? [] : [{ name: `the next connection of the forwarder ${name}`, due: nextTry }]),
      ...(answerBy === undefined ? [] : [{ name: `the time-out of the forwarder ${name}`, due: answerBy }]),
    ];
  }

  /** Lets the work finish, says goodbye, ends within `within` ms. */
  async stop(within: number): Promise<void> {
    this.#stopping = true;
    this.#askStop();
    this.#work.finish();
    this.#pause.end();
    // A broker that takes the connection and never answers is not waited for.
    this.#connecting?.abort();
    const late = this.#options.clock.after(within, () => this.#connection?.destroy());
    await this.#loop;
    late();
    this.account.close();
    this.state = 'stopped';
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Sends messages beside everything else. @throws SluiceError when there is no connection, or it ended meanwhile */
  async say(messages: Iterable<OutMessage>): Promise<void> {
    if (this.#courier === undefined) throw noConnection();
    await this.#courier.deliver(messages);
  }

  /** Resolves when the broker has read everything that was sent before. @throws SluiceError as `say` */
  async proven(): Promise<void> {
    if (this.#connection === undefined) throw noConnection();
    await this.#connection.proven();
  }

  /** Ends this connection in order, for one to the next broker. @param why words for the status */
  leave(why: string): void {
    if (this.#connection?.open !== true || this.#stopping) return;
    this.#leaves = why;
    this.#work.finish();
  }
  get several(): boolean {
    return this.#brokers.several;
  }
  get #ackTimeout(): number {
    return Math.min(this.#options.ackTimeout ?? ACK_TIMEOUT, this.#short?.answer ?? Number.POSITIVE_INFINITY);
  }
  /** A budget has its own idea of when a try is worth its bytes. */
  get #short(): TryLimits | undefined {
    return this.#work.visits === undefined ? this.#windows.limits(this.#options.clock.monotonic()) : undefined;
  }

  /** Sends anew what a connection begins with; several wishes become one. Without a connection the next one does it anyway. */
  greet(): void {
    const connection = this.#connection;
    if (connection?.open === true) this.#greeting?.again().catch(() => connection.destroy());
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    const plan = new RetryPlan();
    await Promise.race([this.#work.ready(), this.#stopAsked]);
    while (!this.#stopping) {
      await this.#pause.sleep((this.#speaker.limits?.connectEvery ?? 0) - (clock.monotonic() - this.#pause.lookedAt));
      await this.#wanted();
      if (this.#stopping) return;
      const begun = clock.monotonic();
      const { connects } = this;
      const { counted } = this.account;
      let failure: Failure = 'lost';
      this.#pause.look();
      let ending: Ending = 'over';
      let silent = false;
      let unanswered = false;
      try {
        ending = await this.#session();
      } catch (thrown) {
        const error = toError(thrown);
        unanswered = error instanceof SluiceError && error.code === 'upstream-timeout';
        silent = unanswered || isIdle(error);
        // A connection that a stop ends says nothing about the broker.
        if (!this.#stopping) this.#failed(error);
        failure = failureOf(error);
        if (failure === 'protocol') this.violations++;
      }
      // What failed before the work began left it open.
      this.#connection?.destroy();
      if (this.#connection !== undefined && !this.#orderly) this.#speaker.lost?.();
      const connection = this.#connection;
      this.#connection = undefined;
      this.#courier = undefined;
      this.#greeting = undefined;
      if (this.#stopping) return;
      const carried = this.#work.over();
      // The wait for an acknowledgement makes any connection a long one.
      const mute = unanswered && !carried;
      const made = connection && { opened: connection.openedAt, heard: connection.heardAt, carried, silent };
      const bytes = this.account.counted - counted;
      const seen = { over: clock.monotonic(), failure, bytes, connection: made };
      // Under a budget it makes no difference, and the log must not say that it does.
      const window = this.#work.visits === undefined && this.#windows.note(seen);
      const lasted = ending === 'visited' || (!mute && !window && this.connects > connects && clock.monotonic() - begun > STABLE);
      if (lasted) this.#flaps = 0;
      else if (this.connects > connects && ++this.#flaps === FLAPS) {
        if (window) this.#words.windows(this.fault);
        else this.#words.flapping(this.fault);
      }
      if (failure !== 'protocol') {
        if (lasted) plan.succeeded();
        else if (carried) plan.carried(failure);
      }
      if (ending === 'moves' || ending === 'visited') this.#brokers.goBack();
      if (ending !== 'over') continue;
      this.state = 'waiting';
      const left = this.#leaves !== undefined;
      this.fault = this.#leaves ?? this.fault;
      this.#leaves = undefined;
      // A node that is cut off from its cluster takes connections, and acknowledges nothing.
      if (!this.#brokers.ended(!left && (lasted || carried), !left && mute)) continue;
      const longest = Math.max(plan.next(failure, random()), this.#work.visits?.failed() ?? 0);
      const { pause: short } = this.#short ?? {};
      const pause = short === undefined ? longest : waitAfter({ first: short, longest: short }, 0, random());
      this.nextTry = clock.monotonic() + pause;
      if ((await this.#pause.wait(pause)) === 'changed') plan.changed();
      this.nextTry = undefined;
    }
  }

  /**
   * One connection from CONNECT to its end.
   * @returns why it ended on purpose
   * @throws what ended it, unless it was asked to end
   */
  async #session(): Promise<Ending> {
    const { clock } = this.#options;
    this.#leaves = undefined;
    this.#orderly = false;
    this.state = 'connecting';
    const { renewAfter, open } = await this.#dial.prepare(this.#brokers.url);
    if (this.#stopping) return 'over';
    this.#connecting = new AbortController();
    const connection = await open({ short: this.#short, ackTimeout: this.#ackTimeout, signal: this.#connecting.signal });
    [this.#connecting, this.#connection] = [undefined, connection];
    if (this.#stopping) {
      await connection.end(LEAVE / 2);
      return 'over';
    }
    let renews = false;
    // Gateways that began together do not come back together.
    const renewal = (renewAfter ?? 0) * (0.9 + 0.1 * this.#options.random());
    const renew = (): void => {
      renews = true;
      this.#work.finish();
    };
    if (renewal > 0) void connection.closed.then(clock.after(renewal, renew));
    const courier = new Courier(connection);
    this.#courier = courier;
    const greeting = new Greeting(courier, () => this.#speaker.greet());
    this.#greeting = greeting;
    await hear(connection, this.#speaker, {
      greet: () => this.greet(),
      unusable: (topic, why) => {
        this.violations++;
        this.#words.unusable(topic, why);
      },
    });
    await greeting.send();
    this.#work.visits?.greeted();
    this.connects++;
    this.state = 'connected';
    // Where connections broke again and again, one has to last before it counts: longer than one without an answer does.
    let settled = (): void => {};
    if (this.#flaps < FLAPS) this.#words.available(this.#brokers.several ? this.url : undefined);
    else
      settled = clock.after(STABLE + this.#ackTimeout, () => {
        this.#flaps = 0;
        this.#words.available(this.#brokers.several ? this.url : undefined);
      });
    this.fault = undefined;
    // Where the first broker takes connections again, the work on this one ends.
    const side = {
      open: this.#options.ask ?? ((url: string, signal: AbortSignal) => this.#dial.ask(url, signal)),
      answered: () => this.#work.finish(),
      late: () => connection.destroy(),
    };
    const back = this.#brokers.isFirst ? undefined : new FirstBroker(clock, this.#brokers, side);
    try {
      // It may have been asked to go while it subscribed and greeted, when there was no work to finish.
      if (!this.#stopping && !renews && this.#leaves === undefined) await this.#work.run(courier, connection);
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    } finally {
      settled();
      back?.end();
    }
    const ending: Ending =
      this.#stopping || !connection.open
        ? 'over'
        : back?.answered === true
          ? 'moves'
          : renews
            ? 'renews'
            : this.#leaves === undefined && this.#work.visits !== undefined
              ? 'visited'
              : 'over';
    if (!this.#stopping && ending === 'over' && (this.#leaves === undefined || !connection.open)) {
      await connection.closed;
      throw connection.lost();
    }
    if (connection.open) {
      this.#orderly = true;
      // A gateway that is back at once is not away, unless the broker has to say so each time.
      const { willAtEnd = false } = this.#speaker;
      if (ending !== 'renews' || willAtEnd) await courier.alone(this.#speaker.farewell()).catch(() => undefined);
      await connection.end(LEAVE, willAtEnd);
    }
    if (ending === 'visited') this.#work.visits?.done();
    return ending;
  }

  /** Resolves when a connection is worth its bytes, or the gateway stops. */
  async #wanted(): Promise<void> {
    const { visits } = this.#work;
    if (visits === undefined) return;
    while (!this.#stopping && !(await visits.due())) {
      this.state = 'waiting';
      await this.#pause.sleep(LOOK_EVERY);
    }
    visits.begins();
  }

  #failed(error: Error): void {
    this.fault = (error instanceof SluiceError ? this.#speaker.explain?.(error) : undefined) ?? error.message;
    this.#words.failed(this.fault);
  }
}
