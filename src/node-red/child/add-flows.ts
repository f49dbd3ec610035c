/**
 * Flows beside flows. What is there stays as it is, letter by letter. What comes gets fresh ids, so the same flows may come twice.
 * A configuration node that is there with the same settings is used by both. Pure.
 */
import { createHash } from 'node:crypto';

export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Keys whose texts are for people or for messages; one that equals an id by chance is no reference. */
const TEXTS = new Set([
  'id',
  'type',
  'name',
  'label',
  'info',
  'topic',
  'payload',
  'func',
  'template',
  'category',
  'color',
  'icon',
]);
/** Keys of lists of ids. */
const LISTS = ['links', 'scope', 'nodes'];

/** @param fresh a new id of Node-RED: 16 hexadecimal digits @returns all flows then, and labels of the tabs that came */
export function addFlows(
  present: readonly FlowNode[],
  added: readonly FlowNode[],
  fresh: () => string,
): { readonly flows: readonly FlowNode[]; readonly labels: readonly string[] } {
  const taken = new Set(present.map(({ id }) => id));
  const own = new Set(added.map(({ id }) => id));
  const ids = new Map<string, string>();
  const left = new Set<string>();
  const there = new Map(present.filter((node) => isConfig(node) && node.d !== true).map((node) => [settingsOf(node), node.id]));
  for (const node of added) {
    const shared = isConfig(node) ? there.get(settingsOf(node)) : undefined;
    if (shared !== undefined) left.add(node.id);
    ids.set(node.id, shared ?? unused(fresh, taken));
  }
  const { tabs, home } = homes(added, own, () => unused(fresh, taken));
  const names = new Set(present.filter(({ type }) => type === 'tab').map((tab) => String(tab.label)));
  const labels: string[] = [];
  const came = [...tabs, ...added.filter(({ id }) => !left.has(id))].map((node) => {
    const next = moved(node, ids, home);
    if (node.type !== 'tab') return next;
    const label = freeLabel(String(node.label ?? 'Flow'), names);
    labels.push(label);
    return { ...next, label };
  });
  return { flows: [...present, ...came], labels };
}

/** Ids of Node-RED that follow from a seed: whoever knows it knows them. */
export function freshIds(seed: string): () => string {
  let n = 0;
  return () => createHash('sha256').update(`${seed} ${n++}`).digest('hex').slice(0, 16);
}

/** Passwords are in a file of their own, encrypted. Node-RED keeps some in the flows after a deploy of a program. */
export function withoutCredentials(node: FlowNode): FlowNode {
  if (node.credentials === undefined) return node;
  const { credentials: _, ...kept } = node;
  return kept as FlowNode;
}

/** Node-RED tells configuration nodes by their having no place on a tab. */
function isConfig({ x, y, z, type }: FlowNode): boolean {
  const inside = typeof z === 'string' && z !== '';
  return x === undefined && y === undefined && !inside && !['tab', 'group', 'junction'].includes(type) && !/^subflow/.test(type);
}

/** Two configuration nodes with the same are one. Names may differ. */
function settingsOf(node: FlowNode): string {
  const kept = Object.entries(node).filter(([key, value]) => !['id', 'name', 'z', 'info'].includes(key) && value !== '');
  return JSON.stringify(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Nodes of a tab that does not come with them get a tab of their own. */
function homes(added: readonly FlowNode[], own: ReadonlySet<string>, fresh: () => string) {
  const homeless = added.some(
    (node) => node.type !== 'tab' && !isConfig(node) && !/^subflow$/.test(node.type) && !own.has(zOf(node)),
  );
  if (!homeless) return { tabs: [], home: undefined };
  const home = fresh();
  return { tabs: [{ id: home, type: 'tab', label: 'Imported', disabled: false, info: '' }] as FlowNode[], home };
}

function zOf({ z }: FlowNode): string {
  return typeof z === 'string' ? z : '';
}

function moved(node: FlowNode, ids: ReadonlyMap<string, string>, home: string | undefined): FlowNode {
  const id = (old: unknown): unknown => (typeof old === 'string' ? (ids.get(old) ?? old) : old);
  const next: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) next[key] = typeof value === 'string' && !TEXTS.has(key) ? id(value) : value;
  next.id = ids.get(node.id) ?? node.id;
  const subflow = /^subflow:(.+)$/.exec(node.type)?.[1];
  if (subflow !== undefined) next.type = `subflow:${String(id(subflow))}`;
  if (Array.isArray(node.wires))
    next.wires = (node.wires as unknown[]).map((wire) => (Array.isArray(wire) ? wire.map(id) : wire));
  for (const key of LISTS) if (Array.isArray(node[key])) next[key] = (node[key] as unknown[]).map(id);
  // The ends of a subflow: `in` and `out` name the nodes inside.
  for (const key of ['in', 'out', 'status'])
    if (node.type === 'subflow' && node[key] !== undefined) next[key] = deep(node[key], id);
  if (Array.isArray(node.env)) next.env = (node.env as unknown[]).map((one) => confEnv(one, id));
  const config = isConfig(node) || node.type === 'tab' || node.type === 'subflow';
  if (!config && !ids.has(zOf(node)) && home !== undefined) next.z = home;
  if (typeof node.g === 'string' && !ids.has(node.g)) delete next.g;
  return next as FlowNode;
}

/** An environment variable of a subflow may name a configuration node. */
function confEnv(env: unknown, id: (old: unknown) => unknown): unknown {
  if (typeof env !== 'object' || env === null || (env as { type?: unknown }).type !== 'conf-type') return env;
  return { ...env, value: id((env as { value?: unknown }).value) };
}

/** Only ids stand in it, and numbers. */
function deep(value: unknown, id: (old: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => deep(one, id));
  if (typeof value !== 'object' || value === null) return id(value);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, deep(one, id)]));
}

function unused(fresh: () => string, taken: Set<string>): string {
  for (;;) {
    const id = fresh();
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

function freeLabel(label: string, names: Set<string>): string {
  let free = label;
  for (let n = 2; names.has(free); n++) free = `${label} (${n})`;
  names.add(free);
  return free;
}
