/** What a person hardly meant about privacy. None of it stands in the way of a start. */
import { classNow, isPersonal, leaves, PERSONAL, type PrivacyClass } from '../core/privacy.ts';
import { formatDuration } from '../core/units.ts';
import type { LoadedDevice } from './devices.ts';
import type { Path } from './fault.ts';
import type { ResolvedForwarder } from './kinds.ts';
import { type ForwarderPrivacy, filterWants, outwardOf, type ResolvedPrivacy } from './privacy.ts';

/** Names in one message. */
const MOST_NAMED = 3;
/** Words that say that readings leave, and not what for. */
const EMPTY =
  /^(?:(?:the|my|our|a|an|for|some|any|general|all|various|other)\s+)*(?:purposes?|reasons?|data|readings?|values?|test(?:s|ing)?|cloud|upstream|forward(?:er|ing)?|upload|mqtt|broker|server|platform|monitoring|analytics|statistics|use|usage|stuff|things?|anything|everything|whatever|unknown|none|no|yes|ok|todo|tbd|n\/?a|null|xxx+|foo|bar|\W+|.)(?:\s+(?:purposes?|reasons?|data|use|only))*[.!]?$/i;
const POSITION = /^(?:lat|latitude|lon|lng|long|longitude|position)$/;

interface Around {
  readonly privacy: ResolvedPrivacy | undefined;
  readonly devices: ReadonlyMap<string, LoadedDevice>;
  readonly forwarders: ReadonlyMap<string, ResolvedForwarder>;
  readonly maxAge: number | undefined;
  readonly warn: (at: Path, message: string) => void;
}

interface Point {
  readonly device: string;
  readonly name: string;
  readonly type: string;
  readonly privacy: PrivacyClass | undefined;
}

export function warnOfPrivacy({ privacy, devices, forwarders, maxAge, warn }: Around): void {
  const points = pointsOf(devices, privacy);
  for (const { device, name, privacy: of } of points)
    if (of === undefined && POSITION.test(name))
      warn(
        ['devices', device, 'points', name],
        'this looks like a position, and no class is written; write privacy: location, or privacy: technical where it says nothing about people',
      );
  for (const [of, keep] of Object.entries(privacy?.keep ?? {}))
    if (maxAge !== undefined && keep >= maxAge)
      warn(
        ['privacy', of, 'keep'],
        `this changes nothing: buffer.maxAge keeps every reading ${formatDuration(maxAge)} at most; write less`,
      );
  const ways = [...forwarders.values()].map((forwarder) => {
    const settings = forwarder.settings as ForwarderPrivacy;
    const outward = outwardOf(privacy, settings);
    const wanted = points.filter(({ device, name }) => filterWants(settings.filter, device, name));
    const given = wanted.filter(
      ({ device, name, type }) => outward === undefined || leaves(outward, device, { name, type }) !== undefined,
    );
    return { forwarder, settings, wanted, given: new Set(given) };
  });
  for (const { forwarder, settings, wanted, given } of ways) {
    const at = ['forwarders', forwarder.name];
    if (settings.purpose !== undefined && EMPTY.test(settings.purpose))
      warn(
        [...at, 'purpose'],
        `"${settings.purpose}" says nothing to the people concerned; write what the readings are used for there, for example "billing by the utility"`,
      );
    const held = wanted.filter((point) => !given.has(point));
    for (const [of, own] of Map.groupBy(held, classOf)) {
      const rule = privacy?.upstream[of];
      const open = !isPersonal(of) || settings.purpose !== undefined;
      if (open && rule !== undefined && rule !== 'never' && rule.aggregate !== undefined && own.some(isNumber)) {
        const width = formatDuration(rule.aggregate);
        warn(
          at,
          `${named(own)} of the class ${of} leave as means of ${width} or more, and this forwarder makes none; write filter: {every: ${width}} to let them leave here`,
        );
      }
    }
    if (wanted.length > 0 && given.size === 0)
      warn(
        at,
        `this forwarder gets no reading: all its points are of classes that do not leave here (${classesIn(wanted).join(', ')})${settings.purpose === undefined ? '; write its purpose:, or name other points' : ''}`,
      );
  }
  if (forwarders.size === 0) return;
  for (const word of PERSONAL) {
    if (privacy?.upstream[word] === 'never') continue;
    const own = points.filter((point) => point.privacy === word);
    const held = own.filter((point) => ways.every(({ given }) => !given.has(point)));
    const [first] = held;
    if (first === undefined) continue;
    const why = ways.some(({ settings }) => settings.purpose !== undefined)
      ? 'no forwarder with a purpose may give them away'
      : 'no forwarder has a purpose';
    warn(
      ['devices', first.device, 'points', first.name, 'privacy'],
      `${named(held)} of the class ${word} leave nowhere: ${why}; write purpose: at a forwarder, or privacy: {${word}: {upstream: never}} where that is meant`,
    );
  }
}

/** Without a word it is technical. */
function classOf({ privacy = 'technical' }: Point): PrivacyClass {
  return privacy;
}

function isNumber({ type }: Point): boolean {
  return !['bool', 'string', 'datetime'].includes(type);
}

function classesIn(points: readonly Point[]): string[] {
  return [...new Set(points.map(classOf))];
}

function named(points: readonly Point[]): string {
  const first = points.slice(0, MOST_NAMED).map(({ device, name }) => `${device}.${name}`);
  const more = points.length - first.length;
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function pointsOf(devices: ReadonlyMap<string, LoadedDevice>, privacy: ResolvedPrivacy | undefined): Point[] {
  return [...devices].flatMap(([device, { points }]) =>
    [...(points ?? [])].flatMap(([name, settings]) =>
      settings === undefined
        ? []
        : [{ device, name, type: typeOf(settings), privacy: classNow(privacy?.points ?? {}, device, name) }],
    ),
  );
}

/** As inventories say it. */
export function typeOf({ type, enum: labels, bit }: Readonly<Record<string, unknown>>): string {
  if (labels !== undefined) return 'string';
  return bit === undefined ? String(type) : 'bool';
}
