/**
 * The loop of an upstream broker: connect, work, wait with back-off and jitter, again; for ever, whatever the broker does.
 * The speaker makes what is said on a connection; the work does everything else on it.
 */
import { SluiceError, toError } from '../../core/errors.ts';
import type { ForwarderReport } from '../../core/ports.ts';
import type { ForwarderContext } from '../forwarder-kind.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { Courier } from './courier.ts';
import type { Dialect, DialectContext, OutMessage, Speaker } from './dialect.ts';
import { type Failure, failureOf, RetryPlan } from './retry-plan.ts';
import { type MqttForwarderSettings, parseBrokerUrl } from './schema.ts';

const CONNECT_TIMEOUT = 10_000;
const ACK_TIMEOUT = 15_000;
/** A connection that lasted so long was a good one. */
const STABLE = 10_000;
/** After so many in a row that did not last, the log does not report each one any more. */
const FLAPS = 3;
/** Different faults of one outage in the log. */
const MOST_WORDS = 5;
/** For a goodbye, milliseconds. */
const LEAVE = 1000;

export interface LinkOptions extends Pick<ForwarderContext, 'gateway' | 'clock' | 'logger' | 'random'> {
  readonly name: string;
  readonly settings: MqttForwarderSettings;
  readonly ackTimeout?: number | undefined;
  /** Tests open what they like. */
  readonly connect?: ((options: ConnectionOptions) => Promise<Connection>) | undefined;
}

/** What a dialect is given of it. */
export function dialectContext(
  options: ForwarderContext & LinkOptions & { readonly dialect: Dialect },
  say: (message: OutMessage) => Promise<void>,
): DialectContext {
  const { gateway, name, settings, dialect, clock, memory, status, inventory, goneRules, hasRule } = options;
  return {
    ...{ gateway, forwarder: name, options: settings[dialect.name], clock, memory: memory(name) },
    ...{ status, inventory, goneRules, hasRule, command: commandsOf(options, say) },
  };
}

/** undefined where the configuration grants nothing. */
function commandsOf(
  { name, settings, commands }: Pick<ForwarderContext & LinkOptions, 'name' | 'settings' | 'commands'>,
  say: (message: OutMessage) => Promise<void>,
): DialectContext['command'] {
  const { commands: grant } = settings;
  if (grant === undefined) return undefined;
  const by = { who: `forwarder ${name}`, door: 'mqtt', role: grant.reload === true ? 'administrator' : 'operator' } as const;
  return (payload, retained, topicOf) =>
    commands.take(
      payload,
      {
        ...{ by, owner: `forwarder:${name}`, grant },
        answer: (kind, id, json) => say({ topic: topicOf(kind, id), payload: json, qos: 1, retain: false }),
      },
      retained,
    );
}

/** What is done with connections. */
export interface LinkWork {
  /** Before the first connection. */
  ready(): Promise<void>;
  /** Until the connection is over, or `finish` was called and everything left. @throws what ended it */
  run(courier: Courier, connection: Connection): Promise<void>;
  /** `run` shall end soon. */
  finish(): void;
  /** A connection is over. @returns whether it carried anything */
  over(): boolean;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #speaker: Speaker;
  readonly #work: LinkWork;
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
  #wake: (() => void) | undefined;
  /** Connections in a row that ended before they were good ones. */
  #flaps = 0;
  /** What the log says of the outage that goes on. */
  readonly #said = new Set<string>();

