/**
 * Power cuts while people deploy flows. The gateway and Node-RED lie on a disk that records every write. After each cut, the flows of each
 * answered deploy are there, and so is each revision.
 */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { seeded } from '../../../src/core/seeded.ts';
import { SECRET_FILE } from '../../../src/node-red/flow-files.ts';
import { RevisionStore } from '../../../src/node-red/revisions/revision-store.ts';
import { fakeTcp } from '../../fakes/modbus-device.ts';
import { listFlows, upWithFlows } from '../../harness/flow-revisions.ts';
import { flowUser } from '../../harness/flow-user.ts';
import { imageDisk } from '../../harness/image-disk.ts';
import { run } from '../../harness/loop-disk.ts';
import { type FlowSite, mayBeAnother, nodeRedSiteOf } from '../../harness/node-red-site.ts';
import { Cuts, recordingDisk } from '../../harness/recording-disk.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 40);
const MEGABYTES = 48;
/** Below what the recorder keeps at once, and below the places of revisions that nobody known deployed. */
const DEPLOYS = 16;
/** Cuts behind which the gateway itself starts. */
const STARTS = 2;
const REVISIONS = 'flow-revisions';

interface Told {
  /** The moment of the record. */
  readonly at: number;
  /** The number of the deploy. */
  readonly number: number;
  /** `revision`: the list of revisions has it, too. */
  readonly kind: 'deployed' | 'revision';
}

const PASSWORD = 'a password of a node';
const label = (number: number): string => `deploy ${number}`;
const flow = (number: number): object[] => [
  // Files of several sizes, also some of many sectors.
  { id: 'tab', type: 'tab', label: label(number), info: 'x'.repeat((number % 5) * 3000) },
  {
    ...{ id: 'ask', type: 'http request', z: 'tab', name: 'ask', method: 'GET', url: 'http://127.0.0.1:1', wires: [[]] },
    ...{ authType: 'basic', credentials: { user: label(number), password: PASSWORD } },
  },
];
const numberIn = (flows: string): number => {
  const [tab] = JSON.parse(flows) as { label?: string }[];
  return Number(/^deploy (\d+)$/.exec(tab?.label ?? '')?.[1] ?? 0);
};

/** @returns the site, and what lets go of the disk */
function siteOn(t: TestContext, folder: string, port: number): { readonly site: FlowSite; readonly leave: () => void } {
  chmodSync(path.dirname(folder), 0o755);
  // As on a board: what is not on the card yet is mirrored in memory.
  const memory = path.join(folder, 'run');
  mkdirSync(memory, { mode: 0o700, recursive: true });
  run('mount', '-t', 'tmpfs', '-o', 'mode=700,size=16m', 'tmpfs', memory);
  let mounted = true;
  const leave = (): void => {
    if (mounted) run('umount', '-l', memory);
    mounted = false;
  };
  t.after(leave);
  const site = nodeRedSiteOf(t, {
    ...{ port, folder, user: flowUser().name, section: '' },
    more: { rest: 'buffer: {commitEvery: 500ms, maxSize: 8MB}\n' },
  });
  return { site, leave };
}

async function recorded(t: TestContext, port: number) {
  const disk = await recordingDisk(t, MEGABYTES);
  if (disk === undefined) return undefined;
  const { site, leave } = siteOn(t, disk.folder, port);
  await upWithFlows(site);
  const told: Told[] = [];
  for (let number = 1; number <= DEPLOYS; number++) {
    assert.equal(await site.deploy(flow(number)), 204);
    told.push({ at: disk.moment, number, kind: 'deployed' });
    // Some deploys follow at once.
    if (number % 3 === 0) continue;
    await waitFor(`the revision of ${label(number)}`, async () => {
      const { revisions } = await listFlows(site);
      return revisions.some(({ tabs }) => tabs.some((tab) => tab.label === label(number)));
    });
    told.push({ at: disk.moment, number, kind: 'revision' });
  }
  const secret = readFileSync(path.join(site.gateway.stateDir, SECRET_FILE), 'utf8');
  assert.equal(await site.gateway.stop(), 0);
  leave();
  await disk.stop();
  return { told, secret, entries: disk.entries(), size: disk.size };
}

