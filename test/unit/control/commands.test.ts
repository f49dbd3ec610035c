/** The command port: who may, what becomes of a command, and what is reported of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Commands, GATEWAY, type Handlers } from '../../../src/control/commands.ts';
import { fieldCommands } from '../../../src/control/field-commands.ts';
import type { Command, Principal, Role } from '../../../src/core/commands.ts';
import { ROLES } from '../../../src/core/commands.ts';
import { SluiceError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Value } from '../../../src/core/point.ts';
import type { Bus, GatewayEvent, SafePoint, WriteOptions } from '../../../src/core/ports.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const ann: Principal = { who: 'ann', door: 'socket', role: 'operator' };
const write = (value: Value, point = 'pump.speed'): Command => ({ do: 'write', point, value });

function bench(more: Handlers = {}) {
  const clock = new ManualClock();
  const events: GatewayEvent[] = [];
  const written: [device: string, point: string, value: Value, options: WriteOptions | undefined][] = [];
  let fault: SluiceError | undefined;
  const fail = (error?: SluiceError): void => {
    fault = error;
  };
  const bus: Bus = {
    name: 'plant',
    shapes: [{ device: 'pump', points: [{ name: 'speed', type: 'uint16', storage: 'number', unit: 'Hz' }] }],
    start() {},
    stop: async () => {},
    read: async () => [],
    write: async (device, point, value, options) => {
      if (fault !== undefined) throw fault;
      written.push([device, point, value, options]);
      return { value, at: 1, readBack: true };
    },
    status: () => ({ name: 'plant', protocol: 'fake', state: 'open', devices: [] }),
  };
  const safePoints: SafePoint[] = [{ device: 'pump', point: 'speed', value: 20, onStop: true }];
  const field = {
    ...{ buses: [bus], safePoints, urgent() {} },
    busOf: (device: string) =>
      device === 'pump' ? bus : device === 'talker' ? { ...bus, write: undefined as never } : undefined,
  };
  const commands = new Commands(
    { ...fieldCommands(field, () => ['pump', 'talker']), reload: async () => ({ changes: ['rules'], warnings: [] }), ...more },
    { clock, logger: silentLogger, tell: (event) => events.push(event) },
  );
  return { clock, events, written, commands, fail };
}

/** The code of the error of a command that has to fail. */
async function refused(commands: Commands, command: Command, by: Principal = ann): Promise<string> {
  const thrown = await commands.run(command, by).then(
    () => 'done',
    (error: unknown) => error,
  );
  return thrown instanceof SluiceError ? thrown.code : String(thrown);
}

test('each command needs its role, whatever it names and by whatever door it comes', async () => {
  const { commands, written, events } = bench();
  const needs: [Command, Role][] = [
    [write(1), 'operator'],
    [write(1, 'ghost.p'), 'operator'],
    [{ do: 'read', device: 'pump' }, 'operator'],
    [{ do: 'safe', point: 'pump.speed' }, 'operator'],
    [{ do: 'acknowledge', rule: 'dry' }, 'operator'],
    [{ do: 'shelve', rule: 'dry', for: 60_000 }, 'operator'],
    [{ do: 'resend', log: 'x', first: 1, last: 2 }, 'operator'],
    [{ do: 'reload' }, 'administrator'],
  ];
  for (const [command, needed] of needs)
    for (const role of ROLES)
      for (const door of ['socket', 'http', 'mqtt', 'node-red', 'rule'] as const) {
        const code = await refused(commands, command, { who: 'eve', door, role });
        assert.equal(code === 'forbidden', ROLES.indexOf(role) < ROLES.indexOf(needed), `${command.do} as ${role} by ${door}`);
      }
  assert.ok(written.every(([device]) => device === 'pump'));
  assert.equal(events.filter(({ data }) => data?.result === 'refused').length, 60, 'and the audit is capped');
  assert.ok(events.length <= 120);
  assert.throws(() => commands.permit('exchange', { ...ann, role: 'viewer' }), { code: 'forbidden' });
  commands.permit('capture', ann);
});

test('a refusal for the role does not say which points there are', async () => {
  const { commands, events } = bench();
  const eve: Principal = { who: 'eve', door: 'mqtt', role: 'viewer' };
  const messages: string[] = [];
  for (const point of ['pump.speed', 'pump.nothing', 'ghost.p', 'x'])
    await assert.rejects(
      commands.run({ do: 'write', point, value: 1 }, eve),
      ({ message }: SluiceError) => messages.push(message) > 0,
    );
  assert.equal(new Set(messages).size, 1);
  assert.match(messages[0] ?? '', /^write needs the role operator, and eve is viewer: /);
  assert.deepEqual(
    events.map(({ event, data }) => [event, data?.result, data?.code, data?.who, data?.via, data?.role]),
    messages.map(() => ['write', 'refused', 'forbidden', 'eve', 'mqtt', 'viewer']),
  );
});

