/**
 * One running gateway: makes the parts, joins them, starts them in an order in which nothing is lost, and stops them
 * the other way round. It starts whatever is broken: no network, no port and no broker are states, not faults.
 */
import path from 'node:path';
import type { Access } from '../access/access.ts';
import type { OwnIdentity } from '../access/tls/certificates.ts';
import { AdminServer } from '../admin/admin-server.ts';
import { Target } from '../admin/gateway-target.ts';
import type { HttpStatus } from '../admin/target.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { Ledger } from '../control/remote/ledger.ts';
import type { Once } from '../control/remote/once.ts';
import type { Clock, Machine } from '../core/clock.ts';
import type { CommandPort, ReloadResult } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import type { FlowSupervisor } from '../core/flow-supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Forwarder, Inventory } from '../core/ports.ts';
import { VERSION } from '../core/version.ts';
import { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import { Counters } from '../pipeline/counters.ts';
import { Ingest } from '../pipeline/ingest.ts';
import { inventoryDevices, inventoryMessage } from '../pipeline/inventory.ts';
import type { Latest } from '../pipeline/latest.ts';
import { ClockReport } from '../reports/clock.ts';
import { LogWatch } from '../reports/log-watch.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Moment } from '../rules/rule-state.ts';
import { bootName } from '../store/files/layout.ts';
import type { Log } from '../store/log.ts';
import { StateDirLock } from '../store/state-dir.ts';
import { systemProbes } from '../time/probes.ts';
import type { ClockProbes } from '../time/services.ts';
import type { ClockChange, ClockWatch } from '../time/watch.ts';
import { openLog, restore, rulesOf } from './kept-state.ts';
import { makeParts, type Parts, type PartsSide } from './parts.ts';
import type { Plant } from './plant.ts';
import { Reload, type Reloadable } from './reload.ts';
import { FLOWS_CLOSE, StopBudget } from './stop-budget.ts';
import { warnOfOpen, webListen } from './web.ts';

export class Gateway implements PartsSide, Reloadable {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAt: number;
  config: GatewayConfig;
  #log: Log | undefined;
  #ingest: Ingest | undefined;
  #rules: RuleEngine | undefined;
  #counters: Counters | undefined;
  /** How long Modbus devices took to answer. */
  #times: MeasuredFile | undefined;
  #ledger: Ledger | undefined;
  readonly #machine: Machine | undefined;
  #clockReport: ClockReport | undefined;
  #inventory: Inventory = { v: 1, revision: 0, devices: {} };
  #logWatch: LogWatch | undefined;
  #admin: AdminServer | undefined;
  #lock: StateDirLock | undefined;
  #running = false;
  #stopping = false;
  #readFile: () => Promise<ReloadResult> = () => Promise.reject(new SluiceError('not-running'));
  readonly #parts: Parts;
  readonly #reload: Reload;
  readonly #onFatal: (error: Error) => void;
  readonly #pages: string | undefined;

  constructor(options: {
    config: GatewayConfig;
    clock: Clock;
    logger: Logger;
    onFatal: (error: Error) => void;
    /** The folder of the built status page. */
    pages?: string;
    /** How the machine is asked about its clock. */
    probes?: ClockProbes;
    machine?: Machine | undefined;
  }) {
    this.config = options.config;
    this.clock = options.clock;
    this.logger = options.logger;
    this.#onFatal = options.onFatal;
    this.#pages = options.pages;
    this.startedAt = options.clock.monotonic();
    this.#machine = options.machine;
    this.#parts = makeParts(this, options.probes ?? systemProbes);
    this.#reload = new Reload(this, this.#parts);
  }

  get log(): Log {
    if (this.#log === undefined) throw new SluiceError('internal', 'the log is not open yet');
    return this.#log;
  }
  get ingest(): Ingest {
    if (this.#ingest === undefined) throw new SluiceError('internal', 'the gateway is not started yet');
    return this.#ingest;
  }
  get rules(): RuleEngine {
    if (this.#rules === undefined) throw new SluiceError('internal', 'the gateway is not started yet');
    return this.#rules;
  }
  get plant(): Plant {
    return this.#parts.plant;
  }
  get latest(): Latest {
    return this.#parts.latest;
  }
  get watch(): ClockWatch {
    return this.#parts.watch;
  }
  get commands(): CommandPort {
    return this.#parts.commands;
  }
  get once(): Once {
    return this.#parts.once;
  }
  get access(): Access {
    return this.#parts.access;
  }
  get forwarders(): readonly Forwarder[] {
    return this.#parts.forwarders.all;
  }
  get http(): HttpStatus | undefined {
    return this.config.dashboard === undefined ? undefined : this.#admin?.http();
  }
  get broker(): EmbeddedBroker | undefined {
    return this.#parts.broker.running;
  }
  /** Node-RED. */
  get flows(): FlowSupervisor {
    return this.#parts.flows;
  }
  /** The gateway's own certificate, when a listener uses it. */
  get certificate(): OwnIdentity | undefined {
    return this.#parts.tls.own;
  }
  /** The counts of the log's readings since the start. */
  get logWatch(): LogWatch | undefined {
    return this.#logWatch;
  }
  /** false until everything is started. */
  get running(): boolean {
    return this.#running;
  }
  get inventory(): Inventory {
    return this.#inventory;
  }
  /** A stop was asked for. */
  get stopping(): boolean {
    return this.#stopping;
  }
  get counters(): Counters | undefined {
    return this.#counters;
  }
  get times(): MeasuredFile | undefined {
    return this.#times;
  }
  get ledger(): Ledger {
    this.#ledger ??= new Ledger({
      saved: this.log.opened.savedStates,
      save: (key, state) => this.log.saveState(key, state),
      flush: () => this.log.flush(),
    });
    return this.#ledger;
  }
  get boot(): string {
    return bootName(this.log.opened.boot);
  }

  /**
   * @param reload reads the configuration file again and puts it in force, for the command `reload`
   * @throws SluiceError already-running, log-open, log-newer: without its state directory and log nothing is started
   */
  async start(reload: () => Promise<ReloadResult>): Promise<void> {
    this.#readFile = reload;
    const { config } = this;
    // First of all: nothing of the state directory is opened before it is locked.
    const lock = StateDirLock.take(config.gateway.stateDir);
    this.#lock = lock;
    const admin = new AdminServer({
      target: new Target(this),
      socketPath: path.join(config.gateway.stateDir, 'sluice.sock'),
      logger: this.logger,
      clock: this.clock,
      pages: this.#pages,
      onListen: ({ host, port }, fault) => this.#parts.listening.changed(`dashboard ${host}:${port}`, fault),
    });
    try {
      await this.#parts.access.open();
      await admin.start();
      this.#admin = admin;
      await this.#startParts(config);
    } catch (thrown) {
      await Promise.all([
        this.#parts.access.stop(),
        this.#parts.forwarders.stop(0),
        this.#parts.broker.stop(),
        this.#parts.tls.stop(),
      ]);
      await this.#log?.abandon();
      await admin.stop();
      lock.release();
      throw thrown;
    }
  }

  async #startParts(config: GatewayConfig): Promise<void> {
    await this.#parts.watch.begin();
    // A certificate that is made now holds for as long as the clock lets it.
    await this.setDashboard(config.dashboard);
    const openFaults: string[] = [];
    const log = await openLog(config, {
      ...{ clock: this.clock, machine: this.#machine },
      onRetry: (error) => {
        openFaults.push(error);
        this.logger.warn({ error }, 'The log cannot be opened; the gateway tries again.');
      },
    });
    this.#log = log;
    this.#logWatch = new LogWatch({
      ...{ log, openFaults },
      clock: this.clock,
      logger: this.logger,
      event: (event) => this.ingest.event(event),
      onFatal: this.#onFatal,
    });
    this.#parts.forwarders.begin(config, log);
    if (log.clock.lastKnown !== undefined) this.#parts.watch.trust(log.clock.lastKnown);
    if (log.clock.inherited !== undefined) this.#parts.watch.inherit(log.clock.inherited);
    const move = log.setClock(this.#parts.watch.offset, !this.#parts.watch.known);
    const counters = new Counters({ log, clock: this.clock, moment: () => this.#moment() });
    this.#counters = counters;
    this.#times = new MeasuredFile(config.gateway.stateDir, this.clock, this.logger);
    const field = this.#parts.plant.prepare(config);
    await restore(counters, field.shapes, this.logger);
    this.setInventory(config, field.shapes);
    this.#rules = rulesOf(config, { log, start: this.#moment(), shapes: field.shapes });
    this.#ingest = new Ingest({
      ...{ log, clock: this.clock, latest: this.#parts.latest, rules: this.#rules },
      offset: () => this.#parts.watch.offset,
      clockKnown: () => this.#parts.watch.known,
      onAlarm: (t) => {
        const { rule, state, severity, point } = t;
        this.logger[state === 'normal' ? 'info' : 'warn']({ rule, state, severity, point }, t.message);
        this.#parts.alarmed.changed();
      },
    });
    this.#parts.broker.begin(log.opened.lastAlarms);
    this.#logWatch.tellStart();
    this.#parts.listening.begin();
    this.#parts.access.begin();
    this.#clockReport = new ClockReport({
      clock: this.clock,
      tell: (event) => this.ingest.event(event),
      logName: (ordinal) => log.opened.logs.find((l) => l.ordinal === ordinal)?.name ?? '',
      ...{ boot: log.opened.boot, log: log.ordinal },
    });
    this.#clockReport.began(this.#parts.watch, move);
    this.#ingest.tick();
    await (await this.#parts.broker.prepare(config)).apply();
    this.#parts.forwarders.start();
    await field.apply();
    this.#parts.alarmed.changed();
    this.#parts.safe.start();
    this.#parts.watch.start();
    if (!this.#parts.watch.known)
      this.logger.warn(
        { wall: this.clock.wall(), source: this.#parts.watch.status().source },
        'The clock of this board is not right yet. Readings wait for the right time; alarms do not wait.',
      );
    counters.start();
    await this.#parts.flows.prepare(config.nodeRed).apply();
    const waits = await this.#parts.broker.opened();
    this.#running = true;
    this.logger.info(
      { gateway: config.gateway.id, boot: this.boot, log: log.id, version: VERSION, ...(waits.length === 0 ? {} : { waits }) },
      'The gateway is running.',
    );
  }

  /** Stops polling, lets what is live be acknowledged, commits everything. Within 5 s, whatever hangs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const budget = new StopBudget(this.clock);
    this.#parts.commands.stop();
    const flows = this.#parts.flows.stop(FLOWS_CLOSE);
    // Safe values are written by the buses of the new configuration, as soon as the old ones have let go of their wires.
    await budget.within(budget.for('exchange'), this.#reload.exchange);
    this.#parts.watch.stop();
    this.#clockReport?.stop();
    this.#logWatch?.stop();
    // While the buses still run.
    await this.#parts.safe.stop(budget.for('safe'));
    await budget.within(budget.for('buses'), this.#parts.plant.stop());
    let access: Promise<void> | undefined;
    if (this.#ingest !== undefined) {
      this.#parts.commands.flush();
      access = this.#parts.access.stop();
      this.#parts.outside.flush();
    }
    this.#ingest?.stop();
    this.#counters?.stop();
    // While the forwarders wait for the network, the disk is written: a hanging broker takes no time from it.
    this.#log?.commitSoon();
    const forwarders = budget.for('forwarders');
    await budget.within(
      forwarders,
      this.#parts.forwarders.stop(forwarders),
      this.#parts.broker.stop(),
      this.#parts.tls.stop(),
      this.#times?.stop(),
      access,
    );
    await this.#log?.close(budget.for('log'));
    await this.#admin?.stop();
    await budget.within(budget.for('flows'), flows);
    this.#lock?.release();
  }

  /** Puts another configuration in force; see reload.ts. @returns what changed. @throws SluiceError; then everything is as it was */
  reload(config: GatewayConfig): Promise<string[]> {
    return this.#reload.run(config);
  }

  /** From now on this configuration is in force for everybody who asks. */
  setConfig(config: GatewayConfig): void {
    this.config = config;
    Object.assign(this.log.options, config.buffer);
  }

  #moment(): Moment {
    const at = this.clock.monotonic();
    return { at, wall: at + this.#parts.watch.offset, wallKnown: this.#parts.watch.known };
  }

  /** The inventory, for everybody who shows or sends it. */
  setInventory(config: GatewayConfig, shapes: readonly Shape[]): void {
    const devices = inventoryDevices(config, shapes);
    const revision = this.log.setInventory(JSON.stringify(devices));
    this.#inventory = inventoryMessage(revision, devices);
    this.#parts.latest.setShapes(shapes);
    this.#parts.broker.inventory(this.#inventory);
  }

  /** Reads the configuration file and puts it in force. */
  readAgain(): Promise<ReloadResult> {
    return this.#readFile();
  }

  async setDashboard(dashboard: GatewayConfig['dashboard']): Promise<void> {
    const { tls } = this.#parts;
    const listen = dashboard?.listen ?? [];
    warnOfOpen(listen, this.logger);
    await this.#admin?.setListen(webListen(dashboard, tls));
    tls.keep('dashboard', listen);
    tls.changed();
  }

  clockChanged(change: ClockChange): void {
    const move = this.log.setClock(change.offset, !change.known);
    this.logger.warn(
      { step: change.step, known: change.known, source: change.source },
      'The clock changed; readings not handed over yet get the new time.',
    );
    this.#parts.tls.changed();
    if (change.known && !change.wasKnown) this.rules.clockKnown(this.ingest.moment());
    this.#clockReport?.took(change, move);
  }

  /** A source of time cannot be used. */
  clockFault(fault: string): void {
    this.#clockReport?.fault(fault, this.watch.known);
  }
}
