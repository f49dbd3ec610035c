/** What ran well before an update has to run well after it, and nothing that was ill before counts against the new release. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Before, beforeSchema, lookOf, type WellBefore, wellBefore } from '../../../src/update/health.ts';
import { type After, isWell, lookBefore } from '../../../src/update/trial.ts';
import { askedGateway, type Scene, statusOf } from '../../harness/asked-gateway.ts';

const WITHIN = 120_000;
const LOOKS = 6;
/** Two meters that are read every second, one device that was silent, and a log that takes what they say. */
const plant = (look: number): Scene => ({
  devices: { 'plant.meter': look * 5, 'plant.pump': look * 5, 'plant.dead': null },
  log: { appended: look * 10 },
});

async function before(scene: (look: number) => Scene): Promise<WellBefore | undefined> {
  return await lookBefore(askedGateway(scene));
}
const recorded = (gateway: WellBefore | undefined): Before => ({ sequence: 2, ...(gateway && { gateway }) });

async function after(
  from: WellBefore | undefined | 'unknown',
  scene: (look: number) => Scene,
  more: Partial<After> = {},
): Promise<{ well: boolean; why: string; looks: number }> {
  const gateway = askedGateway(scene);
  const asked = { config: undefined, within: WITHIN, before: from === 'unknown' ? undefined : recorded(from), ...more };
  return { ...(await isWell(gateway, asked)), looks: gateway.looks };
}

test('a release under which the same devices answer and the log grows is well after six looks', async () => {
  const from = await before(plant);
  assert.deepEqual(from, {
    buses: [
      {
        name: 'plant',
        devices: [
          { name: 'meter', quick: true },
          { name: 'pump', quick: true },
        ],
      },
    ],
    log: { stored: true, quick: true },
  });
  assert.deepEqual(await after(from, plant), { well: true, why: '', looks: LOOKS });
});

test('devices that answered before and are silent now: the words name the bus and the devices', async () => {
  const from = await before(plant);
  const { well, why } = await after(from, (look) => ({
    devices: { 'plant.meter': null, 'plant.pump': null, 'plant.dead': null },
    log: { appended: look },
  }));
  assert.equal(well, false);
  assert.equal(
    why,
    'no device of the bus plant that answered before answers polls now: meter is silent, 4 requests, 0 replies (no reply within 1s); pump is silent, 4 requests, 0 replies (no reply within 1s)',
  );
});

test('one device of a bus is enough, and the others are named', async () => {
  const from = await before(plant);
  const { well, why } = await after(from, (look) => ({ ...plant(look), devices: { 'plant.meter': look, 'plant.pump': null } }));
  assert.deepEqual([well, why], [true, 'not as before: pump is silent, 4 requests, 0 replies (no reply within 1s)']);
});

test('a device that answers now and did not before proves nothing for the others', async () => {
  const from = await before(plant);
  const { well } = await after(from, (look) => ({
    devices: { 'plant.meter': null, 'plant.pump': null, 'plant.dead': look * 5 },
    log: { appended: look },
  }));
  assert.equal(well, false);
});

test('polls that stand still after the first answers are not well', async () => {
  const from = await before(plant);
  const { well, why } = await after(from, (look) => ({
    devices: { 'plant.meter': 3, 'plant.pump': 3 },
    log: { appended: look },
  }));
  assert.equal(well, false);
  assert.match(why, /^no device of the bus plant .*meter is answering, 3 requests, 3 replies; pump is/);
});

test('a device that is asked once in a quarter of an hour needs one answer', async () => {
  const slow = (look: number): Scene => ({ devices: { 'plant.tank': 1 }, log: { appended: look < 2 ? 0 : 1 } });
  const from = await before(() => ({ devices: { 'plant.tank': 40 }, log: { appended: 40 } }));
  assert.deepEqual(from?.buses[0]?.devices, [{ name: 'tank', quick: false }]);
  assert.equal((await after(from, slow)).well, true);
  const { well, why } = await after(from, () => ({ devices: { 'plant.tank': null } }));
  assert.deepEqual([well, /tank is silent/.test(why)], [false, true]);
});

test('a device of an hour that is read while it is looked at is not quick', async () => {
  // Two requests of each hour, one before the second look and one after it.
  const tank = (look: number): Scene => ({
    devices: { 'plant.tank': 200 + look },
    log: { appended: 200 + look },
    look: { gateway: { boot: 'b7', uptime: 360_000 + look * 5 } },
  });
  const from = await before(tank);
  assert.deepEqual(from?.buses[0]?.devices, [{ name: 'tank', quick: false }]);
  assert.equal((await after(from, () => ({ devices: { 'plant.tank': 2 }, log: { appended: 2 } }))).well, true);
  const fresh = await before((look) => ({ ...plant(look + 1), look: { gateway: { boot: 'b7', uptime: 2 + look * 5 } } }));
  assert.equal(fresh?.buses[0]?.devices[0]?.quick, true);
});

