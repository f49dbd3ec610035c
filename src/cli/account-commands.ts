/** `sluice user`, `sluice token` and `sluice claim`: what they are called and what their help says. */
import { type Command, Option } from 'commander';
import { PEOPLE_ROLES } from '../access/roles.ts';
import type { ClaimOptions } from './claim.ts';
import { action, config, json, socket } from './command-parts.ts';
import type { RunningOptions } from './running.ts';
import type { TokenAddOptions } from './token.ts';
import type { PasswordOptions, UserAddOptions } from './user.ts';

const ROLES = PEOPLE_ROLES.join(', ');
const passwordStdin = () => new Option('--password-stdin', 'read the password from standard input, not from the terminal');
const collect = (topic: string, before: readonly string[] = []): string[] => [...before, topic];

export function accountCommands(sluice: Command): void {
  const user = sluice
    .command('user')
    .description('people and MQTT devices that may log in to a running gateway')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice user add anna --role administrator\n  $ sluice user add plug-1 --device --publish "tele/plug-1/#"\n  $ sluice user list',
    );
  user
    .command('add')
    .argument('<name>', 'small letters, digits and _ . @ -')
    .description('adds a person, or with --device something that speaks MQTT')
    .addOption(new Option('--role <role>', 'of a person (default: viewer)').choices(PEOPLE_ROLES))
    .option('--device', 'an MQTT device: its password is made and shown once')
    .option('--publish <topic>', 'a topic filter that the device may publish to; repeat it for more', collect)
    .option('--subscribe <topic>', 'a topic filter that it may subscribe to; repeat it for more', collect)
    .option('--certificate <file>', 'no password: the client certificate (PEM), or its SHA-256')
    .addOption(passwordStdin())
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nThe password of a person is asked for on the terminal. Only the password of a\ndevice is printed on standard output. Root and the user of the gateway may do\nthis.\nExamples:\n  $ sluice user add anna --role administrator\n  $ sluice user add ben --role operator --password-stdin < password.txt\n  $ sluice user add zigbee --device --publish "zigbee2mqtt/#" \\\n      --subscribe "zigbee2mqtt/#"\n  $ sluice user add meter-1 --device --certificate meter-1.crt --publish "m1/#"',
    )
    .action(action(async (name: string, options: UserAddOptions) => (await import('./user.ts')).userAdd(name, options)));
  user
    .command('list')
    .description('people with their roles, and devices with their topics')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice user list')
    .action(action(async (options: RunningOptions) => (await import('./user.ts')).userList(options)));
  user
    .command('passwd')
    .argument('<name>', 'a person, or a device with a password')
    .description('a new password; of a device it is made and shown once')
    .addOption(passwordStdin())
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nIt ends the sessions and connections of this name.\nExamples:\n  $ sluice user passwd anna\n  $ sluice user passwd plug-1',
    )
    .action(action(async (name: string, options: PasswordOptions) => (await import('./user.ts')).userPassword(name, options)));
  user
    .command('role')
    .argument('<name>', 'a person')
    .argument('<role>', ROLES)
    .description('gives a person another role')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nIt ends the sessions of this person.\nExample:\n  $ sluice user role ben operator')
    .action(
      action(async (name: string, role: string, options: RunningOptions) =>
        (await import('./user.ts')).userRole(name, role, options),
      ),
    );
  user
    .command('remove')
    .argument('<name>', 'a person or a device')
    .description('removes a person or a device, and ends its sessions and connections')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nThe last administrator cannot be removed.\nExample:\n  $ sluice user remove ben')
    .action(action(async (name: string, options: RunningOptions) => (await import('./user.ts')).userRemove(name, options)));

  const token = sluice
    .command('token')
    .description('tokens with which programs log in to a running gateway')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice token add exporter --role viewer --expires 90d\n  $ sluice token list\n  $ sluice token remove exporter',
    );
  token
    .command('add')
    .argument('<name>', 'small letters, digits and _ . @ -')
    .description('makes a token and prints it once')
    .addOption(new Option('--role <role>', ROLES).default('viewer'))
    .addOption(new Option('--expires <duration>', 'how long it lasts: 1m to 3650d').default('365d'))
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nOnly the token is printed on standard output; it is not shown again.\nExamples:\n  $ sluice token add exporter --expires 90d\n  $ sluice token add grafana --role viewer > grafana.token',
    )
    .action(action(async (name: string, options: TokenAddOptions) => (await import('./token.ts')).tokenAdd(name, options)));
  token
    .command('list')
    .description('tokens with their roles and ends')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice token list')
    .action(action(async (options: RunningOptions) => (await import('./token.ts')).tokenList(options)));
  token
    .command('remove')
    .argument('<name>', 'the name of a token, or its id')
    .description('removes a token, and ends its connections')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice token remove exporter')
    .action(action(async (name: string, options: RunningOptions) => (await import('./token.ts')).tokenRemove(name, options)));

  sluice
    .command('claim')
    .description('shows the code with which the first administrator is made')
    .option('--again', 'remove every user, device and token, and make a new code')
    .option('--yes', 'with --again: do not ask')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nRoot and the user of the gateway may see it. A claimed gateway has none.\nExamples:\n  $ sluice claim\n  $ sluice claim --again',
    )
    .action(action(async (options: ClaimOptions) => (await import('./claim.ts')).claim(options)));
}
