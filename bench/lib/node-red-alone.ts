/**
 * Node-RED without a gateway, with node-red-contrib-modbus from npm: reads the same devices and publishes what it reads. As a person
 * would set it up: no fence, its own defaults, one Modbus client for each device, QoS 1.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/harness/free-port.ts';
import { pidOf } from './site.ts';
import type { Workspace } from './workspace.ts';

export const CONTRIB = '5.60.2';
/** Its Modbus package comes from a registry of its own; this is the one of npm that it was made from. */
const MODBUS_SERIAL = '8.0.25';

export interface Job {
  readonly devices: number;
  readonly registers: number;
  /** The port of all devices; device i is on 127.0.0.(i + 2). */
  readonly port: number;
  /** The upstream broker. */
  readonly upstream: number;
}

/** @returns its process */
export async function startNodeRed(space: Workspace, installed: string, job: Job): Promise<number> {
  const folder = path.join(space.folder, 'alone');
  mkdirSync(folder);
  const manifest = {
    ...{ name: 'alone', version: '1.0.0', private: true, dependencies: { 'node-red-contrib-modbus': CONTRIB } },
    overrides: { '@openp4nr/modbus-serial': `npm:modbus-serial@${MODBUS_SERIAL}` },
  };
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  const npm = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, encoding: 'utf8' });
  if (npm.status !== 0) throw new Error(`node-red-contrib-modbus cannot be installed: ${npm.stderr}`);
  writeFileSync(path.join(folder, 'flows.json'), JSON.stringify(flowsOf(job)));
  const settings = {
    ...{ uiHost: '127.0.0.1', uiPort: await freePort(), flowFile: 'flows.json', credentialSecret: 'bench' },
    telemetry: { enabled: false },
  };
  writeFileSync(path.join(folder, 'settings.js'), `module.exports = ${JSON.stringify(settings)};`);
  const red = path.join(installed, 'node_modules', 'node-red', 'red.js');
  const child = space.spawn(process.execPath, [red, '--userDir', folder, '--settings', path.join(folder, 'settings.js')]);
  await child.line(/Started flows/);
  return pidOf(child);
}

function flowsOf({ devices, registers, port, upstream }: Job): object[] {
  const each = Array.from({ length: devices }, (_, i) => [
    {
      ...{ id: `client${i}`, type: 'modbus-client', clienttype: 'tcp', bufferCommands: true, stateLogEnabled: false },
      ...{
        queueLogEnabled: false,
        failureLogEnabled: true,
        tcpHost: `127.0.0.${i + 2}`,
        tcpPort: String(port),
        tcpType: 'DEFAULT',
      },
      ...{ unit_id: '1', commandDelay: '1', clientTimeout: '1000', reconnectOnTimeout: true, reconnectTimeout: '2000' },
      ...{ parallelUnitIdsAllowed: true, showErrors: false, showWarnings: true, showLogs: true },
    },
    {
      ...{
        id: `read${i}`,
        type: 'modbus-read',
        z: 'tab',
        name: '',
        topic: `plant/d${i}`,
        unitid: '1',
        dataType: 'HoldingRegister',
      },
      ...{ adr: '0', quantity: String(registers), rate: '1', rateUnit: 's', delayOnStart: false, server: `client${i}` },
      ...{ useIOFile: false, ioFile: '', useIOForPayload: false, emptyMsgOnFail: false, wires: [[`make${i}`], []] },
    },
    {
      ...{ id: `make${i}`, type: 'function', z: 'tab', outputs: 1, libs: [], wires: [['out']] },
      func: `return { topic: 'plant/d${i}', payload: JSON.stringify({ time: Date.now(), values: msg.payload }) };`,
    },
  ]);
  return [
    { id: 'tab', type: 'tab', label: 'plant' },
    {
      ...{ id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port: String(upstream), clientid: '', autoConnect: true },
      ...{ usetls: false, protocolVersion: '4', keepalive: '60', cleansession: true },
    },
    { id: 'out', type: 'mqtt out', z: 'tab', topic: '', qos: '1', retain: '', broker: 'broker', wires: [] },
    ...each.flat(),
  ];
}
