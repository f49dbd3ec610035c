/** `sluice pack` as a person runs it: the list, each pack in both languages, and rules that are added to a file, or are not. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { loadPack } from '../../../src/config/rule-packs.ts';
import { startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { sluice } from '../../harness/start-gateway.ts';

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const SHIPPED = path.join(ROOT, 'rule-packs');
const LIST = path.join(ROOT, 'src', 'cli', 'pack', 'list.ts');
const NAMES = readdirSync(SHIPPED).sort();
const YAML = `# the fridge of the clinic
gateway: {id: g1}
buses:
  field: {protocol: modbus-tcp, host: 192.0.2.1}   # by the door
devices:
  fridge:
    bus: field
    unit: 1
    interval: 1m
    points:
      temperature: {table: input, address: 0, type: int16, scale: 0.1, unit: Cel}
      door: {table: coil, address: 0, type: bool}
`;

function file(t: TestContext): { readonly folder: string; readonly config: string; readonly text: () => string } {
  const folder = scratch(t, 'pack');
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(config, YAML);
  chmodSync(config, 0o640);
  return { folder, config, text: () => readFileSync(config, 'utf8') };
}

test('pack list and show: every pack, in English and Bangla, with the source of each limit', async (t) => {
  const list = await sluice(t, 'pack', 'list');
  assert.deepEqual([list.code, list.stderr], [0, '']);
  assert.deepEqual(
    list.stdout.split('\n').map((line) => line.split(' ')[0]),
    NAMES,
  );
  const json = JSON.parse((await sluice(t, 'pack', 'list', '--json')).stdout) as { name: string; title: { bn: string } }[];
  assert.deepEqual(
    json.map(({ name }) => name),
    NAMES,
  );
  assert.ok(json.every(({ title }) => /[\u0980-\u09ff]/.test(title.bn)));

  const english = await sluice(t, 'pack', 'show', 'vaccine-fridge');
  assert.equal(english.code, 0, english.stderr);
  assert.match(english.stdout, /^vaccine-fridge: Vaccine fridge\n/);
  assert.match(english.stdout, /^ {2}temperature +the temperature inside the fridge \(needed\)$/m);
  assert.match(english.stdout, /^ {2}heat +at this and above every hour counts \(30 °C, from who-e006-tr07\)$/m);
  assert.match(
    english.stdout,
    /^ {2}high +the highest temperature \(8 °C, said to be of who-e006-ds01, and not read there: confirm it\)$/m,
  );
  assert.match(
    english.stdout,
    /^times and deadbands inside the rules \(our choice: confirm them\)\n {2}\{\{name\}\}-warm: deadband 0\.5$/m,
  );
  assert.match(english.stdout, /^ {2}low +the lowest temperature \(-0\.5 °C, our choice: confirm it\)$/m);
  assert.match(english.stdout, /^ {2}who-e006-ds01: WHO PQS/m);
  const bangla = await sluice(t, 'pack', 'show', 'vaccine-fridge', '--language', 'bn');
  assert.match(bangla.stdout, /^vaccine-fridge: টিকার ফ্রিজ\n/);

  const unknown = await sluice(t, 'pack', 'show', 'vaccine-frigde');
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /vaccine-fridge/);
  assert.equal(unknown.stdout, '');
});

test('pack list: one pack with faults hides no other, and is named with its faults', async (t) => {
  const packs = scratch(t, 'packs');
  cpSync(path.join(SHIPPED, 'forest'), path.join(packs, 'forest'), { recursive: true });
  cpSync(path.join(SHIPPED, 'traffic-counter'), path.join(packs, 'traffic'), { recursive: true });
  for (const [name, text] of [
    ['broken', 'title: {en: Mine}\n'],
    ['torn', 'title: {en: [\n'],
  ] as const) {
    mkdirSync(path.join(packs, name));
    writeFileSync(path.join(packs, name, 'pack.yaml'), text);
  }
  mkdirSync(path.join(packs, 'empty'));
  const list = async (options: string) => {
    const code = `import { packList } from ${JSON.stringify(LIST)}; packList(${options}, ${JSON.stringify(packs)});`;
    const child = startChild(t, process.execPath, ['--input-type=module', '-e', code]);
    return { code: await child.ended, stdout: child.stdout, stderr: child.stderr.join('\n') };
  };
  const { code, stdout, stderr } = await list('{}');
  assert.equal(code, 1);
  assert.deepEqual(stdout, [
    'broken   cannot be used; its faults: sluice pack show broken',
    'empty    cannot be used; its faults: sluice pack show empty',
    `forest   ${loadPack(packs, 'forest').title.en}`,
    'torn     cannot be used; its faults: sluice pack show torn',
    `traffic  ${loadPack(packs, 'traffic').title.en}`,
  ]);
  for (const name of ['broken', 'empty', 'torn']) {
    assert.match(stderr, new RegExp(`^sluice: ${name}: the rule pack cannot be used:\\n.*/${name}/pack\\.yaml:\\d+:\\d+: `, 'm'));
    assert.ok(stderr.includes(`Correct that file, or remove the folder ${path.join(packs, name)}.`));
  }
  assert.match(stderr, /broken\/pack\.yaml:1:\d+: title\.bn: /);
  const json = await list('{ json: true }');
  assert.equal(json.code, 1);
  const entries = JSON.parse(json.stdout.join('')) as { name: string; title?: object; broken?: string }[];
  assert.deepEqual(
    entries.map(({ name, title, broken }) => [name, title !== undefined, broken !== undefined]),
    [
      ['broken', false, true],
      ['empty', false, true],
      ['forest', true, false],
      ['torn', false, true],
      ['traffic', true, false],
    ],
  );
});

test('pack apply: printed, added to the file, refused for the same names, and valid', async (t) => {
  const { folder, config, text } = file(t);
  const apply = (...more: string[]) =>
    sluice(t, 'pack', 'apply', 'vaccine-fridge', '--set', 'temperature=fridge.temperature', ...more, '-c', config);
  const printed = await apply('--set', 'high=7.5');
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(printed.stdout, /^# Rule pack vaccine-fridge: /);
  assert.match(printed.stdout, /^# Confirm the delays, deadbands and windows in the rules too, they are our choice\.$/m);
  assert.match(printed.stdout, /^ {2}fridge-warm:\n(?: {4}.*\n)* {4}above: 7\.5\n/m);
  assert.equal(text(), YAML, 'the file is as it was');

  const link = path.join(folder, 'link.yaml');
  symlinkSync(config, link);
  const added = await sluice(
    t,
    ...['pack', 'apply', 'vaccine-fridge', '--set', 'temperature=fridge.temperature', '--write', '-c', link],
  );
  assert.equal(added.code, 0, added.stderr);
  assert.match(added.stdout, /^Added \d+ entries to rules \(fridge-warm, /);
  assert.ok(text().startsWith(YAML), 'comments and what stood there stay');
  assert.match(text(), /^ {2}fridge-warm:$/m);
  assert.equal(statSync(config).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder).sort(), ['gateway.yaml', 'link.yaml'], 'nothing is left beside it');
  const check = await sluice(t, 'check', config);
  assert.equal(check.code, 0, check.stderr);

  const before = text();
  const again = await apply('--write');
  assert.notEqual(again.code, 0, 'the names are taken');
  assert.match(again.stderr, /rules has fridge-warm, .* already; choose another name with --set name=…, or remove/);
  assert.equal(text(), before);
  const second = await apply('--set', 'name=fridge-b', '--write');
  assert.equal(second.code, 0, second.stderr);
  assert.match(text(), /^ {2}fridge-b-warm:$/m);
});

test('pack apply: what does not fit is said in words, and the file stays', async (t) => {
  const { folder, config, text } = file(t);
  const cases: [args: string[], words: RegExp][] = [
    [[], /temperature/],
    [['--set', 'temperature=fridge.temprature'], /fridge\.temprature|temprature/],
    [['--set', 'temperature=fridge.temperature', '--set', 'hihg=7'], /hihg/],
    [['--set', 'temperature=fridge.temperature', '--set', 'high=warm'], /high/],
    [['--set', 'temperature'], /PARAMETER=VALUE/],
    [['--set', 'temperature=fridge.temperature', '--set', 'temperature=fridge.x'], /temperature was given already/],
  ];
  for (const [args, words] of cases) {
    const { code, stdout, stderr } = await sluice(t, 'pack', 'apply', 'vaccine-fridge', ...args, '--write', '-c', config);
    assert.ok(code !== 0 && stdout === '', `${args}: ${code} ${stdout}`);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /^\s+at .*:\d+:\d+/m, 'words, and no trace');
    assert.equal(text(), YAML);
  }
  const missing = await sluice(
    t,
    ...['pack', 'apply', 'vaccine-fridge', '--set', 'temperature=fridge.temperature', '--write'],
    ...['-c', path.join(folder, 'none.yaml')],
  );
  assert.match(missing.stderr, /none\.yaml cannot be read.*sluice init/);
  assert.deepEqual(readdirSync(folder), ['gateway.yaml']);
});

test('pack apply: a switch that would stop nothing is refused, and the file stays', async (t) => {
  const { config, text } = file(t);
  const apply = (...more: string[]) => {
    const set = ['level=fridge.level', 'level-high=2', ...more].flatMap((one) => ['--set', one]);
    return sluice(t, 'pack', 'apply', 'pump-and-tank', ...set, '-c', config);
  };
  const idle = await apply('pressure=fridge.pressure', 'stop=fridge.switch');
  assert.deepEqual([idle.code, idle.stdout], [2, '']);
  assert.match(idle.stderr, /^sluice: pressure is used by no rule without pump: set it too, or leave pressure out$/m);
  assert.match(idle.stderr, /^stop is used by no rule without pump: set it too, or leave stop out$/m);
  const alone = await sluice(
    t,
    ...['pack', 'apply', 'pump-and-tank', '--set', 'level=fridge.level', '--set', 'level-high=2'],
    ...['--set', 'stop=fridge.switch', '--write', '-c', config],
  );
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /stop is used by no rule without pump and pressure: set them too, or leave stop out/);
  assert.equal(text(), YAML);
  const whole = await apply('pressure=fridge.pressure', 'stop=fridge.switch', 'pump=fridge.pump');
  assert.equal(whole.code, 0, whole.stderr);
  assert.match(whole.stdout, /^ {2}tank-pump-dry:\n(?: {4}.*\n)* {4}interlock:/m);
});
