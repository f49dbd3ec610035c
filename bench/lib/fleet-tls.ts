/**
 * All gateways lose their network and return at once, over plain TCP and over TLS, with and without the resumption of sessions. The
 * nodes keep running, so that they know the sessions. The return is measured twice: with nothing to send, and with an hour.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Authority } from '../../test/harness/certificates.ts';
import type { EngineName } from './fleet-engines.ts';
import { FleetRun, fleetRows, GATEWAYS, RECORDS, type Row, verdictRows } from './fleet-run.ts';
import type { Workspace } from './workspace.ts';

/** Milliseconds of the cluster and the gateways at rest. */
const REST = 10_000;
/** Milliseconds until a connection counts as good. */
const GOOD = 12_000;

export const WIRES = ['plain', 'TLS, full', 'TLS, resumed'] as const;
type Wire = (typeof WIRES)[number];

export async function overTls(space: Workspace, name: EngineName, wire: Wire): Promise<Row[]> {
  const authority = wire === 'plain' ? undefined : Authority.make(space.asTest, 'Fleet authority');
  const resume = wire === 'TLS, resumed';
  const run = await FleetRun.start(space, name, {
    ...{ ca: authority?.ca, tls: authority?.sign('node'), tickets: resume, resume },
  });
  const { fleet } = run;
  await run.begin();
  await fleet.ask('live 0');
  await run.acknowledged();

  const rest = run.cpu;
  await sleep(REST);
  const idle = run.cpu.engine - rest.engine;

  await run.offline();
  const empty = await measured(run, () => run.connected());
  // A connection that breaks before it counts as good leads to the next node, which gave no session.
  await sleep(GOOD);
  await run.offline();
  await fleet.ask(`hour ${RECORDS}`);
  const before = await run.gateways();
  const full = await measured(run, async () => {
    await run.connected();
    await run.acknowledged();
  });
  const outcome = await run.verdict();
  const after = await run.gateways();
  await run.end();
  const each = (sum: number, digits: number) => (sum / GATEWAYS).toFixed(digits);
  const bytes = ({ wire: { sent, received, headers } }: Return) =>
    `${each(sent, 0)} + ${each(received, 0)}; ${each(sent + received + headers, 0)}`;
  const cpu = ({ cpu: { engine, fleet: own } }: Return) => `${each(1000 * engine, 1)}; ${each(1000 * own, 1)}`;
  return [
    ['engine, wire', `${name}, ${wire}`],
    ['gateways', GATEWAYS],
    ...verdictRows(outcome),
    ['return with nothing: bytes a gateway, sent + received; with TCP/IP', bytes(empty)],
    ['the same: CPU-ms a gateway, of nodes; of gateways', cpu(empty)],
    ['the same: tries, connections, resumed handshakes', `${empty.tries}, ${empty.connects}, ${empty.resumed}`],
    ['return with an hour: bytes a gateway, sent + received; with TCP/IP', bytes(full)],
    ['the same: CPU-ms a gateway, of nodes; of gateways', cpu(full)],
    ['the same: tries, connections, resumed handshakes', `${full.tries}, ${full.connects}, ${full.resumed}`],
    ['TLS sessions that nodes gave, in all', after.tickets],
    [`CPU-ms of the nodes at rest in ${REST / 1000} s, a gateway`, each(1000 * idle, 1)],
    ...fleetRows(before, after),
  ];
}

interface Return {
  readonly cpu: { readonly engine: number; readonly fleet: number };
  readonly wire: { readonly sent: number; readonly received: number; readonly headers: number };
  readonly resumed: number;
  readonly connects: number;
  readonly tries: number;
}

/** What it takes from the moment when the network is there. */
async function measured(run: FleetRun, returned: () => Promise<unknown>): Promise<Return> {
  const [fleet, cpu] = [await run.gateways(), run.cpu];
  await run.fleet.ask('online');
  await returned();
  const [now, then] = [run.cpu, await run.gateways()];
  return {
    cpu: { engine: now.engine - cpu.engine, fleet: now.fleet - cpu.fleet },
    wire: {
      sent: then.wire.sent - fleet.wire.sent,
      received: then.wire.received - fleet.wire.received,
      headers: then.wire.headers - fleet.wire.headers,
    },
    resumed: then.resumed - fleet.resumed,
    connects: then.connects - fleet.connects,
    tries: then.attempts - fleet.attempts,
  };
}
