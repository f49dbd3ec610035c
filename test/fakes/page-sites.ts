/** Gateways that the status page is drawn of: an ordinary one, an empty one, a full one, and names of every kind. */
import type { AlarmStatus, LiveBus, LiveState } from '../../src/admin/live/live-types.ts';
import type { InventoryDevice, LatestValue } from '../../src/core/ports.ts';
import { reasonCode } from '../../src/core/reasons.ts';
import { FakeLive, QUIET_STATE } from './live-source.ts';

/** The time of the made-up gateways; pictures in the documentation have it. */
export const NOW = Date.UTC(2026, 10, 26, 9, 30, 0);
const MINUTE = 60_000;

type Points = Readonly<
  Record<string, readonly [type: string, unit: string | undefined, value: LatestValue['value'], age: number, reason?: string]>
>;

function live(
  state: Partial<LiveState>,
  devices: Readonly<Record<string, { readonly bus: string; readonly points: Points }>>,
): FakeLive {
  const source = new FakeLive();
  source.clock = NOW;
  source.nowState = {
    ...QUIET_STATE,
    gateway: { ...QUIET_STATE.gateway, started: NOW - 3 * 86_400_000 },
    log: { ...QUIET_STATE.log, lastCommit: NOW - 7000 },
    ...state,
  };
  const inventory: Record<string, InventoryDevice> = {};
  for (const [device, { bus, points }] of Object.entries(devices)) {
    inventory[device] = {
      bus,
      points: Object.fromEntries(Object.entries(points).map(([name, [type, unit]]) => [name, { type, unit, writable: false }])),
    };
    for (const [point, [type, unit, value, age, reason]] of Object.entries(points)) {
      const code = reason === undefined ? 0 : reasonCode(reason as Parameters<typeof reasonCode>[0]);
      if (age >= 0) source.take({ device, point, type, unit, time: NOW - age, value, reason: code });
    }
  }
  source.setDevices(inventory);
  return source;
}

const FORWARDER: LiveState['forwarders'][number] = {
  ...{ name: 'cloud', type: 'mqtt', url: 'mqtts://broker.example.org:8883', state: 'connected', nextTry: null, mode: 'live' },
  ...{ lastAck: NOW - 4000, oldestUnsent: null, waiting: 0 },
};

