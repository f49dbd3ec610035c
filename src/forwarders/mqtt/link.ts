/**
 * The loop of an upstream broker: connect, work, wait with back-off and jitter, again; for ever, whatever the broker does.
 * The speaker makes what is said on a connection; the work does everything else on it.
 */
import type { Duty } from '../../core/duty.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { ForwarderReport } from '../../core/ports.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import { brokerAddress } from './address.ts';
import { Brokers } from './brokers.ts';
import { Account } from './budget/account.ts';
import type { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { Courier } from './courier.ts';
import type { OutMessage, Speaker } from './dialect.ts';
import type { Failure } from './failure.ts';
import { FirstBroker, type FirstBrokerSide } from './first-broker.ts';
import { clientIdOf, proxyOf, tlsOf, wayOf } from './login.ts';
import { OutageWords } from './outage-words.ts';
import { RetryPause } from './retry-pause.ts';
import { failureOf, RetryPlan } from './retry-plan.ts';
import type { MqttForwarderSettings } from './schema.ts';
import { TlsSessions } from './wire/tls-sessions.ts';

const CONNECT_TIMEOUT = 10_000;
const ACK_TIMEOUT = 15_000;
/** A connection that lasted so long was a good one. */
const STABLE = 10_000;
/** After so many in a row that did not last, the log does not report each one any more. */
const FLAPS = 3;
/** Counted bytes are kept so often: a kill forgets those of this time. */
const SAVE_EVERY = 600_000;
/** Whether a visit is due is asked so often, ms. */
const LOOK_EVERY = 1000;
/** For a goodbye, milliseconds. */
const LEAVE = 1000;

/** `moves`: to make place for one to the first broker. `renews`: its log-in ends soon. `visited`: nothing is left. */
type Ending = 'over' | 'moves' | 'renews' | 'visited';

type LinkNeeds = 'gateway' | 'clock' | 'clockKnown' | 'log' | 'logger' | 'memory' | 'random';

export interface LinkOptions extends Pick<ForwarderContext, LinkNeeds> {
  readonly name: string;
  readonly settings: MqttForwarderSettings;
  readonly ackTimeout?: number | undefined;
  /** What of the network decides about a connection, as a text; tests have another one. */
  readonly network?: (() => string) | undefined;
  /** Milliseconds on another broker until the first one is asked; tests have less time. */
  readonly backAfter?: number | undefined;
  /** Tests open what they like. */
  readonly connect?: ((options: ConnectionOptions) => Promise<Connection>) | undefined;
  /** Tests answer for the first broker. */
  readonly ask?: FirstBrokerSide['open'] | undefined;
}

export interface LinkVisits {
  due(): Promise<boolean>;
  begins(): void;
  greeted(): void;
  /** What is wrong with how much the broker sends, as the end of "the broker …"; undefined: nothing. */
  excess(): string | undefined;
  done(): void;
  failed(): number;
}

/** What is done with connections. */
export interface LinkWork {
  /** Absent: a connection is always wanted. Otherwise each is made when it is due, and ends with its work. */
  readonly visits?: LinkVisits | undefined;
  /** Before the first connection. */
  ready(): Promise<void>;
  /** Until the connection is over, or `finish` was called and everything left. @throws what ended it */
  run(courier: Courier, connection: Connection): Promise<void>;
  /** The present `run` shall end soon: the gateway stops, or another broker is next. */
  finish(): void;
  /** A connection is over. @returns whether it carried anything */
  over(): boolean;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #speaker: Speaker;
  readonly #work: LinkWork;
  readonly #brokers: Brokers;
  readonly #sessions = new TlsSessions();
  readonly #words: OutageWords;
  /** The bytes of its connections. */
  readonly account: Account;
  #saving = (): void => {};
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
  #greeting = false;
  #greetAgain = false;
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
    const { clock, clockKnown, log, logger, memory, name } = options;
    this.#words = new OutageWords(logger, name);
    this.#pause = new RetryPause(options);
    this.account = new Account({ clock, clockKnown, offset: () => log.clock.last?.offset, memory: memory(`${name}@wire`) });
  }

  /** The broker that is connected or is tried next. */
  get url(): string {
    return this.#brokers.url;
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.#loop = this.#run();
    this.#save();
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
    this.#saving();
    this.account.save();
    this.state = 'stopped';
  }

  #save(): void {
    this.#saving = this.#options.clock.after(SAVE_EVERY, () => {
      this.account.save();
      this.#save();
    });
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
    return this.#options.ackTimeout ?? ACK_TIMEOUT;
  }

  /** Sends anew what a connection begins with; several wishes become one. Without a connection the next one does it anyway. */
  greet(): void {
    const [connection, courier] = [this.#connection, this.#courier];
    if (connection?.open !== true || courier === undefined) return;
    if (this.#greeting) {
      this.#greetAgain = true;
      return;
    }
    this.#greetWith(courier).catch(() => connection.destroy());
  }

  async #greetWith(courier: Courier): Promise<void> {
    this.#greeting = true;
    try {
      do {
        this.#greetAgain = false;
        await courier.alone(this.#speaker.greet());
      } while (this.#greetAgain);
    } finally {
      this.#greeting = false;
    }
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
      let failure: Failure = 'lost';
      this.#pause.look();
      let ending: Ending = 'over';
      let unanswered = false;
      try {
        ending = await this.#session();
      } catch (thrown) {
        const error = toError(thrown);
        unanswered = error instanceof SluiceError && error.code === 'upstream-timeout';
        // A connection that a stop ends says nothing about the broker.
        if (!this.#stopping) this.#failed(error);
        failure = failureOf(error);
        if (failure === 'protocol') this.violations++;
      }
      // What failed before the work began left it open.
      this.#connection?.destroy();
      if (this.#connection !== undefined && !this.#orderly) this.#speaker.lost?.();
      this.#connection = undefined;
      this.#courier = undefined;
      if (this.#stopping) return;
      const carried = this.#work.over();
      // The wait for an acknowledgement makes any connection a long one.
      const mute = unanswered && !carried;
      const lasted = ending === 'visited' || (!mute && this.connects > connects && clock.monotonic() - begun > STABLE);
      if (lasted) this.#flaps = 0;
      else if (this.connects > connects && ++this.#flaps === FLAPS) this.#words.flapping(this.fault);
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
      const pause = Math.max(plan.next(failure, random()), this.#work.visits?.failed() ?? 0);
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
    const { settings, clock, gateway, name } = this.#options;
    this.#leaves = undefined;
    this.#orderly = false;
    const address = brokerAddress(this.#brokers.url);
    this.state = 'connecting';
    // The client is heavy: a look at the configuration does not load it.
    const connect = this.#options.connect ?? (await import('./connection.ts')).Connection.open;
    const { renewAfter, ...way } = await wayOf(settings, address, this.#speaker, clientIdOf(gateway, name, settings));
    if (this.#stopping) return 'over';
    this.#connecting = new AbortController();
    const connection = await connect({
      ...{
        ...address,
        ...way,
        sessions: this.#sessions,
        thrifty: settings.budget !== undefined,
        meter: this.account.meter,
        clock,
        will: () => this.#speaker.will(),
      },
      excess: () => this.#work.visits?.excess(),
      ...{ clockKnown: this.#options.clockKnown(), signal: this.#connecting.signal },
      ...{ connectTimeout: CONNECT_TIMEOUT, ackTimeout: this.#ackTimeout },
    });
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
    await this.#subscribe(connection);
    await this.#greetWith(courier);
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
    const back = this.#brokers.isFirst ? undefined : this.#askFirst(connection);
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

  /** Asks the first broker from time to time whether it takes connections. Where it does, the work on this one ends. */
  #askFirst(connection: Connection): FirstBroker {
    const { settings, clock, clockKnown } = this.#options;
    return new FirstBroker(clock, this.#brokers, {
      open:
        this.#options.ask ??
        (async (url, signal) => {
          const address = brokerAddress(url);
          const tls = (await tlsOf(settings, address, this.#speaker)) ?? {};
          const { openWire } = await import('./wire/open-wire.ts');
          const route = { address, tls, clock, signal, proxy: proxyOf(settings) };
          return openWire({ ...route, meter: this.account.meter, clockKnown: clockKnown() }, () => {});
        }),
      answered: () => this.#work.finish(),
      late: () => connection.destroy(),
    });
  }

  #failed(error: Error): void {
    this.fault = (error instanceof SluiceError ? this.#speaker.explain?.(error) : undefined) ?? error.message;
    this.#words.failed(this.fault);
  }

  async #subscribe(connection: Connection): Promise<void> {
    const { subscriptions } = this.#speaker;
    if (subscriptions === undefined || subscriptions.length === 0) return;
    connection.received = (topic, payload, retained) => {
      if (this.#heard(topic, payload, retained) === 'greet') this.greet();
    };
    await connection.subscribe(subscriptions);
  }

  /** The far side chose every byte of it: a fault of the speaker in it ends neither the gateway nor the connection. */
  #heard(topic: string, payload: Uint8Array, retained: boolean): 'greet' | undefined {
    try {
      return this.#speaker.received?.(topic, payload, retained);
    } catch (thrown) {
      this.violations++;
      this.#words.unusable(topic, toError(thrown).message);
      return undefined;
    }
  }
}

function noConnection(): SluiceError {
  return new SluiceError('upstream-connect', 'there is no connection to the broker');
}
