/**
 * One Modbus bus: one wire, one queue.
 *
 * - Strictly one request at a time on a serial line; `inFlight` of them on a network, one for each device.
 * - Each request is asked for at its interval, at its own place in it. When the wire carries less than that, all with one interval
 *   get the same number of turns, and what is left out is counted (jobs.ts states the rule).
 * - Writes go before everything, what else is asked for from outside every second turn; never between a request and its reply.
 *   While safe values are written, nothing else is sent.
 * - Every due request gives exactly one sample: values, or one reason for all its points. On a closed bus the samples say
 *   `disconnected`, at their due times.
 * - A silent device costs the others a stated share of the bus at most (silence.ts). Repeats are for devices known to answer.
 * - Bounds: one job per planned request, 32 calls from outside and one for each safe value, one timer.
 */
import { encodeRequest, type ModbusRequest, payloadOf } from '../../codecs/modbus-pdu.ts';
import type { SunspecChain } from '../../codecs/sunspec.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape, Value } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import type { Bus, BusStatus, GatewayEvent, ReadFault, SafePoint, SampleSink, WriteOptions, Written } from '../../core/ports.ts';
import { type AskByHand, readByHand } from './by-hand.ts';
import { type Answer, type CallOptions, Calls } from './calls.ts';
import type { Client } from './client.ts';
import { type Device, isUnreached } from './device.ts';
import { askOf, type Job, Jobs, type NewJob, stepOf } from './jobs.ts';
import type { Link } from './link.ts';
import { Load, loadEvent } from './load.ts';
import { isRefusal, SEARCH, searchByHand } from './model-search.ts';
import type { Ask, PortEvents, Tap } from './port.ts';
import { ProbeBudget } from './silence.ts';
import { reasonOf } from './words.ts';
import { PointWriter } from './writes.ts';

export type PlannedRequest = Pick<Job, 'request' | 'shape' | 'decode' | 'label'>;

/** What is on the wire, or waits to be repeated. */
interface Turn {
  readonly job: Job;
  attempt: number;
  error: SluiceError | undefined;
  /** A probe that delays others. */
  charged: boolean;
}

/** A request on the wire may end by itself when the bus is stopped; then the port is closed under it. */
const STOP_REQUEST = 1000;
const STOP_PORT = 1500;

export interface BusOptions {
  readonly name: string;
  readonly protocol: string;
  /** Replies carry no transaction id. */
  readonly serial: boolean;
  /** Requests on the wire at once. */
  readonly inFlight: number;
  readonly clock: Clock;
  readonly emit: SampleSink;
  /** What operators should know. */
  readonly tell: (event: GatewayEvent) => void;
  readonly devices: readonly Device[];
  readonly jobs: readonly NewJob[];
  /** Upper bound of the wait for a line that is never silent, and the time-out of requests to units that no device has, ms. */
  readonly timeout: number;
  /** Makes the link; gets what it calls when its state has changed. */
  readonly link: (changed: () => void, events: Pick<PortEvents, 'late' | 'skipped' | 'tap'>) => Link;
}

export class ModbusBus implements Bus {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly safePoints: readonly SafePoint[];
  readonly #options: BusOptions;
  readonly #link: Link;
  readonly #jobs: Jobs;
  readonly #calls: Calls;
  readonly #writer: PointWriter;
  readonly #probes: ProbeBudget;
  readonly #load: Load;
  readonly #repeats: Turn[] = [];
  readonly #taps = new Map<Tap, () => void>();
  #underWay = 0;
  /** Whose turn it is or was: noise is counted for it. */
  #current: Device | undefined;
  /** When the line could have fallen silent first, if nothing had come meanwhile. */
  #noisySince: number | undefined;
  /** The last device on the wire wants a pause, ms. */
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #state: 'new' | 'running' | 'stopped' = 'new';
  /** The wire that the devices know of. */
  #opened: Client | undefined;
  #idle: (() => void) | undefined;

