/**
 * Memory of the gateway with Node-RED beside it: one Modbus TCP device polled each second, nothing else, and Node-RED with an empty
 * flow under another user. `npm run bench:node-red` (root; Node-RED installed by scripts/setup-node-red.sh).
 *
 * PSS, because both processes run the same Node: a page that both have mapped counts half for each. The daemon without Node-RED
 * runs after it in the same run, and not at the same time: three processes would share more. The bench and its device run on another
 * copy of Node for the same reason.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault } from '../src/node-red/place.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { memory } from './lib/proc.ts';
import { pidOf, startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

/** Megabytes for both, at most; and what is aimed at. */
const MOST = 190;
const AIM = 165;
/** After the start, ms; what a start needs is given back by then. */
const SETTLE = 20_000;
const MEASURE = Number(process.env.SLUICE_BENCH_MS ?? 60_000);
const EVERY = 5000;
const POINTS = 10;
/** It has no rights, and every Debian has it. */
const USER = 'nobody';
const COPY = 'SLUICE_BENCH_COPY';

interface Figures {
  /** Each sample, PSS in MB. */
  readonly daemon: number[];
  readonly nodeRed: number[];
  /** From the start of the daemon to Node-RED `running`, s. */
  readonly ready: number | undefined;
}

async function measure(withNodeRed: boolean): Promise<Figures> {
  return Workspace.use(async (space) => {
    // Its folder lies beside the state directory.
    chmodSync(space.folder, 0o755);
    const responder = await startResponder(space, 'decimal', String(POINTS), '1');
    const stateDir = path.join(space.folder, 'state');
    const config = await writeSite(space, {
      ...{ dataSet: dataSetNamed('decimal', POINTS), devices: 1, responder: responder.port, interval: '1s', stateDir },
      ...(withNodeRed ? { nodeRed: { enabled: true, user: USER } } : {}),
    });
    const began = performance.now();
    const gateway = startGateway(space, config);
    const socket = path.join(stateDir, 'sluice.sock');
    const status = await waitFor(
      () => `the gateway:\n${[...gateway.stdout, ...gateway.stderr].slice(-20).join('\n')}`,
      async () => {
        const now = await statusOf(socket);
        const polled = now?.buses[0]?.devices[0]?.state === 'answering';
        return polled && (!withNodeRed || now.flows?.state === 'running') ? now : undefined;
      },
      { timeout: 120_000 },
    );
    const ready = withNodeRed ? (performance.now() - began) / 1000 : undefined;
    const flows = status.flows?.pid;
    await sleep(SETTLE);
    const figures: Figures = { daemon: [], nodeRed: [], ready };
    for (const end = performance.now() + MEASURE; performance.now() < end; await sleep(EVERY)) {
      figures.daemon.push(memory(pidOf(gateway)).pss);
      if (flows !== undefined) figures.nodeRed.push(memory(flows).pss);
    }
    const after = await statusOf(socket);
    if (after?.flows?.pid !== flows || (after?.flows?.restarts ?? 0) > 0) throw new Error('Node-RED was started again meanwhile');
    await gateway.stop();
    return figures;
  });
}

/** undefined while it does not answer. */
function statusOf(socket: string): Promise<GatewayStatus | undefined> {
  return request(socket, 'GET', '/api/v1/status').then(
    (report) => report as GatewayStatus,
    () => undefined,
  );
}

/** Runs this bench on a copy of Node, whose pages the two processes that are measured do not share. @returns its exit status */
function onAnotherNode(): Promise<number> {
  return Workspace.use(async (space) => {
    const node = path.join(space.folder, 'node');
    copyFileSync(process.execPath, node);
    const words = [...process.execArgv, import.meta.filename, ...process.argv.slice(2)];
    return spawnSync(node, words, { stdio: 'inherit', env: { ...process.env, [COPY]: '1' } }).status ?? 1;
  });
}

const row = (label: string, values: readonly number[]): (string | number)[] => [
  label,
  values.length,
  (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1),
  Math.min(...values).toFixed(1),
  Math.max(...values).toFixed(1),
];

const fault = installFault();
if (process.getuid?.() !== 0) throw new Error('this measurement runs Node-RED under another user and needs root');
if (fault !== undefined) throw new Error(fault);
if (process.env[COPY] === undefined) process.exit(await onAnotherNode());
printConditions(`PSS on an idle site, MB (1024²), ${MEASURE / 1000} s, a sample each ${EVERY / 1000} s`);
const beside = await measure(true);
const alone = await measure(false);
const both = beside.daemon.map((pss, i) => pss + (beside.nodeRed[i] ?? 0));
printTable([
  ['process', 'samples', 'mean', 'least', 'most'],
  row('daemon, with Node-RED', beside.daemon),
  row('Node-RED', beside.nodeRed),
  row('both', both),
  row('daemon, without Node-RED', alone.daemon),
]);
console.log(`Node-RED was running ${beside.ready?.toFixed(1)} s after the daemon was started.`);
const most = Math.max(...both);
console.log(
  `Both together: at most ${most.toFixed(1)} MB. The bound is ${MOST}: ${most <= MOST ? 'kept' : 'MISSED'}. The aim is ${AIM}: ${most <= AIM ? 'kept' : 'missed'}.`,
);
process.exit(most <= MOST ? 0 : 1);
