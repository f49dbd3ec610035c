/** What the supervisor makes of the words of its process, and of files and sockets that fail it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type NodeRedConfig, nodeRedSection } from '../../../src/config/node-red.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import type { GatewayEvent } from '../../../src/core/ports.ts';
import type { FromChild } from '../../../src/node-red/messages.ts';
import { Supervisor } from '../../../src/node-red/supervisor.ts';
import type { SupervisorOptions } from '../../../src/node-red/supervisor-side.ts';
import type { FlowWay, ProcessListener } from '../../../src/node-red/way.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const config = (keys: object = {}): NodeRedConfig => nodeRedSection.parse({ enabled: true, user: 'sluice-flows', ...keys });

/** A process that says what the test says, and ends when it is killed. */
async function wordsBench(options: Partial<SupervisorOptions> = {}, way: Partial<FlowWay> = {}, keys: object = {}) {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const logged: { level: string; data: Record<string, unknown>; message: string }[] = [];
  const at = (level: string) => (data: object, message: string) =>
    void logged.push({ level, data: data as Record<string, unknown>, message });
  const logger: Logger = { ...silentLogger, info: at('info'), warn: at('warn'), error: at('error'), child: () => logger };
  const listeners: ProcessListener[] = [];
  const supervisor = new Supervisor({
    ...{ clock, logger, tell: (event) => void events.push(event), random: () => 1 },
    ...{ secret: async () => 'secret', title: () => 'Gateway' },
    ...{ savedSafeMode: async () => undefined, saveSafeMode: async () => {} },
    way: () => ({
      ...{ runsAs: 'user', socket: '/flows/editor.sock', folder: '/flows', clear: async () => {} },
      start: async (listener) => {
        listeners.push(listener);
        return { pid: 4711, send: () => {}, end: () => listener.ended('it ended'), kill: () => listener.ended('it was killed') };
      },
      door: async () => ({ folder: '/state', mode: 0o600 }),
      adopt: async () => '/state/node-red.sock',
      ...way,
    }),
    ...options,
  });
  await supervisor.prepare(config(keys)).apply();
  await clock.advance(1);
  const process = () => listeners.at(-1) as ProcessListener;
  const say = async (message: FromChild) => {
    process().message(message);
    await clock.advance(1);
  };
  return { clock, events, logged, listeners, supervisor, process, say, state: () => supervisor.status().state };
}
const READY: FromChild = { type: 'ready', version: '5.0.7' };

test('the last words of a process are the reason of its end, without the noise of V8', async () => {
  const s = await wordsBench();
  await s.say(READY);
  for (const line of [
    '<--- Last few GCs --->',
    '[4711:0x5581] 8029 ms: Mark-Compact',
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    '----- Native stack trace -----',
    ' 1: 0x5581 node::Abort()',
    '#',
  ])
    s.process().output(line);
  s.process().ended('it was ended by SIGABRT');
  await s.clock.advance(1);
  assert.match(s.supervisor.status().reason ?? '', /^it was ended by SIGABRT: FATAL ERROR: Reached heap limit/);
  assert.equal(s.logged.filter(({ data }) => data.output === true).length, 1);
  assert.match(s.events.at(-1)?.message ?? '', /heap out of memory\. It starts again\.$/);
});

test('a failure that the process tells is the reason, by its first line', async () => {
  const s = await wordsBench();
  await s.say({ type: 'failed', text: 'Error: the flow file is damaged\n    at load (x.js:1:1)' });
  s.process().ended('it ended with status 1');
  await s.clock.advance(1);
  assert.equal(s.supervisor.status().reason, 'it ended with status 1: Error: the flow file is damaged');
  assert.ok(
    s.logged.some(({ level, message }) => level === 'error' && message.includes('x.js:1:1')),
    'the log has all of it',
  );
});

test('the next process has words of its own, and those of an earlier one are dropped', async () => {
  const s = await wordsBench();
  await s.say(READY);
  s.process().output('Error: of the first');
  const [first] = s.listeners;
  s.process().ended('it ended');
  await s.clock.advance(10_000);
  assert.equal(s.listeners.length, 2);
  await s.say(READY);
  const before = s.logged.length;
  first?.output('Error: from the grave');
  first?.message({ type: 'blocked', missing: 'types', names: ['ghost'] });
  first?.ended('it ended again');
  assert.equal(s.logged.length, before);
  assert.deepEqual([s.state(), s.supervisor.status().fault], ['running', undefined]);
  s.process().ended('it ended with status 3');
  await s.clock.advance(1);
  assert.equal(s.supervisor.status().reason, 'it ended with status 3');
});

