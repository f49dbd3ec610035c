/** What became of the records that did not come: sent, acknowledged, still with a node. Pure. */
import type { Fate, Left, Missing, Sending } from './fleet-words.ts';

/** Ranges of records that are told one by one. */
export const MOST_TOLD = 40;

const HEAD = 400;
const MARKS = /"gateway":"([^"]+)".*?"first":(\d+),"last":(\d+)/;

/** The numbers of a batch, from its first bytes; undefined: it is none. */
export function spanOf(payload: string): { readonly gateway: string; readonly first: number; readonly last: number } | undefined {
  const [, gateway, first, last] = MARKS.exec(payload.slice(0, HEAD)) ?? [];
  return gateway === undefined ? undefined : { gateway, first: Number(first), last: Number(last) };
}

/** @param all of one gateway, in the order in which they left */
export function fateOf(missing: Missing, all: readonly Sending[]): Fate {
  const own = all.filter(({ first, last }) => first <= missing.last && last >= missing.first);
  return { ...missing, sent: own.length, acked: own.findLast(({ acked }) => acked !== undefined) };
}

/** @param left what the nodes still have @param never after the platform connected again; the others came then */
export function fateWords(fates: readonly Fate[], left: readonly Left[], never: readonly Missing[]): string[] {
  const told = fates.slice(0, MOST_TOLD).map((fate) => {
    const { gateway, first, last, taken, sent, acked } = fate;
    const at = left.filter((one) => overlap(one, fate));
    return [
      `${gateway} ${first === last ? first : `${first} to ${last}`}, taken at ${time(taken)}`,
      sent === 0 ? 'never sent' : `sent in ${sent} messages`,
      acked === undefined ? 'not acknowledged' : `${acked.lane} acknowledged by ${acked.node} at ${time(acked.acked ?? 0)}`,
      at.length === 0 ? 'in no queue that was read' : `in ${[...new Set(at.map(({ place }) => place))].join(', ')}`,
      never.some((one) => overlap(one, fate)) ? 'never came' : 'came when the platform connected again',
    ].join('; ');
  });
  return fates.length <= MOST_TOLD ? told : [...told, `and ${fates.length - MOST_TOLD} ranges more`];
}

function overlap(
  a: { readonly gateway: string; readonly first: number; readonly last: number },
  b: { readonly gateway: string; readonly first: number; readonly last: number },
): boolean {
  return a.gateway === b.gateway && a.first <= b.last && a.last >= b.first;
}

function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
