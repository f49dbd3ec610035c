/** What the page says after a restart of Node-RED. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { restartedWords } from '../../../../src/admin/pages/gateway/restarted.ts';
import { Words } from '../../../../src/admin/pages/words/words.ts';

test('after a restart in safe mode the page says that flows do not run', () => {
  const said = (state: 'running' | 'safe-mode') => new Words('en', false).t(restartedWords({ state }));
  assert.equal(said('running'), 'Node-RED was restarted.');
  assert.equal(said('safe-mode'), 'Node-RED was restarted. It is in safe mode, so its flows do not run.');
});
