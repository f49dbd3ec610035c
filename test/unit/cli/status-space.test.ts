/** The status page says when others fill the disk, and is silent when the log has all its room. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { configWrong, spaceWrong } from '../../../src/cli/status-config.ts';
import { statusText } from '../../../src/cli/status-page.ts';
import { statusOf } from '../../fakes/admin-target.ts';

test('a log with less room than buffer.maxSize is shown with both figures', () => {
  const report = statusOf();
  assert.deepEqual(spaceWrong(report), []);
  const full = { ...report, log: { ...report.log, bytes: 60 * 2 ** 20, room: 64 * 2 ** 20, maxBytes: 256 * 2 ** 20 } };
  assert.deepEqual(spaceWrong({ ...full, log: { ...full.log, bytes: 20 * 2 ** 20 } }), [], 'nothing has to go yet');
  const text = statusText(full).replaceAll(/\s+/g, ' ');
  assert.match(text, /others fill the disk/);
  assert.match(text, /may take 64MB of 256MB/);
});

test('a broken configuration comes first, with its faults', () => {
  const report = statusOf();
  assert.deepEqual(configWrong(report), []);
  const broken = {
    ...report,
    configuration: { file: '/etc/sluice/gateway.yaml', faults: ['gateway.yaml:3:1: no\u001b[31m'], kept: 0 },
  };
  const text = statusText(broken);
  assert.ok(!text.includes('\u001b[31m'));
  assert.match(text.replaceAll(/\s+/g, ' '), /the configuration \/etc\/sluice\/gateway\.yaml is broken .*gateway\.yaml:3:1: no/);
});
