/**
 * Reads a page that a person follows by hand as a list of steps, so that a test can follow it too.
 *
 * - A `console` block is typed: lines after `$ ` are commands, the lines below are what they show. `^C` ends a command that
 *   runs on.
 * - A comment `<!-- walk: … -->` before a block says what else it is:
 *   `until`            each command is repeated until it shows this
 *   `terminal NAME`    the last command runs on in a terminal of that name; the lines below it are its first ones
 *   `type NAME`        the first line is typed into that terminal, the others are what it answers
 *   `shows NAME`       what that terminal shows next
 *   `save FILE`        the block is the content of a file
 *   `edit FILE`        each row of the table is a text of the file and what it becomes; `edit FILE as root` only for root
 *   `by hand`          nothing follows this block but people
 * - `stop NAME` presses Ctrl-C in a terminal, `kill NAME` ends its program hard, `private A B …` names ports and paths that a
 *   test replaces by its own. These stand alone.
 * - A line `…` stands for any lines, `…` within a line for any text.
 */

export interface Command {
  /** Its line in the page, counted from 1. */
  readonly line: number;
  readonly command: string;
  readonly output: readonly string[];
  /** It runs until Ctrl-C. */
  readonly interrupted: boolean;
}

export type Step = { readonly line: number } & (
  | { readonly kind: 'run'; readonly commands: readonly Command[]; readonly until: boolean }
  | { readonly kind: 'terminal'; readonly name: string; readonly before: readonly Command[]; readonly command: Command }
  | { readonly kind: 'type'; readonly name: string; readonly output: readonly string[] }
  | { readonly kind: 'shows'; readonly name: string; readonly output: readonly string[] }
  | { readonly kind: 'save'; readonly file: string; readonly text: string }
  | { readonly kind: 'edit'; readonly file: string; readonly changes: readonly Change[]; readonly asRoot: boolean }
  | { readonly kind: 'stop' | 'kill'; readonly name: string }
);

export interface Change {
  readonly from: string;
  readonly to: string;
}

export interface Page {
  readonly steps: readonly Step[];
  /** Ports and paths that a test replaces by its own. */
  readonly own: readonly string[];
}

/** What follows a directive: a fenced block or a table. `line` is that of the fence or of the first row. */
interface Block {
  readonly line: number;
  readonly language: string;
  readonly lines: readonly string[];
}

const FENCE = /^( *)```(\S*)$/;
const DIRECTIVE = /^<!-- walk: (.*) -->$/;

/** @throws Error with file and line, for what this convention does not know */
export function readPage(text: string, file: string): Page {
  const lines = text.split('\n');
  const steps: Step[] = [];
  const own: string[] = [];
  const started = new Set<string>();
  let directive: { words: string[]; line: number } | undefined;
  const refuse = (line: number, why: string): never => {
    throw new Error(`${file}:${line}: ${why}`);
  };
  const take = (block: Block): void => {
    const { words = [], line } = directive ?? { line: block.line };
    directive = undefined;
    const step = stepOf(words, block, (why) => refuse(line, why));
    if (step === undefined) return;
    if (step.kind === 'terminal') started.add(step.name);
    else if ('name' in step && !started.has(step.name)) refuse(line, `no terminal ${step.name} was started before`);
    steps.push(step);
  };

  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const said = DIRECTIVE.exec(line)?.[1]?.split(' ');
    const fence = FENCE.exec(line);
    if (said !== undefined) {
      if (directive !== undefined) refuse(directive.line, 'this comment is before no block');
      const [word = '', name = ''] = said;
      if (word === 'private') own.push(...said.slice(1));
      else if (word === 'stop' || word === 'kill') {
        if (!started.has(name)) refuse(i + 1, `no terminal ${name} was started before`);
        steps.push({ line: i + 1, kind: word, name });
      } else directive = { words: said, line: i + 1 };
    } else if (fence !== null) {
      const [, indent = '', language = ''] = fence;
      const end = lines.indexOf(`${indent}\`\`\``, i + 1);
      if (end < 0) refuse(i + 1, 'this block does not end');
      if (indent !== '' && (language === 'console' || language === 'text')) refuse(i + 1, 'write this block without an indent');
      if (indent === '') take({ line: i + 1, language, lines: lines.slice(i + 1, end) });
      i = end;
    } else if (line.startsWith('|')) {
      const end = lines.findIndex((l, at) => at > i && !l.startsWith('|'));
      const last = end < 0 ? lines.length : end;
      if (directive !== undefined) take({ line: i + 1, language: 'table', lines: lines.slice(i + 2, last) });
      i = last - 1;
    } else if (line !== '' && directive !== undefined) refuse(directive.line, 'this comment is before no block');
  }
  if (directive !== undefined) refuse(directive.line, 'this comment is before no block');
  return { steps, own };
}

/** @returns undefined for a block that is there to be read only */
function stepOf(words: readonly string[], block: Block, refuse: (why: string) => never): Step | undefined {
  const [word = '', name = '', ...rest] = words;
  const { line, language, lines } = block;
  const needs = (wanted: string) => (language === wanted ? undefined : refuse(`"${word}" stands before a ${wanted} block`));
  switch (word) {
    case '':
      if (language === 'text') refuse('say in a comment which terminal shows this, or that it is followed by hand');
      return language === 'console' ? { line, kind: 'run', commands: commandsOf(block, refuse), until: false } : undefined;
    case 'until':
      needs('console');
      return { line, kind: 'run', commands: commandsOf(block, refuse), until: true };
    case 'terminal': {
      needs('console');
      const before = commandsOf(block, refuse);
      const command = before.pop() ?? refuse('this block has no command');
      return { line, kind: 'terminal', name, before, command };
    }
    case 'type':
    case 'shows':
      needs('text');
      return { line, kind: word, name, output: lines };
    case 'save':
      return { line, kind: 'save', file: name, text: lines.map((l) => `${l}\n`).join('') };
    case 'edit':
      needs('table');
      return {
        line,
        kind: 'edit',
        file: name,
        changes: lines.map((l) => changeOf(l, refuse)),
        asRoot: rest.join(' ') === 'as root',
      };
    case 'by':
      return undefined;
    default:
      return refuse(`"${words.join(' ')}" is not known here`);
  }
}

function commandsOf({ line, lines }: Block, refuse: (why: string) => never): Command[] {
  const commands: { line: number; command: string; output: string[]; interrupted: boolean }[] = [];
  for (const [i, text] of lines.entries()) {
    const now = commands.at(-1);
    if (text.startsWith('$ ')) commands.push({ line: line + 1 + i, command: text.slice(2), output: [], interrupted: false });
    else if (now === undefined) refuse('a console block begins with a command');
    else if (text === '^C') now.interrupted = true;
    else now.output.push(text);
  }
  return commands;
}

/** `| this | becomes that |`, both as code. */
function changeOf(row: string, refuse: (why: string) => never): Change {
  const [, from, to] = /^\| `([^`]+)` \| `([^`]+)` \|$/.exec(row) ?? [];
  return from === undefined || to === undefined ? refuse(`write both as code: ${row}`) : { from, to };
}
