/** Rules that act, on a running gateway with a device made by somebody else: writes, interlocks, messages, hooks, a dead device, a kill. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Peek } from '../../harness/mqtt-peek.ts';
import { scratch } from '../../harness/scratch.ts';
import { type SiteConfig, site } from '../../harness/site.ts';
import { sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

/** The plant has all the time that a busy machine takes, and `dead` costs a time-out of the bus. */
const POINTS = `
  plant:
    bus: plant
    unit: 1
    timeout: 10s
    interval: 50ms
    points:
      level: {table: holding, address: 5, type: int16}
      speed: {table: holding, address: 0, type: int16, write: {min: 0, max: 50, every: 0ms}}
      lamp: {table: holding, address: 1, type: uint16, write: {min: 0, max: 1, every: 0ms}}
  dead: {bus: plant, unit: 9, interval: 500ms, points: {p: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9}}}}`;

async function bench(t: TestContext, parts: SiteConfig) {
  const s = await site(t, {
    ...{ device: SettableDevice.start, bus: 'timeout: 300ms, retries: 0', devices: POINTS, buffer: '', broker: true },
    ...parts,
  });
  if (s === undefined) return undefined;
  await s.device.set(5, 10);
  await s.gateway.up();
  return { ...s, peek: await s.peek() };
}

const events = (peek: Peek, word: string): { severity: string; message: string; data: Record<string, unknown> }[] =>
  peek.messages
    .filter((m) => m.topic === 'sluice/g1/event')
    .map((m) => JSON.parse(m.text))
    .filter((e) => e.event === word);
const alarms = (peek: Peek, rule: string): { state: string; message: string; cause: string }[] =>
  peek.messages.filter((m) => m.topic === `sluice/g1/alarm/${rule}`).map((m) => JSON.parse(m.text));

test('an alarm writes, publishes, lights its lamp, and locks its point until it is over', async (t) => {
  const b = await bench(t, {
    rules: `  dry:
    point: plant.level
    below: 3
    message: The tank is empty
    do:
      - {write: plant.speed, value: 0}
      - {on: [normal], write: plant.speed, value: 20}
      - {publish: siren, payload: '{severity} {message} ({value})'}
      - {output: plant.lamp, set: 1, clear: 0}
    interlock: [plant.speed]`,
  });
  if (b === undefined) return;
  const { device, gateway, peek } = b;
  const write = (...args: string[]) => sluice(t, 'write', '-c', gateway.config, ...args);
  assert.equal((await write('plant.speed', '30')).code, 0);
  await device.set(5, 2);
  await waitFor('the write and the lamp', async () => (await device.get('holding', 0, 2)).join() === '0,1');
  const siren = await waitFor('the message', () => peek.last(/action\/dry\/siren$/));
  assert.equal(siren.text, 'warning The tank is empty (2)');
  const refused = await write('plant.speed', '30');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /plant\.speed is locked by the rule dry while its alarm is active \(The tank is empty.*write it when the cause is gone/,
  );
  assert.deepEqual(await device.get('holding', 0), [0]);
  await device.set(5, 10);
  await waitFor('what comes after the alarm', async () => (await device.get('holding', 0, 2)).join() === '20,0');
  assert.equal((await write('plant.speed', '30')).code, 0);
  const told = events(peek, 'write').filter(({ data }) => data.via === 'rule');
  assert.deepEqual(
    told.filter(({ data }) => data.point === 'plant.speed').map(({ data }) => [data.who, data.value, data.result]),
    [
      ['rule dry', 0, 'done'],
      ['rule dry', 20, 'done'],
    ],
  );
  assert.deepEqual(
    events(peek, 'action').map(({ data }) => [data.of, data.result]),
    [['publish siren', 'done']],
  );
});

