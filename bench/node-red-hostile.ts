/**
 * How late polls are beside flows that do harm: twenty Modbus TCP devices are polled four times a second, and Node-RED runs one
 * hostile flow after the other under another user. Each row has a quiet time before its flow, with an empty flow, in the same run.
 * `npm run bench:node-red-hostile` (root; Node-RED installed by scripts/setup-node-red.sh; some eight minutes).
 *
 * SLUICE_BENCH_ROWS=none,sockets takes the rows with these words only. SLUICE_BENCH_FENCE puts one more fence around Node-RED, to compare:
 * `idle` (SCHED_IDLE for all of its threads), `files` (256 open files in place of 1,024), `half` (half of one core, by SIGSTOP and
 * SIGCONT each 20 ms, as cpu.max of a control group would). The columns "waits" and "system" say why polls are late: time that the
 * main thread of the gateway was ready and had no core, and its time in the kernel, both in ms for each second. "Gap" is the longest
 * time in which a device got no poll beside the flow, and the two columns behind it are what the main thread did meanwhile: a poll that
 * is more than an interval late is left out, whether the thread was busy or waited for a core. "Offered /s" is what a flood counted by
 * its own clock: the messages a second that the kernel took for its connection, and in brackets those of its best second.
 *
 * The devices note when a poll arrives. Each device is polled at its interval for ever, so a poll is as late as it is behind the
 * earliest place in the interval of its row.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault } from '../src/node-red/place.ts';
import { freePort } from '../test/harness/free-port.ts';
import { ALLOCATE, BUFFERS, LINES, LOOP, offeredIn, publish, sockets } from '../test/harness/hostile-flows.ts';
import { askEditor, startsWith } from '../test/harness/node-red-site.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { cpuSeconds, memory } from './lib/proc.ts';
import { pidOf, startGateway } from './lib/site.ts';
import { Devices, type Poll } from './lib/storm-brokers.ts';
import { behind, placeOf } from './lib/storm-lateness.ts';
import { Workspace } from './lib/workspace.ts';

const DEVICES = 20;
const REGISTERS = 20;
const INTERVAL = 250;
const QUIET = Number(process.env.SLUICE_BENCH_MS ?? 30_000);
const HOSTILE = QUIET;
const SETTLE = 5000;
/** More at p99 than in the quiet time, ms. */
const AIM = 20;
const USER = 'nobody';
const PASSWORD = 'a long enough password';
const FENCE = process.env.SLUICE_BENCH_FENCE;
const ROWS = (process.env.SLUICE_BENCH_ROWS ?? '').split(',');
/** How often the main thread is looked at, ms. */
const LOOK = 50;

/** Puts the fence that is compared around a process that runs already. @returns takes a periodic one away */
function fence(pid: number): () => void {
  if (FENCE === 'idle') spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)]);
  if (FENCE === 'files') spawnSync('prlimit', ['--pid', String(pid), '--nofile=256']);
  if (FENCE !== 'half') return () => {};
  let stopped = false;
  const timer = setInterval(() => {
    stopped = !stopped;
    try {
      process.kill(pid, stopped ? 'SIGSTOP' : 'SIGCONT');
    } catch {
      clearInterval(timer);
    }
  }, 20);
  return () => {
    clearInterval(timer);
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It ended.
    }
  };
}

/** The time of the main thread since its start, ms: ready without a core (proc_pid_schedstat), and in the kernel (proc_pid_stat(5)). */
function mainThread(pid: number): { readonly waits: number; readonly system: number } {
  const task = `/proc/${pid}/task/${pid}`;
  const stat = readFileSync(`${task}/stat`, 'latin1');
  return {
    waits: Number(readFileSync(`${task}/schedstat`, 'latin1').split(' ')[1]) / 1e6,
    system: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[12]) * 10,
  };
}

/** What the main thread has had since its start, ms: time on a core, and time in which it waited for one (proc_pid_schedstat). */
interface Look {
  /** As `now`. */
  readonly at: number;
  readonly ran: number;
  readonly waited: number;
}

