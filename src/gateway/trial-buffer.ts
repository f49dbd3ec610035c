/** What the log may drop while a configuration is on trial: nothing that the one before keeps. A roll-back brings no reading back. */

interface Bounds {
  /** Bytes. */
  readonly maxSize: number;
  readonly minFree?: number | undefined;
  /** Milliseconds. */
  readonly maxAge: number;
}

export function gentler<B extends Bounds & { readonly minFree: number }>(before: Bounds, next: B): B {
  return {
    ...next,
    maxSize: Math.max(before.maxSize, next.maxSize),
    minFree: Math.min(before.minFree ?? next.minFree, next.minFree),
    maxAge: Math.max(before.maxAge, next.maxAge),
  };
}
