/** The slices of an export, one after the other, with the items that no file has yet. */
import type { ExportRequest, ExportResult, Uncommitted } from './requests.ts';

export type ExportRange = Omit<ExportRequest, 'id' | 'after' | 'tail'> & {
  /** Key of the record before the first one; absent: from the oldest on. */
  readonly after?: number;
};

/** The log, as an export needs it. */
interface ExportedLog {
  readonly keeper: { export(request: Omit<ExportRequest, 'id'>): Promise<ExportResult> };
  uncommitted(): Promise<Uncommitted>;
}

/**
 * Pieces of some hundred kilobytes; the next one is made when it is asked for. Items that are not committed belong to the
 * answer: a copy of them goes with the requests that need it, and nothing is written because somebody reads.
 */
export async function* exportSlices(log: ExportedLog, { after: begin = 0, ...range }: ExportRange): AsyncGenerator<ExportResult> {
  let after: number | undefined = begin;
  let atTail = false;
  for (let first = true; after !== undefined; first = false) {
    // Readings of the tail stand last. A bucket may have some of the files and some of the tail, and a name only be in the tail.
    const needed = atTail || range.every !== undefined || (first && range.points !== undefined);
    const tail = needed ? await log.uncommitted() : ('later' as const);
    const slice: ExportResult = await log.keeper.export({ after, ...range, tail });
    yield slice;
    if (slice.unknown !== undefined) return;
    after = slice.next;
    atTail ||= slice.wantsTail === true;
  }
}
