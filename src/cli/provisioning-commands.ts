/** `sluice provision`, `sluice label` and `sluice fleet`: what they are called and what their help says. */
import { type Command, Option } from 'commander';
import { action, json } from './command-parts.ts';
import type { ProvisionCommandOptions } from './provision.ts';

export function provisioningCommands(sluice: Command): void {
  sluice
    .command('provision')
    .description('puts sluice.yaml of the boot partition in force, and writes sluice-status.txt beside it')
    .option('--boot <dir>', 'the boot partition (default: /boot/firmware, else /boot)')
    .option('-c, --config <file>', 'the configuration that is written', '/etc/sluice/gateway.yaml')
    .option('--state <dir>', 'the state directory', '/var/lib/sluice')
    .option('--report', 'only write sluice-status.txt again, with the address that the board has now')
    .option('--dry-run', 'only show whether the file is right, and the configuration that it makes')
    // For tests: where the files of the system are.
    .addOption(new Option('--root <dir>', 'where the system is').default('/').hideHelp())
    .addOption(json())
    .addHelpText(
      'after',
      '\nThe service sluice-provision does this at each start of the board, before the\ngateway. The same file twice changes nothing the second time.\nExit status: 0 done, 1 failed, 78 the file was refused.\nExamples:\n  $ sudo sluice provision\n  $ sluice provision --dry-run --boot /media/card',
    )
    .action(action(async (options: ProvisionCommandOptions) => (await import('./provision.ts')).provisionCard(options)));
}
