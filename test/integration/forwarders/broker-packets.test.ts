/** Malformed and unusual packets against the embedded broker and against Mosquitto: the table of test/cases/mqtt. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { BrokerBench } from '../../harness/embedded-broker.ts';
import { outcome, type PacketCase, packetCases, type Who } from '../../harness/mqtt-cases.ts';
import { Mosquitto } from '../../peers/mosquitto.ts';

const CASES = packetCases();
const FILES = [...new Set(CASES.map((c) => c.file))];

/** Each case of a file, in one piece and byte by byte; all that differ are named. */
async function compare(file: string, port: number, who: Who): Promise<void> {
  const wrong: string[] = [];
  for (const one of CASES.filter((c) => c.file === file)) {
    const expected = one.differs[who]?.outcome ?? one.asks;
    if (expected === 'none') continue;
    for (const byteByByte of [false, true]) {
      const found = await outcome(port, one, byteByByte, expected);
      if (found !== expected)
        wrong.push(`${file}:${one.line} ${one.name}${byteByByte ? ', byte by byte' : ''}: ${found}, not ${expected}`);
    }
  }
  assert.deepEqual(wrong, []);
}

test('the table has at least 200 cases, and each has a name of its own', () => {
  assert.ok(CASES.length >= 200, `${CASES.length}`);
  const key = ({ file, before, name, bytes }: PacketCase) => `${file} ${before} ${name} ${bytes.toString('hex')}`;
  assert.equal(new Set(CASES.map(key)).size, CASES.length);
});

for (const file of FILES)
  test(`the embedded broker does what the standard demands: ${file}`, { timeout: 180_000 }, async (t: TestContext) => {
    const bench = new BrokerBench(t);
    await compare(file, await bench.start(), 'here');
  });

for (const file of FILES)
  test(`Mosquitto agrees with the table where it says nothing else: ${file}`, { timeout: 180_000 }, async (t: TestContext) => {
    const broker = await Mosquitto.start(t);
    if (broker !== undefined) await compare(file, broker.port, 'mosquitto');
  });
