/**
 * `sluice update decide` with a true gateway beside a card in a folder: a release stays when what ran well before runs well again,
 * and what was ill before does not count.
 */
import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { run } from '../../harness/loop-disk.ts';
import { registerDevice } from '../../harness/register-device.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, MAIN, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { UpdateCard, writeUpdate } from '../../harness/update-card.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { asRoot } from '../../peers/peers.ts';

const NEXT = 3;
const device = (name: string, unit: number, bus = 'plant') =>
  `  ${name}: {bus: ${bus}, unit: ${unit}, interval: 200ms, points: {n: {table: holding, address: 0, type: uint16}}}`;

/** A card that runs release 2, and the gateway on it. */
class Site {
  readonly card: UpdateCard;
  readonly gateway: Gateway;
  readonly #t: TestContext;

  constructor(t: TestContext, yaml: string) {
    this.#t = t;
    this.card = new UpdateCard(path.join(scratch(t, 'card'), 'card'));
    this.gateway = makeGateway(t, (g) => `${g.section}\nbuffer: {commitEvery: 100ms}\n${yaml}\n`);
  }
  async update(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await sluice(
      this.#t,
      ...['update', command, '--root', this.card.root, '-c', this.gateway.config, ...args],
    );
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    return stdout;
  }
  /** @returns where it is from */
  async apply(): Promise<string> {
    const from = await writeUpdate(path.join(scratch(this.#t, 'update'), 'files'), NEXT);
    assert.match(await this.update('apply', '--from', from), /Release 1\.3\.0 is on the card/);
    return from;
  }
  /** Into the release that was applied, as somebody does who knows the command. @param meanwhile what happens while nothing runs */
  async restart(meanwhile: () => void = () => {}): Promise<void> {
    assert.match(await this.update('restart'), /^systemctl reboot$/m);
    await this.reboot(meanwhile);
  }
  async reboot(meanwhile: () => void = () => {}): Promise<void> {
    await this.gateway.stop();
    this.card.restart('b', NEXT);
    meanwhile();
    await this.gateway.up();
  }
  /** @param within seconds */
  decide(within: number): Promise<string> {
    return this.update('decide', '--within', String(within));
  }
  /** Devices that answer. */
  answering(count: number): Promise<unknown> {
    return waitFor(`${count} devices to answer`, async () => {
      const { buses, log } = await this.gateway.status();
      const answering = buses.flatMap(({ devices }) => devices.filter(({ state }) => state === 'answering'));
      return answering.length === count && log.commits > 0;
    });
  }
  /** A file of what the card knows about updates. */
  file(name: 'attempt' | 'before'): string {
    return path.join(this.card.root, `state/update/${name}.json`);
  }
  get attempt(): { state: string; why?: string } {
    return JSON.parse(readFileSync(this.file('attempt'), 'utf8'));
  }
  isCommitted(): void {
    assert.deepEqual(this.card.entries, ['sluice-a.conf', 'sluice-b.conf']);
    assert.equal(this.attempt.state, 'well');
  }
  isOnTrial(): void {
    assert.deepEqual(this.card.entries, ['sluice-a.conf', 'sluice-b+3.conf']);
    assert.equal(this.attempt.state, 'offered');
  }
}

/** Takes the last byte of a disk. */
function fill(file: string): void {
  const fd = openSync(file, 'w');
  try {
    for (let size = 65_536; size >= 1; )
      try {
        writeSync(fd, Buffer.alloc(size));
      } catch {
        size >>= 1;
      }
  } finally {
    closeSync(fd);
  }
}

/** A disk that can become full, for the state of a gateway. Its end comes before that of the folder of the gateway. */
function smallDisk(t: TestContext): (gateway: Gateway) => string {
  let mounted: string | undefined;
  t.after(() => {
    if (mounted !== undefined) run('umount', '-l', mounted);
  });
  return ({ stateDir }) => {
    mkdirSync(stateDir, { recursive: true });
    run('mount', '-t', 'tmpfs', '-o', 'size=4m,mode=750', 'small', stateDir);
    mounted = stateDir;
    return path.join(stateDir, 'others');
  };
}

suite('the decision about a release', { concurrency: true }, () => {
  test('the device that answered dies: the board goes back and names it, and not the dead one', async (t) => {
    const world = await registerDevice(t);
    const plant = `buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${world.port}, timeout: 200ms, retries: 0}}`;
    const s = new Site(t, `${plant}\ndevices:\n${device('meter', 1)}\n${device('pump', 2)}`);
    world.silent.add(2);
    await s.gateway.up();
    await s.answering(1);
    await s.apply();
    await s.restart(() => world.silent.add(1));
    const words = await s.decide(15);
    const why = /no device of the bus plant that answered before answers polls now: meter is silent, \d+ requests, 0 replies \(/;
    assert.match(words, why);
    assert.match(words, /^systemctl reboot$/m, 'the board is restarted, and the tries run out');
    s.isOnTrial();
    assert.match(s.attempt.why ?? '', why);
    assert.doesNotMatch(words, /pump/);

    world.silent.delete(1);
    assert.match(await s.decide(120), /^slot b is committed: version 1\.3\.0$/);
    s.isCommitted();
  });

  test('a plant that ends while a release waits: the hourly look sees it, and it does not count', async (t) => {
    const port = await freePort();
    const plant = `buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 200ms, retries: 0}}`;
    const s = new Site(t, `${plant}\ndevices:\n${device('meter', 1)}`);
    const simulator = startChild(t, process.execPath, [MAIN, 'simulate', s.gateway.config]);
    await simulator.line(/modbus-tcp on/);
    await s.gateway.up();
    await s.answering(1);
    await s.apply();
    await simulator.stop('SIGKILL');
    await waitFor('the bus to close', async () => (await s.gateway.status()).buses[0]?.state !== 'open');
    assert.equal(await s.update('apply', '--timer'), '');
    await s.reboot();
    assert.match(await s.decide(120), /^slot b is committed/);
    s.isCommitted();
  });

  test('a gateway that updates by itself looks again outside of its window, while a release waits', async (t) => {
    const s = new Site(t, '');
    await s.gateway.up();
    const from = await s.apply();
    const hour = (later: number) => `${(new Date().getUTCHours() + later) % 24}`.padStart(2, '0');
    const update = `update: {from: "https://updates.example.org", automatic: true, window: "${hour(2)}:00-${hour(3)}:00"}`;
    s.gateway.write(`${s.gateway.section.replace(/}$/, `, timezone: UTC, ${update}}`)}\n`);
    rmSync(s.file('before'));
    assert.match(await s.update('apply', '--timer', '--from', from), /^Release 1\.3\.0 waits for the window/);
    assert.ok(existsSync(s.file('before')));
    // What a device says of itself comes to the terminal of an administrator in these words.
    writeFileSync(s.file('attempt'), JSON.stringify({ v: 1, ...s.attempt, state: 'failed', why: 'meter is \u001b[2Jsilent' }));
    assert.match(await s.update('status'), /did not run well here: meter is \ufffd\[2Jsilent/);
  });

  test('a bus that never opened and a card without devices do not count against a release', async (t) => {
    const bus = 'buses: {usb: {protocol: modbus-rtu, port: /dev/sluice-no-port, baudRate: 9600, parity: none}}';
    const closed = new Site(t, `${bus}\ndevices:\n${device('meter', 1, 'usb')}`);
    const empty = new Site(t, '');
    await Promise.all(
      [closed, empty].map(async (s) => {
        await s.gateway.up();
        await s.apply();
        await s.restart();
        assert.match(await s.decide(120), /^slot b is committed: version 1\.3\.0$/);
        s.isCommitted();
      }),
    );
  });

  test('a log that cannot store after the restart: the board goes back, and says why', async (t) => {
    if (!asRoot(t, 'mount a small file system')) return;
    const mount = smallDisk(t);
    const world = await registerDevice(t);
    const plant = `buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${world.port}}}`;
    const s = new Site(t, `${plant}\ndevices:\n${device('meter', 1)}`);
    const filler = mount(s.gateway);
    await s.gateway.up();
    await s.answering(1);
    await s.apply();
    await s.restart();
    fill(filler);
    const words = await s.decide(15);
    assert.match(words, /the gateway is not well in slot b: the (?:history of the )?log cannot be written/);
    s.isOnTrial();
    assert.match(s.attempt.why ?? '', /^the (?:history of the )?log cannot be written/);
  });

  test('a log that could not store before does not count, and no record at all asks for a log', async (t) => {
    if (!asRoot(t, 'mount a small file system')) return;
    const mount = smallDisk(t);
    const world = await registerDevice(t);
    const plant = `buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${world.port}}}`;
    const s = new Site(t, `${plant}\ndevices:\n${device('meter', 1)}`);
    const filler = mount(s.gateway);
    await s.gateway.up();
    await s.answering(1);
    const full = async () => {
      fill(filler);
      await waitFor('the fault of the log', async () => (await s.gateway.status()).log.faults.length > 0);
    };
    await full();
    await s.apply();
    // Without any room a gateway does not start.
    await s.reboot(() => rmSync(filler));
    await full();
    const record = s.file('before');
    const kept = readFileSync(record);
    const fd = openSync(record, 'r+');
    writeSync(fd, 'x', Math.floor(kept.length / 2));
    closeSync(fd);
    assert.match(await s.decide(15), /log cannot be written.*nothing is known of how it ran before/);
    s.isOnTrial();
    const again = openSync(record, 'w');
    writeSync(again, kept);
    closeSync(again);
    assert.match(await s.decide(120), /^slot b is committed/);
    s.isCommitted();
  });
});
