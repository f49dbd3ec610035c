/**
 * Whole-gateway storms on a grid of 1 Hz: while each of them goes on, every due poll of every device happens. The devices count the
 * polls themselves, and the gateway says that it left none out. Each message of a client that behaves arrives at another one, and the
 * memory stays below what the unit of systemd allows. The storms are those of bench/storm.ts and of storm.ts.
 */
// Needs a quiet machine: it counts polls beside what takes all of the processor.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { request } from '../../../src/admin/client.ts';
import { startChild } from '../../harness/child.ts';
import { Pauses } from '../../harness/pauses.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const DEVICES = 6;
/** Milliseconds between two polls of each. */
const INTERVAL = 1000;
/** Due polls of each device under a storm. */
const POLLS = Number(process.env.SLUICE_STORM_POLLS ?? 5);
const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const LOAD = path.join(ROOT, 'bench', 'lib', 'storm-load.ts');
const STORM = path.join(ROOT, 'test', 'harness', 'storm.ts');
/** What each storm has to have done before its polls count: nobody measures polls beside a storm that never began. */
const MARKS: Readonly<Record<string, string>> = {
  ...{ stall: 'published', connects: 'connections', subscribes: 'subscribes', displaced: 'connections', reconnects: 'accepted' },
  ...{
    flood0: 'published',
    flood1: 'published',
    retains: 'published',
    tls: 'answered',
    pages: 'status',
    metrics: 'status',
    status: 'status',
  },
};

/** Megabytes that the daemon may have: beyond them systemd ends it. */
const MOST_MEMORY = Number(/^MemoryMax=(\d+)M$/m.exec(readFileSync(path.join(ROOT, 'systemd', 'sluice.service'), 'utf8'))?.[1]);
/** Milliseconds between two messages of the client that behaves. */
const BEAT = 50;

/** Arrivals of the polls of a device, ms of its own clock. */
type Arrivals = number[];

class Field {
  readonly port: number;
  /** Since the start, by device. */
  readonly arrivals: Arrivals[] = Array.from({ length: DEVICES }, () => []);
  readonly #child: ReturnType<typeof startChild>;

  private constructor(port: number, child: ReturnType<typeof startChild>) {
    this.port = port;
    this.#child = child;
  }

  static async start(t: TestContext): Promise<Field> {
    const words = [path.join(ROOT, 'bench', 'lib', 'late-devices.ts'), String(DEVICES), '1'];
    const child = startChild(t, process.execPath, ['--disable-warning=ExperimentalWarning', ...words], { stdin: true });
    const line = await child.line(/^listening (\d+)$/);
    return new Field(Number(line.split(' ')[1]), child);
  }

  /** How many polls each device has seen. */
  async look(): Promise<number[]> {
    const seen = this.#child.stdout.length;
    this.#child.write('take');
    const line = await waitFor('the devices', () => this.#child.stdout.slice(seen).find((l) => l.startsWith('polls ')));
    for (const [device, flat] of (JSON.parse(line.slice(6)) as number[][]).entries())
      for (let i = 1; i < flat.length; i += 3) this.arrivals[device]?.push((flat[i] as number) / 1000);
    return this.arrivals.map(({ length }) => length);
  }
}

async function stormSite(t: TestContext) {
  const field = await Field.start(t);
  const all = Array.from({ length: DEVICES }, (_, i) => i);
  const gateway = makeGateway(t, (g) =>
    JSON.stringify({
      gateway: { id: 'g1', stateDir: g.stateDir, runtimeDir: g.runtimeDir },
      buses: Object.fromEntries(
        all.map((i) => [`b${i}`, { protocol: 'modbus-tcp', host: `127.0.0.${i + 2}`, port: field.port }]),
      ),
      devices: Object.fromEntries(
        all.map((i) => [
          `d${i}`,
          { bus: `b${i}`, unit: 1, interval: `${INTERVAL}ms`, points: { n: { table: 'holding', address: 0, type: 'uint16' } } },
        ]),
      ),
      broker: { listen: [{ port: 0 }, { port: 0, tls: true }] },
      dashboard: { listen: [{ port: 0, tls: true }] },
    }),
  );
  await gateway.up();
  const ports = await waitFor('the listeners', async () => {
    const { broker, http } = await gateway.status();
    const [port, tlsPort, httpsPort] = [
      broker?.listeners.find(({ tls }) => !tls)?.port,
      broker?.listeners.find(({ tls }) => tls)?.port,
      http?.listeners.find(({ tls }) => tls)?.port,
    ];
    return port && tlsPort && httpsPort ? { port, tlsPort, httpsPort } : undefined;
  });
  const post = (way: string, body: object) => request(gateway.socket, 'POST', `/api/v1/${way}`, body);
  await post('users/add', { name: 'anna', role: 'administrator', password: 'a long enough password' });
  const device = { name: 'storm', device: true, publish: ['storm/#'], subscribe: ['storm/#'] };
  const { password } = (await post('users/add', device)) as { password: string };
  const calm = { name: 'calm', device: true, publish: ['calm/#'], subscribe: ['calm/#'] };
  const { password: secret } = (await post('users/add', calm)) as { password: string };
  const { token } = (await post('tokens/add', { name: 'reads', role: 'viewer', lasts: 86_400_000 })) as { token: string };
  const order = { ...ports, device: { name: 'storm', password }, reader: { name: 'reads', password: token } };
  const pauses = new Pauses(t);
  return { field, gateway, order, pauses, healthy: await Healthy.start(t, ports.port, secret) };
}

/** Two clients of one account that behave: what the one publishes, the other gets. */
class Healthy {
  readonly #got: number[] = [];
  readonly #lost: string[] = [];
  #sent = 0;

