/** Reads an expression as it stands in the configuration: what it names, whether it is within the bounds, and what it gives. */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { KnownPoints } from '../../config/kinds.ts';
import {
  type CelType,
  celType,
  environment,
  MOST_COST,
  MOST_DEPTH,
  MOST_INPUTS,
  MOST_TEXT,
  partsOf,
  variable,
} from './language.ts';
import { callFault, faultWords, typeWords } from './words.ts';
import { write } from './write.ts';

/** An expression that may be evaluated. Plain data. */
export interface Expression {
  /** As a person wrote it. */
  readonly text: string;
  /** What is evaluated: the same with variables for points. */
  readonly run: string;
  /** In the order in which the text names them first. */
  readonly inputs: readonly { readonly point: string; readonly type: CelType }[];
}

export interface ExpressionFault {
  /** Letters of the text before it. */
  readonly at: number;
  readonly message: string;
}

/** @param gives what the expression must be */
export function readExpression(
  text: string,
  gives: 'bool' | 'number',
  points: KnownPoints,
): Expression | readonly ExpressionFault[] {
  if (text.trim() === '')
    return [{ at: 0, message: 'the expression is empty; write for example tank.level < 0.5 && pump.running' }];
  if (text.length > MOST_TEXT)
    return [
      { at: MOST_TEXT, message: `the expression has ${text.length} letters; at most ${MOST_TEXT}. Split it into several rules` },
    ];
  const { read } = environment();
  const tree = attempt(() => read.parse(text).ast);
  if ('fault' in tree) return [known(text, points, located(tree.fault, text))];
  const reader = new Reader(text, points);
  reader.walk(tree.value, false);
  if (reader.faults.length > 0) return reader.faults;
  if (reader.inputs.length === 0)
    return [{ at: 0, message: 'the expression names no point, so it never changes; write device.point' }];
  const plain = read.parse(reader.plain());
  const checked = plain.check();
  if (!checked.valid) return [located(checked.error, text)];
  const joined = joining(plain.ast);
  if (joined !== undefined) return [{ at: joined.start, message: 'texts cannot be joined; compare them one by one' }];
  const type = checked.type ?? 'dyn';
  const fits = gives === 'bool' ? ['bool', 'dyn'] : ['double', 'int', 'dyn'];
  if (!fits.includes(type)) return [{ at: 0, message: wrongResult(type, gives) }];
  return { text, run: write(tree.value, (node) => reader.names.get(node)), inputs: reader.inputs };
}

function wrongResult(type: string, gives: 'bool' | 'number'): string {
  const wanted = gives === 'bool' ? 'a rule needs true or false' : 'a derived point needs a number';
  return `the expression gives ${typeWords(type)}, and ${wanted}${gives === 'bool' ? '; compare it with something' : ''}`;
}

/** Walks once through the tree of an expression. */
class Reader {
  readonly faults: ExpressionFault[] = [];
  readonly inputs: { point: string; type: CelType }[] = [];
  /** The variable of each node that stands for a point. */
  readonly names = new Map<ASTNode, string>();
  readonly #text: string;
  readonly #points: KnownPoints;
  readonly #spans: { start: number; end: number; name: string }[] = [];
  #cost = 0;

  constructor(text: string, points: KnownPoints) {
    this.#text = text;
    this.#points = points;
  }

