/**
 * The queue of one wire: what goes over it next, and what comes of it.
 *
 * - Strictly one request at a time on a serial line; `inFlight` of them on a network, one for each device.
 * - Safe values go before everything while they are set; writes go before polls; what else is asked for from outside gets every second
 *   turn at most, never between a request and its reply. Which poll is next: jobs.ts.
 * - Every due request gives exactly one sample: values, or one reason for all its points. On a closed bus the samples say
 *   `disconnected`, at their due times.
 * - A silent device costs the others a stated share of the bus at most (silence.ts). Repeats are for devices known to answer.
 * - Bounds: one job per planned request, 32 calls from outside and the safe values, one timer.
 */
import { payloadOf } from '../../codecs/modbus-pdu.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import type { GatewayEvent, SampleSink } from '../../core/ports.ts';
import { type Answer, type CallOptions, Calls } from './calls.ts';
import type { Client } from './client.ts';
import { type Device, isUnreached } from './device.ts';
import type { DevicePlan } from './device-plan.ts';
import { askOf, type Job, Jobs, type NewJob, stepOf } from './jobs.ts';
import { Load, loadEvent } from './load.ts';
import { isRefusal, SEARCH } from './model-search.ts';
import { OnWire, type OnWireOptions, type Sending } from './on-wire.ts';
import { PlanWatch } from './plan-watch.ts';
import type { Ask } from './port.ts';
import { ProbeBudget } from './silence.ts';
import { overloadAdvice, reasonOf } from './words.ts';

/** A request on the wire, or one that waits to be repeated. */
interface Turn {
  readonly job: Job;
  attempt: number;
  error: SluiceError | undefined;
  /** A probe that delays others. */
  charged: boolean;
}

export interface QueueOptions extends OnWireOptions {
  readonly name: string;
  /** Replies carry no transaction id. */
  readonly serial: boolean;
  /** Requests on the wire at once. */
  readonly inFlight: number;
  readonly emit: SampleSink;
  /** Takes events for operators. */
  readonly tell: (event: GatewayEvent) => void;
  readonly devices: readonly Device[];
  readonly jobs: readonly NewJob[];
  /** The plans of the devices whose requests may change while they are polled. */
  readonly plans?: readonly DevicePlan[];
  /** A device is read by other requests from now on. */
  readonly replanned?: ((before: readonly Shape[], after: readonly Shape[]) => void) | undefined;
}

export class BusQueue {
  readonly wire: OnWire;
  readonly jobs: Jobs;
  readonly load: Load;
  readonly #options: QueueOptions;
  /** Safe values are on their way: nothing else is sent. */
  readonly #setsSafe: () => boolean;
  readonly #calls: Calls;
  readonly #probes: ProbeBudget;
  readonly #plans: PlanWatch;
  readonly #repeats: Turn[] = [];
  #cancelTimer: (() => void) | undefined;
  #state: 'new' | 'running' | 'stopped' = 'new';
  /** The wire that the devices know of. */
  #opened: Client | undefined;

  constructor(options: QueueOptions, setsSafe: () => boolean) {
    this.#options = options;
    this.#setsSafe = setsSafe;
    const now = options.clock.monotonic();
    this.jobs = new Jobs(options.jobs);
    this.load = new Load(now);
    this.#plans = new PlanWatch(options.plans ?? []);
    this.#calls = new Calls(options.name);
    this.#probes = new ProbeBudget(now);
    this.wire = new OnWire(
      options,
      () => this.#changed(),
      (unitId) => this.#late(unitId),
    );
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const now = this.#options.clock.monotonic();
    this.jobs.start(now);
    this.#plans.start(now);
    this.wire.link.start();
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#cancelTimer?.();
    this.#repeats.length = 0;
    const { name } = this.#options;
    this.#calls.failAll(new SluiceError('bus-closed', `the bus ${name} was stopped`, { data: { sent: false } }));
    await this.wire.stop();
  }

