/** What stands around an emulated board of a measurement, and the clock inside of it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { PROJECT } from '../../test/harness/card-image.ts';
import { freePort } from '../../test/harness/free-port.ts';
import type { Door } from '../../test/harness/qemu-door.ts';
import { startMosquitto } from './site.ts';
import { Subscriber } from './subscriber.ts';
import type { Workspace } from './workspace.ts';

export interface Outside {
  /** For the board: where it finds broker and device. */
  readonly servers: Readonly<Record<string, number>>;
  /** When the first batch was sent, by the clock of the board, ms. */
  readonly first: () => number | undefined;
}

export async function outsideOfCard(space: Workspace): Promise<Outside> {
  const upstream = await startMosquitto(space);
  const device = await freePort();
  const file = path.join(space.folder, 'net.yaml');
  writeFileSync(
    file,
    `gateway: {id: outside}
buses: {net: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device}}}
devices:
  pump: {bus: net, unit: 1, interval: 1s, points: {speed: {table: holding, address: 0, type: uint16}}}
`,
  );
  space.spawn(process.execPath, [path.join(PROJECT, 'src/cli/main.ts'), 'simulate', file]);
  // The clock inside is not the one outside: the first batch says when it was sent.
  let first: number | undefined;
  const subscriber = new Subscriber(upstream, ['sluice/+/data', 'sluice/+/history'], ({ payload }) => {
    first ??= (JSON.parse(payload.toString()) as { sent: number }).sent;
  });
  space.after(() => subscriber.close());
  await subscriber.ready();
  return { servers: { '10.0.2.100:1883': upstream, '10.0.2.101:502': device }, first: () => first };
}

/** When the kernel began, by the clock of the board, ms. */
export async function beganAt(door: Door): Promise<number> {
  const [now = '', uptime = ''] = (await door.run('date +%s%3N; cat /proc/uptime')).trim().split(/\s+/);
  return Number(now) - Number(uptime) * 1000;
}

/** Seconds since the kernel began. */
export async function entered(door: Door, unit: string): Promise<number> {
  const since = `t=$(systemctl show -P ActiveEnterTimestampMonotonic ${unit}); test "$t" -gt 0 && echo $t`;
  return Number(await door.until(since)) / 1e6;
}
