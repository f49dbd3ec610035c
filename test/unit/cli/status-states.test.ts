/**
 * `sluice status` for states of a site, as a technician sees it at 80 columns in Dhaka: test/cases/status. SLUICE_GOLDEN=write
 * writes the files anew; read the difference before it is committed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { AlarmStatus } from '../../../src/admin/live/live-types.ts';
import type { WaitingReply } from '../../../src/admin/log-questions.ts';
import type { LogStatus } from '../../../src/admin/log-status.ts';
import type { FlowsReport, ForwarderStatus, GatewayStatus } from '../../../src/admin/target.ts';
import { statusText } from '../../../src/cli/status-page.ts';
import type { BusStatus, DeviceStatus } from '../../../src/core/ports.ts';
import { newCounts } from '../../../src/node-red/door/counts.ts';
import { statusOf } from '../../fakes/admin-target.ts';

process.env.TZ = 'Asia/Dhaka';
const FOLDER = path.join(import.meta.dirname, '..', '..', 'cases', 'status');

const MINUTE = 60_000;
/** 14:02:11 in Dhaka. */
const NOW = Date.UTC(2026, 10, 26, 8, 2, 11);
const UP = 134 * MINUTE;
/** Monotonic. */
const ago = (ms: number) => UP - ms;

function device(name: string, more: Partial<DeviceStatus> = {}): DeviceStatus {
  const [like] = statusOf().buses[0]?.devices ?? [];
  assert.ok(like);
  const counters = {
    ...like.counters,
    requests: 8040,
    replies: 8040,
    timeouts: 0,
    crcErrors: 0,
    skippedBytes: 0,
    missedPolls: 0,
  };
  return { name, state: 'answering', lastReply: ago(400), counters, ...more };
}

const nodeRed: FlowsReport = {
  ...{ state: 'running', since: NOW - UP, nextStart: null, runsAs: 'service', version: '5.0.7', pid: 812 },
  ...{ memory: { resident: 131_072_000, proportional: 80_740_352 }, restarts: 0, crashes: 0, checkTime: 4 },
  lines: { passed: 12, suppressed: 0 },
};

/** Nothing went through it yet. */
function doorOf(): NonNullable<FlowsReport['door']> {
  return { open: true, connections: 0, subscriptions: 0, ...newCounts() };
}

interface Changes {
  readonly clock?: Partial<GatewayStatus['clock']>;
  readonly bus?: Partial<BusStatus>;
  readonly log?: Partial<LogStatus>;
  readonly forwarder?: Partial<ForwarderStatus>;
  readonly alarms?: readonly AlarmStatus[];
  readonly alarmFigures?: Partial<GatewayStatus['alarmFigures']>;
  readonly actions?: GatewayStatus['actions'];
  readonly flows?: Partial<FlowsReport>;
  /** With `-v`. */
  readonly verbose?: boolean;
  /** What the count of waiting readings says; absent: it was not there in time. */
  readonly waiting?: WaitingReply['forwarders'];
}

function changedStatus({
  clock,
  bus,
  log,
  forwarder,
  flows,
  verbose,
  actions,
  alarmFigures,
  alarms = [],
}: Changes): GatewayStatus {
  const report = statusOf();
  const [field] = report.buses;
  const [cloud] = report.forwarders;
  assert.ok(field && cloud);
  const load = { busy: 0.12, due: 60, missed: 0, overloaded: false };
  return {
    ...report,
    gateway: {
      ...{ id: 'clinic-7', name: 'Upazila Health Complex', version: '0.1.0', boot: 'b17', uptime: UP / 1000 },
      ...{ time: NOW, monotonic: UP },
    },
    clock: { known: true, source: 'the system clock', systemOffset: 0, since: NOW - UP, steps: 0, ...clock },
    buses: [{ ...field, name: 'rs485', load, devices: [device('fridge'), device('meter')], ...bus }],
    log: { ...report.log, records: 41_231, bytes: 3.1 * 2 ** 20, maxBytes: 256 * 2 ** 20, ...log },
    forwarders: [
      {
        ...{ ...cloud, url: 'mqtts://platform.example:8883', lastAck: NOW - 900, lag: { data: 400, history: 0 }, waiting: 2 },
        counters: { ...cloud.counters, readings: 16_078 },
        ...forwarder,
      },
    ],
    alarms,
    alarmFigures: { ...report.alarmFigures, ...alarmFigures },
    actions,
    ...(flows === undefined ? {} : { flows: { ...nodeRed, ...flows } }),
    // Its figures have tests of their own.
    broker: verbose ? undefined : report.broker && { ...report.broker, address: { host: '127.0.0.1', port: 1883 } },
  };
}

