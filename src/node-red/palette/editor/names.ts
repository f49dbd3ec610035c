/** The points and rules that a dialog suggests. */
import type { EditedNode, JQ, Search, Suggestion } from './red-editor.ts';

interface Point {
  readonly point: string;
  readonly unit?: string;
  readonly writable: boolean;
}
export interface Names {
  points: readonly Point[];
  rules: readonly string[];
}
interface Answer {
  readonly state: string;
  readonly gateway: string;
  readonly points: readonly Point[];
  readonly rules: readonly { readonly rule: string }[];
  readonly truncated: boolean;
}

/** Suggestions at a time. */
const MOST = 200;

/** Asks the runtime now and each time another gateway is chosen. @param tips say what came */
export function watchNames(node: EditedNode, names: Names, tips: readonly JQ[]): void {
  const chooser = $('#node-input-gateway');
  const ask = (): void => {
    const chosen = String(chooser.val() ?? '');
    $.getJSON('sluice/inventory', { gateway: chosen === '_ADD_' ? '' : chosen })
      .done((answer) => take(answer as Answer))
      .fail(() => say(undefined));
  };
  const take = (answer: Answer): void => {
    names.points = answer.points;
    names.rules = answer.rules.map(({ rule }) => rule);
    say(answer);
  };
  const say = (answer: Answer | undefined): void => {
    for (const tip of tips) tip.text(tipOf(node, answer, tip.data('of') === 'rules'));
  };
  // What Node-RED shows for no choice invites to make a config node, and nobody needs one on a gateway.
  chooser.find('option[value="_ADD_"], option[value=""]').text(node._('c.thisGateway'));
  chooser.on('change', ask);
  ask();
}

function tipOf(node: EditedNode, answer: Answer | undefined, rules: boolean): string {
  const n = (rules ? answer?.rules : answer?.points)?.length ?? 0;
  if (answer === undefined || n === 0) return node._('c.absent');
  const text =
    answer.state === 'connected'
      ? node._(rules ? 'c.rulesLoaded' : 'c.loaded', { n, gateway: answer.gateway })
      : node._('c.stale');
  return answer.truncated ? `${text} ${node._('c.more')}` : text;
}

/** All points; those with `device.*` for each device before them; those that can be written, where there are any. */
export type Offer = 'points' | 'patterns' | 'writable';

export function search(names: Names, offer: Offer): Search {
  return (typed) => {
    const some = offer === 'writable' ? names.points.filter((one) => one.writable) : [];
    const points = some.length > 0 ? some : names.points;
    const devices = offer === 'patterns' ? [...new Set(points.map(({ point }) => `${point.split('.')[0]}.*`))] : [];
    return found(
      [
        ...points.map(({ point, unit }) => ({ value: point, label: unit === undefined ? point : `${point}  (${unit})` })),
        ...devices.map((value) => ({ value, label: value })),
      ],
      typed,
    );
  };
}

export function ruleSearch(names: Names): Search {
  return (typed) =>
    found(
      names.rules.map((rule) => ({ value: rule, label: rule })),
      typed,
    );
}

/** Each word of what was typed is in the name, in any order. A name that stands there whole comes first, before all others. */
function found(all: readonly Suggestion[], typed: string): Suggestion[] {
  const whole = all.filter(({ value }) => value === typed);
  const words = typed.toLowerCase().split(/\s+/);
  const some =
    whole.length > 0
      ? all.filter(({ value }) => value !== typed)
      : all.filter(({ value }) => words.every((word) => value.includes(word)));
  return [...whole, ...some].slice(0, MOST);
}
