/** The pages are held against the code: codes, reasons, configurations, messages. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseDocument } from 'yaml';
import { formatFault } from '../../../src/config/fault.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { ERRORS } from '../../../src/core/errors.ts';
import { REASONS } from '../../../src/core/reasons.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { Consumer } from '../../oracles/consumer.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const pages = ['*.md', 'docs/**/*.md', 'hardware-profiles/**/*.md', 'flows/*.md', 'examples/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .sort();
const rows = (page: string): string[][] =>
  read(page)
    .split('\n')
    .filter((line) => /^\| `/.test(line))
    .map((line) => line.slice(1, -1).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));
const blocks = (page: string, language: string): { text: string; line: number }[] =>
  [...read(page).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((m) => ({
    text: m[1] ?? '',
    line: read(page).slice(0, m.index).split('\n').length,
  }));
const options = { profileDirs: [path.join(root, 'hardware-profiles/devices')], env: {}, readSecrets: false };

test('docs/reference/errors.md has every code, and says when it is tried again', () => {
  const says = { now: 'at once', later: 'later', never: 'never' } as const;
  const written = Object.fromEntries(
    rows('docs/reference/errors.md').map(([code, again, ...rest]) => [code, [again, rest.length]]),
  );
  assert.deepEqual(
    written,
    Object.fromEntries(Object.entries(ERRORS).map(([code, { retry }]) => [`\`${code}\``, [says[retry], 2]])),
  );
});

test('docs/reference/reasons.md has every reason with its number and quality', () => {
  assert.deepEqual(
    rows('docs/reference/reasons.md').map((cells) => cells.slice(0, 3)),
    REASONS.map(({ name, code, quality }) => [`\`${name}\``, String(code), quality]),
  );
});

test('docs/reference/topics.md has every event that the gateway tells', () => {
  const told = new Set<string>();
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    // A literal of a GatewayEvent, or a call that makes one.
    for (const [, event = ''] of read(file).matchAll(/\bevent(?:: |\()'([a-z-]+)'/g)) told.add(event);
  }
  const section = read('docs/reference/topics.md').split('## event')[1] ?? '';
  const written = [...section.matchAll(/^\| `([a-z-]+)` \| ((?:info|warning|critical)(?:, (?:info|warning|critical))*) \|/gm)];
  assert.deepEqual(written.map(([, event]) => event).sort(), [...told].sort());
});

test('what a test asks to install is installed by the integration run and in CONTRIBUTING.md', () => {
  const listed = /^programs=\((.*)\)$/m.exec(read('.ci/run'))?.[1]?.split(' ') ?? [];
  const named = /^sudo apt-get install -y ((?:.*\\\n)*.*)$/m
    .exec(read('CONTRIBUTING.md'))?.[1]
    ?.replaceAll('\\', '')
    .split(/\s+/);
  const asked = globSync('test/**/*.ts', { cwd: root }).flatMap((file) =>
    [...read(file).matchAll(/apt-get install -y ([a-z0-9 -]+)['`]/g)].flatMap(([, names = '']) => names.split(' ')),
  );
  assert.ok(asked.length > 5);
  assert.deepEqual(
    [...new Set(asked)].filter((name) => !listed.includes(name)),
    [],
    'missing in .ci/run',
  );
  assert.deepEqual(
    named,
    listed.filter((name) => name !== 'ca-certificates'),
    'CONTRIBUTING.md names what .ci/run installs',
  );
});

test('every whole configuration in the pages is valid', () => {
  const found: string[] = [];
  for (const page of pages) {
    for (const { text, line } of blocks(page, 'ya?ml')) {
      const document = parseDocument(text);
      assert.deepEqual(document.errors, [], `${page}:${line}`);
      if (!document.has('gateway') || !document.has('devices')) continue;
      // It names the profile that the page writes: docs-profiles.test.ts follows that page.
      if (page === 'docs/how-to/write-a-device-profile.md') continue;
      found.push(page);
      const { faults } = loadConfigText(text, `${page}.yaml`, kinds, options);
      assert.deepEqual(faults.map(formatFault), [], `${page}:${line}`);
    }
  }
  assert.ok(found.includes('README.md'), 'the README shows a configuration');
});

for (const file of globSync('examples/*/gateway.yaml', { cwd: root }).sort()) {
  test(`${file} is valid`, () => {
    const { config, faults, warnings } = loadConfigText(read(file), path.join(root, file), kinds, options);
    assert.deepEqual(faults.map(formatFault), []);
    assert.ok(config !== undefined && config.devices.size > 0);
    // The meter has to be set to the speed of the line: the one thing to be warned of, and its comment says so.
    const meter = warnings.filter(({ path }) => path !== 'devices.mains.profile');
    assert.deepEqual(meter.map(formatFault), []);
    // The configuration also works without its comment signs.
    const all = read(file).replace(/^# ((?: *)(?:forwarders|[a-z]+|type|url|username|password):(?: |$).*)$/gm, '$1');
    assert.deepEqual(loadConfigText(all, path.join(root, file), kinds, options).faults.map(formatFault), []);
    if (/^# forwarders:/m.test(read(file))) assert.match(all, /^forwarders:$/m);
  });
}

test('the messages of docs/reference/topics.md are what the contract says', () => {
  const messages = blocks('docs/reference/topics.md', 'json').map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  const consumer = new Consumer();
  for (const message of messages) {
    const kind =
      'records' in message ? 'data' : 'rule' in message ? `alarm/${String(message.rule)}` : 'event' in message && 'event';
    if (kind !== false) consumer.feed(`sluice/ghat-1/${kind}`, JSON.stringify(message));
  }
  assert.deepEqual(consumer.judge(), []);
  assert.ok(consumer.accepted.size >= 8);
});