/** Looks at the main thread again and again. @returns ends that, and gives what was seen */
function watchThread(pid: number): () => Look[] {
  const seen: Look[] = [];
  const look = (): void => {
    const [ran, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ');
    seen.push({ at: now(), ran: Number(ran) / 1e6, waited: Number(waited) / 1e6 });
  };
  look();
  const timer = setInterval(look, LOOK);
  return () => {
    clearInterval(timer);
    look();
    return seen;
  };
}

/** What grew between two moments, from the looks around them. */
function between(seen: readonly Look[], from: number, to: number): { readonly ran: number; readonly waited: number } {
  const first = seen.findLast(({ at }) => at <= from) ?? seen[0];
  const last = seen.find(({ at }) => at >= to) ?? seen.at(-1);
  if (first === undefined || last === undefined) return { ran: 0, waited: 0 };
  return { ran: last.ran - first.ran, waited: last.waited - first.waited };
}

/** The longest time between two polls of a device. */
function longestGap(
  polls: readonly (readonly Poll[])[],
  begin: number,
  end: number,
): { readonly from: number; readonly to: number } {
  let [from, to] = [begin, begin];
  for (const of of polls) {
    const times = of.map(([, at]) => at).filter((at) => at >= begin && at < end);
    for (const [i, at] of times.entries()) {
      const before = times[i - 1] ?? begin;
      if (at - before > to - from) [from, to] = [before, at];
    }
  }
  return { from, to };
}

const now = (): number => Number(process.hrtime.bigint() / 1000n);

/** Polls that were left out since the start, of all devices. */
function missedOf({ buses }: GatewayStatus): number {
  return buses.flatMap((bus) => bus.devices).reduce((sum, device) => sum + (device.counters?.missedPolls ?? 0), 0);
}

/** What the newest line of a flood says of itself: messages a second, and those of its best second. */
function floodOf(lines: readonly string[]): string {
  const said = lines.flatMap((line) => offeredIn(messageOf(line)) ?? []).at(-1);
  return said === undefined ? '' : `${(said.messages / said.seconds).toFixed(0)} (${said.most})`;
}

function messageOf(line: string): string {
  try {
    return String((JSON.parse(line) as { msg?: unknown }).msg);
  } catch {
    return '';
  }
}

const fault = installFault();
if (process.getuid?.() !== 0) throw new Error('this measurement runs Node-RED under another user and needs root');
if (fault !== undefined) throw new Error(fault);

const rows = await Workspace.use(async (space) => {
  chmodSync(space.folder, 0o755);
  const program = path.join(import.meta.dirname, 'lib', 'late-devices.ts');
  const child = space.spawn(process.execPath, [program, String(DEVICES), String(REGISTERS)], { stdin: true });
  const port = Number((await child.line(/^listening/)).split(' ')[1]);
  const devices = new Devices(child);
  const every = Array.from({ length: DEVICES }, (_, i) => i);
  const points = Object.fromEntries(
    Array.from({ length: REGISTERS }, (_, i) => [`p${i}`, { table: 'holding', address: i, type: 'uint16' }]),
  );
  const stateDir = path.join(space.folder, 'state');
  const [mqtt, http] = [await freePort(), await freePort()];
  const file = path.join(space.folder, 'gateway.yaml');
  const site = {
    gateway: { id: 'bench', stateDir },
    buses: Object.fromEntries(every.map((i) => [`b${i}`, { protocol: 'modbus-tcp', host: `127.0.0.${i + 2}`, port }])),
    devices: Object.fromEntries(every.map((i) => [`d${i}`, { bus: `b${i}`, unit: 1, interval: `${INTERVAL}ms`, points }])),
    broker: { listen: { host: '127.0.0.1', port: mqtt } },
    dashboard: { listen: { host: '127.0.0.1', port: http } },
    nodeRed: { enabled: true, user: USER, safeMode: 'never' },
  };
  writeFileSync(file, JSON.stringify(site));
  const gateway = startGateway(space, file);
  const socket = path.join(stateDir, 'sluice.sock');
  const status = () => request(socket, 'GET', '/api/v1/status') as Promise<GatewayStatus>;
  const running = () =>
    waitFor(
      () => `Node-RED:\n${gateway.stdout.slice(-20).join('\n')}`,
      async () => (await status()).flows?.state === 'running',
      {
        timeout: 120_000,
      },
    );
  const deploy = (flow: readonly object[]) =>
    waitFor(
      'a deploy',
      async () => (await askEditor(path.join(stateDir, 'node-red.sock'), 'POST', '/flows', flow)).code === 204,
      {
        timeout: 120_000,
        every: 200,
      },
    );
  await running();
  const add = (body: object) => request(socket, 'POST', '/api/v1/users/add', body) as Promise<{ password: string }>;
  await add({ name: 'anna', role: 'administrator', password: PASSWORD });
  const { password } = await add({ name: 'flood', device: true, publish: ['flood/#'], subscribe: [] });
  const all: [string, string | undefined][] = [
    ['none', undefined],
    ['loops without end', LOOP],
    ['allocates objects', ALLOCATE],
    ['allocates buffers', BUFFERS],
    ['writes lines', LINES],
    ['publishes to the broker', publish(mqtt, 'flood', password)],
    ['10,000 sockets, broker', sockets([mqtt])],
    ['10,000 sockets, HTTP', sockets([http])],
  ];
  const cases = all.filter(([label]) => ROWS.some((word) => label.includes(word)));
  const pid = pidOf(gateway);
  const found: (string | number)[][] = [];
  for (const [label, code] of cases) {
    await deploy([]);
    await sleep(SETTLE);
    await devices.polls();
    const from = now();
    await sleep(QUIET);
    const middle = now();
    const used = cpuSeconds(pid);
    const thread = mainThread(pid);
    const earlier = await status();
    const { restarts: before = 0, pid: child } = earlier.flows ?? {};
    const looks = watchThread(pid);
    const open = child === undefined ? undefined : fence(child);
    const said = gateway.stdout.length;
    if (code !== undefined) await deploy(startsWith(code));
    await sleep(HOSTILE);
    const to = now();
    const seen = looks();
    const then = mainThread(pid);
    open?.();
    const cpu = cpuSeconds(pid) - used;
    const polls = await devices.polls();
    const late = (begin: number, end: number): number[] =>
      polls.flatMap((of) => {
        const place = placeOf(of, INTERVAL * 1000);
        return of.filter(([, at]) => at >= begin && at < end).map(([, at]) => behind(at, place, INTERVAL * 1000) / 1000);
      });
    const [quiet, hostile] = [late(from, middle), late(middle, to)];
    const due = Math.round(((to - middle) / 1000 / INTERVAL) * DEVICES);
    const more = percentile(hostile, 0.99) - percentile(quiet, 0.99);
    const later = await status();
    const { flows } = later;
    const missed = missedOf(later) - missedOf(earlier);
    const gap = longestGap(polls, middle, to);
    const { ran, waited } = between(seen, gap.from, gap.to);
    found.push([
      ...[label, percentile(quiet, 0.99).toFixed(1), Math.max(...quiet).toFixed(1), percentile(hostile, 0.99).toFixed(1)],
      ...[Math.max(...hostile).toFixed(1), more.toFixed(1), more <= AIM ? 'kept' : 'MISSED', `${hostile.length} of ${due}`],
      ...[missed, ((gap.to - gap.from) / 1000).toFixed(0), waited.toFixed(0), ran.toFixed(0)],
      ...[(flows?.restarts ?? 0) - before, ((cpu / ((to - middle) / 1e6)) * 100).toFixed(0), memory(pid).pss.toFixed(0)],
      ...[floodOf(gateway.stdout.slice(said))],
      ...(['waits', 'system'] as const).map((what) => ((then[what] - thread[what]) / ((to - middle) / 1e6)).toFixed(0)),
    ]);
    // Another process: what a function opened past its nodes ends with it.
    if (code !== undefined) {
      if (flows?.pid !== undefined && flows.state === 'running') {
        await askEditor(path.join(stateDir, 'node-red.sock'), 'POST', '/flows', []).catch(() => undefined);
        try {
          process.kill(flows.pid, 'SIGKILL');
        } catch {
          // It ended meanwhile.
        }
        await waitFor('its end', async () => (await status()).flows?.pid !== flows.pid);
      }
      await waitFor(
        'a deploy without it',
        async () => {
          await running();
          return (await askEditor(path.join(stateDir, 'node-red.sock'), 'POST', '/flows', [])).code === 204;
        },
        { timeout: 300_000 },
      );
    }
  }
  await gateway.stop();
  return found;
});
printConditions(
  `Lateness of polls, ms: ${DEVICES} Modbus TCP devices every ${INTERVAL} ms, ${QUIET / 1000} s with an empty flow, then ${HOSTILE / 1000} s with the hostile one${FENCE === undefined ? '' : `, fence: ${FENCE}`}`,
);
printTable([
  [
    ...['flow', 'quiet p99', 'most', 'hostile p99', 'most', 'p99 more', `at most ${AIM}`],
    ...[
      'polls of due',
      'left out',
      'gap',
      'waited in it',
      'ran in it',
      'restarts',
      'CPU %',
      'PSS MB',
      'offered /s',
      'waits',
      'system',
    ],
  ],
  ...rows,
]);