  constructor(options: BusOptions) {
    this.name = options.name;
    this.shapes = options.jobs.map((job) => job.shape);
    this.safePoints = options.devices.flatMap((d) => d.safePoints);
    this.#options = options;
    const now = options.clock.monotonic();
    this.#jobs = new Jobs(options.jobs);
    this.#calls = new Calls(options.name);
    this.#probes = new ProbeBudget(now);
    this.#load = new Load(now);
    this.#writer = new PointWriter({
      ask: (device, request, more) => this.#ask(device, request, more),
      clock: options.clock,
      released: () => this.#pump(),
    });
    const taps = this.#taps;
    const tap: Tap = (way, bytes, at) => {
      for (const each of taps.keys()) each(way, bytes, at);
    };
    this.#link = options.link(() => this.#changed(), {
      late: (unit) => this.#late(unit),
      skipped: (bytes) => {
        if (this.#current) this.#current.counters.skippedBytes += bytes;
      },
      get tap() {
        return taps.size > 0 ? tap : undefined;
      },
    });
  }

  /** Replies carry no transaction id. */
  get serial(): boolean {
    return this.#options.serial;
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#jobs.start(this.#options.clock.monotonic());
    this.#link.start();
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#cancelTimer?.();
    this.#repeats.length = 0;
    this.#calls.failAll(new SluiceError('bus-closed', `the bus ${this.name} was stopped`, { data: { sent: false } }));
    if (this.#underWay > 0) await this.#within(STOP_REQUEST, (done) => (this.#idle = done));
    await this.#within(STOP_PORT, (done) => this.#link.stop(done));
    for (const ended of this.#taps.values()) ended();
    this.#taps.clear();
  }

  /** One sample for each request of the device. The words of an error are those of its fault. */
  async read(name: string, refused?: (fault: ReadFault) => void): Promise<Sample[]> {
    const device = this.#device(name);
    const ask: AskByHand = (request, options) => this.#ask(device, request, options);
    if (device.models?.open === true) this.place(name, await searchByHand((request) => ask(request, { label: SEARCH })));
    return readByHand(device, this.#jobs.of(device), { ask, clock: this.#options.clock, refused });
  }

  async write(name: string, point: string, value: Value, options?: WriteOptions): Promise<Written> {
    return this.#writer.write(this.#device(name), point, value, options);
  }

  /** A request to any unit, between the polls: what `scan` and `read --raw` are made of. Rejects with a SluiceError. */
  exchange(unit: number, request: ModbusRequest, options: CallOptions = {}): Promise<Answer> {
    return this.#call(
      { unit, pdu: encodeRequest(request) },
      this.#options.devices.find((d) => d.unit === unit),
      options,
    );
  }

  /** What is asked of a device in a round; of a SunSpec device where its models were found, and nothing of them before that. */
  requests(name: string): readonly PlannedRequest[] {
    const device = this.#device(name);
    return this.#jobs.of(device).filter((job) => job.lack === undefined && (job.model === undefined || !device.models?.open));
  }

  /** Where the models of a SunSpec device lie. */
  place(name: string, chain: SunspecChain | undefined): void {
    const device = this.#device(name);
    device.searched(device.models?.conclude(chain, this.#options.clock.monotonic()));
  }

  /** Every frame from now on, until the returned function is called; `ended` tells that the bus was stopped. */
  capture(tap: Tap, ended: () => void = () => {}): () => void {
    this.#taps.set(tap, ended);
    return () => this.#taps.delete(tap);
  }

  urgent(points: ReadonlySet<string>): void {
    for (const job of this.#jobs.all) job.urgent = job.shape.points.some((p) => points.has(`${job.shape.device}.${p.name}`));
  }

  status(): BusStatus {
    const { protocol, devices } = this.#options;
    const { state, fault } = this.#link;
    const { report, overloaded } = this.#load;
    return {
      name: this.name,
      protocol,
      state,
      fault: fault?.message,
      devices: devices.map((d) => d.status()),
      load: { ...report, overloaded },
    };
  }

  #device(name: string): Device {
    const device = this.#options.devices.find((d) => d.name === name);
    if (!device) throw new SluiceError('not-found', `the bus ${this.name} has no device ${name}`);
    return device;
  }

  async #ask(device: Device, request: ModbusRequest, options: CallOptions): Promise<Answer> {
    try {
      return await this.#call({ unit: device.unit, pdu: encodeRequest(request) }, device, options);
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || thrown.code === 'request-invalid') throw thrown;
      throw new SluiceError(thrown.code, device.fault ?? thrown.message, { cause: thrown, data: { ...thrown.data } });
    }
  }

  #call(ask: Ask, device: Device | undefined, options: CallOptions): Promise<Answer> {
    // Whoever writes has to know whether anything was sent.
    const unsent = (code: 'bus-closed' | 'timeout', message: string) =>
      Promise.reject(new SluiceError(code, message, { data: { sent: false } }));
    if (this.#state !== 'running') return unsent('bus-closed', `the bus ${this.name} is not running`);
    const { state, hopeful, fault } = this.#link;
    if (state === 'closed' || (state === 'opening' && !hopeful))
      return unsent('bus-closed', fault?.message ?? `the bus ${this.name} is not open`);
    if (options.write === true && device?.rest.silent === true)
      return unsent('timeout', device.fault ?? `${device.name} does not answer`);
    const answer = this.#calls.add(ask, device, options);
    this.#pump();
    return answer;
  }

  #changed(): void {
    const { state, client } = this.#link;
    if (state !== 'open') this.#load.idle();
    else if (client !== this.#opened) {
      this.#opened = client;
      for (const device of this.#options.devices) device.opened(this.#options.clock.monotonic());
    }
    this.#pump();
  }

  /** Does whatever can be done now, and sets the timer for what comes next. Called after every change. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#state !== 'running') return;
    const { clock } = this.#options;
    this.#judgeLoad(clock.monotonic());
    if (this.#link.state === 'open') while (this.#link.state === 'open' && this.#serve(clock.monotonic()));
    // What was under way is told as lost before anything else is told.
    else if (this.#underWay === 0 && (this.#link.state === 'closed' || !this.#link.hopeful)) this.#serveClosed(clock.monotonic());
    // Else it is being opened and may be open in a moment; the link tells how it ends.
  }

  /** @returns whether something was done and more may be possible */
  #serve(now: number): boolean {
    const { client } = this.#link;
    if (client === undefined || this.#underWay >= this.#options.inFlight) return false;
    const next = this.#next(client, now);
    if (typeof next === 'number') {
      if (this.#underWay === 0) this.#load.idle();
      this.#wake(next - now);
      return false;
    }
    if ('job' in next && this.#resting(next, now)) {
      const error = next.job.device.lastError ?? new SluiceError('timeout');
      this.#finish(next, badSample(next.job.shape, now, reasonOf(error)), error);
      return true;
    }
    if ('job' in next && stepOf(next.job, now) === undefined && next.job.lack !== undefined) {
      this.#finish(next, badSample(next.job.shape, now, next.job.lack), undefined);
      return true;
    }
    const wait = this.#pausedUntil > now ? this.#pausedUntil - now : this.#untilSilence(client, now);
    if (wait > 0) {
      if ('job' in next && next.attempt > 0) this.#repeats.unshift(next);
      this.#wake(wait, this.#options.serial && this.#load.isPressed(now));
      return false;
    }
    this.#noisySince = undefined;
    if ('job' in next) this.#poll(next, now);
    else this.#sendCall(now);
    return true;
  }

  /** A line that never falls silent is not waited for longer than for a reply. */
  #untilSilence(client: Client, now: number): number {
    const wait = client.port.readyAt() - now;
    this.#noisySince ??= now + Math.max(wait, 0);
    return now - this.#noisySince < this.#options.timeout ? wait : 0;
  }

  /** The request to send, or when to look again. */
  #next(client: Client, now: number): Turn | { readonly call: true } | number {
    const held = (device: Device | undefined, ask: Ask, again: boolean) => {
      if (device !== undefined && device.underWay > 0) return Number.POSITIVE_INFINITY;
      return Math.max(device?.readyAt ?? now, client.port.heldUntil(ask, again));
    };
    const { setsSafe } = this.#writer;
    const called = this.#calls.next(now, ({ device, ask }) => held(device, ask, false), setsSafe);
    if (called === 'write') return { call: true };
    if (setsSafe) return typeof called === 'number' ? called : Number.POSITIVE_INFINITY;
    const repeat = this.#repeats.shift();
    if (repeat) return repeat;
    if (called === 'first') return { call: true };
    const job = this.#jobs.next(now, (job) =>
      // Nothing is sent to a device that rests: what it owes holds nothing up.
      job.device.rest.until > now
        ? Number.NEGATIVE_INFINITY
        : held(job.device, askOf(job, now), job.alone && !this.#calls.waitsFor(job.device)),
    );
    if (typeof job !== 'number') return { job, attempt: 0, error: undefined, charged: false };
    if (called === 'last') return { call: true };
    return Math.min(job, called);
  }

  /** A silent device whose poll is told without being asked. */
  #resting(turn: Turn, now: number): boolean {
    const { device } = turn.job;
    if (!device.rest.silent) return false;
    if (device.rest.until > now) return true;
    const cost = device.latency.timeout(device.patience.timeout);
    const others = this.#jobs.nextDue((job) => job.device === device || (job.device.rest.silent && job.device.rest.until > now));
    // While nobody else wants the wire a probe costs nothing.
    if (others > now + cost) return false;
    if (!this.#probes.allows(now, cost)) return true;
    turn.charged = true;
    return false;
  }

  #poll(turn: Turn, now: number): void {
    const { job } = turn;
    const { device } = job;
    turn.attempt++;
    this.#jobs.sent(job, now);
    this.#calls.othersTurn();
    const step = stepOf(job, now);
    const ask = askOf(job, now);
    this.#send(ask, device, device.latency.timeout(device.patience.timeout), device.patience.timeout, now, (error, pdu, at) => {
      if (this.#state === 'stopped' && error) return;
      const wire = this.#wireTime(ask);
      if (error !== null && (step === undefined || !isRefusal(error)))
        this.#failed(turn, step === undefined ? job.label : SEARCH, error, at, now, ask);
      else {
        const payload = error === null ? payloadOf(pdu) : undefined;
        let sample: Sample | undefined;
        if (step !== undefined) sample = device.stepped(job, step, payload, at, at - now, wire);
        else if (payload !== undefined) {
          device.succeeded(job.label, at, at - now, wire);
          sample = device.took(job, payload, at);
        }
        if (sample === undefined) this.#jobs.further(job, at);
        else this.#finish(turn, sample, undefined);
      }
      if (turn.charged && device.rest.silent) this.#probes.spend(at - now);
    });
  }

  #sendCall(now: number): void {
    const call = this.#calls.take();
    if (call === undefined) return;
    const { ask, device, options } = call;
    // Somebody waits for it, and a write is sent only once: it gets all the time that the device may take.
    const most = options.timeout ?? device?.patience.timeout ?? this.#options.timeout;
    const label = options.label ?? 'a request by hand';
    const untap = options.tap ? this.capture(options.tap) : () => {};
    this.#send(ask, device, most, most, now, (error, pdu, at) => {
      untap();
      if (error === null) device?.succeeded(label, at, at - now, this.#wireTime(ask));
      else if (options.write === true && error.code === 'exception' && !isUnreached(error))
        device?.refused(at - now, this.#wireTime(ask));
      else if (options.quiet !== true) device?.failed(error, label, at, at - now, this.#wireTime(ask));
      if (error === null) call.resolve({ pdu, at, latency: at - now });
      else call.reject(error);
    });
  }

  #send(
    ask: Ask,
    device: Device | undefined,
    timeout: number,
    most: number,
    now: number,
    done: (error: SluiceError | null, pdu: Uint8Array, at: number) => void,
  ): void {
    this.#current = device;
    this.#underWay++;
    if (device) {
      device.underWay++;
      device.counters.requests++;
    }
    // However short the patience has become: a reply may come late by as much as it was ever waited for.
    const late = 2 * (Math.max(most, timeout) + this.#wireTime(ask));
    this.#link.client?.send(ask, timeout, late, (error, pdu, at) => {
      this.#underWay--;
      if (device) {
        device.underWay--;
        if (device.patience.turnaround > 0) this.#pausedUntil = at + device.patience.turnaround;
      }
      this.#load.used(at - now);
      // A refusal is an answer: the wire is well.
      if (error === null || error.code === 'exception') this.#link.proven();
      done(error, pdu, at);
      if (this.#underWay === 0) this.#idle?.();
      this.#pump();
    });
  }

  #wireTime(ask: Ask): number {
    return this.#link.client?.port.wireTime(ask) ?? 0;
  }

  #failed(turn: Turn, label: string, error: SluiceError, at: number, sentAt: number, ask: Ask): void {
    const { device } = turn.job;
    const first = device.state !== 'silent';
    device.failed(error, label, at, at - sentAt, this.#wireTime(ask));
    if (error.retry === 'now' && first && turn.attempt <= device.patience.retries && this.#state === 'running') {
      this.#repeats.push({ ...turn, error });
      return;
    }
    this.#finish(turn, badSample(turn.job.shape, at, reasonOf(error)), error);
  }

  /** A turn has ended for good. */
  #finish({ job }: Turn, sample: Sample, error: SluiceError | undefined): void {
    if (error) job.device.gaveUp(error);
    const missed = this.#jobs.done(job, this.#options.clock.monotonic());
    job.device.counters.missedPolls += missed;
    this.#load.polled(1 + missed, missed);
    this.#options.emit(sample);
  }

  #serveClosed(now: number): void {
    const closed = new SluiceError('bus-closed', this.#link.fault?.message ?? `the bus ${this.name} is not open`);
    for (const repeat of this.#repeats.splice(0)) {
      const error = repeat.error ?? closed;
      this.#finish(repeat, badSample(repeat.job.shape, now, reasonOf(error)), error);
    }
    this.#calls.failAll(new SluiceError('bus-closed', closed.message, { data: { sent: false } }));
    let wake = Number.POSITIVE_INFINITY;
    for (const job of this.#jobs.all) {
      if (job.due <= now) {
        job.device.failed(closed, job.label, now, 0, 0);
        this.#finish({ job, attempt: 0, error: undefined, charged: false }, badSample(job.shape, now, 'disconnected'), closed);
      }
      wake = Math.min(wake, job.due);
    }
    this.#wake(wake - now);
  }

  #wake(ms: number, exact = false): void {
    if (ms === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    this.#cancelTimer = clock[exact ? 'exactly' : 'after'](Math.max(ms, 0), () => this.#pump());
  }

  #late(unit: number): void {
    const device = this.#options.devices.find((d) => d.unit === unit);
    if (!device) return;
    device.counters.lateReplies++;
    this.#pump();
  }

  #judgeLoad(now: number): void {
    const change = this.#load.look(now);
    if (change === undefined) return;
    this.#options.tell(loadEvent(this.name, change, this.#load.report));
  }

  #within(ms: number, act: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      act(() => {
        cancel();
        resolve();
      });
    });
  }
}