test('a device that was switched off is no fault while a slower one of its bus answers', async () => {
  const from = await before((look) => ({ devices: { 'plant.meter': look * 5, 'plant.tank': 40 }, log: { appended: look } }));
  const off = (tank: number | null): Scene => ({ devices: { 'plant.meter': null, 'plant.tank': tank }, log: { appended: 1 } });
  const { well, why } = await after(from, () => off(1));
  assert.deepEqual([well, why], [true, 'not as before: meter is silent, 4 requests, 0 replies (no reply within 1s)']);
  const { why: none } = await after(from, () => off(null));
  assert.match(none, /^no device of the bus plant .*: meter is silent, .*; tank is silent, /);
});

test('a device that refused its polls before does not count', async () => {
  const refuses = (look: number): Scene => ({
    devices: { 'plant.inverter': 300 },
    log: { appended: 10 + look },
    device: ({ counters }) => ({ fault: 'exception 2', counters: { ...counters, requests: 300 + look } }),
  });
  const from = await before(refuses);
  assert.deepEqual(from?.buses, [{ name: 'plant', devices: [] }]);
  const { well } = await after(from, (look) => ({ ...refuses(look), devices: { 'plant.inverter': 0 } }));
  assert.equal(well, true);
});

test('points that are computed stand still with their device, and do not count', async () => {
  const scene = (look: number, computed: number | null): Scene => ({
    devices: { 'plant.pump': look * 5, 'site.power': computed },
    log: { appended: look },
    device: ({ name, counters }) => (name === 'power' ? { counters: { ...counters, requests: 0 } } : {}),
  });
  const derived = (computed: (look: number) => number | null) => (look: number) => {
    const { buses } = statusOf(scene(look, computed(look)));
    return {
      ...scene(look, 0),
      look: { buses: buses.map((bus) => ({ ...bus, protocol: bus.name === 'site' ? 'derived' : 'rtu' })) },
    };
  };
  const from = await before(derived((look) => look * 5));
  assert.deepEqual(from?.buses[1], { name: 'site', devices: [] });
  assert.equal(
    (
      await after(
        from,
        derived(() => null),
      )
    ).well,
    true,
  );
});

test('a release that lost the configuration from upstream is not well without its buses', async () => {
  const config = { buses: new Map(), devices: new Map(), buffer: { commitEvery: 10_000 } };
  const inForce = (origin: string) => ({ look: { inForce: { origin } } });
  const from = await before((look) => ({ ...plant(look), ...inForce('upstream') }));
  assert.equal(from?.upstream, true);
  const lost = await after(from, (look) => ({ log: { appended: look }, ...inForce('file') }), { config });
  assert.deepEqual([lost.well, lost.why], [false, 'the bus plant was open before, and is not there now']);
  const trial = await before((look) => ({ ...plant(look), look: { inForce: { origin: 'upstream', trial: { version: 2 } } } }));
  assert.equal(trial?.upstream, undefined);
  // Another version of it does without them.
  const next = await after(from, (look) => ({ log: { appended: look }, ...inForce('upstream') }), { config });
  assert.equal(next.well, true);
});

test('a log that cannot store, takes nothing, or stands still is not well, in words', async () => {
  const from = await before(plant);
  const says = async (log: (look: number) => Scene['log'], words: RegExp) => {
    const { well, why } = await after(from, (look) => ({ ...plant(look), log: log(look) ?? {} }));
    assert.equal(well, false);
    assert.match(why, words);
  };
  await says(
    (n) => ({ appended: n, faults: ['the log cannot be written: the disk is full'] }),
    /^the log cannot be written: the disk/,
  );
  await says(() => ({ appended: 0 }), /^polls are answered, and the log has taken no reading/);
  await says(() => ({ appended: 7 }), /^the log took readings all the time before, and has stayed at 7/);
  await says((n) => ({ appended: n * 10 + 1, commits: 0 }), /^the log has \d+ readings in memory, and has written none/);
});

test('readings that a report of points keeps out of the log count as taken', async () => {
  const from = await before(plant);
  const { well } = await after(from, (look) => ({ ...plant(look), log: { appended: 4, unreported: look * 10 } }));
  assert.equal(well, true);
});

test('a commit that is not due yet is not waited for', async () => {
  const from = await before(plant);
  const config = (commitEvery: number): Partial<After> => ({
    config: { buses: new Map(), devices: new Map(), buffer: { commitEvery } },
  });
  const uncommitted = (look: number): Scene => ({ ...plant(look), log: { appended: look, commits: 0 } });
  assert.equal((await after(from, uncommitted, config(3_600_000))).well, true);
  assert.equal((await after(from, uncommitted, config(10_000))).well, false);
});

