/**
 * Memory of the gateway with Node-RED beside it, under another user: one Modbus TCP device polled each second and an empty flow; then
 * ten devices of 100 points each and a flow that passes 100 messages a second through five nodes. `npm run bench:node-red` (root;
 * Node-RED installed by scripts/setup-node-red.sh).
 *
 * PSS, because both processes run the same Node: a page that both have mapped counts half for each. The daemon without Node-RED
 * runs after it in the same run, and not at the same time: three processes would share more. The bench and its device run on another
 * copy of Node for the same reason.
 */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../src/admin/client.ts';
import type { GatewayStatus } from '../src/admin/target.ts';
import { installFault } from '../src/node-red/place.ts';
import { askEditor } from '../test/harness/node-red-site.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { onOwnNode } from './lib/own-node.ts';
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
/** Devices and their points. */
const IDLE = { devices: 1, points: 10 };
const LOADED = { devices: 10, points: 100 };
/** It has no rights, and every Debian has it. */
const USER = 'nobody';

interface Figures {
  /** Each sample, PSS in MB. */
  readonly daemon: number[];
  readonly nodeRed: number[];
  /** From the start of the daemon to Node-RED `running`, s. */
  readonly ready: number | undefined;
}

/** 100 messages a second: text, object, a context that changes, text again. */
const BUSY = [
  { id: 'tab', type: 'tab', label: 'busy' },
  {
    ...{ id: 'begin', type: 'inject', z: 'tab', x: 0, y: 0, once: true, onceDelay: 0.1, repeat: '0.05', crontab: '' },
    ...{ props: [{ p: 'payload' }], payload: '', payloadType: 'date', wires: [['make']] },
  },
  step(
    'make',
    "for (let i = 0; i < 5; i++) node.send({ payload: JSON.stringify({ i, at: msg.payload, text: 'x'.repeat(200) }) });",
    'parse',
  ),
  { id: 'parse', type: 'json', z: 'tab', x: 0, y: 0, property: 'payload', action: 'obj', pretty: false, wires: [['mean']] },
  step(
    'mean',
    "const all = context.get('all') ?? []; all.push(msg.payload.at); context.set('all', all.slice(-1000)); return msg;",
    'text',
  ),
  { id: 'text', type: 'json', z: 'tab', x: 0, y: 0, property: 'payload', action: 'str', pretty: false, wires: [['end']] },
  step('end', 'return null;'),
];

function step(id: string, func: string, next?: string): object {
  return {
    ...{ id, type: 'function', z: 'tab', x: 0, y: 0, outputs: 1, libs: [], func },
    wires: [next === undefined ? [] : [next]],
  };
}

async function measure(withNodeRed: boolean, { devices, points } = IDLE): Promise<Figures> {
  return Workspace.use(async (space) => {
    // Its folder lies beside the state directory.
    chmodSync(space.folder, 0o755);
    const responder = await startResponder(space, 'decimal', String(points), String(devices));
    const stateDir = path.join(space.folder, 'state');
    const config = await writeSite(space, {
      ...{
        dataSet: dataSetNamed('decimal', points),
        devices,
        buses: devices,
        responder: responder.port,
        interval: '1s',
        stateDir,
      },
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
    if (points === LOADED.points) {
      const { code } = await askEditor(path.join(stateDir, 'node-red.sock'), 'POST', '/flows', BUSY);
      if (code !== 204) throw new Error(`the flow was not taken: ${code}`);
    }
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
await onOwnNode(import.meta.filename);
printConditions(`PSS on an idle and on a loaded site, MB (1024²), ${MEASURE / 1000} s, a sample each ${EVERY / 1000} s`);
const beside = await measure(true);
const alone = await measure(false);
const loaded = await measure(true, LOADED);
const bothLoaded = loaded.daemon.map((pss, i) => pss + (loaded.nodeRed[i] ?? 0));
const both = beside.daemon.map((pss, i) => pss + (beside.nodeRed[i] ?? 0));
printTable([
  ['process', 'samples', 'mean', 'least', 'most'],
  row('daemon, with Node-RED', beside.daemon),
  row('Node-RED', beside.nodeRed),
  row('both', both),
  row('daemon, without Node-RED', alone.daemon),
  row('daemon, loaded', loaded.daemon),
  row('Node-RED, loaded', loaded.nodeRed),
  row('both, loaded', bothLoaded),
]);
console.log(
  `Node-RED was running ${beside.ready?.toFixed(1)} s (idle) and ${loaded.ready?.toFixed(1)} s (loaded) after the daemon was started.`,
);
const most = Math.max(...both, ...bothLoaded);
console.log(
  `Both together: at most ${most.toFixed(1)} MB. The bound is ${MOST}: ${most <= MOST ? 'kept' : 'MISSED'}. The aim is ${AIM}: ${most <= AIM ? 'kept' : 'missed'}.`,
);
process.exit(most <= MOST ? 0 : 1);
