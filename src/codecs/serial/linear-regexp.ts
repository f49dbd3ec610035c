/**
 * Regular expressions in linear time. A pattern comes from a configuration and meets bytes from an untrusted wire: with
 * a backtracking engine `(\d+)+x` and forty digits stop the gateway. This one follows all ways at once (Thompson, Pike):
 * at most (length of text) × (instructions) steps. It understands the JavaScript syntax (as with flag `u`) except
 * look-around and back-references, which cannot be had in linear time, and gives the same matches.
 */
import { SluiceError } from '../../core/errors.ts';

/** Instructions of a pattern; `{n,m}` multiplies. With lines of 1,024 characters: 1,024,000 steps at the very most. */
const MAX_PROGRAM = 1000;

type Test = (codePoint: number) => boolean;
type Node =
  | { readonly kind: 'char'; readonly test: Test }
  | { readonly kind: 'assert'; readonly what: '^' | '$' | 'b' | 'B' }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly options: readonly Node[] }
  | { readonly kind: 'group'; readonly index: number; readonly body: Node }
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number; readonly lazy: boolean };

type Op =
  | { readonly op: 'char'; readonly test: Test }
  | { readonly op: 'assert'; readonly what: '^' | '$' | 'b' | 'B' }
  | { readonly op: 'save'; readonly slot: number }
  /** A new round of a loop forgets what the groups in it held. */
  | { readonly op: 'forget'; readonly slots: readonly number[] }
  /** Tries `first` before `second`. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'match' };

function refuse(message: string): never {
  throw new SluiceError('config-invalid', message);
}

/** One character, a class or an escape: JavaScript itself judges single characters, which takes no backtracking. */
function charTest(source: string): Test {
  const native = new RegExp(`^${source}$`, 'u');
  const ascii = Uint8Array.from({ length: 128 }, (_, c) => (native.test(String.fromCharCode(c)) ? 1 : 0));
  return (c) => (c < 128 ? ascii[c] === 1 : native.test(String.fromCodePoint(c)));
}

class Parser {
  readonly names: (string | undefined)[] = [];
  private at = 0;
  private readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  parse(): Node {
    return this.alternatives();
  }

  private alternatives(): Node {
    const options = [this.sequence()];
    while (this.eat('|')) options.push(this.sequence());
    return options.length === 1 ? (options[0] as Node) : { kind: 'any', options };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')')
      parts.push(this.quantified(this.atom()));
    return { kind: 'all', parts };
  }

  private quantified(body: Node): Node {
    const [text = '', sign, least, comma, most, lazy] =
      /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\?)?/.exec(this.source.slice(this.at)) ?? [];
    if (text === '') return body;
    this.at += text.length;
    const min = least !== undefined ? Number(least) : sign === '+' ? 1 : 0;
    const max = least === undefined ? (sign === '?' ? 1 : Infinity) : comma === undefined ? min : most ? Number(most) : Infinity;
    if (max > 1 && mayBeEmpty(body))
      refuse(`the pattern repeats something that can be empty, before "${text}": leave out one of the two repetitions`);
    return { kind: 'repeat', body, min, max, lazy: lazy !== undefined };
  }

  private atom(): Node {
    if (this.eat('^')) return { kind: 'assert', what: '^' };
    if (this.eat('$')) return { kind: 'assert', what: '$' };
    if (this.eat('(')) return this.group();
    const rest = this.source.slice(this.at);
    const word = /^\\([bB])/.exec(rest);
    if (word) {
      this.at += 2;
      return { kind: 'assert', what: word[1] as 'b' | 'B' };
    }
    if (/^\\(?:k|[1-9])/.test(rest)) refuse('the pattern uses a back-reference (\\1, \\k<name>), which is not supported');
    const [char = ''] =
      /^(?:\[(?:\\[\s\S]|[^\]\\])*\]|\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c[a-zA-Z]|\\[pP]\{[^}]*\}|\\[\s\S]|[\s\S])/u.exec(
        rest,
      ) ?? [];
    this.at += char.length;
    return { kind: 'char', test: charTest(char) };
  }

  private group(): Node {
    const [head = '', name] = /^\?(?::|<([^>=!]+)>)/.exec(this.source.slice(this.at)) ?? [];
    if (head === '' && this.source[this.at] === '?')
      refuse('the pattern uses look-around or a flag group (?…), which is not supported');
    this.at += head.length;
    const index = head === '?:' ? undefined : this.names.push(name) - 1;
    const body = this.alternatives();
    this.at++; // the closing bracket; JavaScript has checked that it is there
    return index === undefined ? body : { kind: 'group', index, body };
  }

  private eat(char: string): boolean {
    if (this.source[this.at] !== char) return false;
    this.at++;
    return true;
  }
}

function mayBeEmpty(node: Node): boolean {
  switch (node.kind) {
    case 'char':
      return false;
    case 'assert':
      return true;
    case 'all':
      return node.parts.every(mayBeEmpty);
    case 'any':
      return node.options.some(mayBeEmpty);
    case 'group':
      return mayBeEmpty(node.body);
    case 'repeat':
      return node.min === 0 || mayBeEmpty(node.body);
  }
}

function groupsIn(node: Node): number[] {
  switch (node.kind) {
    case 'all':
      return node.parts.flatMap(groupsIn);
    case 'any':
      return node.options.flatMap(groupsIn);
    case 'group':
      return [node.index, ...groupsIn(node.body)];
    case 'repeat':
      return groupsIn(node.body);
    default:
      return [];
  }
}

