/**
 * The demonstration site: simulated devices, the gateway and the platform, each in a process (the platform in this one), and
 * the plot: what happens when. Everything is real but the devices: the platform's listener goes away and comes back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { request, stream } from '../../admin/client.ts';
import type { GatewayStatus, TailItem, TailReading } from '../../admin/target.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { Platform } from './platform.ts';
import type { DemoSite } from './prepare.ts';
import type { Scene } from './view.ts';

/** As bin/sluice starts the daemon. */
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];
/** The plot repeats; seconds from its beginning. */
const PLOT_SECONDS = 90;
const PLOT: readonly (readonly [at: number, does: string | 'away' | 'back', text: string])[] = [
  [15, 'set fridge.temperature 9.4', 'Somebody leaves the fridge open: it shows 9.4 °C.'],
  [25, 'away', 'The platform goes away (an outage). Readings are kept.'],
  [35, 'set fridge.temperature auto', 'The fridge is closed again.'],
  [50, 'back', 'The platform is back: what was kept is delivered as history, beside the live readings.'],
  [60, 'silent pump on', 'The pump loses its power and does not answer.'],
  [72, 'silent pump off', 'The pump has power again.'],
];
const STORY_KEPT = 50;
const STOP_MS = 6000;

export class Demo {
  readonly #site: DemoSite;
  readonly #main: string;
  readonly #clock: Clock;
  readonly #platform: Platform;
  readonly #readings = new Map<string, TailReading>();
  readonly #story: { time: number; text: string }[] = [];
  readonly #onLine: (text: string) => void;
  readonly #cancels = new Set<() => void>();
  #status: GatewayStatus | undefined;
  #simulator: ChildProcess | undefined;
  #gateway: ChildProcess | undefined;
  #stopping = false;
  /** Rejects when a part ends that should not. */
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => {};

  /** @param main the command line, as it was built; @param tell is called with each new line of the story */
  constructor(site: DemoSite, main: string, tell: (text: string) => void, clock: Clock = systemClock) {
    this.#site = site;
    this.#main = main;
    this.#clock = clock;
    this.#onLine = tell;
    this.#platform = new Platform(site.platformPort);
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  async start(): Promise<void> {
    await this.#platform.start();
    await this.#startSimulator();
    this.#startGateway();
    this.#say('The gateway starts; devices are simulated, the platform listens.');
    void this.#followTail();
    this.#every(1000, () => void this.#askStatus());
    this.#runPlot(0);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const cancel of this.#cancels) cancel();
    // The gateway first, so that it can still read and deliver what it holds.
    await end(this.#gateway);
    this.#simulator?.stdin?.end();
    await Promise.all([end(this.#simulator), this.#platform.stop()]);
  }

  scene(hints: readonly string[]): Scene {
    const { listening, counts } = this.#platform;
    return {
      readings: this.#readings,
      status: this.#status,
      platform: { listening, ...counts },
      story: this.#story,
      now: this.#clock.wall(),
      hints,
    };
  }

  async #startSimulator(): Promise<void> {
    const serial = this.#site.hasSerial ? ['--pty', 'air=./dust-sensor'] : [];
    const args = [this.#main, 'simulate', this.#site.config, '--stop-at-eof', ...serial];
    const child = spawn(process.execPath, args, { cwd: this.#site.folder, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#simulator = child;
    child.stdin.on('error', () => {});
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-2000);
    });
    await new Promise<void>((resolve, reject) => {
      // The first line comes when every bus is served.
      child.stdout.once('data', () => resolve());
      child.once('exit', () => reject(new SluiceError('internal', `the devices cannot be simulated: ${said.trim()}`)));
    });
    child.stdout.resume();
    child.once('exit', () => this.#ended('the simulator', said));
  }

  #startGateway(): void {
    const log = openSync(path.join(this.#site.folder, 'gateway.log'), 'a');
    const follow = path.join(import.meta.dirname, `follow-parent${path.extname(this.#main)}`);
    const args = [...FLAGS, '--import', follow, this.#main, 'run', '-c', this.#site.config];
    const child = spawn(process.execPath, args, { cwd: this.#site.folder, stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.#gateway = child;
    child.once('exit', () => this.#ended('the gateway', `see ${path.join(this.#site.folder, 'gateway.log')}`));
  }

  #ended(what: string, words: string): void {
    if (!this.#stopping) this.#fail(new SluiceError('internal', `${what} ended: ${words.trim()}`));
  }

  /** Readings and alarms as they come; until the gateway listens, and after it ended, tried again each 200 ms. */
  async #followTail(): Promise<void> {
    while (!this.#stopping) {
      try {
        for await (const item of stream(this.#site.socket, '/api/v1/tail')) this.#take(item as TailItem);
      } catch {
        // not there yet
      }
      await new Promise<void>((resolve) => setTimeout(resolve, 200));
    }
  }

  #take(item: TailItem): void {
    if (item.type === 'reading') this.#readings.set(`${item.device}.${item.point}`, item);
    else if (item.type === 'alarm') this.#say(`${alarmWord(item)}: ${item.message}`, item.time);
  }

  async #askStatus(): Promise<void> {
    try {
      this.#status = (await request(this.#site.socket, 'GET', '/api/v1/status')) as GatewayStatus;
    } catch (error) {
      if (!(toError(error) instanceof SluiceError)) throw error;
    }
  }

  #runPlot(index: number): void {
    const scene = PLOT[index];
    const before = index === 0 ? 0 : (PLOT[index - 1]?.[0] ?? 0);
    const wait = (scene === undefined ? PLOT_SECONDS : scene[0]) - before;
    this.#after(wait * 1000, () => {
      if (scene === undefined) {
        this.#runPlot(0);
        return;
      }
      const [, does, text] = scene;
      this.#say(text);
      if (does === 'away') void this.#platform.stop();
      else if (does === 'back') this.#platform.start().catch(this.#fail);
      else this.#simulator?.stdin?.write(`${does}\n`);
      this.#runPlot(index + 1);
    });
  }

  #say(text: string, time = this.#clock.wall()): void {
    this.#story.push({ time, text });
    if (this.#story.length > STORY_KEPT) this.#story.shift();
    this.#onLine(text);
  }

  #after(ms: number, run: () => void): void {
    const cancel = this.#clock.after(ms, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }

  #every(ms: number, run: () => void): void {
    this.#after(ms, () => {
      run();
      this.#every(ms, run);
    });
  }
}

function alarmWord({ rule, state, severity }: Extract<TailItem, { type: 'alarm' }>): string {
  return state.startsWith('active') ? `ALARM ${rule} (${severity})` : `The alarm ${rule} is over`;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}
