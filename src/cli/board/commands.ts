/** `sluice board list`, `show`, `check`, `identify`: which board this is, its ports, its LED. */
import type { Command } from 'commander';
import { action, json, wholeNumber } from '../command-parts.ts';
import type { BoardOptions } from './board.ts';

const ROOT = ['--root <dir>', 'looks at another root than this machine, for example a mounted card', ''] as const;
const CONFIG = ['-c, --config <file>', 'the configuration that names the board, its HATs and the ports in use'] as const;

export function boardCommands(sluice: Command): void {
  const board = sluice
    .command('board')
    .description('the board: its serial ports, LED, clock, watchdog, and what fits into its memory')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice board show\n  $ sluice board check -c site/gateway.yaml\n  $ sluice board list',
    );
  board
    .command('list')
    .description('lists the boards and HATs that are known')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  $ sluice board list\n  $ sluice board list --json')
    .action(action(async (options: { json?: boolean }) => (await import('./board.ts')).boardList(options)));
  board
    .command('show')
    .argument('[name]', 'a board or HAT of the list (default: this machine)')
    .description('shows this board, or another one: ports for `port: board:NAME`, LED, clock, watchdog, sources')
    .option(...CONFIG)
    .option(...ROOT)
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  $ sluice board show\n  $ sluice board show revpi-connect4')
    .action(
      action(async (name: string | undefined, options: BoardOptions) => (await import('./board.ts')).boardShow(name, options)),
    );
  board
    .command('check')
    .description('checks that ports, LED, clock and watchdog of this board are there and may be used')
    .option(...CONFIG)
    .option(...ROOT)
    .addOption(json())
    .addHelpText(
      'after',
      '\nA missing port that the configuration uses is a fault; all else is a note.\nExit status: 0 no fault, 1 a fault, 78 the configuration is refused.\nExamples:\n  $ sluice board check\n  $ sluice board check -c site/gateway.yaml --json',
    )
    .action(action(async (options: BoardOptions) => (await import('./board.ts')).boardCheck(options)));
  board
    .command('identify')
    .description('makes the LED of this board blink very fast, so that a person finds the board among others')
    .option('--seconds <n>', 'how long', wholeNumber(1, 600), 20)
    .option(...CONFIG)
    .option(...ROOT)
    .addHelpText(
      'after',
      '\nThe LED then shows the state of the gateway again. It needs root.\nExample:\n  $ sudo sluice board identify',
    )
    .action(action(async (options: BoardOptions & { seconds: number }) => (await import('./board.ts')).boardIdentify(options)));
}
