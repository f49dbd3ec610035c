/** The timeline that a site expects of its rules, as `sluice rules test --expect` reads it: a list, or what `--json` prints. */
import { parse, YAMLParseError } from 'yaml';
import * as z from 'zod';
import { ALARM_CAUSES, ALARM_STATES, SEVERITIES } from '../core/alarm.ts';
import { explain, UNION } from './zod-words.ts';

const value = z.union([z.number(), z.boolean(), z.string()]);
const entry = z
  .strictObject({
    /** ISO 8601 or UTC milliseconds. */
    time: z.union([z.string(), z.number()]).optional(),
    /** So long after the beginning of the play: `4h 10s`. */
    at: z.string().optional(),
    rule: z.string(),
    state: z.enum(ALARM_STATES),
    occurrence: z.int().min(0).optional(),
    severity: z.enum(SEVERITIES).optional(),
    point: z.string().optional(),
    value: value.optional(),
    message: z.string().optional(),
    observed: z.boolean().optional(),
    ...{ unit: z.string().optional(), limit: z.string().optional(), lasted: z.number().optional(), local: z.string().optional() },
    ...{ cause: z.enum(ALARM_CAUSES).optional(), firstOut: z.boolean().optional() },
  })
  .refine((e) => (e.time === undefined) !== (e.at === undefined), { message: 'write either time: or at:' });
export type TimelineEntry = z.output<typeof entry>;
/** As many as a play keeps. */
const schema = z.array(entry).max(10_000);

/** @throws Error: in words */
export function parseTimeline(text: string): TimelineEntry[] {
  const found = read(text);
  const list = typeof found === 'object' && found !== null && 'transitions' in found ? found.transitions : (found ?? []);
  const checked = schema.safeParse(list, { error: explain });
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const [index, ...rest] = issue?.path ?? [];
  const where = index === undefined ? '' : `entry ${Number(index) + 1}${rest.length === 0 ? '' : ` (${rest.join('.')})`}: `;
  const words = issue?.message === UNION ? 'this is not written as it should be' : issue?.message;
  throw new Error(`${where}${words ?? 'it is no timeline'}`);
}

/** @throws Error: in words */
function read(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100, prettyErrors: true });
  } catch (cause) {
    const line = cause instanceof YAMLParseError ? cause.linePos?.[0].line : undefined;
    throw new Error(`${line === undefined ? 'it' : `line ${line}`} cannot be read as YAML; write a list, one entry on a line`, {
      cause,
    });
  }
}
