/** The head of a segment of the mirror: what a start after a kill needs to know of the records and notices behind it. */
import { ENTRY, EntryWriter } from '../../codecs/rows.ts';
import type { TailState } from '../files/layout.ts';

export type Segment = Omit<Extract<TailState, { type: 'segment' }>, 'type'>;

/**
 * @param lanes what each forwarder has to say of its lanes; undefined: nothing
 * @param states of rules that are not committed yet: the segment that has them may be given up
 */
export function segmentHead(
  segment: Segment,
  lanes: readonly (TailState | undefined)[],
  states: ReadonlyMap<string, unknown>,
): Uint8Array {
  const head = new EntryWriter(4096);
  head.json(ENTRY.state, { type: 'segment', ...segment } satisfies TailState);
  for (const state of lanes) if (state !== undefined) head.json(ENTRY.state, state);
  for (const [rule, state] of states) head.json(ENTRY.state, { type: 'alarm', rule, state } satisfies TailState);
  return head.since(0);
}
