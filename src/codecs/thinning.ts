/** What a forwarder asks for that wants one value for each point and window of time (windows.ts). */

/** How a value is made of the readings of a window. */
export const WINDOW_VALUES = ['mean', 'min', 'max', 'last'] as const;
export type WindowValue = (typeof WINDOW_VALUES)[number];

/** Plain data. */
export interface Thinning {
  /** Width of a window, milliseconds. */
  readonly every: number;
  readonly as: WindowValue;
  /** Points (`device.point`) of which the last reading stands, whatever `as` says: counters. */
  readonly last: readonly string[];
}
