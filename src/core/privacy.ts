/**
 * How private a point is, and what of it one destination gets. Plain data: it goes to the threads of the log.
 *
 * - A reading keeps the class under which it was taken (`PointInfo.privacy`). Where the configuration says another class now, the
 *   stricter rule of both counts.
 * - What is closed leaves nowhere: no value, no name in an inventory, no announcement.
 */
export const PRIVACY_CLASSES = ['environmental', 'technical', 'household', 'location', 'health'] as const;
export type PrivacyClass = (typeof PRIVACY_CLASSES)[number];

/** Classes that say something about people: without a stated purpose no forwarder gets them. */
export const PERSONAL: readonly PrivacyClass[] = ['household', 'location', 'health'];
export function isPersonal(of: PrivacyClass | undefined): boolean {
  return of !== undefined && PERSONAL.includes(of);
}

/** `device.point`, or `device.*` for all points of a device that are not named. Points that are technical are not in it. */
export type PointClasses = Readonly<Record<string, PrivacyClass>>;

export function classNow(classes: PointClasses, device: string, point: string): PrivacyClass | undefined {
  return classes[`${device}.${point}`] ?? classes[`${device}.*`];
}

/** Rules for technical points hold for those that have no class too. A reading of the log without one says nothing more. */
function classesOf(
  classes: PointClasses,
  device: string,
  { name, privacy }: Pick<Classified, 'name' | 'privacy'>,
): PrivacyClass[] {
  const now = classNow(classes, device, name) ?? 'technical';
  return privacy === undefined || privacy === now ? [now] : [privacy, now];
}

/** How long readings of classes are kept, where that is less than others. Milliseconds. */
export interface Retention {
  readonly keep: Readonly<Partial<Record<PrivacyClass, number>>>;
  readonly points: PointClasses;
}

/** What one destination may have. */
export interface Outward {
  /** Classes that do not leave. */
  readonly closed: readonly PrivacyClass[];
  /** Classes that leave as means of windows of the filter, and in no other way. */
  readonly windowed: readonly PrivacyClass[];
  /** The step of the numbers of a class. Texts and booleans have none: like those of `windowed` they do not leave. */
  readonly round: Readonly<Partial<Record<PrivacyClass, number>>>;
  /** Classes as the configuration says now. */
  readonly points: PointClasses;
  /** Types of points that leave coarser, as inventories say them: texts among them do not leave. Absent: nobody knows them. */
  readonly types?: Readonly<Record<string, string>> | undefined;
}

/** The part of a point that these rules look at. */
export interface Classified {
  readonly name: string;
  /** As inventories say it. */
  readonly type: string;
  readonly privacy?: PrivacyClass | undefined;
}

const NO_NUMBERS: readonly string[] = ['bool', 'string', 'datetime'];

/** For what leaves reading by reading, whatever the windows of the filter are: a latest value, a bundle, records again. */
export function withoutWindows(outward: Outward | undefined): Outward | undefined {
  if (outward === undefined || outward.windowed.length === 0) return outward;
  return { ...outward, closed: [...new Set([...outward.closed, ...outward.windowed])], windowed: [] };
}

/** For what leaves with the precision of the log or not at all. */
export function onlyWhole(outward: Outward | undefined): Outward | undefined {
  if (outward === undefined) return undefined;
  const coarse = Object.keys(outward.round) as PrivacyClass[];
  return { ...outward, closed: [...new Set([...outward.closed, ...outward.windowed, ...coarse])], windowed: [], round: {} };
}

/** @returns the step of the point's numbers, 0 without one; undefined: the point does not leave */
export function leaves({ closed, windowed, round, points }: Outward, device: string, point: Classified): number | undefined {
  let step = 0;
  for (const word of classesOf(points, device, point)) {
    if (closed.includes(word)) return undefined;
    const coarse = round[word];
    if ((coarse !== undefined || windowed.includes(word)) && NO_NUMBERS.includes(point.type)) return undefined;
    step = Math.max(step, coarse ?? 0);
  }
  return step;
}

