/** The status page of a running gateway over HTTPS, in a real browser: claim, live values, an alarm, log-out, log-in, a restart. */
import assert from 'node:assert/strict';
import { get } from 'node:https';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { browser, holds, openPage } from '../../harness/browser.ts';
import { site } from '../../harness/site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const PASSWORD = 'reef-lantern-47';

test('a browser claims a gateway over HTTPS, and shows and acknowledges what comes', async (t) => {
  const running = await browser(t);
  if (running === undefined) return;
  const s = await site(t, {
    device: SettableDevice.start,
    devices:
      '  fridge: {bus: plant, unit: 1, interval: 100ms, points: {temperature: {table: holding, address: 5, type: int16, unit: Cel}}}',
    rules: '  warm: {point: fridge.temperature, above: 8, severity: critical, acknowledge: required, message: "<b>too warm</b>"}',
    more: 'dashboard: {listen: [{host: 127.0.0.1, port: 0, tls: true}]}',
  });
  if (s === undefined) return;
  const { device, gateway } = s;
  await device.set(5, 4);
  await gateway.up();
  const { port } = await waitFor('an address of HTTPS', async () => (await gateway.status()).http?.address);
  const url = `https://127.0.0.1:${port}/`;
  const { page, faults } = await openPage(running, url, { options: { ignoreHTTPSErrors: true } });
  const { code } = (await request(gateway.socket, 'GET', '/api/v1/claim')) as { code: string };
  await page.fill('#code', code);
  await page.fill('#name', 'anna');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.link.live');
  await page.getByText('Everything works.').waitFor();
  await holds(page, `document.querySelector('.points td').textContent.startsWith('4')`);

  await device.set(5, 9);
  await page.waitForSelector('.alarm');
  assert.ok((await page.locator('.alarm .message').textContent())?.includes('<b>too warm</b>'), 'a message is text');
  await page.click('button[aria-label="Acknowledge warm"]');
  await page.getByText('active, acknowledged').waitFor();
  assert.equal((await gateway.status()).alarms[0]?.state, 'active-acknowledged');

  await page.click('main a[href="#/point/fridge.temperature"]');
  await page.waitForSelector('.plot canvas, .wide table');
  await page.waitForSelector('.changes li');
  await page.evaluate(`location.hash = '#/system'`);
  await page.getByText('Who is logged in').waitFor();
  await page.getByText('1 session').waitFor();

  // Sessions end with the process, so the page asks for a log-in when the gateway is back.
  await gateway.stop();
  await page.waitForSelector('.link.lost');
  gateway.write(s.yaml().replace('port: 0, tls', `port: ${port}, tls`));
  await gateway.up();
  await page.fill('#name', 'anna');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.link.live');
  await page.evaluate(`location.hash = '#/you'`);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForSelector('#password');
  assert.deepEqual(faults, []);

  // Files have one spelling, and none leads out of the table.
  const status = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, rejectUnauthorized: false }, (res) => {
        res.resume();
        resolve(res.statusCode);
      }).on('error', reject);
    });
  for (const path of ['/index.html', '//', '/./', '/../package.json', '/%2e%2e/package.json', '/LICENSES.txt', '/index.html.gz'])
    assert.equal(await status(path), 404, path);
});
