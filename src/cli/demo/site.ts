/**
 * The demonstration site: simulated devices, the gateway and the platform, each in a process (the platform in this one).
 * Everything is real but the devices: the platform's listener goes away and comes back, and every number that is shown was
 * counted by the gateway or by the platform.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { request, stream } from '../../admin/client.ts';
import type { GatewayStatus, TailItem } from '../../admin/target.ts';
import type { GatewayConfig } from '../../config/kinds.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { Plant } from './plant.ts';
import { Platform } from './platform.ts';
import { FAULTS, type FaultName, Plot } from './plot.ts';
import { Points } from './points.ts';
import type { DemoSite } from './prepare.ts';
import { Counter } from './tally.ts';
import type { Scene } from './view.ts';

/** As bin/sluice starts the daemon. */
const FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];
const STORY_KEPT = 50;
const STOP_MS = 6000;
/** How often the simulated instruments get what they show, the plot looks at the time, and the gateway is asked. Milliseconds. */
const PLANT_MS = 400;
const PLOT_MS = 100;
const STATUS_MS = 500;
const LAST_MS = 1000;
/** How long an answer to a key that means nothing stays. */
const NOTE_MS = 3000;

export class Demo {
  readonly #site: DemoSite;
  readonly #main: string;
  readonly #clock: Clock;
  readonly #platform: Platform;
  readonly #points: Points;
  readonly #plant: Plant;
  readonly #plot: Plot;
  readonly #counter = new Counter();
  readonly #story: { time: number; text: string }[] = [];
  readonly #onLine: (text: string) => void;
  readonly #cancels = new Set<() => void>();
  #status: GatewayStatus | undefined;
  #asking = false;
  #note: { readonly text: string; readonly until: number } | undefined;
  #plotRuns = false;
  /** What the network shall be, and whether somebody is at it. */
  #networkIsCut = false;
  #switching = false;
  #simulator: ChildProcess | undefined;
  #gateway: ChildProcess | undefined;
  #stopping = false;
  /** Rejects when a part ends that should not. */
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => {};

