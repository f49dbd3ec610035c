/** The flows that come with the gateway: folders in `flows/`, each with flow.json and README.md. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { SluiceError } from '../../core/errors.ts';
import type { FlowExample } from '../../core/flow-revisions.ts';
import { FLOWS_FOLDER } from '../place.ts';

const NAME = /^[a-z0-9-]{1,40}$/;

export async function examples(): Promise<readonly FlowExample[]> {
  const all: FlowExample[] = [];
  for (const name of await names()) {
    const text = await readFile(path.join(FLOWS_FOLDER, name, 'README.md'), 'utf8');
    const nodes = (JSON.parse(await exampleFlows(name)) as readonly unknown[]).length;
    all.push({ name, title: titleOf(text), text, nodes });
  }
  return all;
}

/** @returns JSON: a list of nodes. @throws SluiceError not-found */
export async function exampleFlows(name: string): Promise<string> {
  const all = await names();
  if (!all.includes(name))
    throw new SluiceError('not-found', `there is no shipped flow ${name.slice(0, 60)}; there are: ${all.join(', ')}`);
  return readFile(path.join(FLOWS_FOLDER, name, 'flow.json'), 'utf8');
}

async function names(): Promise<readonly string[]> {
  const entries = await readdir(FLOWS_FOLDER, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** The first sentence below the heading. */
function titleOf(text: string): string {
  const [paragraph = ''] = text.split(/\n\s*\n/).filter((one) => one.trim() !== '' && !one.startsWith('#'));
  const line = paragraph.trim().replace(/\s*\n\s*/g, ' ');
  return /^.*?[.](?= |$)/.exec(line)?.[0] ?? line;
}