  /** @param listed the node is the list of an `in` @returns levels below and with the node */
  walk(node: ASTNode, listed: boolean): number {
    const reference = referenceOf(node);
    if (reference !== undefined) {
      this.#refer(node, reference);
      return 1;
    }
    const wrong = callFault(node, listed);
    if (wrong !== undefined) {
      // Its parts are not looked at: they would only repeat what is wrong.
      this.#fault(node, wrong);
      return 1;
    }
    if (node.op === 'id') {
      this.#fault(node, `write device.point instead of ${node.args}, for example tank.level`);
      return 1;
    }
    const parts = partsOf(node);
    const levels = parts.map((part, i) => {
      const depth = this.walk(part, node.op === 'in' && i === 1);
      // `a && b && c` is no deeper than `a && b`.
      return i === 0 && parts.length === 2 && part.op === node.op ? depth : depth + 1;
    });
    const depth = Math.max(1, ...levels);
    this.#cost += node.op === 'rcall' ? 16 : /^([=!<>]=?|in)/.test(node.op) ? 4 : 1;
    if (depth > MOST_DEPTH)
      this.#limit(`the expression is nested more than ${MOST_DEPTH} levels deep; split it into several rules`);
    if (this.#cost > MOST_COST) this.#limit(`the expression costs more than ${MOST_COST} steps; split it into several rules`);
    return depth;
  }

  /** The text with variables instead of points, every other letter where it was. */
  plain(): string {
    let plain = this.#text;
    for (const { start, end, name } of this.#spans) plain = plain.slice(0, start) + name.padEnd(end - start) + plain.slice(end);
    return plain;
  }

  #refer(node: ASTNode, point: string): void {
    let index = this.inputs.findIndex((input) => input.point === point);
    if (index === -1) {
      const found = this.#points.find(point);
      if ('fault' in found) {
        this.faults.push(known(this.#text, this.#points, { at: node.start, message: found.fault }));
        return;
      }
      index = this.inputs.push({ point, type: celType(found.storage) }) - 1;
      if (index >= MOST_INPUTS) {
        this.#limit(`the expression names more than ${MOST_INPUTS} points; split it into several rules`);
        return;
      }
    }
    const name = variable(this.inputs[index]?.type ?? 'dyn', index);
    this.names.set(node, name);
    this.#spans.push({ start: node.start, end: node.end, name });
    this.#cost++;
  }

  #fault(node: ASTNode, message: string): void {
    this.faults.push(known(this.#text, this.#points, { at: node.start, message }));
  }

  #limit(message: string): void {
    if (!this.faults.some((fault) => fault.message === message)) this.faults.push({ at: 0, message });
  }
}

/** A + of texts: nothing makes a text longer. The package keeps the type beside each node that it checked. */
function joining(node: ASTNode): ASTNode | undefined {
  const { checkedType } = node as { checkedType?: { name?: unknown } };
  if (node.op === '+' && checkedType?.name === 'string') return node;
  for (const part of partsOf(node)) {
    const found = joining(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `tank.level` and `point("pump-1.running")` */
export function referenceOf(node: ASTNode): string | undefined {
  if (node.op === '.' && node.args[0].op === 'id') return `${node.args[0].args}.${node.args[1]}`;
  if (node.op !== 'call' || node.args[0] !== 'point') return undefined;
  const [only, more] = node.args[1];
  return only?.op === 'value' && more === undefined && typeof only.args === 'string' ? only.args : undefined;
}

/** A name with - reads as a subtraction: where such a point stands in the text, that is what is wrong. */
function known(text: string, points: KnownPoints, fault: ExpressionFault): ExpressionFault {
  for (const name of points.all()) {
    if (/^[a-z]\w*\.[a-z]\w*$/.test(name)) continue;
    const at = text.indexOf(name);
    if (at === -1 || fault.at < at || fault.at > at + name.length || /["'\w-]/.test(text[at - 1] ?? '')) continue;
    return { at, message: `write point("${name}"): a name with - or a digit in front cannot stand alone in an expression` };
  }
  return fault;
}

function located(error: unknown, text: string): ExpressionFault {
  const { code, summary, range } = error as { code?: unknown; summary?: unknown; range?: { start?: unknown } };
  const at = typeof range?.start === 'number' ? Math.min(range.start, text.length) : 0;
  return { at, message: faultWords({ code: String(code), summary: String(summary) }, text, at) };
}

function attempt<T>(what: () => T): { value: T } | { fault: unknown } {
  try {
    return { value: what() };
  } catch (fault) {
    return { fault };
  }
}
