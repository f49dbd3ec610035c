/** A gateway that says what a test wants to hear. */

import { assertMay } from '../../src/access/roles.ts';
import type { BundleKeyReply, BundleQuery, ReceiptReply } from '../../src/admin/bundles.ts';
import type { AlarmChanges } from '../../src/admin/live/live-types.ts';
import type {
  ExportQuery,
  HistoryQuery,
  HistoryReply,
  RemovedQuery,
  RemovedReply,
  WaitingReply,
} from '../../src/admin/log-questions.ts';
import type {
  AdminTarget,
  AlarmReply,
  GatewayStatus,
  ReadReply,
  ReadyReport,
  ReloadReply,
  ResendReply,
  TailItem,
  WriteReply,
} from '../../src/admin/target.ts';
import type { ExchangeQuery, WireFrame, WireTarget } from '../../src/admin/wire-target.ts';
import type { AccountsAdmin, ClaimRequest, PeopleAccess } from '../../src/core/access-ports.ts';
import type { Action, AlarmCommand, Asking, Principal, ResendCommand } from '../../src/core/commands.ts';
import { SluiceError } from '../../src/core/errors.ts';
import type { FlowRevisions, FlowsChange, FlowsList, FlowsResult } from '../../src/core/flow-revisions.ts';
import type { FlowsRestarted } from '../../src/core/flow-supervisor.ts';
import { DROPPED, REACHED, REFUSED, counters as zeros } from '../../src/forwarders/broker/broker-counts.ts';
import { FakeLive } from './live-source.ts';

import { nobodysAccess } from './people.ts';

export class FakeTarget implements AdminTarget {
  readonly listeners = new Set<(item: TailItem) => void>();
  timezone: string | undefined;
  readyReport: ReadyReport = { ready: true, reasons: [] };
  exported: ExportQuery | undefined;
  /** Pieces of the next export. */
  pieces: () => AsyncIterable<string> = async function* () {
    yield 'time,point,value\n';
  };
  exportsEnded = 0;
  readonly asked: HistoryQuery[] = [];
  /** A history is answered when this is resolved. */
  historyHeld: Promise<void> = Promise.resolve();
  reloads = 0;

  readonly live = new FakeLive();
  changes: AlarmChanges = { changes: [], cut: false };
  async alarmChanges(): Promise<AlarmChanges> {
    return this.changes;
  }

  readonly exchanges: ExchangeQuery[] = [];
  /** The callbacks for frames and for the end. */
  readonly captures = new Map<(frame: WireFrame) => void, () => void>();
  readonly wire: WireTarget = {
    exchange: async (query) => {
      this.exchanges.push(query);
      return { time: 1, frames: [], latency: 12.5, pdu: '03020007', error: null };
    },
    capture: (bus, listener, ended) => {
      if (bus !== 'field') throw new SluiceError('not-found', `the gateway has no bus ${bus}`);
      this.captures.set(listener, ended);
      return {
        head: {
          ...{ type: 'capture', v: 1, gateway: 'g1', bus, protocol: 'modbus-rtu', settings: {}, devices: {} },
          ...{ started: 1, clock: 'known' },
        },
        stop: () => this.captures.delete(listener),
      };
    },
  };

  readonly flowChanges: (FlowsChange & { who: string })[] = [];
  flowList: FlowsList = { state: 'off', faults: [], current: null, revisions: [], held: 0, damaged: 0 };
  readonly flows: FlowRevisions = {
    list: async () => this.flowList,
    export: async () => '[]',
    examples: async () => [],
  };
  async changeFlows(change: FlowsChange, by: Principal): Promise<FlowsResult> {
    assertMay(by, 'flows');
    this.flowChanges.push({ ...change, who: by.who });
    return { revision: 2, flows: 'started', passwords: 'kept', added: [] };
  }

  readonly restartsOfFlows: string[] = [];
  async restartFlows(by: Principal): Promise<FlowsRestarted> {
    assertMay(by, 'restart-flows');
    this.restartsOfFlows.push(by.who);
    return { state: 'running' };
  }

  people: PeopleAccess = nobodysAccess;
  names: readonly string[] = ['sluice-board'];

  permit(action: Action, by: Principal): void {
    assertMay(by, action);
  }
  accounts: AccountsAdmin = {
    status: () => statusOf().access,
    users: () => ({ users: [], devices: [] }),
    tokens: () => [],
    addUser: async () => {},
    addDevice: async () => 'sld_made',
    setPassword: async () => {},
    renewSecret: async () => 'sld_made',
    setRole: async () => {},
    removeUser: async () => {},
    addToken: async () => ({ id: 'id', token: 'slt_made', expires: 1 }),
    removeToken: async () => {},
    claimCode: () => undefined,
    claimAgain: async () => 'AAAA-AAAA-AAAA',
  };
  async claim({ name }: ClaimRequest): Promise<Principal> {
    return { who: name, door: 'socket', role: 'administrator' };
  }