test('writes done, refused and failed are reported with the principal, the value and why', async () => {
  const { commands, events, fail } = bench();
  await commands.run(write(5), ann);
  fail(new SluiceError('write-refused', 'pump.speed: 99 is above 50, the highest value that may be written'));
  await refused(commands, write(99));
  fail(new SluiceError('timeout', 'no answer', { data: { sent: false } }));
  await refused(commands, write(6), { who: 'dry', door: 'rule', role: 'operator' });
  fail(new SluiceError('write-failed', 'it shows 3'));
  await refused(commands, write(7n), { who: 'cloud', door: 'mqtt', role: 'operator' });
  const base = { point: 'pump.speed' };
  const by = { via: 'socket', who: 'ann', role: 'operator' };
  assert.deepEqual(
    events.map(({ event, severity, data }) => [event, severity, data]),
    [
      ['write', 'info', { ...base, value: 5, result: 'done', ...by }],
      ['write', 'warning', { ...base, value: 99, result: 'refused', code: 'write-refused', ...by }],
      ['write', 'warning', { ...base, value: 6, result: 'refused', code: 'timeout', ...by, via: 'rule', who: 'dry' }],
      ['write', 'warning', { ...base, value: '7', result: 'failed', code: 'write-failed', ...by, via: 'mqtt', who: 'cloud' }],
    ],
  );
  assert.equal(events[0]?.message, 'pump.speed was set to 5 on this board (ann).');
  assert.match(events[1]?.message ?? '', /^pump.speed was not set to 99 on this board \(ann\): 99 is above 50/);
});

test('a text that was not written is not repeated: people type passwords into the wrong field', async () => {
  const { commands, events, fail } = bench();
  const secret = ' hunter "2" battery';
  for (const why of [`pump.speed: "${secret}" is not a number`, `${secret.trim()} is none`, JSON.stringify(secret)]) {
    fail(new SluiceError('write-refused', why));
    await refused(commands, write(secret));
  }
  assert.equal(events.length, 3);
  for (const event of events) assert.doesNotMatch(JSON.stringify(event), /hunter/);
  assert.equal(events[0]?.data?.value, `a text of ${secret.length} characters`);
  for (const shown of ['12.5', '-3e2', 'on', 'TRUE', '2026-11-26T12:00:00Z', '9007199254740993']) {
    fail(new SluiceError('write-refused', `${shown} is too high`));
    await refused(commands, write(shown));
    assert.equal(events.at(-1)?.data?.value, shown);
    assert.match(
      events.at(-1)?.message ?? '',
      new RegExp(`not set to ${shown.replace('.', '\\.')} .*${shown.replace('.', '\\.')} is too high`),
    );
  }
});

test('other commands are the event `command`, and so are readings, done and not', async () => {
  const { commands, events } = bench({
    acknowledge: async ({ rule }) => ({ rule, state: 'active-acknowledged', message: 'it is dry' }),
  });
  const root: Principal = { who: 'root', door: 'socket', role: 'administrator' };
  assert.deepEqual(await commands.run({ do: 'reload' }, root), { changes: ['rules'], warnings: [] });
  assert.equal((await commands.run({ do: 'acknowledge', rule: 'dry' }, ann)).state, 'active-acknowledged');
  assert.equal(await refused(commands, { do: 'resend', log: 'k3', first: 1, last: 9 }), 'unsupported');
  await commands.run({ do: 'read', device: 'pump' }, ann);
  assert.equal(await refused(commands, { do: 'read', device: 'ghost' }), 'not-found');
  await commands.run({ do: 'safe', point: 'pump.speed' }, GATEWAY);
  await refused(commands, { do: 'read', device: 'pump' }, { ...ann, role: 'viewer' });
  const by = { via: 'socket', who: 'ann', role: 'operator' };
  assert.deepEqual(
    events.map(({ event, data }) => [event, data]),
    [
      ['command', { do: 'reload', result: 'done', ...by, who: 'root', role: 'administrator' }],
      ['command', { do: 'acknowledge', rule: 'dry', result: 'done', ...by }],
      ['command', { do: 'resend', log: 'k3', first: 1, last: 9, result: 'refused', code: 'unsupported', ...by }],
      ['command', { do: 'read', device: 'pump', result: 'done', ...by }],
      ['command', { do: 'read', device: 'ghost', result: 'refused', code: 'not-found', ...by }],
      ['command', { do: 'read', device: 'pump', result: 'refused', code: 'forbidden', ...by, role: 'viewer' }],
    ],
  );
  assert.equal(events[3]?.message, 'read pump was done on this board (ann).');
});

