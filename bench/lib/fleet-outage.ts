/** All nodes are killed, an hour of readings piles up, all gateways return at once; then one node is killed and started again. */
import { confirmed } from './fleet-confirm.ts';
import type { EngineName } from './fleet-engines.ts';
import { FleetRun, fleetRows, GATEWAYS, log, REAL, RECORDS, type Row, verdictRows } from './fleet-run.ts';
import type { Workspace } from './workspace.ts';

export async function outage(space: Workspace, name: EngineName): Promise<Row[]> {
  const run = await FleetRun.start(space, name, {
    ready: async (engine) => {
      for (const line of await confirmed(engine)) console.log(`- ${line}`);
    },
  });
  const { engine, fleet } = run;
  const first = await run.begin();
  console.log(`- replicas: ${await engine.replicas()}`);

  await engine.kill(...engine.nodes);
  await run.until('all gateways write history', async () => (await run.gateways()).history === GATEWAYS);
  await fleet.ask(`hour ${RECORDS}`);
  const before = { fleet: await run.gateways(), platform: await run.received() };
  const cpu = run.cpu;
  await engine.launch();
  log('all nodes run again');
  const arrived = (share: number) => async () =>
    (await run.received()).records >= before.platform.records + GATEWAYS * RECORDS * share;
  const back = await run.until('a third of the hour arrives', arrived(1 / 3));
  const rss = engine.rss;
  // The session of the platform has to move, too.
  const node = engine.nodes[(await run.received()).node];
  if (node === undefined) throw new Error('no node');
  await engine.kill(node);
  log('one node is killed');
  await run.until('two thirds of the hour arrive', arrived(2 / 3));
  const upToDate = engine.restart(node);
  log('the node is started again');
  await run.finish();
  const outcome = await run.verdict();
  const after = { fleet: await run.gateways(), platform: await run.received() };
  const now = run.cpu;
  const used = { engine: now.engine - cpu.engine, fleet: now.fleet - cpu.fleet, platform: now.platform - cpu.platform };
  const readings = after.fleet.acked - before.fleet.acked;
  const perSecond = (seconds: number) => Math.round(readings / seconds).toLocaleString('en');
  await run.end();
  return [
    ['engine', name],
    ['gateways (with a real log)', `${GATEWAYS} (${REAL})`],
    ...verdictRows(outcome),
    ...fleetRows(before.fleet, after.fleet),
    ['connections of the platform', after.platform.connects],
    ['CPU-s of nodes, gateways, platform', `${used.engine.toFixed(1)}, ${used.fleet.toFixed(1)}, ${used.platform.toFixed(1)}`],
    ['readings per CPU-s of nodes', perSecond(used.engine)],
    ['readings per CPU-s of gateways', perSecond(used.fleet)],
    ['RSS of three nodes, MB', Math.round(rss)],
    ['s to connect all, to a third of the hour', `${first}, ${back}`],
    ['s until the restarted node is up to date', upToDate()?.toFixed(0) ?? 'not at the end'],
    ['faults in words', after.fleet.faults.join('; ')],
  ];
}
