/**
 * Power cuts while a person shelves an alarm and takes it out of service. The gateway lies on a disk that records every write. What was
 * answered holds behind each cut: nobody hears "in service" from an alarm that stays silent.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { request } from '../../../src/admin/client.ts';
import { seeded } from '../../../src/core/seeded.ts';
import { imageDisk } from '../../harness/image-disk.ts';
import { Cuts, recordingDisk } from '../../harness/recording-disk.ts';
import { scratch } from '../../harness/scratch.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { SettableDevice } from '../../peers/settable-device.ts';

const SEED = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CUTS = Number(process.env.SLUICE_CUTS ?? 10);
const MEGABYTES = 32;
const ROUNDS = 6;

/** An answered command. `words` are what `seen` then says. */
interface Told {
  /** The moment of the record. */
  readonly at: number;
  readonly words: string;
}

/** Nothing but an answer brings a commit: `commitEvery` is an hour. */
function gatewayOn(t: TestContext, folder: string, port: number): Gateway {
  const memory = scratch(t, 'run', '/dev/shm');
  return makeGateway(
    t,
    ({ stateDir }) => `gateway: {id: g1, stateDir: ${stateDir}, runtimeDir: ${path.join(memory, 'run')}}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}}
devices: {fridge: {bus: plant, unit: 1, interval: 50ms, points: {t: {table: holding, address: 5, type: int16, unit: Cel}}}}
rules: {warm: {point: fridge.t, above: 8, severity: critical}}
buffer: {commitEvery: 1h, maxSize: 8MB}
`,
    folder,
  );
}

/** The alarm as a person sees it: in service, or silent and why. */
async function seen(gateway: Gateway): Promise<string> {
  const [alarm] = (await gateway.status()).alarms;
  if (alarm?.state !== 'shelved' && alarm?.state !== 'out-of-service') return 'in service';
  return `${alarm.state} ${/\((round \d+)\)$/.exec(alarm.message ?? '')?.[1]}`;
}

async function recorded(t: TestContext, port: number) {
  const disk = await recordingDisk(t, MEGABYTES);
  if (disk === undefined) return undefined;
  const gateway = gatewayOn(t, disk.folder, port);
  await gateway.up();
  await waitFor('the alarm', async () => (await gateway.status()).alarms[0]?.state === 'active-unacknowledged');
  const told: Told[] = [];
  const command = async (route: string, body: object, words: string) => {
    await request(gateway.socket, 'POST', `/api/v1/${route}`, { rule: 'warm', ...body });
    told.push({ at: disk.moment, words });
  };
  for (let round = 1; round <= ROUNDS; round++) {
    const reason = `round ${round}`;
    await command('shelve', { for: 3_600_000, reason }, `shelved ${reason}`);
    await command('shelve', { for: null }, 'in service');
    await command('out-of-service', { reason }, `out-of-service ${reason}`);
    await command('in-service', {}, 'in service');
  }
  // A stop would commit: the last answer has to have done so.
  await gateway.kill();
  await disk.stop();
  return { told, entries: disk.entries(), size: disk.size };
}

test(`${CUTS} power cuts take back no answer about an alarm`, { timeout: 600_000 }, async (t) => {
  t.diagnostic(`SLUICE_SEED=${SEED}`);
  const device = await SettableDevice.start(t);
  const images = imageDisk(t, MEGABYTES * 1024 ** 2);
  if (device === undefined || images === undefined) return;
  await device.set(5, 9);
  const record = await recorded(t, device.port);
  if (record === undefined) return;
  const { told, entries, size } = record;
  const random = seeded(SEED);
  // Each cut comes right behind an answer, and the last answer has one.
  const chosen = Array.from({ length: CUTS - 1 }, () => Math.floor(random() * (told.length - 1))).sort((a, b) => a - b);
  const cuts = new Cuts(entries, size);
  const faults: string[] = [];
  for (const [cut, index] of [...chosen, told.length - 1].entries()) {
    const { at, words } = told[index] as Told;
    const { image } = cuts.at(at, random);
    const after = await images.with(image, async (folder) => {
      const gateway = gatewayOn(t, folder, device.port);
      await gateway.up();
      const state = await seen(gateway);
      await gateway.kill();
      return state;
    });
    if (after !== words) faults.push(`cut ${cut}, behind answer ${index}: told "${words}", and it is ${after}`);
  }
  assert.deepEqual(faults, [], `SLUICE_SEED=${SEED}`);
});
