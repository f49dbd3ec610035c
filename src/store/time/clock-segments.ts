/**
 * The clock mappings of one boot as a short list, and how a new one is laid over it: it holds for every number that was
 * not handed over, and for no other. Pure.
 */
import type { Span } from '../files/lane-state.ts';
import type { ClockSegment } from '../files/layout.ts';

/** `at` of a boot's records + offset = UTC ms. */
export interface Mapping {
  readonly offset: number;
  /** It was not confirmed by a clock that is known to be right. */
  readonly estimated: boolean;
}

/** Mappings that a boot may have. The last place is for one that is `estimated`, when there is no space for a right one. */
export const MAX_SEGMENTS = 256;
/** The origin of time of a boot without any mapping: its own start. */
const NONE: Mapping = { offset: 0, estimated: true };

export function mappingAt(segments: readonly ClockSegment[], seq: number): ClockSegment | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle] as ClockSegment).fromSeq <= seq) low = middle + 1;
    else high = middle;
  }
  return segments[low - 1];
}

const alike = (a: Mapping | undefined, b: Mapping | undefined): boolean =>
  a?.offset === b?.offset && a?.estimated === b?.estimated;

/** The lowest number whose mapping differs; Infinity when none does. */
export function changedFrom(a: readonly ClockSegment[], b: readonly ClockSegment[]): number {
  const cuts = [...a, ...b].map((s) => s.fromSeq).sort((x, y) => x - y);
  return cuts.find((seq) => !alike(mappingAt(a, seq), mappingAt(b, seq))) ?? Number.POSITIVE_INFINITY;
}

/**
 * @param old the first one from 0; empty for a boot that never had one
 * @param handed numbers that keep their mapping: ascending, within the boot
 * @param done every number up to here is delivered everywhere and will not be sent again
 * @returns at most MAX_SEGMENTS; `coarse` when the bound left no space for what should hold
 */
export function layOver(
  old: readonly ClockSegment[],
  handed: readonly Span[],
  done: number,
  wanted: Mapping,
): { segments: readonly ClockSegment[]; coarse: boolean } {
  const exact = merged(laid(old, handed, wanted));
  if (exact.length < MAX_SEGMENTS) return { segments: exact, coarse: false };
  const fewer = thinned(exact, done);
  if (fewer.length < MAX_SEGMENTS) return { segments: fewer, coarse: true };
  // No space for the gaps between what was handed over: they keep what they had, what follows gets the new one.
  const last = handed.at(-1)?.to ?? -1;
  if (last === Number.POSITIVE_INFINITY) return { segments: old, coarse: true };
  const kept = merged(old.filter((s) => s.fromSeq <= last));
  const tail = thinned(merged([...kept, { fromSeq: last + 1, ...wanted }]), done);
  if (tail.length < MAX_SEGMENTS) return { segments: tail, coarse: true };
  // Not even for that: what follows goes on as before, and says that it is not confirmed.
  const before = kept.at(-1) ?? { fromSeq: 0, ...NONE };
  if (kept.length >= MAX_SEGMENTS || before.estimated) return { segments: kept, coarse: true };
  return { segments: [...kept, { fromSeq: last + 1, offset: before.offset, estimated: true }], coarse: true };
}

function laid(old: readonly ClockSegment[], handed: readonly Span[], wanted: Mapping): ClockSegment[] {
  const [first] = handed;
  if (first === undefined) return [{ fromSeq: 0, offset: wanted.offset, estimated: wanted.estimated }];
  const out: ClockSegment[] = [];
  const put = (fromSeq: number, { offset, estimated }: Mapping) => out.push({ fromSeq, offset, estimated });
  let at = 0;
  for (const { from, to } of handed) {
    if (from > at) put(at, wanted);
    put(from, mappingAt(old, from) ?? NONE);
    for (const s of old) if (s.fromSeq > from && s.fromSeq <= to) put(s.fromSeq, s);
    at = to + 1;
  }
  if (at !== Number.POSITIVE_INFINITY) put(at, wanted);
  return out;
}

/** Neighbours that say the same become one. */
function merged(segments: readonly ClockSegment[]): ClockSegment[] {
  const out: ClockSegment[] = [];
  for (const s of segments) if (!alike(out.at(-1), s)) out.push(s);
  const [first] = out;
  if (first !== undefined) out[0] = { ...first, fromSeq: 0 };
  return out;
}

/** Joins neighbours that are delivered for good, those first that differ least: an export then shows them as estimated. */
function thinned(segments: readonly ClockSegment[], done: number): ClockSegment[] {
  const out = [...segments];
  while (out.length >= MAX_SEGMENTS) {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 2 < out.length; i++) {
      if ((out[i + 2] as ClockSegment).fromSeq - 1 > done) break;
      const apart = Math.abs((out[i] as ClockSegment).offset - (out[i + 1] as ClockSegment).offset);
      if (apart >= least) continue;
      best = i;
      least = apart;
    }
    if (best < 0) break;
    const [a, b] = out.slice(best, best + 2) as [ClockSegment, ClockSegment];
    out.splice(best, 2, { fromSeq: a.fromSeq, offset: b.offset, estimated: true });
  }
  return merged(out);
}

/** The union of all, ascending, never touching. */
export function joined(spans: readonly Span[]): Span[] {
  const out: { from: number; to: number }[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const end = out.at(-1);
    if (end !== undefined && from <= end.to + 1) end.to = Math.max(end.to, to);
    else out.push({ from, to });
  }
  return out;
}

export function within(spans: readonly Span[], first: number, last: number): Span[] {
  return spans
    .map(({ from, to }) => ({ from: Math.max(from, first), to: Math.min(to, last) }))
    .filter(({ from, to }) => from <= to);
}
