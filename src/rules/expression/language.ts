/**
 * The language of expressions: the Common Expression Language (CEL, cel.dev) without what could cost more than it shows.
 *
 * - An expression is bounded before it is read (text), while it is read (nodes, depth) and after (inputs, cost).
 * - Its time follows from its text: no loops, no macros, no regular expressions, and nothing that makes a text longer.
 * - It names points only. A name of JavaScript (`constructor`, `__proto__`) is a name that does not exist.
 * - The package is loaded when the first expression is read, which is when a configuration is: most sites have none.
 */
import { createRequire } from 'node:module';
import type { ASTNode, Environment, Limits } from '@marcbachmann/cel-js';
import type { Storage } from '../../core/point.ts';

/** Letters of an expression. */
export const MOST_TEXT = 1000;
/** Parts of an expression: numbers, points, signs, calls. */
export const MOST_NODES = 200;
/** Levels of brackets, and of operations inside each other. */
export const MOST_DEPTH = 32;
/** Points in one expression. */
export const MOST_INPUTS = 32;
/** Cost of one evaluation at worst, all branches counted: 1 a part, 4 a comparison, 16 a search in a text. */
export const MOST_COST = 500;

/** `dyn`: only the readings show what the point is. */
export type CelType = 'bool' | 'double' | 'int' | 'string' | 'dyn';
/** Capital letters: `if0` and `in` are words of the language. */
const LETTERS: Readonly<Record<CelType, string>> = { bool: 'B', double: 'D', int: 'I', string: 'S', dyn: 'X' };
const TYPES = Object.keys(LETTERS) as readonly CelType[];

const STORED: Record<Storage, CelType> = { boolean: 'bool', number: 'double', integer64: 'int', string: 'string' };

export function celType(storage: Storage | undefined): CelType {
  return storage === undefined ? 'dyn' : STORED[storage];
}

/** Name of the variable of an input: two letters, never longer than a point that it stands for. */
export function variable(type: CelType, input: number): string {
  return `${LETTERS[type]}${input.toString(36)}`;
}

/** What may be called with arguments. `of` is a text before the dot. */
const FUNCTIONS: ReadonlySet<string> = new Set(['abs', 'min', 'max', 'int', 'double', 'size']);
const OF_TEXT: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'contains', 'size']);
export const CALLS = [...FUNCTIONS, ...[...OF_TEXT].map((name) => `text.${name}`)];

export function isFunction(name: string, ofText: boolean): boolean {
  return (ofText ? OF_TEXT : FUNCTIONS).has(name);
}

/** At once, and not with `import()`: whoever checks a configuration gets its faults in the same call. */
const load = createRequire(import.meta.url);
let made: { readonly read: Environment; readonly run: Environment } | undefined;

/**
 * One environment for all expressions, made when the first is read: it holds no state of any.
 * `read` holds what a person writes to the bounds. `run` takes what was read and written out again, with all its brackets.
 */
export function environment(): { readonly read: Environment; readonly run: Environment } {
  const bounds = { maxAstNodes: MOST_NODES, maxDepth: MOST_DEPTH, maxListElements: MOST_NODES, maxCallArguments: 8 };
  made ??= { read: build(bounds), run: build({ ...bounds, maxAstNodes: 4 * MOST_NODES, maxDepth: 4 * MOST_NODES }) };
  return made;
}

function build(limits: Partial<Limits>): Environment {
  const { Environment } = load('@marcbachmann/cel-js') as typeof import('@marcbachmann/cel-js');
  const env = new Environment({ limits });
  for (const type of TYPES) for (let i = 0; i < MOST_INPUTS; i++) env.registerVariable(variable(type, i), type);
  // Most points are decimals, and people write `level * 2`: a whole number beside a decimal is a decimal. CEL itself refuses that.
  const mixed: Readonly<Record<string, (a: number, b: number) => number>> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
  };
  for (const [op, of] of Object.entries(mixed)) {
    env.registerOperator(`double ${op} int: double`, (a: number, b: bigint) => of(a, Number(b)));
    env.registerOperator(`int ${op} double: double`, (a: bigint, b: number) => of(Number(a), b));
  }
  // The package takes it the other way round as well.
  env.registerOperator('double == int', same);
  registerFunctions(env);
  return env;
}

/** The exact comparison of a bigint with a number. */
function same(a: number | bigint, b: number | bigint): boolean {
  return !(a < b) && !(a > b) && a >= b;
}

/** Division that says nothing where CEL says infinity: a pump that stands still has no litres a turn. */
export const DIVIDE = 'divide';

function registerFunctions(env: Environment): void {
  const sync = { async: false };
  env.registerFunction('abs(double): double', (a: number) => Math.abs(a), sync);
  env.registerFunction('abs(int): int', (a: bigint) => (a < 0n ? -a : a), sync);
  for (const type of ['double', 'int'] as const) {
    env.registerFunction(`min(${type}, ${type}): ${type}`, <T extends number | bigint>(a: T, b: T) => (b < a ? b : a), sync);
    env.registerFunction(`max(${type}, ${type}): ${type}`, <T extends number | bigint>(a: T, b: T) => (b > a ? b : a), sync);
  }
  for (const [a, b] of [
    ['double', 'double'],
    ['double', 'int'],
    ['int', 'double'],
  ])
    env.registerFunction(
      `${DIVIDE}(${a}, ${b}): double`,
      (x: number | bigint, y: number | bigint) => quotient(Number(x), Number(y)),
      sync,
    );
  env.registerFunction(
    `${DIVIDE}(int, int): int`,
    (x: bigint, y: bigint) => {
      if (y === 0n) throw new RangeError('division by zero');
      return x / y;
    },
    sync,
  );
}

function quotient(x: number, y: number): number {
  if (y === 0) throw new RangeError('division by zero');
  return x / y;
}

/** The parts of a node, left to right. Only of nodes that the language has. */
export function partsOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    case '!_':
    case '-_':
      return [node.args];
    default:
      return node.args;
  }
}
