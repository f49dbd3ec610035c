/** An expression that was checked, as the text that is evaluated: points are variables, and division is a call that may say nothing. */
import type { ASTNode } from '@marcbachmann/cel-js';
import { DIVIDE, partsOf } from './language.ts';

/** @param names the variable of a node that stands for a point */
export function write(node: ASTNode, names: (node: ASTNode) => string | undefined): string {
  const name = names(node);
  if (name !== undefined) return name;
  const parts = partsOf(node).map((part) => write(part, names));
  switch (node.op) {
    case 'value':
      return literal(node.args);
    case 'call':
      return `${node.args[0]}(${parts.join(', ')})`;
    case 'rcall':
      return `(${parts[0]}).${node.args[0]}(${parts.slice(1).join(', ')})`;
    case 'list':
      return `[${parts.join(', ')}]`;
    case '?:':
      return `(${parts[0]} ? ${parts[1]} : ${parts[2]})`;
    case '!_':
      return `!(${parts[0]})`;
    case '-_':
      return `-(${parts[0]})`;
    case '/':
      return `${DIVIDE}(${parts.join(', ')})`;
    default:
      return `(${parts.join(` ${node.op} `)})`;
  }
}

function literal(value: unknown): string {
  // JSON's escapes are escapes of CEL as well, except that CEL knows no `\/`, which JSON never writes.
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'number') return String(value);
  const text = String(value);
  // 1 and 1e21 would be read as something else than the decimal that they are.
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
