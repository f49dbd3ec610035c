/** `sluice doctor`. */
import { request } from '../../admin/client.ts';
import { examine, isSick, type RunningFacts } from '../../care/doctor/doctor.ts';
import { AREAS, type Finding, type Level } from '../../care/doctor/finding.ts';
import { formatFault } from '../../config/fault.ts';
import { SluiceError } from '../../core/errors.ts';
import { readApplied } from '../../provisioning/record.ts';
import { wifiWay } from '../../provisioning/wifi.ts';
import { refusedWords } from '../config-file.ts';
import { lookInForce } from '../in-force.ts';
import { nobodyRuns, paint, type RunningOptions, socketOf } from '../running.ts';
import { clean } from '../terminal/clean.ts';
import { count } from '../words.ts';

export async function doctor(options: RunningOptions): Promise<void> {
  const findings = await findingsOf(options);
  if (isSick(findings)) process.exitCode = 1;
  process.stdout.write(options.json ? `${JSON.stringify({ healthy: !isSick(findings), findings })}\n` : doctorText(findings));
}

/** @throws SluiceError config-invalid: there is nothing to examine */
export async function findingsOf(options: RunningOptions): Promise<Finding[]> {
  const { config, faults } = lookInForce(options.config, { readSecrets: true });
  if (config === undefined) throw new SluiceError('config-invalid', refusedWords(faults));
  return examine({
    ...{ configFile: options.config, config, faults: faults.map(formatFault), now: Date.now() },
    running: await runningOf(options),
    wifi: { asked: readApplied(config.gateway.stateDir)?.wifi === true, able: wifiWay('/') !== undefined },
  });
}

async function runningOf(options: RunningOptions): Promise<RunningFacts | undefined> {
  try {
    return (await request(socketOf(options), 'GET', '/api/v1/status')) as RunningFacts;
  } catch (thrown) {
    if (nobodyRuns(thrown) || (thrown instanceof SluiceError && thrown.code === 'not-running')) return undefined;
    throw thrown;
  }
}

const SIGNS: Readonly<Record<Level, string>> = {
  ok: paint(32, 'ok     '),
  unknown: paint(2, 'unknown'),
  warning: paint(33, 'warning'),
  fault: paint(31, 'fault  '),
};

export function doctorText(findings: readonly Finding[]): string {
  const lines = AREAS.flatMap((area) => {
    const found = findings.filter((finding) => finding.area === area);
    return found.length === 0
      ? []
      : [
          paint(1, area),
          ...found.flatMap(({ level, text, remedy }) => [
            `  ${SIGNS[level]}  ${clean(text)}`,
            ...(remedy === undefined ? [] : [`           do: ${clean(remedy)}`]),
          ]),
        ];
  });
  const wrong = findings.filter(({ level }) => level === 'warning' || level === 'fault').length;
  const verdict =
    wrong === 0 ? paint(32, 'Nothing is wrong.') : paint(31, count(wrong, 'thing is to be done.', 'things are to be done.'));
  return `${[...lines, verdict].join('\n')}\n`;
}
