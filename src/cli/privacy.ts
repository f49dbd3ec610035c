/** `sluice privacy`: the inventory of sensing, from the configuration in force alone. */
import { unitWords } from '../core/unit-words.ts';
import { formatDuration } from '../core/units.ts';
import { configInForce } from './in-force.ts';
import { type SensedClass, type SensedPoint, type Sensing, sensingOf } from './privacy/inventory.ts';
import { clean } from './terminal/clean.ts';
import { count } from './words.ts';

/** @throws SluiceError config-invalid */
export async function privacy({ config, json }: { readonly config: string; readonly json?: boolean }): Promise<void> {
  const sensing = sensingOf(configInForce(config));
  process.stdout.write(json === true ? `${JSON.stringify(sensing)}\n` : sensingText(sensing));
}

/** For people who want to know what is measured about them. */
export function sensingText({ gateway, maxAge, classes, local }: Sensing): string {
  const points = classes.reduce((sum, own) => sum + own.points.length, 0);
  const lines = [
    `${gateway} measures ${count(points, 'point')}.`,
    ...classes.flatMap((own) => ['', ...classLines(own, maxAge)]),
    '',
    'Every reading is also seen on this site, by people and programs that may:',
    ...local.map((way) => `  ${way}`),
  ];
  return `${lines.join('\n')}\n`;
}

function inBrackets(unit: string | undefined): string {
  const words = unit === undefined ? '' : unitWords(unit);
  return words === '' ? '' : ` (${clean(words)})`;
}

/** A destination states its own purpose. */
function whyWords({ rules, feeds }: SensedPoint, leaves: boolean): string {
  if (rules.length === 0 && feeds.length === 0 && !leaves)
    return ', for no stated reason: no rule watches it, and it goes nowhere';
  return [
    ...(rules.length === 0 ? [] : [`, watched by ${rules.join(', ')}`]),
    ...(feeds.length === 0 ? [] : [`, computed into ${feeds.join(', ')}`]),
  ].join('');
}

function classLines({ class: word, points, keep, upstream, destinations }: SensedClass, maxAge: number): string[] {
  const leaves = upstream === 'never' ? 'leaves never' : `leaves ${upstream}`;
  return [
    `${word}: kept ${formatDuration(keep ?? maxAge)}; ${leaves}`,
    ...points.map((own) => {
      const leaves = destinations.some((to) => to.points.includes(own.point));
      return `  ${own.point}${inBrackets(own.unit)}${whyWords(own, leaves)}`;
    }),
    ...(destinations.length === 0 ? ['  goes nowhere'] : []),
    ...destinations.map((to) => {
      const some = to.points.length === points.length ? '' : `${to.points.join(', ')}: `;
      const why = to.purpose === undefined ? 'no purpose stated' : clean(to.purpose);
      return `  ${some}goes to ${to.forwarder} (${to.to}) for: ${why}; ${to.precision}`;
    }),
  ];
}
