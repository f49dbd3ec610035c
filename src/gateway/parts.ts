/**
 * The parts of a gateway that live as long as it does, joined: each is given what it needs of the others. Nothing acts here; the
 * log, the rules and the ingest come with the start (gateway.ts), and are looked up when they are needed.
 */

import { Access } from '../access/access.ts';
import { TlsSources } from '../access/tls/tls-sources.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { Configure } from '../configure/configure.ts';
import { Actions } from '../control/actions/actions.ts';
import { runHook } from '../control/actions/hooks.ts';
import { Interlocks, interlocked } from '../control/actions/interlocks.ts';
import { alarmCommands } from '../control/alarm-commands.ts';
import { Commands, GATEWAY } from '../control/commands.ts';
import { fieldCommands } from '../control/field-commands.ts';
import { Desk } from '../control/remote/desk.ts';
import type { Ledger } from '../control/remote/ledger.ts';
import { Once } from '../control/remote/once.ts';
import { Resend } from '../control/remote/resend.ts';
import { SafeState } from '../control/safe-state.ts';
import type { Clock } from '../core/clock.ts';
import type { ReloadResult } from '../core/commands.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent, Inventory } from '../core/ports.ts';
import { EventQuota } from '../core/quota.ts';
import { VERSION } from '../core/version.ts';
import { DerivedHub } from '../drivers/derived/hub.ts';
import { FlowHub } from '../drivers/flows/hub.ts';
import type { MeasuredFile } from '../drivers/modbus/measured-file.ts';
import { DeviceDoor } from '../forwarders/broker/device-door.ts';
import { LiveBatches } from '../forwarders/broker/live-batches.ts';
import { LogBacklog } from '../forwarders/broker/own-backlog.ts';
import { FlowDoor } from '../node-red/door/door.ts';
import { AcceptedPoints } from '../pipeline/accepted-points.ts';
import { AlarmedPoints } from '../pipeline/alarmed-points.ts';
import type { Counters } from '../pipeline/counters.ts';
import { DerivedStates } from '../pipeline/derived-states.ts';
import { Growth } from '../pipeline/growth.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import { Latest } from '../pipeline/latest.ts';
import { NewestAlarms } from '../pipeline/newest-alarms.ts';
import { RecordParts } from '../pipeline/record-parts.ts';
import { eventWithoutValue, lookWithoutValue, shownAt, wordsOf } from '../pipeline/withheld.ts';
import { brokerFileReport } from '../reports/broker-file.ts';
import { ListenReport } from '../reports/listening.ts';
import type { RuleEngine } from '../rules/engine.ts';
import { PollBeats } from '../service-manager/poll-beats.ts';
import { BrokerFile } from '../store/broker-store.ts';
import type { Log } from '../store/log.ts';
import type { ClockProbes } from '../time/services.ts';
import { type ClockChange, ClockWatch } from '../time/watch.ts';
import { hasAlarm } from './alarming.ts';
import { flowParts } from './flow-parts.ts';
import { flowSource } from './flow-source.ts';
import { Forwarders } from './forwarders.ts';
import { KEPT_WITHIN, KeptInLog } from './kept-in-log.ts';
import { LocalBroker } from './local-broker.ts';
import { Plant } from './plant.ts';
import { createBus } from './registry-create.ts';
import { siteFacts } from './site-facts.ts';
import { Web, type WebServer } from './web.ts';

/** Events of one kind in a minute that somebody upstream can cause. */
const OUTSIDE_EVENTS = 60;

/** The gateway as its parts see it. What comes with the start throws before that. */
export interface PartsSide {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAt: number;
  readonly stopping: boolean;
  readonly watch: ClockWatch;
  readonly log: Log;
  readonly boot: string;
  readonly ingest: Ingest;
  readonly rules: RuleEngine;
  readonly inventory: Inventory;
  readonly counters: Counters | undefined;
  /** The ids of commands that came as messages. */
  readonly ledger: Ledger;
  readonly configure: Configure | undefined;
  /** How long Modbus devices took to answer. */
  readonly times: MeasuredFile | undefined;
  readonly admin: WebServer | undefined;
  /** Reads the configuration file and puts it in force. */
  readAgain(): Promise<ReloadResult>;
  /** Which configuration is in force and how the gateway is, for the status upstream. */
  shown(): object;
  clockChanged(change: ClockChange): void;
  /** Buses have further points. */
  grown(): void;
  /** A source of time cannot be used. */
  clockFault(fault: string): void;
}