export function clinic(): FakeLive {
  const buses: LiveBus[] = [
    {
      ...{ name: 'field', protocol: 'modbus-rtu', state: 'open' },
      devices: [
        { name: 'fridge', state: 'answering' },
        {
          ...{ name: 'pump', state: 'silent', rests: true, lastReply: NOW - 3 * MINUTE },
          fault: 'pump (unit 4) does not answer: check its power, wires A and B, unit id and baud rate',
        },
      ],
    },
    { name: 'air', protocol: 'serial', state: 'open', devices: [{ name: 'station', state: 'answering' }] },
  ];
  return live(
    {
      buses,
      alarms: [
        {
          ...{ rule: 'fridge-warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.temperature' },
          ...{ value: 9.4, since: NOW - 12 * MINUTE, occurrence: 3, message: 'The vaccine fridge is above 8 °C' },
          messages: { bn: 'টিকার ফ্রিজ 8 °C-এর উপরে' },
        },
        {
          ...{ rule: 'pump-pressure', state: 'shelved', severity: 'warning', point: 'pump.pressure', since: NOW - 95 * MINUTE },
          ...{ occurrence: 1, message: 'pump-pressure: shelved for 2h by anna (filter is being cleaned)' },
          messages: { bn: 'pump-pressure: 2 ঘণ্টা স্থগিত করেছেন anna (filter is being cleaned)' },
          shelvedUntil: NOW + 50 * MINUTE,
        },
      ],
      observed: [
        {
          ...{ rule: 'fridge-strict', state: 'active-unacknowledged', severity: 'warning', point: 'fridge.temperature' },
          ...{ value: 9.4, since: NOW - 31 * MINUTE, occurrence: 4, message: 'fridge.temperature is 9.4 °C, above 7' },
          messages: { bn: 'fridge.temperature এখন 9.4 °C, 7-এর বেশি' },
          ...{ observedSince: NOW - 3 * 24 * 60 * MINUTE, count: 4 },
        },
      ],
      actions: {
        ...{ done: 41, failed: 2, waiting: 1, failing: 1 },
        list: [
          {
            ...{ rule: 'fridge-warm', kind: 'hook', target: 'sms', done: 3, failed: 2 },
            last: { result: 'failed', time: NOW - 12 * MINUTE },
            error: '/etc/sluice/hooks/sms ended with 1: the modem has no network',
          },
          {
            ...{ rule: 'fridge-warm', kind: 'output', target: 'station.siren', done: 36, failed: 0 },
            last: { result: 'done', time: NOW - 11 * MINUTE },
          },
          { rule: 'pump-pressure', kind: 'publish', target: 'pump/state', done: 2, failed: 0, last: null },
        ],
      },
      forwarders: [
        FORWARDER,
        {
          ...FORWARDER,
          ...{ name: 'ministry', state: 'waiting', mode: 'history', nextTry: NOW + 20_000, oldestUnsent: NOW - 5 * 3_600_000 },
          ...{ lastAck: NOW - 5 * 3_600_000, waiting: 412, fault: 'nothing listens at mqtt.health.example:8883' },
        },
      ],
    },
    {
      fridge: {
        bus: 'field',
        points: {
          temperature: ['int16', 'Cel', 9.4, 2000],
          humidity: ['int16', '%', 61.5, 2000, 'out-of-range'],
          door: ['bool', undefined, true, 2000],
        },
      },
      pump: {
        bus: 'field',
        points: {
          pressure: ['float32', 'bar', null, 180_000, 'timeout'],
          energy: ['uint64', 'kW.h', null, 180_000, 'timeout'],
        },
      },
      station: {
        bus: 'air',
        points: { pm25: ['float64', 'ug/m3', 38.2, 15_000], state: ['string', undefined, 'measuring', 15_000] },
      },
    },
  );
}

const SENDER = { forwarder: 'cloud', key: '9f86d081884c7d65', time: NOW - 2 * 86_400_000 };
const WHY =
  'Version 8 was rolled back: the forwarder cloud is not connected; the device pump does not answer any more. The configuration before it is in force.';
const ROLLED_BACK = {
  ...{ version: 8, id: 'configure-8', forwarder: 'cloud', key: '9f86d081884c7d65', outcome: 'rolled-back' as const },
  ...{ message: WHY, time: NOW - 40 * MINUTE },
};
const withConfiguration = (inForce: LiveState['inForce'], from = clinic()): FakeLive => {
  from.nowState = { ...from.nowState, inForce };
  return from;
};
/** A configuration from upstream is on trial. */
export const onTrial = (): FakeLive =>
  withConfiguration({
    ...{ origin: 'upstream', version: 9, sender: { ...SENDER, time: NOW - 20_000 }, last: ROLLED_BACK },
    trial: { version: 9, until: NOW + 100_000 },
  });
export const rolledBack = (): FakeLive =>
  withConfiguration({ origin: 'upstream', version: 7, sender: SENDER, last: ROLLED_BACK });

/** The file has faults, and the gateway runs with what it had before. */
export function broken(): FakeLive {
  const from = clinic();
  const file = '/etc/sluice/gateway.yaml';
  const faults = [
    `${file}:12:5: devices.fridge.interval is "5 minutes"; write a duration, for example 5m`,
    `${file}:31:1: rules.${'a-rule-with-a-long-name-'.repeat(4)}x: there is no point ${'cold_room_'.repeat(6)}1.temperature`,
    `${file}:40:9: <img src=x onerror="document.title='broken'"> is no key`,
  ];
  from.nowState = { ...from.nowState, configuration: { file, faults, kept: NOW - 2 * 86_400_000 } };
  return from;
}

/** Nothing is configured. */
export const empty = (): FakeLive => live({ clock: { known: false, source: 'nobody knows the time', since: NOW } }, {});

