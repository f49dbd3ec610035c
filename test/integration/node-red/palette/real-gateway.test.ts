/** The palette in the fenced Node-RED of a running gateway: its real socket for flows, and a real browser in the editor. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { SHEETS } from '../../../../src/node-red/palette/sheets/all.ts';
import { browser, openPage, type Page } from '../../../harness/browser.ts';
import { FlowEditor, withoutNodeRedTip } from '../../../harness/flow-editor.ts';
import { type NodeRedSite, nodeRedSite } from '../../../harness/node-red-site.ts';
import { unixProxy } from '../../../harness/unix-proxy.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

const DERIVED = {
  buses: '  derived: {protocol: flows}',
  devices: '  calc: {bus: derived, silentAfter: 1h, points: {double: {}}}',
  rest: `
rules:
  double-high: {point: calc.double, above: 50}
`,
};
const GRANTS = '  grants: {acknowledge: [double-high]}';

type Node = Readonly<Record<string, unknown>>;
const says = (id: string, func: string, more: Node = {}): Node => ({
  ...{ id, type: 'function', z: 'tab', x: 400, y: 100, outputs: 1, libs: [], func, wires: [[]] },
  ...more,
});
const ours = (id: string, type: string, wires: string[], more: Node): Node => ({
  ...{ id, type, z: 'tab', x: 100, y: 100, name: '', gateway: '', wires: [wires] },
  ...more,
});

test('every node works with a real gateway, and a write without a grant is refused', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, GRANTS, DERIVED);
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const typed = { pointType: 'point' };
  const inject = (id: string, to: string[], more: Node = {}): Node => ({
    ...{
      id,
      type: 'inject',
      z: 'tab',
      x: 50,
      y: 50,
      once: true,
      onceDelay: 2,
      repeat: '2',
      crontab: '',
      props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }],
    },
    ...{ payload: '60', payloadType: 'num', topic: 'double-high', wires: [to], ...more },
  });
  const code = await site.deploy([
    { id: 'tab', type: 'tab', label: 'test' },
    ours('in', 'sluice reading in', ['read'], {
      points: ['d*.n'],
      mode: 'every',
      every: '',
      everyUnit: 's',
      quality: 'good',
      initial: true,
    }),
    says(
      'read',
      "if (!context.get('said')) { context.set('said', true); node.warn('read ' + msg.topic + ' ' + typeof msg.payload + ' ' + msg.quality); } return msg;",
    ),
    inject('tick', ['out', 'latest', 'history', 'write', 'status']),
    ours('out', 'sluice reading out', [], {
      point: 'calc.double',
      ...typed,
      value: 'payload',
      valueType: 'msg',
      unit: '',
      time: '',
      timeType: 'now',
    }),
    ours('latest', 'sluice latest', ['got'], { point: '*.double', ...typed, result: 'object' }),
    says('got', "node.warn('latest ' + JSON.stringify(msg.payload));"),
    ours('history', 'sluice history', ['past'], {
      point: 'd1.n',
      ...typed,
      from: '1',
      fromType: 'ago',
      fromUnit: 'h',
      to: '',
      toType: 'now',
      toUnit: 'h',
      every: '',
      everyUnit: 'min',
      most: '3',
    }),
    says(
      'past',
      "if (msg.payload.length > 0) node.warn('past ' + msg.payload.length + ' ' + msg.payload[0].quality + ' ' + msg.truncated);",
    ),
    ours('write', 'sluice write', ['never'], {
      point: 'd1.n',
      ...typed,
      value: 'payload',
      valueType: 'msg',
      within: '',
      withinUnit: 's',
    }),
    says('never', "node.warn('written');"),
    ours('status', 'sluice status', ['state'], { every: '', everyUnit: 'min', changes: false }),
    says('state', "node.warn('state ' + msg.payload.connected + ' ' + msg.payload.gateway + ' ' + msg.payload.buses.length);"),
    ours('alarm', 'sluice alarm in', ['alarmed', 'act'], {
      rules: ['double-*'],
      severities: [],
      states: ['active-unacknowledged', 'active-acknowledged'],
      present: false,
      trigger: '',
    }),
    says('alarmed', "node.warn('alarm ' + msg.topic + ' ' + msg.payload + ' ' + msg.value);"),
    ours('act', 'sluice alarm action', ['acted'], {
      action: 'acknowledge',
      rule: 'topic',
      ruleType: 'msg',
      for: '1',
      forUnit: 'h',
      reason: '',
      reasonType: 'str',
    }),
    says('acted', "node.warn('acted ' + msg.result.state);"),
    { id: 'catch', type: 'catch', z: 'tab', x: 50, y: 300, scope: ['write'], uncaught: false, wires: [['caught']] },
    says('caught', "node.warn('caught ' + msg.error.message);"),
  ]);
  assert.equal(code, 204);
  await gateway.waitForLog(/^read d1\.n number good/);
  await gateway.waitForLog(/^latest \{"calc\.double":60\}/);
  await gateway.waitForLog(/^alarm double-high active-unacknowledged 60/);
  await gateway.waitForLog(/^acted active-acknowledged/);
  await gateway.waitForLog(/^alarm double-high active-acknowledged/);
  await gateway.waitForLog(/^state true g1 2/);
  await gateway.waitForLog(/^caught flows may not write d1\.n/);
  await gateway.waitForLog(/^past 3 good true/);
  assert.ok(!gateway.tail().includes('"written"'));
  assert.equal(await gateway.stop(), 0);
});

/** The editor with its palette and its flows: the palette is there first. */
async function editor(
  t: test.TestContext,
  site: NodeRedSite,
  look: { language?: 'en' | 'bn'; width?: number } = {},
): Promise<{ page: Page; faults: string[] } | undefined> {
  const running = await browser(t);
  if (running === undefined) return undefined;
  const url = await unixProxy(t, path.join(site.gateway.stateDir, 'node-red.sock'));
  const opened = await openPage(running, url, { width: 1400, height: 900, ...look });
  await FlowEditor.of(opened.page);
  return opened;
}

