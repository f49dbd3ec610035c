/**
 * A fleet of gateways into a cluster of three nodes, RabbitMQ or NATS. All nodes are killed, an hour of readings piles up, all gateways
 * return at once; then one node is killed in the middle and started again. What arrived is compared with what was taken, by the marks.
 * `npm run bench:fleet`, `npm run bench:fleet -- nats`. SLUICE_FLEET_GATEWAYS (50), _REAL (4), _RECORDS (360), _POINTS (10), _INFLIGHT.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Child } from '../test/harness/child.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { confirmed } from './lib/fleet-confirm.ts';
import { ENGINES, Engine, type EngineName } from './lib/fleet-engines.ts';
import type { FleetReport, ReceiverReport, Verdict } from './lib/fleet-words.ts';
import { cpuSeconds } from './lib/proc.ts';
import { Workspace } from './lib/workspace.ts';

const sizeOf = (name: string, otherwise: number) => Number(process.env[`SLUICE_FLEET_${name}`] ?? otherwise);
const GATEWAYS = sizeOf('GATEWAYS', 50);
const REAL = Math.min(GATEWAYS, sizeOf('REAL', 4));
const RECORDS = sizeOf('RECORDS', 360);
const POINTS = sizeOf('POINTS', 10);
/** Messages to the platform under way at once. */
const IN_FLIGHT = sizeOf('INFLIGHT', 100);
/** Each gateway takes a record so often, all the time. */
const LIVE = sizeOf('LIVE', 10_000);
const WINDOW = 10_000;
/** Bytes a second of the backlog of one gateway, and what may leave in a window: two seconds of it may leave at once. */
const RATE = sizeOf('RATE', 2000);
const ALLOWED = RATE * (WINDOW / 1000 + 2);
/** The brokers send again what was not acknowledged within 30 s. */
const QUIET = 45_000;
const LONGEST = sizeOf('MINUTES', 15) * 60_000;

