/**
 * A person in a real browser, from a new gateway to a derived point upstream: claim, status page in both languages, editor, a node
 * from the palette with a point from the list, deploy, undo. `npm run docs:screens` takes the pictures of
 * docs/how-to/make-a-derived-point.md with it.
 */
// Needs a quiet machine: a browser beside Node-RED takes both of its cores.
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { request } from '../../../src/admin/client.ts';
import type { FlowsList } from '../../../src/core/flow-revisions.ts';
import { accessibilityFaults, browser, holds, openPage, type Page } from '../../harness/browser.ts';
import { FlowEditor, withoutNodeRedTip } from '../../harness/flow-editor.ts';
import { nodeRedSite } from '../../harness/node-red-site.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Mosquitto, Subscriber } from '../../peers/mosquitto.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const PASSWORD = 'reef-lantern-47';
const TLS = '{host: 127.0.0.1, port: 0, tls: true}';
/** The folder that gets the pictures; without it none is taken. */
const PICTURES = process.env.SLUICE_PICTURES;

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: path.join(PICTURES, `editor-${name}.png`) });
}

test('a person makes a point in the editor, which goes upstream, and undoes it', async (t) => {
  if (!nodeRedPeer(t)) return;
  const running = await browser(t);
  const platform = await Mosquitto.start(t);
  if (running === undefined || platform === undefined) return;
  const subscriber = await Subscriber.start(t, platform.port, ['sluice/#']);
  if (subscriber === undefined) return;
  const site = await nodeRedSite(t, `  editor: {listen: ${TLS}}`, {
    buses: '  derived: {protocol: flows}',
    first:
      '  fridge: {bus: field, unit: 1, interval: 1s, points: {temperature: {table: holding, address: 0, type: uint16, unit: Cel}}}',
    devices: "  calc: {bus: derived, points: {fahrenheit: {unit: '[degF]'}}}",
    rest: `dashboard: {listen: ${TLS}}\nforwarders: {platform: {type: mqtt, url: "${platform.url}"}}`,
  });
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const ports = await waitFor('two addresses', async () => {
    const { http, flows } = await gateway.status();
    const found = { page: http?.listeners[0]?.port ?? 0, editor: flows?.front?.editor?.listeners[0]?.port ?? 0 };
    return Object.values(found).every((port) => port > 0) ? found : undefined;
  });

  const { page, faults } = await openPage(running, `https://127.0.0.1:${ports.page}/`, {
    ...{ width: 1280, height: 760, options: { ignoreHTTPSErrors: true } },
  });
  const { code } = (await request(gateway.socket, 'GET', '/api/v1/claim')) as { code: string };
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.fill('#code', code);
  await page.fill('#name', 'anna');
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('.link.live');
  await holds(page, `document.querySelector('a[href="#/point/fridge.temperature"]') !== null`);
  for (const language of ['bn', 'en']) {
    const settings = JSON.stringify({ language, bengaliDigits: language === 'bn' });
    await page.evaluate(`localStorage.setItem('sluice-page', ${JSON.stringify(settings)}); location.reload()`);
    await page.waitForSelector(`html[lang=${language}] .link.live`);
    await page.waitForSelector('a[href="#/point/fridge.temperature"]');
    assert.deepEqual(await accessibilityFaults(page), [], language);
  }

  await page.evaluate(`location.hash = '#/flows'`);
  const opener = page.getByRole('button', { name: 'Open the flow editor' });
  await opener.waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, 'open');
  await opener.click();
  await page.waitForURL(`https://127.0.0.1:${ports.editor}/**`);
  const editor = await FlowEditor.of(page);
  assert.deepEqual((await editor.category('sluice')).toSorted(), [
    'sluice alarm action',
    'sluice alarm in',
    'sluice history',
    'sluice latest',
    'sluice reading in',
    'sluice reading out',
    'sluice status',
    'sluice write',
  ]);
  const reading = await editor.drag('sluice reading in', { x: 130, y: 120 });
  await editor.open(reading);
  await editor.pick('.red-ui-editableList-container input[type=text]', 'fridge.temperature');
  await picture(page, 'reading-in');
  await editor.done();
  const change = await editor.drag('function', { x: 390, y: 120 });
  await editor.open(change);
  await page.locator('#node-input-func-editor .monaco-editor').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('msg.payload = msg.payload * 1.8 + 32;\nreturn msg;');
  await picture(page, 'function');
  await editor.done();
  const out = await editor.drag('sluice reading out', { x: 610, y: 120 });
  await editor.open(out);
  await editor.pick('#node-input-point + .red-ui-typedInput-container input[type=text]', 'calc.fahrenheit');
  await picture(page, 'reading-out');
  await editor.done();
  await editor.wire(reading, change);
  await editor.wire(change, out);
  await editor.deploy();
  for (const id of [reading, out]) {
    await page.waitForSelector(`[id="${id}"] .red-ui-flow-node-status-dot-green`);
    assert.equal((await editor.status(id)).text, 'connected');
  }
  await picture(page, 'deployed');
  await gateway.waitForLog(/^anna deployed flows over HTTPS from 127\.0\.0\.1\.$/);

  // The fake device holds 7 in register 0.
  const status = await page.context().newPage();
  await status.goto(`https://127.0.0.1:${ports.page}/#/point/calc.fahrenheit`);
  await status.getByText('44.6').first().waitFor();
  await status.waitForSelector('.plot canvas, .wide table');
  await picture(status, 'status');
  const values = await waitFor('the derived point upstream', () => {
    const data = subscriber.messages().filter(({ topic }) => topic === 'sluice/g1/data');
    const records = data.flatMap(({ payload }) => (JSON.parse(payload) as { records: Record_[] }).records);
    const found = records.filter(({ device }) => device === 'calc').map((record) => record.values);
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual(values[0], { fahrenheit: 44.6 });

  await status.evaluate(`location.hash = '#/flows'`);
  await status
    .getByRole('button', { name: /^Bring back the flows of No\./ })
    .first()
    .click();
  await picture(status, 'undo');
  assert.deepEqual(await accessibilityFaults(status), []);
  await status.getByRole('button', { name: 'Do it' }).click();
  await status.getByText('brought back').waitFor();
  await page.reload();
  await FlowEditor.of(page);
  assert.equal(await page.locator('.red-ui-flow-node-group').count(), 0);
  const { revisions } = (await request(gateway.socket, 'GET', '/api/v1/flows')) as FlowsList;
  assert.deepEqual(
    revisions.slice(0, 2).map(({ who, origin }) => [who, origin]),
    [
      ['anna', 'restore'],
      ['anna', 'deploy'],
    ],
  );
  assert.deepEqual(withoutNodeRedTip(faults), []);
});

interface Record_ {
  readonly device: string;
  readonly values: Readonly<Record<string, unknown>>;
}
