/** Programs that rules start: hostile texts, programs that hang, fork, flood, or are not there. Real processes, small time-outs. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { runProcess } from '../../../../src/control/actions/hook-process.ts';
import { answerTo } from '../../../../src/control/actions/hook-runner.ts';
import { type AlarmFacts, fill, LONGEST_FILLED } from '../../../../src/control/actions/texts.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import type { SluiceError } from '../../../../src/core/errors.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';
import { scratch } from '../../../harness/scratch.ts';
import { DEADLINE_MS, waitFor } from '../../../harness/wait-for.ts';

const NODE = process.execPath;
/** A program of Node as a hook. */
const js = (code: string, ...args: string[]) => [NODE, '-e', code, '--', ...args];
/** A program that does not hang has all the time of a loaded machine. */
const run = (command: string[], timeout = DEADLINE_MS, input = '{}\n') =>
  runProcess({ run: command, input, timeout }, systemClock);
const failed =
  (words: RegExp, code = 'hook-failed') =>
  (error: SluiceError) => {
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
};

const FACTS: AlarmFacts = {
  rule: 'dry',
  point: 'pump.level',
  occurrence: 3,
  state: 'active-unacknowledged',
  severity: 'critical',
  value: '2.5',
  time: 1_795_000_000_000,
  message: 'The tank is empty',
};

test('hostile texts stay one argument, one line and no option', async () => {
  for (const message of [
    '--option',
    '-rf /',
    '$(reboot)',
    '`reboot`',
    'a\nb',
    'a\0b',
    'a; b && c | d',
    '\'"\\',
    '{value}',
    '\u001b[2J',
    '\ud800',
    '',
    ' ',
    '*',
    '%s%n',
  ]) {
    const text = fill('{message}', { ...FACTS, message }, 'g1');
    const named = fill('--text={message}', { ...FACTS, message }, 'g1');
    const said = JSON.parse(await run(js('console.log(JSON.stringify(process.argv.slice(1)))', text, named)));
    assert.equal(said.length, 2, JSON.stringify(message));
    assert.equal(said[0], text);
    assert.ok(said[1].startsWith('--text='));
    assert.doesNotMatch(text, /[\p{Cc}\p{Cs}]/u);
  }
});

test('a text of a megabyte is cut, and places in texts are not filled again', () => {
  const long = fill('{message}{message}{message}', { ...FACTS, message: 'x'.repeat(2 ** 20) }, 'g1');
  assert.equal(long.length, 3000);
  assert.equal(fill('{message}'.repeat(100), { ...FACTS, message: 'x'.repeat(2 ** 20) }, 'g1').length, LONGEST_FILLED);
  assert.equal(fill('{message} {nothing} {toString}', { ...FACTS, message: '{value}' }, 'g1'), '{value} {nothing} {toString}');
  assert.equal(fill('{number}', FACTS, 'g1', { number: '{value}!' }), '2.5!');
});

test('a program gets its input, three variables of environment, and nothing of the gateway', async () => {
  process.env.SLUICE_TEST_SECRET = 'hunter2';
  const code = `process.stdin.on('data',(d)=>{console.log(JSON.stringify([Object.keys(process.env).sort(),process.cwd(),String(d)]))})`;
  const [names, folder, input] = JSON.parse(await run(js(code), DEADLINE_MS, 'hello\n')) as [string[], string, string];
  // The runner of the tests gives each child of a test what it needs itself.
  const ofRunner = names.some((name) => name.startsWith('_TAPJS_')) ? /^(_TAPJS_|NODE_OPTIONS$)/ : /^$/;
  assert.deepEqual(
    [names.filter((name) => !ofRunner.test(name)), folder, input],
    [['LANG', 'PATH', 'SLUICE_HOOK'], '/', 'hello\n'],
  );
});