const LINE = 'unit 2 on /dev/ttyUSB0 at 9600 baud, parity none';
const SILENT = `${LINE} does not answer within 1s: check that it has power, wires A and B (swap them), its unit id, baud rate and parity; if it is only slow, raise \`timeout\``;
const warm: AlarmStatus = {
  ...{ rule: 'fridge-warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.temperature', value: 9.1 },
  ...{ since: NOW - 4 * MINUTE, occurrence: 2, message: 'fridge.temperature is 9.1 °C, above 8 for 10m' },
};
const away: Partial<ForwarderStatus> = {
  ...{ state: 'waiting', fault: 'platform.example:8883: there is no way to this address: check cable, address and network' },
  ...{ nextTry: NOW + 2000, mode: 'history', lastAck: NOW - 26 * 60 * MINUTE, lag: { data: 0, history: 26 * 60 * MINUTE } },
};
const salvage = {
  ...{ time: NOW - 9 * MINUTE, file: 'log.db', why: 'the header of the file is damaged', records: 4100, notices: 3 },
  ...{ lostRecords: 27, lostReadings: 54, gaps: 1, unread: 0, quarantine: '/var/lib/sluice/log.db.damaged' },
};

const DISK_FULL =
  'its folder takes more than it may: a quarter of its file system is 40MB; remove files from /var/lib/sluice-node-red';

const none = { started: 0, done: 0, failed: 0, superseded: 0, dropped: 0 };
const ACTIONS: GatewayStatus['actions'] = {
  kinds: [
    { kind: 'write', ...none, started: 14, done: 12, superseded: 1, waiting: 0 },
    { kind: 'hook', ...none, started: 4, done: 1, failed: 1, dropped: 2, waiting: 1 },
  ],
  ...{ of: 3, failing: 1 },
  list: [
    {
      ...{ rule: 'fridge-warm', action: 'hook sms', place: 'escalate.0', ...none, started: 4, done: 1, failed: 1, dropped: 2 },
      last: { result: 'failed', time: NOW - 3 * MINUTE },
      error: { message: '/etc/sluice/hooks/sms ended with 1: the modem has no network\u001b[2J', time: NOW - 3 * MINUTE },
    },
    {
      ...{ rule: 'tank-empty', action: 'write pump.run', place: 'do.0', ...none, started: 14, done: 12, superseded: 1 },
      ...{ last: { result: 'done', time: NOW - 20 * MINUTE }, error: null },
    },
  ],
};