  now(): number {
    return this.status().gateway.time;
  }

  flowsReport(): GatewayStatus['flows'] {
    return this.status().flows;
  }

  status(): GatewayStatus {
    return statusOf();
  }
  ready(): ReadyReport {
    return this.readyReport;
  }
  tail(listener: (item: TailItem) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  say(item: TailItem): void {
    for (const listener of this.listeners) listener(item);
  }
  readonly writes: unknown[][] = [];
  async write(point: string, value: string | number | boolean, by: Principal): Promise<WriteReply> {
    this.writes.push([point, value, by.who]);
    if (value === 99) throw new SluiceError('write-refused', `${point}: 99 is above 30, the highest value that may be written`);
    return { point, value, unit: 'Cel', time: 1, readBack: true };
  }

  async read(device: string): Promise<ReadReply> {
    if (device === 'mute') throw new SluiceError('timeout', 'mute did not answer within 1s');
    if (device !== 'fridge') throw new SluiceError('not-found', `there is no device ${device}`);
    return { device, readings: [{ time: 1, point: 'temperature', value: 4.5, unit: 'Cel', quality: 'good' }], faults: [] };
  }
  /** What was asked of alarms, one line each. */
  readonly alarmAsked: string[] = [];
  async acknowledge(rule: string, occurrence: number | undefined): Promise<AlarmReply> {
    this.alarmAsked.push(`acknowledge ${rule} ${occurrence}`);
    return { rule, state: 'active-acknowledged', message: 'too warm' };
  }
  async alarm(command: AlarmCommand): Promise<AlarmReply> {
    this.alarmAsked.push(`${command.do} ${command.rule}`);
    return { rule: command.rule, state: command.do === 'out-of-service' ? 'out-of-service' : 'normal', message: 'too warm' };
  }
  async shelve(rule: string, length: number | null, reason: string | undefined): Promise<AlarmReply> {
    this.alarmAsked.push(`shelve ${rule} ${length} ${reason}`);
    return { rule, state: length === null ? 'normal' : 'shelved', message: 'too warm' };
  }
  async reload(): Promise<ReloadReply> {
    this.reloads++;
    return { changes: ['rule warm was added'], warnings: [] };
  }
  readonly resent: ResendCommand[] = [];
  /** Parts of the next resend. */
  parts: Iterable<string> = [];
  async resend(
    command: ResendCommand,
    _by: Principal,
    _asking: Asking,
    part: (json: string) => Promise<void>,
  ): Promise<ResendReply> {
    this.resent.push(command);
    let records = 0;
    for (const json of this.parts) {
      await part(json);
      records++;
    }
    return { records, parts: records };
  }
  removedAsked: RemovedQuery | undefined;
  async removed(query: RemovedQuery): Promise<RemovedReply> {
    this.removedAsked = query;
    return { points: [], next: null };
  }

  async waiting(): Promise<WaitingReply> {
    return { forwarders: [{ name: 'cloud', readings: 1234, exact: false }] };
  }

  async history(query: HistoryQuery): Promise<HistoryReply> {
    this.asked.push(query);
    if (query.device !== 'fridge') throw new SluiceError('not-found', `the log has no readings of ${query.device}`);
    await this.historyHeld;
    return { point: 'fridge.temperature', unit: 'Cel', from: query.from, to: query.to, width: 60_000, buckets: [] };
  }
  bundles: BundleQuery[] = [];
  async *bundle(query: BundleQuery): AsyncIterable<Uint8Array> {
    this.bundles.push(query);
    yield Uint8Array.of(1, 2, 3);
  }
  async bundleKey(): Promise<BundleKeyReply> {
    return { gateway: 'g1', key: 'sluice-gateway-1:', fingerprint: '0000' };
  }
  async receipt(): Promise<ReceiptReply> {
    return { bundle: '0'.repeat(32), forwarder: 'carrier', ranges: [] };
  }

  async *export(query: ExportQuery): AsyncIterable<string> {
    this.exported = query;
    try {
      yield* this.pieces();
    } finally {
      this.exportsEnded++;
    }
  }
}

export function statusOf(): GatewayStatus {
  const counters = {
    ...{
      requests: 10,
      replies: 8,
      timeouts: 2,
      exceptions: 0,
      crcErrors: 1,
      badReplies: 0,
      lateReplies: 0,
      skippedBytes: 7,
      resyncs: 2,
    },
    ...{ latencyLast: 12.5, latencyMax: 40, latencySum: 130, latencyP95: 20, missedPolls: 3 },
  };
  return {
    gateway: { id: 'g1', version: '0.1.0', boot: 'b1', uptime: 12.5, time: 1_795_000_010_000, monotonic: 12_500 },
    inForce: { origin: 'file' },
    clock: { known: true, source: 'ntp', systemOffset: 0, since: 1_795_000_000_000, steps: 0 },
    buses: [
      {
        ...{ name: 'field', protocol: 'modbus-rtu', state: 'open' },
        load: { busy: 0.97, due: 60, missed: 12, overloaded: true },
        waiting: { bytes: 0, limit: 1_048_576 },
        devices: [
          { name: 'fridge', state: 'answering', lastReply: 12_000, counters },
          { name: 'mute', state: 'silent', fault: 'no answer', counters },
        ],
      },
    ],
    log: {
      ...{ id: 'k3v9q2', records: 100, oldestUnsent: 1_795_000_000_000, bytes: 4096, maxBytes: 65_536, pending: 3 },
      ...{
        lastCommit: 1_795_000_009_000,
        commits: 5,
        appended: 1000,
        unreported: 0,
        dropped: 0,
        thinned: 0,
        removed: 0,
        aged: 0,
        writeFaults: 0,
        writeFaultTime: 0,
        memory: {
          ...{ pending: { bytes: 100, limit: 1000 }, tail: { bytes: 200, limit: 2000 }, live: { bytes: 300, limit: 3000 } },
          ...{ unanswered: 400, questions: { asked: 2, limit: 256 } },
        },
        faults: [],
        salvage: [],
        salvages: 0,
        salvagedRecords: 0,
        lostRecords: 0,
        refusedFolders: [],
      },
    },
    forwarders: [
      {
        ...{
          name: 'cloud',
          type: 'mqtt',
          url: 'mqtt://127.0.0.1:1',
          state: 'connected',
          nextTry: null,
          mode: 'live',
          lastAck: null,
          batchLimit: 4096,
        },
        lag: { data: 250, history: 0 },
        waiting: 12,
        counters: {
          connects: 1,
          published: 4,
          acked: 3,
          refused: 0,
          retries: 1,
          readings: 900,
          bytes: 20_000,
          violations: 0,
          unheard: 0,
        },
        wire: { month: '2026-11', sent: 21_000, received: 900, headers: 3000, today: 4300, perDay: 15_360 },
      },
    ],
    broker: {
      ...{
        state: 'listening',
        clients: 1,
        sessions: 0,
        queuedMessages: 0,
        queuedBytes: 0,
        withheldMessages: 0,
        withheldBytes: 0,
        unsentBytes: 0,
        partialBytes: 0,
        published: 5,
      },
      listeners: [{ host: '127.0.0.1', port: 1883, tls: false }],
      ...{ retained: 6, store: { state: 'file', fault: undefined, bytes: 50_176, commits: 7, failures: 0, repairs: 0 } },
      ...{
        dropped: { ...zeros(DROPPED), sessions: 1, slow: 2, busy: 3 },
        refused: { ...zeros(REFUSED), places: 4, clients: 5 },
        reached: zeros(REACHED),
        retainedBytes: 700,
      },
    },
    announce: { heard: 9, answered: 2, unanswered: 1, floods: 0, claims: 0 },
    http: {
      ...{ state: 'listening', address: { host: '127.0.0.1', port: 8080 }, connections: 2 },
      listeners: [
        { host: '127.0.0.1', port: 8080, tls: false },
        { host: '0.0.0.0', port: 8443, tls: true, fingerprint: 'AB:CD' },
      ],
      refused: { connections: 1, hosts: 2, origins: 3, requests: 4 },
    },
    access: {
      ...{ state: 'unclaimed', users: 0, devices: 0, tokens: 0, sessions: 0 },
      logIns: { accepted: 3, refused: 2, throttled: 1 },
    },
    actions: {
      kinds: (['write', 'publish', 'hook', 'flow', 'output'] as const).map((kind) => ({
        ...{ kind, started: 7, done: 3, failed: 2, superseded: 1, dropped: 1, waiting: 4 },
      })),
      ...{ of: 3, failing: 1 },
      list: [
        {
          ...{ rule: 'warm', action: 'hook sms', place: 'do.0', started: 4, done: 1, failed: 3, superseded: 0, dropped: 0 },
          last: { result: 'failed', time: 1_795_000_000_500 },
          error: { message: 'sms ended with 1: no "network"\n', time: 1_795_000_000_500 },
        },
        {
          ...{ rule: 'warm', action: 'output panel.lamp', started: 1, done: 0, failed: 0, superseded: 0, dropped: 0 },
          ...{ last: null, error: null },
        },
      ],
    },
    alarmFigures: {
      ...{ since: 1_795_000_000_000, annunciated: 12, perHour: 0.5, perDay: 6 },
      flood: { active: false, alarms: 11, floods: 1, time: 480_000 },
      chattering: { now: 0, rules: [], episodes: 2 },
      standing: { now: 0, rules: [] },
      worst: [{ rule: 'warm', count: 12, share: 1 }],
    },
    alarms: [
      {
        ...{ rule: 'warm', state: 'active-unacknowledged', severity: 'critical', point: 'fridge.temperature', value: 9 },
        ...{ since: 1_795_000_000_000, occurrence: 2, message: 'too "warm"\n' },
      },
    ],
  };
}
