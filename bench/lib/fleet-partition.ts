/**
 * All gateways return at once with an hour; at a third of it the node that has the session of the platform loses the other two, and
 * clients still reach it. After two minutes it hears them again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RabbitPlace } from '../../test/peers/rabbitmq.ts';
import { FleetNet } from './fleet-net.ts';
import { FleetRun, fleetRows, GATEWAYS, log, RECORDS, type Row, verdictRows } from './fleet-run.ts';
import type { Workspace } from './workspace.ts';

/** Nodes take each other for dead after 45 to 75 s of silence (net_ticktime 60). */
const PULLED = Number(process.env.SLUICE_FLEET_PULLED ?? 120_000);
const NODES = 3;
/** Lines of a node about its partition, and how many of them are shown. */
const OF_PARTITIONS = /partition|minority|inconsistent_database|paus/i;
const MOST_LINES = 8;

export const HANDLINGS = ['ignore', 'pause_minority'] as const;
type Handling = (typeof HANDLINGS)[number];

export async function partition(space: Workspace, handling: Handling): Promise<Row[]> {
  const net = await FleetNet.make(space, NODES);
  const places: readonly RabbitPlace[] = net.places;
  const run = await FleetRun.start(space, 'rabbitmq', {
    ...{ places, partitions: handling === 'ignore' ? undefined : handling },
  });
  const { engine, fleet } = run;
  await run.begin();
  console.log(`- replicas: ${await engine.replicas()}`);
  await run.offline();
  await run.until('all gateways write history', async () => (await run.gateways()).history === GATEWAYS);
  await fleet.ask(`hour ${RECORDS}`);
  const before = { fleet: await run.gateways(), platform: await run.received() };
  await fleet.ask('online');
  const third = before.platform.records + (GATEWAYS * RECORDS) / 3;
  await run.until('a third of the hour arrives', async () => (await run.received()).records >= third);

  const { node: place } = await run.received();
  net.pull(place);
  const pulled = { fleet: await run.gateways(), platform: await run.received() };
  log(`the node in place ${place} has no cluster`);
  await sleep(PULLED);
  const apart = { fleet: await run.gateways(), platform: await run.received() };
  net.plug(place);
  log('it has one again');
  await run.finish();
  const outcome = await run.verdict();
  const after = { fleet: await run.gateways(), platform: await run.received() };
  for (const { name, log: lines } of engine.nodes)
    for (const line of lines.filter((one) => OF_PARTITIONS.test(one)).slice(0, MOST_LINES))
      console.log(`- ${handling}: ${name} writes ${line}`);
  const again = after.platform;
  const rows: Row[] = [
    ['cluster_partition_handling', handling === 'ignore' ? 'ignore (default)' : handling],
    ['gateways; of them at the node when it was cut off', `${GATEWAYS}; ${pulled.fleet.at[place]}`],
    ['gateways at this node at the end of the partition', apart.fleet.at[place] ?? 0],
    ['gateways that were connected then', apart.fleet.connected],
    ['readings acknowledged during the partition', (apart.fleet.acked - pulled.fleet.acked).toLocaleString('en')],
    ['records that came to the platform during it', (apart.platform.records - pulled.platform.records).toLocaleString('en')],
    ...verdictRows(outcome),
    ...fleetRows(before.fleet, after.fleet),
    ['connections of the platform; with its session', `${again.connects}; ${again.kept}`],
    ['faults in words, of the gateways', [...new Set([...apart.fleet.faults, ...after.fleet.faults])].join('; ')],
  ];
  await run.end();
  return rows;
}