test('a reading in is dragged, its point picked from the list, and its dot turns green', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, GRANTS, DERIVED);
  await site.gateway.up();
  await site.until('running');
  const opened = await editor(t, site);
  if (opened === undefined) return;
  const { page, faults } = opened;
  for (const { type, config } of SHEETS)
    if (config !== true) assert.ok((await page.locator(`[data-palette-type="${type}"]`).count()) > 0, type);
  await page.locator('[data-palette-type="sluice reading in"]').scrollIntoViewIfNeeded();
  await page
    .locator('[data-palette-type="sluice reading in"]')
    .dragTo(page.locator('#red-ui-workspace-chart'), { targetPosition: { x: 300, y: 150 } });
  await page.locator('.red-ui-flow-node-group').first().dblclick();
  const field = page.locator('#node-input-points-list input').first();
  await field.waitFor();
  await waitFor('the list of points', async () =>
    (await page.locator('#node-input-points-tip').textContent())?.startsWith('Points of g1: 2'),
  );
  await field.click();
  await page.locator('.red-ui-autoComplete-container').getByText('d1.n', { exact: true }).click();
  assert.equal(await field.inputValue(), 'd1.n');
  await page.locator('#node-dialog-ok').click();
  await page.locator('#red-ui-header-button-deploy').click();
  await page.waitForSelector('.red-ui-flow-node-status-dot-green');
  assert.equal(await page.locator('.red-ui-flow-node-status-label').first().textContent(), 'connected');
  const flows = JSON.parse((await site.ask('GET', '/flows')).body) as Node[];
  const node = flows.find(({ type }) => type === 'sluice reading in');
  assert.deepEqual([node?.points, node?.mode, node?.initial, node?.gateway], [['d1.n'], 'current', true, '']);

  // What is stored stays, whatever the dialog shows: opened and closed again, nothing changes.
  await page.locator('.red-ui-flow-node-group').first().dblclick();
  await field.waitFor();
  assert.equal(await field.inputValue(), 'd1.n');
  await page.locator('#node-dialog-ok').click();
  assert.match((await page.locator('#red-ui-header-button-deploy').getAttribute('class')) ?? '', /disabled/);
  assert.deepEqual(withoutNodeRedTip(faults), []);
  assert.equal(await site.gateway.stop(), 0);
});

