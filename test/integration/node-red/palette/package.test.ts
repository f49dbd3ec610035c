/** The palette as a package: in the fenced Node-RED of a gateway, and installed by npm into a Node-RED that no gateway runs. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { buildPalette } from '../../../../scripts/build-palette.ts';
import { SHEETS } from '../../../../src/node-red/palette/sheets/all.ts';
import { NODE_RED_FOLDER, PALETTE_FOLDER } from '../../../../src/node-red/place.ts';
import { FlowsGateway } from '../../../fakes/flows-gateway.ts';
import { freePort } from '../../../harness/free-port.ts';
import { nodeRedSite } from '../../../harness/node-red-site.ts';
import { tab } from '../../../harness/palette-bench.ts';
import { scratch } from '../../../harness/scratch.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

interface Listed {
  readonly module: string;
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly err?: string;
}
const types = SHEETS.map(({ type }) => type).sort();
const ours = (body: string): Listed[] =>
  (JSON.parse(body) as Listed[]).filter(({ module }) => module === 'node-red-contrib-sluice');

test('the fenced Node-RED loads every node of the palette without npm', async (t) => {
  if (!nodeRedPeer(t)) return;
  if (!existsSync(PALETTE_FOLDER)) await buildPalette(PALETTE_FOLDER);
  const site = await nodeRedSite(t);
  await site.gateway.up();
  await site.until('running');
  const sets = ours((await site.ask('GET', '/nodes')).body);
  assert.deepEqual(
    sets.map(({ err }) => err).filter((err) => err !== undefined),
    [],
  );
  assert.deepEqual(sets.flatMap((one) => one.types).sort(), types);
  // Its page, texts and script are there as well.
  const catalogue = JSON.parse((await site.ask('GET', '/locales/node-red-contrib-sluice/reading-in?lng=bn')).body) as {
    label?: string;
  };
  assert.equal(catalogue.label, 'রিডিং ইন');
  assert.equal((await site.ask('GET', '/resources/node-red-contrib-sluice/editor.js')).code, 200);
  const inventory = await site.ask('GET', '/sluice/inventory');
  assert.equal(inventory.code, 200);
});

test('npm installs the packed package into another Node-RED, whose flows reach a gateway', async (t) => {
  if (!nodeRedPeer(t)) return;
  const folder = scratch(t, 'palette-package');
  await buildPalette(path.join(folder, 'package'));
  const userDir = path.join(folder, 'user');
  mkdirSync(userDir);
  const npm = (...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync('npm', args, {
      cwd: userDir,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const tarball = npm('pack', '--silent', path.join(folder, 'package')).trim();
  npm('install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', path.join(userDir, tarball));
  const installed = path.join(userDir, 'node_modules', 'node-red-contrib-sluice');
  const { scripts, dependencies } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  assert.deepEqual([scripts, dependencies], [undefined, undefined]);

  const gateway = new FlowsGateway();
  const socket = path.join(folder, 'flows.sock');
  await gateway.listen(socket);
  t.after(() => gateway.vanish());
  const port = await freePort();
  const program = path.join(NODE_RED_FOLDER, 'node_modules', 'node-red', 'red.js');
  const flags = ['--userDir', userDir, '--port', String(port), '-D', 'uiHost=127.0.0.1'];
  const child = spawn(process.execPath, [program, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NODE_RED_DISABLE_TELEMETRY: 'true' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
    });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
  });
  const ask = (method: string, where: string, body?: unknown): Promise<{ code: number; body: string }> =>
    new Promise((resolve, reject) => {
      const headers = { accept: 'application/json', 'content-type': 'application/json' };
      const request = http.request({ host: '127.0.0.1', port, method, path: where, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ code: response.statusCode ?? 0, body: text }));
      });
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const listed = await waitFor(
    () => `the nodes; ${output}`,
    async () => {
      const sets = ours((await ask('GET', '/nodes')).body);
      return sets.length > 0 ? sets : undefined;
    },
  );
  assert.deepEqual(
    listed.map(({ err }) => err).filter((err) => err !== undefined),
    [],
  );
  assert.deepEqual(listed.flatMap((one) => one.types).sort(), types);

  // Its first load of the flows forgets credentials that came before it.
  await waitFor('its first start of the flows', () => output.includes('Started flows'));
  const flow = [
    ...tab({ id: 'n1', type: 'sluice reading in', gateway: 'g1', points: ['fridge.temperature'] }).filter(
      ({ type }) => type !== 'helper',
    ),
    { id: 'g1', type: 'sluice-gateway', name: '', way: 'socket', socket, credentials: { token: gateway.token } },
  ];
  assert.equal((await ask('POST', '/flows', flow)).code, 204);
  await waitFor(
    () => `a subscription; ${output}`,
    () => gateway.subscriptions === 1,
  );
  const inventory = JSON.parse((await ask('GET', '/sluice/inventory?gateway=g1')).body) as { points: { point: string }[] };
  assert.deepEqual(
    inventory.points.map(({ point }) => point),
    ['fridge.temperature', 'fridge.setpoint', 'pump.pressure'],
  );
  assert.deepEqual(gateway.faults, []);
});