  static async start(t: TestContext, port: number, password: string): Promise<Healthy> {
    const healthy = new Healthy();
    const to = { protocol: 'mqtt', host: '127.0.0.1', port, username: 'calm', password, reconnectPeriod: 0 } as const;
    const [writer, reader] = await Promise.all(['writer', 'reader'].map((clientId) => mqtt.connectAsync({ ...to, clientId })));
    assert.ok(writer !== undefined && reader !== undefined);
    for (const [name, client] of Object.entries({ writer, reader })) {
      t.after(() => client.end(true));
      client.on('close', () => healthy.#lost.push(name));
    }
    reader.on('message', (_topic, payload) => healthy.#got.push(Number(payload)));
    await reader.subscribeAsync('calm/beat', { qos: 1 });
    const beat = setInterval(() => writer.publish('calm/beat', `${++healthy.#sent}`, { qos: 1 }), BEAT);
    t.after(() => clearInterval(beat));
    return healthy;
  }

  /** Each message so far has arrived once and in order. @returns how many */
  async whole(what: string): Promise<number> {
    const sent = this.#sent;
    await waitFor(
      () => `message ${sent} under the storm ${what}; ${this.#got.length} came, lost: ${this.#lost}`,
      () => this.#got.length >= sent || this.#lost.length > 0,
    );
    assert.deepEqual(this.#lost, [], `${what}: a client that behaves lost its connection`);
    assert.deepEqual(
      this.#got,
      Array.from({ length: this.#got.length }, (_, i) => i + 1),
      what,
    );
    return sent;
  }
}

/** The most memory that it ever had, megabytes. */
function mostMemory({ pid }: Gateway): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function countersOf(gateway: Gateway) {
  const devices = (await gateway.status()).buses.flatMap((bus) => bus.devices);
  const sum = (key: 'missedPolls' | 'timeouts') => devices.reduce((all, { counters }) => all + (counters[key] ?? 0), 0);
  return { missed: sum('missedPolls'), timeouts: sum('timeouts') };
}

/** Waits for due polls of each device, and compares them with the grid. @returns polls that happened */
async function counted(s: Awaited<ReturnType<typeof stormSite>>, what: string): Promise<number> {
  s.pauses.begin();
  const before = await s.field.look();
  const counters = await countersOf(s.gateway);
  await waitFor(
    `${POLLS} polls of each device under the storm ${what}`,
    async () => (await s.field.look()).every((n, device) => n - (before[device] ?? 0) >= POLLS + 1),
    { every: 200 },
  );
  let polls = 0;
  for (const [device, from] of before.entries()) {
    const seen = (s.field.arrivals[device] ?? []).slice(from);
    const due = Math.floor(((seen.at(-1) ?? 0) - (seen[0] ?? 0)) / INTERVAL);
    const paused = s.pauses.moments(INTERVAL, INTERVAL / 2);
    assert.ok(
      seen.length - 1 >= due - paused,
      `${what}: device ${device} got ${seen.length - 1} of ${due} due polls; pauses of the machine explain ${paused}: ${s.pauses.words}`,
    );
    polls += seen.length - 1;
  }
  const { missed, timeouts } = await countersOf(s.gateway);
  s.pauses.assertPolled(missed - counters.missed, INTERVAL, DEVICES);
  s.pauses.assertPolled(timeouts - counters.timeouts, INTERVAL, DEVICES);
  await s.healthy.whole(what);
  const memory = mostMemory(s.gateway);
  assert.ok(memory < MOST_MEMORY, `${what}: ${memory} MB of ${MOST_MEMORY}`);
  return polls;
}

test('every due poll happens in each storm of MQTT and HTTPS clients', { timeout: 600_000 }, async (t) => {
  const s = await stormSite(t);
  await waitFor('polls', async () => (await s.field.look()).every((n) => n > 1));
  const told: string[] = [`calm ${await counted(s, 'none')}`];
  for (const [kind, mark] of Object.entries(MARKS)) {
    const child = fork(LOAD, [kind, JSON.stringify(s.order)], { execArgv: ['--disable-warning=ExperimentalWarning'] });
    t.after(() => child.kill('SIGKILL'));
    const polls = await counted(s, kind);
    const said = once(child, 'message') as Promise<[{ readonly done: Readonly<Record<string, number>> }]>;
    child.send('stop');
    const [{ done }] = await said;
    const did = Object.entries(done).reduce((sum, [name, n]) => sum + (name.startsWith(mark) ? n : 0), 0);
    assert.ok(did > 0, `${kind}: ${JSON.stringify(done)}`);
    told.push(`${kind} ${polls} (${did} ${mark})`);
  }
  for (const [kind, count] of [
    ['partial', 40],
    ['dribble', 40],
    ['random', 5_000],
  ] as const) {
    const child = fork(STORM, [kind, String(s.order.port), String(count)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    t.after(() => child.kill('SIGKILL'));
    told.push(`${kind} ${await counted(s, kind)}`);
    child.kill('SIGKILL');
  }
  t.diagnostic(`polls under each storm: ${told.join(', ')}`);
  t.diagnostic(`${await s.healthy.whole('all')} messages, at most ${mostMemory(s.gateway).toFixed(0)} of ${MOST_MEMORY} MB`);
});
