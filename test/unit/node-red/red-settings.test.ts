/** The settings of Node-RED: everything that a section does not grant is off. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { NODE_ROOT } from '../../../src/core/flow-supervisor.ts';
import { redSettings } from '../../../src/node-red/child/red-settings.ts';
import { GRANTS, type Grant, type StartOrder } from '../../../src/node-red/messages.ts';

type Settings = Readonly<Record<string, unknown>> & {
  readonly externalModules: {
    readonly autoInstall: boolean;
    readonly palette: Readonly<Record<string, boolean>>;
    readonly modules: Readonly<Record<string, unknown>>;
  };
  readonly logging: { readonly gateway: { readonly handler: () => (message: { level: number; msg: unknown }) => void } };
};

function settings(allow: readonly Grant[], more: Partial<StartOrder> = {}, log: (msg: unknown) => void = () => {}): Settings {
  const order: StartOrder = {
    type: 'start',
    folder: '/flows',
    credentialSecret: 'secret',
    flowKey: 'k',
    title: 'Plant 1',
    allow,
    ...more,
  };
  return redSettings(order, ({ msg }) => log(msg)) as Settings;
}

test('without grants no program, no palette and no module comes in', () => {
  const s = settings([]);
  assert.deepEqual(s.nodesExcludes, ['90-exec.js']);
  assert.equal(s.functionExternalModules, false);
  assert.deepEqual(s.externalModules, {
    autoInstall: false,
    palette: { allowInstall: false, allowUpdate: false, allowUpload: false },
    modules: { allowInstall: false, allowList: [], denyList: ['*'] },
  });
});

test('each grant opens its part alone, and none lets people upload packages', () => {
  assert.deepEqual(settings(['exec']).nodesExcludes, []);
  assert.deepEqual(settings(['palette']).externalModules.palette, { allowInstall: true, allowUpdate: true, allowUpload: false });
  assert.deepEqual(settings(['modules']).externalModules.modules, { allowInstall: true, allowList: ['*'], denyList: [] });
  assert.equal(settings(['modules']).functionExternalModules, true);
  const none = settings([]);
  for (const grant of GRANTS)
    for (const other of ['exec', 'palette', 'modules'] as const)
      if (other !== grant && other !== 'exec') {
        assert.deepEqual(settings([grant]).externalModules[other], none.externalModules[other], `${grant} and ${other}`);
      }
  assert.equal(settings(GRANTS).externalModules.autoInstall, false);
});

test('flows stay stopped where there is a reason, and HTTP nodes have a root of their own', () => {
  assert.equal('safeMode' in settings([]), false);
  assert.equal(settings([], { safeMode: 'it crashed' }).safeMode, true);
  assert.equal(settings([]).httpNodeRoot, NODE_ROOT);
  assert.notEqual(settings([]).httpAdminRoot, NODE_ROOT);
});

test('nothing goes to a telemetry server, and the log goes to the gateway', () => {
  const told: unknown[] = [];
  const s = settings([], {}, (msg) => void told.push(msg));
  assert.deepEqual(s.telemetry, { enabled: false, updateNotification: false });
  s.logging.gateway.handler()({ level: 40, msg: 'started' });
  assert.deepEqual(told, ['started']);
});