test('a program that fails, is missing, or may not be executed is an error with its first words', async (t) => {
  await assert.rejects(run(js('console.error("no modem");process.exit(3)')), failed(/ended with 3: no modem$/));
  await assert.rejects(run(['/nowhere/siren']), failed(/there is no such file/, 'unsupported'));
  const file = path.join(scratch(t), 'plain');
  writeFileSync(file, 'x');
  await assert.rejects(run([file]), failed(/may not be executed/, 'unsupported'));
});

test('a program that hangs is ended with everything that it started', async (t) => {
  const file = path.join(scratch(t), 'pids');
  const code = `
    const {spawn}=require('child_process');
    const child=()=>spawn(process.execPath,['-e','setInterval(()=>{},1000)'],{stdio:'inherit'}).pid;
    require('fs').writeFileSync(process.argv[1],[process.pid,child(),child(),child()].join(' '));
    process.on('SIGTERM',()=>{});
    setInterval(()=>{},1000);`;
  const clock = new ManualClock();
  const hung = runProcess({ run: js(code, file), input: '{}\n', timeout: 3000 }, clock);
  const ended = assert.rejects(hung, failed(/was ended: it took longer than 3s/));
  const pids = (): number[] => (existsSync(file) ? readFileSync(file, 'latin1') : '').split(' ').map(Number);
  await waitFor('all of its programs', () => pids().length === 4);
  await clock.advance(2999);
  assert.ok(pids().every(isAlive), 'its time is not over');
  await clock.advance(1);
  await ended;
  await waitFor('the end of all of them', () => !pids().some(isAlive));
});

test('what a program leaves behind is ended when the program ends', async (t) => {
  const file = path.join(scratch(t), 'pid');
  const code = `
    const child=require('child_process').spawn(process.execPath,['-e','setInterval(()=>{},1000)'],{stdio:'inherit'});
    require('fs').writeFileSync(process.argv[1],String(child.pid));
    process.exit(0);`;
  await run(js(code, file));
  const pid = Number(readFileSync(file, 'latin1'));
  await waitFor('its end', () => !isAlive(pid));
});

/** Starts programs that leave the group, one of them twice, and says their numbers when they run. */
const LEAVES = `
  const {spawn}=require('child_process'),fs=require('fs'),file=process.argv[1];
  const code="require('fs').appendFileSync('"+file+"',process.pid+' ');setInterval(()=>{},1000)";
  const away=(c)=>spawn(process.execPath,['-e',c],{detached:true,stdio:'ignore'}).unref();
  away(code);
  away("require('child_process').spawn(process.execPath,['-e',"+JSON.stringify(code)+"],{detached:true,stdio:'ignore'}).unref()");`;
const numbers = (file: string): number[] =>
  (existsSync(file) ? readFileSync(file, 'latin1').trim() : '').split(' ').filter(Boolean).map(Number);

test('a program that leaves its group (setsid) is ended with its hook', async (t) => {
  const folder = scratch(t);
  const ended = path.join(folder, 'ended');
  const wait = `${LEAVES} const look=()=>fs.existsSync(file)&&fs.readFileSync(file,'latin1').split(' ').length===3?process.exit(0):setTimeout(look,20);look();`;
  await run(js(wait, ended));
  assert.equal(numbers(ended).length, 2);
  await waitFor('their end', () => !numbers(ended).some(isAlive));
  const late = path.join(folder, 'late');
  const clock = new ManualClock();
  const hung = runProcess({ run: js(`${LEAVES} setInterval(()=>{},1000)`, late), input: '{}\n', timeout: 3000 }, clock);
  const over = assert.rejects(hung, failed(/was ended: it took longer than 3s/));
  await waitFor('all of its programs', () => numbers(late).length === 2);
  await clock.advance(3000);
  await over;
  await waitFor('their end', () => !numbers(late).some(isAlive));
});

