/** A gateway that runs with its last good configuration, because the configuration file is broken. */
export interface BrokenConfig {
  /** The configuration file. */
  readonly file: string;
  /** `file:line:column: what is wrong`; without secrets. */
  readonly faults: readonly string[];
  /** When the configuration in use was kept, UTC milliseconds by the clock of that time. */
  readonly kept: number;
}

/** Faults that pages, events and answers show; the command `check` shows all of them. */
const SHOWN = 5;

/** The same with few faults, for people and for messages of bounded size. */
export function shortened({ file, faults, kept }: BrokenConfig): BrokenConfig {
  const more = faults.length - SHOWN;
  return { file, kept, faults: more > 0 ? [...faults.slice(0, SHOWN), `and ${more} more`] : faults };
}

/** A sentence for logs and events. */
export function brokenWords(broken: BrokenConfig): string {
  return `${keptWords(broken)} The first of ${broken.faults.length} faults: ${broken.faults[0] ?? 'none'}. ${NEXT}`;
}

/** For whom the names of points are not meant: a fault suggests some. */
export function bareBrokenWords(broken: BrokenConfig): string {
  return `${keptWords(broken)} It has ${broken.faults.length === 1 ? 'one fault' : `${broken.faults.length} faults`}. ${NEXT}`;
}

const NEXT = 'Correct the file, then run "sluice check" and "sluice reload".';

function keptWords({ file, kept }: BrokenConfig): string {
  const when = new Date(kept).toISOString().slice(0, 10);
  return `The configuration ${file} is broken, so the gateway runs with the last good one, kept on ${when}.`;
}