test('what was ill before does not count: silent devices, closed buses, a log at its end', async () => {
  const ill: Scene = {
    devices: { 'plant.dead': null },
    closed: ['usb'],
    log: { appended: 0, commits: 0, faults: ['the log cannot be written: the disk is full'] },
  };
  const from = await before(() => ill);
  assert.deepEqual(from, { buses: [{ name: 'plant', devices: [] }] });
  // It is not ready, and was not before.
  assert.equal((await after(from, () => ({ ...ill, ready: false }))).well, true);
});

test('a card without any device is well when its gateway runs', async () => {
  const from = await before(() => ({ log: { appended: 0, commits: 0 } }));
  assert.deepEqual(from, { buses: [], log: { stored: false, quick: false } });
  assert.equal((await after(from, () => ({ log: { appended: 0, commits: 0 } }))).well, true);
  assert.deepEqual(await after(from, () => ({ fault: 'nobody' })).then(({ well, why }) => [well, why]), [
    false,
    'no gateway is running here',
  ]);
});

test('a bus that was open has to be open again, also where nobody answers on it', async () => {
  const from = await before(() => ({ devices: { 'plant.dead': null } }));
  const { well, why } = await after(from, () => ({ closed: ['plant'] }));
  assert.deepEqual([well, why], [false, 'the bus plant was open before, and is not open now (no such port)']);
});

test('a bus that is gone counts, unless somebody took it out of the configuration', async () => {
  const from = await before(plant);
  const gone = (look: number): Scene => ({ log: { appended: look } });
  assert.equal((await after(from, gone)).why, 'the bus plant was open before, and is not there now');
  const config = { buses: new Map(), devices: new Map(), buffer: { commitEvery: 10_000 } };
  assert.equal((await after(from, gone, { config })).well, true);
  // A configuration from upstream has it beside the file.
  const { well } = await after(from, (look) => ({ ...plant(look), devices: { 'plant.meter': null, 'plant.pump': null } }), {
    config,
  });
  assert.equal(well, false);
});

test('a gateway that starts again and again is not well', async () => {
  const from = await before(plant);
  const { well, why } = await after(from, (look) => ({ ...plant(look + 1), boot: `b${Math.floor(look / 4)}` }));
  assert.deepEqual([well, why], [false, 'the gateway started too late, or again and again']);
});

test('a gateway that needs a while to answer is well when it does', async () => {
  const from = await before(plant);
  assert.equal((await after(from, (look) => (look < 10 ? { fault: 'nobody' } : plant(look)))).well, true);
});

test('without a record a gateway has to be ready and to write its log', async () => {
  const unknown = 'nothing is known of how it ran before the update';
  assert.deepEqual(await after('unknown', plant), { well: true, why: unknown, looks: LOOKS });
  const notReady = await after('unknown', (look) => ({ ...plant(look), ready: false }));
  assert.equal(notReady.well, false);
  assert.match(notReady.why, new RegExp(`^the gateway is not ready: .*bus plant is not open.*; ${unknown}$`));
  const unwritten = await after('unknown', (look) => ({ ...plant(look), log: { appended: 5, commits: 0 } }));
  assert.match(unwritten.why, /has written none of them/);
  // Devices may have been silent before: nobody knows.
  assert.equal((await after('unknown', () => ({ devices: { 'plant.meter': null } }))).well, true);
});

test('no gateway ran before: there is nothing to compare', async () => {
  assert.equal(await before(() => ({ fault: 'nobody' })), undefined);
  assert.equal(await before((look) => ({ ...plant(look), boot: `b${look}` })), undefined);
  const { well, looks } = await after(undefined, () => ({ fault: 'nobody' }));
  assert.deepEqual([well, looks], [true, 0]);
  await assert.rejects(
    before(() => ({ fault: new Error('no answer within 30 s') })),
    /no answer/,
  );
  // It was starting when it was asked first.
  assert.notEqual(await before((look) => (look < 2 ? { fault: 'nobody' } : plant(look))), undefined);
});

test('whatever a gateway says of itself, a look is bounded and its record can be read again', () => {
  const bus = (devices: number, i: number) => ({
    name: `bus ${i}`,
    state: 'open',
    devices: Array.from({ length: devices }, (_, n) => ({
      name: `d${n}`,
      state: 'answering',
      counters: { requests: n + 1, replies: n },
    })),
  });
  const log = { appended: 1, unreported: 0, commits: 1, faults: [] };
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 100 }), (sizes) => {
      const look = lookOf({ gateway: { boot: 'b1' }, buses: sizes.map(bus), log, more: true });
      assert.ok(look !== undefined);
      const record = { sequence: 3, gateway: wellBefore([look]) };
      assert.deepEqual(beforeSchema.parse(JSON.parse(JSON.stringify(record))), record);
      assert.ok(JSON.stringify(record).length < 64 * 1024);
    }),
    { numRuns: 30 },
  );
  for (const strange of [undefined, null, [], {}, { ...statusOf({}), buses: 'none' }, { ...statusOf({}), log: { appended: -1 } }])
    assert.equal(lookOf(strange), undefined);
});