type Plain = number | bigint | boolean | string;

/** The multiple of the step that is nearest; half a step goes up. Texts and booleans stay. @param step above 0 */
export function roundTo(value: Plain, step: number): Plain {
  if (typeof value === 'bigint') {
    const whole = BigInt(Math.max(1, Math.round(step)));
    const rest = ((value % whole) + whole) % whole;
    return value - rest + (rest * 2n >= whole ? whole : 0n);
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) return value;
  // Twelve digits hide the noise of float arithmetic; -0 would be a value of its own.
  return Number((Math.round(value / step) * step).toPrecision(12)) + 0;
}

/** How long a reading may be kept: the shortest of its classes. @returns milliseconds; undefined: as long as any */
export function keptFor({ keep, points }: Retention, device: string, point: Classified): number | undefined {
  const times = classesOf(points, device, point).flatMap((of) => keep[of] ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Letters of names with dots between them. One pass over a text of any length. */
const DOTTED = /[a-z0-9_.-]+/g;

/** A name at a place of such words: `device.point`, or the place of a point in a configuration. */
function nameAt(words: readonly string[], at: number): readonly [device: string, point: string, length: number] | undefined {
  const [first = '', second = '', third, fourth = ''] = words.slice(at, at + 4);
  const device = first.replace(/^[_-]+/, '');
  const isPlace = device === 'devices' && third === 'points' && IS_NAME.test(second) && IS_NAME.test(fourth);
  if (isPlace) return [second, fourth, 4];
  return device !== '' && IS_NAME.test(second) ? [device, second, 2] : undefined;
}

const IS_NAME = /^[a-z0-9]/;

/** The points that a text may name. Words with a dot in them are among them, such as the name of a file. */
export function* namedIn(text: string): Generator<readonly [device: string, point: string]> {
  for (const [run] of text.matchAll(DOTTED)) {
    const words = run.split('.');
    for (let at = 0; at + 1 < words.length; at++) {
      const name = nameAt(words, at);
      if (name !== undefined) yield [name[0], name[1]];
    }
  }
}

/** The class of what a text may name; a word that is no point has none. A number is a point only where that very point has a class. */
export function classNamed(classes: PointClasses, device: string, point: string): PrivacyClass | undefined {
  return isNumber(device, point) ? classes[`${device}.${point}`] : classNow(classes, device, point);
}

/** Whether a name looks like a number: `101.5`. */
export function isNumber(device: string, point: string): boolean {
  return /^\d+$/.test(device) && /^\d+$/.test(point);
}

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/**
 * JSON for a destination, without the names of points that do not leave there. Only strings and keys change.
 * @param asked `device.point` that the far side named itself
 */
export function withoutNames(outward: Outward | undefined, json: string, asked?: string): string {
  if (outward === undefined) return json;
  return json.replace(STRING, (literal) => {
    const text = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
    const shown = text.replace(DOTTED, (run) => shownOf(outward, run, asked));
    return shown === text ? literal : JSON.stringify(shown);
  });
}

function shownOf(outward: Outward, run: string, asked: string | undefined): string {
  const words = run.split('.');
  for (let at = 0; at + 1 < words.length; at++) {
    const [device, point, length] = nameAt(words, at) ?? ['', '', 0];
    if (length > 0 && `${device}.${point}` !== asked && isHidden(outward, device, point))
      words.splice(at, length, 'a private point');
  }
  return words.join('.');
}

function isHidden(outward: Outward, device: string, point: string): boolean {
  if (classNamed(outward.points, device, point) === undefined) return false;
  // A point that nobody wrote down may be a text.
  const type = outward.types === undefined ? '' : (outward.types[`${device}.${point}`] ?? 'string');
  return leaves(outward, device, { name: point, type }) === undefined;
}
