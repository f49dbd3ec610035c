/** A restart of Node-RED on the status page, in a real browser before a made-up gateway. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import * as sites from '../../fakes/page-sites.ts';
import { holds } from '../../harness/browser.ts';
import { pageSite } from '../../harness/page-site.ts';

test('the page says whether flows run after a restart of Node-RED', async (t) => {
  const site = await pageSite(t);
  if (site === undefined) return;
  const server = await site.serve(sites.clinic());
  const { page, faults } = await site.open(server);
  await page.waitForSelector('.link.live');
  await page.evaluate(`location.hash = '#/flows'`);
  const restart = async (): Promise<void> => {
    await page.click('.card > .actions .second');
    await page.click('.card > .actions form button[type=submit]');
  };
  const says = (text: string) =>
    holds(page, `[...document.querySelectorAll('[role=status]')].some((one) => one.textContent === ${JSON.stringify(text)})`);
  await restart();
  await says('Node-RED was restarted.');
  server.answers.flows = 'odd';
  await page.waitForSelector('.card > .actions form', { state: 'detached' });
  await restart();
  await says('Node-RED was restarted. It is in safe mode, so its flows do not run.');
  assert.deepEqual(
    server.answers.posted.map(({ path, body, csrf }) => [path, body, csrf]),
    [1, 2].map(() => ['/api/v1/flows/restart', {}, 'secret']),
  );
  assert.deepEqual(faults, []);
});
