/** `sluice flows`: the flows of Node-RED beside a running gateway, their revisions, and flows that come with the gateway. */
import { readFileSync, statSync } from 'node:fs';
import { request } from '../admin/client.ts';
import { SluiceError } from '../core/errors.ts';
import { type FlowExample, type FlowsList, type FlowsResult, MOST_FLOWS, type Revision } from '../core/flow-revisions.ts';
import type { FlowsRestarted } from '../core/flow-supervisor.ts';
import { writeFresh } from './bundle/bundle-file.ts';
import { fileWords } from './file-words.ts';
import { localDate } from './local-time.ts';
import { paint, type RunningOptions, socketOf } from './running.ts';
import { table } from './table.ts';
import { clean } from './terminal/clean.ts';
import { count } from './words.ts';

/** A deploy stops nodes, which may take 10 s each time, and starts others; and where Node-RED ends with it, it comes back. Milliseconds. */
const CHANGED_WITHIN = 150_000;
/** What the gateway gives a restart, and a second more: src/node-red/restarts.ts. Milliseconds. */
const RESTARTED_WITHIN = 146_000;
/** Labels in one line of the list. */
const MOST_LABELS = 4;

export async function flowsList(options: RunningOptions): Promise<void> {
  const list = await listOf(options);
  if (options.json) return print(`${JSON.stringify(list)}\n`);
  const { revisions, state, faults } = list;
  print(`Node-RED: ${state}\n`);
  for (const fault of faults) print(`${paint(31, clean(fault))}\n`);
  if (revisions.length === 0) return print('no revisions yet; each deploy becomes one\n');
  print(table(revisions.map((one) => [...rowOf(one, list.current), changesOf(one)])));
}

export async function flowsShow(number: number | undefined, options: RunningOptions): Promise<void> {
  const list = await listOf(options);
  const one = number === undefined ? list.revisions[0] : list.revisions.find((revision) => revision.number === number);
  if (one === undefined)
    throw new SluiceError(
      'not-found',
      number === undefined ? 'there is no revision yet' : `there is no revision ${number}; sluice flows list shows all`,
    );
  if (options.json) return print(`${JSON.stringify(one)}\n`);
  print(table([rowOf(one, list.current)]));
  print(`changes  ${changesOf(one)}\n`);
  print(`content  ${count(one.nodes, 'node')}, ${one.bytes} bytes as JSON, ${one.hash}\n`);
  if (one.tabs.length > 0) print(table(one.tabs.map(({ label, nodes }) => [`tab      ${label}`, count(nodes, 'node')])));
  if (one.moreTabs > 0) print(`and ${count(one.moreTabs, 'more tab')}\n`);
}

export async function flowsUndo(options: RunningOptions): Promise<void> {
  const { revisions } = await listOf(options);
  const newest = revisions[0]?.number;
  await changed(options, 'undo', newest === undefined ? {} : { newest }, 'The last deploy was undone.');
}

export async function flowsRestore(revision: number, options: RunningOptions): Promise<void> {
  await changed(options, 'restore', { revision }, `The flows of revision ${revision} are back.`);
}

export async function flowsExport(number: number | undefined, options: RunningOptions & { output?: string }): Promise<void> {
  const query = number === undefined ? '' : `?revision=${number}`;
  const text = `${JSON.stringify(await request(socketOf(options), 'GET', `/api/v1/flows/export${query}`), null, 2)}\n`;
  if (options.output === undefined) return print(text);
  try {
    writeFresh(options.output, text, 0o666);
  } catch (thrown) {
    const there = (thrown as { code?: unknown }).code === 'EEXIST';
    const why = there ? 'there is such a file already; name another one' : fileWords(thrown);
    throw new SluiceError('usage', `${options.output} cannot be written: ${why}`, { cause: thrown });
  }
  print(`The flows were written to ${options.output}. Passwords of nodes are not in it.\n`);
}

export async function flowsImport(file: string, options: RunningOptions & { replace?: boolean }): Promise<void> {
  const mode = options.replace === true ? 'replace' : 'add';
  const words = mode === 'add' ? 'The flows were added.' : 'The flows were replaced.';
  await changed(options, 'import', { flows: flowsOf(file), mode }, words);
}

