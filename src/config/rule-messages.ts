/** Messages of rules that a forwarder sends: whether it exists, and whether it takes them. */
import { classNow, isPersonal, leaves, withoutWindows } from '../core/privacy.ts';
import type { ResolvedAction } from './actions.ts';
import type { Section } from './checker.ts';
import type { Kinds, ResolvedForwarder, ResolvedRule } from './kinds.ts';
import { type ForwarderPrivacy, outwardOf, type ResolvedPrivacy } from './privacy.ts';
import { hint } from './suggest.ts';
import { quote } from './zod-words.ts';

export interface MessageSite {
  readonly gateway: string;
  /** As written, those with a fault too. Absent: the section could not be read, so nothing in it can be called missing. */
  readonly names: readonly string[] | undefined;
  readonly forwarders: ReadonlyMap<string, ResolvedForwarder>;
  readonly kinds: Pick<Kinds, 'forwarders'>;
}

/** Brokers end a connection with such a topic. */
const UNFIT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** @returns the key that is wrong, and why; undefined: it may be published */
export function publishFault(
  written: Section,
  rule: string,
  { broker, messages }: { readonly broker: boolean; readonly messages: MessageSite },
): readonly [key: string, why: string] | undefined {
  const { publish, to, within } = written;
  if (UNFIT.test(String(publish)))
    return ['publish', 'the topic has a control character, and brokers end a connection that uses one; remove it'];
  if (to !== undefined) {
    const why = forwarderFault(String(to), `sluice/${messages.gateway}/action/${rule}/${String(publish)}`, messages);
    return why === undefined ? undefined : ['to', why];
  }
  if (within !== undefined)
    return ['within', 'a message at the embedded broker does not wait; remove this, or write to: with a forwarder beside it'];
  return broker
    ? undefined
    : [
        'publish',
        'there is no broker: section, so nobody can hear it; add "broker:" to the file, or write to: with a forwarder here',
      ];
}

function forwarderFault(to: string, topic: string, { names, forwarders, kinds }: MessageSite): string | undefined {
  if (names === undefined) return undefined;
  if (!names.includes(to))
    return `there is no forwarder ${quote(to)}${hint(to, names)}; name one of the section forwarders, or remove this for the embedded broker`;
  const forwarder = forwarders.get(to);
  if (forwarder === undefined) return undefined;
  const kind = kinds.forwarders.find(({ type }) => type === forwarder.type);
  if (kind?.messageFault === undefined)
    return `the forwarder ${to} has the type ${forwarder.type}, which sends no messages; name one of the type mqtt`;
  const wrong = kind.messageFault(forwarder.settings, topic);
  return wrong === undefined ? undefined : `the forwarder ${to} takes no such message: ${wrong}`;
}

/** Templates with a value that stays empty, since a point of the rule may not leave there. */
export function warnOfMessages(
  rules: ReadonlyMap<string, ResolvedRule>,
  {
    forwarders,
    privacy,
    warn,
  }: {
    readonly forwarders: ReadonlyMap<string, ResolvedForwarder>;
    readonly privacy: ResolvedPrivacy | undefined;
    readonly warn: (rule: string, message: string) => void;
  },
): void {
  if (privacy === undefined) return;
  for (const rule of rules.values()) {
    const all = [...(rule.actions ?? []), ...(rule.escalation?.actions ?? [])].flatMap(withFallbacks);
    const destinations = all.flatMap((action) =>
      action.kind === 'publish' && action.to !== undefined && /\{(?:value|point)\}/.test(action.payload) ? [action.to] : [],
    );
    for (const to of new Set(destinations)) {
      const outward = withoutWindows(outwardOf(privacy, (forwarders.get(to)?.settings ?? {}) as ForwarderPrivacy));
      const held = [`${rule.device}.${rule.point}`, ...(rule.inputs ?? [])].find((point) => {
        const [device = '', name = ''] = point.split('.');
        if (isPersonal(classNow(privacy.points, device, name))) return true;
        return outward !== undefined && leaves(outward, device, { name, type: '' }) === undefined;
      });
      if (held !== undefined)
        warn(
          rule.name,
          `the forwarder ${to} may not have ${held} in a message, so {value} and {point} stay empty there; take them out of the payload`,
        );
    }
  }
}

function withFallbacks(action: ResolvedAction): ResolvedAction[] {
  return action.orElse === undefined ? [action] : [action, ...withFallbacks(action.orElse)];
}
