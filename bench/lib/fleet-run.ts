/** One run of bench/fleet.ts: a cluster, the process with the gateways, the platform, and what they say. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../test/harness/child.ts';
import { waitFor } from '../../test/harness/wait-for.ts';
import { Engine, type EngineName, type EngineOptions } from './fleet-engines.ts';
import { fateWords } from './fleet-fate.ts';
import { compared, heldWords, type Outcome } from './fleet-queues.ts';
import type { Fate, FleetReport, Left, ReceiverReport, Verdict } from './fleet-words.ts';
import { cpuSeconds } from './proc.ts';
import type { Workspace } from './workspace.ts';

const sizeOf = (name: string, otherwise: number) => Number(process.env[`SLUICE_FLEET_${name}`] ?? otherwise);
export const GATEWAYS = sizeOf('GATEWAYS', 50);
export const REAL = Math.min(GATEWAYS, sizeOf('REAL', 4));
export const RECORDS = sizeOf('RECORDS', 360);
export const POINTS = sizeOf('POINTS', 10);
/** Messages to the platform under way at once. */
const IN_FLIGHT = sizeOf('INFLIGHT', 100);
/** Each gateway takes a record so often, all the time. */
export const LIVE = sizeOf('LIVE', 10_000);
export const WINDOW = 10_000;
/** Bytes a second of the backlog of one gateway, and what may leave in a window: two seconds of it may leave at once. */
const RATE = sizeOf('RATE', 2000);
export const ALLOWED = RATE * (WINDOW / 1000 + 2);
/** NATS sends again what was not acknowledged within 30 s; RabbitMQ does that on the next connection. */
const QUIET = 45_000;
/** Milliseconds in which a receiver that left is gone. */
const REST = 2000;
const LONGEST = sizeOf('MINUTES', 15) * 60_000;

export type Row = readonly [label: string, value: string | number];