test('readings without end are counted from the 21st of an hour on, and hide no other command', async () => {
  const { clock, commands, events } = bench();
  for (let i = 0; i < 50; i++) await commands.run({ do: 'read', device: 'pump' }, ann);
  await refused(commands, { do: 'read', device: 'ghost' });
  assert.equal(events.length, 20);
  for (let i = 0; i < 60; i++) await commands.run(write(5), ann);
  assert.equal(events.filter(({ event }) => event === 'write').length, 60);
  await refused(commands, { do: 'read', device: 'pump' }, { ...ann, role: 'viewer' });
  assert.equal(events[80]?.data?.code, 'forbidden');
  await clock.advance(60 * 60_000 - 1);
  assert.equal(events.length, 81);
  await clock.advance(1);
  assert.deepEqual(
    events.slice(81).map(({ event, message, data }) => [event, message, data]),
    [['command', '31 more readings were asked for within an hour.', { do: 'read', result: 'more', more: 31 }]],
  );
  for (let i = 0; i < 30; i++) await commands.run({ do: 'read', device: 'pump' }, ann);
  assert.equal(events.length, 82 + 19, 'the report is the first of the next hour');
  commands.flush();
  assert.equal(events.at(-1)?.data?.more, 11);
});

test('what comes from outside is cut and cleaned', async () => {
  const { commands, events, fail } = bench();
  const wild: Principal = { who: '\u0007ann', door: 'socket', role: 'operator' };
  await refused(commands, write('a\nb', `x\u001b[2J${'y'.repeat(500)}`), wild);
  const { data } = events[0] as GatewayEvent;
  assert.deepEqual([String(data?.point).length, data?.value, data?.who], [250, 'a text of 3 characters', '�ann']);
  assert.doesNotMatch(JSON.stringify(data), /\\u001b/);
  fail(new SluiceError('write-refused', 'no number'));
  await refused(commands, write(Number.NaN));
  assert.equal(events[1]?.data?.value, 'NaN');
  await refused(commands, { do: 'shelve', rule: '\u001b[2J', for: 1 });
  assert.doesNotMatch(JSON.stringify(events[2]), /\\u001b/);
});

test('a caller that asks without end is counted from the 61st of a minute on', async () => {
  const { clock, commands, events, fail } = bench();
  fail(new SluiceError('write-refused'));
  for (let i = 0; i < 100; i++) await refused(commands, write(99));
  fail();
  assert.equal(events.length, 60);
  await commands.run(write(5), ann);
  assert.equal(events[60]?.data?.result, 'done', 'what was refused hides nothing that was done');
  for (let i = 0; i < 70; i++) await commands.run(write(5), ann);
  assert.equal(events.length, 120);
  await clock.advance(60_000);
  assert.deepEqual(
    events.slice(120).map(({ data }) => data),
    [
      { result: 'more', done: 0, refused: 40, failed: 0 },
      { result: 'more', done: 11, refused: 0, failed: 0 },
    ],
  );
  await commands.run(write(5), ann);
  assert.equal(events.length, 123, 'and the next minute begins anew');
  await clock.advance(120_000);
  assert.equal(events.length, 123);
});

test('a safe value goes first, from the configuration; a stop refuses all but the gateway', async () => {
  const { commands, written } = bench();
  await commands.run({ do: 'safe', point: 'pump.speed' }, ann);
  assert.deepEqual(written, [['pump', 'speed', 20, { safe: true }]]);
  assert.equal(await refused(commands, { do: 'safe', point: 'pump.other' }), 'not-found');
  assert.equal(await refused(commands, write(1, 'talker.x')), 'write-refused');
  assert.equal(await refused(commands, write(1, 'pump')), 'not-found');
  commands.stop();
  assert.equal(await refused(commands, write(1)), 'not-running');
  assert.equal(await refused(commands, { do: 'reload' }, { ...ann, role: 'administrator' }), 'not-running');
  assert.throws(() => commands.permit('exchange', ann), { code: 'not-running' });
  await commands.run({ do: 'safe', point: 'pump.speed' }, GATEWAY);
  assert.equal(written.length, 2);
});

test('an event about a refused configuration has words without its faults beside it', async () => {
  const { commands, events } = bench({
    reload: async () => {
      throw new SluiceError('config-invalid', 'did you mean "heartbeat"?', { data: { faults: 1 } });
    },
  });
  assert.equal(await refused(commands, { do: 'reload' }, { ...ann, role: 'administrator' }), 'config-invalid');
  assert.match(events[0]?.message ?? '', /heartbeat/);
  assert.match(
    events[0]?.bare ?? '',
    /^reload was not done on this board \(ann\): the configuration was refused, with one fault; "sluice check" on the board lists them\.$/,
  );
});
