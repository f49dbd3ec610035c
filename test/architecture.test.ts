/** Imports go strictly down, heavy packages live in one room, no cycles, no long files, short test names. docs/architecture.md explains. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const LAYERS = [
  ['core'],
  ['codecs', 'config'],
  ['store', 'access', 'time', 'boards', 'disk', 'service-manager'],
  ['drivers', 'rules', 'forwarders'],
  ['pipeline', 'control', 'reports', 'update', 'configure'],
  ['node-red', 'admin', 'care', 'provisioning'],
  ['gateway'],
  ['cli'],
];
const OWNERS: Record<string, readonly string[]> = {
  'better-sqlite3': ['store'],
  '@marcbachmann/cel-js': ['rules'],
  serialport: ['drivers'],
  aedes: ['forwarders'],
  mqtt: ['forwarders'],
  'mqtt-packet': ['forwarders'],
  yaml: ['config'],
  zod: ['config', 'boards', 'drivers', 'rules', 'forwarders', 'control', 'update', 'configure', 'admin', 'provisioning'],
  pino: ['gateway'],
  'pino-pretty': ['gateway'],
  'string-width': ['cli'],
  commander: ['cli'],
  preact: ['admin'],
  uplot: ['admin'],
  koffi: ['access', 'service-manager', 'drivers', 'update'],
  '@peculiar/x509': ['access'],
  'reflect-metadata': ['access'],
  uqr: ['provisioning'],
  'dns-packet': ['admin'],
};
/**
 * The folders of the store, from the ground up, and what each may import: folders above it in this list only, so they form no
 * cycle. Only the threads that open files import recovery; no folder imports the files beside them (log.ts).
 */
const STORE: readonly (readonly [folder: string, imports: readonly string[]])[] = [
  ['files', []],
  ['time', ['files']],
  ['tail', ['files']],
  ['delivery', ['files', 'tail', 'time']],
  ['hot', ['delivery', 'files', 'tail', 'time']],
  ['archive', ['delivery', 'files', 'hot', 'time']],
  ['read', ['archive', 'delivery', 'files', 'hot', 'time']],
  ['recovery', ['archive', 'delivery', 'files', 'hot', 'read', 'tail']],
  ['broker', ['files', 'hot']],
  ['bundle', ['delivery', 'files', 'hot', 'read', 'time']],
  ['copy', ['files']],
  ['threads', ['archive', 'broker', 'delivery', 'files', 'hot', 'read', 'recovery', 'tail']],
];
const OPENS = ['store/threads/keeper.ts', 'store/threads/salvager.ts', 'store/threads/writer.ts'];
const LIMIT = 500;
/** These load a package when it is first needed. It lies above them, in the sources and in dist. */
const LOADERS = ['admin/mdns/responder.ts', 'rules/expression/language.ts'];
/** These look for a file beside themselves, or from dist/cli as from src/cli: all of dist is in that one folder (scripts/build.ts). */
const BESIDE = [
  'access/tls/issuing.ts',
  'cli/config-file.ts',
  'cli/demo.ts',
  'cli/demo/site.ts',
  'drivers/transceiver/switched-line.ts',
  'node-red/place.ts',
  'store/threads/threads.ts',
];

const src = path.join(import.meta.dirname, '..', 'src');
const files = globSync('**/*.{ts,tsx}', { cwd: src }).sort();
const rank = new Map(LAYERS.flatMap((rooms, i) => rooms.map((room) => [room, i] as const)));
const roomOf = (file: string) => file.split(path.sep)[0] as string;
const graph = new Map<string, string[]>();
const faults: string[] = [];

