/**
 * One running gateway: makes the parts, joins them, starts them in an order in which nothing is lost, and stops them
 * the other way round. It starts whatever is broken: no network, no port and no broker are states, not faults.
 */
import path from 'node:path';
import { AdminServer } from '../admin/admin-server.ts';
import { Target } from '../admin/gateway-target.ts';
import type { HttpStatus } from '../admin/target.ts';
import { comparable } from '../config/compare.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { alarmCommands } from '../control/alarm-commands.ts';
import { Commands, GATEWAY } from '../control/commands.ts';
import { fieldCommands } from '../control/field-commands.ts';
import { SafeState } from '../control/safe-state.ts';
import type { Clock, Machine } from '../core/clock.ts';
import type { CommandPort, ReloadResult } from '../core/commands.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { AlarmTransition, Forwarder, GatewayEvent, Inventory } from '../core/ports.ts';
import { EventQuota } from '../core/quota.ts';
import { VERSION } from '../core/version.ts';
import { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import { LiveBatches } from '../forwarders/broker/live-batches.ts';
import { AlarmedPoints } from '../pipeline/alarmed-points.ts';
import { Counters } from '../pipeline/counters.ts';
import { Ingest } from '../pipeline/ingest.ts';
import { inventoryDevices, inventoryMessage } from '../pipeline/inventory.ts';
import { Latest } from '../pipeline/latest.ts';
import { ClockReport } from '../reports/clock.ts';
import { ListenReport } from '../reports/listening.ts';
import { LogWatch } from '../reports/log-watch.ts';
import { RuleEngine } from '../rules/engine.ts';
import { type Moment, parseRuleState } from '../rules/rule-state.ts';
import { bootName } from '../store/hot/layout.ts';
import { Log } from '../store/log.ts';
import { StateDirClaim } from '../store/state-dir.ts';
import { systemProbes } from '../time/probes.ts';
import type { ClockProbes } from '../time/services.ts';
import { type ClockChange, ClockWatch } from '../time/watch.ts';
import { Forwarders } from './forwarders.ts';
import { LocalBroker } from './local-broker.ts';
import { Plant } from './plant.ts';
import { createBus } from './registry-create.ts';
import { LAST_WORDS, StopBudget } from './stop-budget.ts';

/** Events of one kind in a minute that somebody upstream can cause. */
const OUTSIDE_EVENTS = 60;

export class Gateway {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAt: number;
  config: GatewayConfig;
  #log: Log | undefined;
  #plant: Plant;
  #ingest: Ingest | undefined;
  #rules: RuleEngine | undefined;
  #counters: Counters | undefined;
  /** How long Modbus devices took to answer. */
  #times: MeasuredFile | undefined;
  #latest: Latest;
  #watch: ClockWatch;
  readonly #machine: Machine | undefined;
  #clockReport: ClockReport | undefined;
  readonly #forwarders: Forwarders;
  readonly #broker: LocalBroker;
  #inventory: Inventory = { v: 1, revision: 0, devices: {} };
  #logWatch: LogWatch | undefined;
  #admin: AdminServer | undefined;
  #claim: StateDirClaim | undefined;
  #running = false;
  readonly #live: LiveBatches;
  readonly #listening: ListenReport;
  /** Events that somebody upstream can cause. */
  readonly #outside: EventQuota;
  readonly #commands: Commands;
  readonly #safe: SafeState;
  readonly #alarmed: AlarmedPoints;
  #stopping = false;
  #readAgain: () => Promise<ReloadResult> = () => Promise.reject(new SluiceError('not-running'));
  #reloading: Promise<unknown> = Promise.resolve();
  /** The part of a reload in which the buses are exchanged. */
  #exchange: Promise<unknown> = Promise.resolve();
  readonly #onFatal: (error: Error) => void;

  constructor(options: {
    config: GatewayConfig;
    clock: Clock;
    logger: Logger;
    onFatal: (error: Error) => void;
    /** How the machine is asked about its clock. */
    probes?: ClockProbes;
    machine?: Machine | undefined;
  }) {
    this.config = options.config;
    this.clock = options.clock;
    this.logger = options.logger;
    this.#onFatal = options.onFatal;
    this.startedAt = options.clock.monotonic();
    this.#machine = options.machine;
    this.#watch = new ClockWatch({
      clock: options.clock,
      probes: options.probes ?? systemProbes,
      gps: () => this.config.gateway.clock?.gps,
      onChange: (change) => this.#clockChanged(change),
      onFault: (fault) => this.#clockReport?.fault(fault, this.#watch.known),
    });
    this.#latest = new Latest(() => this.#watch.offset);
    this.#live = new LiveBatches(this);
    this.#plant = new Plant((bus, devices) =>
      createBus(bus, devices, {
        clock: this.clock,
        logger: this.logger,
        emit: (sample) => this.ingest.sample(sample),
        tell: (event) => this.ingest.event(event),
        replanned: (before, after) => this.ingest.exchange(before, after),
        ...(this.#times === undefined ? {} : { times: this.#times }),
        onTime: (device, utc, at) => this.#watch.gps(device, utc, at),
        ...(this.#counters === undefined ? {} : { counters: this.#counters }),
      }),
    );
    this.#alarmed = new AlarmedPoints(this.clock, this.#plant, () => this.rules.alarms(this.ingest.moment()));
    const { clock, logger } = this;
    const tell = (event: GatewayEvent): void => this.ingest.event(event);
    this.#outside = new EventQuota({ clock, tell, most: OUTSIDE_EVENTS });
    this.#listening = new ListenReport(tell);
    this.#commands = new Commands(
      {
        ...fieldCommands(this.#plant, () => this.config.devices.keys()),
        ...alarmCommands(() => ({
          rules: this.rules,
          moment: () => this.ingest.moment(),
          take: (transitions) => this.ingest.take(transitions),
        })),
        reload: () => this.#readAgain(),
      },
      { clock, logger, tell },
    );
    this.#safe = new SafeState({
      ...{ clock, logger },
      // A broker that comes and goes makes the points move, and nobody counts them at a stop.
      tell: (event) => (this.#stopping ? tell(event) : this.#outside.tell('safe-state', event)),
      points: () => this.#plant.safePoints,
      write: ({ device, point }) => this.#commands.run({ do: 'safe', point: `${device}.${point}` }, GATEWAY),
      connected: () => this.#forwarders.connected,
    });
    this.#broker = new LocalBroker(
      {
        ...{ clock, logger, latest: this.#latest },
        identity: () => ({ boot: this.boot, version: VERSION }),
        now: () => Math.round(clock.monotonic()) + this.#watch.offset,
        encodeBatch: (records) => this.#live.encode(records),
        onEvent: tell,
        onListen: (fault) => this.#listening.changed('broker', fault),
      },
      () => this.ingest,
    );
    this.#forwarders = new Forwarders(
      {
        ...{ clock, logger, random: Math.random },
        clockHold: () => this.config.gateway.clockHold,
        clockKnown: () => this.#watch.known,
        status: () => this.statusMessage(),
        inventory: () => JSON.stringify(this.#inventory),
        hasRule: (rule) => this.config.rules.has(rule),
        latest: this.#latest,
        event: (event, message, data) => this.#outside.tell(event, { event, severity: 'warning', message, data }),
      },
      () => this.ingest,
    );
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
    return this.#plant;
  }
  get latest(): Latest {
    return this.#latest;
  }
  get watch(): ClockWatch {
    return this.#watch;
  }
  get commands(): CommandPort {
    return this.#commands;
  }
  get forwarders(): readonly Forwarder[] {
    return this.#forwarders.all;
  }
  get http(): HttpStatus | undefined {
    return this.config.dashboard === undefined ? undefined : this.#admin?.http();
  }
  get broker(): EmbeddedBroker | undefined {
    return this.#broker.running;
  }
  /** What became of the log's readings since the start. */
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
  get boot(): string {
    return bootName(this.log.opened.boot);
  }

  /**
   * @param reload reads the configuration file again and puts it in force, for the command `reload`
   * @throws SluiceError already-running, log-open, log-newer: without its state directory and log nothing is started
   */
  async start(reload: () => Promise<ReloadResult>): Promise<void> {
    this.#readAgain = reload;
    const { config } = this;
    // First of all: nothing of the state directory is opened before it is claimed.
    const claim = StateDirClaim.take(config.gateway.stateDir);
    this.#claim = claim;
    const admin = new AdminServer({
      target: new Target(this),
      socketPath: path.join(config.gateway.stateDir, 'sluice.sock'),
      listen: config.dashboard?.listen,
      logger: this.logger,
      clock: this.clock,
      onListen: (fault) => this.#listening.changed('dashboard', fault),
    });
    try {
      await admin.start();
      this.#admin = admin;
      await this.#startParts(config);
    } catch (thrown) {
      await Promise.all([this.#forwarders.stop(0), this.#broker.stop()]);
      await this.#log?.abandon();
      await admin.stop();
      claim.release();
      throw thrown;
    }
  }

  async #startParts(config: GatewayConfig): Promise<void> {
    await this.#watch.begin();
    const openFaults: string[] = [];
    const log = await Log.open({
      onRetry: (error) => {
        openFaults.push(error);
        this.logger.warn({ error }, 'The log cannot be opened; it is tried again.');
      },
      stateDir: config.gateway.stateDir,
      runtimeDir: config.gateway.runtimeDir,
      env: process.env,
      clock: this.clock,
      machine: this.#machine,
      maxSize: config.buffer.maxSize,
      maxAge: config.buffer.maxAge,
      minFree: config.buffer.minFree,
      commitEvery: config.buffer.commitEvery,
    });
    this.#log = log;
    this.#logWatch = new LogWatch({
      ...{ log, openFaults },
      clock: this.clock,
      logger: this.logger,
      event: (event) => this.ingest.event(event),
      onFatal: this.#onFatal,
    });
    this.#forwarders.begin(config, log);
    if (log.clock.lastKnown !== undefined) this.#watch.trust(log.clock.lastKnown);
    if (log.clock.inherited !== undefined) this.#watch.inherit(log.clock.inherited);
    const move = log.setClock(this.#watch.offset, !this.#watch.known);
    const counters = new Counters({ log, clock: this.clock, moment: () => this.#moment() });
    this.#counters = counters;
    this.#times = new MeasuredFile(config.gateway.stateDir, this.clock, this.logger);
    const field = this.#plant.prepare(config);
    await counters
      .restore(field.shapes)
      .catch((thrown: unknown) =>
        this.logger.warn(
          { error: toError(thrown).message },
          'The log could not be looked through; counters go on from what was saved at most an hour before the end of the last run.',
        ),
      );
    this.#setInventory(config, field.shapes);
    this.#rules = new RuleEngine({
      rules: config.rules.values(),
      start: this.#moment(),
      saved: log.opened.alarms.map(([, state]) => parseRuleState(JSON.stringify(state))).filter((s) => s !== undefined),
      shapes: field.shapes,
    });
    this.#ingest = new Ingest({
      log,
      clock: this.clock,
      latest: this.#latest,
      rules: this.#rules,
      offset: () => this.#watch.offset,
      clockKnown: () => this.#watch.known,
      onAlarm: (t) => {
        const { rule, state, severity, point } = t;
        this.logger[state === 'normal' ? 'info' : 'warn']({ rule, state, severity, point }, t.message);
        this.#alarmed.changed();
      },
    });
    this.#broker.begin(log.opened.lastAlarms);
    this.#logWatch.tellStart();
    this.#listening.begin();
    this.#clockReport = new ClockReport({
      clock: this.clock,
      tell: (event) => this.ingest.event(event),
      logName: (ordinal) => log.opened.logs.find((l) => l.ordinal === ordinal)?.name ?? '',
      ...{ boot: log.opened.boot, log: log.ordinal },
    });
    this.#clockReport.began(this.#watch, move);
    this.#ingest.tick();
    await (await this.#broker.prepare(config)).apply();
    this.#forwarders.start();
    await field.apply();
    this.#alarmed.changed();
    this.#safe.start();
    this.#watch.start();
    if (!this.#watch.known)
      this.logger.warn(
        { wall: this.clock.wall(), source: this.#watch.status().source },
        'The clock of this board is not right yet; readings wait for it, alarms do not.',
      );
    counters.start();
    this.#running = true;
    this.logger.info({ gateway: config.gateway.id, boot: this.boot, log: log.id, version: VERSION }, 'The gateway is running.');
  }

  /** Stops polling, lets what is live be acknowledged, commits everything. Within 5 s, whatever hangs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const budget = new StopBudget(this.clock);
    this.#commands.stop();
    // Safe values are written by the buses of the new configuration, as soon as the old ones have let go of their wires.
    await budget.within(budget.for('exchange'), this.#exchange);
    this.#watch.stop();
    this.#clockReport?.stop();
    this.#logWatch?.stop();
    // While the buses still run.
    await this.#safe.stop(budget.for('safe'));
    await budget.within(budget.for('buses'), this.#plant.stop());
    if (this.#ingest !== undefined) {
      this.#commands.flush();
      this.#outside.flush();
    }
    this.#ingest?.stop();
    this.#counters?.stop();
    // While the forwarders wait for the network, the disk is written: a hanging broker takes no time from it.
    this.#log?.commitSoon();
    const forwarders = budget.for('forwarders');
    await budget.within(forwarders, this.#forwarders.stop(forwarders), this.#broker.stop(), this.#times?.stop());
    await this.#log?.close(budget.for('log'));
    await this.#admin?.stop();
    this.#claim?.release();
  }

  /**
   * Puts another configuration in force: things are matched by name, what did not change is not disturbed. One at a
   * time. @returns what changed. @throws SluiceError; then everything is as it was
   */
  reload(config: GatewayConfig): Promise<string[]> {
    const done = this.#reloading.catch(() => undefined).then(() => this.#reload(config));
    this.#reloading = done;
    return done;
  }

  async #reload(config: GatewayConfig): Promise<string[]> {
    if (!this.#running || this.#stopping)
      throw new SluiceError('not-running', 'the gateway is starting or stopping; nothing was changed, ask again when it runs');
    const before = this.config;
    if (
      config.gateway.id !== before.gateway.id ||
      config.gateway.stateDir !== before.gateway.stateDir ||
      config.gateway.runtimeDir !== before.gateway.runtimeDir
    )
      throw new SluiceError('config-invalid', 'gateway.id, stateDir and runtimeDir need a restart; nothing was changed');
    // Everything new is made before anything old is stopped: what throws here changes nothing.
    const broker = await this.#broker.prepare(config);
    const forwarders = this.#forwarders.prepare(config, this.log);
    const field = this.#plant.prepare(config);
    if (this.#stopping) throw new SluiceError('not-running', 'the gateway is stopping; nothing was changed');
    await this.#takeOver(config, field);
    this.#assertNotStopping();
    await forwarders.apply(LAST_WORDS);
    this.#assertNotStopping();
    await broker.apply();
    this.#assertNotStopping();
    await this.#admin?.setListen(config.dashboard?.listen);
    this.#forwarders.republish([...before.rules.keys()].filter((name) => !config.rules.has(name)));
    this.#safe.start();
    const changed = [
      ...field.changed.map((name) => `buses.${name}`),
      ...[...before.buses.keys()].filter((name) => !config.buses.has(name)).map((name) => `buses.${name} (removed)`),
      ...(comparable([...before.rules]) === comparable([...config.rules]) ? [] : ['rules']),
      ...(['gateway', 'buffer'] as const).filter((part) => comparable(before[part]) !== comparable(config[part])),
      ...forwarders.changed.map((name) => `forwarders.${name}`),
      ...broker.changed,
      ...(comparable(before.dashboard ?? null) === comparable(config.dashboard ?? null) ? [] : ['dashboard']),
    ];
    this.logger.info({ changed }, changed.length === 0 ? 'Reloaded; nothing changed.' : 'Reloaded.');
    return changed;
  }

  /** Buses and rules, which belong together. @throws what a bus says when it is stopped or started; then the old ones are back */
  async #takeOver(config: GatewayConfig, field: ReturnType<Plant['prepare']>): Promise<void> {
    const before = this.config;
    const force = (next: GatewayConfig, shapes: readonly Shape[]): readonly AlarmTransition[] => {
      this.config = next;
      Object.assign(this.log.options, next.buffer);
      return this.rules.reload(next.rules.values(), this.ingest.moment(), shapes);
    };
    const transitions = force(config, field.shapes);
    this.#exchange = field.apply();
    try {
      await this.#exchange;
    } catch (thrown) {
      force(before, this.#plant.shapes);
      throw thrown;
    }
    // As they are now: a device may be read by other requests since.
    this.#setInventory(config, this.#plant.shapes);
    this.ingest.take(transitions);
    this.#alarmed.changed();
    this.#broker.rules(new Set(config.rules.keys()));
  }

  #assertNotStopping(): void {
    if (this.#stopping)
      throw new SluiceError('not-running', 'the gateway is stopping; of the new file buses and rules were taken over');
  }

  #moment(): Moment {
    const at = this.clock.monotonic();
    return { at, wall: at + this.#watch.offset, wallKnown: this.#watch.known };
  }

  statusMessage(): string {
    return JSON.stringify({
      v: 1,
      online: true,
      time: Math.round(this.clock.monotonic()) + this.#watch.offset,
      boot: this.boot,
      version: VERSION,
    });
  }

  #setInventory(config: GatewayConfig, shapes: readonly Shape[]): void {
    const devices = inventoryDevices(config, shapes);
    const revision = this.log.setInventory(JSON.stringify(devices));
    this.#inventory = inventoryMessage(revision, devices);
    this.#latest.setShapes(shapes);
    this.#broker.inventory(this.#inventory);
  }

  #clockChanged(change: ClockChange): void {
    const move = this.log.setClock(change.offset, !change.known);
    this.logger.warn(
      { step: change.step, known: change.known, source: change.source },
      'The clock changed; readings not handed over yet get the new time.',
    );
    if (change.known && !change.wasKnown) this.rules.clockKnown(this.ingest.moment());
    this.#clockReport?.took(change, move);
  }
}
