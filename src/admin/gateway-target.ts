/** The gateway as the admin room sees it: everything that pages, programs and the command line may ask. */

import { hostname } from 'node:os';
import type { OwnIdentity } from '../access/tls/certificates.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { ActionsStatus } from '../control/actions/actions.ts';
import type { Once } from '../control/remote/once.ts';
import type { AccountsAdmin, ClaimRequest, PeopleAccess } from '../core/access-ports.ts';
import { type BrokenConfig, brokenWords, shortened } from '../core/broken-config.ts';
import type { Clock } from '../core/clock.ts';
import type { Action, AlarmCommand, Asking, Command, CommandPort, Principal, ResendCommand, Results } from '../core/commands.ts';
import type { ConfigReport } from '../core/configuring.ts';
import { SluiceError } from '../core/errors.ts';
import type { FlowRevisions, FlowsChange, FlowsResult } from '../core/flow-revisions.ts';
import type { FlowSupervisor, FlowsRestarted } from '../core/flow-supervisor.ts';
import { plainValue, type Value } from '../core/point.ts';
import type { Field, Forwarder, Inventory, LatestValue, LiveSink } from '../core/ports.ts';
import { readSentence } from '../core/saved-sentence.ts';
import { otherWords } from '../core/sentence.ts';
import { VERSION } from '../core/version.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import type { LogWatch } from '../reports/log-watch.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Log } from '../store/log.ts';
import type { ClockWatch } from '../time/watch.ts';
import { actionStatus } from './action-status.ts';
import { alarmStatus } from './alarm-status.ts';
import { type BundleKeyReply, type BundleQuery, Bundles, type ReceiptReply } from './bundles.ts';
import { forwarderStatus } from './forwarder-status.ts';
import { alarmChangesOf, exportText, historyOf, removedOf, waitingOf } from './history.ts';
import type { LiveSource } from './live/live-source.ts';
import { liveState } from './live/live-state.ts';
import type { AlarmChanges } from './live/live-types.ts';
import { MachineMeter } from './live/machine-meter.ts';
import { logFaults } from './log-faults.ts';
import type {
  AlarmChangesQuery,
  ExportQuery,
  HistoryQuery,
  HistoryReply,
  RemovedQuery,
  RemovedReply,
  WaitingReply,
} from './log-questions.ts';
import { readReply } from './read-reply.ts';
import type {
  AdminTarget,
  AlarmReply,
  AnnounceStatus,
  FlowsReport,
  GatewayStatus,
  HttpStatus,
  ReadReply,
  ReadyReport,
  ReloadReply,
  ResendReply,
  TailItem,
  WriteReply,
} from './target.ts';
import { tellSample } from './tell-sample.ts';
import { WireAccess } from './wire-access.ts';

/** What this page of the gateway is drawn from. */
export interface GatewayView {
  /** false until everything is started; the parts below may then be missing. */
  readonly running: boolean;
  readonly clock: Clock;
  readonly config: GatewayConfig;
  readonly broken: BrokenConfig | undefined;
  readonly inForce: ConfigReport;
  readonly startedAt: number;
  readonly boot: string;
  readonly watch: ClockWatch;
  readonly log: Log;
  readonly plant: Field;
  readonly commands: CommandPort;
  readonly once: Once;
  readonly access: { readonly people: PeopleAccess; readonly accounts: AccountsAdmin };
  readonly ingest: Ingest;
  readonly rules: RuleEngine;
  readonly actions: { status(): ActionsStatus };
  readonly forwarders: readonly Forwarder[];
  readonly broker: EmbeddedBroker | undefined;
  readonly certificate: OwnIdentity | undefined;
  readonly flows: FlowSupervisor;
  readonly front: FlowsReport['front'];
  readonly flowRevisions: FlowRevisions;
  readonly http: HttpStatus | undefined;
  readonly announce: AnnounceStatus | undefined;
  readonly logWatch: LogWatch | undefined;
  readonly inventory: Inventory;
  readonly latest: { readonly newest: number; changed(after: number): Iterable<LatestValue> };
}

const asItIs = <T>(result: T): T => result;

