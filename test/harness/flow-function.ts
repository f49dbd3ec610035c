/** A function node of a shipped flow, run as Node-RED runs it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const FLOWS = path.join(import.meta.dirname, '..', '..', 'flows');

/** @param more what the function finds beside `msg`, such as `flow` and `env` */
export function functionOf(name: string, flow: string, more: object = {}): (msg: Record<string, unknown>) => unknown {
  const nodes = JSON.parse(readFileSync(path.join(FLOWS, flow, 'flow.json'), 'utf8')) as { name?: string; func?: string }[];
  const func = nodes.find((node) => node.name === name)?.func ?? assert.fail(`no ${name}`);
  const made = vm.runInNewContext(`(function (msg) {${func}\n})`, { node: { status() {} }, ...more }) as (msg: object) => unknown;
  return (msg) => JSON.parse(JSON.stringify(made(msg) ?? null));
}
