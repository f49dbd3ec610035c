/** `sluice update`: its options and its help. */
import { type Command, Option } from 'commander';
import { action, config, json, wholeNumber } from './command-parts.ts';
import type { UpdateOptions } from './update.ts';

const from = () => new Option('--from <place>', 'a folder (a USB stick) or an address (default: gateway.update.from)');
const restart = () => new Option('--restart', 'restart the board afterwards');
const root = () => new Option('--root <folder>', 'another folder in place of /').hideHelp();

export function updateCommands(sluice: Command): void {
  const update = sluice
    .command('update')
    .description('updates a card image: it has two slots, and one that does not run well gives way to the other')
    .addHelpText(
      'after',
      '\nA gateway that was installed as a package is updated with apt.\nExamples:\n  $ sudo sluice update check\n  $ sudo sluice update apply --from /media/stick --restart\n  $ sudo sluice update rollback --restart',
    );
  const add = (name: string, says: string) => update.command(name).description(says).addOption(config()).addOption(root());
  add('status', 'shows both slots, the last attempt and the keys that are trusted')
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sudo sluice update status')
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateStatus(options)));
  add('check', 'reads the newest release and checks its signature; changes nothing')
    .addOption(from())
    .addOption(json())
    .addHelpText('after', '\nExit status: 0 understood, 1 refused or not reached.\nExample:\n  $ sudo sluice update check')
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateCheck(options)));
  add('apply', 'fetches the newest release into the other slot; the next restart begins with it')
    .addOption(from())
    .addOption(restart())
    .addOption(new Option('--timer', 'as the timer does: only when gateway.update allows it').hideHelp())
    .addOption(json())
    .addHelpText(
      'after',
      '\nThe running release is not touched.\nA download that breaks off continues where it stopped.\nThe new release stays only when the gateway polls and stores as before.\nExamples:\n  $ sudo sluice update apply --restart\n  $ sudo sluice update apply --from /media/stick',
    )
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateApply(options)));
  add('rollback', 'goes back to the release in the other slot')
    .addOption(restart())
    .addHelpText('after', '\nReadings and settings stay.\nExample:\n  $ sudo sluice update rollback --restart')
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateRollback(options)));
  add('restart', 'restarts the board, into the release that was applied')
    .addHelpText(
      'after',
      '\nRaspberry Pi boards try a new release only after this command.\nExample:\n  $ sudo sluice update restart',
    )
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateRestart(options)));
  add('decide', 'after a boot: keeps the running slot when the gateway is well, else restarts the board')
    .addOption(
      new Option('--within <seconds>', 'how long the gateway may take until it polls and stores')
        .argParser(wholeNumber(10, 3600))
        .default(300),
    )
    .addHelpText('after', '\nThe image calls it.\nExample:\n  $ sudo sluice update decide')
    .action(action(async (options: UpdateOptions) => (await import('./update.ts')).updateDecide(options)));
}