test('every dialog opens in both languages with all texts, and keeps what is stored', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, GRANTS, DERIVED);
  await site.gateway.up();
  await site.until('running');
  const z = 'tab';
  const nodes = SHEETS.filter(({ config }) => config !== true).map(({ file, type, outputs }, i) => {
    const stored: Record<string, Node> = {
      'reading-in': {
        points: ['gone.point', 'room-*.t'],
        mode: 'every',
        every: '5',
        everyUnit: 'min',
        quality: 'all',
        initial: false,
      },
      latest: { point: 'gone.point', pointType: 'point', result: 'list' },
      history: {
        point: 'a.b',
        pointType: 'point',
        from: '3',
        fromType: 'ago',
        fromUnit: 'd',
        to: 'x',
        toType: 'msg',
        toUnit: 'h',
        every: '1',
        everyUnit: 'h',
        most: '7',
      },
      'reading-out': { point: 'x', pointType: 'flow', value: '1', valueType: 'num', unit: 'Cel', time: 't', timeType: 'msg' },
      write: { point: 'gone.w', pointType: 'point', value: 'payload', valueType: 'msg', within: '3', withinUnit: 'min' },
      'alarm-in': { rules: ['gone'], severities: ['critical'], states: ['normal', 'shelved'], trigger: 'siren', present: false },
      'alarm-action': {
        action: 'shelve',
        rule: 'gone',
        ruleType: 'rule',
        for: '2',
        forUnit: 'd',
        reason: 'r',
        reasonType: 'str',
      },
      status: { every: '9', everyUnit: 'h', changes: false },
    };
    return {
      id: `n${i}`,
      type,
      z,
      x: 200,
      y: 60 + 60 * i,
      name: '',
      gateway: '',
      wires: outputs === 0 ? [] : [[]],
      ...stored[file],
    };
  });
  assert.equal(await site.deploy([{ id: z, type: 'tab', label: 'test' }, ...nodes]), 204);
  const before = (await site.ask('GET', '/flows')).body;
  for (const look of [{ language: 'en' }, { language: 'bn', width: 700 }] as const) {
    const opened = await editor(t, site, look);
    if (opened === undefined) return;
    const { page, faults } = opened;
    for (const [i, { type }] of nodes.entries()) {
      await page.evaluate(`RED.editor.edit(RED.nodes.node('n${i}'))`);
      await page.locator('#dialog-form #node-input-name').waitFor();
      await page.waitForTimeout(300);
      const pictures = process.env.SLUICE_PICTURES;
      if (pictures !== undefined)
        await page.screenshot({ path: path.join(pictures, `${look.language}-${type.replaceAll(' ', '-')}.png`) });
      const text = String(await page.evaluate(`document.querySelector('#dialog-form').innerText`));
      assert.doesNotMatch(text, /\b[cteupo]\.\w+|node-red-contrib-sluice/, `${type} ${look.language}`);
      if (look.language === 'bn') assert.match(text, /[\u0980-\u09ff]/, type);
      assert.equal(
        await page.evaluate(
          `document.querySelector('#dialog-form').scrollWidth <= document.querySelector('#dialog-form').clientWidth`,
        ),
        true,
        `${type} is too wide`,
      );
      await page.locator('#node-dialog-ok').click();
      await page.locator('#dialog-form').waitFor({ state: 'detached' });
    }
    const kept = JSON.parse(
      String(await page.evaluate(`JSON.stringify(RED.nodes.createCompleteNodeSet({ credentials: false }))`)),
    ) as Node[];
    for (const node of nodes)
      assert.deepEqual(
        kept.find(({ id }) => id === node.id),
        node,
        `${node.type} ${look.language}`,
      );
    assert.deepEqual(withoutNodeRedTip(faults), []);
    await page.close();
  }
  assert.equal((await site.ask('GET', '/flows')).body, before);
  assert.equal(await site.gateway.stop(), 0);
});
