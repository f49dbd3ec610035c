/** The help of every command: it fits 80 columns and shows an example. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Command } from 'commander';
import { program } from '../../../src/cli/program.ts';
import { simulateCommand } from '../../../src/cli/simulate.ts';

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)];
}

function helpOf(command: Command): string {
  const parts: string[] = [];
  command.configureOutput({ writeOut: (part) => void parts.push(part), getOutHelpWidth: () => 80 });
  command.outputHelp();
  return parts.join('');
}

/** `simulate` reads its own line, also the word `--help`. */
const OWN = ['simulate', 'rules'];

for (const command of [...all(program()).filter((c) => !OWN.includes(c.name())), simulateCommand()])
  test(`the help of ${command.parent === null ? '' : `${command.parent.name()} `}${command.name()}`, () => {
    const text = helpOf(command);
    for (const line of text.split('\n')) assert.ok([...line].length <= 80, `${[...line].length} columns: ${line}`);
    assert.match(text, /Examples?:\n {2}\$ (?:sudo )?sluice /);
  });
