/** Completion for bash, zsh and fish, from the command table. It needs no program at run time: the words are in the file. */
import type { Command } from 'commander';
import { type TableCommand, type TableOption, tableOf } from './commands.ts';

/** Names with blanks stay whole: one line is one name. */
const FILES = `mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$word")`;

const HEAD = '# Made from the command table of sluice. Changes here are lost.';

export function completions(sluice: Command): { bash: string; zsh: string; fish: string } {
  const table = tableOf(sluice);
  const all = flat(table);
  return { bash: bash(all), zsh: zsh(all), fish: fish(all) };
}

function flat(table: TableCommand): TableCommand[] {
  return [table, ...table.commands.flatMap(flat)];
}

const keyOf = ({ words }: TableCommand): string => words.slice(1).join(' ');
const flagsOf = (options: readonly TableOption[]): string[] =>
  options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));

function bash(all: readonly TableCommand[]): string {
  const path = all.filter(({ commands }) => commands.length > 0);
  const values = new Map<string, string>();
  for (const { options } of all)
    for (const option of options.filter(({ takesValue }) => takesValue))
      for (const flag of flagsOf([option]))
        if (option.choices.length > 0) values.set(flag, `COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$word"))`);
        else if (option.path) values.set(flag, FILES);
        else if (!values.has(flag)) values.set(flag, 'COMPREPLY=()');
  const arms = [...values].map(([flag, body]) => `    ${flag}) ${body}; return ;;`);
  return `# bash completion for sluice
${HEAD}
_sluice() {
  COMPREPLY=()
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} path= i
  compopt -o filenames 2>/dev/null
  case $before in
${arms.join('\n')}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path\${path:+ }\${COMP_WORDS[i]}" in
${wrap(all.filter((one) => keyOf(one) !== '').map((one) => `'${keyOf(one)}'`))}
        path="$path\${path:+ }\${COMP_WORDS[i]}" ;;
    esac
  done
  local words=
  case $path in
${all
  .map(
    (one) =>
      `    '${keyOf(one)}') words='${[...one.commands.map(({ words }) => words.at(-1)), ...flagsOf(one.options)].join(' ')}' ;;`,
  )
  .join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  case $path in
${wrap(path.map((one) => `'${keyOf(one)}'`))} ;;
    *) [[ $word == -* ]] || ${FILES} ;;
  esac
}
complete -F _sluice sluice
`;
}

/** Alternatives of a case, and the closing bracket. */
function wrap(patterns: readonly string[]): string {
  return `      ${patterns.join(' | ')})`;
}

function zsh(all: readonly TableCommand[]): string {
  const text = (words: string): string => words.replaceAll("'", "'\\''").replace(/([:[\]])/g, '\\$1');
  const specs = (one: TableCommand): string[] =>
    one.options.flatMap((option) =>
      flagsOf([option]).map((flag) => {
        const value =
          option.choices.length > 0 ? `:value:(${option.choices.join(' ')})` : option.path ? ':file:_files' : ':value: ';
        return `'${flag}[${text(option.about)}]${option.takesValue ? value : ''}'`;
      }),
    );
  const name = (one: TableCommand): string => `_${one.words.join('_').replaceAll('-', '_')}`;
  const functions = all.map((one) => {
    const list = specs(one).map((spec) => `    ${spec} \\`);
    if (one.commands.length === 0) return `${name(one)}() {\n  _arguments -s \\\n${list.join('\n')}\n    '*:file:_files'\n}`;
    return `${name(one)}() {
  local -a commands=(
${one.commands.map(({ words, about }) => `    '${text(words.at(-1) ?? '')}:${text(about)}'`).join('\n')}
  )
  local context state state_descr line
  typeset -A opt_args
  _arguments -C -s \\
${list.join('\n')}
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command) _describe 'command' commands ;;
    argument)
      case $line[1] in
${one.commands.map((command) => `        ${command.words.at(-1)}) ${name(command)} ;;`).join('\n')}
      esac ;;
  esac
}`;
  });
  return `#compdef sluice
${HEAD}
${functions.join('\n')}
_sluice "$@"
`;
}

function fish(all: readonly TableCommand[]): string {
  const quote = (words: string): string => `'${words.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = all.flatMap((one) => {
    const key = keyOf(one);
    const when = `-n ${quote(`__sluice_at ${quote(key).slice(1, -1)}`)}`;
    const commands = one.commands.map(
      ({ words, about }) => `complete -c sluice -f ${when} -a ${words.at(-1)} -d ${quote(about)}`,
    );
    const options = one.options.map((option) => {
      const flags = [
        ...(option.short === undefined ? [] : [`-s ${option.short.slice(1)}`]),
        ...(option.long === undefined ? [] : [`-l ${option.long.slice(2)}`]),
      ].join(' ');
      const value = !option.takesValue
        ? ''
        : option.choices.length > 0
          ? ` -x -a ${quote(option.choices.join(' '))}`
          : option.path
            ? ' -r -F'
            : ' -x';
      return `complete -c sluice ${when} ${flags}${value} -d ${quote(option.about)}`;
    });
    return [...commands, ...options];
  });
  return `# fish completion for sluice
${HEAD}
# True where the commands so far are exactly these.
function __sluice_at
    set -l so_far
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        set -l next $so_far $word
        contains -- "$next" ${all.map((one) => quote(keyOf(one))).join(' ')}; and set so_far $next
    end
    test "$so_far" = "$argv"
end
${lines.join('\n')}
`;
}