/** 1,000 points of 40 devices, 200 alarms. */
export function full(): FakeLive {
  const names = Array.from({ length: 40 }, (_, i) => `meter-${String(i + 1).padStart(2, '0')}`);
  const points: Record<string, Points[string]> = {};
  for (let i = 0; i < 25; i++) points[`register-${i + 1}`] = ['float32', 'kW.h', 1000.5 + i, 1000 * i];
  const alarms = Array.from({ length: 200 }, (_, i): AlarmStatus => {
    const severity = (['critical', 'warning', 'info'] as const)[i % 3] ?? 'info';
    const state = (['active-unacknowledged', 'active-acknowledged', 'returned-unacknowledged'] as const)[i % 3] ?? 'normal';
    return {
      ...{ rule: `rule-${i + 1}`, state, severity, point: `${names[i % 40]}.register-1`, value: i, since: NOW - i * MINUTE },
      ...{ occurrence: i + 1, message: `Meter ${(i % 40) + 1} has passed its limit` },
    };
  });
  return live(
    {
      alarms,
      buses: [
        {
          name: 'field',
          protocol: 'modbus-tcp',
          state: 'open',
          devices: names.map((name) => ({ name, state: 'answering' as const })),
        },
      ],
    },
    Object.fromEntries(names.map((name) => [name, { bus: 'field', points }])),
  );
}

/** Whatever a gateway, a message or a value may hold. Names of the configuration are short and plain; see the contract. */
export function odd(): FakeLive {
  const long = 'a-very-long-name-of-a-device-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-never-ends';
  // A name that every object has.
  const noReading: Points = Object.fromEntries([['toString', ['string', undefined, '', -1] as const]]);
  const script = '<script>document.title="broken"</script><img src=x onerror="document.title=\'broken\'">';
  return live(
    {
      inForce: {
        ...{ origin: 'upstream', version: 4_294_967_295, sender: { forwarder: 'f'.repeat(100), key: 'k'.repeat(64), time: NOW } },
        ...{ trial: { version: 4_294_967_295, until: NOW }, fault: `${script} ${'/'.repeat(300)}` },
        last: {
          ...{ version: 4_294_967_294, id: 'i'.repeat(64), forwarder: script, outcome: 'replaced', time: NOW },
          message: `${script} ${'W'.repeat(1900)}`,
        },
      },
      gateway: { ...QUIET_STATE.gateway, name: `محطة الضخ ${script} 💧 ${'x'.repeat(120)}` },
      buses: [
        {
          ...{ name: 'field', protocol: 'modbus-rtu', state: 'closed', fault: `no such port ${'/dev/'.repeat(60)} ${script}` },
          devices: [
            { name: long, state: 'silent', fault: script, share: { bad: 3, of: 8 } },
            { name: 'constructor', state: 'unknown' },
          ],
        },
      ],
      alarms: [
        {
          ...{
            rule: long,
            state: 'active-unacknowledged',
            severity: 'critical',
            point: `${long}.${long}`,
            value: 'حالة‮txet',
            since: NOW,
          },
          ...{ occurrence: 1, message: `درجة الحرارة مرتفعة ${script} ${'W'.repeat(200)}` },
        },
      ],
      forwarders: [{ ...FORWARDER, name: long, url: `mqtt://${'h'.repeat(300)}`, state: 'stopped', fault: script }],
      log: { ...QUIET_STATE.log, records: 987_654_321, dropped: 123_456_789, faults: [`the log cannot be written: ${script}`] },
      machine: { ...QUIET_STATE.machine, disk: null },
    },
    {
      [long]: {
        bus: 'field',
        points: {
          [long]: ['string', undefined, `${script} ${'ا'.repeat(300)}`, 1000],
          big: ['uint64', '[weird_unit]{of nobody}', 18_446_744_073_709_551_615n, 1000],
          tiny: ['float64', 'V', -1.234567890123e-12, 10],
        },
      },
      constructor: { bus: 'field', points: noReading },
    },
  );
}
