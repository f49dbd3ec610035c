/** What the page says after a change of the flows and after a restart of Node-RED. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { changedWords, restartedWords } from '../../../../src/admin/pages/gateway/flows-done.ts';
import { Words } from '../../../../src/admin/pages/words/words.ts';

test('after a restart in safe mode the page says that flows do not run', () => {
  const said = (state: 'running' | 'safe-mode') => new Words('en', false).t(restartedWords({ state }));
  assert.equal(said('running'), 'Node-RED was restarted.');
  assert.equal(said('safe-mode'), 'Node-RED was restarted. It is in safe mode, so its flows do not run.');
});

test('after a change the page says that flows run only where they do', () => {
  for (const language of ['en', 'bn'] as const) {
    const said = (flows?: 'started' | 'stopped') =>
      new Words(language, false).t(changedWords(flows === undefined ? {} : { flows }));
    assert.equal(said(), said('stopped'), 'a gateway that does not say so');
    assert.notEqual(said('started'), said('stopped'));
  }
  const words = new Words('en', false);
  assert.equal(words.t(changedWords({ flows: 'started' })), 'Done. The flows run as chosen.');
  assert.match(words.t(changedWords({ flows: 'stopped' })), /they do not run now/);
});
