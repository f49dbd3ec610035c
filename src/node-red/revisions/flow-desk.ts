/**
 * What people ask of the flows: the list of revisions, an undo, an import, a shipped flow. Every change begins with a look at the
 * flows of now, so that nothing is replaced that has no revision. Where Node-RED ends while it gets flows, what it has afterwards
 * decides what is said; and the same change once more adds nothing twice.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { Principal } from '../../core/commands.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type {
  FlowExample,
  FlowRevisions,
  FlowsChange,
  FlowsList,
  FlowsResult,
  Revision,
  RevisionChanges,
} from '../../core/flow-revisions.ts';
import type { FlowStatus } from '../../core/flow-supervisor.ts';
import type { FlowAddress } from '../flow-start.ts';
import { importedFlows } from './check-import.ts';
import { exampleFlows, examples } from './examples.ts';
import { type DeployAnswer, type DeployOrder, deploy } from './flow-client.ts';
import type { FlowRecorder, RevisionAbout } from './flow-recorder.ts';
import { type Arrival, LostDeploy } from './lost-deploy.ts';
import { nestingFault, nodesIn } from './nesting.ts';
import { type FlowsContent, parsedList } from './revision-file.ts';
import type { RevisionStore, StoredRevision } from './revision-store.ts';

/** How long Node-RED may take to be back after it ended while it got flows, and between two looks, ms. */
export const BACK_WITHIN = 60_000;
const LOOK_EVERY = 500;

export interface DeskOptions {
  readonly clock: Clock;
  readonly store: RevisionStore;
  readonly recorder: FlowRecorder;
  readonly address: () => FlowAddress | undefined;
  /** undefined: the configuration has no Node-RED. */
  readonly status: () => FlowStatus | undefined;
  /** For tests. */
  readonly deploy?: (at: FlowAddress, order: DeployOrder, content: FlowsContent) => Promise<DeployAnswer>;
}

interface Wanted {
  readonly order: DeployOrder['mode'];
  readonly content: FlowsContent;
  readonly about: Pick<RevisionAbout, 'origin' | 'of'>;
}

interface Attempt {
  readonly lost: LostDeploy;
  /** The digest of what was asked for. */
  readonly sum: string;
}

export class FlowDesk implements FlowRevisions {
  readonly #o: DeskOptions;
  #deploying = false;
  /** The newest deploy of which nobody knows yet whether it arrived. */
  #open: Attempt | undefined;

  constructor(options: DeskOptions) {
    this.#o = options;
  }

  /** Node-RED is getting other flows. */
  get deploying(): boolean {
    return this.#deploying;
  }

  async list(): Promise<FlowsList> {
    const { store, recorder } = this.#o;
    const folder = await recorder.open().then(
      () => [],
      (thrown: unknown) => [toError(thrown).message],
    );
    const status = this.#o.status();
    const well = store.well;
    const faults = [status?.reason, status?.safeMode, status?.fault, status?.door?.slow, recorder.fault, ...folder];
    return {
      state: status?.state ?? 'off',
      faults: [...new Set(faults.filter((one) => one !== undefined))],
      current: recorder.current?.number ?? null,
      revisions: store.all.map((one, i) => shown(one, store.all[i - 1], well)).reverse(),
      held: recorder.held,
      damaged: store.damaged,
    };
  }

