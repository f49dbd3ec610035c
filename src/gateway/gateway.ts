/**
 * One running gateway: makes the parts, joins them, starts them in an order in which nothing is lost, and stops them
 * the other way round. It starts whatever is broken: no network, no port and no broker are states, not faults.
 */

import path from 'node:path';
import type { Access } from '../access/access.ts';
import type { OwnIdentity } from '../access/tls/certificates.ts';
import { AdminServer } from '../admin/admin-server.ts';
import { Target } from '../admin/gateway-target.ts';
import type { AnnounceStatus, HttpStatus } from '../admin/target.ts';
import { settleState } from '../care/settle.ts';
import { StartRoom } from '../care/start-room.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { Configure } from '../configure/configure.ts';
import type { Actions } from '../control/actions/actions.ts';
import type { Ledger } from '../control/remote/ledger.ts';
import type { Once } from '../control/remote/once.ts';
import type { BrokenConfig } from '../core/broken-config.ts';
import type { Clock, Machine } from '../core/clock.ts';
import type { CommandPort, ReloadResult } from '../core/commands.ts';
import type { ConfigReport } from '../core/configuring.ts';
import type { Duty } from '../core/duty.ts';
import { SluiceError } from '../core/errors.ts';
import type { FlowRevisions } from '../core/flow-revisions.ts';
import type { FlowSupervisor } from '../core/flow-supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Forwarder, Inventory } from '../core/ports.ts';
import type { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import type { Counters } from '../pipeline/counters.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import { inventoryDevices, inventoryMessage } from '../pipeline/inventory.ts';
import type { Latest } from '../pipeline/latest.ts';
import { brokenEvent, correctedEvent } from '../reports/broken-config.ts';
import { fullAtStart, type LogWatch } from '../reports/log-watch.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { PolledBus, ThreadWork } from '../service-manager/liveness.ts';
import { statusWords } from '../service-manager/status-words.ts';
import { bootName } from '../store/files/layout.ts';
import type { Log } from '../store/log.ts';
import { StateDirLock } from '../store/state-dir.ts';
import { systemProbes } from '../time/probes.ts';
import type { ClockProbes } from '../time/services.ts';
import type { ClockChange, ClockWatch } from '../time/watch.ts';
import { configured, healthOf, isReady, statusFacts } from './configured.ts';
import { HealthWatch } from './health-watch.ts';
import { ledgerOf } from './on-the-log.ts';
import { makeParts, type Parts } from './parts.ts';
import type { Plant } from './plant.ts';
import { Reload, type Reloadable } from './reload.ts';
import { type Came, type Starting, started, startInOrder } from './start-order.ts';
import { stopInOrder } from './stop-order.ts';
import { gentler } from './trial-buffer.ts';

/** A restore that was cut is finished, or dropped, before anything of the folder is opened. */
function settle(stateDir: string, logger: Logger): void {
  const settled = settleState(stateDir);
  if (settled === 'restored') logger.warn({ stateDir }, 'A restore was interrupted; it is finished now.');
  else if (settled === 'restore-dropped')
    logger.warn({ stateDir }, 'A restore was interrupted before it changed anything; the gateway is as it was.');
}

export class Gateway implements Starting, Reloadable {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAt: number;
  config: GatewayConfig;
  readonly machine: Machine | undefined;
  readonly onFatal: (error: Error) => void;
  readonly #came: Came = {};
  #ledger: Ledger | undefined;
  #inventory: Inventory = { v: 1, revision: 0, devices: {} };
  #startRoom: StartRoom | undefined;
  #running = false;
  #stopping = false;
  #readFile: () => Promise<ReloadResult> = () => Promise.reject(new SluiceError('not-running'));
  readonly #parts: Parts;
  readonly #reload: Reload;
  readonly #health: HealthWatch;
  readonly #pages: string | undefined;
  /** Why the last good configuration is in force; undefined: the file is in order. */
  broken: BrokenConfig | undefined;
  readonly configure: Configure | undefined;

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
    /** `config` is the last good one, since the file is broken. */
    broken?: BrokenConfig;
    /** Takes configurations from upstream; absent: it takes none. */
    configure?: Configure | undefined;
  }) {
    this.config = options.config;
    this.clock = options.clock;
    this.logger = options.logger;
    this.onFatal = options.onFatal;
    this.#pages = options.pages;
    this.broken = options.broken;
    this.configure = options.configure;
    this.startedAt = options.clock.monotonic();
    this.machine = options.machine;
    this.#parts = makeParts(this, options.probes ?? systemProbes);
    this.#reload = new Reload(this, this.#parts);
    this.#health = new HealthWatch({
      clock: options.clock,
      ready: () => isReady(healthOf(this, this.#parts)),
      show: () => this.#parts.forwarders.republish([]),
    });
  }

  get log(): Log {
    if (this.#came.log === undefined) throw new SluiceError('internal', 'the log is not open yet');
    return this.#came.log;
  }
  get ingest(): Ingest {
    if (this.#came.ingest === undefined) throw new SluiceError('internal', 'the gateway is not started yet');
    return this.#came.ingest;
  }
  get rules(): RuleEngine {
    if (this.#came.rules === undefined) throw new SluiceError('internal', 'the gateway is not started yet');
    return this.#came.rules;
  }
  get actions(): Actions {
    return this.#parts.actions;
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
  get admin(): AdminServer | undefined {
    return this.#came.admin;
  }
  get http(): HttpStatus | undefined {
    return this.config.dashboard === undefined ? undefined : this.#came.admin?.http();
  }
  get announce(): AnnounceStatus | undefined {
    if (this.config.dashboard === undefined || this.#came.finder === undefined) return undefined;
    const { opened: _, ...counts } = this.#came.finder.counts;
    return counts;
  }
  get front(): ReturnType<AdminServer['front']> {
    return this.#came.admin?.front();
  }
  get broker(): EmbeddedBroker | undefined {
    return this.#parts.broker.running;
  }
  /** Node-RED. */
  get flows(): FlowSupervisor {
    return this.#parts.flows;
  }
  /** What its flows were before. */
  get flowRevisions(): FlowRevisions {
    return this.#parts.revisions;
  }
  /** The gateway's own certificate, when a listener uses it. */
  get certificate(): OwnIdentity | undefined {
    return this.#parts.tls.own;
  }
  /** The counts of the log's readings since the start. */
  get logWatch(): LogWatch | undefined {
    return this.#came.logWatch;
  }
  /** Which configuration is in force, and where it came from. */
  get inForce(): ConfigReport {
    return this.configure?.report() ?? { origin: this.broken === undefined ? 'file' : 'last-good' };
  }
  shown(): object {
    const health = healthOf(this, this.#parts);
    this.#health.made(isReady(health));
    return statusFacts(this.inForce, health);
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
    return this.#came.counters;
  }
  get times(): MeasuredFile | undefined {
    return this.#came.times;
  }
  get ledger(): Ledger {
    this.#ledger ??= ledgerOf(this.log, this.clock);
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
    this.#came.lock = lock;
    const startRoom = new StartRoom(config.gateway.stateDir);
    this.#startRoom = startRoom;
    const full = startRoom.lend();
    if (full !== undefined) this.logger.warn({}, `${full}. The gateway starts with the room that it keeps for this.`);
    settle(config.gateway.stateDir, this.logger);
    const admin = new AdminServer({
      target: new Target(this),
      socketPath: path.join(config.gateway.stateDir, 'sluice.sock'),
      logger: this.logger,
      clock: this.clock,
      pages: this.#pages,
      flows: {
        ...{ flows: this.#parts.flows, deploys: this.#parts.deploys },
        title: () => this.config.gateway.name ?? this.config.gateway.id,
        open: () => this.config.nodeRed?.http?.logIn === 'open',
        tell: (event) => {
          if (this.#running && !this.#stopping) this.ingest.event(event);
        },
      },
      onListen: ({ host, port }, fault, site) => this.#parts.listening.changed(`${site} ${host}:${port}`, fault),
    });
    try {
      await this.#parts.access.open();
      await admin.start();
      this.#came.admin = admin;
      await startInOrder(this, this.#parts, this.#came);
      const waits = await this.#parts.broker.opened();
      this.#running = true;
      if (full !== undefined) this.ingest.event(fullAtStart(full));
      void startRoom.keep();
      if (this.broken !== undefined) this.ingest.event(brokenEvent(this.broken));
      this.#health.start();
      this.configure?.begin(configured(this, this.#parts, () => Math.round(this.clock.monotonic()) + this.watch.offset));
      this.logger.info(started(this, waits), 'The gateway is running.');
    } catch (thrown) {
      await Promise.all([
        this.#parts.access.stop(),
        this.#parts.forwarders.stop(0),
        this.#parts.broker.stop(),
        this.#parts.tls.stop(),
      ]);
      await this.#came.log?.abandon();
      await admin.stop();
      lock.release();
      throw thrown;
    }
  }

  /** Stops polling, lets what is live be acknowledged, commits everything. Within 5 s, whatever hangs. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#startRoom?.end();
    this.configure?.stop();
    this.#health.stop();
    return stopInOrder(this.#parts, {
      ...{ clock: this.clock, exchange: this.#reload.exchange },
      started: () => this.#came,
    });
  }

  /** Puts another configuration in force; see reload.ts. @returns what changed. @throws SluiceError; then everything is as it was */
  reload(config: GatewayConfig, trial = false): Promise<string[]> {
    return this.#reload.run(config, trial);
  }

  /** The configuration on trial is kept. */
  confirm(): void {
    Object.assign(this.log.options, this.config.buffer, { retention: this.config.privacy });
    this.ingest.take(this.rules.confirm(this.ingest.moment()));
    this.#parts.actions.confirm();
  }

  /** From now on this configuration is in force for everybody who asks. @param trial the log drops nothing that it kept before */
  setConfig(config: GatewayConfig, trial: boolean): void {
    this.config = config;
    this.#parts.classify(config.privacy);
    const { options } = this.log;
    Object.assign(options, trial ? gentler(options, config.buffer) : { ...config.buffer, retention: config.privacy });
  }

  /** A reload put all of the file in force. A stop that came meanwhile leaves that word to the next start. */
  corrected(): void {
    if (this.broken === undefined || this.#stopping) return;
    this.ingest.event(correctedEvent(this.broken));
    this.broken = undefined;
  }

  /** The inventory, for everybody who shows or sends it. */
  setInventory(config: GatewayConfig, shapes: readonly Shape[]): void {
    const devices = inventoryDevices(config, shapes);
    const revision = this.log.setInventory(JSON.stringify(devices));
    this.#inventory = inventoryMessage(revision, devices);
    this.#parts.latest.setShapes(shapes);
    this.#parts.broker.inventory(this.#inventory);
    this.#parts.flowDoor.inventoryChanged();
  }

  /** Flows brought further points. */
  grown(): void {
    if (this.#stopping) return;
    this.setInventory(this.config, this.#parts.plant.shapes);
    this.#parts.forwarders.republish([]);
  }

  /** For the watchdog: what owes an answer, when each bus last polled, and what is due. */
  look(): { threads: readonly ThreadWork[]; buses: readonly PolledBus[]; duties: readonly Duty[] } {
    const { beats, plant } = this.#parts;
    if (this.#stopping) return { threads: this.log.work, buses: [], duties: [] };
    const duties = [...plant.buses, this.ingest, ...this.forwarders].flatMap((part) => part.duties?.() ?? []);
    return { threads: this.log.work, buses: beats.polled(plant.buses), duties };
  }

  /** One line about it, for the service manager. */
  words(): string {
    return statusWords(this.plant.buses, this.forwarders);
  }

  /** Reads the configuration file and puts it in force. */
  readAgain(): Promise<ReloadResult> {
    return this.#readFile();
  }

  clockChanged(change: ClockChange): void {
    const move = this.log.setClock(change.offset, !change.known);
    this.logger.warn(
      { step: change.step, known: change.known, source: change.source },
      'The clock changed; readings not handed over yet get the new time.',
    );
    this.#parts.tls.changed();
    this.#parts.samples.clockChanged();
    if (change.known) {
      this.rules.clockKnown(this.ingest.moment());
      this.#parts.actions.clockKnown(this.ingest.moment());
      this.ingest.tick();
    }
    this.#came.clockReport?.took(change, move);
  }

  /** A source of time cannot be used. */
  clockFault(fault: string): void {
    this.#came.clockReport?.fault(fault, this.watch.known);
  }
}
