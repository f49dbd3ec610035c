/** The folder in which the demonstration lives: its configuration (with ports that are free), state, log. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../admin/client.ts';
import { SluiceError } from '../../core/errors.ts';
import { makeFolder } from '../../store/files/make-folder.ts';

export interface DemoSite {
  readonly folder: string;
  readonly config: string;
  readonly socket: string;
  readonly brokerPort: number;
  readonly platformPort: number;
  readonly httpPort: number;
  readonly hasSerial: boolean;
}

/** As the example has them; another one is taken where a program listens already. */
const PORTS = { bus: 15502, broker: 11883, platform: 12883, http: 18080 };
const SERIAL = /^ *# serial\b.*\n(?:.*\n)*? *# end of serial.*\n/gm;

/** @param example the configuration that comes with Sluice */
export async function prepare(folder: string, example: string, hasSerial: boolean): Promise<DemoSite> {
  makeFolder(folder);
  const config = path.join(folder, 'gateway.yaml');
  const socket = path.join(folder, 'state', 'sluice.sock');
  await waitForEnd(folder, socket);
  rmSync(path.join(folder, 'dust-sensor'), { force: true });
  let yaml = readFileSync(example, 'utf8');
  if (!hasSerial) yaml = yaml.replaceAll(SERIAL, '');
  const chosen: Record<keyof typeof PORTS, number> = { ...PORTS };
  for (const name of Object.keys(PORTS) as (keyof typeof PORTS)[]) {
    chosen[name] = await freePort(PORTS[name]);
    yaml = yaml.replaceAll(String(PORTS[name]), String(chosen[name]));
  }
  writeFileSync(config, yaml);
  return {
    ...{ folder, config, socket, hasSerial },
    ...{ brokerPort: chosen.broker, platformPort: chosen.platform, httpPort: chosen.http },
  };
}

/** A demonstration that was killed needs some seconds until its gateway has gone. @throws SluiceError `already-running` */
async function waitForEnd(folder: string, socket: string): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const alive = await request(socket, 'GET', '/healthz').then(
      () => true,
      () => false,
    );
    if (!alive) return;
    await sleep(100);
  }
  throw new SluiceError('already-running', `a demonstration runs in ${folder}: end it, or give another folder (--folder DIR)`);
}

function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' && wanted !== 0) resolve(freePort(0));
      else reject(error);
    });
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : wanted));
    });
  });
}
