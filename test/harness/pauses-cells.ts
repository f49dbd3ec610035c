/** What pauses.ts and its thread share: numbers in milliseconds of CLOCK_MONOTONIC, which all threads have. */

/** Between two looks. */
export const LOOK = 20;
/** Looks at a process that are judged together. */
export const WINDOW = 10;
/** A pause that is shorter leaves nothing out. */
export const SHORTEST = 100;
/** So many pauses are kept, the newest. */
export const KEPT = 4096;
/** So many processes are watched at most. */
export const WATCHED = 4;
/** Time of the last look, number of pauses, number of each process and for how long it is starved now, pauses. */
export const FIELDS = { look: 0, count: 1, pids: 2, starved: 2 + WATCHED, pauses: 2 + 2 * WATCHED };
