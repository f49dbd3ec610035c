/** An alarm upstream has its words once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { noticeJson } from '../../../src/codecs/notice-json.ts';

test('an alarm goes upstream without the same words as data; all else is as it was logged', () => {
  const json = '{"v":1,"rule":"hot","value":3.055,"message":"said \\"x\\"","said":{"say":"back"},"cause":"reading"}';
  assert.equal(noticeJson('alarm', json), '{"v":1,"rule":"hot","value":3.055,"message":"said \\"x\\"","cause":"reading"}');
  const plain = '{"v":1,"value":1e3}';
  assert.equal(noticeJson('alarm', plain), plain);
  assert.equal(noticeJson('event', json), json);
});
