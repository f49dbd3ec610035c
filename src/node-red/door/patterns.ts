/** Which points and rules a client means: `device.point` with `*` in either part, names of rules or `*`. */
const NAME = '[a-z0-9][a-z0-9_-]*';
const PATTERN = new RegExp(`^(\\*|${NAME})(?:\\.(\\*|${NAME}))?$`);
const POINT = new RegExp(`^(${NAME})\\.(${NAME})$`);
const RULE = new RegExp(`^(\\*|${NAME})$`);
const LONGEST = 250;

export interface PointPattern {
  /** undefined: all. */
  readonly device: string | undefined;
  readonly point: string | undefined;
}

/** @returns undefined for what is none; a device alone stands for all of its points */
export function parsePattern(text: unknown): PointPattern | undefined {
  if (typeof text !== 'string' || text.length > LONGEST) return undefined;
  const [, device, point = '*'] = PATTERN.exec(text) ?? [];
  if (device === undefined) return undefined;
  return { device: device === '*' ? undefined : device, point: point === '*' ? undefined : point };
}

export function parsePoint(text: unknown): { readonly device: string; readonly point: string } | undefined {
  if (typeof text !== 'string' || text.length > LONGEST) return undefined;
  const [, device, point] = POINT.exec(text) ?? [];
  return device === undefined || point === undefined ? undefined : { device, point };
}

/** The name of a rule, or `*`. */
export function isRule(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LONGEST && RULE.test(text);
}

export function isMeant(patterns: readonly PointPattern[], device: string, point: string): boolean {
  return patterns.some((one) => (one.device ?? device) === device && (one.point ?? point) === point);
}