export const log = (words: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${words}`);

/** A process that answers lines. */
export class Told {
  readonly child: Child;
  constructor(child: Child) {
    this.child = child;
  }
  async ask<T>(line: string): Promise<T> {
    const seen = this.child.stdout.length;
    this.child.write(line);
    const answer = await waitFor(
      () => `an answer to ${line}:\n${this.child.stderr.slice(-20).join('\n')}`,
      () => this.child.stdout.slice(seen).find((l) => l.startsWith(`{"did":"${line}"`)),
      { timeout: 180_000 },
    );
    return JSON.parse(answer) as T;
  }
}

export interface RunOptions extends Omit<EngineOptions, 'inFlight'> {
  /** The file of the authority of the nodes, for nodes with TLS. */
  readonly ca?: string | undefined;
  /** Gateways resume TLS sessions; absent: they do. */
  readonly resume?: boolean | undefined;
  /** Before the nodes start for the first time. */
  readonly before?: ((engine: Engine) => Promise<void>) | undefined;
  /** When they run, and before there are gateways. */
  readonly ready?: ((engine: Engine) => Promise<void>) | undefined;
}

/** CPU seconds so far. */
export interface Cpu {
  readonly engine: number;
  readonly fleet: number;
  readonly platform: number;
}

export class FleetRun {
  readonly engine: Engine;
  readonly fleet: Told;
  readonly platform: Told;
  readonly #folder: string;

  private constructor(engine: Engine, fleet: Told, platform: Told, folder: string) {
    this.engine = engine;
    this.fleet = fleet;
    this.platform = platform;
    this.#folder = folder;
  }

  /** Three nodes run, the platform has its session, and the gateways begin to connect. */
  static async start(space: Workspace, name: EngineName, options: RunOptions): Promise<FleetRun> {
    const { ca, resume = true, before, ready } = options;
    const engine = await Engine.make(space, name, { ...options, inFlight: IN_FLIGHT });
    await before?.(engine);
    await engine.launch();
    log(`${name}: three nodes run`);
    if (ready === undefined) engine.prepare?.();
    else await ready(engine);
    const urls = engine.nodes.map(({ url }) => url);
    const spawn = (file: string, plan: object): Told => {
      const words = ['--disable-warning=ExperimentalWarning', path.join(import.meta.dirname, file), JSON.stringify(plan)];
      return new Told(space.spawn(process.execPath, words, { stdin: true }));
    };
    const { login } = engine;
    const platform = spawn('fleet-receiver.ts', { urls, gateways: GATEWAYS, points: POINTS, login, ca });
    await platform.child.line(/"subscribed"/);
    const folder = path.join(space.folder, 'logs');
    mkdirSync(folder);
    const settings = { ...login, batch: { maxReadings: 100, maxAge: '1s' }, history: { rate: `${RATE}B` } };
    const fleet = spawn('fleet-gateways.ts', {
      ...{ gateways: GATEWAYS, real: REAL, folder, points: POINTS, urls, ca, resume, window: WINDOW, settings },
    });
    return new FleetRun(engine, fleet, platform, space.folder);
  }

  gateways(): Promise<FleetReport> {
    return this.fleet.ask<FleetReport>('report');
  }
  received(): Promise<ReceiverReport> {
    return this.platform.ask<ReceiverReport>('report');
  }
  get cpu(): Cpu {
    const of = ({ child }: Told): number => cpuSeconds(child.pid as number);
    return { engine: this.engine.cpu, fleet: of(this.fleet), platform: of(this.platform) };
  }

  /** @returns seconds. @throws after the longest time */
  async until(what: string, ask: () => Promise<boolean>): Promise<number> {
    const begun = performance.now();
    let said = begun;
    await waitFor(
      what,
      async () => {
        const done = await ask();
        if (!done && performance.now() - said > 15_000) {
          said = performance.now();
          log(`${what}: ${JSON.stringify(await this.gateways())} ${JSON.stringify(await this.received())}`);
        }
        return done;
      },
      { every: 500, timeout: LONGEST },
    );
    log(`${what}: yes`);
    return Math.round((performance.now() - begun) / 1000);
  }

  connected(): Promise<number> {
    return this.until('all gateways are connected', async () => (await this.gateways()).connected === GATEWAYS);
  }

  /** All gateways are connected, and live records of all arrive. @returns seconds until all were connected */
  async begin(): Promise<number> {
    const first = await this.connected();
    await this.fleet.ask(`live ${LIVE}`);
    await this.until('live readings arrive', async () => (await this.received()).records >= 2 * GATEWAYS);
    return first;
  }

  /** No network for all gateways; none is connected any more. Live records, if there are any, go to history. */
  async offline(): Promise<void> {
    await this.fleet.ask('offline');
    await this.until('no gateway is connected', async () => (await this.gateways()).connected === 0);
  }

  acknowledged(): Promise<number> {
    return this.until('everything is acknowledged', async () => (await this.gateways()).waiting === 0);
  }

  /** No gateway takes any more, and each has an answer for all of it. */
  async finish(): Promise<void> {
    await this.until('all gateways are live', async () => (await this.gateways()).history === 0);
    await this.fleet.ask('live 0');
    await this.acknowledged();
  }

  /** What is missing where neither the platform nor a node has it. */
  async verdict(): Promise<Outcome<Verdict>> {
    const expected = path.join(this.#folder, 'expected.json');
    await this.fleet.ask(`expect ${expected}`);
    const verdict = () => this.platform.ask<Verdict>(`verdict ${expected}`);
    const complete = ({ lost, alarmsLost }: Verdict): boolean => lost === 0 && alarmsLost === 0;
    const left: Left[] = [];
    const outcome = await compared<Verdict>({
      ...{ verdict, complete },
      quiet: async () => {
        await this.until('nothing more arrives', async () => {
          if (complete(await verdict())) return true;
          const { connected, idle } = await this.received();
          return connected && idle > QUIET;
        });
      },
      held: async () => {
        const held = await this.engine.held('platform');
        log(`something did not come; the nodes have ${heldWords([held])} messages for the platform`);
        return held;
      },
      back: async () => {
        const { node } = await this.received();
        await this.platform.ask('away');
        await this.until('the platform is away', async () => !(await this.received()).connected);
        await sleep(REST);
        if (left.length === 0) left.push(...(await this.#left()));
        await this.platform.ask(`back ${(node + 1) % this.engine.nodes.length}`);
        await this.until('the platform is back', async () => (await this.received()).connected);
      },
    });
    await this.#explain(outcome, left);
    return outcome;
  }

  /** Messages that a node cannot show are no reason to end the run. */
  async #left(): Promise<readonly Left[]> {
    try {
      return await this.engine.left('platform');
    } catch (thrown) {
      log(`what the nodes have could not be read: ${String(thrown)}`);
      return [];
    }
  }

  /** A line for each range of records that did not come at first: which gateway and numbers, who acknowledged them, where they were. */
  async #explain({ first, last }: Outcome<Verdict>, left: readonly Left[]): Promise<void> {
    if (first.missing.length === 0) return;
    const file = path.join(this.#folder, 'missing.json');
    writeFileSync(file, JSON.stringify(first.missing));
    const { fates } = await this.fleet.ask<{ readonly fates: readonly Fate[] }>(`fates ${file}`);
    for (const line of fateWords(fates, left, last.missing)) console.log(`- missing at first: ${line}`);
  }

  async end(): Promise<void> {
    this.fleet.child.endInput();
    await this.fleet.child.ended;
  }
}

export function verdictRows({ first, last: verdict, returns, held }: Outcome<Verdict>): Row[] {
  return [
    ['records expected', verdict.expected.toLocaleString('en')],
    ['did not come before the platform connected again; how often it did', `${first.lost}; ${returns}`],
    ['messages that the nodes had for it then, ready + under way', heldWords(held)],
    ['never came', verdict.lost],
    ['came only behind the mark', verdict.lostBehindMarks],
    ['twice behind the marks', verdict.doubled],
    ['wrong content', verdict.wrong],
    ['repeats that the marks stopped', verdict.repeats],
    ['alarms expected, lost, repeated', `${verdict.alarmsExpected}, ${verdict.alarmsLost}, ${verdict.alarmsRepeats}`],
  ];
}

/** What gateways did between two reports. */
export function fleetRows(before: FleetReport, after: FleetReport): Row[] {
  const sent = ((after.bytes - before.bytes) / 1e6).toFixed(1);
  return [
    ['readings acknowledged after the return', (after.acked - before.acked).toLocaleString('en')],
    ['messages, MB sent after the return', `${after.messages - before.messages}, ${sent}`],
    ['batches sent again', after.retries - before.retries],
    ['messages refused for good', after.refused],
    [`most bytes of history of a gateway in ${WINDOW / 1000} s; allowed`, `${after.mostInWindow}; ${ALLOWED}`],
    ['the same, median of gateways', after.mostInWindowMedian],
    ['connections made; most tries in 1 s', `${after.connects}; ${after.busiest}`],
  ];
}