test('a dead device: bounded tries, an event, words of the alarm, and the fallback', async (t) => {
  const b = await bench(t, {
    rules: `  dry:
    point: plant.level
    below: 3
    do: [{write: dead.p, value: 1, retries: 1, else: {write: plant.speed, value: 7}}]`,
  });
  if (b === undefined) return;
  const { device, peek } = b;
  await device.set(5, 2);
  await waitFor('the fallback', async () => (await device.get('holding', 0))[0] === 7);
  const failed = await waitFor('the event', () => events(peek, 'action')[0]);
  assert.equal(failed.severity, 'critical');
  assert.match(failed.message, /The action "write dead\.p" of the rule dry failed: .*Its fallback is next: write plant\.speed\./);
  const remarked = () => alarms(peek, 'dry').filter(({ cause }) => cause === 'action');
  const remarks = await waitFor('both remarks', () => (remarked().length >= 2 ? remarked() : undefined));
  assert.equal(remarks.length, 2);
  assert.match(remarks.at(-1)?.message ?? '', /write dead\.p failed: /);
  assert.ok(remarks.every(({ state }) => state === 'active-unacknowledged'));
});

test('after a kill what was done is not done again, and the lamp is as it was', async (t) => {
  const file = path.join(scratch(t), 'runs');
  const program = path.join(scratch(t), 'count');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$1" >>${file}\n`, { mode: 0o755 });
  const b = await bench(t, {
    rules: `  dry:
    point: plant.level
    below: 3
    message: '--help $(reboot)'
    do:
      - {hook: count}
      - {output: plant.lamp, set: 1, clear: 0}`,
    more: `hooks: {count: {run: [${program}, 'text={message}'], unsafeSameUser: true}}`,
  });
  if (b === undefined) return;
  const { device, gateway, peek } = b;
  await device.set(5, 2);
  await waitFor('the hook', () => events(peek, 'action').some(({ data }) => data.result === 'done') && existsSync(file));
  await waitFor('the lamp', async () => (await device.get('holding', 1))[0] === 1);
  await gateway.kill();
  await device.set(1, 0);
  await gateway.up();
  await waitFor('the lamp again', async () => (await device.get('holding', 1))[0] === 1);
  const before = (await gateway.status()).buses[0]?.devices[0]?.counters.replies ?? 0;
  await waitFor('polls', async () => ((await gateway.status()).buses[0]?.devices[0]?.counters.replies ?? 0) > before + 5);
  assert.equal(readFileSync(file, 'latin1'), 'text=--help $(reboot)\n');
});

test('a siren of a rule that was removed while the gateway was down is switched off', async (t) => {
  const b = await bench(t, {
    rules: `  dry:
    point: plant.level
    below: 3
    do: [{output: plant.lamp, set: 1, clear: 0}]`,
  });
  if (b === undefined) return;
  const { device, gateway } = b;
  await device.set(5, 2);
  await waitFor('the lamp', async () => (await device.get('holding', 1))[0] === 1);
  await waitFor('its figures', async () => (await gateway.status()).actions?.list[0]?.last?.result === 'done');
  await gateway.kill();
  writeFileSync(
    gateway.config,
    readFileSync(gateway.config, 'utf8').replace('output: plant.lamp, set: 1, clear: 0', 'publish: siren'),
  );
  await gateway.up();
  await waitFor('the lamp is off', async () => (await device.get('holding', 1))[0] === 0);
  const { actions } = await waitFor('its figures', async () => {
    const status = await gateway.status();
    return status.actions?.list[0]?.last === null ? undefined : status;
  });
  assert.deepEqual(
    actions?.list.map(({ action, last }) => [action, last?.result]),
    [['output plant.lamp', 'done']],
  );
});

test('a hook that hangs holds up nobody', async (t) => {
  // More than the write beside them takes on a busy machine, until this test has seen it.
  const program = path.join(scratch(t), 'hang');
  writeFileSync(program, '#!/bin/sh\nwhile :; do sleep 1000; done\n', { mode: 0o755 });
  const b = await bench(t, {
    rules: `  dry: {point: plant.level, below: 3, do: [{hook: hang, retries: 0}, {hook: hang, retries: 0}, {hook: hang, retries: 0}, {write: plant.speed, value: 5}]}`,
    more: `hooks: {hang: {run: [${program}], timeout: 15s, unsafeSameUser: true}}`,
  });
  if (b === undefined) return;
  const { device, peek } = b;
  await device.set(5, 2);
  await waitFor('the write beside them', async () => (await device.get('holding', 0))[0] === 5);
  assert.deepEqual(events(peek, 'action'), [], 'the hooks still hang');
  await waitFor('the end of three', () => events(peek, 'action').length === 3);
  assert.ok(events(peek, 'action').every(({ message }) => /it took longer than 15s/.test(message)));
});
