import { ACTION_KEYS, type ResolvedAction } from '../../config/actions.ts';

export const RESULTS = ['done', 'failed', 'superseded', 'dropped'] as const;
export type ActionResult = (typeof RESULTS)[number];

/** How actions ended since the start, by kind. */
export class Counts {
  readonly #all = new Map<string, number>();

  add(kind: ResolvedAction['kind'], result: ActionResult): void {
    const key = `${kind} ${result}`;
    this.#all.set(key, (this.#all.get(key) ?? 0) + 1);
  }

  of(kind: ResolvedAction['kind'], result: ActionResult): number {
    return this.#all.get(`${kind} ${result}`) ?? 0;
  }

  view(): { readonly kind: ResolvedAction['kind']; readonly result: ActionResult; readonly count: number }[] {
    return ACTION_KEYS.flatMap((kind) => RESULTS.map((result) => ({ kind, result, count: this.of(kind, result) })));
  }
}
