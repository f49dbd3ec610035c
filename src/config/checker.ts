import type * as z from 'zod';
import type { Fault, Path } from './fault.ts';
import { pathText } from './fault.ts';
import type { YamlSource } from './yaml-source.ts';
import { explain, IN_QUOTES, MISSING, UNION } from './zod-words.ts';

export type Section = Readonly<Record<string, unknown>>;
export type Want = 'value' | 'key';

/** Knows where a value that is checked was written; `path` is relative to it. */
export interface Place {
  fault(path: Path, message: string, want?: Want): Fault;
  /** A single value as it is written in the file, without quotes; undefined for anything else. */
  written(path: Path): string | undefined;
}

export function placeOf(source: YamlSource, base: Path): Place {
  return {
    fault: (path, message, want) => source.fault([...base, ...path], message, want),
    written: (path) => source.written([...base, ...path]),
  };
}

export function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Checks a value against a schema; faults go to `report`, the output comes back only when there was none. */
export function check<T extends z.ZodType>(
  schema: T,
  value: unknown,
  place: Place,
  report: (fault: Fault) => void,
): z.output<T> | undefined {
  // Each schema checks a handful of values once: compiling it first (the library's habit) costs more than it saves.
  const result = schema.safeParse(value, { error: explain, jitless: true });
  if (result.success) return result.data;
  const found: { fault: Fault; key: string; missing: boolean }[] = [];
  const meant = new Set<string>();
  const wrong = new Set<string>();
  for (const issue of result.error.issues) {
    // A value of another kind is one mistake: nothing else is said of it.
    const where = pathText(issue.path.map(String));
    if (wrong.has(where)) continue;
    if (issue.code === 'invalid_type') wrong.add(where);
    reportIssue(issue, [], place, (fault, path, missing = false) => {
      const word = / is not a key of this section; did you mean "([^"]+)"\?$/.exec(fault.message)?.[1];
      if (word !== undefined) meant.add(pathText([...path.slice(0, -1), word]));
      found.push({ fault, key: pathText(path), missing });
    });
  }
  // `unti: 1` is one mistake, not two: the unknown key is reported, and the key that it was meant to be is not called missing.
  for (const { fault, key, missing } of found) if (!missing || !meant.has(key)) report(fault);
  return undefined;
}

/**
 * Reports what is wrong whatever else belongs to it: of a section whose other keys are not known (its profile could not be
 * read) nothing can be called missing, and nothing that depends on another key.
 */
export function checkPart(schema: z.ZodType, value: unknown, place: Place, report: (fault: Fault) => void): void {
  const { error } = schema.safeParse(value, { error: explain, jitless: true });
  for (const issue of error?.issues ?? [])
    if (issue.code !== 'custom' && issue.code !== 'invalid_union' && !issue.message.startsWith(MISSING))
      reportIssue(issue, [], place, report);
}

type ReportIssue = (fault: Fault, path: Path, missing?: boolean) => void;

function reportIssue(issue: z.core.$ZodIssue, base: Path, place: Place, report: ReportIssue): void {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  if (issue.code === 'unrecognized_keys') {
    const lines = issue.message.split('\n');
    for (const [i, key] of issue.keys.entries())
      report(place.fault([...path, key], lines[i] ?? lines[0] ?? '', 'key'), [...path, key]);
  } else if (issue.code === 'invalid_union' && issue.message === UNION) {
    reportUnion(issue.errors, path, place, report);
  } else if (issue.code === 'invalid_key') {
    report(place.fault(path, issue.issues[0]?.message ?? issue.message, 'key'), path);
  } else if (issue.code === 'invalid_element') {
    for (const inner of issue.issues) reportIssue(inner, path, place, report);
  } else {
    report(place.fault(path, asWritten(issue.message, path, place)), path, issue.message.startsWith(MISSING));
  }
}

/** `007` is the number 7, and the author means the text "007". */
function asWritten(message: string, path: Path, place: Place): string {
  const written = message.startsWith(IN_QUOTES) ? place.written(path) : undefined;
  return written === undefined ? message : `${IN_QUOTES}"${written}"`;
}

/** The branch that the author meant is the one whose basic type fits; where several or none do, all are offered. */
function reportUnion(branches: readonly (readonly z.core.$ZodIssue[])[], path: Path, place: Place, report: ReportIssue): void {
  const meant = branches.filter(
    (issues) => !issues.some((i) => i.path.length === 0 && (i.code === 'invalid_type' || i.code === 'invalid_value')),
  );
  const only = meant.length === 1 ? meant[0] : undefined;
  if (only !== undefined) {
    for (const issue of only) reportIssue(issue, path, place, report);
    return;
  }
  const literals = branches
    .map((issues) => issues[0])
    .filter((issue) => issue?.code === 'invalid_value' && issue.path.length === 0);
  if (literals.length === branches.length) {
    const values = literals.flatMap((issue) => (issue?.code === 'invalid_value' ? issue.values.map(String) : []));
    report(place.fault(path, `this is not known here; write one of: ${values.join(', ')}`), path);
    return;
  }
  const words = [
    ...new Set(branches.map((issues) => issues[0]?.message.replace(/; this is .*$/, '')).filter((w) => w && w !== UNION)),
  ];
  report(place.fault(path, words.slice(0, 4).join(', or ') || 'this is not allowed here'), path);
}
