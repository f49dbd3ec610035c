/** Options that many commands have, and what becomes of what they throw. */
import { InvalidArgumentError, Option } from 'commander';
import { failed, onOutputFault } from './exit.ts';
import { defaultConfig } from './running.ts';

export const CONFIG = 'gateway.yaml of this folder, else /etc/sluice/gateway.yaml';
export const config = () => new Option('-c, --config <file>', 'the configuration file').default(defaultConfig(), CONFIG);
export const socket = () => new Option('--socket <path>', "the running gateway's socket (default: from the configuration)");
export const json = () => new Option('--json', 'print JSON for programs');

/** For the help of commands with `--from` and `--to`. */
export const LOCAL_TIMES =
  'A date (its midnight) and a time without an offset are local times of the\ngateway: gateway.timezone, else the zone of the system.';

/** Runs a command; what it throws becomes words on stderr and an exit status. A reader that has seen enough (head) ends it. */
export function action<A extends unknown[]>(run: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return daemon(async (...args) => {
    process.stdout.on('error', onOutputFault);
    await run(...args);
  });
}

/** The same of what goes on without a reader. */
export function daemon<A extends unknown[]>(run: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await run(...args);
    } catch (thrown) {
      failed(thrown);
    }
  };
}

export const wholeNumber = (min: number, max: number) => (text: string) => {
  if (!/^\d+$/.test(text) || Number(text) < min || Number(text) > max)
    throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
  return Number(text);
};
