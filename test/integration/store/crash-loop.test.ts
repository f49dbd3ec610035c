/**
 * A log whose process is killed again and again within the first moments of a start, as a board does whose supply is weak or
 * whose supervisor is impatient. No start takes it for damaged or lost, no number is used twice, and what was reported as
 * committed, or as safe from a kill, is delivered once. SLUICE_CRASHES runs more of them, SLUICE_SEED the same again.
 */
import assert from 'node:assert/strict';
import { chmodSync, closeSync, existsSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/core/clock.ts';
import { seeded } from '../../../src/core/seeded.ts';
import type { Outlet } from '../../../src/store/delivery/outlet.ts';
import type { Lane } from '../../../src/store/files/lane-state.ts';
import { Log } from '../../../src/store/log.ts';
import { type Child, startChild } from '../../harness/child.ts';
import type { CrashPlan, CrashTold } from '../../harness/crash-child.ts';
import { payloadText } from '../../harness/payload-text.ts';
import { salvageOver } from '../../harness/salvage-over.ts';
import { scratch } from '../../harness/scratch.ts';
import { peer } from '../../peers/peers.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CRASHES = Number(process.env.SLUICE_CRASHES ?? 40);
const CHILD = path.join(import.meta.dirname, '..', '..', 'harness', 'crash-child.ts');
/** The kill comes so long after a moment, milliseconds: at random below one of these. */
const WITHIN = [1, 8, 30, 120];
/** Calls that change a file, as strace takes them. */
const CALLS = 'pwrite64,fsync,fdatasync,ftruncate,/rename,/unlink,/mkdir';
/** What is said of it at most: a log that is not closed well says thousands of lines. */
const MAX_FAULTS = 20;

const SIZES = { clock: systemClock, maxSize: 4e6, maxAge: 1e13, commitEvery: 3_600_000 };

/** What the starts have told so far, and what is wrong with it. */
class Ledger {
  /** A second listener that gets every line. */
  tell: (told: CrashTold) => void = () => {};
  readonly faults: string[] = [];
  readonly counts: Record<string, number> = {};
  #log: string | undefined;
  /** By number. */
  readonly #values = new Map<number, number>();
  readonly #owed = new Set<number>();
  /** Numbers of the present run that are not committed. */
  readonly #open = new Set<number>();
  /** Safe from a kill, and committed by nobody yet. */
  readonly #mirrored = new Set<number>();
  readonly #delivered = new Map<number, { readonly lane: string; readonly value: number }>();

  fault(words: string): void {
    if (this.faults.length < MAX_FAULTS) this.faults.push(words);
  }
  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  take(run: number, told: CrashTold): void {
    this.count(told.kind);
    this.tell(told);
    if (told.kind === 'opening') this.#open.clear();
    else if (told.kind === 'repaired') this.fault(`run ${run}: repaired: ${told.why}`);
    else if (told.kind === 'open') {
      if (this.#log !== undefined && told.log !== this.#log)
        this.fault(`run ${run}: the log was ${this.#log} and is ${told.log}`);
      this.#log = told.log;
      for (const why of told.repairs) this.fault(`run ${run}: repaired: ${why}`);
      const used = Math.max(0, ...this.#values.keys());
      if (told.next <= used) this.fault(`run ${run}: counting goes on at ${told.next}, and ${used} was used`);
      if (told.recovered > 0) this.count('recovered');
      // Taken over by this start.
      for (const seq of this.#mirrored) this.#owed.add(seq);
      this.#mirrored.clear();
    } else if (told.kind === 'appended') {
      if (this.#values.has(told.seq)) this.fault(`run ${run}: the number ${told.seq} is used twice`);
      this.#values.set(told.seq, told.value);
      this.#open.add(told.seq);
      if (told.safe) this.#mirrored.add(told.seq);
    } else if (told.kind === 'committed') {
      for (const seq of this.#open) if (seq <= told.upTo) this.#owe(seq);
    } else if (told.kind === 'closed') for (const seq of this.#open) this.#owe(seq);
    else if (told.kind === 'delivered') for (const [seq, value] of told.records) this.deliver(run, told.lane, seq, value);
  }
  #owe(seq: number): void {
    this.#owed.add(seq);
    this.#open.delete(seq);
    this.#mirrored.delete(seq);
  }

  deliver(run: number, lane: string, seq: number, value: number): void {
    const known = this.#delivered.get(seq);
    const appended = this.#values.get(seq);
    if (known !== undefined && (known.lane !== lane || known.value !== value))
      this.fault(`run ${run}: ${seq} came as ${known.value} on ${known.lane}, and as ${value} on ${lane}`);
    if (appended !== undefined && appended !== value) this.fault(`run ${run}: ${seq} was ${appended} and came as ${value}`);
    this.#delivered.set(seq, { lane, value });
  }

  /** The runtime directory is gone, as after a power cut, or is not read. */
  forgetTail(): void {
    this.#mirrored.clear();
  }

  judge(): string[] {
    const lost = [...this.#owed].filter((seq) => !this.#delivered.has(seq));
    if (lost.length > 0) this.fault(`${lost.length} of ${this.#owed.size} records are lost, the first ${lost[0]}`);
    return this.faults;
  }
  get owed(): number {
    return this.#owed.size;
  }
}

/** Behind a line, after so many milliseconds; or in place of the n-th call of a thread that changes a file. */
type When = { readonly line: RegExp; readonly wait: number } | { readonly strace: string; readonly call: number };

async function crash(
  t: TestContext,
  ledger: Ledger,
  run: number,
  dirs: readonly [string, string],
  plan: CrashPlan,
  when: When,
): Promise<void> {
  const command = [CHILD, ...dirs, JSON.stringify(plan)];
  let child: Child;
  if ('strace' in when) {
    const inject = ['-e', `trace=${CALLS}`, '-e', `inject=${CALLS}:signal=SIGKILL:when=${when.call}`];
    child = startChild(t, when.strace, ['-f', '-qq', '-o', '/dev/null', ...inject, process.execPath, ...command]);
  } else {
    child = startChild(t, process.execPath, command);
    const come = child.line(when.line).then(() => sleep(when.wait));
    await Promise.race([come, child.ended]).catch(() => {});
    child.signal('SIGKILL');
  }
  const how = await child.ended;
  for (const line of child.stdout) ledger.take(run, JSON.parse(line) as CrashTold);
  ledger.count(how === 'SIGKILL' ? 'kill' : 'end');
  if (how === 'SIGKILL' || how === 0) return;
  ledger.count('error');
  ledger.fault(`run ${run}: ${how}: ${child.stderr.join('\n')}`);
}

async function drained(cloud: Outlet): Promise<[lane: Lane, seq: number, value: number][]> {
  const out: [Lane, number, number][] = [];
  for (const lane of ['history', 'data'] satisfies Lane[])
    for (let batch = await cloud.next(lane, 5000); batch !== undefined; batch = await cloud.next(lane, 5000)) {
      cloud.handOver(batch);
      cloud.done(batch);
      const { records } = JSON.parse(payloadText(batch)) as { records: { seq: number; values: { n: number } }[] };
      out.push(...records.map(({ seq, values }): [Lane, number, number] => [lane, seq, values.n]));
    }
  return out;
}

/** What is still to be delivered. */
async function drain(ledger: Ledger, stateDir: string, runtimeDir: string): Promise<void> {
  const log = await Log.open({ ...SIZES, stateDir, runtimeDir });
  try {
    log.on('repaired', ({ file, why }) => ledger.fault(`repaired: ${file}: ${why}`));
    const cloud = log.outlet('cloud', 'oldest', 'g1', 'json');
    log.setClock(Math.round(Date.now() - performance.now()), false);
    log.setInventory('{}');
    const { repairs, next, recovered } = log.opened;
    const whys = repairs.map(({ file, why }) => `${file}: ${why}`);
    ledger.take(-1, { kind: 'open', log: log.id, next, repairs: whys, recovered: recovered.records });
    await cloud.ready();
    for (const [lane, seq, value] of await drained(cloud)) ledger.deliver(-1, lane, seq, value);
  } finally {
    await log.abandon();
  }
}

test(`${CRASHES} starts killed in a row: nothing is repaired, lost or used twice`, {
  timeout: 3_600_000,
}, async (t) => {
  const strace = peer(t, 'strace', 'apt-get install -y strace');
  if (strace === undefined) return;
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const random = seeded(SEED);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const folder = scratch(t, 'crash');
  const [stateDir, runtimeDir] = [path.join(folder, 'state'), path.join(folder, 'run')];
  const ledger = new Ledger();
  for (let run = 0; run < CRASHES && ledger.faults.length === 0; run++) {
    const tail = random();
    // In a share of the runs the folder is empty (the board was off), or others may write in it, so that it is not used.
    const refused = tail > 0.9 && existsSync(runtimeDir);
    if (tail < 0.2) rmSync(runtimeDir, { recursive: true, force: true });
    if (refused) chmodSync(runtimeDir, 0o777);
    if (tail < 0.2 || refused) ledger.forgetTail();
    const plan = { seed: SEED + run, appends: random() < 0.4 ? 0 : Math.floor(random() * 60), close: random() < 0.3 };
    const line = pick([/"opening"/, /"opening"/, /"open"/, /"appended"|"open"/, plan.close ? /"closing"/ : /"open"/]);
    // It comes to its end by itself, with all that is left to do.
    const when =
      random() < 0.5 ? { strace, call: 1 + Math.floor(random() * pick([4, 20, 120])) } : { line, wait: random() * pick(WITHIN) };
    await crash(t, ledger, run, [stateDir, runtimeDir], 'strace' in when ? { ...plan, close: true } : plan, when);
    if (refused) chmodSync(runtimeDir, 0o700);
  }
  if (ledger.faults.length === 0) await drain(ledger, stateDir, runtimeDir);
  t.diagnostic(JSON.stringify({ ...ledger.counts, owed: ledger.owed }));
  assert.deepEqual(ledger.judge(), [], `SLUICE_SEED=${SEED} SLUICE_CRASHES=${CRASHES}`);
  assert.deepEqual(
    readdirSync(stateDir).filter((name) => /damaged|salvage|making|ready/.test(name)),
    [],
  );
  assert.ok((ledger.counts.kill ?? 0) > CRASHES / 2 && ledger.owed > 0);
});

/** The kill comes at one of so many calls. */
const OF_SALVAGE = [20, 120, 250];
/** Kills of one salvage, and salvages. */
const CUTS_OF_ONE = 3;
const SALVAGES = Math.max(1, Math.floor(CRASHES / 10));

test(`a salvage killed ${CUTS_OF_ONE} times, ${SALVAGES} times over: all comes back, under one new log`, {
  timeout: 3_600_000,
}, async (t) => {
  const strace = peer(t, 'strace', 'apt-get install -y strace');
  if (strace === undefined) return;
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const random = seeded(SEED);
  const counts = new Ledger();
  for (let n = 0; n < SALVAGES; n++) {
    const folder = scratch(t, 'crash');
    const dirs = [path.join(folder, 'state'), path.join(folder, 'run')] as const;
    const told: CrashTold[] = [];
    const life = async (plan: CrashPlan, when: When): Promise<void> => {
      const ledger = new Ledger();
      ledger.tell = (line) => told.push(line);
      await crash(t, ledger, n, dirs, plan, when);
      assert.equal(ledger.counts.error, undefined, `SLUICE_SEED=${SEED}: ${n}: ${ledger.faults.join('; ')}`);
      for (const [what, count] of Object.entries(ledger.counts)) counts.counts[what] = (counts.counts[what] ?? 0) + count;
    };
    await life({ seed: SEED + n, appends: 40, close: random() < 0.5 }, { line: /"closed"|"waiting"/, wait: 0 });
    // The header of the database alone: every row is still there.
    const fd = openSync(path.join(dirs[0], 'log.db'), 'r+');
    writeSync(fd, 'no database at all', 0);
    closeSync(fd);
    for (let k = 0; k < CUTS_OF_ONE; k++)
      await life(
        { seed: SEED - n - k, appends: Math.floor(random() * 10), close: true },
        { strace, call: 1 + Math.floor(random() * (OF_SALVAGE[k % OF_SALVAGE.length] as number)) },
      );
    const safe = told.flatMap((line) => (line.kind === 'appended' && line.safe ? [line.value] : []));
    const logs = new Set(told.flatMap((line) => (line.kind === 'open' ? [line.log] : [])));
    const came = told.flatMap((line) => (line.kind === 'delivered' ? line.records.map(([, value]) => value) : []));
    const log = await Log.open({ ...SIZES, stateDir: dirs[0], runtimeDir: dirs[1] });
    try {
      logs.add(log.id);
      const cloud = log.outlet('cloud', 'oldest', 'g1', 'json');
      log.setClock(Math.round(Date.now() - performance.now()), false);
      log.setInventory('{}');
      await cloud.ready();
      await salvageOver(log);
      const rest = (await drained(cloud)).map(([, , value]) => value);
      assert.equal(new Set(rest).size, rest.length, `SLUICE_SEED=${SEED}: ${n}: twice in one run`);
      const have = new Set([...came, ...rest]);
      assert.deepEqual(
        safe.filter((value) => !have.has(value)),
        [],
        `SLUICE_SEED=${SEED}: ${n}: lost`,
      );
      assert.ok(logs.size <= 2, `SLUICE_SEED=${SEED}: ${n}: logs ${[...logs].join(', ')}`);
    } finally {
      await log.abandon();
    }
  }
  t.diagnostic(JSON.stringify(counts.counts));
});
