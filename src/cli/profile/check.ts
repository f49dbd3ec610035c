/** `sluice profile check FILE`: a profile against the schema, the habits of the library, and its golden case. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Fault } from '../../config/fault.ts';
import { formatFault, inFileOrder } from '../../config/fault.ts';
import { readProfileCases } from '../../config/profile-case.ts';
import { PROFILES } from '../config-file.ts';
import { count } from '../words.ts';
import { lintProfile } from './lint.ts';
import { resolveProfile } from './resolve.ts';
import { runCase } from './run-case.ts';

export interface ProfileReport {
  readonly name: string;
  /** A gateway would take it. */
  readonly valid: boolean;
  readonly points: number;
  /** The file with the cases; absent when there is none. */
  readonly cases?: string | undefined;
  readonly caseCount: number;
  readonly faults: readonly Fault[];
}

export function checkProfile(file: string, caseFile = caseOf(file), dirs: readonly string[] = [PROFILES]): ProfileReport {
  const { profile, device, faults } = resolveProfile(file, dirs);
  const name = path.basename(file, '.yaml');
  if (profile === undefined || device === undefined) return { name, valid: false, points: 0, caseCount: 0, faults };
  const points = device.points.size;
  const found = caseFile === undefined ? undefined : readProfileCases(caseFile);
  const all: Fault[] = [...lintProfile(profile, device, found?.cases), ...(found?.faults ?? [])];
  if (found === undefined)
    all.push(
      profile.source.fault(
        [],
        `there is no case: write ${name}.case.yaml beside it (bytes of the device, and what the documentation says they are)`,
      ),
    );
  for (const [i, written] of found?.cases?.cases.entries() ?? [])
    for (const wrong of runCase(device, written))
      all.push(found?.source.fault(['cases', i, ...wrong.path], `${written.name}: ${wrong.message}`) as Fault);
  if (found?.cases !== undefined && found.cases.profile !== name)
    all.push(found.source.fault(['profile'], `this case is of the profile ${found.cases.profile}, not of ${name}`));
  const sorted = inFileOrder(all, [profile.file, caseFile ?? '']);
  return { name, valid: true, points, cases: caseFile, caseCount: found?.cases?.cases.length ?? 0, faults: sorted };
}

/** Beside the profile, or where the source tree keeps the cases of the library. */
export function caseOf(file: string): string | undefined {
  const folder = path.dirname(file);
  const name = path.basename(file, '.yaml');
  const tree = path.join(folder, '../../../test/cases/profiles', `${path.basename(path.resolve(folder))}-${name}`, 'case.yaml');
  return [path.join(folder, `${name}.case.yaml`), tree].find((candidate) => existsSync(candidate));
}

/** Exit status: 0 all is well, 1 it has faults, 78 a gateway would refuse it. */
export function profileCheck(file: string, options: { case?: string; json?: boolean }): void {
  const report = checkProfile(file, options.case);
  if (!report.valid) process.exitCode = 78;
  else if (report.faults.length > 0) process.exitCode = 1;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  for (const fault of report.faults) process.stderr.write(`${formatFault(fault)}\n`);
  if (report.faults.length === 0)
    process.stdout.write(
      `${file} is good: ${count(report.points, 'point')}, ${count(report.caseCount, 'case')} of ${report.cases}.\n`,
    );
  else process.stderr.write(`${count(report.faults.length, 'fault')}${report.valid ? '' : '; a gateway would refuse it'}.\n`);
}
