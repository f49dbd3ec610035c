/** The log inside the process of Node-RED: bounded before it leaves, and without what must not leave. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import test from 'node:test';
import { ChildLog } from '../../../src/node-red/child/child-log.ts';
import { LONGEST_TEXT, type LogLine } from '../../../src/node-red/messages.ts';

function bench(secrets: string[] = []) {
  const sent: LogLine[] = [];
  const time = { now: 0 };
  const log = new ChildLog({ send: (line) => void sent.push(line), now: () => time.now, secrets });
  return { sent, time, log, texts: () => sent.map(({ text }) => text) };
}

test('levels of Node-RED become those of the gateway, and metrics do not leave', () => {
  const { sent, log } = bench();
  for (const level of [10, 20, 30, 40, 50, 60, 98, 99]) log.message({ level, msg: `m${level}` });
  assert.deepEqual(
    sent.map(({ level, text }) => [level, text]),
    [
      ['error', 'm10'],
      ['error', 'm20'],
      ['warn', 'm30'],
      ['info', 'm40'],
    ],
  );
});

test('a line names its node, whatever the message is', () => {
  const { sent, log } = bench();
  log.message({ level: 30, msg: new Error('of an error'), id: 'n1', type: 'function', name: 'Mean' });
  assert.deepEqual(sent[0], {
    ...{ type: 'log', level: 'warn', text: 'of an error', node: 'n1', nodeType: 'function', nodeName: 'Mean' },
  });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const msg of [{ message: 'has words' }, { a: 1 }, circle, undefined, 12n, Symbol('s')]) log.message({ level: 40, msg });
  assert.deepEqual(
    sent.slice(1).map(({ text }) => text),
    ['has words', '{"a":1}', 'a message that is no text', 'undefined', 'a message that is no text', 'Symbol(s)'],
  );
});

test('secrets and passwords in addresses do not leave', () => {
  const { texts, log } = bench(['hunter2hunter2']);
  log.line('info', 'the key is hunter2hunter2, twice hunter2hunter2');
  log.line('info', 'connect to mqtts://pump:p%40ss@broker.example:8883 failed');
  log.line('info', 'a@b is no address');
  assert.deepEqual(texts(), [
    'the key is [secret], twice [secret]',
    'connect to mqtts://[secret]@broker.example:8883 failed',
    'a@b is no address',
  ]);
});

test('of a flood a part leaves, and the next line has the number of the others', () => {
  const { sent, time, log } = bench();
  for (let n = 0; n < 5000; n++) log.line('info', `line ${n}`);
  const left = sent.length;
  assert.ok(left > 10 && left <= 200, `${left} lines`);
  time.now += 1000;
  log.line('info', 'later');
  assert.equal(sent.at(-1)?.suppressed, 5000 - left);
});

test('one line of the log is one line, and of bounded length', () => {
  const { texts, log } = bench();
  log.line('info', '  two\n lines\t and   gaps ');
  log.line('info', ' \n ');
  log.line('info', 'x'.repeat(100 * LONGEST_TEXT));
  assert.deepEqual([texts().length, texts()[0], texts()[1]?.length], [2, 'two lines and gaps', LONGEST_TEXT]);
});

test('what code of flows prints becomes lines, and who printed learns that it was taken', async () => {
  const { sent, log } = bench();
  const stream = new Writable({ write: () => assert.fail('nothing leaves another way') }) as unknown as NodeJS.WriteStream;
  log.takeOutput(stream, 'warn');
  await new Promise<void>((resolve) => stream.write('one\ntwo\n', () => resolve()));
  await new Promise<void>((resolve) => stream.write(Buffer.from('three'), 'utf8', () => resolve()));
  assert.deepEqual(
    sent.map(({ level, text }) => [level, text]),
    [
      ['warn', 'one'],
      ['warn', 'two'],
      ['warn', 'three'],
    ],
  );
  assert.equal(stream.write('x\n'.repeat(100_000)), true);
  assert.ok(sent.length <= 30, 'of one write only the first lines leave');
});
