/**
 * The sites of examples/sites as a user takes them: each is healthy against its plain simulation, raises an alarm when an instrument
 * shows a fault, raises its silent rules when a device or the bus fails, and is well again.
 */
// Takes minutes: it starts before the others.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { stream } from '../../../src/admin/client.ts';
import type { TailItem } from '../../../src/admin/target.ts';
import type { Report } from '../../../src/cli/rules/report.ts';
import { Simulation } from '../../../src/cli/simulate/simulation.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const SITES = path.join(import.meta.dirname, '..', '..', '..', 'examples', 'sites');

interface Play {
  /** What an instrument shows, and the rule that says so. The instrument is well again when it moves by itself. */
  readonly shows: string;
  readonly rule: string;
  /** Faults of the simulator, and the silent rule that each one raises. Together they are all silent rules of the site. */
  readonly faults: readonly (readonly [fault: string, amount: string, rule: string])[];
}

const PLAYS: Readonly<Record<string, Play>> = {
  'vaccine-clinic': {
    ...{ shows: 'fridge.temperature 15', rule: 'fridge-door' },
    faults: [
      ['silent fridge', 'on', 'fridge-silent'],
      ['exception mains', '4', 'clinic-meter-silent'],
    ],
  },
  'village-water-point': {
    ...{ shows: 'tank.level 2.7', rule: 'tank-high' },
    faults: [['late tank', '2s', 'tank-silent']],
  },
  'river-gauge-with-siren': {
    ...{ shows: 'gauge.level 7', rule: 'siren-sounds' },
    faults: [['down line', 'on', 'river-silent']],
  },
  'roadside-air-and-traffic': {
    ...{ shows: 'particles.pm2_5 400', rule: 'smoke' },
    faults: [
      ['exception particles', '2', 'air-silent'],
      ['silent road', 'on', 'traffic-silent'],
    ],
  },
  'forest-station': {
    ...{ shows: 'ears.vibration 3', rule: 'forest-vehicle' },
    faults: [['late weather', '2s', 'forest-silent']],
  },
  'solar-farm-pump': {
    ...{ shows: 'tank.level 2.7', rule: 'tank-high' },
    faults: [
      ['silent sun', 'on', 'solar-silent'],
      ['down line', 'on', 'tank-silent'],
    ],
  },
  'town-feeder': {
    ...{ shows: 'meter.voltage-l3 260', rule: 'feeder-voltage-high' },
    faults: [['garbage line', '100%', 'feeder-silent']],
  },
};
/** Readings of each instrument, among which no alarm may be. */
const HEALTHY = 20;
/** Longer than the windows of the rules but the mean of 30 days. */
const HOURS = 30;