  /** @param main the command line, as it was built; @param tell is called with each new line of the story */
  constructor(site: DemoSite, config: GatewayConfig, main: string, tell: (text: string) => void, clock: Clock = systemClock) {
    this.#site = site;
    this.#main = main;
    this.#clock = clock;
    this.#onLine = tell;
    this.#platform = new Platform(site.platformPort);
    this.#points = new Points(config);
    this.#plant = new Plant(clock.wall());
    this.#plot = new Plot(FAULTS, { act: (fault, isOn) => this.#act(fault, isOn), say: (text) => this.#say(text) });
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  async start(): Promise<void> {
    await this.#platform.start();
    await this.#startSimulator();
    // Ended before it began.
    if (this.#stopping) return;
    this.#startGateway();
    this.#say('The gateway starts, reads its instruments, delivers to a platform.');
    void this.#followTail();
    this.#every(STATUS_MS, () => void this.#askStatus());
    let before = this.#clock.monotonic();
    this.#every(PLANT_MS, () => {
      const now = this.#clock.monotonic();
      this.#plant.step((now - before) / 1000);
      before = now;
      this.#showValues();
    });
    this.#every(PLOT_MS, () => {
      if (this.#plotRuns) this.#plot.tick(this.#clock.monotonic());
    });
  }

  /** A key of the user. */
  press(key: string): void {
    const now = this.#clock.monotonic();
    const known = !this.#plotRuns || this.#plot.press(key, now);
    // Letters of any alphabet may come, and nothing that a terminal obeys is shown.
    this.#note = known ? undefined : { text: 'This key does nothing. The line below has those that do.', until: now + NOTE_MS };
  }

  async stop(): Promise<void> {
    // The numbers of the end; a gateway that does not answer is not waited for.
    await Promise.race([this.#askStatus(), new Promise((resolve) => setTimeout(resolve, LAST_MS).unref())]);
    this.#stopping = true;
    for (const cancel of this.#cancels) cancel();
    // The gateway first, so that it can still read and deliver what it holds.
    await end(this.#gateway);
    if (this.#status !== undefined) this.#counter.take(this.#status, this.#platform.readingsOf(this.#status.gateway.boot));
    this.#simulator?.stdin?.end();
    await Promise.all([end(this.#simulator), this.#platform.stop()]);
  }

  scene(hints: readonly string[], hasKeys: boolean): Scene {
    const { listening, counts } = this.#platform;
    const now = this.#clock.monotonic();
    return {
      now: this.#clock.wall(),
      status: this.#status,
      points: this.#points.shown(this.#status),
      valueWidth: this.#points.valueWidth,
      tally: this.#counter.now,
      awaySince: this.#counter.awaySince,
      platform: { listening, lateReadings: counts.lateReadings, repeats: counts.repeats },
      story: this.#story,
      coming: this.#plotRuns ? this.#plot.coming(now) : undefined,
      faults: FAULTS.map((fault) => ({ ...fault, isOn: this.#plot.isOn(fault.name) })),
      hasKeys,
      note: this.#note !== undefined && now < this.#note.until ? this.#note.text : undefined,
      hints,
    };
  }

  async #startSimulator(): Promise<void> {
    const serial = this.#site.hasSerial ? ['--pty', 'air=./dust-sensor'] : [];
    const args = [this.#main, 'simulate', this.#site.config, '--json', '--stop-at-eof', ...serial];
    // In a group of its own: Ctrl-C ends the demonstration, which ends its parts in order.
    const child = spawn(process.execPath, args, { cwd: this.#site.folder, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
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
    this.#showValues();
    child.once('exit', () => this.#ended('the simulator', said));
  }

  #startGateway(): void {
    const log = openSync(path.join(this.#site.folder, 'gateway.log'), 'a');
    const follow = path.join(import.meta.dirname, `follow-parent${path.extname(this.#main)}`);
    const args = [...FLAGS, '--import', follow, this.#main, 'run', '-c', this.#site.config];
    const child = spawn(process.execPath, args, { cwd: this.#site.folder, stdio: ['ignore', log, log, 'ipc'], detached: true });
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
    if (item.type === 'reading') {
      this.#points.take(item);
      if (this.#plotRuns) return;
      this.#plotRuns = true;
      this.#plot.begin(this.#clock.monotonic());
    } else if (item.type === 'alarm') this.#say(alarmWords(item), item.time);
  }

  async #askStatus(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const status = (await request(this.#site.socket, 'GET', '/api/v1/status')) as GatewayStatus;
      this.#status = status;
      const kept = this.#counter.take(status, this.#platform.readingsOf(status.gateway.boot));
      if (kept !== undefined && kept > 0 && this.#counter.now.lost === 0)
        this.#say(`The ${kept} readings that waited are delivered. None is lost.`);
    } catch (error) {
      if (!(toError(error) instanceof SluiceError)) throw error;
    } finally {
      this.#asking = false;
    }
  }

  #act(fault: FaultName, isOn: boolean): void {
    const word = isOn ? 'on' : 'off';
    switch (fault) {
      case 'door':
        this.#plant.doorIsOpen = isOn;
        return;
      case 'stopped':
        this.#plant.pumpRuns = !isOn;
        return;
      case 'network':
        this.#networkIsCut = isOn;
        void this.#switchNetwork();
        return;
      case 'unplugged':
        this.#type(`silent pump ${word}\n`);
        return;
      case 'noise':
        this.#type(this.#site.hasSerial ? `crc dust ${isOn ? '50%' : word}\n` : `garbage plant ${isOn ? '20%' : word}\n`);
    }
  }

  /** One switch at a time, until the network is as it shall be. */
  async #switchNetwork(): Promise<void> {
    if (this.#switching) return;
    this.#switching = true;
    try {
      while (!this.#stopping && this.#platform.listening === this.#networkIsCut)
        await (this.#networkIsCut ? this.#platform.stop() : this.#platform.start());
    } catch (error) {
      this.#fail(toError(error));
    } finally {
      this.#switching = false;
    }
  }

  /** All at once, so that no reply has half of them. */
  #showValues(): void {
    const lines = Array.from(this.#plant.values(), ([point, value]) => `set ${point} ${value}\n`);
    this.#type(lines.filter((line) => this.#site.hasSerial || !line.startsWith('set dust.')).join(''));
  }

  #type(lines: string): void {
    const stdin = this.#simulator?.stdin;
    // One that does not keep up misses values, not faults.
    if (stdin?.writable === true && !(stdin.writableNeedDrain && lines.startsWith('set'))) stdin.write(lines);
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

function alarmWords({ rule, state, message }: Extract<TailItem, { type: 'alarm' }>): string {
  return state.startsWith('active') ? `ALARM ${rule}: ${message}` : `The alarm ${rule} is over.`;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}
