/** What `npm audit --json` says, in words for CI. Pure: audit.ts runs it. */
import * as z from 'zod';

/** From this severity on a weakness fails CI. */
const FAILS: ReadonlySet<string> = new Set(['high', 'critical']);

const advisory = z.object({ title: z.string(), url: z.string() });
/** `via` names the weak part that this one needs, or the advisories of this one. */
const report = z.object({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(
    z.string(),
    z.object({ severity: z.string(), range: z.string(), via: z.array(z.union([z.string(), advisory])) }),
  ),
});
const fault = z.object({ message: z.string() });

export interface Verdict {
  /** `unknown`: the registry gave no answer, so nobody knows. */
  readonly state: 'clean' | 'weak' | 'unknown';
  readonly lines: readonly string[];
}

/** @param text what npm printed on standard output */
export function verdictOf(text: string): Verdict {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { state: 'unknown', lines: ['npm printed no report'] };
  }
  const known = report.safeParse(parsed);
  if (!known.success) {
    const said = fault.safeParse(parsed);
    return { state: 'unknown', lines: [said.success ? said.data.message : 'npm printed a report of another version'] };
  }
  const found = Object.entries(known.data.vulnerabilities);
  const weak = found.filter(([, { severity }]) => FAILS.has(severity));
  return {
    state: weak.length > 0 ? 'weak' : 'clean',
    lines: found.map(([name, one]) => lineOf(name, one)).toSorted(),
  };
}

type Weakness = z.infer<typeof report>['vulnerabilities'][string];

function lineOf(name: string, { severity, range, via }: Weakness): string {
  const reasons = via.map((one) => (typeof one === 'string' ? `needs ${one}` : `${one.title}, ${one.url}`));
  const versions = range === '' ? '' : ` ${range}`;
  return `${name}${versions}: ${severity}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`;
}
