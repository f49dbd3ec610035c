/**
 * The platform is away, and the nodes acknowledge what the gateways send for it. Then the power goes, of one node or of all at once:
 * their processes are killed, and their disks hold what reached them. They start again, the platform returns, and what the gateways
 * had an answer for is looked for.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetDisks } from './fleet-disks.ts';
import type { EngineName, Node } from './fleet-engines.ts';
import { FleetRun, GATEWAYS, log, type Row, verdictRows } from './fleet-run.ts';
import type { Workspace } from './workspace.ts';

/** Milliseconds in which records are taken and acknowledged while the platform is away, and from their end to the cut. */
const SENDING = Number(process.env.SLUICE_FLEET_SENDING ?? 60_000);
const REST = 2000;
/** Milliseconds between two records of a gateway in this time. */
const EVERY = 1000;

export interface Cut {
  readonly engine: EngineName;
  readonly who: 'one' | 'all';
  /** `sync_interval` of NATS; absent: what the engine does by itself. */
  readonly sync?: string | undefined;
}

export const CUTS: readonly Cut[] = [
  { engine: 'nats-1', who: 'one' },
  { engine: 'nats-1', who: 'all' },
  { engine: 'nats-1', who: 'all', sync: 'always' },
  { engine: 'rabbitmq', who: 'all' },
];

export async function powerCut(space: Workspace, { engine: name, who, sync }: Cut): Promise<Row[]> {
  const disks = new FleetDisks(space);
  const run = await FleetRun.start(space, name, {
    sync,
    before: async ({ nodes }) => {
      for (const node of nodes) await disks.give(node);
    },
  });
  const { engine, fleet, platform } = run;
  await run.begin();
  await platform.ask('away');
  await run.until('the platform is away', async () => !(await run.received()).connected);
  const before = await run.gateways();
  await fleet.ask(`live ${EVERY}`);
  await sleep(SENDING);
  await fleet.ask('live 0');
  await run.acknowledged();
  const after = await run.gateways();
  const answered = Date.now();
  await sleep(REST);

  const leader = await engine.leader();
  const chosen = who === 'all' ? engine.nodes : [engine.nodes.find((node) => node.name === leader) as Node];
  const held = chosen.map(bytesOf);
  const moments = disks.moment(chosen);
  await engine.kill(...chosen);
  log(`power cut of ${chosen.map((node) => node.name).join(', ')}; the leader was ${leader}`);
  const writes: number[] = [];
  for (const node of chosen) writes.push(await disks.cut(node, moments.get(node) as number));
  const left = chosen.map(bytesOf);
  for (const node of chosen) node.launch();
  const ready = await Promise.allSettled(chosen.map((node) => node.ready()));
  const failed = ready.flatMap((one) => (one.status === 'rejected' ? [String(one.reason).slice(0, 600)] : []));
  for (const words of failed) console.log(`- ${name}, ${who}, ${sync ?? 'default'}: a node is not ready: ${words}`);
  log('the nodes run again');
  const { kept } = await run.received();
  await platform.ask(`back ${engine.nodes.indexOf(chosen[0] as Node)}`);
  await run.until('the platform is back', async () => (await run.received()).connected);
  const session = (await run.received()).kept > kept;
  const outcome = await run.verdict();
  const verdict = outcome.last;
  console.log(`- replicas after the cut: ${await engine.replicas().catch((error: unknown) => String(error))}`);
  const since = verdict.lost === 0 ? 'none' : `${Math.round((answered - verdict.lostSince) / 1000)} s`;
  await run.end();
  return [
    ['engine; power cut of; sync_interval', `${name}; ${who}; ${sync ?? 'default'}`],
    ['gateways', GATEWAYS],
    ['readings acknowledged while the platform was away', (after.acked - before.acked).toLocaleString('en')],
    ['kB in files of each node, before', held.join(', ')],
    ['the same, after the cut', left.join(', ')],
    ['writes that the disks lost', writes.join(', ')],
    ['nodes that were ready afterwards', `${chosen.length - failed.length} of ${chosen.length}`],
    ['the session of the platform', session ? 'kept' : 'gone'],
    ...verdictRows(outcome),
    ['from the first lost record to the last answer', since],
  ];
}

/** Kilobytes of all files of a node. */
function bytesOf({ store }: Node): number {
  const files = readdirSync(`${store}/`, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.round(files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0) / 1000);
}
