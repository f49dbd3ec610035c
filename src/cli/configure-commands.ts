/** `sluice configure`: what its commands are called and what their help says. */
import { type Command, Option } from 'commander';
import { action, config, json, wholeNumber } from './command-parts.ts';
import type { SignOptions } from './configure.ts';

export function configureCommands(sluice: Command): void {
  const configure = sluice
    .command('configure')
    .description('signs configurations that gateways take from upstream, and shows the one that came')
    .addHelpText(
      'after',
      '\nThe gateway needs the public key (gateway.configure.keys) and a forwarder with\ncommands: {configure: true}.\nExamples:\n  $ sluice configure key fleet.pem\n  $ sluice configure sign --key fleet.pem --config-version 7 site.yaml\n  $ sudo sluice configure show',
    );
  configure
    .command('key')
    .argument('<file>', 'the private key, in PEM; it is made when it is missing')
    .description('makes a key that signs configurations, and prints its public part')
    .addOption(json())
    .addHelpText(
      'after',
      '\nKeep the file on the platform. Only its public part goes to gateways.\nExample:\n  $ sluice configure key fleet.pem',
    )
    .action(
      action(async (file: string, options: { json?: boolean }) =>
        (await import('./configure.ts')).configureKeyFile(file, options),
      ),
    );
  configure
    .command('sign')
    .argument('<files...>', 'configurations, one for each gateway')
    .description('checks configurations, signs them, and prints the messages for the topic "command"')
    .requiredOption('-k, --key <file>', 'the private key')
    .addOption(
      new Option('-n, --config-version <number>', 'a higher number than that of the configuration before')
        .argParser(wholeNumber(1, 2 ** 31 - 1))
        .makeOptionMandatory(),
    )
    .option('--expires <duration>', 'gateways refuse the message after it, for example 24h')
    .option('--id <id>', 'the id of the command (default: configure- and the version)')
    .option('-o, --output <dir>', 'write each message to <gateway>.json in this folder')
    .addHelpText(
      'after',
      '\nThe id of the gateway is gateway.id of the file.\nNo other gateway takes the message.\nExit status: 0 done, 1 failed, 78 a configuration has faults.\nExamples:\n  $ sluice configure sign -k fleet.pem -n 7 site.yaml > site.json\n  $ sluice configure sign -k fleet.pem -n 7 -o messages sites/*.yaml\n  $ mosquitto_pub -q 1 -t sluice/site-1/command -f messages/site-1.json',
    )
    .action(
      action(async (files: string[], options: SignOptions) => (await import('./configure.ts')).configureSign(files, options)),
    );
  configure
    .command('show')
    .description('prints the configuration from upstream that is in force')
    .addOption(config())
    .addHelpText(
      'after',
      '\nThe file on the board stays as it is. To leave the configuration from upstream,\nchange the file, then run sluice reload.\nExample:\n  $ sudo sluice configure show',
    )
    .action(action(async (options: { config: string }) => (await import('./configure.ts')).configureShow(options)));
}
