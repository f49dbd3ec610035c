/**
 * One Modbus bus: one wire, one queue.
 *
 * - Strictly one request at a time. A reading asked for from outside goes before the polls (every second turn), never
 *   between a request and its reply.
 * - A request is due at start + k × interval. What is due first goes first; among equals the one that was served longest
 *   ago. A tick that passes while its predecessor waits is skipped and counted, never made up for.
 * - Every due request gives exactly one sample: values, or one reason for all its points. On a closed bus the samples say
 *   `disconnected`, at their due times.
 * - A device that does not answer costs the others at most its time-outs: repeats are for devices known to answer.
 * - Bounds: one job per planned request, 32 readings asked for, one timer.
 */
import type { compileRequest } from '../../codecs/modbus-registers.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Sample, Shape } from '../../core/point.ts';
import { badSample } from '../../core/point.ts';
import type { Bus, BusStatus, SampleSink } from '../../core/ports.ts';
import type { Device } from './device.ts';
import type { Link } from './link.ts';
import type { ReadRequest } from './plan.ts';
import { reasonOf } from './words.ts';

export interface Job {
  readonly device: Device;
  readonly request: ReadRequest;
  readonly shape: Shape;
  readonly decode: ReturnType<typeof compileRequest>;
  readonly interval: number;
  due: number;
  /** Number of the turn in which it was last served. */
  served: number;
}

interface Ask {
  readonly device: Device;
  readonly jobs: Job[];
  readonly samples: Sample[];
  readonly resolve: (samples: Sample[]) => void;
  readonly reject: (error: SluiceError) => void;
}

/** What is on the wire, or waits to be repeated. */
interface Turn {
  readonly job: Job;
  readonly ask: Ask | undefined;
  attempt: number;
  error: SluiceError | undefined;
}

const MOST_ASKS = 32;
/** A request on the wire may end by itself when the bus is stopped; then the port is closed under it. */
const STOP_REQUEST = 1000;
const STOP_PORT = 1500;

export interface BusOptions {
  readonly name: string;
  readonly protocol: string;
  /** On a serial line replies carry no transaction id. */
  readonly serial: boolean;
  readonly timeout: number;
  readonly retries: number;
  readonly clock: Clock;
  readonly emit: SampleSink;
  readonly devices: readonly Device[];
  readonly jobs: readonly Job[];
  /** Makes the link; gets what it calls when its state has changed. */
  readonly link: (changed: () => void, late: (unit: number) => void, skipped: (bytes: number) => void) => Link;
}

export class ModbusBus implements Bus {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly #options: BusOptions;
  readonly #link: Link;
  readonly #asks: Ask[] = [];
  #turn: Turn | undefined;
  #repeat: Turn | undefined;
  #turns = 0;
  #askedLast = false;
  #current: Device | undefined;
  #quietSince: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #state: 'new' | 'running' | 'stopped' = 'new';
  #idle: (() => void) | undefined;

