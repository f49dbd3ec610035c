/**
 * Puts another configuration in force: things are matched by name, what did not change is not disturbed. One at a time.
 *
 * 1. Everything new is made, and nothing old is touched (`prepare` of each part): what throws here changes nothing. New addresses of
 *    HTTP are taken already, and who connects there waits for step 3.
 * 2. Buses and rules are exchanged together. Old buses let go of their ports before new ones start; where that fails, the old
 *    ones are made again (plant.ts) and the old rules go on where they were.
 * 3. Forwarders, the embedded broker, HTTP and Node-RED follow. Each old one ends before its successor starts, except HTTP at
 *    addresses that it has already. A far side that is not there is a state of them and no fault, so nothing of this fails.
 *
 * A stop that comes meanwhile waits for step 2 and keeps the rest from starting.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { AlarmTransition } from '../core/alarm.ts';
import { SluiceError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Ingest } from '../pipeline/ingest.ts';
import type { RuleEngine } from '../rules/engine.ts';
import type { Log } from '../store/log.ts';
import { alarming, withoutAlarm } from './alarming.ts';
import type { Parts } from './parts.ts';
import { LAST_WORDS } from './stop-budget.ts';

/** The gateway that is reloaded. */
export interface Reloadable {
  readonly config: GatewayConfig;
  readonly logger: Logger;
  readonly running: boolean;
  readonly stopping: boolean;
  readonly log: Log;
  readonly ingest: Ingest;
  readonly rules: RuleEngine;
  setConfig(config: GatewayConfig, trial: boolean): void;
  /** All of the file is in force. */
  corrected(): void;
  setInventory(config: GatewayConfig, shapes: readonly Shape[]): void;
}

export class Reload {
  readonly #gateway: Reloadable;
  readonly #parts: Parts;
  #last: Promise<unknown> = Promise.resolve();
  /** The part of it in which the buses are exchanged. */
  exchange: Promise<unknown> = Promise.resolve();

  constructor(gateway: Reloadable, parts: Parts) {
    this.#gateway = gateway;
    this.#parts = parts;
  }

  /** @param trial rules that it lacks or changes go on where they were when another one takes its place @returns what changed. @throws SluiceError; then everything is as it was */
  run(config: GatewayConfig, trial = false): Promise<string[]> {
    const done = this.#last.catch(() => undefined).then(() => this.#run(config, trial));
    this.#last = done;
    return done;
  }

  async #run(config: GatewayConfig, trial: boolean): Promise<string[]> {
    const { config: before, logger, running, stopping } = this.#gateway;
    const { broker, flows, forwarders, plant, safe, web } = this.#parts;
    if (!running || stopping)
      throw new SluiceError('not-running', 'the gateway is starting or stopping; nothing was changed, ask again when it runs');
    if ((['id', 'stateDir', 'runtimeDir', 'timezone'] as const).some((key) => config.gateway[key] !== before.gateway[key]))
      throw new SluiceError(
        'config-invalid',
        'gateway.id, stateDir, runtimeDir and timezone need a restart; nothing was changed',
      );
    const made = {
      broker: await broker.prepare(config),
      forwarders: forwarders.prepare(config, this.#gateway.log),
      field: plant.prepare(config),
      flows: flows.prepare(config.nodeRed),
    };
    // The last one: addresses that it takes are let go where anything fails from here on.
    const next = { ...made, web: await web.prepare(config, made.broker.leaving) };
    let sites = false;
    const rest = [
      () => next.forwarders.apply(LAST_WORDS),
      () => next.broker.apply(),
      () => {
        sites = true;
        return next.web.apply();
      },
      () => next.flows.apply(),
    ];
    try {
      this.#assertNotStopping('nothing was changed');
      await this.#takeOver(config, next.field, trial);
      for (const apply of rest) {
        this.#assertNotStopping('buses and rules of the new file are in use');
        await apply();
      }
    } catch (thrown) {
      if (!sites) await next.web.cancel();
      throw thrown;
    }
    forwarders.republish(withoutAlarm(before, config));
    safe.start();
    this.#gateway.corrected();
    const changed = [
      ...next.field.changed.map((name) => `buses.${name}`),
      ...[...before.buses.keys()].filter((name) => !config.buses.has(name)).map((name) => `buses.${name} (removed)`),
      ...(comparable([...before.rules]) === comparable([...config.rules]) ? [] : ['rules']),
      ...(['gateway', 'buffer'] as const).filter((part) => comparable(before[part]) !== comparable(config[part])),
      ...next.forwarders.changed.map((name) => `forwarders.${name}`),
      ...next.broker.changed,
      ...next.web.changed,
      ...next.flows.changed,
    ];
    logger.info({ changed }, changed.length === 0 ? 'Reloaded; nothing changed.' : 'Reloaded.');
    return changed;
  }

  async #takeOver(config: GatewayConfig, field: ReturnType<Parts['plant']['prepare']>, trial: boolean): Promise<void> {
    const { config: before, ingest, rules } = this.#gateway;
    const { actions, alarmed, broker, forwarders, newest, plant } = this.#parts;
    // Rules come back as they were when the exchange fails: those of now, and those that a trial kept when this ends the trial.
    const endsTrial = !trial && rules.onTrial;
    const givesBack = !trial && actions.onTrial;
    const force = (next: GatewayConfig, shapes: readonly Shape[], keep: boolean): readonly AlarmTransition[] => {
      this.#gateway.setConfig(next, trial && next === config);
      return rules.reload(next.rules.values(), ingest.moment(), shapes, keep);
    };
    const keepOnly = (kept: GatewayConfig): void => {
      newest.rules(alarming(kept));
      broker.rules(alarming(kept));
    };
    // A trial that goes on has the gentle bounds of the log, which its configuration does not name.
    const bounds = { ...this.#gateway.log.options };
    // All of it in one turn: buses that did not change go on polling while the others are exchanged, and what the rules say from here
    // on is acted on and told in its order. The new buses are known before something is written to them.
    const transitions = force(config, field.shapes, !endsTrial);
    actions.reload(!givesBack);
    this.exchange = field.apply();
    try {
      ingest.take(transitions);
      await this.exchange;
    } catch (thrown) {
      const back = force(before, plant.shapes, endsTrial);
      Object.assign(this.#gateway.log.options, bounds);
      actions.reload(givesBack);
      ingest.take(back);
      actions.begin();
      keepOnly(before);
      forwarders.republish(withoutAlarm(config, before));
      throw thrown;
    }
    if (!trial) {
      ingest.take(rules.confirm(ingest.moment()));
      actions.confirm();
    }
    // As they are now: a device may be read by other requests since.
    this.#gateway.setInventory(config, plant.shapes);
    ingest.tick();
    actions.begin();
    alarmed.changed();
    keepOnly(config);
  }

  #assertNotStopping(words: string): void {
    if (this.#gateway.stopping) throw new SluiceError('not-running', `the gateway is stopping; ${words}`);
  }
}