  /** Takes a request from outside. Rejects with a SluiceError. */
  call(ask: Ask, device: Device | undefined, options: CallOptions): Promise<Answer> {
    // The caller of a write has to know whether anything was sent.
    const unsent = (code: 'bus-closed' | 'timeout', message: string) =>
      Promise.reject(new SluiceError(code, message, { data: { sent: false } }));
    if (this.#state !== 'running') return unsent('bus-closed', `the bus ${this.#options.name} is not running`);
    const { state, hopeful, fault } = this.wire.link;
    if (state === 'closed' || (state === 'opening' && !hopeful))
      return unsent('bus-closed', fault?.message ?? `the bus ${this.#options.name} is not open`);
    if (options.write === true && device?.rest.silent === true)
      return unsent('timeout', device.fault ?? `${device.name} does not answer`);
    const answer = this.#calls.add(ask, device, options);
    this.pump();
    return answer;
  }

  #changed(): void {
    const { state, client } = this.wire.link;
    if (state !== 'open') this.load.idle();
    else if (client !== this.#opened) {
      this.#opened = client;
      for (const device of this.#options.devices) device.opened(this.#options.clock.monotonic());
    }
    this.pump();
  }

  /** Does whatever can be done now, and sets the timer for what comes next. Called after every change. */
  pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#state !== 'running') return;
    const { clock } = this.#options;
    this.#judgeLoad(clock.monotonic());
    this.#replan(clock.monotonic());
    if (this.wire.link.state === 'open') while (this.wire.link.state === 'open' && this.#serve(clock.monotonic()));
    // Requests under way are reported as lost before any other.
    else if (this.wire.underWay === 0 && (this.wire.link.state === 'closed' || !this.wire.link.hopeful))
      this.#serveClosed(clock.monotonic());
    // Else it is being opened and may be open in a moment; the link reports how that ends.
  }

  /** @returns whether something was done and more may be possible */
  #serve(now: number): boolean {
    const { client } = this.wire.link;
    if (client === undefined || this.wire.underWay >= this.#options.inFlight) return false;
    const next = this.#next(client, now);
    if (typeof next === 'number') {
      if (this.wire.underWay === 0) this.load.idle();
      this.#wake(next - now);
      return false;
    }
    if ('job' in next && this.#resting(next, now)) {
      const error = next.job.device.lastError ?? new SluiceError('timeout');
      this.#finish(next, { ...badSample(next.job.shape, now, reasonOf(error)), unasked: true }, error);
      return true;
    }
    if ('job' in next && stepOf(next.job, now) === undefined && next.job.lack !== undefined) {
      this.#finish(next, badSample(next.job.shape, now, next.job.lack), undefined);
      return true;
    }
    const wait = this.wire.wait(now);
    if (wait > 0) {
      if ('job' in next && next.attempt > 0) this.#repeats.unshift(next);
      this.#wake(wait, this.#options.serial && this.load.isPressed(now));
      return false;
    }
    if ('job' in next) this.#poll(next, now);
    else this.#sendCall(now);
    return true;
  }

  /** The request to send, or when to look again. */
  #next(client: Client, now: number): Turn | { readonly call: true } | number {
    const held = (device: Device | undefined, ask: Ask, again: boolean) => {
      if (device !== undefined && device.underWay > 0) return Number.POSITIVE_INFINITY;
      return Math.max(device?.readyAt ?? now, client.port.heldUntil(ask, again));
    };
    const setsSafe = this.#setsSafe();
    const called = this.#calls.next(now, ({ device, ask }) => held(device, ask, false), setsSafe);
    if (called === 'write') return { call: true };
    if (setsSafe) return typeof called === 'number' ? called : Number.POSITIVE_INFINITY;
    const repeat = this.#repeats.shift();
    if (repeat) return repeat;
    if (called === 'first') return { call: true };
    const job = this.jobs.next(now, (job) =>
      // Nothing is sent to a device that rests: what it owes holds nothing up.
      job.device.rest.until > now
        ? Number.NEGATIVE_INFINITY
        : held(job.device, askOf(job, now), job.alone && !this.#calls.waitsFor(job.device)),
    );
    if (typeof job !== 'number') return { job, attempt: 0, error: undefined, charged: false };
    if (called === 'last') return { call: true };
    return Math.min(job, called);
  }

  /** A silent device whose poll is reported as failed without being asked. */
  #resting(turn: Turn, now: number): boolean {
    const { device } = turn.job;
    if (!device.rest.silent) return false;
    if (device.rest.until > now) return true;
    const cost = device.latency.timeout(device.patience.timeout);
    const others = this.jobs.nextDue((job) => job.device === device || (job.device.rest.silent && job.device.rest.until > now));
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
    this.jobs.sent(job, now);
    this.#calls.othersTurn();
    const step = stepOf(job, now);
    const ask = askOf(job, now);
    const most = device.patience.timeout;
    this.#send({ ask, device, timeout: device.latency.timeout(most), most }, now, (error, pdu, at) => {
      if (this.#state === 'stopped' && error) return;
      const wire = this.wire.timeOf(ask);
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
        if (sample === undefined) this.jobs.further(job, at);
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
    const untap = options.tap ? this.wire.capture(options.tap) : () => {};
    this.#send({ ask, device, timeout: most, most }, now, (error, pdu, at) => {
      untap();
      if (error === null) device?.succeeded(label, at, at - now, this.wire.timeOf(ask));
      else if (options.write === true && error.code === 'exception' && !isUnreached(error))
        device?.refused(at - now, this.wire.timeOf(ask));
      else if (options.quiet !== true) device?.failed(error, label, at, at - now, this.wire.timeOf(ask));
      if (error === null) call.resolve({ pdu, at, latency: at - now });
      else call.reject(error);
    });
  }

  #send(sending: Sending, now: number, done: (error: SluiceError | null, pdu: Uint8Array, at: number) => void): void {
    this.wire.send(
      sending,
      (error, pdu, at) => {
        this.load.used(at - now);
        done(error, pdu, at);
      },
      () => this.pump(),
    );
  }

  #failed(turn: Turn, label: string, error: SluiceError, at: number, sentAt: number, ask: Ask): void {
    const { device } = turn.job;
    const first = device.state !== 'silent';
    device.failed(error, label, at, at - sentAt, this.wire.timeOf(ask));
    if (error.retry === 'now' && first && turn.attempt <= device.patience.retries && this.#state === 'running') {
      this.#repeats.push({ ...turn, error });
      return;
    }
    this.#finish(turn, badSample(turn.job.shape, at, reasonOf(error)), error);
  }

  /** A turn has ended for good. */
  #finish({ job }: Turn, sample: Sample, error: SluiceError | undefined): void {
    if (error) job.device.gaveUp(error);
    const missed = this.jobs.done(job, this.#options.clock.monotonic());
    job.device.counters.missedPolls += missed;
    this.load.polled(1 + missed, missed);
    this.#options.emit(sample);
  }

  #serveClosed(now: number): void {
    const closed = new SluiceError('bus-closed', this.wire.link.fault?.message ?? `the bus ${this.#options.name} is not open`);
    for (const repeat of this.#repeats.splice(0)) {
      const error = repeat.error ?? closed;
      this.#finish(repeat, badSample(repeat.job.shape, now, reasonOf(error)), error);
    }
    this.#calls.failAll(new SluiceError('bus-closed', closed.message, { data: { sent: false } }));
    let wake = Number.POSITIVE_INFINITY;
    for (const job of this.jobs.all) {
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
    this.#cancelTimer = clock[exact ? 'exactly' : 'after'](Math.max(ms, 0), () => this.pump());
  }

  #late(unitId: number): void {
    const device = this.#options.devices.find((d) => d.unitId === unitId);
    if (!device) return;
    device.late(this.#options.clock.monotonic());
    this.pump();
  }

  /** Exchanges plans for cheaper ones, each between two turns of its device. */
  #replan(now: number): void {
    for (const [plan, next] of this.#plans.due(now, (device) => this.#isFree(device))) {
      const { before, after } = this.jobs.exchange(plan.device, plan.take(next, now));
      this.#options.replanned?.(before, after);
    }
  }

  /** It has no turn under way. */
  #isFree(device: Device): boolean {
    const begun = (job: Job) => job.device === device && job.next !== undefined;
    return device.underWay === 0 && !this.#repeats.some(({ job }) => job.device === device) && !this.jobs.all.some(begun);
  }

  #judgeLoad(now: number): void {
    const change = this.load.look(now);
    if (change === undefined) return;
    const { name, devices, serial } = this.#options;
    const silent = devices.filter((device) => device.state === 'silent').map((device) => device.name);
    this.#options.tell(loadEvent(name, change, this.load.report, overloadAdvice(serial, silent)));
  }
}