export class Target implements AdminTarget {
  readonly #gateway: GatewayView;
  readonly wire = new WireAccess(() => this.#started());
  readonly live: LiveSource;
  readonly #bundles = new Bundles(() => {
    const { config, clock, log, inventory, ingest } = this.#started();
    return { config, clock, log, inventory, now: () => this.now(), event: (event) => ingest.event(event) };
  });

  constructor(gateway: GatewayView) {
    this.#gateway = gateway;
    const machine = new MachineMeter(
      () => gateway.config.gateway.stateDir,
      () => gateway.clock.monotonic(),
    );
    this.live = {
      boot: () => this.#started().boot,
      inventory: () => this.#started().inventory,
      newest: () => this.#started().latest.newest,
      changed: (after) => this.#started().latest.changed(after),
      state: () => liveState(this.status(), machine.read()),
      steps: () => gateway.watch.status().steps,
      time: () => ({ time: this.now(), up: Math.round(gateway.clock.monotonic()) }),
    };
  }

  status(): GatewayStatus {
    const g = this.#started();
    const { config, watch } = g;
    const clock = watch.status();
    const now = g.clock.monotonic();
    const log = g.log.status();
    const forwarders = g.forwarders.map((f) => forwarderStatus(f.status(), log.oldest, now, watch.offset));
    const longest = Math.max(0, ...forwarders.flatMap((f) => [f.lag.data, f.lag.history]));
    return {
      gateway: {
        id: config.gateway.id,
        name: config.gateway.name,
        version: VERSION,
        boot: g.boot,
        uptime: (now - g.startedAt) / 1000,
        time: this.now(),
        timezone: config.gateway.timezone,
        monotonic: now,
      },
      ...(g.broken === undefined ? {} : { configuration: shortened(g.broken) }),
      inForce: g.inForce,
      clock: { ...clock, since: Math.round(clock.since) + watch.offset },
      buses: g.plant.buses.map((b) => b.status()),
      log: {
        id: log.id,
        records: log.held,
        oldestUnsent: longest === 0 ? null : Math.round(now) + watch.offset - longest,
        bytes: log.bytes,
        maxBytes: config.buffer.maxSize,
        ...(log.limit < config.buffer.maxSize && { room: Math.floor(log.limit) }),
        pending: log.pendingReadings,
        lastCommit: log.lastCommit === undefined ? null : Math.round(log.lastCommit) + watch.offset,
        commits: log.commits,
        appended: g.ingest.counts.readings,
        unreported: g.ingest.counts.unreported,
        dropped: (g.logWatch?.losses.totals.dropped ?? 0) + (g.logWatch?.losses.totals.overflow ?? 0),
        thinned: g.logWatch?.removals.totals.thinned ?? 0,
        removed: g.logWatch?.removals.totals.dropped ?? 0,
        aged: g.logWatch?.removals.totals.aged ?? 0,
        writeFaults: g.logWatch?.faults.totals.faults ?? 0,
        writeFaultTime: g.logWatch?.faults.totals.time ?? 0,
        memory: log.memory,
        faults: logFaults(log),
        salvage: g.logWatch?.salvage.status(watch.offset) ?? [],
        salvages: g.logWatch?.salvage.totals.repairs ?? 0,
        salvagedRecords: g.logWatch?.salvage.totals.records ?? 0,
        lostRecords: g.logWatch?.salvage.totals.lostRecords ?? 0,
        refusedFolders: g.log.runtime.refused,
      },
      forwarders,
      broker: g.broker?.status(),
      certificate: g.certificate && {
        ...{ fingerprint: g.certificate.fingerprint, until: g.certificate.until },
        authority: g.certificate.authority.fingerprint,
      },
      flows: this.flowsReport(),
      http: g.http,
      announce: g.announce,
      access: g.access.accounts.status(),
      ...alarmStatus(g.rules, g.ingest.moment()),
      alarmFigures: g.rules.alarmFigures(g.ingest.moment()),
      ...actionStatus(g.actions.status(), (at) => Math.round(at) + watch.offset),
    };
  }

  get timezone(): string | undefined {
    return this.#gateway.config.gateway.timezone;
  }

  now(): number {
    const { clock, watch } = this.#started();
    return Math.round(clock.monotonic()) + watch.offset;
  }

  ready(): ReadyReport {
    if (!this.#gateway.running) return { ready: false, reasons: ['the gateway is starting'] };
    const { plant, log } = this.#started();
    const reasons = [
      ...plant.buses
        .map((bus) => bus.status())
        .filter((b) => b.state !== 'open')
        .map((b) => `bus ${b.name} is not open${b.fault === undefined ? '' : `: ${b.fault}`}`),
      ...logFaults(log.status()),
    ];
    const { broken } = this.#gateway;
    return { ready: reasons.length === 0, reasons, ...(broken === undefined ? {} : { remarks: [brokenWords(broken)] }) };
  }

  tail(listener: (item: TailItem) => void): () => void {
    const g = this.#started();
    const sink: LiveSink = {
      sample: (sample) => tellSample(sample, g.watch.offset, listener),
      notice: (notice) => {
        if (notice.kind !== 'alarm') return;
        const { said, ...alarm } = JSON.parse(notice.json);
        const messages = said === undefined ? undefined : otherWords(readSentence(said), alarm.message);
        const rule = g.config.rules.get(notice.key);
        const point = rule === undefined ? '' : `${rule.device}.${rule.point}`;
        listener({ type: 'alarm', ...alarm, ...(messages && { messages }), since: alarm.time, point });
      },
      inventory: () => {},
    };
    g.ingest.add(sink);
    return () => g.ingest.remove(sink);
  }

  read(device: string, raw: boolean, by: Principal, asking: Asking = {}): Promise<ReadReply> {
    const { watch } = this.#started();
    return this.#run({ do: 'read', device, raw }, by, asking, (read) => readReply(read, watch.offset));
  }

  write(point: string, value: Value, by: Principal, asking: Asking = {}): Promise<WriteReply> {
    const { watch } = this.#started();
    return this.#run({ do: 'write', point, value }, by, asking, ({ value: shown, type, unit, at, readBack }) => ({
      ...{ point, value: plainValue(shown, type), unit, time: Math.round(at) + watch.offset, readBack },
    }));
  }

  acknowledge(rule: string, occurrence: number | undefined, by: Principal, asking: Asking = {}): Promise<AlarmReply> {
    return this.#run({ do: 'acknowledge', rule, occurrence }, by, asking, asItIs);
  }

  shelve(
    rule: string,
    length: number | null,
    reason: string | undefined,
    by: Principal,
    asking: Asking = {},
  ): Promise<AlarmReply> {
    return this.#run({ do: 'shelve', rule, for: length, reason }, by, asking, asItIs);
  }

  alarm(command: AlarmCommand, by: Principal, asking: Asking = {}): Promise<AlarmReply> {
    return this.#run(command, by, asking, asItIs);
  }

  reload(by: Principal, asking: Asking = {}): Promise<ReloadReply> {
    return this.#run({ do: 'reload' }, by, asking, asItIs);
  }

  resend(command: ResendCommand, by: Principal, asking: Asking, part: (json: string) => Promise<void>): Promise<ResendReply> {
    const { once, commands } = this.#started();
    return once.run(command, by, asking, (options) => commands.run(command, by, { ...options, part }));
  }

  async #run<C extends Command, T extends object>(
    command: C,
    by: Principal,
    asking: Asking,
    reply: (result: Results[C['do']]) => T,
  ): Promise<T> {
    const { once, commands } = this.#started();
    return once.run(command, by, asking, async (options) => reply(await commands.run(command, by, options)));
  }

  get flows(): FlowRevisions {
    return this.#started().flowRevisions;
  }

  changeFlows(change: FlowsChange, by: Principal): Promise<FlowsResult> {
    return this.#started().commands.run({ do: 'flows', ...change }, by);
  }

  restartFlows(by: Principal, asking: Asking): Promise<FlowsRestarted> {
    return this.#run({ do: 'restart-flows' }, by, asking, asItIs);
  }

  permit(action: Action, by: Principal): void {
    this.#started().commands.permit(action, by);
  }

  get accounts(): AccountsAdmin {
    return this.#started().access.accounts;
  }

  get people(): PeopleAccess {
    return this.#gateway.access.people;
  }

  get names(): readonly string[] {
    const host = hostname().toLowerCase();
    return [host, host.split('.')[0] ?? host, ...(this.#gateway.config.dashboard?.names ?? [])];
  }

  async claim(request: ClaimRequest): Promise<Principal> {
    return this.#started().access.people.claim(request);
  }

  async *export(query: ExportQuery): AsyncIterable<string> {
    yield* exportText(this.#started().log, query);
  }

  bundle(query: BundleQuery): AsyncIterable<Uint8Array> {
    return this.#bundles.export(query);
  }

  bundleKey(): Promise<BundleKeyReply> {
    return this.#bundles.key();
  }

  receipt(text: string): Promise<ReceiptReply> {
    return this.#bundles.receipt(text);
  }

  history(query: HistoryQuery): Promise<HistoryReply> {
    return historyOf(this.#started().log, query);
  }

  async alarmChanges(query: AlarmChangesQuery): Promise<AlarmChanges> {
    const { log, config } = this.#started();
    const asked = `${query.device}.${query.point}`;
    const watching = [...config.rules].filter(
      ([, { device, point, inputs }]) => `${device}.${point}` === asked || inputs?.includes(asked) === true,
    );
    return alarmChangesOf(log, new Set(watching.map(([name]) => name)), query);
  }

  removed(query: RemovedQuery): Promise<RemovedReply> {
    return removedOf(this.#started().log, query);
  }

  waiting(): Promise<WaitingReply> {
    const { forwarders, log } = this.#started();
    return waitingOf(
      log,
      forwarders.map(({ name }) => name),
    );
  }

  flowsReport(): FlowsReport | undefined {
    const { config, flows, watch } = this.#started();
    if (config.nodeRed?.enabled !== true) return undefined;
    const { since, nextStart, ...status } = flows.status();
    const utc = (at: number): number => Math.round(at) + watch.offset;
    const { front } = this.#gateway;
    return { ...status, since: utc(since), nextStart: nextStart === undefined ? null : utc(nextStart), front };
  }

  #started(): GatewayView {
    if (!this.#gateway.running) throw new SluiceError('not-running', 'the gateway is starting; ask again in a moment');
    return this.#gateway;
  }
}
