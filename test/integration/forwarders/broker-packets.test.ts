/**
 * Malformed and unusual packets against the embedded broker and against Mosquitto: the table of test/cases/mqtt. The embedded broker
 * gets each case from an anonymous client and from one with an account, which may publish; each end is counted under the rule that
 * the case breaks, and nothing else is counted.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { MqttLogin } from '../../../src/core/access-ports.ts';
import { openAccess } from '../../fakes/open-access.ts';
import { claimedAccess, ROOT } from '../../fakes/test-access.ts';
import { BrokerBench } from '../../harness/embedded-broker.ts';
import { type Asked, type Login, outcome, type PacketCase, packetCases } from '../../harness/mqtt-cases.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const CASES = packetCases();
const FILES = [...new Set(CASES.map((c) => c.file))];
/** Their cases are CONNECTs: each brings its own user name, or none. */
const CONNECTS: ReadonlySet<string> = new Set(['connect.txt', 'connect-31.txt']);

const withAccount = ({ differs, asks }: PacketCase): Asked => differs.here ?? asks;
const anonymous = (one: PacketCase): Asked => one.differs.anonymous ?? withAccount(one);
const mosquitto = ({ differs, asks }: PacketCase): Asked => differs.mosquitto ?? asks;

interface Target {
  readonly port: number;
  readonly asks: (one: PacketCase) => Asked;
  readonly login?: Login;
  /** Whose counters are compared; absent: not the embedded broker. */
  readonly bench?: BrokerBench;
}

/** Each case of a file, in one piece and byte by byte; all that differ are named. */
async function compare(file: string, { port, asks, login, bench }: Target): Promise<void> {
  const wrong: string[] = [];
  for (const one of CASES.filter((c) => c.file === file)) {
    const { outcome: expected, counter } = asks(one);
    if (expected === 'none') continue;
    for (const byteByByte of [false, true]) {
      const what = `${file}:${one.line} ${one.name}${byteByByte ? ', byte by byte' : ''}`;
      const before = { ...bench?.broker.status().refused };
      const found = await outcome(port, one, byteByByte, expected, login);
      if (found !== expected) wrong.push(`${what}: ${found}, not ${expected}`);
      else if (bench !== undefined) {
        const counted = () => countedSince(before, bench);
        if (counter !== undefined) await waitFor(`a count of ${what}`, () => counted().length > 0);
        if (counted().join() !== (counter ?? '')) wrong.push(`${what}: counted as "${counted()}", not "${counter ?? ''}"`);
      }
    }
  }
  assert.deepEqual(wrong, []);
}

/** The name of each counter, as often as it went up. */
function countedSince(before: Readonly<Record<string, number>>, bench: BrokerBench): string[] {
  return Object.entries(bench.broker.status().refused).flatMap(([name, n]) => Array<string>(n - (before[name] ?? 0)).fill(name));
}

test('the table has at least 200 cases, and each has a name of its own', () => {
  assert.ok(CASES.length >= 200, `${CASES.length}`);
  const key = ({ file, before, name, bytes }: PacketCase) => `${file} ${before} ${name} ${bytes.toString('hex')}`;
  assert.equal(new Set(CASES.map(key)).size, CASES.length);
});

test('each case that ends the connection names its rule, but a DISCONNECT', () => {
  const silent = CASES.filter((one) => [withAccount, anonymous].some((asks) => isClosed(asks(one)) && !asks(one).counter));
  assert.deepEqual(
    silent.map(({ name }) => name),
    ['DISCONNECT at once', 'DISCONNECT', 'requests behind a DISCONNECT'],
  );
});

function isClosed({ outcome: expected }: Asked): boolean {
  return expected.endsWith('closed');
}

for (const file of FILES)
  test(`the embedded broker does what the standard demands: ${file}`, { timeout: 400_000 }, async (t: TestContext) => {
    const bench = new BrokerBench(t);
    await compare(file, { port: await bench.start(), asks: anonymous, bench });
  });

for (const file of FILES.filter((one) => !CONNECTS.has(one)))
  test(`a client with an account gets what the standard demands: ${file}`, { timeout: 400_000 }, async (t: TestContext) => {
    const { access } = await claimedAccess(t);
    const name = 'table';
    const { token } = await access.accounts.addToken({ name, role: 'flow-editor', lasts: 86_400_000 }, ROOT);
    const bench = new BrokerBench(t, { access: access.mqtt });
    await compare(file, { port: await bench.start(), asks: withAccount, login: { name, secret: token }, bench });
  });

for (const file of CONNECTS)
  test(`names and passwords reach the accounts byte by byte: ${file}`, { timeout: 400_000 }, async (t: TestContext) => {
    const access = openAccess();
    const asked: string[] = [];
    const logIn = (login: MqttLogin) => {
      if (login.username !== undefined)
        asked.push(`${login.username} ${login.password === undefined ? 'none' : Buffer.from(login.password).toString('hex')}`);
      return access.logIn(login);
    };
    const bench = new BrokerBench(t, { access: { ...access, logIn } });
    await compare(file, { port: await bench.start(), asks: withAccount, bench });
    const named = { 'connect.txt': ['u none', ' none', 'u 70', 'u ', 'u 00ff80'], 'connect-31.txt': ['u none'] }[file];
    assert.deepEqual(
      asked,
      named?.flatMap((one) => [one, one]),
    );
  });

for (const file of FILES)
  test(`Mosquitto agrees with the table where it says nothing else: ${file}`, { timeout: 400_000 }, async (t: TestContext) => {
    const broker = await Mosquitto.start(t);
    if (broker !== undefined) await compare(file, { port: broker.port, asks: mosquitto });
  });
