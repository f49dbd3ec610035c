/** Milliseconds that a small program of the system may take. A busy board needs seconds to start one, and a guard without it is left out. */
export const PROGRAM_WITHIN = 30_000;