/** Its answers to lines. */
class Told {
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

const log = (words: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${words}`);
const lib = (file: string) => path.join(import.meta.dirname, 'lib', file);

async function measure(name: EngineName): Promise<[label: string, value: string | number][]> {
  return Workspace.use(async (space) => {
    const engine = await Engine.make(space, name, IN_FLIGHT);
    await engine.launch();
    log(`${name}: three nodes run`);
    for (const line of await confirmed(engine)) console.log(`- ${line}`);
    const urls = engine.nodes.map(({ url }) => url);
    const spawn = (file: string, plan: object) =>
      new Told(
        space.spawn(process.execPath, ['--disable-warning=ExperimentalWarning', lib(file), JSON.stringify(plan)], {
          stdin: true,
        }),
      );
    const platform = spawn('fleet-receiver.ts', { urls, gateways: GATEWAYS, points: POINTS, login: engine.login });
    await platform.child.line(/"subscribed"/);
    const folder = path.join(space.folder, 'logs');
    mkdirSync(folder);
    const settings = { ...engine.login, batch: { maxReadings: 100, maxAge: '1s' }, history: { rate: `${RATE}B` } };
    const fleet = spawn('fleet-gateways.ts', {
      ...{ gateways: GATEWAYS, real: REAL, folder, points: POINTS, urls, window: WINDOW, settings },
    });
    const [fleetPid, platformPid] = [fleet.child.pid as number, platform.child.pid as number];
    const gateways = () => fleet.ask<FleetReport>('report');
    const received = () => platform.ask<ReceiverReport>('report');
    const until = async (what: string, ask: () => Promise<boolean>): Promise<number> => {
      const begun = performance.now();
      let said = begun;
      await waitFor(
        what,
        async () => {
          const done = await ask();
          if (!done && performance.now() - said > 15_000) {
            said = performance.now();
            log(`${what}: ${JSON.stringify(await gateways())} ${JSON.stringify(await received())}`);
          }
          return done;
        },
        { every: 500, timeout: LONGEST },
      );
      log(`${what}: yes`);
      return Math.round((performance.now() - begun) / 1000);
    };

    const first = await until('all gateways are connected', async () => (await gateways()).connected === GATEWAYS);
    await fleet.ask(`live ${LIVE}`);
    await until('live readings arrive', async () => (await received()).records >= 2 * GATEWAYS);
    console.log(`- replicas: ${await engine.replicas()}`);

    await engine.kill(...engine.nodes);
    await until('all gateways write history', async () => (await gateways()).history === GATEWAYS);
    await fleet.ask(`hour ${RECORDS}`);
    const before = { fleet: await gateways(), platform: await received() };
    const cpu = { engine: engine.cpu, fleet: cpuSeconds(fleetPid), platform: cpuSeconds(platformPid) };
    await engine.launch();
    log('all nodes run again');
    const third = before.platform.records + (GATEWAYS * RECORDS) / 3;
    const back = await until('a third of the hour arrives', async () => (await received()).records >= third);
    const rss = engine.rss;
    // The session of the platform has to move, too.
    const node = engine.nodes[(await received()).node];
    if (node === undefined) throw new Error('no node');
    await engine.kill(node);
    log('one node is killed');
    const two = before.platform.records + (GATEWAYS * RECORDS * 2) / 3;
    await until('two thirds of the hour arrive', async () => (await received()).records >= two);
    const upToDate = engine.restart(node);
    log('the node is started again');
    await until('all gateways are live', async () => (await gateways()).history === 0);
    await fleet.ask('live 0');
    await until('everything is acknowledged', async () => (await gateways()).waiting === 0);
    const expected = path.join(space.folder, 'expected.json');
    await fleet.ask(`expect ${expected}`);
    let verdict = await platform.ask<Verdict>(`verdict ${expected}`);
    await until('nothing more arrives', async () => {
      verdict = await platform.ask<Verdict>(`verdict ${expected}`);
      return (verdict.lost === 0 && verdict.alarmsLost === 0) || (await received()).idle > QUIET;
    });
    const after = { fleet: await gateways(), platform: await received() };
    const used = {
      engine: engine.cpu - cpu.engine,
      fleet: cpuSeconds(fleetPid) - cpu.fleet,
      platform: cpuSeconds(platformPid) - cpu.platform,
    };
    const readings = after.fleet.acked - before.fleet.acked;
    const perSecond = (seconds: number) => Math.round(readings / seconds).toLocaleString('en');
    fleet.child.endInput();
    await fleet.child.ended;
    return [
      ['engine', name],
      ['gateways (with a real log)', `${GATEWAYS} (${REAL})`],
      ['records expected', verdict.expected.toLocaleString('en')],
      ['never came', verdict.lost],
      ['came only behind the mark', verdict.lostBehindMarks],
      ['twice behind the marks', verdict.doubled],
      ['wrong content', verdict.wrong],
      ['repeats that the marks stopped', verdict.repeats],
      ['alarms expected, lost, repeated', `${verdict.alarmsExpected}, ${verdict.alarmsLost}, ${verdict.alarmsRepeats}`],
      ['readings acknowledged after the return', readings.toLocaleString('en')],
      [
        'messages, MB sent after the return',
        `${after.fleet.messages - before.fleet.messages}, ${((after.fleet.bytes - before.fleet.bytes) / 1e6).toFixed(1)}`,
      ],
      ['batches sent again', after.fleet.retries - before.fleet.retries],
      ['messages refused for good', after.fleet.refused],
      [`most bytes of history of a gateway in ${WINDOW / 1000} s; allowed`, `${after.fleet.mostInWindow}; ${ALLOWED}`],
      ['the same, median of gateways', after.fleet.mostInWindowMedian],
      ['connections made; most tries in 1 s', `${after.fleet.connects}; ${after.fleet.busiest}`],
      ['connections of the platform', after.platform.connects],
      ['CPU-s of nodes, gateways, platform', `${used.engine.toFixed(1)}, ${used.fleet.toFixed(1)}, ${used.platform.toFixed(1)}`],
      ['readings per CPU-s of nodes', perSecond(used.engine)],
      ['readings per CPU-s of gateways', perSecond(used.fleet)],
      ['RSS of three nodes, MB', Math.round(rss)],
      ['s to connect all, to a third of the hour', `${first}, ${back}`],
      ['s until the restarted node is up to date', upToDate()?.toFixed(0) ?? 'not at the end'],
      ['faults in words', after.fleet.faults.join('; ')],
    ];
  });
}

const asked = process.argv.slice(2).filter((word) => word !== '--');
const names = ENGINES.filter((name) => asked.length === 0 || asked.includes(name));
if (names.length === 0) throw new Error(`write one of ${ENGINES.join(', ')}, or nothing`);
printConditions(
  `A fleet into a cluster, ${RECORDS} records of ${POINTS} points in the hour, a record each ${LIVE / 1000} s beside it`,
);
const columns: [string, string | number][][] = [];
for (const name of names) columns.push(await measure(name));
printTable((columns[0] ?? []).map(([label], i) => [label, ...columns.map((column) => column[i]?.[1] ?? '')]));
process.exit(0);
