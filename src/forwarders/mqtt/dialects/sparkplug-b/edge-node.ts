/**
 * One edge node at work. Invariants:
 *
 * - Nothing but NDEATH leaves before the births of a connection, and with a primary host no births before it is online.
 * - A message gets its number as it is made, which is when it leaves; births begin again at 0.
 * - A metric leaves only under an alias that births of this connection gave it. Where a record has another one, births come first
 *   and the batch is offered again.
 * - A batch counts once the broker has answered a question that was sent behind it. QoS 0 has no other acknowledgement.
 * - Births may come between two messages of a batch. What is born is therefore asked for each message.
 */
import { ProtoWriter } from '../../../../codecs/protobuf.ts';
import { type Metric, writeHead } from '../../../../codecs/sparkplug.ts';
import { toError } from '../../../../core/errors.ts';
import type { OutBatch, OutNotice } from '../../../../store/delivery/out.ts';
import type { Outcome } from '../../../drain-sides.ts';
import { type LogDialectContext, type LogSpeaker, type OutMessage, PROBE } from '../../dialect.ts';
import { adopt, type Place, partsOf } from './adopt.ts';
import { NodeMetrics } from './alarms.ts';
import { bdSeqOf, death, deviceMetrics, NUMBERS, nodeMetrics, payloadOf } from './births.ts';
import { deviceOrders, nodeOrders, type Order } from './commands.ts';
import { LateNotices } from './late-notices.ts';
import { Metrics } from './metrics.ts';
import type { SparkplugOptions } from './options.ts';
import { PrimaryHost } from './primary-host.ts';
import { Rolling } from './rolling.ts';
import { Silence } from './silence.ts';

/** Milliseconds between two births that a host asks for. */
const REBIRTH_PAUSE = 1000;
/** A correction of the clock after which births say the times anew, ms. */
const CLOCK_MOVED = 1000;
/** Letters of `to` whose plans are remembered: a site has some for each device. */
const MOST_LETTERS = 1_000_000;

/** `waits`: no births on this connection yet. `leaves`: it ends, and only NDEATH follows. */
type Phase = 'waits' | 'born' | 'leaves';

interface Plan {
  readonly device: string;
  readonly up: boolean;
  readonly places: readonly Place[];
  /** Points that births do not name. */
  readonly unknown: boolean;
}

export class EdgeNode implements LogSpeaker {
  readonly subscriptions: readonly string[];
  readonly willAtEnd = true;
  readonly #context: LogDialectContext;
  readonly #options: SparkplugOptions;
  readonly #node: string;
  readonly #metrics: Metrics;
  readonly #own: NodeMetrics;
  readonly #host: PrimaryHost | undefined;
  readonly #hostTopic: string;
  readonly #silence = new Silence();
  readonly #sent: Rolling;
  readonly #late: LateNotices;
  #phase: Phase = 'waits';
  #bdSeq: number;
  #seq = 0;
  /** Devices that are born and not dead on this connection; with the newest time of a value that is not historical. */
  readonly #born = new Map<string, number>();
  readonly #plans = new Map<string, Plan>();
  #letters = 0;
  /** Batches that did not leave as a whole. */
  readonly #kept = new WeakSet<OutBatch | OutNotice>();
  /** Monotonic: the broker had everything that was sent before. */
  #proven = Number.NEGATIVE_INFINITY;
  #bornAt = Number.NEGATIVE_INFINITY;
  #bornOffset = 0;
  #rebirth: (() => void) | undefined;
  /** A value did not fit its metric, which births have to say anew. */
  #misfit = false;
  #orders = 0;