/** What is wrong with the files behind a cut. */
async function look(folder: string, told: readonly Told[], secret: string): Promise<string[]> {
  const state = path.join(folder, 'state');
  const wrong: string[] = [];
  const last = Math.max(0, ...told.map(({ number }) => number));
  try {
    const number = numberIn(readFileSync(path.join(`${state}-node-red`, 'flows.json'), 'utf8'));
    if (number < last) wrong.push(`flows.json has deploy ${number}, and deploy ${last} was answered`);
  } catch (thrown) {
    wrong.push(`flows.json: ${String(thrown)}`);
  }
  if (readFileSync(path.join(state, SECRET_FILE), 'utf8') !== secret) wrong.push('the secret is another one');
  const store = new RevisionStore(path.join(state, REVISIONS));
  await store.open();
  if (store.damaged > 0) wrong.push(`${store.damaged} revisions are damaged`);
  const kept = new Set<number>();
  for (const { number } of store.all)
    try {
      kept.add(numberIn((await store.read(number)).flows));
    } catch (thrown) {
      wrong.push(String(thrown));
    }
  for (const { number, kind } of told)
    if (kind === 'revision' && !kept.has(number)) wrong.push(`deploy ${number} has no revision`);
  return wrong;
}

/** A gateway starts on what is left. It runs the flows of the last answered deploy, and they have their passwords. */
async function runsAgain(t: TestContext, folder: string, port: number, last: number): Promise<string[]> {
  const { site, leave } = siteOn(t, folder, port);
  await site.gateway.up();
  await site.until('running');
  const number = numberIn((await site.ask('GET', '/flows')).body);
  const kept = (await site.ask('GET', '/credentials/http-request/ask')).body;
  assert.equal(await site.gateway.stop(), 0);
  leave();
  return [
    ...(number < last ? [`deploy ${number} runs, and deploy ${last} was answered`] : []),
    ...(JSON.parse(kept).has_password === true ? [] : [`the password is gone: ${kept}`]),
  ];
}

test(`no power cut of ${CUTS} takes an answered deploy or a revision`, { timeout: 900_000 }, async (t) => {
  if (!nodeRedPeer(t)) return;
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const device = await fakeTcp(t);
  const images = imageDisk(t, MEGABYTES * 1024 ** 2);
  if (images === undefined) return;
  assert.ok(mayBeAnother(), 'another user can read the sources and the packages');
  const record = await recorded(t, device.port);
  if (record === undefined) return;
  const { told, secret, entries, size } = record;
  const random = seeded(SEED);
  const [first, end] = [(told[0] as Told).at, (told.at(-1) as Told).at];
  const ends = entries.filter((e) => e.write !== undefined && e.end >= first && e.end <= end).map((e) => e.end);
  // Every other cut comes right behind an answer. The others come behind any write.
  const kinds = [told.map(({ at }) => at), ends];
  const moments = Array.from({ length: CUTS }, (_, i) => {
    const of = kinds[i % kinds.length] as number[];
    return of[Math.floor(random() * of.length)] as number;
  }).sort((a, b) => a - b);
  const cuts = new Cuts(entries, size);
  const faults: string[] = [];
  let lost = 0;
  for (const [i, moment] of moments.entries()) {
    const cut = cuts.at(moment, random);
    lost += cut.lost;
    const before = told.filter(({ at }) => at <= moment);
    const starts = i % Math.ceil(CUTS / STARTS) === Math.ceil(CUTS / STARTS) - 1;
    const wrong = await images.with(cut.image, async (folder) => [
      ...(await look(folder, before, secret)),
      ...(starts ? await runsAgain(t, folder, device.port, before.at(-1)?.number ?? 0) : []),
    ]);
    faults.push(...wrong.map((fault) => `cut ${i} at ${moment}: ${fault}`));
  }
  assert.deepEqual(faults, [], `SLUICE_SEED=${SEED}`);
  assert.ok(lost > 0, 'the cuts lost writes that were not flushed');
});
