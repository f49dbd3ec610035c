/** Manual pages, from the command table: one for the program, and one for each of its commands with those below it. */
import type { Command } from 'commander';
import { type TableCommand, tableOf } from './commands.ts';

/** @returns names of files (`sluice-run.1`) and their texts */
export function manPages(sluice: Command, about: { readonly version: string; readonly date: Date }): [string, string][] {
  const table = tableOf(sluice);
  const head = (name: string): string =>
    `.TH ${name.toUpperCase()} 1 "${about.date.toISOString().slice(0, 10)}" "sluice ${about.version}" "Sluice"\n`;
  const overview = [
    head('sluice'),
    section('NAME', `sluice \\- ${plain(firstWords(table.about))}`),
    section('SYNOPSIS', `.B sluice\n.I command\n[\\fIoptions\\fR]`),
    section('DESCRIPTION', plain(table.about)),
    section(
      'COMMANDS',
      table.commands.map(({ words, about: words2 }) => item(`sluice\\-${plain(words.at(-1) ?? '')}(1)`, words2)).join(''),
    ),
    optionsOf(table),
    after(table),
    section(
      'FILES',
      item('/etc/sluice/gateway.yaml', 'the configuration') +
        item('/var/lib/sluice', 'the log, the accounts, and everything else that the gateway keeps') +
        item('/run/sluice', 'the tail of the log that is not on the disk yet'),
    ),
    section(
      'EXIT STATUS',
      item('0', 'done') +
        item('1', 'failed') +
        item('2', 'the command was not understood') +
        item('78', 'the configuration was refused'),
    ),
  ];
  return [
    ['sluice.1', overview.join('')],
    ...table.commands.map((command): [string, string] => [`sluice-${command.words.at(-1)}.1`, page(command, head)]),
  ];
}

function page(command: TableCommand, head: (name: string) => string): string {
  const name = command.words.join('-');
  return [
    head(name),
    section('NAME', `${plain(name)} \\- ${plain(firstWords(command.about))}`),
    section('SYNOPSIS', synopsis(command)),
    section('DESCRIPTION', `${plain(command.about)}\n`),
    argumentsOf(command),
    ...command.commands.map((one) =>
      section(one.words.slice(1).join(' ').toUpperCase(), `${synopsis(one)}\n.PP\n${plain(one.about)}\n${list(one)}`),
    ),
    optionsOf(command),
    after(command),
    ...command.commands.filter((one) => one.after !== '').map((one) => after(one)),
    section('SEE ALSO', '.BR sluice (1)'),
  ].join('');
}

function synopsis(command: TableCommand): string {
  return `.B ${plain(command.words.join(' '))}\n${plain(command.usage)}`;
}

function argumentsOf(command: TableCommand): string {
  const known = command.arguments.filter(({ about }) => about !== '');
  return known.length === 0 ? '' : section('ARGUMENTS', known.map(({ name, about }) => item(name, about)).join(''));
}

function optionsOf(command: TableCommand): string {
  return section('OPTIONS', list(command));
}

function list({ options }: TableCommand): string {
  return options
    .map(({ flags, about, choices, standard }) => {
      const more = [
        ...(choices.length === 0 ? [] : [`choices: ${choices.join(', ')}`]),
        ...(standard === undefined ? [] : [`default: ${standard}`]),
      ];
      return item(flags, `${about}${more.length === 0 ? '' : ` (${more.join('; ')})`}`);
    })
    .join('');
}

/** The text that the help has at its end, with its line breaks. */
function after({ after: text, words }: TableCommand): string {
  return text === '' ? '' : section(`EXAMPLES AND NOTES OF ${words.join(' ').toUpperCase()}`, `.nf\n${plain(text)}\n.fi`);
}

function section(name: string, body: string): string {
  return `.SH ${/\s/.test(name) ? `"${name}"` : name}\n${body.trimEnd()}\n`;
}

function item(name: string, text: string): string {
  return `.TP\n.B ${plain(name)}\n${plain(text)}\n`;
}

/** Words in the line NAME are without a stop at the end. */
function firstWords(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/\.$/, '');
}

/** A line that begins with a point or an apostrophe would be a command of roff, and a plain hyphen a typographic one. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}
