/** `sluice import`, `sluice receipt`, `sluice gateway-key` and `sluice platform`: their options and their help. */
import { type Command, Option } from 'commander';
import type { ImportOptions } from './bundle/import.ts';
import type { KeysOptions } from './bundle/platform.ts';
import { action, config, json, socket } from './command-parts.ts';
import type { RunningOptions } from './running.ts';

const keys = () => new Option('--keys <dir>', 'the folder of the platform').default('platform');

export function bundleCommands(sluice: Command): void {
  sluice
    .command('import')
    .argument('<files...>', 'bundles, or folders with bundles')
    .description('plays bundles of gateways into a broker, a SQLite file or a CSV file, and writes receipts')
    .requiredOption('--to <target>', 'mqtt://host:1883, readings.db or readings.csv')
    .addOption(keys())
    .option('--receipts <dir>', 'where receipts go (default: beside their bundles)')
    .option('--username <name>', 'user name at the broker')
    .option('--password-file <file>', 'a file with the password at the broker')
    .option('--ca <file>', 'PEM file with the authorities of the broker, for mqtts')
    .addHelpText(
      'after',
      '\nBundles may come in any order and many times: nothing is in the target twice.\nForged, damaged and unknown bundles are refused, and the others are taken.\nCarry the receipts back to the gateway: sluice receipt FILE\nExit status: 0 all taken, 1 some refused, or a receipt could not be written.\nExamples:\n  $ sluice import /media/stick --to readings.db\n  $ sluice import ghat-1-carrier-*.sluice --to readings.csv\n  $ sluice import bundles --to mqtt://127.0.0.1:1883 --receipts /media/stick',
    )
    .action(
      action(async (files: string[], options: ImportOptions) =>
        (await import('./bundle/import.ts')).importBundles(files, options),
      ),
    );
  sluice
    .command('receipt')
    .argument('<files...>', 'receipts that the platform wrote')
    .description('gives receipts of the platform to a running gateway: what it has is not sent again')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nA forged or an older receipt changes nothing.\nExit status: 0 taken, 1 refused, or a bundle before it is missing.\nExample:\n  $ sluice receipt /media/stick/*.receipt',
    )
    .action(
      action(async (files: string[], options: RunningOptions) =>
        (await import('./bundle/receipt.ts')).takeReceipts(files, options),
      ),
    );
  sluice
    .command('gateway-key')
    .description('prints the public key of a running gateway, by which a platform knows its bundles')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice gateway-key')
    .action(action(async (options: RunningOptions) => (await import('./bundle/receipt.ts')).showGatewayKey(options)));
  platformCommands(sluice);
}

function platformCommands(sluice: Command): void {
  const platform = sluice
    .command('platform')
    .description('on the computer of the platform: its keys, the gateways that it knows, its sticks')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice platform init\n  $ sluice platform trust ghat-1 sluice-gateway-1:…\n  $ sluice platform stick /media/stick',
    );
  platform
    .command('init')
    .argument('[dir]', 'a new folder for the keys', 'platform')
    .description('makes the keys of a platform, once')
    .addHelpText('after', '\nExample:\n  $ sluice platform init')
    .action(action(async (dir: string) => (await import('./bundle/platform.ts')).platformInit(dir)));
  platform
    .command('show')
    .description('prints the public key of the platform, and the gateways that it knows')
    .addOption(keys())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice platform show')
    .action(action(async (options: KeysOptions) => (await import('./bundle/platform.ts')).platformShow(options)));
  platform
    .command('trust')
    .argument('<gateway>', 'the id of a gateway')
    .argument('<key>', 'its key: sluice gateway-key prints it')
    .description('takes bundles of a gateway from now on')
    .addOption(keys())
    .option('--replace', 'the gateway has a new key')
    .addHelpText('after', '\nExample:\n  $ sluice platform trust ghat-1 sluice-gateway-1:…')
    .action(
      action(async (gateway: string, key: string, options: KeysOptions & { replace?: boolean }) =>
        (await import('./bundle/platform.ts')).platformTrust(gateway, key, options),
      ),
    );
  platform
    .command('stick')
    .argument('<folder>', 'where the stick is mounted')
    .description('marks a USB stick as one of this platform: gateways write bundles to no other stick')
    .addOption(keys())
    .addHelpText('after', '\nExample:\n  $ sluice platform stick /media/stick')
    .action(
      action(async (folder: string, options: KeysOptions) =>
        (await import('./bundle/platform.ts')).platformStick(folder, options),
      ),
    );
}
