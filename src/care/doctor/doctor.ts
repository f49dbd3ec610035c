/** The self-check of a gateway: what is looked at, in which order. It changes nothing, and no step takes long. */
import path from 'node:path';
import type { GatewayConfig } from '../../config/kinds.ts';
import { readYamlFile } from '../../config/yaml-source.ts';
import { systemProbes } from '../../time/probes.ts';
import type { ClockProbes } from '../../time/services.ts';
import { filesBeside } from '../files-beside.ts';
import { checkClock } from './clock.ts';
import { checkDisk, type DiskFacts } from './disk.ts';
import { type Finding, fault, ok, type Roots, SYSTEM, warning } from './finding.ts';
import { checkMemory } from './memory.ts';
import { checkNetwork, type NetworkFacts } from './network.ts';
import { checkPermissions } from './permissions.ts';
import { checkPorts } from './ports.ts';
import { checkWeak, inlineSecrets } from './weak.ts';
import { checkWifi, type WifiFacts } from './wifi.ts';

/** What of the status of a running gateway is used. */
export interface RunningFacts {
  readonly process: { readonly pid: number };
  readonly gateway: { readonly uptime: number };
  readonly log: { readonly commits: number; readonly faults: readonly string[] };
  readonly forwarders: NonNullable<NetworkFacts['forwarders']>;
}

export interface DoctorOptions {
  readonly configFile: string;
  /** The configuration, or the last good one. */
  readonly config: GatewayConfig;
  /** Faults of the configuration file, in words. */
  readonly faults: readonly string[];
  /** The running gateway; undefined: none runs, or it does not answer. */
  readonly running: RunningFacts | undefined;
  /** UTC milliseconds of the system clock. */
  readonly now: number;
  readonly roots?: Roots;
  readonly probes?: ClockProbes;
  readonly device?: string;
  readonly run?: DiskFacts['run'];
  readonly interfaces?: NetworkFacts['interfaces'];
  readonly within?: number;
  readonly wifi?: WifiFacts;
}

export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { configFile, config, faults, running, now, roots = SYSTEM, probes = systemProbes, within, interfaces } = options;
  const { stateDir } = config.gateway;
  const raw = readYamlFile(configFile).value;
  const beside = filesBeside(configFile, raw).map((name) => path.join(path.dirname(path.resolve(configFile)), name));
  const run = options.run ?? ((program: string, ...args: readonly string[]) => probes.run(program, ...args));
  return [
    ...configFindings(configFile, faults),
    ...runningFindings(running),
    ...(await checkPorts({ config, roots, pid: running?.process.pid })),
    ...checkPermissions({ configFile, stateDir, beside, inline: inlineSecrets(raw).length > 0 }),
    ...(await checkClock(now, roots, probes)),
    ...(await checkDisk({
      ...{ stateDir, roots, run, minFree: config.buffer.minFree },
      ...(options.device === undefined ? {} : { device: options.device }),
      ...(running && { gateway: { pid: running.process.pid, uptime: running.gateway.uptime, commits: running.log.commits } }),
    })),
    ...checkMemory(roots),
    ...(await checkNetwork({
      ...{ config, roots, forwarders: running?.forwarders },
      ...(within === undefined ? {} : { within }),
      ...(interfaces === undefined ? {} : { interfaces }),
    })),
    ...(options.wifi === undefined ? [] : checkWifi(options.wifi, roots)),
    ...checkWeak({ config, raw, now }),
  ];
}

function configFindings(file: string, faults: readonly string[]): Finding[] {
  if (faults.length === 0) return [ok('configuration', 'valid', `${file} is valid.`)];
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return [
    fault(
      'configuration',
      'broken',
      `${file} is broken: ${faults[0]}${more}`,
      'Correct it, then run "sluice check" and "sluice reload".',
    ),
  ];
}

function runningFindings(running: RunningFacts | undefined): Finding[] {
  if (running === undefined)
    return [
      warning(
        'configuration',
        'not-running',
        'No gateway runs with this configuration.',
        'sudo systemctl start sluice, then journalctl -u sluice says why it ends.',
      ),
    ];
  return [
    ok('configuration', 'running', 'The gateway runs.'),
    ...running.log.faults.map((text) =>
      fault('disk', 'log-fault', `The log: ${text}`, 'Make room on the disk, or exchange a disk with faults.'),
    ),
  ];
}

/** Whether a person has to do something. */
export const isSick = (findings: readonly Finding[]): boolean =>
  findings.some(({ level }) => level === 'warning' || level === 'fault');