  constructor(context: LogDialectContext, options: SparkplugOptions) {
    this.#context = context;
    this.#options = options;
    this.#node = options.node ?? context.gateway;
    this.#metrics = new Metrics(context.site);
    this.#own = new NodeMetrics(this.#metrics, context.command !== undefined);
    this.#host = options.primaryHost === undefined ? undefined : new PrimaryHost();
    this.#hostTopic = `spBv1.0/STATE/${options.primaryHost ?? ''}`;
    this.#sent = new Rolling(options.resend);
    this.#late = new LateNotices(options.resend);
    this.#bdSeq = bdSeqOf(context.memory.load());
    this.subscriptions = [
      this.#topic('NCMD'),
      ...(context.command === undefined ? [] : [`${this.#topic('DCMD')}/+`]),
      ...(this.#host === undefined ? [] : [this.#hostTopic]),
    ];
  }

  #topic(word: string, device?: string): string {
    const base = `spBv1.0/${this.#options.group}/${word}/${this.#node}`;
    return device === undefined ? base : `${base}/${device}`;
  }
  get #now(): number {
    return Math.max(0, Math.round(this.#context.now()));
  }
  /** UTC minus the monotonic clock, ms. */
  get #offset(): number {
    return this.#context.now() - this.#context.clock.monotonic();
  }

  will(): OutMessage {
    this.lost();
    this.#bdSeq = (this.#bdSeq + 1) % NUMBERS;
    this.#context.memory.save({ bdSeq: this.#bdSeq });
    return this.#death();
  }
  /** Also of a connection that ended in order: the next one may be to another broker. */
  lost(): void {
    this.#phase = 'waits';
    this.#born.clear();
    this.#host?.forget();
    const since = this.#proven - this.#options.resend;
    // History is sent twice at most: a line that breaks all the time must not stand still.
    this.#context.delivery.again(this.#sent.take(since, 'data'));
    this.#late.lost(since);
  }
  #death(): OutMessage {
    return { topic: this.#topic('NDEATH'), payload: death(this.#bdSeq), qos: 1, retain: false };
  }

