import type { Fault } from '../config/fault.ts';
import { formatFault, inFileOrder } from '../config/fault.ts';
import type { BusBudget } from '../config/kinds.ts';
import type { LoadResult } from '../config/load.ts';
import { missingForHook } from '../control/actions/hooks.ts';
import { aboutDuration, percent } from '../core/units.ts';
import { stableName } from '../drivers/serial-ports.ts';
import { missingParts } from '../node-red/ways.ts';
import { readConfig } from './config-file.ts';
import { count } from './words.ts';

export async function check(file: string, options: { json?: boolean }): Promise<void> {
  const read = readConfig(file);
  const result = {
    ...read,
    warnings: inFileOrder(
      [...read.warnings, ...(await portRemarks(read)), ...(await flowRemarks(read)), ...hookRemarks(read)],
      [file],
    ),
  };
  if (result.config === undefined) process.exitCode = 78;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(checkReport(result))}\n`);
    return;
  }
  const { out, err } = checkText(file, result);
  process.stderr.write(err);
  process.stdout.write(out);
}

/** What `--json` prints: with the whole plan of each bus. Times in milliseconds; `utilisation` 1 is all that a bus carries. */
export function checkReport({ config, faults, warnings, budgets }: LoadResult) {
  const buses = budgets.map(({ bus, wire, requests, cycle, utilisation, ...rest }) => ({
    bus,
    wire,
    requestsPerCycle: requests.length,
    cycle: rounded(cycle, 2),
    utilisation: rounded(utilisation, 4),
    ...rest,
    requests: requests.map((request) => ({ ...request, time: rounded(request.time, 2) })),
    answers: rest.answers.map((answer) => ({ ...answer, time: rounded(answer.time, 2) })),
  }));
  return { valid: config !== undefined, faults, warnings, buses };
}

/** For people: faults and warnings, and what each bus is asked to carry. */
export function checkText(file: string, { config, faults, warnings, budgets }: LoadResult): { out: string; err: string } {
  const lines = [...faults.map(formatFault), ...warnings.map((warning) => `${formatFault(warning)} (warning)`)];
  if (config === undefined)
    lines.push(`${faults.length === 1 ? 'One fault' : `${faults.length} faults`}; a gateway would refuse it.`);
  const err = lines.map((line) => `${line}\n`).join('');
  if (config === undefined) return { out: '', err };
  const points = [...config.devices.values()].reduce((sum, d) => sum + d.points.size, 0);
  const what = `${file} is valid: ${count(config.buses.size, 'bus', 'buses')}, ${count(config.devices.size, 'device')}, ${count(points, 'point')}, ${count(config.rules.size, 'rule')}, ${count(config.forwarders.size, 'forwarder')}.`;
  return { out: [what, ...budgets.flatMap(busLines)].map((line) => `${line}\n`).join(''), err };
}

function busLines({ bus, wire, requests, answers, cycle, utilisation }: BusBudget): string[] {
  const sunspec = [...new Set(requests.filter(({ model }) => model !== undefined).map(({ device }) => device))];
  return [
    `bus      ${bus} (${wire}): ${count(requests.length, 'request')} a cycle, which takes ${aboutDuration(cycle)}; ${percent(utilisation)} of the bus is used`,
    ...answerLines(answers),
    ...(sunspec.length === 0
      ? []
      : [
          `         ${sunspec.join(', ')}: SunSpec; the device itself says which models it has and where; run sluice scan ${bus}`,
        ]),
  ];
}

/** The devices by how long they are counted to take, at most five of a kind by name. */
function answerLines(answers: BusBudget['answers']): string[] {
  const groups = Map.groupBy(answers, ({ time, from }) => `${aboutDuration(time)} (${from})`);
  const words = [...groups].map(([what, of]) => {
    const named = of.slice(0, 5).map(({ device }) => device);
    return `${what} ${[...named, ...(of.length > 5 ? [`${of.length - 5} more`] : [])].join(', ')}`;
  });
  return words.length === 0 ? [] : [`         time until a device answers: ${words.join('; ')}`];
}

/** What this machine lacks for Node-RED. The gateway starts without it, so none of it is a fault. */
export async function flowRemarks({ config, remark }: LoadResult, missing: typeof missingParts = missingParts): Promise<Fault[]> {
  if (config?.nodeRed === undefined) return [];
  return (await missing(config.nodeRed)).map(({ key, message }) => remark(['nodeRed', key], message));
}

/** What this machine lacks for programs of rules. The gateway starts without them. */
export function hookRemarks({ config, remark }: LoadResult, missing: typeof missingForHook = missingForHook): Fault[] {
  return [...(config?.hooks.values() ?? [])].flatMap((hook) => {
    const words = missing(hook);
    return words === undefined ? [] : [remark(['hooks', hook.name, hook.unsafeSameUser ? 'unsafeSameUser' : 'run'], words)];
  });
}

/** What this machine says about the ports: a name that replugging may change, where there is one that stays. */
export async function portRemarks({ config, remark }: LoadResult, find: typeof stableName = stableName): Promise<Fault[]> {
  const remarks: Fault[] = [];
  for (const { name, settings } of config?.buses.values() ?? []) {
    const stable = typeof settings.port === 'string' ? await find(settings.port) : undefined;
    if (stable !== undefined)
      remarks.push(
        remark(
          ['buses', name, 'port'],
          `${String(settings.port)} may have another name after it is plugged in again; this name stays: ${stable}`,
        ),
      );
  }
  return remarks;
}

function rounded(n: number, digits: number): number {
  return Number(n.toFixed(digits));
}