for (const file of files) {
  const text = readFileSync(path.join(src, file), 'utf8');
  const room = roomOf(file);
  if (!rank.has(room)) faults.push(`${file}: the room ${room} is not in the table`);
  if (text.split('\n').length > LIMIT) faults.push(`${file}: more than ${LIMIT} lines`);
  const edges: string[] = [];
  for (const [, spec = ''] of text
    .matchAll(/(?:^|\n)\s*(?:import|export)\s[^;']*?from\s+'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g)
    .map((m) => [m[0], m[1] ?? m[2] ?? m[3]])) {
    if (spec.startsWith('.')) {
      const target = path.normalize(path.join(path.dirname(file), spec));
      edges.push(target);
      const to = roomOf(target);
      if (to !== room && (rank.get(to) ?? 99) >= (rank.get(room) ?? -1)) faults.push(`${file} imports ${target}: not downwards`);
    } else if (!spec.startsWith('node:')) {
      const name = spec.startsWith('@') ? spec.split('/').slice(0, 2).join('/') : (spec.split('/')[0] as string);
      if (!OWNERS[name]?.includes(room))
        faults.push(`${file} imports ${name}: that package belongs to ${OWNERS[name]?.join(', ') ?? 'no room'}`);
    }
  }
  graph.set(file, edges);
  if (/^import \{[^}]*\} from 'zod';/m.test(text)) faults.push(`${file}: write import * as z, else the bundle gets all of zod`);
  if (text.includes('import.meta.') && !BESIDE.includes(file) && !LOADERS.includes(file))
    faults.push(`${file}: looks for files, which are elsewhere in dist`);
}

test('imports go down, and each package lives in its room', () => assert.deepEqual(faults, []));

test('docs/architecture.md has the rooms, packages, layers and folders of this file', () => {
  const page = readFileSync(path.join(src, '..', 'docs', 'architecture.md'), 'utf8');
  const rows = (head: string): string[][] => {
    const from = page.indexOf(`\n${head}\n|---`);
    assert.ok(from >= 0, `the page has a table ${head}`);
    const lines = page
      .slice(from + 1)
      .split('\n')
      .slice(2);
    return lines
      .slice(
        0,
        lines.findIndex((line) => !line.startsWith('|')),
      )
      .map((line) => line.split('|').map((cell) => cell.trim()));
  };
  const names = (cell = '') => cell.split(', ').filter((name) => name !== '' && name !== 'none');
  const onPage = rows('| room | what is in it | may use packages |').map(([, room = '', , packages]) => [
    room.replaceAll('`', ''),
    names(packages).sort(),
  ]);
  const here = LAYERS.flat().map((room) => [
    room,
    Object.keys(OWNERS)
      .filter((name) => OWNERS[name]?.includes(room))
      .sort(),
  ]);
  assert.deepEqual(onPage, here);
  const layers = /^core ◀ .*$/m
    .exec(page)?.[0]
    .split(' ◀ ')
    .map((layer) => layer.split(', '));
  assert.deepEqual(layers, LAYERS);
  const folders = rows('| folder of `store` | what is in it |').map(([, folder = '']) => folder.replaceAll('`', ''));
  assert.deepEqual(
    folders,
    STORE.map(([folder]) => folder),
  );
});

test('the folders of the store import only what their table names, and form no cycle', () => {
  const folderOf = (file: string) => /^store\/(?:([^/]+)\/)?/.exec(file)?.[1];
  const names = STORE.map(([folder]) => folder);
  const strange = STORE.flatMap(([folder, imports], i) =>
    imports.filter((to) => names.indexOf(to) >= i || !names.includes(to)).map((to) => `${to} stands behind ${folder}`),
  );
  const used = new Set<string>();
  for (const [file, edges] of graph) {
    if (roomOf(file) !== 'store') continue;
    const from = folderOf(file);
    for (const to of edges.filter((e) => roomOf(e) === 'store')) {
      const into = folderOf(to);
      if (from !== undefined) used.add(`${from} ${into}`);
      const allowed = from === undefined || from === into || new Map(STORE).get(from)?.includes(into ?? '');
      if (!allowed || (into === 'recovery' && from !== into && !OPENS.includes(file))) strange.push(`${file} imports ${to}`);
    }
  }
  strange.push(...STORE.flatMap(([f, to]) => to.filter((i) => !used.has(`${f} ${i}`)).map((i) => `${f} does not need ${i}`)));
  assert.deepEqual(strange, []);
});

test('the status page and the gateway share types and tables only', () => {
  const inPages = (file: string) => file.startsWith('admin/pages/');
  const shared = (file: string) => roomOf(file) === 'core' || ['access/roles.ts', 'admin/live/live-types.ts'].includes(file);
  const wrong = [...graph].flatMap(([file, edges]) =>
    edges.filter((to) => inPages(file) !== inPages(to) && !(inPages(file) && shared(to))).map((to) => `${file} imports ${to}`),
  );
  for (const file of files.filter(inPages))
    if (readFileSync(path.join(src, file), 'utf8').includes("from 'node:")) wrong.push(`${file} imports parts of Node`);
  assert.deepEqual(wrong, []);
});

