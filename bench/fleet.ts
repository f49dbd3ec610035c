/**
 * A fleet of gateways into a cluster of three nodes, RabbitMQ or NATS. What arrived is compared with what was taken, by the marks.
 *
 *   npm run bench:fleet                   an outage of all nodes, a return at once, a killed node; `-- nats` is one of its columns
 *   npm run bench:fleet -- tls            a return at once over TCP and TLS; `-- tls rabbitmq` is one engine
 *   npm run bench:fleet -- partition      a node of RabbitMQ that does not hear the others; `-- partition pause_minority` is one setting
 *   npm run bench:fleet -- power-cut      the power of nodes goes; `-- power-cut nats-1` is one engine
 *
 * SLUICE_FLEET_GATEWAYS (50), _REAL (4), _RECORDS (360), _POINTS (10), _INFLIGHT (100), _DISK_MB (256, for the power cut).
 */
import { printConditions, printTable } from './lib/conditions.ts';
import { ENGINES } from './lib/fleet-engines.ts';
import { alone } from './lib/fleet-net.ts';
import { outage } from './lib/fleet-outage.ts';
import { HANDLINGS, partition } from './lib/fleet-partition.ts';
import { CUTS, powerCut } from './lib/fleet-power-cut.ts';
import { LIVE, POINTS, RECORDS, type Row } from './lib/fleet-run.ts';
import { overTls, WIRES } from './lib/fleet-tls.ts';
import { Workspace } from './lib/workspace.ts';

type Measure = (space: Workspace) => Promise<Row[]>;
/** A column of a table, with the words that ask for it. */
type Column = readonly [words: readonly string[], measure: Measure];

const KINDS = ['tls', 'partition', 'power-cut'] as const;

function columnsOf(kind: (typeof KINDS)[number] | undefined): Column[] {
  switch (kind) {
    case undefined:
      return ENGINES.map((name) => [[name], (space) => outage(space, name)]);
    case 'tls':
      return (['rabbitmq', 'nats-1'] as const).flatMap((name) =>
        WIRES.map((wire): Column => [[name, wire], (space) => overTls(space, name, wire)]),
      );
    case 'partition':
      return HANDLINGS.map((handling) => [[handling], (space) => partition(space, handling)]);
    case 'power-cut':
      return CUTS.map((cut) => [[cut.engine, cut.who, cut.sync ?? 'default'], (space) => powerCut(space, cut)]);
  }
}

const asked = process.argv.slice(2).filter((word) => word !== '--');
const kind = KINDS.find((word) => asked.includes(word));
const wanted = asked.filter((word) => word !== kind);
const columns = columnsOf(kind).filter(([words]) => wanted.every((word) => words.includes(word)));
if (columns.length === 0) throw new Error(`write one of ${[...KINDS, ...ENGINES].join(', ')}, or nothing`);
if (kind === 'partition') alone();
printConditions(
  `A fleet into a cluster, ${RECORDS} records of ${POINTS} points in the hour, a record each ${LIVE / 1000} s beside it`,
);
const measured: Row[][] = [];
for (const [, measure] of columns) {
  const rows = await Workspace.use(measure);
  // A later column may fail.
  console.error(JSON.stringify(rows));
  measured.push(rows);
}
printTable((measured[0] ?? []).map(([label], i) => [label, ...measured.map((column) => column[i]?.[1] ?? '')]));
process.exit(0);