  *greet(): Generator<OutMessage> {
    if (this.#phase === 'leaves') return;
    const { inventory, site, clock, delivery } = this.#context;
    if (this.#host?.online === false) {
      this.#host.await(clock, () => delivery.next(`the primary host ${this.#options.primaryHost} says nothing at this broker`));
      return;
    }
    this.#metrics.refresh(inventory());
    this.#own.refresh(site.rules());
    this.#forgetPlans();
    this.#born.clear();
    this.#phase = 'born';
    this.#bornAt = clock.monotonic();
    this.#bornOffset = this.#offset;
    const now = this.#now;
    const own = [...nodeMetrics(this.#bdSeq, now), ...this.#own.births(site.alarms(), now)];
    // The number of an NBIRTH is 0.
    this.#seq = NUMBERS - 1;
    yield this.#message(
      'NBIRTH',
      undefined,
      own.sort((a, b) => a.timestamp - b.timestamp),
    );
    for (const device of this.#metrics.devices) if (!this.#silence.isDown(device)) yield this.#birth(device);
    for (const { kind, key, json } of this.#late.take(this.#bornAt))
      if (this.#own.has(kind, key)) yield this.#message('NDATA', undefined, this.#own.notice(kind, key, json, this.#now, true));
  }
  #birth(device: string): OutMessage {
    const metrics = deviceMetrics(device, this.#metrics, this.#context.latest, this.#now);
    this.#born.set(device, metrics.findLast(({ value }) => value !== undefined)?.timestamp ?? 0);
    return this.#message('DBIRTH', device, metrics);
  }
  #message(word: string, device: string | undefined, metrics: Iterable<Metric>): OutMessage {
    return this.#out(word, device, payloadOf(this.#now, this.#number(), metrics));
  }
  #out(word: string, device: string | undefined, payload: Uint8Array): OutMessage {
    return { topic: this.#topic(word, device), payload, qos: 0, retain: false };
  }
  #number(): number {
    this.#seq = (this.#seq + 1) % NUMBERS;
    return this.#seq;
  }

  holds(): boolean {
    return this.#phase !== 'born';
  }

  *batch(batch: OutBatch): Generator<OutMessage> {
    if (this.#phase !== 'born' || this.#clockMoved() || !this.#knows(batch)) {
      this.#kept.add(batch);
      return;
    }
    for (const { to, payload } of batch.messages) {
      const { device, up } = this.#plan(to);
      if (batch.lane === 'data') this.#silence.heard(device, up);
      // All that such a message says of a dead device is that it is dead.
      if (!up && !this.#born.has(device)) continue;
      // Births may have come since the last message, and then it is dead again.
      while (this.#phase === 'born' && !this.#born.has(device)) yield this.#birth(device);
      if (this.#phase !== 'born') break;
      yield this.#data(batch, to, payload as Uint8Array);
      if (this.#born.has(device) && this.#isDead(device)) yield this.#bury(device);
    }
    if (this.#phase !== 'born') this.#kept.add(batch);
  }
  /** Whether births said other times than the readings have now. Others are on their way then. */
  #clockMoved(): boolean {
    const moved = Math.abs(this.#offset - this.#bornOffset) > CLOCK_MOVED;
    if (moved) this.#context.delivery.greet();
    return moved;
  }
  #isDead(device: string): boolean {
    return !this.#metrics.isConfigured(device) || this.#silence.isDown(device);
  }
  #bury(device: string): OutMessage {
    this.#born.delete(device);
    return this.#message('DDEATH', device, []);
  }
  #data(batch: OutBatch, to: string, body: Uint8Array): OutMessage {
    const { device, places } = this.#plan(to);
    const out = new ProtoWriter(body.length + 32);
    writeHead(out, this.#now, this.#number());
    const { newest, leftOut } = adopt(out, body, places, this.#born.get(device) ?? 0, (slot, number) => {
      this.#metrics.widen(slot, number);
      this.#misfit = true;
      this.#kept.add(batch);
    });
    this.#born.set(device, newest);
    if (!this.#kept.has(batch)) this.#metrics.leftOut += leftOut;
    return this.#out('DDATA', device, out.take());
  }

  /** Whether births name every point of the batch. Where they do not, others are on their way. */
  #knows({ messages }: OutBatch): boolean {
    let remembered = false;
    for (const { to } of messages) {
      if (!this.#plan(to).unknown) continue;
      const { device, points } = partsOf(to);
      for (const point of points)
        if (this.#metrics.slot(device, point.point) === undefined && this.#metrics.remember(device, point)) remembered = true;
    }
    if (remembered) this.#context.delivery.greet();
    return !remembered;
  }
  #plan(to: string): Plan {
    const known = this.#plans.get(to);
    if (known !== undefined) return known;
    const { device, up, points } = partsOf(to);
    const places = points.map(({ point, type }): Place => ({ slot: this.#metrics.slot(device, point), written: type }));
    const plan = { device, up, places, unknown: places.some(({ slot }) => slot === undefined) };
    this.#letters += to.length;
    if (this.#letters > MOST_LETTERS) this.#forgetPlans();
    this.#plans.set(to, plan);
    return plan;
  }

  #forgetPlans(): void {
    this.#plans.clear();
    this.#letters = 0;
  }

  async outcome(batch: OutBatch): Promise<Outcome> {
    if (this.#misfit) this.#context.delivery.greet();
    this.#misfit = false;
    if (this.#kept.delete(batch)) return 'keep';
    await this.#prove();
    // The primary host went while the broker was asked.
    if (this.#phase !== 'born') return 'keep';
    this.#sent.add(batch, this.#context.clock.monotonic());
    this.#tellLeftOut();
    return 'accept';
  }
  #tellLeftOut(): void {
    const { leftOut } = this.#metrics;
    if (leftOut === 0) return;
    this.#metrics.leftOut = 0;
    const { forwarder, event } = this.#context;
    const words = 'the log has more points that the configuration does not have than births can name';
    event('refused', `Readings for ${forwarder} were left out: ${words}.`, { forwarder, readings: leftOut });
  }
  async #prove(): Promise<void> {
    await this.#context.delivery.proven();
    this.#proven = this.#context.clock.monotonic();
  }

  channel(): string {
    return this.#topic('NDATA');
  }
  *notice(notice: OutNotice): Generator<OutMessage> {
    const { kind, key, json } = notice;
    const known = this.#own.has(kind, key);
    if (this.#phase === 'born' && (known || !this.#own.remember(key))) {
      if (known) yield this.#message('NDATA', undefined, this.#own.notice(kind, key, json, this.#now, false));
      return;
    }
    if (this.#phase === 'born') this.#context.delivery.greet();
    this.#kept.add(notice);
  }
  async noticed(notice: OutNotice): Promise<Outcome> {
    if (this.#kept.delete(notice)) return 'keep';
    await this.#prove();
    if (this.#phase !== 'born') return 'keep';
    this.#late.add(notice, this.#context.clock.monotonic());
    return 'accept';
  }

  received(topic: string, payload: Uint8Array, retained: boolean): 'greet' | undefined {
    if (this.#host !== undefined && topic === this.#hostTopic) return this.#state(payload);
    // Nobody asks for what a broker kept.
    if (retained) return undefined;
    try {
      if (topic === this.#topic('NCMD')) {
        const { rebirth, orders } = nodeOrders(payload, (heard) => this.#own.ruleOf(heard));
        this.#order(orders);
        if (rebirth) return this.#askedToBeBorn();
      } else {
        const device = topic.slice(this.#topic('DCMD').length + 1);
        this.#order(deviceOrders(device, payload, this.#metrics));
      }
    } catch (thrown) {
      const { forwarder, event } = this.#context;
      event('command', `A command of Sparkplug to ${forwarder} cannot be read: ${toError(thrown).message}.`, { forwarder });
    }
    return undefined;
  }

  #state(payload: Uint8Array): 'greet' | undefined {
    const { clock, delivery } = this.#context;
    const said = this.#host?.take(payload);
    if (said === 'online') return this.#phase === 'waits' ? 'greet' : undefined;
    if (said === undefined || this.#phase === 'leaves') return undefined;
    const why = `the primary host ${this.#options.primaryHost} is offline`;
    if (this.#phase === 'born') {
      delivery.again(this.#sent.take(clock.monotonic() - this.#options.resend));
      this.#phase = 'leaves';
      delivery.leave(why);
    } else delivery.next(why);
    return undefined;
  }

  #askedToBeBorn(): 'greet' | undefined {
    const { clock, delivery } = this.#context;
    if (this.#phase !== 'born') return undefined;
    const wait = this.#bornAt + REBIRTH_PAUSE - clock.monotonic();
    if (wait <= 0) return 'greet';
    // One of many is enough.
    this.#rebirth ??= clock.after(wait, () => {
      this.#rebirth = undefined;
      delivery.greet();
    });
    return undefined;
  }

  #order(orders: readonly Order[]): void {
    const { command, delivery, clock } = this.#context;
    for (const order of orders) {
      // Sparkplug has no id of a command. Nobody repeats one, and no two are the same.
      const id = `spb-${this.#bdSeq}-${Math.round(clock.wall()).toString(36)}-${++this.#orders}`;
      command?.(
        Buffer.from(JSON.stringify({ id, ...order })),
        false,
        () => '',
        (json) => {
          if (json !== PROBE) void delivery.say(this.#result(json)).catch(() => {});
          return undefined;
        },
      );
    }
  }
  *#result(json: string): Generator<OutMessage> {
    if (this.#phase === 'born') yield this.#message('NDATA', undefined, this.#own.result(json, this.#now));
  }

  *farewell(): Generator<OutMessage> {
    this.#rebirth?.();
    this.#rebirth = undefined;
    this.#host?.forget();
    // Without births nobody knows of a session.
    if (this.#phase !== 'waits') yield this.#death();
    this.#phase = 'leaves';
  }
}
