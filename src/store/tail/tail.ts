/**
 * The tail of the log: what no file has yet. Records and notices wait here for the next commit, and lie in the mirror from
 * the moment that they have a number. Main thread.
 *
 * - An item is in the mirror before anybody outside sees its effect.
 * - A segment of the mirror begins with each commit, and with each revision of the inventory.
 * - A commit takes everything; one that fails puts it back, and what changed meanwhile is newer.
 */
import type { StoredNotice } from '../../codecs/rows.ts';
import type { LogRecord, Sample, Shape } from '../../core/point.ts';
import type { TailState } from '../files/layout.ts';
import type { Mirror } from './mirror.ts';
import { type Chunk, Pending } from './pending.ts';
import { Recent } from './recent.ts';
import { Revisions } from './revisions.ts';
import { type Segment, segmentHead } from './segment.ts';
import { asKept, ShapeIds } from './shapes.ts';

export interface Inventory {
  readonly revision: number;
  /** Devices as JSON. */
  readonly body: string;
}

/** The part of the log that the tail needs. */
export interface TailSide {
  /** The state of the log now, for the head of a segment. */
  segment(): Omit<Segment, 'inventory'>;
  /** The lanes of each forwarder. */
  lanes(): readonly (TailState | undefined)[];
  /** The disk took nothing for too long: so much could not be kept. */
  gaveUp(readings: number, notices: number): void;
}

/** The items that a commit takes along. */
export interface Taken {
  /** Their buffers go to the writer. */
  readonly chunks: readonly Chunk[];
  /** State of rules and counters for the next start, as far as it changed. */
  readonly savedStates: ReadonlyMap<string, unknown>;
  readonly newInventory: Inventory | undefined;
  /** The segment of the mirror that begins with the commit. */
  readonly segment: number;
}

export class Tail {
  readonly pending = new Pending();
  readonly mirror: Mirror;
  readonly recent: Recent;
  readonly #side: TailSide;
  readonly #shapes: ShapeIds;
  readonly #revisions = new Revisions();
  #inventory: Inventory;
  #newInventory: Inventory | undefined;
  #savedStates = new Map<string, unknown>();

  /**
   * @param next number that the first item of this run gets
   * @param shapes that the file has, with their numbers
   * @param inventory that the file has
   */
  constructor(
    side: TailSide,
    mirror: Mirror,
    next: number,
    shapes: readonly (readonly [id: number, shape: Shape])[],
    inventory: Inventory | undefined,
  ) {
    this.#side = side;
    this.mirror = mirror;
    this.recent = new Recent(next);
    this.#shapes = new ShapeIds(shapes);
    this.#inventory = inventory ?? { revision: 0, body: '' };
  }

  get revision(): number {
    return this.#inventory.revision;
  }
  /** The revision under which a record of this run was taken. */
  revisionOf(seq: number): number {
    return this.#revisions.of(seq);
  }

  /** @returns the record as the log keeps it */
  record(seq: number, sample: Sample): LogRecord {
    const shape = this.#shapes.of(sample.shape);
    const record = { seq, sample: asKept(sample, shape.texts) };
    if (this.mirror.full) this.#beginSegment();
    const bytes = this.pending.record(record, shape.id, shape.content);
    this.mirror.item(seq, bytes);
    this.#tellGivenUp();
    this.recent.push(record, bytes.length);
    return record;
  }

  notice(notice: StoredNotice): void {
    this.mirror.item(notice.seq, this.pending.notice(notice));
    this.#tellGivenUp();
  }

  /** State of a rule (its name) or of a counter (`device.point`) for the next start; null forgets it. */
  saveState(key: string, state: unknown): void {
    this.#savedStates.set(key, state);
    this.mirror.state({ type: 'alarm', rule: key, state });
  }

  /**
   * Records before and after name different revisions, so they share neither a block nor a segment.
   * @param next number that the next item gets
   */
  setInventory(body: string, next: number): void {
    if (body !== this.#inventory.body) {
      this.#inventory = { revision: this.#inventory.revision + 1, body };
      this.#newInventory = this.#inventory;
    }
    this.pending.setInventory(this.#inventory.revision);
    this.#tellGivenUp();
    this.#revisions.set(next, this.#inventory.revision);
    this.#beginSegment();
  }

  /** Everything, for a commit that begins now. */
  take(): Taken {
    const chunks = this.pending.take();
    const taken = { chunks, savedStates: this.#savedStates, newInventory: this.#newInventory, segment: this.#beginSegment() };
    this.#savedStates = new Map();
    this.#newInventory = undefined;
    return taken;
  }

  /** The taken items are on the disk. */
  kept({ segment }: Taken): void {
    this.pending.kept();
    this.mirror.drop(segment);
  }

  /** The commit failed. @param chunks as the writer handed them back */
  putBack({ savedStates, newInventory }: Taken, chunks: readonly Chunk[]): void {
    this.pending.putBack(chunks);
    this.#tellGivenUp();
    // A change since then is newer than the state in the commit.
    this.#savedStates = new Map([...savedStates, ...this.#savedStates]);
    this.#newInventory ??= newInventory;
  }

  #beginSegment(): number {
    const segment = { ...this.#side.segment(), inventory: this.#inventory.revision };
    const head = segmentHead(segment, this.#side.lanes(), this.#savedStates);
    this.pending.forgetShapes();
    return this.mirror.begin(head);
  }

  #tellGivenUp(): void {
    const { readings, notices } = this.pending.givenUp();
    if (readings + notices > 0) this.#side.gaveUp(readings, notices);
  }
}
