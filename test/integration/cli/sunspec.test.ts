/** `sluice scan` and `sluice read` at a SunSpec device made by somebody else. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { common, inverter, type SunspecDevice, type SunspecLaid, sunspecDevice } from '../../peers/sunspec-device.ts';

const METER: SunspecLaid = [
  203,
  105,
  { 7: ['h', 2301], 15: ['h', -1], 16: ['h', 5000], 17: ['h', -2], 18: ['h', -720], 22: ['h', 0], 54: ['h', 0] },
];
const MAKER = common('Somebody Else', 'SE-10', '7E1234');

function roofGateway(t: TestContext, { port }: SunspecDevice): Gateway {
  return makeGateway(
    t,
    ({ section }) => `${section}
buses: {roof: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}}
devices: {pv: {bus: roof, unit: 1, interval: 200ms, profile: sunspec-inverter}}
`,
  );
}

interface Line {
  readonly type: string;
  readonly unit: number;
  readonly sunspec: { readonly base: number; readonly manufacturer: string } | null;
  readonly suggestions: { readonly profile: string; readonly weak: boolean }[];
}

for (const running of [false, true])
  test(`a scan ${running ? 'through the gateway' : 'without a gateway'} shows identity, models and the profile made of them`, async (t) => {
    const device = await sunspecDevice(t);
    if (device === undefined) return;
    await device.lay(40_000, [MAKER, inverter(4899), METER]);
    const gateway = roofGateway(t, device);
    if (running) {
      gateway.start();
      await gateway.waitForLog(/pv: inverter is model 101 in register 40070, 50 long/);
    }
    const scan = (...more: string[]) => sluice(t, 'scan', 'roof', '--units', '1', '-c', gateway.config, ...more);
    const { code, stdout, stderr } = await scan();
    assert.equal(code, 0, stderr);
    assert.ok(
      stdout.includes(
        [
          '    SunSpec device: Somebody Else, SE-10, version 1.2, serial number 7E1234; models 1, 101, 203 from register 40000 on',
          '    looks like sunspec-inverter-meter: inverter is model 101 in register 40070, meter is model 203 in register 40122; current 12.34 A, current-l1 12.34 A, voltage-l1 230.5 V, power 489.9 W and 7 more',
          '    looks like sunspec-inverter: inverter is model 101 in register 40070; current 12.34 A',
        ].join('\n'),
      ),
      stdout,
    );
    assert.match(
      stdout,
      /looks like sunspec-meter: meter is model 203 in register 40122; voltage 230\.1 V, frequency 50 Hz, power -720 W/,
    );
    assert.doesNotMatch(stdout, /may be/);

    await device.lay(0, [inverter(4899, 103), MAKER]);
    const told = (await scan('--json')).stdout.split('\n').map((line) => JSON.parse(line) as Line);
    const found = told.find((line) => line.type === 'device');
    assert.deepEqual(found?.sunspec, {
      ...{ base: 0, fault: null, manufacturer: 'Somebody Else', product: 'SE-10', version: '1.2', serial: '7E1234' },
      models: [
        { model: 103, register: 2, registers: 50 },
        { model: 1, register: 54, registers: 66 },
      ],
    });
    assert.deepEqual(
      found?.suggestions.map((s) => [s.profile, s.weak]),
      [['sunspec-inverter', false]],
    );
    await device.lay(50_000, [common('Acme', '', ''), [64_001, 4, {}]]);
    const words = (await scan()).stdout;
    assert.match(
      words,
      /SunSpec device: Acme, version 1\.2; models 1, 64001 from register 50000 on\n {4}no profile has these models/,
    );
  });

for (const running of [false, true])
  test(`read ${running ? 'through the gateway' : 'from the wire'}: values, frames and orders where the model lies`, async (t) => {
    const device = await sunspecDevice(t);
    if (device === undefined) return;
    await device.lay(50_000, [MAKER, inverter(4899)]);
    const gateway = roofGateway(t, device);
    if (running) {
      gateway.start();
      await gateway.waitForLog(/pv: inverter is model 101 in register 50070/);
    }
    const read = (...args: string[]) => sluice(t, 'read', ...args, '-c', gateway.config);
    const plain = await read('pv.power', '--json');
    assert.equal(plain.code, 0, plain.stderr);
    assert.equal(JSON.parse(plain.stdout).readings[0].value, 489.9);
    const raw = await read('pv.power', '--raw');
    assert.equal(raw.code, 0, raw.stderr);
    assert.match(raw.stdout, /the search for its SunSpec models\n {2}→ .* 01 03 9c 40 00 02\n/);
    assert.match(raw.stdout, /holding 50070 to 50108\n/);
    assert.match(raw.stdout, /pv\.power +489\.9 W/);
    const orders = await read('pv.power', '--orders');
    assert.equal(orders.code, 0, orders.stderr);
    // 4899 is 1323 in hexadecimal.
    assert.match(orders.stdout, /holding 50084 \(function 3\): registers 1323/);

    await device.lay(40_000, [MAKER, [111, 60, {}]]);
    const gone = await read('pv', '--raw');
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /pv: unit 1 on .*: it does not have SunSpec model 103 or 102 or 101 \(inverter\); it has 1, 111/);
    const noOrders = await read('pv.power', '--orders');
    assert.equal(noOrders.code, 1);
    assert.match(noOrders.stderr, /pv: it does not have SunSpec model 103/);
    await device.lay(40_000, []);
    assert.match((await read('pv', '--raw')).stderr, /does not have SunSpec model 103 .*it has none/);
  });