function compile(root: Node): Op[] {
  const program: Op[] = [];
  const emit = <T extends Op>(op: T): T => {
    if (program.push(op) > MAX_PROGRAM) refuse('the pattern is too large: its {n,m} repetitions multiply');
    return op;
  };
  const split = (lazy: boolean) => {
    const op = emit({ op: 'split', first: program.length + 1, second: program.length + 1 });
    return (exit: number) => {
      if (lazy) op.first = exit;
      else op.second = exit;
    };
  };
  const add = (node: Node): void => {
    switch (node.kind) {
      case 'char':
        emit({ op: 'char', test: node.test });
        return;
      case 'assert':
        emit({ op: 'assert', what: node.what });
        return;
      case 'all':
        node.parts.forEach(add);
        return;
      case 'any': {
        const jumps = node.options.slice(0, -1).map((option) => {
          const otherwise = split(false);
          add(option);
          const jump = emit({ op: 'jump', to: 0 });
          otherwise(program.length);
          return jump;
        });
        add(node.options.at(-1) as Node);
        for (const jump of jumps) jump.to = program.length;
        return;
      }
      case 'group':
        emit({ op: 'save', slot: 2 * node.index });
        add(node.body);
        emit({ op: 'save', slot: 2 * node.index + 1 });
        return;
      case 'repeat': {
        const slots = groupsIn(node.body).flatMap((index) => [2 * index, 2 * index + 1]);
        const round = () => {
          if (slots.length > 0) emit({ op: 'forget', slots });
          add(node.body);
        };
        for (let i = 0; i < node.min; i++) round();
        if (node.max === Infinity) {
          const top = program.length;
          const leave = split(node.lazy);
          round();
          emit({ op: 'jump', to: top });
          leave(program.length);
        } else {
          const exits: ((exit: number) => void)[] = [];
          for (let i = node.min; i < node.max; i++) {
            exits.push(split(node.lazy));
            round();
          }
          for (const leave of exits) leave(program.length);
        }
      }
    }
  };
  add(root);
  emit({ op: 'match' });
  return program;
}

const isWord = (c: number | undefined) => c !== undefined && c < 128 && /\w/.test(String.fromCharCode(c));

export class LinearRegExp {
  /** Names of its named groups, in order. */
  readonly groups: readonly string[];
  private readonly names: readonly (string | undefined)[];
  private readonly program: readonly Op[];

  /** @throws SluiceError config-invalid with what is wrong with the pattern */
  constructor(pattern: string) {
    try {
      new RegExp(pattern, 'u');
    } catch (error) {
      refuse(`not a regular expression: ${(error as Error).message.replace(/^Invalid regular expression: /, '')}`);
    }
    const parser = new Parser(pattern);
    const root = parser.parse();
    this.names = parser.names;
    this.groups = parser.names.filter((name) => name !== undefined);
    this.program = compile(root);
  }

  /** The named groups of the first match; a group that took no part is missing. Undefined: no match. */
  exec(text: string): Map<string, string> | undefined {
    const chars = Array.from(text, (char) => char.codePointAt(0) as number);
    const slots = this.run(chars);
    if (slots === undefined) return undefined;
    const found = new Map<string, string>();
    this.names.forEach((name, i) => {
      const [from = -1, to = -1] = [slots[2 * i], slots[2 * i + 1]];
      if (name !== undefined && from >= 0 && to >= 0) found.set(name, String.fromCodePoint(...chars.slice(from, to)));
    });
    return found;
  }

  private run(chars: readonly number[]): Int32Array | undefined {
    let current: { pc: number; slots: Int32Array }[] = [];
    let best: Int32Array | undefined;
    const seen = new Int32Array(this.program.length).fill(-1);
    for (let at = 0; at <= chars.length; at++) {
      const next: typeof current = [];
      if (best === undefined) this.follow(0, new Int32Array(2 * this.names.length).fill(-1), chars, at, seen, current);
      if (current.length === 0 && best !== undefined) break;
      for (const thread of current) {
        const op = this.program[thread.pc] as Op;
        if (op.op === 'match') {
          best = thread.slots;
          break; // those behind it are of lower preference
        }
        if (op.op === 'char' && at < chars.length && op.test(chars[at] as number))
          this.follow(thread.pc + 1, thread.slots, chars, at + 1, seen, next);
      }
      current = next;
    }
    return best;
  }

  /** Adds the threads that stand at a character or at the end, in order of preference. */
  private follow(
    start: number,
    slots: Int32Array,
    chars: readonly number[],
    at: number,
    seen: Int32Array,
    out: { pc: number; slots: Int32Array }[],
  ): void {
    let pc = start;
    for (;;) {
      if (seen[pc] === at) return;
      seen[pc] = at;
      const op = this.program[pc] as Op;
      switch (op.op) {
        case 'jump':
          pc = op.to;
          continue;
        case 'split':
          this.follow(op.first, slots, chars, at, seen, out);
          pc = op.second;
          continue;
        case 'save':
          slots = slots.slice();
          slots[op.slot] = at;
          break;
        case 'forget':
          slots = slots.slice();
          for (const slot of op.slots) slots[slot] = -1;
          break;
        case 'assert':
          if (!holds(op.what, chars, at)) return;
          break;
        default:
          out.push({ pc, slots });
          return;
      }
      pc++;
    }
  }
}

function holds(what: '^' | '$' | 'b' | 'B', chars: readonly number[], at: number): boolean {
  switch (what) {
    case '^':
      return at === 0;
    case '$':
      return at === chars.length;
    default:
      return (isWord(chars[at - 1]) !== isWord(chars[at])) === (what === 'b');
  }
}
