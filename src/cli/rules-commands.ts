/** `sluice rules`: its options and its help. */
import { type Command, Option } from 'commander';
import { action, config, json, LOCAL_TIMES, socket } from './command-parts.ts';
import type { RulesTestOptions } from './rules/play.ts';
import type { RunningOptions } from './running.ts';

const collected = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

export function rulesCommands(sluice: Command): void {
  const rules = sluice
    .command('rules')
    .description('tries rules with recorded readings before anybody trusts them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice rules test week.csv\n  $ sluice rules test --from 7d\n  $ sluice rules observe',
    );
  rules
    .command('observe')
    .description('shows what the rules on trial (observe: true) of a running gateway would have done')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice rules observe')
    .action(action(async (options: RunningOptions) => (await import('./rules/observe.ts')).rulesObserve(options)));
  rules
    .command('test')
    .argument('[file]', 'a recording: CSV or JSON lines of sluice export, or a table of your own; - is standard input')
    .description('plays recorded readings through the rules of a configuration and shows the alarms')
    .addOption(config())
    .addOption(socket())
    .option('--from <time>', 'a date, a time (ISO 8601), or a duration before now (7d)')
    .option('--to <time>', 'the same, for the end; later than the last reading: until then')
    .option('--rules <list>', 'only these rules, separated by commas (default: all)')
    .option('--map <column=point>', 'the point of a column of the table; may be repeated', collected)
    .option('--offset <offset>', 'of times in the table that have none: +06:00')
    .option('--svg <file>', 'also draws values, limits and alarms')
    .addOption(new Option('--language <language>', 'of the picture').choices(['en', 'bn']))
    .option('--expect <file>', 'compares with a timeline; exit status 1 and the differences where it is another one')
    .option('--save <file>', 'writes the timeline for a later --expect')
    .addOption(json())
    .addHelpText(
      'after',
      '\nWithout a file it plays the log of the gateway, running or stopped, and changes\nnothing there. No action is carried out, and no alarm leaves.\nA table has a column "time" (2026-11-25T10:00:00+06:00, or UTC milliseconds)\nand a column for each point (fridge.temperature).\n' +
        `${LOCAL_TIMES}\nExit status: 0 done, 1 not as expected or unreadable, 78 configuration refused.\nExamples:\n  $ sluice export --from 7d > week.csv && sluice rules test week.csv\n  $ sluice rules test --from 7d --rules fridge-warm --svg fridge.svg\n  $ sluice rules test logger.csv --map "Temp 1=fridge.air" --offset +06:00\n  $ sluice rules test week.csv --save week.yaml\n  $ sluice rules test week.csv --expect week.yaml`,
    )
    .action(
      action(async (file: string | undefined, options: RulesTestOptions) =>
        (await import('./rules/test.ts')).rulesTest(file, options),
      ),
    );
}