test('grants that the service of systemd does not give are told with the page that says how', async () => {
  const s = await wordsBench({}, {}, { allow: { exec: true, files: true } });
  await s.say({ type: 'hello', pid: 1, allows: ['exec', 'files'] });
  assert.equal(s.logged.filter(({ level }) => level === 'warn').length, 0);
  s.process().ended('it ended');
  await s.clock.advance(60_000);
  assert.equal(s.listeners.length, 2);
  s.logged.length = 0;
  await s.say({ type: 'hello', pid: 1, allows: ['exec'] });
  const warned = s.logged.find(({ level }) => level === 'warn');
  assert.deepEqual(warned?.data, { missing: ['files'] });
  assert.match(warned?.message ?? '', /switch-on-node-red\.md/);
});

test('flows run also where the editor cannot be reached', async () => {
  const s = await wordsBench({}, { adopt: () => Promise.reject(new Error('it is no socket')) });
  await s.say(READY);
  assert.equal(s.state(), 'running');
  assert.equal(s.supervisor.editor, undefined);
  assert.ok(s.logged.some(({ data, message }) => data.error === 'it is no socket' && /its flows run/.test(message)));
});

test('a flow that says hello and ready without end makes no work and no lines', async () => {
  let adopted = 0;
  const adopt = async (): Promise<string> => `/state/${++adopted}.sock`;
  const s = await wordsBench({}, { adopt }, { allow: { exec: true } });
  await s.say({ type: 'hello', pid: 1, allows: ['exec'] });
  await s.say(READY);
  for (let i = 0; i < 500; i++) {
    s.process().message({ type: 'ready', version: 'forged' });
    s.process().message({ type: 'hello', pid: 1, allows: [] });
  }
  await s.clock.advance(5000);
  assert.deepEqual([adopted, s.supervisor.editor, s.supervisor.status().version], [1, '/state/1.sock', '5.0.7']);
  assert.ok(s.logged.filter(({ level }) => level === 'warn').every(({ message }) => !/allow grants more/.test(message)));
  s.process().ended('it ended');
  await s.clock.advance(60_000);
  await s.say(READY);
  assert.equal(s.supervisor.editor, '/state/2.sock', 'the next process is heard again');
});

test('an editor that a flow called ready too early is reached as soon as it is there', async () => {
  let there = false;
  let tries = 0;
  const adopt = async (): Promise<string> => {
    tries++;
    if (!there) throw new Error('no such file');
    return '/state/node-red.sock';
  };
  const s = await wordsBench({}, { adopt });
  await s.say(READY);
  assert.equal(s.supervisor.editor, undefined);
  there = true;
  await s.clock.advance(5000);
  assert.deepEqual([s.supervisor.editor, tries], ['/state/node-red.sock', 2]);
  there = false;
  await s.clock.advance(60_000);
  assert.equal(tries, 2);
});

test('without a secret nothing is started, and the reason is told', async () => {
  const s = await wordsBench({ secret: () => Promise.reject(new Error('node-red.secret cannot be written')) });
  assert.deepEqual([s.listeners.length, s.state()], [0, 'backing-off']);
  assert.match(s.events[0]?.message ?? '', /^Node-RED cannot start: node-red\.secret cannot be written$/);
});

test('a state of safe mode that cannot be read or kept stops nothing', async () => {
  const s = await wordsBench({
    savedSafeMode: () => Promise.reject(new Error('damaged')),
    saveSafeMode: () => Promise.reject(new Error('no space left')),
  });
  await s.say(READY);
  assert.equal(s.state(), 'running');
  for (let crash = 0; crash < 5; crash++) {
    s.process().ended('it ended');
    await s.clock.advance(300_000);
    await s.say(READY);
  }
  assert.equal(s.state(), 'safe-mode');
  assert.ok(
    s.logged.some(({ data, message }) => data.error === 'no space left' && /a restart of the gateway forgets it/.test(message)),
  );
});

test('a way that cannot prove that nothing is left starts nothing', async () => {
  const s = await wordsBench({}, { clear: () => Promise.reject(new Error('an earlier Node-RED is still there')) });
  assert.equal(s.listeners.length, 0);
  assert.equal(s.supervisor.status().reason, 'an earlier Node-RED is still there');
});