test('no file imports itself by a detour', () => {
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): void => {
    assert.ok(!trail.includes(file), `cycle: ${[...trail, file].join(' -> ')}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('names with two meanings do not come back', () => {
  // `room` is a folder of src, and a run is the life of a daemon (docs/architecture.md).
  const OLD = /\bmakeRoom\b|\bclass Run\b|#room\b/;
  // `unit` is the UCUM unit of a point. In the store it is the table of history.db besides, in SQL; code and comments say hour.
  const UNIT = /\bUNITS?_|\bUnits?\b|\bunit[A-Z]|\w+Units?\b|#unit|\b(?:a|an|each|every|of|the) units?\b(?! of a point)/;
  assert.deepEqual(
    files.filter((file) => {
      const text = readFileSync(path.join(src, file), 'utf8');
      return OLD.test(text) || (roomOf(file) === 'store' && UNIT.test(text));
    }),
    [],
  );
  // The same holds for the pages of those who read the code: a unit of history is an hour, and bytes that are free are space.
  const PROSE =
    /\bunits?\b of (?:the )?history|(?:of|in) `?history\.db`? ?units|\b(?:[Aa]|oldest|compacted|decoded|several) units?\b|room is short/;
  const pages = globSync(['architecture.md', 'decisions/*.md'], { cwd: path.join(src, '..', 'docs') });
  assert.ok(pages.length > 20, `${pages.length} pages found`);
  assert.deepEqual(
    pages.filter((page) => PROSE.test(readFileSync(path.join(src, '..', 'docs', page), 'utf8'))),
    [],
  );
});

test('the core has no packages and no input or output', () => {
  for (const file of files.filter((f) => roomOf(f) === 'core')) {
    assert.doesNotMatch(
      readFileSync(path.join(src, file), 'utf8'),
      /from 'node:(fs|net|http|child_process|dgram|tls|worker_threads)/,
      file,
    );
  }
});

test('a test has a name of under 90 characters that stands once in its file', () => {
  const CALL = /(?<![.\w])(?:t\.)?(?:test|it|describe)(?:\.\w+)?\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
  const names = globSync('**/*.ts', { cwd: import.meta.dirname }).flatMap((file) =>
    // Variables count nothing: scripts/tap-reporter.ts counts the whole name when the test runs.
    [...readFileSync(path.join(import.meta.dirname, file), 'utf8').matchAll(CALL)].map(
      ([, quote, name = '']) => `${file}: ${quote === '`' ? name.replace(/\$\{[^}]*\}/g, '') : name}`,
    ),
  );
  assert.ok(names.length > 900, `${names.length} names found`);
  const seen = new Set<string>();
  for (const name of names) {
    assert.ok(name.slice(name.indexOf(': ') + 2).length < 90, `${name}: shorten it to what it asserts`);
    assert.ok(!seen.has(name), `${name}: two tests have this name`);
    seen.add(name);
  }
});

test('each room has a folder in test/unit, with a suite that imports from the room', () => {
  const unit = path.join(import.meta.dirname, 'unit');
  const without = LAYERS.flat().filter(
    (room) =>
      !globSync(`${room}/**/*.test.ts`, { cwd: unit }).some((file) =>
        readFileSync(path.join(unit, file), 'utf8').includes(`/src/${room}/`),
      ),
  );
  assert.deepEqual(without, []);
});

test('site is the name of one helper that all suites share', () => {
  const OWN = /\bfunction\*? site\b|\bconst site = (?:async )?\([^)]*\) =>/;
  const found = globSync('**/*.ts', { cwd: import.meta.dirname }).filter(
    (file) => file !== 'architecture.test.ts' && OWN.test(readFileSync(path.join(import.meta.dirname, file), 'utf8')),
  );
  assert.deepEqual(found, ['harness/site.ts']);
});

test('a test is skipped by peers.ts alone, which fails instead where peers are required', () => {
  // A single seed is played by hand; the sums over all seeds mean nothing then.
  const allowed = ['peers/peers.ts', 'integration/store/model.test.ts'];
  const SKIP = /\b(?:t|test|it|describe)\.skip\(|\bskip:/;
  const found = globSync('**/*.ts', { cwd: import.meta.dirname }).filter(
    (file) => file !== 'architecture.test.ts' && SKIP.test(readFileSync(path.join(import.meta.dirname, file), 'utf8')),
  );
  assert.deepEqual(found.sort(), allowed.sort());
});
