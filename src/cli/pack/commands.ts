/** `sluice pack list`, `show`, `apply`: rules for a kind of site. */
import { type Command, InvalidArgumentError } from 'commander';
import { action, config, json } from '../command-parts.ts';

/** Parameters of one call, at most. */
const MOST_GIVEN = 200;

export function packCommands(sluice: Command): void {
  const pack = sluice
    .command('pack')
    .description('rule packs: rules and computed points for a kind of site')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice pack list\n  $ sluice pack show vaccine-fridge\n  $ sluice pack apply vaccine-fridge --set temperature=fridge.temperature',
    );
  pack
    .command('list')
    .description('lists the rule packs')
    .addOption(json())
    .addHelpText(
      'after',
      '\nA pack that cannot be used is named with its faults.\nExit status: 0 all can be used, 1 some cannot.\nExamples:\n  $ sluice pack list\n  $ sluice pack list --json',
    )
    .action(action(async (options: { json?: boolean }) => (await import('./list.ts')).packList(options)));
  pack
    .command('show')
    .argument('<name>', 'the name of a pack')
    .description('shows a pack: what it watches, its parameters, the source of each threshold')
    .option('--language <language>', 'en or bn', 'en')
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice pack show vaccine-fridge')
    .action(
      action(async (name: string, options: { language: string; json?: boolean }) =>
        (await import('./show.ts')).packShow(name, options),
      ),
    );
  pack
    .command('apply')
    .argument('<name>', 'the name of a pack')
    .description('prints the rules of a pack for your points; with --write it adds them to the configuration')
    .option('--set <parameter=value>', 'a parameter of the pack; give it once for each', pairs)
    .option('--write', 'add them to the configuration, when the result is valid')
    .addOption(config())
    .addHelpText(
      'after',
      '\nA running gateway takes the new rules with its next reload.\nExamples:\n  $ sluice pack apply vaccine-fridge --set temperature=fridge.temperature\n  $ sluice pack apply pump-and-tank --set level=tank.level \\\n      --set pump=pump.running --write',
    )
    .action(
      action(async (name: string, options: { set?: ReadonlyMap<string, string>; write?: boolean; config: string }) =>
        (await import('./apply.ts')).packApply(name, options),
      ),
    );
}

function pairs(word: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const at = word.indexOf('=');
  if (at < 1 || at === word.length - 1) throw new InvalidArgumentError('Write PARAMETER=VALUE.');
  if (before.has(word.slice(0, at))) throw new InvalidArgumentError(`${word.slice(0, at)} was given already.`);
  if (before.size >= MOST_GIVEN) throw new InvalidArgumentError(`At most ${MOST_GIVEN} parameters are taken.`);
  return new Map([...before, [word.slice(0, at), word.slice(at + 1)]]);
}
