/** `sluice alarm …`: what the commands are called and what their help says. */
import type { Command } from 'commander';
import { action, config, json, socket, wholeNumber } from './command-parts.ts';
import type { RunningOptions } from './running.ts';

export function alarmCommands(sluice: Command): void {
  const alarm = sluice
    .command('alarm')
    .description('lists alarms of a running gateway, and does with them what an operator does')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice alarm list\n  $ sluice alarm ack fridge-warm\n  $ sluice alarm shelve fridge-warm --for 2h --reason "door open for defrosting"',
    );
  alarm
    .command('list')
    .description('lists every alarm that is not normal')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('--observed', 'instead: what the rules on trial (observe: true) would have done')
    .addHelpText('after', '\nExamples:\n  $ sluice alarm list\n  $ sluice alarm list --observed')
    .action(
      action(async (options: RunningOptions & { observed?: boolean }) =>
        options.observed
          ? (await import('./rules/observe.ts')).rulesObserve(options)
          : (await import('./alarm.ts')).alarmList(options),
      ),
    );
  alarm
    .command('stats')
    .description('shows how the alarms do: rates, floods, chattering, standing, worst')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice alarm stats')
    .action(action(async (options: RunningOptions) => (await import('./alarm-stats.ts')).alarmStats(options)));
  alarm
    .command('ack')
    .argument('<rule>', 'the name of the rule')
    .description('acknowledges an alarm (somebody has seen it)')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('--occurrence <n>', 'only this activation of the rule (default: the newest)', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addHelpText('after', '\nExample:\n  $ sluice alarm ack fridge-warm')
    .action(
      action(async (rule: string, options: RunningOptions & { occurrence?: number }) =>
        (await import('./alarm.ts')).alarmAcknowledge(rule, options),
      ),
    );
  alarm
    .command('shelve')
    .argument('<rule>', 'the name of the rule')
    .description('keeps an alarm quiet for a time; then it is reported again')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .requiredOption('--for <duration>', 'how long: 1s to 7d, for example 2h')
    .option('--reason <text>', 'the reason, for others')
    .addHelpText('after', '\nExample:\n  $ sluice alarm shelve fridge-warm --for 2h --reason "door open for defrosting"')
    .action(
      action(async (rule: string, options: RunningOptions & { for: string; reason?: string }) =>
        (await import('./alarm.ts')).alarmShelve(rule, options),
      ),
    );
  alarm
    .command('unshelve')
    .argument('<rule>', 'the name of the rule')
    .description('ends the shelving of an alarm now')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice alarm unshelve fridge-warm')
    .action(action(async (rule: string, options: RunningOptions) => (await import('./alarm.ts')).alarmUnshelve(rule, options)));
  alarm
    .command('reset')
    .argument('<rule>', 'the name of the rule')
    .description('resets a latched alarm whose condition is over')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('--occurrence <n>', 'only this activation of the rule (default: the newest)', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addHelpText('after', '\nExample:\n  $ sluice alarm reset pump-dry')
    .action(
      action(async (rule: string, options: RunningOptions & { occurrence?: number }) =>
        (await import('./alarm.ts')).alarmReset(rule, options),
      ),
    );
  alarm
    .command('out-of-service')
    .argument('<rule>', 'the name of the rule')
    .description('takes an alarm out of service for a time, or until it is put in service again')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .requiredOption('--reason <text>', 'why, for others')
    .option('--for <duration>', 'how long: 1s to 90d (default: no end)')
    .addHelpText('after', '\nExample:\n  $ sluice alarm out-of-service fridge-warm --for 8h --reason "new sensor"')
    .action(
      action(async (rule: string, options: RunningOptions & { reason: string; for?: string }) =>
        (await import('./alarm.ts')).alarmOutOfService(rule, options),
      ),
    );
  alarm
    .command('in-service')
    .argument('<rule>', 'the name of the rule')
    .description('puts an alarm in service again')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice alarm in-service fridge-warm')
    .action(action(async (rule: string, options: RunningOptions) => (await import('./alarm.ts')).alarmInService(rule, options)));
}