  constructor(options: BusOptions) {
    this.name = options.name;
    this.shapes = options.jobs.map((job) => job.shape);
    this.#options = options;
    this.#link = options.link(
      () => this.#pump(),
      (unit) => this.#late(unit),
      (bytes) => {
        if (this.#current) this.#current.counters.skippedBytes += bytes;
      },
    );
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const now = this.#options.clock.monotonic();
    for (const job of this.#options.jobs) job.due = now;
    this.#link.start();
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#cancelTimer?.();
    const gone = new SluiceError('bus-closed', `the bus ${this.name} was stopped`);
    this.#repeat = undefined;
    for (const ask of this.#asks.splice(0)) ask.reject(gone);
    if (this.#turn) await this.#within(STOP_REQUEST, (done) => (this.#idle = done));
    await this.#within(STOP_PORT, (done) => this.#link.stop(done));
  }

  read(name: string): Promise<Sample[]> {
    const device = this.#options.devices.find((d) => d.name === name);
    if (!device) return Promise.reject(new SluiceError('not-found', `the bus ${this.name} has no device ${name}`));
    if (this.#state !== 'running') return Promise.reject(new SluiceError('bus-closed', `the bus ${this.name} is not running`));
    if (this.#asks.length >= MOST_ASKS)
      return Promise.reject(
        new SluiceError('timeout', `${MOST_ASKS} readings are waiting on ${this.name} already: try again later`),
      );
    const jobs = this.#options.jobs.filter((job) => job.device === device);
    return new Promise((resolve, reject) => {
      this.#asks.push({ device, jobs, samples: [], resolve, reject });
      this.#pump();
    });
  }

  status(): BusStatus {
    const { protocol, devices } = this.#options;
    const { state, fault } = this.#link;
    return { name: this.name, protocol, state, fault: fault?.message, devices: devices.map((d) => d.status()) };
  }

  /** Does whatever can be done now, and sets the timer for what comes next. Called after every change. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#state !== 'running' || this.#turn) return;
    const now = this.#options.clock.monotonic();
    if (this.#link.state === 'open') this.#serve(now);
    else if (this.#link.state === 'closed' || !this.#link.hopeful) this.#serveClosed(now);
    // Else it is being opened and may be open in a moment; the link tells how it ends.
  }

  #serve(now: number): void {
    const next = this.#next(now);
    if (typeof next === 'number') {
      this.#wake(next - now);
      return;
    }
    const port = this.#link.client?.port;
    if (!port) return;
    const readyAt = port.readyAt();
    // A line that never falls silent is not waited for longer than for a reply.
    this.#quietSince ??= now;
    if (readyAt > now && now - this.#quietSince < this.#options.timeout) {
      this.#wake(readyAt - now);
      return;
    }
    this.#quietSince = undefined;
    this.#send(next, now);
  }

  /** The request to send, or when to look again. */
  #next(now: number): Turn | number {
    if (this.#repeat) return this.#repeat;
    let wake = Number.POSITIVE_INFINITY;
    let asked: Turn | undefined;
    for (const ask of this.#asks) {
      const job = ask.jobs[ask.samples.length];
      if (!job) continue;
      const held = job.device.heldUntil(now);
      if (held > now) wake = Math.min(wake, held);
      else asked ??= { job, ask, attempt: 0, error: undefined };
    }
    // Someone who asks all the time gets every second turn, not all of them.
    if (asked && !this.#askedLast) return asked;
    let best: Job | undefined;
    for (const job of this.#options.jobs) {
      const ready = Math.max(job.due, job.device.heldUntil(now));
      if (ready > now) wake = Math.min(wake, ready);
      else if (!best || job.due < best.due || (job.due === best.due && job.served < best.served)) best = job;
    }
    return best ? { job: best, ask: undefined, attempt: 0, error: undefined } : (asked ?? wake);
  }

  #serveClosed(now: number): void {
    const closed = new SluiceError('bus-closed', this.#link.fault?.message ?? `the bus ${this.name} is not open`);
    const repeat = this.#repeat;
    this.#repeat = undefined;
    if (repeat) this.#finish(repeat, badSample(repeat.job.shape, now, reasonOf(repeat.error ?? closed)), repeat.error ?? closed);
    for (const ask of this.#asks.splice(0)) ask.reject(closed);
    let wake = Number.POSITIVE_INFINITY;
    for (const job of this.#options.jobs) {
      if (job.due <= now) {
        job.device.failed(closed, job.request);
        this.#finish({ job, ask: undefined, attempt: 0, error: undefined }, badSample(job.shape, now, 'disconnected'), closed);
      }
      wake = Math.min(wake, job.due);
    }
    this.#wake(wake - now);
  }

  #wake(ms: number): void {
    if (ms !== Number.POSITIVE_INFINITY) this.#cancelTimer = this.#options.clock.after(Math.max(ms, 0), () => this.#pump());
  }

  #send(turn: Turn, now: number): void {
    const { job } = turn;
    this.#turn = turn;
    this.#repeat = undefined;
    this.#current = job.device;
    this.#askedLast = turn.ask !== undefined;
    job.served = ++this.#turns;
    turn.attempt++;
    job.device.counters.requests++;
    this.#link.client?.read(job.device.unit, job.request, this.#options.timeout, (error, payload, at) => {
      this.#turn = undefined;
      if (error && this.#state === 'stopped') turn.ask?.reject(error);
      else if (error) this.#failed(turn, error, at, now);
      else {
        this.#link.proven();
        job.device.succeeded(job.request, at, at - now);
        this.#finish(turn, job.decode(payload, at), undefined);
      }
      this.#idle?.();
      this.#pump();
    });
  }

  #failed(turn: Turn, error: SluiceError, at: number, sentAt: number): void {
    const { job } = turn;
    const { device, request } = job;
    if (error.code === 'exception') {
      // A refusal is an answer: the wire and the device are well.
      this.#link.proven();
      device.counters.latencyLast = at - sentAt;
    }
    device.failed(error, request);
    if (error.code === 'timeout' && this.#options.serial) device.owes(sentAt, at - sentAt);
    const again = error.code !== 'exception' && error.code !== 'request-invalid' && device.state !== 'silent';
    if (again && turn.attempt <= this.#options.retries && this.#state === 'running') {
      this.#repeat = { ...turn, error };
      return;
    }
    this.#finish(turn, badSample(job.shape, at, reasonOf(error)), error);
  }

  /** A turn has ended for good: the sample goes where it was asked for. */
  #finish(turn: Turn, sample: Sample, error: SluiceError | undefined): void {
    const { job, ask } = turn;
    if (error) job.device.gaveUp(error);
    if (ask) {
      this.#answer(ask, sample, error);
      return;
    }
    const now = this.#options.clock.monotonic();
    const ticks = Math.max(1, Math.floor((now - job.due) / job.interval) + 1);
    job.due += ticks * job.interval;
    job.device.counters.missedPolls = (job.device.counters.missedPolls ?? 0) + ticks - 1;
    this.#options.emit(sample);
  }

  #answer(ask: Ask, sample: Sample, error: SluiceError | undefined): void {
    ask.samples.push(sample);
    if (!error && ask.samples.length < ask.jobs.length) return;
    const at = this.#asks.indexOf(ask);
    if (at >= 0) this.#asks.splice(at, 1);
    const fault = ask.device.status().fault;
    if (error) ask.reject(new SluiceError(error.code, fault ?? error.message, { cause: error, data: { ...error.data } }));
    else ask.resolve(ask.samples);
  }

  #late(unit: number): void {
    const device = this.#options.devices.find((d) => d.unit === unit);
    if (!device) return;
    device.cameLate();
    this.#pump();
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
