/** What a start takes over from the run before: the log, and what the log keeps of counters and rules. */
import type { GatewayConfig } from '../config/kinds.ts';
import { NAME } from '../config/schema-parts.ts';
import { Calendar, systemTimezone } from '../core/calendar.ts';
import type { Clock, Machine } from '../core/clock.ts';
import { toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Shape } from '../core/point.ts';
import type { Counters } from '../pipeline/counters.ts';
import type { DerivedStates } from '../pipeline/derived-states.ts';
import { FIGURES_KEY } from '../rules/alarm-figures.ts';
import { RuleEngine } from '../rules/engine.ts';
import { type Moment, parseRuleState } from '../rules/rule-state.ts';
import type { SavedRules } from '../rules/rules-in-force.ts';
import { type SavedStates, savedState } from '../store/hot/saved-states.ts';
import { Log } from '../store/log.ts';

interface LogSide {
  readonly clock: Clock;
  readonly machine: Machine | undefined;
  readonly onRetry: (error: string) => void;
}

/** @throws SluiceError log-open, log-newer */
export function openLog({ gateway, buffer, privacy }: GatewayConfig, side: LogSide): Promise<Log> {
  return Log.open({
    ...side,
    ...{ stateDir: gateway.stateDir, runtimeDir: gateway.runtimeDir, env: process.env },
    ...{ maxSize: buffer.maxSize, maxAge: buffer.maxAge, minFree: buffer.minFree, commitEvery: buffer.commitEvery },
    retention: privacy,
  });
}

/** Counters continue where the log ends; where it cannot be read, where they were saved. */
export async function restore(
  { counters, derived }: { readonly counters: Counters; readonly derived: DerivedStates },
  shapes: readonly Shape[],
  logger: Logger,
): Promise<void> {
  await derived
    .restore(shapes)
    .catch((thrown: unknown) =>
      logger.warn(
        { error: toError(thrown).message },
        'The log could not be looked through; derived points continue from the values that were saved at most 15 minutes before the end of the last run.',
      ),
    );
  await counters
    .restore(shapes)
    .catch((thrown: unknown) =>
      logger.warn(
        { error: toError(thrown).message },
        'The log could not be looked through; counters continue from the values that were saved at most an hour before the end of the last run.',
      ),
    );
}

interface RulesSide {
  readonly log: { readonly opened: Pick<Log['opened'], 'savedStates'> };
  readonly start: Moment;
  readonly shapes: readonly Shape[];
}

/** The text becomes a state when its rule asks for it. A state lies under the name of its rule, or is none. */
function rulesIn(saved: SavedStates): SavedRules {
  const texts = new Map(saved.filter(([key]) => NAME.test(key)));
  return {
    names: () => texts.keys(),
    get: (name) => {
      const state = parseRuleState(texts.get(name) ?? '');
      return state?.rule === name ? state : undefined;
    },
  };
}

/** Rules continue in the states that the log keeps: a delay that runs goes on. */
export function rulesOf(config: GatewayConfig, { log, start, shapes }: RulesSide): RuleEngine {
  return new RuleEngine({
    ...{ rules: config.rules.values(), start, shapes },
    calendar: () => new Calendar(config.gateway.timezone ?? systemTimezone()),
    saved: rulesIn(log.opened.savedStates),
    figures: savedState(log.opened.savedStates, FIGURES_KEY),
  });
}
