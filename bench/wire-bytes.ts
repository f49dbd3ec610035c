/**
 * Bytes of a reading on the wire, by dialect, compression and age of a batch: payloads, MQTT, TLS, TCP and IP, in both directions, as
 * the kernel counts them on a wire to another host (Mosquitto in a network namespace). `npm run bench:wire-bytes`; words choose rows by
 * data, format, age and compression: `-- float32 columns json 1min zstd`. Load changes some rows: an acknowledgement that waits takes a packet of its own. A row in which TCP sent something
 * again is measured again. It needs root. About ten minutes.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authority } from '../test/harness/certificates.ts';
import { FarHost } from '../test/harness/far-host.ts';
import { openUpstream } from '../test/harness/open-upstream.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { alone } from './lib/fleet-net.ts';
import { wireBytes } from './lib/wire-gateway.ts';
import { FORMATS, type FormatPlan, lengthOf, SITES, type SitePlan } from './lib/wire-rows.ts';
import { Workspace } from './lib/workspace.ts';

/** Seconds between two questions of a silent connection, and of three of them. */
const ASKED = 30;
const IDLE = 95_000;
const QUESTIONS = 3;
const AGES = new Map([
  [1000, '1 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
]);
const figure = (bytes: number | undefined) => (bytes === undefined ? '' : bytes < 10 ? bytes.toFixed(2) : bytes.toFixed(1));

interface Way {
  readonly far: FarHost;
  readonly url: string;
  readonly ca: string | undefined;
}

/** A host for each way, so that rows with and without TLS run side by side. */
async function ways(space: Workspace, first: number): Promise<Way[]> {
  const t = space.asTest;
  const authority = Authority.make(t);
  const found: Way[] = [];
  for (const [i, tls] of [false, true].entries()) {
    const far = await FarHost.make(t, first + i);
    const pair = far && authority?.sign(`broker-${i}`, { names: `IP:${far.host}` });
    const broker = pair && (await far.broker(t, pair));
    if (far === undefined || broker === undefined) throw new Error('this measurement needs root, openssl and Mosquitto');
    found.push({ far, url: tls ? broker.tls : broker.plain, ca: tls ? authority?.ca : undefined });
  }
  return found;
}

/** Bytes of a question whether the other side is there, with its answer: a connection of its own that says nothing else. */
async function question({ far, url, ca }: Way): Promise<number> {
  const connection = await openUpstream(url, ca === undefined ? {} : { tls: { ca } });
  await sleep(1000);
  const before = far.crossed();
  await sleep(IDLE);
  const now = far.crossed();
  await connection.end(1000);
  return (now.sent + now.received - before.sent - before.received) / QUESTIONS;
}

const asked = process.argv.slice(2).filter((word) => word !== '--');
const sets = new Set(SITES.map(({ set }) => set));
const ages = new Set([...AGES.values()].map((name) => name.replace(' ', '')));
const packings = new Set(FORMATS.flatMap(({ compress }) => compress));
function chosen<T>(all: readonly T[], name: (one: T) => string, words: readonly string[]): readonly T[] {
  return words.length === 0 ? all : all.filter((one) => words.some((word) => name(one).startsWith(word)));
}
const sites = chosen(
  SITES,
  ({ set }) => set,
  asked.filter((word) => sets.has(word)),
);
const formats = chosen(
  FORMATS,
  ({ name }) => name,
  asked.filter((word) => !sets.has(word) && !ages.has(word) && !packings.has(word)),
);
const wanted = (name: string, of: ReadonlySet<string>): boolean => asked.includes(name) || !asked.some((word) => of.has(word));

/** A machine with much else to do answers late, and TCP sends again what only waits: that says nothing about a format. */
const TRIES = 5;
async function row(...plan: Parameters<typeof rowOnce>): ReturnType<typeof rowOnce> {
  for (let i = 1; ; i++) {
    const found = await rowOnce(...plan);
    const again = Math.max(...found.map((one) => one.again));
    if (again === 0 || i === TRIES) return found;
    const bytes = found.map(({ crossed, readings }) => figure((crossed.sent + crossed.received) / readings)).join(', ');
    console.error(`${again} segments were sent again (${bytes} B): the row is measured again.`);
  }
}

async function rowOnce(
  space: Workspace,
  both: readonly Way[],
  site: SitePlan,
  format: FormatPlan,
  compress: string,
  age: number,
) {
  return Promise.all(
    both.map(({ far, url, ca }, i) => {
      const folder = path.join(space.folder, `rows-${i}`);
      mkdirSync(folder, { recursive: true });
      const { keys, maxReadings } = format;
      return wireBytes({
        ...{ folder, far, url, ca, site, age, maxReadings, ...lengthOf(site, age) },
        keys: compress === 'none' ? keys : { ...keys, compress },
      });
    }),
  );
}

alone();
await Workspace.use(async (space) => {
  const both = await ways(space, 1);
  const idle = await ways(space, 3);
  const questions = Promise.all(idle.map(question));
  printConditions('Bytes of a reading on the wire, both ways, with MQTT, TCP and IP, without and with TLS');
  const tables: { readonly name: string; readonly rows: (string | number)[][] }[] = [];
  for (const site of sites) {
    const table: (string | number)[][] = [];
    for (const format of formats)
      for (const age of format.live ? site.ages.slice(0, 1) : site.ages)
        for (const compress of format.compress) {
          if (age < site.every && !format.live) continue;
          if (!wanted((AGES.get(age) ?? '').replace(' ', ''), ages) || !wanted(compress, packings)) continue;
          const found = await row(space, format.onlyTls ? both.slice(1) : both, site, format, compress, age);
          const tls = found.at(-1);
          if (tls === undefined) throw new Error('no row');
          const plain = format.onlyTls ? undefined : found[0];
          const each = (one: typeof tls | undefined, more = 0): string =>
            one === undefined ? '' : figure((one.crossed.sent + one.crossed.received) / one.readings + more);
          const kept = Math.max(0, Math.ceil(Math.max(age, site.every) / 1000 / ASKED) - 1);
          const perAge = Math.max(1, age / site.every) * site.devices * site.points;
          const asks = (await questions).map((bytes) => (kept * bytes) / perAge);
          table.push([
            ...[format.name, compress === 'none' ? '' : compress, format.live ? 'live' : (AGES.get(age) ?? age)],
            ...[Math.round(tls.readings / tls.batches), figure(tls.payload && tls.payload / tls.readings)],
            ...[each(plain), each(tls), each(plain, asks[0]), each(tls, asks[1])],
          ]);
          console.error(`${site.name} | ${table.at(-1)?.join(' | ')}`);
        }
    tables.push({ name: site.name, rows: table });
  }
  const [plain, tls] = await questions;
  console.log(`\nA question of a silent connection each ${ASKED} s: ${plain} bytes, with TLS ${tls}.`);
  for (const { name, rows } of tables) {
    console.log(`\n${name}\n`);
    printTable([['dialect', 'packed', 'age', 'readings', 'payload', 'wire', 'with TLS', 'and questions', 'with TLS'], ...rows]);
  }
});
process.exit(0);