export type Parts = ReturnType<typeof makeParts>;

export function makeParts(g: PartsSide, probes: ClockProbes) {
  const { clock, logger, configure } = g;
  const tell = (event: GatewayEvent): void => g.ingest.event(event);
  const disclose = (event: GatewayEvent): GatewayEvent => eventWithoutValue(g.config, event);
  const watch = new ClockWatch({
    clock,
    probes,
    gps: () => g.config.gateway.clock?.gps,
    onChange: (change) => g.clockChanged(change),
    onFault: (fault) => g.clockFault(fault),
  });
  const now = (): number => Math.round(clock.monotonic()) + watch.offset;
  const latest = new Latest(() => watch.offset);
  const newest = new NewestAlarms();
  const records = new RecordParts(undefined);
  const classify = (privacy: GatewayConfig['privacy']): void => {
    records.reload(privacy);
    latest.classify(privacy?.points ?? {});
  };
  classify(g.config.privacy);
  const live = new LiveBatches(g);
  const door = new DeviceDoor(clock);
  const hub = new FlowHub();
  const accepted = new AcceptedPoints(() => g.log);
  const samples = new DerivedHub(() => ({ at: clock.monotonic(), offset: watch.offset, known: watch.known }));
  const derived = new DerivedStates({ log: () => g.log, clock });
  const growth = new Growth(clock, () => g.grown());
  const beats = new PollBeats(clock);
  const plant = new Plant((bus, devices) => {
    beats.beat(bus.name);
    return createBus(bus, devices, {
      clock,
      logger,
      emit: (sample) => {
        beats.beat(bus.name);
        g.ingest.sample(sample);
      },
      tell,
      topics: door,
      ...{ flowPoints: hub, accepted, feed: samples, derived },
      grew: () => growth.changed(),
      replanned: (before, after) => g.ingest.exchange(before, after),
      ...(g.times === undefined ? {} : { times: g.times }),
      onTime: (device, utc, at) => watch.gps(device, utc, at),
      ...(g.counters === undefined ? {} : { counters: g.counters }),
    });
  });
  const alarmed = new AlarmedPoints(clock, plant, () => g.rules.alarms(g.ingest.moment()));
  const outside = new EventQuota({ clock, tell, most: OUTSIDE_EVENTS });
  const listening = new ListenReport(tell);
  const resend = new Resend({ gateway: () => g.config.gateway.id, log: () => g.log });
  const look = (rule: string) => lookWithoutValue(g.config, g.rules.look(rule, g.ingest.moment()));
  const interlocks = new Interlocks({ look, rules: () => g.config.rules });
  const kept = new KeptInLog(() => g.log, clock, KEPT_WITHIN);
  const commands: Commands = new Commands(
    {
      ...interlocked(
        fieldCommands(plant, () => g.config.devices.keys()),
        interlocks,
      ),
      ...alarmCommands(() => ({
        rules: g.rules,
        moment: () => g.ingest.moment(),
        take: (transitions) => g.ingest.take(transitions),
        words: (alarm) => wordsOf(g.config, alarm),
      })),
      reload: () => g.readAgain(),
      ...(configure && { configure: (command, _by, options) => configure.run(command, options) }),
      resend: (command, by, options) => resend.run(command, by, options),
      flows: (command, by) => revisions.run(command, by),
      'restart-flows': () => restarts.run(),
    },
    { clock, logger, tell, disclose },
    () => kept.wait(),
  );
  const remote = { now, clockKnown: () => watch.known, ledger: () => g.ledger };
  const once = new Once(remote);
  const desk = new Desk({
    ...{ ...remote, clock, commands },
    tell: (event) => outside.tell('command', event),
  });
  const access: Access = new Access({
    ...{ clock, logger, tell, stateDir: g.config.gateway.stateDir },
    time: () => ({ utc: now(), known: watch.known }),
  });
  const safe = new SafeState({
    ...{ clock, logger, disclose },
    // A broker that comes and goes makes the points move, and nobody counts them at a stop.
    tell: (event) => (g.stopping ? tell(event) : outside.tell('safe-state', event)),
    points: () => plant.safePoints,
    write: ({ device, point }) => commands.run({ do: 'safe', point: `${device}.${point}` }, GATEWAY),
    connected: () => forwarders.connected,
  });
  const tls = new TlsSources({
    ...{ clock, logger },
    stateDir: () => g.config.gateway.stateDir,
    subject: () => g.config.gateway.id,
    names: () => g.config.dashboard?.names ?? [],
    now: () => ({ utc: now(), known: watch.known }),
  });
  const web = new Web({ logger, tls, admin: () => g.admin });
  const broker = new LocalBroker(
    {
      ...{ clock, logger, latest, tls, access: access.mqtt, commands: desk, devices: door },
      alarms: () => newest.all(),
      ownerOf: (owner) => access.owner(owner),
      identity: () => ({ boot: g.boot, version: VERSION }),
      now,
      encodeBatch: (records) => live.encode(records),
      onEvent: tell,
      onListen: ({ host, port }, fault) => listening.changed(`broker ${host}:${port}`, fault),
      backlog: new LogBacklog(
        () => g.log,
        clock,
        () => g.config.gateway.id,
      ),
      store: () =>
        new BrokerFile({
          stateDir: g.config.gateway.stateDir,
          runtimeDir: g.log.runtime.chosen?.dir,
          clock,
          ...brokerFileReport(logger, (event) => outside.tell('sessions', event)),
        }),
    },
    () => g.ingest,
  );
  const forwarders = new Forwarders(
    {
      ...{ clock, logger, now, latest, commands: desk, random: Math.random },
      clockHold: () => g.config.gateway.clockHold,
      clockKnown: () => watch.known,
      timezone: () => g.config.gateway.timezone,
      status: () => JSON.stringify({ v: 1, online: true, time: now(), boot: g.boot, version: VERSION, ...g.shown() }),
      inventory: () => JSON.stringify(g.inventory),
      hasRule: (rule) => hasAlarm(g.config, rule),
      site: siteFacts(
        () => g.config,
        () => newest.all(),
      ),
      event: (event, message, data) => outside.tell(event, { event, severity: 'warning', message, data }),
    },
    () => g.ingest,
  );
  const actions = new Actions({
    ...{ clock, logger, commands, look, disclose },
    gateway: () => g.config.gateway.id,
    rules: () => g.config.rules,
    hooks: () => g.config.hooks,
    moment: () => g.ingest.moment(),
    busOf: (device) => plant.busOf(device)?.name,
    assertFree: (point, by) => interlocks.assertFree(point, by),
    publish: (topic, payload) => broker.running?.act(topic, payload) === true,
    deliver: (forwarder, message) => forwarders.deliver(forwarder, message),
    shown: (facts, to) =>
      shownAt(g.config, facts, {
        outward: to === undefined ? undefined : forwarders.outward(to),
        classes: forwarders.classes,
        typeOf: (device, point) => g.inventory.devices[device]?.points?.[point]?.type,
      }),
    trigger: (flow, facts) => flowDoor.trigger(flow, facts),
    run: (hook, request) => runHook(hook, request, clock),
    save: (key, state) => g.log.saveState(key, state),
    remark: (rule, occurrence, words) => g.ingest.take(g.rules.remark(rule, occurrence, words, g.ingest.moment())),
    tell: (event) => outside.tell(event.severity === 'info' ? 'action' : 'action-failed', event),
  });
  const flowDoor: FlowDoor = new FlowDoor({
    ...{ clock, logger },
    source: flowSource(g, {
      ...{ latest, plant, commands, now },
      alarms: () => newest.all(),
      put: (reading) => hub.put(reading),
      forwarders: () => forwarders.all,
      flows: () => flows,
    }),
    changed: (open) => {
      hub.open = open;
    },
  });
  const { flows, revisions, restarts, deploys } = flowParts(g, {
    tell,
    time: () => ({ utc: now(), known: watch.known }),
    door: flowDoor,
  });
  return {
    watch,
    latest,
    records,
    classify,
    newest,
    plant,
    beats,
    samples,
    derived,
    alarmed,
    outside,
    listening,
    commands,
    once,
    access,
    safe,
    tls,
    web,
    broker,
    forwarders,
    flows,
    revisions,
    deploys,
    flowDoor,
    actions,
  };
}
