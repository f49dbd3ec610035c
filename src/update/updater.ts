/**
 * Updates of an image with two slots: check, apply, and what the boot after it decides.
 *
 * - `check` changes nothing but the keys, when a root key signed the change.
 * - `apply` writes the other slot and offers it to the boot. The running system goes on until somebody restarts the board.
 * - `decide` runs after each boot: a system that polls and stores as the one before did is committed; another one restarts the board,
 *   and its tries run out.
 * - A release that failed here is not applied again by itself.
 * - A release that would leave the running one without its readings after a rollback is refused.
 */
import { createHash } from 'node:crypto';
import { isInside, localTime, type Window } from '../core/day-window.ts';
import { SluiceError } from '../core/errors.ts';
import type { Before, WellBefore } from './health.ts';
import {
  assertWayBack,
  isSameTrust,
  type Layouts,
  type Manifest,
  MOST_MANIFEST,
  ranWell,
  trustAfter,
  verifyManifest,
} from './manifest.ts';
import type { Slots } from './slots.ts';
import type { Source } from './source.ts';
import { type Staged, stage } from './stage.ts';
import type { Attempt, ReleaseFile, UpdateState } from './state.ts';

export const MANIFEST_FILE = 'update.json';

export interface UpdaterOptions {
  readonly slots: Slots;
  readonly state: UpdateState;
  /** What the running image says of itself. */
  readonly release: ReleaseFile;
  /** How the running release stores readings. */
  readonly layouts: Layouts;
  readonly now: () => number;
  readonly zone?: string;
}
export interface Offered {
  readonly manifest: Manifest;
  /** `newer`, or `same` as the running release, or `failed` here before. */
  readonly relation: 'newer' | 'same' | 'failed';
}
export interface ApplyOptions {
  readonly window?: Window;
  /** Bytes a day; Infinity where none is set. */
  readonly perDay: number;
  /** A person wants it: the window does not count, and a release that failed here may be tried again. */
  readonly now: boolean;
  readonly onProgress?: (done: number, all: number) => void;
  readonly look: LookBefore;
}
/** What runs well now; undefined: there is no gateway. Rejects where nobody can tell. */
export type LookBefore = () => Promise<WellBefore | undefined>;
export interface Verdict {
  readonly well: boolean;
  /** What was seen, in words. */
  readonly why: string;
}
export type Applied =
  | { readonly outcome: 'offered' | 'budget' | 'paused'; readonly manifest: Manifest; readonly staged: Staged }
  | { readonly outcome: 'nothing' | 'window'; readonly manifest: Manifest };

export class Updater {
  readonly #o: UpdaterOptions;

  constructor(options: UpdaterOptions) {
    this.#o = options;
  }

