/** What is wrong with an expression, in the words of the person who wrote it. */
import type { ASTNode } from '@marcbachmann/cel-js';
import { CALLS, isFunction, MOST_DEPTH, MOST_NODES } from './language.ts';

const TYPE_WORDS: Readonly<Record<string, string>> = {
  bool: 'true or false',
  double: 'a number',
  int: 'a whole number',
  string: 'a text',
  dyn: 'a value',
  list: 'a list',
};

export function typeWords(type: string): string {
  return TYPE_WORDS[type.replace(/^dyn<(.*)>$/, '$1').replace(/<.*$/, '')] ?? type;
}

/** Signs of other languages. */
const MEANT: Readonly<Record<string, string>> = {
  ...{ and: '&&', or: '||', not: '!', AND: '&&', OR: '||', NOT: '!', is: '==' },
  ...{ '&': '&&', '|': '||', '=': '==', '≥': '>=', '≤': '<=', '≠': '!=', '<>': '!=', '~': '!', '^': '*' },
};

const LIMITS: Readonly<Record<string, string>> = {
  maxAstNodes: `the expression has more than ${MOST_NODES} parts; split it into several rules or derived points`,
  maxDepth: `the expression is nested more than ${MOST_DEPTH} levels deep; split it into several rules or derived points`,
  maxCallArguments: 'a function takes at most 8 values',
};

/** An error of the language. `summary` and `code` are those of the package. */
export interface CelFault {
  readonly code: string;
  readonly summary: string;
}

/** @param at where in the text the fault lies */
export function faultWords({ code, summary }: CelFault, text: string, at: number): string {
  switch (code) {
    case 'unexpected_character':
    case 'unexpected_token':
    case 'expected_token':
      return unexpected(text, at);
    case 'limit_exceeded':
      return LIMITS[/^Exceeded (\w+)/.exec(summary)?.[1] ?? ''] ?? 'the expression is too long; split it into several rules';
    case 'reserved_identifier':
      return `"${wordAt(text, at)}" is a word of the language; write the point as point("${wordAt(text, at)}.…")`;
    case 'no_such_overload':
      return operands(summary);
    case 'no_matching_overload':
      return call(summary);
    case 'incompatible_ternary_branches':
      return 'both sides of the : must be of one kind: two numbers, two texts, or two that are true or false';
    case 'invalid_condition_type':
      return `the part before ? must be true or false${got(summary)}`;
    case 'invalid_logical_operand':
      return `&& and || need true or false on both sides${got(summary)}; compare it with something`;
    case 'heterogeneous_list_element':
      return 'all entries of a list must be of one kind';
    case 'unterminated_string':
    case 'unterminated_triple_quoted_string':
    case 'newline_in_string':
      return 'the text has no closing quote in its line; write "text"';
    default:
      return code.startsWith('invalid_') || code.includes('escape')
        ? 'this number or text is not written as it should be'
        : 'this cannot be read as an expression';
  }
}

function unexpected(text: string, at: number): string {
  if (text.slice(at).trim() === '') return 'the expression ends too early; something is missing after the last sign';
  const word = wordAt(text, at);
  const pair = text.slice(Math.max(0, at - 1), at + 1);
  const meant = MEANT[pair] ?? MEANT[word];
  if (meant !== undefined) return `write ${meant} instead of ${MEANT[pair] === undefined ? word : pair}`;
  if (text[at - 1] === '.')
    return `a name that begins with a digit or is a word of the language is written point("device.${word}")`;
  return `"${word}" does not belong here; is a sign (&&, ||, ==, <, +) or a bracket missing before it?`;
}

function wordAt(text: string, at: number): string {
  return /^\w+/.exec(text.slice(at, at + 40))?.[0] ?? text.slice(at, at + 1);
}

function got(summary: string): string {
  const type = /got '([^']+)'/.exec(summary)?.[1];
  return type === undefined ? '' : `; this is ${typeWords(type)}`;
}

/** `no such overload: double == string` */
function operands(summary: string): string {
  const [, left = '', op = '', right = ''] = /: (.+) (\S+) (.+)$/.exec(summary) ?? [];
  if (op === '') {
    const [, sign = '', type = ''] = /: ([!-])(.+)$/.exec(summary) ?? [];
    return `${sign} needs ${sign === '!' ? 'true or false' : 'a number'} after it; this is ${typeWords(type)}`;
  }
  const both = [left, right];
  if (both.includes('bool') && (both.includes('int') || both.includes('double'))) {
    if (op === '==' || op === '!=') return `${op} compares true or false with a number; write the point alone, or ! before it`;
    return `${op} needs numbers; a comparison gives true or false (join two of them with &&)`;
  }
  return `${op} cannot take ${typeWords(left)} and ${typeWords(right)}`;
}

/** `found no matching overload for 'abs(string)'` */
function call(summary: string): string {
  const name = /for '(?:\w+\.)?(\w+)\(/.exec(summary)?.[1] ?? '';
  return `${name}() does not take such values; ${callWords()}`;
}

/** Why a part is not of the language, though CEL knows it. @param listed it is the list of an `in` */
export function callFault(node: ASTNode, listed: boolean): string | undefined {
  switch (node.op) {
    case 'value':
      if (node.args === null) return 'null is not a value of a point; compare with something else';
      return typeof node.args === 'object' ? 'write whole numbers without u, and texts without b' : undefined;
    case 'call':
    case 'rcall': {
      const name = node.args[0];
      if (name === 'point' && node.op === 'call') return 'write the name of one point in quotes: point("pump-1.running")';
      if (name === 'has') return 'has() is not available; a bad input says nothing by itself, so it needs no test';
      return isFunction(name, node.op === 'rcall') ? undefined : `${name}() is not available here; ${callWords()}`;
    }
    case 'list':
      return listed ? undefined : 'a list is only written after in: pump.mode in [1, 2]';
    case 'in':
      return node.args[1].op === 'list' ? undefined : 'write a list after in: pump.mode in [1, 2]';
    case '.':
    case '.?':
    case '[]':
    case '[?]':
    case 'map':
      return 'a point has no parts; write device.point';
    default:
      return undefined;
  }
}

function callWords(): string {
  return `the functions are ${CALLS.map((name) => `${name}()`).join(', ')} and point("device.point")`;
}
