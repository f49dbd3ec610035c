/**
 * What somebody wants to import, checked before Node-RED sees it. Node-RED keeps nodes in plain objects by their ids and types, and
 * copies keys one by one: a name that every object has would change objects instead of naming a node.
 */

import { SluiceError } from '../../core/errors.ts';
import { MOST_FLOWS, MOST_NODES } from '../../core/flow-revisions.ts';
import { nestingFault } from './nesting.ts';

interface ImportedNode {
  readonly id: string;
  readonly type: string;
}

/** Objects and lists inside each other. */
const DEEPEST = 30;
const ID = /^[A-Za-z0-9_.-]{1,64}$/;
const LONGEST_TYPE = 200;
/** Node-RED has a flow of this name. */
const RESERVED = 'global';

/**
 * @param given an export of Node-RED: a list of nodes, `{flows: […]}`, or one flow `{label, nodes: […]}`
 * @returns the list as JSON
 * @throws SluiceError request-invalid in words that name the place
 */
export function importedFlows(given: unknown): string {
  const all = listOf(given);
  if (all.length === 0) throw invalid('there are no nodes in it');
  if (all.length > MOST_NODES) throw invalid(`it has ${all.length} nodes; at most ${MOST_NODES} can be imported`);
  const ids = new Set<string>();
  for (const [i, node] of all.entries()) {
    const { id, type } = checkedNode(node, i);
    if (ids.has(id)) throw invalid(`two of its nodes have the id ${id}; export the flows again`);
    ids.add(id);
    if (type === 'unknown') throw invalid(`the node ${id} has no type any more; export the flows where its palette is installed`);
  }
  assertShape(all);
  const fault = nestingFault(all as readonly Readonly<Record<string, unknown>>[]);
  if (fault !== undefined) throw invalid(fault);
  const text = JSON.stringify(all);
  if (Buffer.byteLength(text) > MOST_FLOWS) throw invalid(`it has more than ${MOST_FLOWS} bytes`);
  return text;
}

function listOf(given: unknown): readonly unknown[] {
  if (Array.isArray(given)) return given as unknown[];
  if (typeof given !== 'object' || given === null) throw notFlows();
  const { flows, nodes, configs, subflows, id, label, info, disabled, env } = given as Record<string, unknown>;
  if (Array.isArray(flows)) return flows as unknown[];
  if (!Array.isArray(nodes)) throw notFlows();
  // One flow, as Node-RED gives it under /flow/ID.
  const own = typeof id === 'string' ? id : 'flow';
  const more = (list: unknown): readonly unknown[] => (Array.isArray(list) ? (list as unknown[]) : []);
  const tab = { id: own, type: 'tab', label: label ?? 'Flow', disabled: disabled ?? false, info: info ?? '', env: env ?? [] };
  return [tab, ...more(nodes), ...more(configs), ...more(subflows)];
}

function checkedNode(node: unknown, i: number): ImportedNode {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) throw invalid(`entry ${i + 1} is not a node`);
  const { id, type, x, wires } = node as Record<string, unknown>;
  if (typeof id !== 'string' || !ID.test(id) || id in {} || id === RESERVED)
    throw invalid(`entry ${i + 1} has no id that Node-RED can use; export the flows again`);
  if (typeof type !== 'string' || type === '' || type.length > LONGEST_TYPE || type in {})
    throw invalid(`the node ${id} has no type that Node-RED can use`);
  if (x !== undefined && typeof x !== 'number') throw invalid(`the node ${id} has no place: x is not a number`);
  const lists: readonly unknown[] | undefined =
    wires === undefined ? [] : Array.isArray(wires) ? (wires as unknown[]) : undefined;
  if (lists?.every((one) => Array.isArray(one)) !== true) throw invalid(`the wires of the node ${id} are not a list of lists`);
  return { id, type };
}

/** Without calls of itself: what is deep is refused, and fills no stack. */
function assertShape(all: readonly unknown[]): void {
  const waiting: { readonly value: unknown; readonly depth: number }[] = all.map((value) => ({ value, depth: 1 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > DEEPEST) throw invalid(`it has more than ${DEEPEST} lists and objects inside each other`);
    for (const key of Object.keys(value)) {
      if (key === '__proto__' || key === 'constructor' || key === 'prototype')
        throw invalid(`it has the key ${key}, which would change objects of Node-RED`);
      waiting.push({ value: (value as Record<string, unknown>)[key], depth: depth + 1 });
    }
  }
}

function notFlows(): SluiceError {
  return invalid('it is not an export of Node-RED, which is a list of nodes; in the editor choose Export and "all flows"');
}

function invalid(why: string): SluiceError {
  return new SluiceError('request-invalid', `these flows cannot be imported: ${why}`);
}
