/**
 * A forwarder with a cursor: what comes next is the outlet's to know, delivery is in ../drain.ts, topics and payloads are
 * the dialect's, the connection and its return are in link.ts. Here they are put together, and counted.
 */
import type { Duty } from '../../core/duty.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Forwarder, ForwarderReport } from '../../core/ports.ts';
import type { MessageOutcome, RuleMessage } from '../../core/rule-message.ts';
import type { OutBatch, OutNotice } from '../../store/delivery/out.ts';
import type { Outlet } from '../../store/delivery/outlet.ts';
import type { Lane } from '../../store/files/lane-state.ts';
import { Drain } from '../drain.ts';
import type { AlarmHold, Carried, DrainTarget } from '../drain-sides.ts';
import { BatchSize } from './batch-size.ts';
import { bytesOf, LogVisits } from './budget/log-visits.ts';
import { thrifty } from './budget/thrifty.ts';
import type { Visits } from './budget/visits.ts';
import type { Connection } from './connection.ts';
import type { Courier } from './courier.ts';
import { DeliveryWords, keptWords } from './delivery-words.ts';
import type { Delivery, LogSpeaker, OutMessage } from './dialect.ts';
import { dialectContext } from './dialect-context.ts';
import { recordFilter, severityLeaves } from './filter-keys.ts';
import { Link } from './link.ts';
import { LinkPace, START } from './link-pace.ts';
import type { LinkWork } from './link-work.ts';
import type { LogForwarderOptions } from './log-forwarder-options.ts';
import { type Delivered, Patience } from './patience.ts';
import { type MessageWay, RuleMessages } from './rule-messages.ts';
import { TokenBucket } from './token-bucket.ts';
import { Unheard } from './unheard.ts';

const TEND = 1000;

export class LogForwarder implements Forwarder, LinkWork {
  readonly name: string;
  readonly #options: LogForwarderOptions;
  #parts: { readonly speaker: LogSpeaker; readonly outlet: Outlet; readonly link: Link } | undefined;
  #drain: Drain | undefined;
  /** Under a budget. */
  #logVisits: LogVisits | undefined;
  readonly #words: DeliveryWords;
  #tending: (() => void) | undefined;
  #tendsAt = Number.POSITIVE_INFINITY;
  /** Milliseconds of connection that went by without a known clock (contract, rule 8). */
  #held = 0;
  readonly #size: BatchSize;
  readonly #patience: Patience;
  /** Not under a budget: a visit knows its own. At most one for each channel that waits in the log. */
  readonly #heldAlarms = new Map<string, AlarmHold>();
  readonly #bucket: TokenBucket;
  readonly #pace: LinkPace;
  /** The broker acknowledged something beside what a connection begins with. */
  #carried = false;
  /** Bytes that the last batch of each lane was on the wire. */
  readonly #bytes: Record<Lane, number> = { data: 0, history: 0 };
  #last: Partial<Record<Lane, { log: number; last: number }>> = {};
  #counters = { published: 0, acked: 0, retries: 0, readings: 0, bytes: 0 };
  readonly #unheard: Unheard;
  readonly #messages: RuleMessages;
  #lastAck: number | undefined;

  constructor(options: LogForwarderOptions) {
    this.name = options.name;
    this.#options = options;
    this.#words = new DeliveryWords(options);
    this.#size = new BatchSize(options.settings.batch.maxReadings);
    this.#unheard = new Unheard(options.logger, options.name);
    this.#messages = new RuleMessages(options.clock, options.gateway);
    this.#patience = new Patience(options);
    this.#pace = new LinkPace(options.settings.budget === undefined ? START.connection : START.visit);
    this.#bucket = new TokenBucket(options.settings.history.rate, options.clock.monotonic(), options.random);
  }

