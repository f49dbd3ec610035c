/** Lines of Node-RED in the log of the gateway: bounded, counted, and what is left out is told. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Logger } from '../../../src/core/logger.ts';
import { FlowLog } from '../../../src/node-red/flow-log.ts';
import { LONGEST_TEXT } from '../../../src/node-red/messages.ts';

function bench() {
  const written: { level: string; data: object; text: string }[] = [];
  const at = (level: string) => (data: object, text: string) => void written.push({ level, data, text });
  const logger: Logger = {
    ...{ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    child: (bindings) => {
      assert.deepEqual(bindings, { part: 'flows' });
      return logger;
    },
  };
  const time = { now: 0 };
  return { written, time, log: new FlowLog(logger, () => time.now) };
}

test('a line keeps its level and names its node; output and a failure have levels of their own', () => {
  const { written, log } = bench();
  log.line({ type: 'log', level: 'info', text: 'hot', node: 'n1', nodeType: 'function', nodeName: 'Mean' });
  log.line({ type: 'log', level: 'error', text: 'broken' });
  log.output('FATAL ERROR: heap');
  log.failed('no start');
  assert.deepEqual(written, [
    { level: 'info', data: { node: 'n1', nodeType: 'function', nodeName: 'Mean' }, text: 'hot' },
    { level: 'error', data: {}, text: 'broken' },
    { level: 'warn', data: { output: true }, text: 'FATAL ERROR: heap' },
    { level: 'error', data: {}, text: 'no start' },
  ]);
});

test('of a flood a part is written, the rest is counted and told with the next line', () => {
  const { written, time, log } = bench();
  for (let n = 0; n < 10_000; n++) log.output(`line ${n}`);
  const passed = written.length;
  assert.ok(passed >= 100 && passed <= 400, `${passed} lines at once`);
  assert.deepEqual(log.counts, { passed, suppressed: 10_000 - passed });
  time.now += 60_000;
  log.output('later');
  assert.deepEqual(written.at(-1), { level: 'warn', data: { output: true, suppressed: 10_000 - passed }, text: 'later' });
  log.output('once more');
  assert.deepEqual(written.at(-1)?.data, { output: true });
});

test('a flood that goes on for an hour is written slowly, and never faster after a rest', () => {
  const { time, log } = bench();
  for (let second = 0; second < 3600; second++) {
    time.now += 1000;
    for (let n = 0; n < 100; n++) log.output('x');
  }
  const { passed } = log.counts;
  assert.ok(passed < 3600 * 50, `${passed} lines in an hour`);
  time.now += 24 * 3_600_000;
  for (let n = 0; n < 1000; n++) log.output('x');
  assert.ok(log.counts.passed - passed <= 400, 'a long rest saves up no more than a burst');
});

test('what the process left out itself is told too, at its end at the latest', () => {
  const { written, log } = bench();
  log.line({ type: 'log', level: 'info', text: 'a', suppressed: 7 });
  assert.deepEqual(written.at(-1)?.data, { suppressed: 7 });
  log.end();
  assert.equal(written.length, 1, 'nothing is left to tell');
  for (let n = 0; n < 1000; n++) log.output('x');
  const before = written.length;
  log.end();
  assert.equal(written.length, before + 1);
  assert.deepEqual(written.at(-1)?.data, { suppressed: log.counts.suppressed - 7 });
});

test('a text is cut to what a line of the log may have', () => {
  const { written, log } = bench();
  log.failed('x'.repeat(10 * LONGEST_TEXT));
  assert.equal(written[0]?.text.length, LONGEST_TEXT);
});