  constructor(options: LinkOptions, speaker: Speaker, work: LinkWork) {
    this.#options = options;
    this.#speaker = speaker;
    this.#work = work;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Lets the work finish, says goodbye, ends within `within` ms. */
  async stop(within: number): Promise<void> {
    this.#stopping = true;
    this.#askStop();
    this.#work.finish();
    this.#wake?.();
    // A broker that takes the connection and never answers is not waited for.
    this.#connecting?.abort();
    const late = this.#options.clock.after(within, () => this.#connection?.destroy());
    await this.#loop;
    late();
    this.state = 'stopped';
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Sends one message beside everything else. @throws SluiceError when there is no connection, or it ended meanwhile */
  async say(message: OutMessage): Promise<void> {
    if (this.#courier === undefined) throw new SluiceError('upstream-connect', 'there is no connection to the broker');
    await this.#courier.deliver([message]);
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
    const { clock, logger, random, name } = this.#options;
    const plan = new RetryPlan();
    await Promise.race([this.#work.ready(), this.#stopAsked]);
    while (!this.#stopping) {
      const begun = clock.monotonic();
      const { connects } = this;
      let failure: Failure = 'lost';
      try {
        await this.#session();
      } catch (thrown) {
        const error = toError(thrown);
        this.#failed(error);
        failure = failureOf(error);
        if (failure === 'protocol') this.violations++;
      }
      this.#connection = undefined;
      this.#courier = undefined;
      if (this.#stopping) return;
      const carried = this.#work.over();
      const lasted = this.connects > connects && clock.monotonic() - begun > STABLE;
      if (lasted) this.#flaps = 0;
      else if (this.connects > connects && ++this.#flaps === FLAPS)
        logger.warn(
          { forwarder: name, error: this.fault },
          'The upstream broker ends each connection after a short time; the log says when one stays.',
        );
      if (failure !== 'protocol') {
        if (lasted) plan.succeeded();
        else if (carried) plan.carried(failure);
      }
      this.state = 'waiting';
      const pause = plan.next(failure, random());
      this.nextTry = clock.monotonic() + pause;
      await this.#pause(pause);
      this.nextTry = undefined;
    }
  }

  /** One connection from CONNECT to its end. @throws what ended it, unless it was asked to end */
  async #session(): Promise<void> {
    const { settings, clock, gateway, name } = this.#options;
    const address = parseBrokerUrl(settings.url);
    if ('wrong' in address) throw new SluiceError('internal', address.wrong);
    this.state = 'connecting';
    // The client is heavy: a look at the configuration does not load it.
    const connect = this.#options.connect ?? (await import('./connection.ts')).Connection.open;
    if (this.#stopping) return;
    this.#connecting = new AbortController();
    const connection = await connect({
      ...address,
      clientId: settings.clientId ?? `sluice-${gateway}-${name}`,
      username: settings.username,
      password: settings.password?.reveal(),
      will: this.#speaker.will(),
      connectTimeout: CONNECT_TIMEOUT,
      ackTimeout: this.#options.ackTimeout ?? ACK_TIMEOUT,
      clock,
      asked: settings.commands !== undefined,
      signal: this.#connecting.signal,
    });
    this.#connecting = undefined;
    this.#connection = connection;
    if (this.#stopping) {
      await connection.end(LEAVE / 2);
      return;
    }
    const courier = new Courier(connection);
    this.#courier = courier;
    await this.#subscribe(connection);
    await this.#greetWith(courier);
    this.connects++;
    this.state = 'connected';
    // Where connections broke again and again, one has to last before it counts.
    let settled = (): void => {};
    if (this.#flaps < FLAPS) this.#available();
    else
      settled = clock.after(STABLE, () => {
        this.#flaps = 0;
        this.#available();
      });
    this.fault = undefined;
    try {
      if (!this.#stopping) await this.#work.run(courier, connection);
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    } finally {
      settled();
    }
    if (!this.#stopping) {
      await connection.closed;
      throw connection.lost();
    }
    if (connection.open) {
      await courier.alone(this.#speaker.farewell()).catch(() => undefined);
      await connection.end(LEAVE);
    }
  }

  #failed({ message }: Error): void {
    const { logger, name } = this.#options;
    this.fault = message;
    if (this.#said.has(message) || this.#said.size >= MOST_WORDS) return;
    this.#said.add(message);
    logger.warn({ forwarder: name, error: message }, 'The upstream broker is not available; readings are kept.');
  }

  #available(): void {
    const { logger, name } = this.#options;
    const after = [...this.#said].at(-1);
    if (after === undefined) logger.info({ forwarder: name }, 'Connected to the upstream broker.');
    else logger.info({ forwarder: name, after }, 'The upstream broker is available again.');
    this.#said.clear();
  }

  async #subscribe(connection: Connection): Promise<void> {
    const { subscriptions } = this.#speaker;
    if (subscriptions === undefined || subscriptions.length === 0) return;
    connection.received = (topic, payload, retained) => {
      if (this.#speaker.received?.(topic, payload, retained) === 'greet') this.greet();
    };
    await connection.subscribe(subscriptions);
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#options.clock.after(ms, wake);
      this.#wake = wake;
    });
  }
}
