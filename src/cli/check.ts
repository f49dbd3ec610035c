import { formatFault } from '../config/fault.ts';
import { readConfig } from './config-file.ts';

export async function check(file: string, options: { json?: boolean }): Promise<void> {
  const { config, faults, warnings } = readConfig(file);
  if (config === undefined) process.exitCode = 78;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ valid: config !== undefined, faults, warnings })}\n`);
    return;
  }
  for (const fault of faults) process.stderr.write(`${formatFault(fault)}\n`);
  for (const warning of warnings) process.stderr.write(`${formatFault(warning)} (warning)\n`);
  if (config === undefined) {
    process.stderr.write(`${faults.length === 1 ? 'One fault' : `${faults.length} faults`}; a gateway would refuse it.\n`);
    return;
  }
  const points = [...config.devices.values()].reduce((sum, d) => sum + d.points.size, 0);
  process.stdout.write(
    `${file} is valid: ${count(config.buses.size, 'bus', 'buses')}, ${count(config.devices.size, 'device')}, ${count(points, 'point')}, ${count(config.rules.size, 'rule')}, ${count(config.forwarders.size, 'forwarder')}.\n`,
  );
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