const configOf = (yaml: string): GatewayConfig => {
  const { config, faults } = loadConfigText(yaml, '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  assert.deepEqual(faults, []);
  assert.ok(config);
  return config;
};

/** `device.point` of what is computed, or of what is measured. */
const pointsOf = ({ buses, devices }: GatewayConfig, of: 'computed' | 'measured'): string[] =>
  [...devices.values()]
    .filter(({ bus }) => (buses.get(bus)?.protocol === 'derived') === (of === 'computed'))
    .flatMap(({ name, points }) => Array.from(points.keys(), (point) => `${name}.${point}`));

test('each site has a play', () => assert.deepEqual(Object.keys(PLAYS).sort(), readdirSync(SITES).sort()));

for (const [site, { shows, rule, faults }] of Object.entries(PLAYS)) {
  const file = path.join(SITES, site, 'gateway.yaml');
  const config = configOf(readFileSync(file, 'utf8'));

  test(`${site}: healthy as it is simulated, in alarm, and healthy again`, { timeout: 900_000 }, async (t) => {
    const ports = { line: await freePort(), broker: await freePort() };
    const gateway = makeGateway(t, ({ runtimeDir }) =>
      readFileSync(file, 'utf8')
        .replace('port: 1502', `port: ${ports.line}`)
        .replace('port: 1883', `port: ${ports.broker}`)
        .replace('stateDir: state ', `runtimeDir: ${runtimeDir}\n  stateDir: state `)
        .replaceAll(/interval: \d+s/g, 'interval: 200ms')
        .replaceAll(/every: \d+(s|m)$/gm, 'every: 200ms')
        .replaceAll(/(on|off)Delay: \d+(s|m)$/gm, '$1Delay: 1s'),
    );
    const simulator = startChild(t, process.execPath, [MAIN, 'simulate', gateway.config], { stdin: true });
    await simulator.line(/line: modbus-tcp on/);
    gateway.start();
    await gateway.waitForLog(/is running/);

    const readings = new Map<string, number>();
    const changes: string[] = [];
    const listen = async (): Promise<void> => {
      for await (const item of stream(gateway.socket, '/api/v1/tail') as AsyncGenerator<TailItem>) {
        if (item.type === 'alarm') changes.push(`${item.rule}: ${item.state}: ${item.message}`);
        if (item.type !== 'reading') continue;
        const point = `${item.device}.${item.point}`;
        if (item.quality === 'good' || !measured.includes(point)) readings.set(point, (readings.get(point) ?? 0) + 1);
      }
    };
    const measured = pointsOf(config, 'measured');
    const listening = listen().catch(() => {});
    const few = () => [
      ...measured.filter((point) => (readings.get(point) ?? 0) < HEALTHY),
      ...pointsOf(config, 'computed').filter((point) => !readings.has(point)),
    ];
    await waitFor(
      () => `readings of ${few().join(', ')}`,
      () => few().length === 0,
    );
    const list = await sluice(t, 'alarm', 'list', '-c', gateway.config);
    assert.deepEqual([changes, list.stdout], [[], 'no alarms']);

    const stateOf = async (name: string) =>
      (await gateway.status()).alarms.find((alarm) => alarm.rule === name)?.state ?? 'normal';
    const raised = (name: string) => waitFor(`the alarm ${name}`, async () => (await stateOf(name)).startsWith('active'));
    const over = (name: string) => waitFor(`the end of ${name}`, async () => (await stateOf(name)) === 'normal');
    const siren = (sounds: boolean) =>
      waitFor(`the siren to be ${sounds}`, async () =>
        new RegExp(`siren\\.relay +${sounds}`).test((await sluice(t, 'read', 'siren', '-c', gateway.config)).stdout),
      );
    simulator.write(`set ${shows}`);
    await raised(rule);
    if (site === 'river-gauge-with-siren') await siren(true);
    simulator.write(`set ${shows.replace(/ .*/, ' auto')}`);
    await over(rule);
    if (site === 'river-gauge-with-siren') await siren(false);

    const yaml = readFileSync(gateway.config, 'utf8').replaceAll(/stale: \d+m$/gm, 'stale: 2s');
    assert.deepEqual(
      faults.map(([, , silent]) => silent).toSorted(),
      [...config.rules.values()]
        .filter(({ kind }) => kind === 'stale')
        .map(({ name }) => name)
        .toSorted(),
    );
    await gateway.reload(yaml);
    for (const [fault, amount, silent] of faults) {
      await over(silent);
      simulator.write(`${fault} ${amount}`);
      await raised(silent);
      simulator.write(`${fault} off`);
      await over(silent);
    }
    assert.equal(await gateway.stop(), 0);
    await listening;
  });

  test(`${site}: what the simulator shows raises no alarm for ${HOURS} hours`, async (t) => {
    const recording = path.join(scratch(t, 'healthy'), 'day.csv');
    const measured = pointsOf(config, 'measured');
    for (const seed of [1, 2]) {
      const clock = new ManualClock();
      const simulation = new Simulation(config, { clock, seed });
      const lines = [`time,${measured.join(',')}`];
      for (let second = 0; second <= HOURS * 3600; second += 60) {
        const values = measured.map((point) => simulation.value(...(point.split('.') as [string, string])));
        lines.push(`${new Date(clock.wall()).toISOString()},${values.join(',')}`);
        await clock.advance(60_000);
      }
      writeFileSync(recording, `${lines.join('\n')}\n`);
      const { code, stdout, stderr } = await sluice(t, 'rules', 'test', recording, '-c', file, '--json');
      assert.equal(code, 0, stderr);
      const { transitions, notTested } = JSON.parse(stdout) as Report;
      assert.deepEqual(notTested, []);
      // A rule on trial raises no alarm.
      assert.deepEqual(
        transitions
          .filter(({ observed }) => observed !== true)
          .map(({ rule, state, message }) => `${rule}: ${state}: ${message}`),
        [],
        `seed ${seed}`,
      );
    }
  });
}