  async check(source: Source): Promise<Offered> {
    return (await this.#look(source)).offered;
  }

  async apply(source: Source, options: ApplyOptions): Promise<Applied> {
    const { slots, state, release } = this.#o;
    if (!release.tries)
      throw new SluiceError(
        'update-unsupported',
        'the kernel of this image cannot try a new release once, so a bad one would stay; write a card with the new image',
      );
    this.#settle();
    // The other slot may be the only one that ever ran well.
    if (slots.list().find(({ slot }) => slot === slots.running)?.state !== 'good')
      throw new SluiceError(
        'busy',
        'the running release has not run well yet, so the other slot has to stay as it is; try again in some minutes',
      );
    const { offered, id } = await this.#look(source);
    const { manifest, relation } = offered;
    if (relation === 'same' || (relation === 'failed' && !options.now)) return { outcome: 'nothing', manifest };
    const mayContinue = () =>
      options.now || options.window === undefined || isInside(options.window, localTime(this.#o.now(), this.#o.zone).minute);
    if (!mayContinue()) return { outcome: 'window', manifest };
    const spending = this.#spending(source, options.perDay);
    try {
      const staged = await stage({
        manifest,
        id,
        source,
        slots,
        state,
        left: spending.left,
        mayContinue,
        // Before the bytes come: a cut of the power must not forget them.
        beforeRequest: spending.book,
        ...(options.onProgress !== undefined && { onProgress: options.onProgress }),
      });
      if (staged.outcome === 'budget') return { outcome: 'budget', manifest, staged };
      // The board restarts in its window only.
      if (staged.outcome === 'window' || !mayContinue()) return { outcome: 'paused', manifest, staged };
      await this.#keepBefore(manifest.sequence, options.look);
      // The attempt is on the card before the boot can begin it: after a failure somebody must know that it was tried.
      state.saveAttempt({ slot: slots.other(), version: manifest.version, sequence: manifest.sequence, state: 'offered' });
      // The progress stays until the release ran: whoever applies it again before the restart fetches nothing.
      slots.offer(slots.other(), manifest);
      return { outcome: 'offered', manifest, staged };
    } finally {
      spending.book(0);
    }
  }

  /** The bytes of a day. A download that goes on over midnight spends those of the next day. */
  #spending(source: Source, perDay: number): { left: () => number; book: (bytes: number) => void } {
    const { state } = this.#o;
    const today = () => localTime(this.#o.now(), this.#o.zone).day;
    let day = today();
    let [before, start] = [state.spent(day), source.received];
    const spent = (): number => {
      const now = today();
      if (now !== day) [day, before, start] = [now, state.spent(now), source.received];
      return before + source.received - start;
    };
    const save = (bytes: number): void => state.saveSpent(day, bytes);
    return { left: () => perDay - spent(), book: (bytes) => save(spent() + bytes) };
  }

  /** The next boot is the other slot. @returns what it holds */
  rollback(): { readonly version?: string } {
    const { slots, state, release } = this.#o;
    const other = slots.list().find(({ slot }) => slot === slots.other());
    if (other?.state !== 'good')
      throw new SluiceError(
        'update-unsupported',
        'the other slot holds no release that ran well here, so there is nothing to go back to',
      );
    state.saveAttempt({ slot: slots.running, version: release.version, sequence: release.sequence, state: 'rolled-back' });
    slots.giveUp();
    return other.version === undefined ? {} : { version: other.version };
  }

  /** A release waits for the restart: what runs well now counts in place of what ran well when it was offered. */
  async lookAgain(look: LookBefore): Promise<void> {
    const { slots, state } = this.#o;
    const attempt = state.attempt();
    if (attempt?.state === 'offered' && attempt.slot !== slots.running) await this.#keepBefore(attempt.sequence, look);
  }

  /** Where nobody can tell, the record of before stays. Without one, the release has to be ready and to write the log. */
  async #keepBefore(sequence: number, look: LookBefore): Promise<void> {
    const { state } = this.#o;
    let gateway: WellBefore | undefined;
    try {
      gateway = await look();
    } catch {
      return;
    }
    // It ran well a while ago: somebody stopped it for the restart.
    if (gateway === undefined && state.before(sequence)?.gateway !== undefined) return;
    state.saveBefore({ sequence, ...(gateway !== undefined && { gateway }) });
  }

  /** After a boot. @param isWell whether the gateway polls and stores as it did before @returns true: restart the board */
  async decide(isWell: (before: Before | undefined) => Promise<Verdict>): Promise<{ restart: boolean; words: string }> {
    const { slots, state, release } = this.#o;
    const running = slots.list().find(({ slot }) => slot === slots.running);
    if (running?.state === 'good') {
      this.#settle();
      return { restart: false, words: `slot ${slots.running} ran well before` };
    }
    const { well, why } = await isWell(state.before(release.sequence));
    if (!well) {
      this.#keepWhy(why);
      return { restart: true, words: `the gateway is not well in slot ${slots.running}: ${why}` };
    }
    // The keys and the sequence first: a cut between the two only repeats this.
    state.saveTrust(ranWell(state.trust(), release.sequence));
    slots.commit(release);
    state.saveAttempt({ slot: slots.running, version: release.version, sequence: release.sequence, state: 'well' });
    state.dropProgress();
    state.dropBefore();
    const remark = why === '' ? '' : `; ${why}`;
    return { restart: false, words: `slot ${slots.running} is committed: version ${release.version}${remark}` };
  }

  /** A card that takes nothing may be why the release is not well: its tries have to run out all the same. */
  #keepWhy(why: string): void {
    const { slots, state } = this.#o;
    const attempt = state.attempt();
    if (attempt?.slot !== slots.running || attempt.state !== 'offered') return;
    try {
      state.saveAttempt({ ...attempt, why: why.slice(0, 500) });
    } catch {
      // The words are in the journal.
    }
  }

  /** What became of the last attempt, for a person. */
  attempt(): Attempt | undefined {
    this.#settle();
    return this.#o.state.attempt();
  }

  /**
   * Another slot runs than the one that was offered, and its tries are used up: it failed. With tries left the board was not restarted
   * yet. Where it runs and is committed, a cut of the power came before that was written down.
   */
  #settle(): void {
    const { slots, state } = this.#o;
    const attempt = state.attempt();
    if (attempt?.state !== 'offered') return;
    const slot = slots.list().find((one) => one.slot === attempt.slot);
    if (slot === undefined || slot.sequence !== attempt.sequence) return;
    const isRunning = attempt.slot === slots.running;
    if (isRunning && slot.state === 'good') state.saveAttempt({ ...attempt, state: 'well' });
    if (!isRunning && slot.state === 'bad') state.saveAttempt({ ...attempt, state: 'failed' });
  }

  async #look(source: Source): Promise<{ offered: Offered; id: string }> {
    const { slots, state, release } = this.#o;
    const bytes = await source.whole(MANIFEST_FILE, MOST_MANIFEST);
    const trust = state.trust();
    const manifest = verifyManifest(bytes, trust, slots.target);
    if (manifest.keys !== undefined) {
      const after = trustAfter(trust, manifest);
      // The timer asks each hour, and a card wears with every write.
      if (!isSameTrust(trust, after)) state.saveTrust(after);
    }
    assertWayBack(manifest, this.#o.layouts);
    const attempt = this.attempt();
    const failed =
      attempt !== undefined && attempt.sequence === manifest.sequence && ['failed', 'rolled-back'].includes(attempt.state);
    const relation = failed ? 'failed' : manifest.sequence === release.sequence ? 'same' : 'newer';
    return { offered: { manifest, relation }, id: createHash('sha256').update(bytes).digest('hex') };
  }
}
