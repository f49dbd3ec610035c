/** Serial ports of the configuration, and GPIO chips that switch their transceivers: whether each is there, who holds it, and whether this user may
 * open it. Nothing is opened. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { type GpioLine, gpioLineOf } from '../../config/gpio-line.ts';
import type { GatewayConfig } from '../../config/kinds.ts';
import { type Holders, portHolders } from '../../drivers/serial-ports.ts';
import { type Finding, fault, ok, type Roots, warning } from './finding.ts';

export interface PortFacts {
  readonly config: GatewayConfig;
  readonly roots: Roots;
  /** The process of the running gateway; undefined: none runs. */
  readonly pid: number | undefined;
  readonly holders?: (port: string, roots: Roots) => Promise<Holders>;
}

export async function checkPorts({ config, roots, pid, holders = portHolders }: PortFacts): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, settings } of config.buses.values()) {
    const { port } = settings;
    if (typeof port !== 'string') continue;
    findings.push(...checkChip(name, gpioLineOf(settings)));
    if (!existsSync(port)) {
      findings.push(
        fault(
          ...(['ports', 'port-missing', `Bus ${name}: there is no port ${port}.`] as const),
          'Plug the adapter in. ls -l /dev/serial/by-id shows the ports that are there, by names that stay.',
        ),
      );
      continue;
    }
    const found = await holders(port, roots);
    const others = found.programs.filter((program) => program.pid !== pid && program.pid !== process.pid);
    const holder = others[0];
    if (holder !== undefined)
      findings.push(
        fault(
          ...(['ports', 'port-busy', `Bus ${name}: ${holder.name} (process ${holder.pid}) has ${port} open.`] as const),
          `Stop that program: kill ${holder.pid}. For ModemManager: systemctl disable --now ModemManager.`,
        ),
      );
    else if (!mayOpen(port))
      findings.push(
        fault(
          ...(['ports', 'port-forbidden', `Bus ${name}: this user may not open ${port}.`] as const),
          'Run this command as the user of the gateway. If that user may not either: usermod -aG dialout sluice.',
        ),
      );
    else if (pid !== undefined && found.programs.length === 0 && !found.hidden)
      findings.push(
        warning(
          ...(['ports', 'port-not-used', `Bus ${name}: the gateway runs and does not have ${port} open.`] as const),
          'Look at "sluice status": it says why.',
        ),
      );
    else findings.push(ok('ports', 'port', `Bus ${name}: ${port} is there${pid === undefined ? ' and free' : ''}.`));
  }
  return findings;
}

/** The chip whose line switches a transceiver. Whether the line is free shows only when it is taken: "sluice status" says so. */
function checkChip(bus: string, line: GpioLine | undefined): Finding[] {
  if (line === undefined) return [];
  const { gpio } = line;
  if (!existsSync(gpio))
    return [
      fault(
        ...(['ports', 'gpio-missing', `Bus ${bus}: there is no GPIO chip ${gpio}, which switches the transceiver.`] as const),
        'ls /dev/gpiochip* shows the chips that are there, and gpioinfo their lines.',
      ),
    ];
  if (!mayOpen(gpio))
    return [
      fault(
        ...(['ports', 'gpio-forbidden', `Bus ${bus}: this user may not open the GPIO chip ${gpio}.`] as const),
        'Run this command as the user of the gateway. If that user may not either: usermod -aG gpio sluice.',
      ),
    ];
  return [ok('ports', 'gpio', `Bus ${bus}: the GPIO chip ${gpio} is there, and its line ${line.line} switches the transceiver.`)];
}

function mayOpen(port: string): boolean {
  try {
    accessSync(port, constants.R_OK | constants.W_OK);
    return statSync(port) !== undefined;
  } catch {
    return false;
  }
}