  /** Here and not before: a predecessor of the same name may have changed until now what is kept under it. */
  attach(): void {
    if (this.#parts !== undefined) return;
    const { name, settings, log, gateway, dialect, clock, outward } = this.#options;
    const context = dialectContext(this.#options, (message) => this.#link.say([message]));
    const speaker = dialect.create({ ...context, delivery: this.#delivery });
    // The keeper then makes payloads for few bytes, and not for little work.
    const small = settings.budget !== undefined;
    const formatOptions = { ...speaker.formatOptions, compress: settings.compress, small };
    const counters = () => this.#options.site.counters?.() ?? [];
    const filter = recordFilter(settings.filter, counters, settings.batch.maxAge, outward);
    const outlet = log.outlet(name, settings.from, gateway, dialect.format.name, formatOptions, filter);
    if (settings.budget === undefined) this.#parts = { speaker, outlet, link: new Link(this.#options, speaker, this) };
    else {
      const side = { isBulk: () => this.visits?.bulk === true, broker: () => this.#link.url, now: () => clock.monotonic() };
      const link = new Link(this.#options, thrifty(speaker, side), this);
      this.#parts = { speaker, outlet, link };
      this.#logVisits = new LogVisits({
        ...{ budget: settings.budget, options: this.#options, outlet, account: link.account },
        ...{ holds: () => this.#holds, delivered: () => this.#counters, messages: () => this.#messages.waiting },
        ...{ quiet: () => this.#messages.quiet, channel: (notice) => this.#channel(notice) },
      });
    }
  }

  get visits(): Visits | undefined {
    return this.#logVisits?.visits;
  }
  get #attached() {
    if (this.#parts === undefined) throw new SluiceError('internal', `${this.name} is not started yet`);
    return this.#parts;
  }
  get #speaker(): LogSpeaker {
    return this.#attached.speaker;
  }
  get #outlet(): Outlet {
    return this.#attached.outlet;
  }
  get #link(): Link {
    return this.#attached.link;
  }

  readonly #delivery: Delivery = {
    greet: () => this.#link.greet(),
    say: (messages) => this.#link.say(messages),
    proven: () => this.#link.proven(),
    again: (spans) => {
      for (const { log, first, last } of spans) this.#outlet.again(log, first, last);
    },
    leave: (why) => this.#link.leave(why),
    next: (why) => {
      if (this.#link.several) this.#link.leave(why);
    },
  };

  start(): void {
    if (this.#tending !== undefined) return;
    this.attach();
    this.#link.start();
    this.#tend();
  }

  /** Sends what is live, lets it be acknowledged, says goodbye, ends within `within` ms. The cursor stays. */
  async stop(within: number): Promise<void> {
    this.#tending?.();
    this.#messages.stop();
    await this.#parts?.link.stop(within);
    this.#messages.over();
  }

  /** The inventory changed, rules went. What cannot be said now is said when the next connection begins. */
  republish(goneRules: readonly string[]): void {
    this.#parts?.speaker.changed?.(goneRules);
    this.#parts?.link.greet();
  }

  async say(topic: string, payload: string): Promise<void> {
    await this.#attached.link.say([{ topic, payload, qos: 1, retain: false }]);
  }

  deliver(message: RuleMessage): Promise<MessageOutcome> {
    return this.#messages.deliver(message);
  }

  get connected(): boolean {
    return this.#parts?.link.state === 'connected';
  }

  duties(): Duty[] {
    if (this.#tending === undefined || this.#link.stopping) return [];
    const tends = { name: `the care for the forwarder ${this.name}`, due: this.#tendsAt };
    return [tends, ...this.#link.duties(), ...(this.#drain?.duties(this.name) ?? [])];
  }

  status(): ForwarderReport {
    const { state, fault, nextTry, connects, violations, url } = this.#link;
    const live = this.#outlet.waiting(Number.MAX_SAFE_INTEGER);
    return {
      ...{ name: this.name, type: 'mqtt', state, nextTry, url },
      mode: this.#outlet.live ? 'live' : 'history',
      fault: fault ?? this.#words.fault ?? keptWords(this.#patience.fault ?? this.visits?.fault, this.#outlet.crowd),
      lastAck: this.#lastAck,
      oldestLive: live.oldest,
      liveReadings: live.readings,
      batchLimit: Math.floor(this.#pace.most),
      waiting: { data: this.#outlet.backlog('data')?.from, history: this.#outlet.backlog('history')?.from },
      counters: { ...this.#counters, refused: this.#words.refusals, unheard: this.#unheard.count, connects, violations },
      wire: { ...this.#link.account.use(), perDay: this.#options.settings.budget?.perDay },
    };
  }

  // The link calls the following.

  /** A new forwarder's start is in the file before anything leaves (contract, rule 9). */
  ready(): Promise<void> {
    return this.#outlet.ready();
  }

  async run(courier: Courier, connection: Connection): Promise<void> {
    const { settings, clock, log } = this.#options;
    const drain = new Drain(
      {
        ...{ log, clock, outlet: this.#outlet, maxAge: settings.batch.maxAge },
        maxReadings: () => this.#size.readings,
        cut: {
          readings: (lane) => this.#pace.readings(lane),
          fits: (batch) => this.#pace.fits({ ...batch, bytes: bytesOf(batch) }),
        },
        hold: () => this.#holds,
        pace: (batch) => (batch.lane === 'history' ? this.#bucket.take(bytesOf(batch), clock.monotonic()) : 0),
        ...(this.visits === undefined ? { held: this.#heldAlarms } : {}),
        visit: this.#logVisits?.drain(courier),
        refused: (what, error) => this.#words.refused(what, error),
        unread: (of, error) => this.#words.unread(of, error),
        sent: (batch) => this.#sent(batch),
        delivered: (batch) => this.#delivered(batch),
      },
      this.#target(courier, connection),
    );
    [this.#drain, courier.greeted] = [drain, () => drain.greeted()];
    this.#bucket.begin(clock.monotonic());
    this.#pace.begin();
    void connection.closed.then(() => {
      drain.end();
      this.#patience.forget();
    });
    const begun = this.#link.account.utc;
    try {
      if (!this.#link.stopping) {
        this.#messages.begin(this.#messageWay(courier, drain));
        await drain.run();
        await (this.visits === undefined ? this.#messages.rest() : this.#messages.drained());
      }
      this.#logVisits?.drained(begun);
    } finally {
      void this.#messages.rest();
      this.#drain = undefined;
    }
  }

  #messageWay(courier: Courier, drain: Drain): MessageWay {
    const { visits } = this;
    return {
      deliver: async (message) => {
        const delivered = await courier.deliver([message]);
        if (delivered === 'accept') this.#carried = true;
        return delivered;
      },
      calm: () => drain.calm(),
      admit: (bytes) => visits?.admitMessage(bytes) ?? true,
      settled: (bytes) => visits?.settled(bytes),
    };
  }

  /** Data and history wait: for the clock, or for the dialect. */
  get #holds(): boolean {
    const { clockKnown, clockHold } = this.#options;
    return (!clockKnown() && this.#held < clockHold()) || this.#speaker.holds?.() === true;
  }

  finish(): void {
    this.#drain?.finish();
    this.#patience.hurry();
  }

  over(): boolean {
    this.#pace.over(this.#options.clock.monotonic());
    this.#size.over();
    const carried = this.#carried;
    this.#carried = false;
    return carried;
  }

  #target(courier: Courier, connection: Connection): DrainTarget {
    const speaker = this.#speaker;
    const { clock } = this.#options;
    return {
      batch: async (batch) => {
        const delivered = await courier.deliver(this.#counted(batch));
        const answered = delivered === 'accept' && speaker.outcome !== undefined ? await speaker.outcome(batch) : delivered;
        if (answered === 'accept') this.#pace.acknowledged(batch.lane, clock.monotonic(), connection.roundTrip);
        else this.#pace.returned(batch.lane);
        if (answered === 'keep' || this.#later(batch.lane, answered)) return 'keep';
        return this.#patience.judge(batch.lane, answered, (error) => this.#size.smaller(batch, error));
      },
      channel: (notice) => this.#channel(notice),
      notice: async (notice) => {
        const delivered = await courier.deliver(speaker.notice(notice));
        const { kind, log, seq } = notice;
        if (this.#later(kind, delivered, this.#channel(notice))) return 'keep';
        const words = [`${kind} ${log}/${seq}`, delivered, () => false] as const;
        const outcome = await (kind === 'alarm' ? this.#patience.verdict(...words) : this.#patience.judge(...words));
        if (outcome === 'accept' && notice.kind === 'alarm') this.visits?.alarmLeft();
        const answered = outcome === 'accept' && speaker.noticed !== undefined ? await speaker.noticed(notice) : outcome;
        if (answered === 'accept') this.#carried = true;
        return answered;
      },
    };
  }

  /** undefined: it does not leave. */
  #channel(notice: OutNotice): string | undefined {
    return severityLeaves(this.#options.settings.filter, notice.json) ? this.#speaker.channel(notice) : undefined;
  }

  /**
   * On a visit nobody waits for a broker that takes it later: the connection has its bytes, and each try as well. What may be taken
   * once it is smaller, and a refusal without a reason, are the patience's to judge.
   */
  #later(of: Carried, delivered: Delivered, channel?: string): boolean {
    if (this.visits === undefined || delivered === 'accept' || 'reject' in delivered) return false;
    const { code, data, message } = delivered.keep;
    if (code !== 'upstream-busy' || data.unclear === true) return false;
    if (of === 'alarm') this.visits.alarmKept(channel ?? '', message);
    else this.visits.kept(of, message);
    return true;
  }

  *#counted(batch: OutBatch): Generator<OutMessage> {
    this.#bytes[batch.lane] = 0;
    for (const message of this.#speaker.batch(batch)) {
      this.#bytes[batch.lane] += Buffer.byteLength(message.payload);
      yield { ...message, unheard: () => this.#unheard.note(batch.lane, message.topic) };
    }
  }

  #sent(batch: OutBatch): void {
    const before = this.#last[batch.lane];
    if (before?.log === batch.log && batch.first <= before.last) this.#counters.retries++;
    this.#last[batch.lane] = { log: batch.log, last: batch.last };
    this.#counters.published++;
    this.#pace.sent({ ...batch, bytes: bytesOf(batch) }, this.#options.clock.monotonic());
  }

  #delivered(batch: OutBatch): void {
    this.#carried = true;
    this.#size.acknowledged();
    this.#unheard.acknowledged(batch.lane);
    this.#counters.acked++;
    this.#counters.readings += batch.readings;
    this.#counters.bytes += this.#bytes[batch.lane];
    this.#lastAck = this.#options.clock.monotonic();
  }

  #tend(): void {
    const { clock, logger, settings, clockKnown } = this.#options;
    this.#tendsAt = clock.monotonic() + TEND;
    this.#tending = clock.after(TEND, () => {
      if ((this.connected || this.visits !== undefined) && !clockKnown()) this.#held += TEND;
      const change = this.#outlet.tend(this.connected && this.visits === undefined, clock.monotonic(), settings.batch.maxAge);
      if (change === 'lag') logger.info({ forwarder: this.name }, 'Live delivery is late; readings from now on go to history.');
      else if (change === 'resume') logger.info({ forwarder: this.name }, 'Readings are live again.');
      this.#tend();
    });
  }
}
