/**
 * A serial port with one instrument on it. Invariants:
 * - it is opened again for ever after any end of it (back-off 100 ms to 10 s, with jitter), and never twice at a time;
 * - only the port's `close` (or a path that leads elsewhere) counts as unplugged, never its `error`;
 * - nothing is written to the line but the configured request of the device.
 */
import { waitAfter } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import type { Duty } from '../../core/duty.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Sample, Shape } from '../../core/point.ts';
import type { Bus, BusStatus } from '../../core/ports.ts';
import { type LineOpener, type OpenLine, watchPath } from '../serial-line.ts';
import type { LineDevice } from './line-device.ts';
import { type LineListener, LineTap } from './line-tap.ts';
import type { SerialBusSettings } from './schema.ts';

/** Milliseconds. */
const BACKOFF = { first: 100, longest: 10_000 };
const STOP_LIMIT = 3000;

export interface SerialBusContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0..1, for the jitter of retries. */
  readonly random: () => number;
  readonly open: LineOpener;
}

export class SerialBus implements Bus {
  readonly name: string;
  readonly shapes: readonly Shape[];
  private readonly settings: SerialBusSettings;
  private readonly device: LineDevice;
  private readonly context: SerialBusContext;
  private readonly tap: LineTap;
  private state: BusStatus['state'] = 'closed';
  private running = false;
  private fault: SluiceError | undefined;
  private port: OpenLine | undefined;
  /** The attempt under way; settles in any case. */
  private opening: Promise<void> | undefined;
  private failures = 0;
  private heard = false;
  private cancelRetry: (() => void) | undefined;
  /** Monotonic time of the next attempt, while the port is closed. */
  private retryAt = Number.POSITIVE_INFINITY;
  private cancelWatch: (() => void) | undefined;

  constructor(name: string, settings: SerialBusSettings, device: LineDevice, context: SerialBusContext) {
    this.name = name;
    this.settings = settings;
    this.device = device;
    this.shapes = device.shapes;
    this.context = context;
    this.tap = new LineTap(context.clock);
  }

  nextPoll(): number {
    return (this.running ? this.device.turns?.().next : undefined) ?? Number.POSITIVE_INFINITY;
  }

  lastTurn(): number {
    return this.device.turns?.().last ?? Number.NEGATIVE_INFINITY;
  }

  turnBy(): number {
    return this.device.turns?.().by ?? Number.NEGATIVE_INFINITY;
  }

  duties(): Duty[] {
    const retry = { name: `the opening of the port ${this.settings.port}`, due: this.retryAt };
    return this.running ? [retry, ...(this.device.duties?.() ?? [])] : [];
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.device.start();
    this.attempt();
  }

  async stop(): Promise<void> {
    this.running = false;
    this.cancelRetry?.();
    this.cancelWatch?.();
    this.device.stop();
    this.tap.end();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.context.clock.after(STOP_LIMIT, resolve);
    await Promise.race([this.release(), late]);
    cancel();
    this.state = 'closed';
  }

  async read(device: string): Promise<Sample[]> {
    if (device !== this.device.name) throw new SluiceError('not-found', `there is no device ${device} on the bus ${this.name}`);
    if (this.state !== 'open')
      throw this.fault ?? new SluiceError('bus-closed', `the port ${this.settings.port} is not open yet`);
    return this.device.read(this.settings.timeout);
  }

  /** Every byte from now on, until the returned function is called; `ended` is called when the bus was stopped. */
  capture(listener: LineListener, ended: () => void = () => {}): () => void {
    return this.tap.add(listener, ended);
  }

  status(): BusStatus {
    return {
      name: this.name,
      protocol: 'serial',
      state: this.state,
      fault: this.fault?.message,
      devices: [this.device.status()],
    };
  }

  private async release(): Promise<void> {
    await this.opening;
    const port = this.port;
    this.port = undefined;
    await port?.close();
  }

  private attempt(): void {
    this.state = 'opening';
    this.retryAt = Number.POSITIVE_INFINITY;
    this.heard = false;
    this.opening = this.context
      .open(this.settings, { data: (chunk) => this.receive(chunk), closed: (reason, fault) => this.lost(reason, fault) })
      .then(
        (port) => this.opened(port),
        (error: unknown) => this.failed(error),
      )
      .finally(() => {
        this.opening = undefined;
      });
  }

  private opened(port: OpenLine): void {
    this.port = port;
    if (!this.running) return; // `stop` waits for us and closes it
    this.state = 'open';
    this.device.opened((bytes) => {
      if (this.port !== port) return;
      this.tap.wrote(bytes);
      port.write(bytes);
    });
    this.context.logger.info({ port: this.settings.port, afterFailures: this.failures }, 'The serial port is open.');
    this.fault = undefined;
    this.watch(port);
    port.alsoOpenIn().then(
      (words) => {
        if (words !== undefined && this.port === port) this.context.logger.warn({ port: this.settings.port }, words);
      },
      () => {},
    );
  }

  private failed(thrown: unknown): void {
    const error =
      thrown instanceof SluiceError ? thrown : new SluiceError('bus-open', toError(thrown).message, { cause: thrown });
    if (this.fault?.message !== error.message)
      this.context.logger.warn({ port: this.settings.port, code: error.code }, error.message);
    this.fault = error;
    this.retry();
  }

  private receive(chunk: Uint8Array): void {
    if (!this.running) return;
    if (!this.heard) {
      this.heard = true;
      this.failures = 0;
    }
    this.tap.came(chunk);
    this.device.receive(chunk);
  }

  private lost(reason: string, fault?: SluiceError): void {
    if (this.port === undefined) return;
    this.port = undefined;
    this.cancelWatch?.();
    if (!this.running) return;
    this.fault =
      fault ??
      new SluiceError(
        'bus-closed',
        `${this.settings.port} was unplugged or ended (${reason}); the gateway opens it again when it is back`,
      );
    this.context.logger.warn({ port: this.settings.port, reason }, this.fault.message);
    this.state = 'closed';
    this.device.interrupted(this.fault.message);
    this.retry();
  }

  private retry(): void {
    if (!this.running) return;
    this.state = 'closed';
    const delay = waitAfter(BACKOFF, this.failures++, this.context.random());
    this.retryAt = this.context.clock.monotonic() + delay;
    this.cancelRetry = this.context.clock.after(delay, () => this.attempt());
  }

  private watch(port: OpenLine): void {
    this.cancelWatch = watchPath(port, this.context.clock, () => {
      void port.close().then(() => {
        if (this.port === port) this.lost('its path leads elsewhere');
      });
    });
  }
}
