/** The bounds of derived points. */

/** Points of one derived device: its record has a place for each. */
export const MOST_OF_DEVICE = 256;
/** All derived points of a gateway. */
export const MOST_POINTS = 10_000;
/** Those that add up over time, whose state is saved now and then. */
export const MOST_REMEMBERING = 1000;
/** Those that take milliseconds now and then: all of them may do so in the same moment, before an alarm. */
export const MOST_HEAVY = 4;
/** The state of such points is saved at most this often, ms, with a commit that is made anyway. A power cut loses no more. */
export const SAVE_EVERY = 900_000;
/** Pairs of a strapping table. */
export const MOST_PAIRS = 1000;
/** Names in a message about a loop. */
export const MOST_NAMED = 8;