const STATES: Readonly<Record<string, Changes>> = {
  'all-well': {},
  'alarm-and-silent-device': {
    alarms: [
      warm,
      { ...warm, rule: 'door-open', state: 'shelved', shelvedUntil: NOW + 58 * MINUTE, message: 'fridge.door is true' },
    ],
    bus: {
      devices: [
        device('fridge'),
        device('meter', { state: 'silent', lastReply: ago(22 * MINUTE), fault: SILENT, restsUntil: UP + 12_000 }),
      ],
    },
  },
  'action-failed': { actions: ACTIONS },
  'actions-verbose': { actions: ACTIONS, verbose: true },
  'alarm-flood': {
    alarms: [warm],
    alarmFigures: {
      flood: { active: true, since: NOW - 6 * MINUTE, alarms: 31, floods: 3, time: 52 * MINUTE },
      chattering: { now: 2, rules: ['door-open', 'pump-pressure'], episodes: 9 },
      standing: { now: 12, rules: Array.from({ length: 10 }, (_, i) => `meter-${i + 1}-stale`) },
    },
  },
  'cured-fault': {
    bus: {
      devices: [
        device('fridge'),
        device('meter', { recovery: { since: ago(11_000), replies: 3 }, share: { bad: 2, of: 20, kind: 'damaged' } }),
      ],
    },
  },
  'damaged-replies': {
    bus: {
      devices: [
        device('fridge'),
        device('meter', {
          fault: `replies of ${LINE} arrive damaged: check baud rate, parity and stop bits, termination and noise, and that no two devices have one unit id`,
          share: { bad: 6, of: 20, kind: 'damaged' },
        }),
      ],
    },
  },
  'adapter-unplugged': {
    bus: {
      ...{ state: 'closed', fault: '/dev/serial/by-id/usb-1a86_USB2.0-Serial-if00-port0 is not there: plug the adapter in' },
      devices: ['fridge', 'meter'].map((name) =>
        device(name, { state: 'silent', fault: 'the port is not open', lastReply: ago(MINUTE) }),
      ),
    },
  },
  'platform-away': { forwarder: away, waiting: [{ name: 'cloud', readings: 120, exact: true }] },
  'log-not-written': {
    log: {
      faults: ['the log cannot be written: no space left on the device; delete files in /var/log or use a larger card'],
      pending: 5400,
    },
  },
  'clock-not-known': {
    clock: { known: false, source: 'no network, and no battery clock' },
    waiting: [{ name: 'cloud', readings: 123_456, exact: false }],
    forwarder: { ...away, lastAck: null, counters: { ...statusOf().forwarders[0]?.counters, readings: 0 } as never },
  },
  'repair-running-and-log-full': {
    log: { salvage: [{ ...salvage, running: 'half of the old file is read' }], thinned: 120_000, removed: 340, dropped: 12 },
  },
  'flows-run': { flows: {} },
  'flows-back-off': {
    flows: {
      ...{ state: 'backing-off', reason: 'it was ended by SIGKILL', nextStart: NOW + 8000, pid: undefined, memory: undefined },
      ...{ restarts: 2, crashes: 3 },
    },
  },
  'flows-hang': {
    flows: { state: 'unhealthy', reason: '2 of its checks had no answer: no message passes through it' },
  },
  'flows-safe-mode': {
    flows: {
      ...{ state: 'safe-mode', restarts: 5, crashes: 5 },
      safeMode: 'Node-RED ended by itself 5 times within an hour, the last time because it ended with status 1: boom\u001b[2J',
    },
  },
  'flows-disk-full': {
    flows: {
      state: 'safe-mode',
      safeMode: DISK_FULL,
      disk: { used: 41_234_432, most: 41_943_040, free: 71_303_168, spare: 5_242_880, full: DISK_FULL },
    },
  },
  'flows-front-verbose': {
    verbose: true,
    flows: {
      disk: { used: 12_582_912, most: 268_435_456, free: 3_221_225_472, spare: 16_777_216 },
      door: {
        ...{ ...doorOf(), connections: 1, subscriptions: 3, readings: 81_000, dropped: 12, puts: 240, leftOutPuts: 1 },
        ...{ commands: 2, refusedCommands: 1, refusedHellos: 1 },
      },
      front: {
        editor: {
          ...{ state: 'listening', connections: 3, sockets: 2 },
          listeners: [{ host: '0.0.0.0', port: 1880, tls: true, fingerprint: 'AB:CD' }],
          refused: { connections: 1, hosts: 2, origins: 3, requests: 4, strangers: 5, sockets: 1 },
        },
        'http-in': {
          ...{ state: 'waiting', connections: 0, sockets: 0, fault: 'port 1881 is taken by another program\u001b[2J' },
          listeners: [],
          refused: { connections: 0, hosts: 0, origins: 0, requests: 0, strangers: 0, sockets: 0 },
        },
      },
    },
  },
  'flows-type-missing': {
    flows: {
      fault:
        'these types of nodes are missing: exec, modbus-read; deploy flows without them, or set nodeRed.allow.exec for the exec node',
    },
  },
  'flows-without-socket': {
    flows: {
      door: {
        ...doorOf(),
        open: false,
        fault: '/var/lib/sluice-flows belongs to another user (uid 33), so the socket for flows is not made there; move it away',
      },
    },
  },
  'flows-throttled': {
    flows: {
      door: {
        ...doorOf(),
        dropped: 1250,
        slow: 'a flow takes fewer readings than come; 1250 were dropped since the start of the gateway',
      },
    },
  },
  'line-overloaded': {
    bus: {
      load: { busy: 0.98, due: 60, missed: 12, overloaded: true },
      devices: [
        device('fridge'),
        device('meter', {
          state: 'unknown',
          lastReply: undefined,
          counters: { ...device('x').counters, requests: 1, replies: 0 },
        }),
      ],
    },
  },
};

for (const [name, changes] of Object.entries(STATES))
  test(`status of a site: ${name}`, () => {
    const text = statusText(changedStatus(changes), { waiting: changes.waiting ?? [], verbose: changes.verbose ?? false });
    const file = path.join(FOLDER, `${name}.txt`);
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
    // Figures stand in one line, however wide the terminal is.
    if (changes.verbose) return;
    for (const line of text.split('\n')) assert.ok([...line].length <= 80, `${[...line].length} columns: ${line}`);
  });

test('where the readings on the disk were not counted in time, the page says that some wait', () => {
  assert.match(
    statusText(changedStatus({ forwarder: away })),
    /\n {2}readings wait for the platform, the oldest from 25 Nov 12:02:11\n/,
  );
});

test('each state of a site has its file, and no file is left over', () => {
  assert.deepEqual(
    readdirSync(FOLDER).sort(),
    Object.keys(STATES)
      .map((name) => `${name}.txt`)
      .sort(),
  );
});