export async function flowsExamples(options: RunningOptions): Promise<void> {
  const { examples } = (await request(socketOf(options), 'GET', '/api/v1/flows/examples')) as {
    examples: readonly FlowExample[];
  };
  if (options.json) return print(`${JSON.stringify(examples)}\n`);
  print(examples.length === 0 ? 'no flows came with this gateway\n' : table(examples.map(({ name, title }) => [name, title])));
}

export async function flowsLoad(name: string, options: RunningOptions): Promise<void> {
  await changed(options, 'load', { name }, `The flow ${name} was added. Set its points and addresses in the editor.`);
}

export async function flowsRestart(options: RunningOptions): Promise<void> {
  const answer = await request(socketOf(options), 'POST', '/api/v1/flows/restart', {}, RESTARTED_WITHIN);
  if (options.json) return print(`${JSON.stringify(answer)}\n`);
  const { state } = answer as FlowsRestarted;
  print(
    state === 'running'
      ? 'Node-RED was restarted and passes messages.\n'
      : 'Node-RED was restarted. It is in safe mode, so its flows do not run: sluice flows list says why.\n',
  );
}

async function listOf(options: RunningOptions): Promise<FlowsList> {
  return (await request(socketOf(options), 'GET', '/api/v1/flows')) as FlowsList;
}

async function changed(options: RunningOptions, what: string, body: object, words: string): Promise<void> {
  const result = (await request(socketOf(options), 'POST', `/api/v1/flows/${what}`, body, CHANGED_WITHIN)) as FlowsResult;
  if (options.json) return print(`${JSON.stringify(result)}\n`);
  print(`${words}\n`);
  if (result.added.length > 0) print(`New tabs: ${labels(result.added)}\n`);
  print(
    result.revision === null
      ? 'They could not be kept as a revision; sluice flows list says why.\n'
      : `They are revision ${result.revision}.\n`,
  );
  if (result.passwords === 'lost') print('The passwords of nodes are of another secret: enter them in the editor again.\n');
  if (result.flows === 'stopped')
    print('The flows do not run: sluice flows list says why, or somebody stopped them in the editor.\n');
}

/** @throws SluiceError usage, in words about the file */
function flowsOf(file: string): unknown {
  const wrong = (why: string, cause?: unknown) => new SluiceError('usage', `${file} cannot be imported: ${why}`, { cause });
  let text: string;
  try {
    const { size } = statSync(file);
    // An export of the editor may have blanks that the gateway does not count.
    if (size > 4 * MOST_FLOWS) throw wrong(`it has ${size} bytes; flows have at most ${MOST_FLOWS}`);
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    throw wrong(fileWords(thrown), thrown);
  }
  try {
    // Editors of Windows put a mark in front of a text.
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw wrong('it is not JSON; in the editor choose Export, "all flows" and Download', cause);
  }
}

function rowOf(one: Revision, current: number | null): string[] {
  const { number, time, estimated, who, origin, of } = one;
  const mark = number === current ? '*' : ' ';
  const how = of === undefined ? origin : `${origin} ${origin === 'example' ? of : `(${of})`}`;
  const well = one.ranWell ? 'ran well' : '';
  return [`${mark} ${number}`, `${localDate(time)}${estimated === true ? '?' : ''}`, who, how, count(one.nodes, 'node'), well];
}

function changesOf({ changes }: Revision): string {
  if (changes === undefined) return '';
  const { added, removed, changed, other, passwords } = changes;
  const parts = [
    ...(added.length > 0 ? [`+ ${labels(added)}`] : []),
    ...(removed.length > 0 ? [`- ${labels(removed)}`] : []),
    ...(changed.length > 0 ? [`changed ${labels(changed)}`] : []),
    ...(other ? ['configuration nodes or subflows'] : []),
    ...(passwords ? ['passwords'] : []),
  ];
  return parts.join('; ');
}

function labels(all: readonly string[]): string {
  const more = all.length > MOST_LABELS ? ` and ${all.length - MOST_LABELS} more` : '';
  return `${all.slice(0, MOST_LABELS).map(clean).join(', ')}${more}`;
}

function print(text: string): void {
  process.stdout.write(text);
}
