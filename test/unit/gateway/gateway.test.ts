/** A whole gateway in this process, with no bus: its start, what it refuses, a reload, and what a failed start leaves. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Target } from '../../../src/admin/gateway-target.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Principal } from '../../../src/core/commands.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import { Gateway } from '../../../src/gateway/gateway.ts';
import { kinds } from '../../../src/gateway/registry.ts';
import { createBus, createForwarder } from '../../../src/gateway/registry-create.ts';
import { sealedLayout, sealLayout } from '../../../src/store/files/layout-seal.ts';
import { ClockMachine } from '../../fakes/clock-machine.ts';
import { freePort } from '../../harness/free-port.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';

const ROOT: Principal = { who: 'root', door: 'socket', role: 'administrator' };

function gatewayBench(t: TestContext) {
  const made: Gateway[] = [];
  // Before its folder goes.
  t.after(() => Promise.all(made.map((gateway) => gateway.stop())));
  const dir = scratch(t, 'whole');
  const parse = (rest: string, id = 'g1'): GatewayConfig => {
    const text = `gateway: {id: ${id}, stateDir: ${dir}/state, runtimeDir: ${dir}/run}\n${rest}`;
    const { config, faults } = loadConfigText(text, path.join(dir, 'gateway.yaml'), kinds, { profileDirs: [] });
    assert.ok(config !== undefined, JSON.stringify(faults));
    return config;
  };
  const warned: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => void warned.push(message), child: () => logger };
  const make = (config: GatewayConfig): Gateway => {
    const gateway = new Gateway({
      ...{ config, clock: systemClock, logger, probes: new ClockMachine() },
      onFatal: (error) => assert.fail(error),
    });
    made.push(gateway);
    return gateway;
  };
  return { dir, parse, make, warned, socket: path.join(dir, 'state/sluice.sock') };
}
const nobody = () => Promise.reject(new Error('nobody reloads here'));

test('what comes with the start is not there before it, and says so', (t) => {
  const s = gatewayBench(t);
  const gateway = s.make(s.parse(''));
  for (const what of ['log', 'ingest', 'rules'] as const) assert.throws(() => gateway[what], { code: 'internal' });
  assert.deepEqual([gateway.running, gateway.counters, gateway.broker, gateway.http], [false, undefined, undefined, undefined]);
});

test('while a configuration is on trial the log drops nothing that it kept before', async (t) => {
  const s = gatewayBench(t);
  const before = s.parse('buffer: {maxSize: 200MB, maxAge: 30d, minFree: 10MB}\n');
  const next = s.parse('buffer: {maxSize: 1MB, maxAge: 1h, minFree: 500MB, commitEvery: 1s}\n');
  const gateway = s.make(before);
  await gateway.start(nobody);
  const bounds = () => {
    const { maxSize, maxAge, minFree, commitEvery } = gateway.log.options;
    return { maxSize, maxAge, minFree, commitEvery };
  };
  await gateway.reload(next, true);
  assert.deepEqual(bounds(), { ...before.buffer, commitEvery: 1000 });
  assert.equal(gateway.log.options.retention, before.privacy, 'no class of the trial deletes anything');
  // The roll-back, and a trial that proves itself.
  await gateway.reload(before);
  assert.deepEqual(bounds(), before.buffer);
  await gateway.reload(next, true);
  gateway.confirm();
  assert.deepEqual(bounds(), next.buffer);
  assert.equal(gateway.log.options.retention, next.privacy);
  // More room is room at once.
  await gateway.reload(before, true);
  assert.deepEqual(bounds(), { ...before.buffer, minFree: 10 * 1024 ** 2 });
});

test('it runs, reloads by name, refuses what needs a restart, and ends', async (t) => {
  const s = gatewayBench(t);
  const port = await freePort();
  const gateway = s.make(s.parse(''));
  await assert.rejects(gateway.reload(s.parse('')), { code: 'not-running' });
  await gateway.start(nobody);
  assert.ok(gateway.running && existsSync(s.socket));
  const target = new Target(gateway);
  assert.equal(target.status().gateway.boot, 'b1');
  assert.deepEqual(target.ready().ready, true);

  const next = s.parse(`broker: {listen: {port: ${port}}}\nforwarders: {up: {type: mqtt, url: "mqtt://127.0.0.1:1"}}\n`);
  assert.deepEqual(await gateway.reload(next), ['forwarders.up', 'broker']);
  await waitFor('the embedded broker', () => gateway.broker?.status().address);
  assert.equal(gateway.forwarders.length, 1);
  assert.deepEqual(await gateway.reload(next), [], 'the same file again changes nothing');

  await assert.rejects(gateway.reload(s.parse('', 'other')), { code: 'config-invalid', message: /need a restart/ });
  assert.equal(gateway.config, next);

  const web = `dashboard: {listen: {port: ${await freePort()}}}\nbuffer: {maxSize: 20MB}\n`;
  assert.deepEqual(await gateway.reload(s.parse(web)), ['buffer', 'forwarders.up', 'broker', 'dashboard']);
  assert.equal(gateway.broker, undefined);
  assert.equal(gateway.log.options.maxSize, 20 * 1024 ** 2);
  await waitFor('HTTP', () => gateway.http?.state === 'listening');
  assert.deepEqual(await gateway.reload(s.parse('')), ['buffer', 'dashboard']);
  assert.equal(gateway.http, undefined);

  const stop = gateway.stop();
  await assert.rejects(gateway.reload(next), { code: 'not-running', message: /nothing was changed/ });
  await stop;
  assert.equal(existsSync(s.socket), false);
});

test('reloads that come together are carried out one after the other', async (t) => {
  const s = gatewayBench(t);
  const gateway = s.make(s.parse(''));
  await gateway.start(nobody);
  const broker = `broker: {listen: {port: ${await freePort()}}}\n`;
  const all = [s.parse(broker), s.parse('', 'other'), s.parse(''), s.parse(broker)].map((config) => gateway.reload(config));
  const results = await Promise.allSettled(all);
  assert.deepEqual(
    results.map((r) => (r.status === 'fulfilled' ? r.value : r.status)),
    [['broker'], 'rejected', ['broker'], ['broker']],
  );
});

test('a command to reload asks whoever has the file, and what it throws is the answer', async (t) => {
  const s = gatewayBench(t);
  const gateway = s.make(s.parse(''));
  let asked = 0;
  await gateway.start(async () => {
    if (++asked === 2) throw new Error('the file has a fault');
    return { changes: ['rules'], warnings: [] };
  });
  assert.deepEqual(await gateway.commands.run({ do: 'reload' }, ROOT), { changes: ['rules'], warnings: [] });
  await assert.rejects(gateway.commands.run({ do: 'reload' }, ROOT), /the file has a fault/);
  await assert.rejects(gateway.commands.run({ do: 'reload' }, { ...ROOT, role: 'viewer' }), { code: 'forbidden' });
});

test('what a person did with an alarm is on the disk before it is answered', async (t) => {
  const s = gatewayBench(t);
  const gateway = s.make(
    s.parse(`buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${await freePort()}}}
devices: {pump: {bus: plant, unit: 1, points: {level: {table: holding, address: 0, type: int16}}}}
rules: {dry: {point: pump.level, below: 1}}
`),
  );
  await gateway.start(nobody);
  // A cut behind the second answer would keep the alarm silent, and take away what the rule locks.
  for (const command of [
    { do: 'out-of-service', rule: 'dry', reason: 'a new sensor' },
    { do: 'in-service', rule: 'dry' },
  ] as const) {
    const from = gateway.log.next;
    await gateway.commands.run(command, ROOT);
    assert.ok(gateway.log.committed > from, `${command.do} and its event`);
  }
});

test('a disk that refuses keeps a command with an id from acting, now and later', async (t) => {
  const s = gatewayBench(t);
  const gateway = s.make(s.parse(''));
  await gateway.start(nobody);
  const status = gateway.log.status();
  t.mock.method(gateway.log, 'status', () => ({ ...status, fault: 'the disk is full' }));
  const flush = t.mock.method(gateway.log, 'flush', () => new Promise<void>(() => {}));
  const begun = gateway.ledger.begin('forwarder:up', 'a').catch((thrown: { code: string }) => thrown.code);
  assert.equal(await Promise.race([begun, sleep(500, 'it waits')]), 'log-write');
  assert.equal(gateway.ledger.find('forwarder:up', 'a'), undefined);
  flush.mock.restore();
});

test('a second gateway is refused and lets go of everything, the first one is not disturbed', async (t) => {
  const s = gatewayBench(t);
  const first = s.make(s.parse(''));
  await first.start(nobody);
  const second = s.make(s.parse(''));
  await assert.rejects(second.start(nobody), { code: 'already-running' });
  assert.ok(first.running && existsSync(s.socket));
  await second.stop();
  assert.ok(existsSync(s.socket));
  await first.stop();
  const third = s.make(s.parse(''));
  await third.start(nobody);
  assert.equal(third.boot, 'b2');
});

test('accounts that are no accounts do not keep it from its work', async (t) => {
  const s = gatewayBench(t);
  mkdirSync(path.join(s.dir, 'state'));
  writeFileSync(path.join(s.dir, 'state/accounts.json'), 'not accounts');
  const gateway = s.make(s.parse(''));
  await gateway.start(nobody);
  assert.ok(gateway.running);
});

test('a log of a newer version is refused, and the next start finds lock and socket free', async (t) => {
  const s = gatewayBench(t);
  const first = s.make(s.parse(''));
  await first.start(nobody);
  await first.stop();
  const file = path.join(s.dir, 'state/log.db');
  const seal = (by: number) => {
    const db = new Database(file);
    const { version, readers } = sealedLayout(db, 'log');
    sealLayout(db, 'log', { version: version + by, readers: readers + by });
    db.close();
  };
  seal(1);
  await assert.rejects(s.make(s.parse('')).start(nobody), { code: 'log-newer' });
  assert.equal(existsSync(s.socket), false);
  seal(-1);
  const again = s.make(s.parse(''));
  await again.start(nobody);
  assert.equal(again.log.id, first.log.id);
});

test('a protocol or a forwarder that is not in the registry is an error of ours, named', () => {
  const bus = { name: 'b', protocol: 'carrier-pigeon', settings: {} } as unknown as Parameters<typeof createBus>[0];
  assert.throws(() => createBus(bus, [], {} as Parameters<typeof createBus>[2]), { code: 'internal', message: /carrier-pigeon/ });
  const forwarder = { name: 'f', type: 'telex', settings: {} } as unknown as Parameters<typeof createForwarder>[0];
  assert.throws(() => createForwarder(forwarder, {} as Parameters<typeof createForwarder>[1]), {
    code: 'internal',
    message: /telex/,
  });
});
