/** Links of the pages: files, anchors and pictures exist, each page can be reached from the map, external links are few. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const glob = (...patterns: string[]) => patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
const pages = glob('*.md', 'docs/**/*.md', 'hardware-profiles/*.md', 'flows/**/*.md', 'examples/**/*.md');
/** Where an external link may lead. No test asks the network. */
const EXTERNAL = [
  /^https:\/\/ucum\.org$/,
  /^https:\/\/sqlite\.org\/[a-z0-9]+\.html(#[a-z]+)?$/,
  /^https:\/\/nodered\.org(\/|$)/,
  // The sources of the comparison in README.md.
  /^https:\/\/github\.com\/[\w-]+\/[\w-]+\/(issues|pull)\/\d+$/,
  /^https:\/\/(docs\.influxdata\.com|thingsboard\.io\/docs|docs\.emqx\.com|mosquitto\.org\/man)\//,
];

interface Link {
  readonly page: string;
  readonly target: string;
}

/** Links, pictures and HTML attributes; code is left out. */
function linksOf(page: string): Link[] {
  const text = read(page)
    .replace(/^( *)```.*?^\1```$/gms, '')
    .replace(/`[^`\n]*`/g, 'CODE');
  return [
    ...text.matchAll(/\]\(([^)\s]+)\)/g),
    ...text.matchAll(/^\[[^\]]+\]: (\S+)/gm),
    ...text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g),
  ].map(([, target = '']) => ({ page, target }));
}

/** As GitHub makes the anchors of a page. A second heading of the same text gets a number. */
function anchorsOf(page: string): Set<string> {
  const found = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of read(page)
    .replace(/^( *)```.*?^\1```$/gms, '')
    .matchAll(/^#+ (.*)$/gm)) {
    const anchor = heading
      .replace(/`|\*|\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    const before = found.get(anchor) ?? 0;
    found.set(anchor, before + 1);
    anchors.add(before === 0 ? anchor : `${anchor}-${before}`);
  }
  return anchors;
}

const isExternal = ({ target }: Link) => /^[a-z][a-z0-9+.-]*:/i.test(target);
/** The file that a relative link leads to, from the root. */
function fileOf({ page, target }: Link): string {
  const [file = ''] = target.split('#');
  return file === '' ? page : path.join(path.dirname(page), file);
}
const links = pages.flatMap(linksOf);

function faultOf(link: Link): string | undefined {
  const file = fileOf(link);
  if (file.startsWith('..') || !existsSync(path.join(root, file))) return 'there is no such file';
  if (
    file.startsWith('docs/') &&
    statSync(path.join(root, file)).isDirectory() &&
    !existsSync(path.join(root, file, 'README.md'))
  )
    return 'the folder has no README.md: link a file in it';
  const [, anchor] = link.target.split('#');
  if (anchor === undefined) return undefined;
  return file.endsWith('.md') && anchorsOf(file).has(anchor) ? undefined : 'there is no such heading';
}

test('every relative link leads to a file, every anchor to a heading', () => {
  const relative = links.filter((link) => !isExternal(link));
  const faults = relative.map((link) => ({ ...link, why: faultOf(link) })).filter(({ why }) => why !== undefined);
  assert.deepEqual(
    faults.map(({ page, target, why }) => `${page}: ${target}: ${why}`),
    [],
  );
  assert.ok(relative.length > 100, `${relative.length} links`);
});

test('external links lead to the places of a short list', () => {
  const others = links.filter((link) => isExternal(link) && !EXTERNAL.some((place) => place.test(link.target)));
  assert.deepEqual(
    others.map(({ page, target }) => `${page}: ${target}`),
    [],
  );
});

test('each page and picture of docs is reached from docs/README.md', () => {
  const reached = new Set(['docs/README.md']);
  for (const page of reached) {
    if (!page.endsWith('.md')) continue;
    for (const link of linksOf(page)) {
      const file = isExternal(link) ? '' : fileOf(link);
      if (file.startsWith('docs/')) reached.add(file);
    }
  }
  const linkedFromReadme = linksOf('README.md').map(fileOf);
  assert.deepEqual(
    glob('docs/**/*.md', 'docs/pictures/*').filter((file) => !reached.has(file) && !linkedFromReadme.includes(file)),
    [],
  );
  assert.ok(reached.size > 40);
});

test('each page that code, tests, units and examples name exists', () => {
  const files = glob(
    'src/**/*.ts',
    'test/**/*.ts',
    'bench/**/*.ts',
    'scripts/**/*.ts',
    'systemd/*',
    'examples/**/*.{yaml,py,md}',
  );
  const named = files.flatMap((file) =>
    [...read(file).matchAll(/(?<![\w/])docs\/[\w./-]+\.(?:md|json|svg)\b/g)].map(([name]) => `${file}: ${name}`),
  );
  assert.deepEqual(
    named.filter((line) => !existsSync(path.join(root, line.split(': ')[1] ?? ''))),
    [],
  );
  assert.ok(named.length > 20);
});

/** The drawings that are made by hand. */
const DRAWINGS = ['delivery', 'files', 'reading', 'rs485'];

test('each drawing has a title, a description and a dark form of the same shapes', () => {
  const bare = (text: string) => text.replace(/#[0-9a-f]{6}\b/g, '#');
  for (const name of DRAWINGS) {
    const file = `docs/pictures/${name}-light.svg`;
    const light = read(file);
    assert.match(light, /<title\b[^>]*>[^<]{5,}<\/title>/, file);
    assert.match(light, /<desc\b[^>]*>[^<]{40,}<\/desc>/, file);
    const dark = file.replace('-light', '-dark');
    assert.equal(bare(read(dark)), bare(light), dark);
  }
});

test('each page begins with what it is and for whom', () => {
  const first = (page: string) =>
    read(page)
      .replace(/<!--.*?-->\n/gs, '')
      .split('\n\n')[1]
      ?.replace(/\s+/g, ' ') ?? '';
  const silent = pages
    .filter((page) => page.startsWith('docs/') && !/^docs\/decisions\/(?!README)/.test(page))
    .filter((page) => !/^This page \w+ .*\bfor\b/.test(first(page)));
  assert.deepEqual(silent, []);
});
