/** The command table of the program, as completion and manual pages need it. Hidden commands and options stay out. */
import type { EventEmitter } from 'node:events';
import type { Argument, Command, Option } from 'commander';

export interface TableOption {
  /** `-c, --config <file>`. */
  readonly flags: string;
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly about: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  /** Its value is the name of a file or folder. */
  readonly path: boolean;
  /** Words for the value that holds where none is given. */
  readonly standard: string | undefined;
}

export interface TableCommand {
  /** `sluice profile list`. */
  readonly words: readonly string[];
  readonly about: string;
  readonly usage: string;
  readonly options: readonly TableOption[];
  readonly arguments: readonly { readonly name: string; readonly about: string; readonly path: boolean }[];
  readonly commands: readonly TableCommand[];
  /** What its help says at the end: examples, exit status. */
  readonly after: string;
}

const PATHS = /<(?:file|path|dir|folder|bundle)>|\[(?:file|path|dir|folder)\]/i;
const HELP: TableOption = {
  flags: '-h, --help',
  ...{
    short: '-h',
    long: '--help',
    about: 'display help for command',
    takesValue: false,
    choices: [],
    path: false,
    standard: undefined,
  },
};

export function tableOf(command: Command, before: readonly string[] = []): TableCommand {
  const words = [...before, command.name()];
  const shown = command.createHelp().visibleCommands(command);
  return {
    words,
    about: command.description(),
    usage: command.usage(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(option), HELP],
    arguments: command.registeredArguments.map(argument),
    commands: shown.filter((one) => one.name() !== 'help').map((one) => tableOf(one, words)),
    after: afterOf(command),
  };
}

function option(one: Option): TableOption {
  return {
    ...{ flags: one.flags, short: one.short, long: one.long, about: one.description },
    takesValue: one.required || one.optional,
    choices: one.argChoices ?? [],
    path: PATHS.test(one.flags),
    standard: one.defaultValueDescription ?? (typeof one.defaultValue === 'string' ? one.defaultValue : undefined),
  };
}

function argument(one: Argument): TableCommand['arguments'][number] {
  return { name: one.name(), about: one.description, path: PATHS.test(`<${one.name()}>`) };
}

/** The text of addHelpText: commander keeps it as listeners that write it. */
function afterOf(command: Command): string {
  let text = '';
  (command as Command & EventEmitter).emit('afterHelp', { error: false, command, write: (part: string) => (text += part) });
  return text.trim();
}
