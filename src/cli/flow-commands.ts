/** `sluice flows`: what its commands are called and what their help says. */
import { type Command, InvalidArgumentError } from 'commander';
import { action, config, json, socket } from './command-parts.ts';
import type { RunningOptions } from './running.ts';

const number = (text: string): number => {
  if (!/^\d{1,12}$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError('Write the number of a revision; sluice flows list shows them.');
  return Number(text);
};

export function flowCommands(sluice: Command): void {
  const flows = sluice
    .command('flows')
    .description('the flows of Node-RED: their revisions, undo, restart, import, export, and flows that come with the gateway')
    .addHelpText(
      'after',
      '\nMembers of the group sluice and root may do this.\nExamples:\n  $ sluice flows list\n  $ sluice flows undo\n  $ sluice flows load sms-gateway',
    );
  const add = (name: string, says: string): Command =>
    flows.command(name).description(says).addOption(config()).addOption(socket()).addOption(json());
  add('list', 'lists the revisions: who deployed, when, and what changed; * is what Node-RED has now')
    .addHelpText('after', '\nExample:\n  $ sluice flows list')
    .action(action(async (options: RunningOptions) => (await import('./flows.ts')).flowsList(options)));
  add('show', 'shows a revision with its tabs (default: the newest)')
    .argument('[revision]', 'its number', number)
    .addHelpText('after', '\nExample:\n  $ sluice flows show 12')
    .action(
      action(async (revision: number | undefined, options: RunningOptions) =>
        (await import('./flows.ts')).flowsShow(revision, options),
      ),
    );
  add('undo', 'puts the flows back to those before the last deploy; again: further back')
    .addHelpText('after', '\nThe passwords of nodes come back too. It ends safe mode.\nExample:\n  $ sluice flows undo')
    .action(action(async (options: RunningOptions) => (await import('./flows.ts')).flowsUndo(options)));
  add('restore', 'puts the flows back to a revision')
    .argument('<revision>', 'its number', number)
    .addHelpText('after', '\nExample:\n  $ sluice flows restore 9')
    .action(
      action(async (revision: number, options: RunningOptions) => (await import('./flows.ts')).flowsRestore(revision, options)),
    );
  add('restart', 'ends Node-RED and starts it again with the same flows')
    .addHelpText(
      'after',
      '\nIt waits until Node-RED passes messages again. It does not end safe mode:\nundo the last deploy for that.\nExample:\n  $ sluice flows restart',
    )
    .action(action(async (options: RunningOptions) => (await import('./flows.ts')).flowsRestart(options)));
  add('export', 'prints the flows of now or of a revision, as Node-RED imports them; without passwords')
    .argument('[revision]', 'its number', number)
    .option('-o, --output <file>', 'a new file')
    .addHelpText('after', '\nExamples:\n  $ sluice flows export > flows.json\n  $ sluice flows export 9 -o before.json')
    .action(
      action(async (revision: number | undefined, options: RunningOptions & { output?: string }) =>
        (await import('./flows.ts')).flowsExport(revision, options),
      ),
    );
  add('import', 'adds the flows of a file beside those that are there, with fresh ids')
    .argument('<file>', 'an export of Node-RED')
    .option('--replace', 'in place of all flows; undo brings them back')
    .addHelpText(
      'after',
      '\nTypes of nodes that Node-RED lacks are named, and nothing changes then.\nExamples:\n  $ sluice flows import flows.json\n  $ sluice flows import flows.json --replace',
    )
    .action(
      action(async (file: string, options: RunningOptions & { replace?: boolean }) =>
        (await import('./flows.ts')).flowsImport(file, options),
      ),
    );
  add('examples', 'lists the flows that come with the gateway')
    .addHelpText('after', '\nExample:\n  $ sluice flows examples')
    .action(action(async (options: RunningOptions) => (await import('./flows.ts')).flowsExamples(options)));
  add('load', 'adds a flow that comes with the gateway, as tabs of its own')
    .argument('<name>', 'its name: sluice flows examples')
    .addHelpText('after', '\nExample:\n  $ sluice flows load sms-gateway')
    .action(action(async (name: string, options: RunningOptions) => (await import('./flows.ts')).flowsLoad(name, options)));
}
