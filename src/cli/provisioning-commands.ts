/** `sluice provision`, `sluice label` and `sluice fleet`: what they are called and what their help says. */
import { type Command, Option } from 'commander';
import { action, config, json } from './command-parts.ts';
import type { FleetCommandOptions } from './fleet.ts';
import type { LabelOptions } from './label.ts';
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
  sluice
    .command('label')
    .description('prints the label of this gateway: id and fingerprints as a QR code')
    .addOption(config())
    .option('-o, --output <file>', 'write a picture (.svg or .png) in place of the terminal')
    .option('--claim', 'with the claim code, which is a secret until somebody has used it')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  $ sudo sluice label\n  $ sudo sluice label -o label.svg\n  $ sudo sluice label --claim')
    .action(action(async (options: LabelOptions) => (await import('./label.ts')).label(options)));
  sluice
    .command('fleet')
    .argument('<table>', 'a CSV file: one site a row, the first row names the columns')
    .description('makes a sluice.yaml and a label for each site of a table')
    .option('-t, --template <file>', 'a sluice.yaml with what all sites share')
    .requiredOption('-o, --output <dir>', 'a new folder for the files')
    .addOption(json())
    .addHelpText(
      'after',
      '\nColumns are keys of sluice.yaml: id, site, name, language, timezone,\nupstream.url, upstream.username, upstream.password, upstream.clientId,\nclaimCode, page, wifi.name, wifi.password, wifi.country.\nAn empty claimCode gets a new code.\nA table with a bad row writes nothing.\nExit status: 0 done, 1 failed, 78 the table or the template was refused.\nExample:\n  $ sluice fleet sites.csv --template sluice.yaml -o cards',
    )
    .action(action(async (table: string, options: FleetCommandOptions) => (await import('./fleet.ts')).fleet(table, options)));
}