  async export(number: number | undefined): Promise<string> {
    const { store, recorder } = this.#o;
    const { flows } = await recorder.exclusively(async () => {
      if (number !== undefined) return store.read(number);
      return (await recorder.look(this.#address())).present.content;
    });
    // It came from a process that may run any code.
    const list: unknown = parsedList(flows);
    if (list === undefined) throw new SluiceError('not-running', 'Node-RED gave flows that are not a list of nodes');
    return flows;
  }

  examples(): Promise<readonly FlowExample[]> {
    return examples();
  }

  /** Rejects with `conflict` where `newest` is not the newest revision any more, and as flow-client.ts does. */
  async run(change: FlowsChange, by: Principal): Promise<FlowsResult> {
    // What can be refused without Node-RED is refused first.
    const early = await prepared(change);
    const { recorder } = this.#o;
    return recorder.exclusively(async () => {
      const at = this.#address();
      this.#assertMayAdd(change);
      const { present, revision } = await recorder.look(at);
      const sum = sumOf(change);
      const open = this.#open;
      this.#open = undefined;
      if (open?.sum === sum && open.lost.found(present.content) === 'whole') return this.#result(open.lost, revision.number);
      if (change.newest !== undefined && change.newest !== revision.number)
        throw new SluiceError(
          'conflict',
          `the newest revision is ${revision.number} (${revision.who}), not ${change.newest}; look at sluice flows list and ask again`,
        );
      const wanted = early ?? (await this.#restored(change, revision));
      const { order, content, about } = wanted;
      // It may have been asked to end since.
      const now = this.#address();
      const given: DeployOrder = { mode: order, rev: present.rev, seed: randomBytes(8).toString('hex') };
      const named = { ...about, who: by.who, door: by.door };
      this.#deploying = true;
      try {
        const answer = await (this.#o.deploy ?? deploy)(now, given, content);
        const kept = await this.#kept(now, named);
        return { ...answer, flows: this.#ends ? 'stopped' : answer.flows, revision: kept };
      } catch (thrown) {
        if (!(thrown instanceof SluiceError) || thrown.code !== 'outcome-unknown') throw thrown;
        // A process that gave no answer may still be at it.
        const busy = thrown.data.answered === true ? undefined : now;
        return await this.#after({ lost: new LostDeploy(given, present.content, content), sum }, thrown.message, named, busy);
      } finally {
        this.#deploying = false;
      }
    });
  }

  /** Waits until Node-RED is back, and says what it has. @param busy the process that may still take the flows */
  async #after(attempt: Attempt, why: string, about: RevisionAbout, busy: FlowAddress | undefined): Promise<FlowsResult> {
    const { lost } = attempt;
    const { at, found } = await this.#back(lost, busy);
    switch (found) {
      case 'whole':
        return this.#result(lost, at === undefined ? null : await this.#kept(at, about));
      case 'before':
        throw new SluiceError('not-running', `${why}. It has the flows of before: nothing was changed, so ask again`);
      case 'flows':
        throw new SluiceError('outcome-unknown', `${why}. It has these flows, and not the passwords of their nodes; ask again`);
      case 'other':
        throw new SluiceError(
          'outcome-unknown',
          `${why}. It has other flows now than before and than those; look at sluice flows list before you ask again`,
        );
      default:
        this.#open = attempt;
        throw new SluiceError(
          'outcome-unknown',
          `${why}. It is not back yet or not done (${this.#state}), so it is open whether it has the flows; look at sluice flows list when it runs. The same change once more adds nothing twice`,
        );
    }
  }

  async #back(lost: LostDeploy, busy: FlowAddress | undefined): Promise<{ readonly at?: FlowAddress; readonly found?: Arrival }> {
    const { clock, recorder } = this.#o;
    const end = clock.monotonic() + BACK_WITHIN;
    for (;;) {
      const at = this.#o.address();
      const present = at === undefined ? undefined : await recorder.present(at).catch(() => undefined);
      const found = present && lost.found(present.content);
      // The key is of one process: another one has what the disk has. Passwords are saved after flows.
      const open = at?.key === busy?.key && (found === 'before' || found === 'flows');
      if (at !== undefined && found !== undefined && !open) return { at, found };
      if (clock.monotonic() >= end || this.#state === 'stopped') return {};
      await new Promise<void>((resolve) => clock.after(LOOK_EVERY, resolve));
    }
  }

  #result(lost: LostDeploy, revision: number | null): FlowsResult {
    const status = this.#o.status();
    const held = this.#ends || status?.safeMode !== undefined || status?.fault !== undefined;
    const passwords = lost.mode === 'restore' ? 'restored' : 'kept';
    return { revision, flows: held ? 'stopped' : 'started', passwords, added: lost.labels };
  }

  get #state(): string {
    return this.#o.status()?.state ?? 'off';
  }

  /** A process that says that its flows run may be one that ends for them. */
  get #ends(): boolean {
    const status = this.#o.status();
    return status !== undefined && (status.disk?.full !== undefined || !/^(?:running|unhealthy|safe-mode)$/.test(status.state));
  }

  /** The change is done: that it has no revision is no reason to say that it failed. The recorder reports it and tries again. */
  async #kept(at: FlowAddress, about: RevisionAbout): Promise<number | null> {
    try {
      return (await this.#o.recorder.look(at, about)).revision.number;
    } catch {
      return null;
    }
  }

  async #restored(change: FlowsChange, current: StoredRevision): Promise<Wanted> {
    const { store } = this.#o;
    const number = change.act === 'restore' ? change.revision : undone(store.all, current);
    const content = await store.read(number);
    const list = parsedList(content.flows);
    if (list === undefined)
      throw new SluiceError(
        'request-invalid',
        `revision ${number} holds no list of nodes; nothing was changed, so take another revision (sluice flows restore)`,
      );
    const fault = nestingFault(nodesIn(list));
    if (fault !== undefined)
      throw new SluiceError(
        'request-invalid',
        `the flows of revision ${number} would never start: ${fault}; nothing was changed, so take another revision (sluice flows restore)`,
      );
    return { order: 'restore', content, about: { origin: change.act === 'restore' ? 'restore' : 'undo', of: String(number) } };
  }

