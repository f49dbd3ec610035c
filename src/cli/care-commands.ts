/** `sluice backup`, `sluice restore`, `sluice factory-reset`, `sluice doctor` and `sluice bundle`: their options and their help. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { BackupOptions, RestoreOptions } from './care/backup.ts';
import type { ResetOptions } from './care/factory-reset.ts';
import type { SupportCommand } from './care/support.ts';
import { action, config, json, socket } from './command-parts.ts';
import type { RunningOptions } from './running.ts';

const passphrase = () => new Option('--passphrase-file <file>', 'a file whose first line is the passphrase');
const yes = () => new Option('--yes', 'do not ask');

export function careCommands(sluice: Command): void {
  sluice
    .command('doctor')
    .description('checks ports, permissions, clock, disk, memory, network and weak settings; changes nothing')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nIt works with a running gateway and without. Root sees more: who holds a port,\nand the health of an SSD.\nExit status: 0 nothing is wrong, 1 something is to be done,\n78 there is no configuration that can be used.\nExamples:\n  $ sluice doctor\n  $ sluice doctor -c site/gateway.yaml --json',
    )
    .action(action(async (options: RunningOptions) => (await import('./care/doctor.ts')).doctor(options)));
  sluice
    .command('bundle')
    .argument('[file]', 'the file, or a folder (default: sluice-support-ID-DATE.tar.gz in this folder)')
    .description('writes one file for somebody who helps: configuration, status, check, figures, journal; no secrets')
    .addOption(config())
    .addOption(socket())
    .option('--list', 'shows what it would contain, and writes nothing')
    .addOption(json())
    .addHelpText(
      'after',
      '\nPasswords, keys, names of places and coordinates are taken out.\nA bundle of readings is another thing: sluice export --bundle.\nExamples:\n  $ sluice bundle --list\n  $ sluice bundle /media/stick',
    )
    .action(
      action(async (file: string | undefined, options: SupportCommand) =>
        (await import('./care/support.ts')).supportBundle(file, options),
      ),
    );
  sluice
    .command('backup')
    .argument('[file]', 'the file, or a folder (default: ID-DATE.sluice-backup in this folder)')
    .description('saves configuration, accounts, keys, flows and cursors of a running or a stopped gateway')
    .addOption(config())
    .option('--with-log', 'with the readings')
    .option('--encrypt', 'asks for a passphrase; nobody opens it without')
    .addOption(passphrase())
    .addOption(json())
    .addHelpText(
      'after',
      '\nRun it as root or as the user of the gateway. A backup holds passwords and keys:\nencrypt it, or keep it where only you can read it.\nExamples:\n  $ sluice backup\n  $ sudo sluice backup /media/stick --encrypt\n  $ sudo sluice backup --with-log --passphrase-file /root/phrase.txt',
    )
    .action(
      action(async (file: string | undefined, options: BackupOptions) =>
        (await import('./care/backup.ts')).backup(file, options),
      ),
    );
  sluice
    .command('restore')
    .argument('<file>', 'a backup')
    .description('puts a backup back, on this board or on a new one; the gateway must be stopped')
    .addOption(config())
    .addOption(passphrase())
    .addOption(yes())
    .option('--list', 'shows what is in it, and changes nothing')
    .addOption(json())
    .addHelpText(
      'after',
      '\nThe gateway begins a new log, so no sequence number is used twice. A power cut\nleaves the old gateway or the new one.\nExit status: 0 restored, 1 refused, 2 usage, 78 its configuration is refused.\nExamples:\n  $ sluice restore --list ghat-1.sluice-backup\n  $ sudo systemctl stop sluice\n  $ sudo sluice restore ghat-1.sluice-backup -c /etc/sluice/gateway.yaml\n  $ sudo systemctl start sluice',
    )
    .action(
      action(async (file: string, options: RestoreOptions) => (await import('./care/backup.ts')).restoreBackup(file, options)),
    );
  sluice
    .command('factory-reset')
    .description('erases readings, accounts, keys and the configuration; the gateway must be stopped')
    .addOption(config())
    .addOption(yes())
    .option('--fill-disk', 'also writes zeros into all free space once; slow, and wears a card')
    .addOption(json())
    .addHelpText(
      'after',
      '\nThe next run, or the next start, finishes a run that was interrupted.\nExample:\n  $ sluice factory-reset -c site/gateway.yaml\n  $ sudo systemctl stop sluice && sudo sluice factory-reset',
    )
    .action(action(async (options: ResetOptions) => (await import('./care/factory-reset.ts')).resetGateway(options)));
}