test('a program that forks without end is ended, and what it started too', async (t) => {
  const file = path.join(scratch(t), 'pids');
  // Each lives for 50 generations at most, so that a fault here ends by itself.
  const script = path.join(path.dirname(file), 'forks');
  writeFileSync(
    script,
    `#!/bin/sh\necho $$ >>${file}\n[ "$1" -gt 50 ] && exec sleep 300\nsetsid "$0" $(($1 + 1)) &\nexec sleep 300\n`,
    { mode: 0o755 },
  );
  const clock = new ManualClock();
  const hung = runProcess({ run: [script, '0'], input: '{}\n', timeout: 1500 }, clock);
  const ended = assert.rejects(hung, failed(/was ended: it took longer than 1\.5s/));
  const pids = () => readFileSync(file, 'latin1').trim().split('\n').map(Number);
  await waitFor('four generations', () => pids().length > 3);
  let over = false;
  const ends = ended.finally(() => {
    over = true;
  });
  // Its time passes first, and then that of its output: the programs hold it open.
  await waitFor('the answer', async () => {
    await clock.advance(1500);
    return over;
  });
  await ends;
  await waitFor('the end of all of them', () => !pids().some(isAlive));
});

test('the limit of unsafeSameUser: a program that hides its mark and its group is not found', async (t) => {
  const file = path.join(scratch(t), 'pid');
  const hides = `require('child_process').spawn(process.execPath,['-e',"require('fs').writeFileSync(process.argv[1],String(process.pid));setInterval(()=>{},1000)",'--',process.argv[1]],{detached:true,stdio:'ignore',env:{}}).unref();
    const look=()=>require('fs').readFileSync(process.argv[1],'latin1')!==''?process.exit(0):setTimeout(look,20);look();`;
  // The file is there before the number is in it.
  writeFileSync(file, '');
  await run(js(hides, file));
  const pid = Number(readFileSync(file, 'latin1'));
  assert.ok(pid > 1, 'its number');
  t.after(() => process.kill(pid, 'SIGKILL'));
  assert.equal(isAlive(pid), true, 'docs/how-to/let-rules-act.md says that it is so');
});

test('a flood of output is cut and ends the program', async () => {
  await assert.rejects(
    run(js('const b="y".repeat(65536);const w=()=>process.stdout.write(b,w);w()')),
    (error: SluiceError) => /it wrote more than 1 MB/.test(error.message) && error.message.length < 1000,
  );
  assert.equal((await run(js('console.log("z".repeat(10000))'))).length, 2048);
});

test('the service runs only programs in its folders that others cannot change', async (t) => {
  const folder = path.join(scratch(t), 'hooks');
  mkdirSync(folder, { mode: 0o755 });
  const program = path.join(folder, 'say');
  writeFileSync(program, '#!/bin/sh\necho "said $1"\n', { mode: 0o755 });
  const site = { folders: [folder], owner: process.getuid?.() ?? 0, clock: systemClock };
  const ask = async (request: unknown) =>
    JSON.parse(await answerTo(typeof request === 'string' ? request : JSON.stringify(request), site));
  const asked = { run: [program, 'yes'], input: '', timeout: 300_000 };
  assert.deepEqual(await ask(asked), { ok: true, output: 'said yes' });
  for (const [request, words] of [
    [{ ...asked, run: ['/bin/sh', '-c', 'reboot'] }, /it is not in/],
    [{ ...asked, run: [`${folder}/../say`] }, /there is no such file|it is not in/],
    [{ ...asked, run: ['say'] }, /not absolute/],
    [{ ...asked, run: [folder] }, /it is not in/],
    [{ ...asked, run: [] }, /not understood/],
    [{ ...asked, run: [program, 'a\0b'] }, /not understood/],
    [{ ...asked, timeout: 1e12 }, /not understood/],
    ['{', /not understood/],
  ] as const) {
    const { ok, message } = await ask(request);
    assert.deepEqual([ok, words.test(message)], [false, true], message);
  }
  chmodSync(program, 0o777);
  assert.match((await ask(asked)).message, /can be changed by others/);
  assert.ok(existsSync(program));
});
