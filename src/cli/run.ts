/** `sluice run`: the process around a gateway. Signals, log, exit status. */
import path from 'node:path';
import { GoodWatch } from '../care/good-watch.ts';
import { continueRestore } from '../care/settle.ts';
import { formatFault } from '../config/fault.ts';
import { NO_CONFIG, readYamlFile } from '../config/yaml-source.ts';
import { Configure } from '../configure/configure.ts';
import { brokenWords } from '../core/broken-config.ts';
import { systemClock } from '../core/clock.ts';
import type { Principal } from '../core/commands.ts';
import { toError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { Gateway } from '../gateway/gateway.ts';
import { createLogger } from '../gateway/logger.ts';
import { ServiceManager } from '../service-manager/service-manager.ts';
import { machineBoot } from '../time/probes.ts';
import { boardLed } from './board/led.ts';
import { continueReset } from './care/factory-reset.ts';
import { PAGES, readConfig, refusedConfig } from './config-file.ts';
import { endProcess } from './end-process.ts';
import { failed } from './exit.ts';
import { baseOf, loadUpstream, ranOf, readUpstream } from './pushed-config.ts';
import { readableStack } from './readable-stack.ts';
import { startConfig } from './start-config.ts';

/** A stop that takes longer is cut: what is not committed by then lies in the runtime directory. */
const STOP_WITHIN = 5000;
/** Faults of a broken configuration in its line of the log. */
const SHOWN = 20;
const SECRETS = { readSecrets: true, secretsLater: false };
/** Only root and the user of the gateway can send it. */
const HANGUP: Principal = { who: 'SIGHUP', door: 'signal', role: 'administrator' };

/** What the gateway writes is for its user and group. A stricter mask stays. */
function closeToOthers(): void {
  const mask = process.umask(0o027);
  process.umask(mask | 0o027);
}

export async function run(options: { config: string; logLevel: string }): Promise<void> {
  closeToOthers();
  // First of all: a signal that comes while the gateway starts is kept, and one that comes twice does not cut the stop.
  const { promise: stop, resolve } = Promise.withResolvers<string>();
  process.on('SIGTERM', resolve);
  process.on('SIGINT', resolve);
  let hangup: (() => void) | undefined;
  let hungUp = false;
  process.on('SIGHUP', () => {
    hungUp = true;
    hangup?.();
  });
  // Read once for all three: a large site has a megabyte of it.
  const read = readYamlFile(options.config, NO_CONFIG);
  const reset = continueReset(options.config, [], false, read);
  const restored = continueRestore(path.resolve(options.config));
  const { config, warnings, ran, broken, pushed } = startConfig(options.config, reset || restored ? undefined : read);
  const { logger, written } = await createLogger({ level: options.logLevel, terminal: process.stdout.isTTY === true });
  for (const warning of warnings) logger.warn({}, warning);
  const fatal = (thrown: unknown): void => {
    const error = toError(thrown);
    logger.error(
      { error: error.message, stack: readableStack(error.stack ?? '') },
      'The gateway cannot continue. It ends, and a restart takes the tail.',
    );
    endProcess(1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  if (broken !== undefined) logger.error({ file: broken.file, faults: broken.faults.slice(0, SHOWN) }, brokenWords(broken));
  const manager = await ServiceManager.of(process.env, { clock: systemClock, logger });
  manager.starting();
  const configure = new Configure({
    ...{ clock: systemClock, logger, ...pushed },
    load: (text, secrets) => loadUpstream(text, options.config, secrets),
    ranWell: (ran) => good.inForce(ran),
  });
  const gateway = new Gateway({
    ...{ config, clock: systemClock, machine: machineBoot(), logger, onFatal: fatal, pages: PAGES, configure },
    ...(broken === undefined ? {} : { broken }),
  });
  const good = new GoodWatch({
    ...{ clock: systemClock, logger, stateDir: config.gateway.stateDir, version: VERSION },
    isWell: () => gateway.running && gateway.log.status().fault === undefined,
  });
  const led = boardLed(gateway, logger);
  led?.begin();
  const reload = async (): Promise<{ changes: string[]; warnings: string[] }> => {
    const found = readConfig(options.config);
    const base = baseOf(found);
    if (base === undefined || found.read === undefined) throw refusedConfig(found.faults);
    return configure.reading(base, async (fromUpstream) => {
      const next = fromUpstream === undefined ? found : readUpstream(fromUpstream, options.config, SECRETS);
      if (next.config === undefined || next.read === undefined) throw refusedConfig(next.faults);
      const { config, read } = next;
      const warnings = next.warnings.map(formatFault);
      for (const warning of warnings) logger.warn({}, warning);
      const changes = await manager.reloading(() => gateway.reload(config));
      good.inForce(ranOf(options.config, read));
      return { changes, warnings };
    });
  };
  const bounded = stop.then((signal) => {
    logger.info({ signal }, 'Stopping.');
    manager.stopping();
    setTimeout(() => {
      logger.warn(
        {},
        'The stop took too long and was ended. The next start reads from the runtime folder what was not committed.',
      );
      endProcess(0);
    }, STOP_WITHIN);
  });
  try {
    await gateway.start(reload);
  } catch (thrown) {
    // Whatever a half start left running must not look like a gateway.
    failed(thrown);
    endProcess(Number(process.exitCode ?? 1));
  }
  good.inForce(ran);
  manager.ready(gateway);
  hangup = () => {
    gateway.commands
      .run({ do: 'reload' }, HANGUP)
      .catch((thrown: unknown) =>
        logger.error({ error: toError(thrown).message }, 'The configuration was refused; nothing was changed.'),
      );
  };
  // The file may have changed between its reading and now.
  if (hungUp) hangup();
  await bounded;
  led?.end();
  await gateway.stop();
  await good.stopped();
  logger.info({}, 'Stopped.');
  await written();
  endProcess(0);
}