  #address(): FlowAddress {
    const at = this.#o.address();
    if (at !== undefined) return at;
    const status = this.#o.status();
    if (status === undefined)
      throw new SluiceError(
        'not-running',
        'this gateway has no Node-RED: write nodeRed into its configuration (docs/how-to/switch-on-node-red.md)',
      );
    const why = status.reason === undefined ? '' : `: ${status.reason}`;
    throw new SluiceError('not-running', `Node-RED does not run now (${status.state}${why}); nothing was changed`);
  }

  /** A deploy in safe mode starts the flows that made it end, unless others take their place. */
  #assertMayAdd(change: FlowsChange): void {
    const { act } = change;
    const status = this.#o.status();
    const why = status?.safeMode;
    if (why === undefined || act === 'undo' || act === 'restore') return;
    // None of them starts again. They may all be wrong, with no revision before.
    if (act === 'import' && change.mode === 'replace' && status?.disk?.full === undefined) return;
    throw new SluiceError(
      'not-running',
      `Node-RED is in safe mode: ${why}. Adding flows would start all of them again; undo the last deploy first (sluice flows undo), or correct it in the editor`,
    );
  }
}

async function prepared(change: FlowsChange): Promise<Wanted | undefined> {
  switch (change.act) {
    case 'import':
      return {
        order: change.mode,
        content: { flows: importedFlows(change.flows), credentials: '{}' },
        about: { origin: 'import' },
      };
    case 'load':
      return {
        order: 'add',
        content: { flows: await exampleFlows(change.name), credentials: '{}' },
        about: { origin: 'example', of: change.name },
      };
    default:
      return undefined;
  }
}

/** Tells one change from another. */
function sumOf({ newest: _, ...change }: FlowsChange): string {
  return createHash('sha256').update(JSON.stringify(change)).digest('hex');
}

/** An undo after an undo goes back further. @throws SluiceError not-found */
function undone(all: readonly StoredRevision[], current: StoredRevision): number {
  let at: StoredRevision | undefined = current;
  let from = current.number;
  // What it went back to may itself have come by an undo. The numbers fall, so this ends.
  while (at?.origin === 'undo' && at.of !== undefined && Number(at.of) < from) {
    from = Number(at.of);
    at = all.find(({ number }) => number === from);
  }
  const before = all.filter(({ number, hash }) => number < from && hash !== current.hash).at(-1);
  if (before === undefined)
    throw new SluiceError(
      'not-found',
      `there is nothing to undo: no revision before ${from} is kept; sluice flows list shows all`,
    );
  return before.number;
}

function shown(one: StoredRevision, before: StoredRevision | undefined, well: number | undefined): Revision {
  const { number, time, estimated, who, door, origin, of, hash, bytes, stored, tabs, moreTabs, nodes } = one;
  return {
    ...{ number, time, who, door, origin, of, bytes, stored, moreTabs, nodes },
    ...(estimated === undefined ? {} : { estimated }),
    hash: hash.slice(0, 16),
    tabs: tabs.map(({ label, nodes: on }) => ({ label, nodes: on })),
    ranWell: number === well,
    ...(before === undefined ? {} : { changes: changesOf(before, one) }),
  };
}

export function changesOf(before: StoredRevision, after: StoredRevision): RevisionChanges {
  const [old, now] = [before, after].map(({ tabs }) => new Map(tabs.map((tab) => [tab.id, tab])));
  const labels = (tabs: StoredRevision['tabs']): string[] => tabs.map(({ label }) => label);
  return {
    added: labels(after.tabs.filter(({ id }) => old?.has(id) !== true)),
    removed: labels(before.tabs.filter(({ id }) => now?.has(id) !== true)),
    changed: labels(after.tabs.filter(({ id, mark }) => old?.has(id) === true && old.get(id)?.mark !== mark)),
    other: before.rest !== after.rest,
    passwords: before.passwords !== after.passwords,
  };
}
