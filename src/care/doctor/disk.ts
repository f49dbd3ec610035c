/**
 * The disk of the log: space, whether it takes writes, what it says of its wear, and how much is written to it. Sources: eMMC shows
 * `life_time` and `pre_eol_info` (JESD84-B51, EXT_CSD 267 to 269) in /sys; SSDs show theirs through smartctl; SD cards show none.
 */
import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { diskOf } from '../../boards/disk-of.ts';
import { formatSize } from '../../core/units.ts';
import { type Finding, fault, ok, type Roots, unknown, warning } from './finding.ts';

const SECTOR = 512;
const DAY = 86_400;
/** A card that is written to more in a day lives for months, not years. Bytes: 1 % of a card of 32 GB that bears 3,000 cycles in ten years. */
const MUCH_A_DAY = 8 * 1024 ** 3;

export interface DiskFacts {
  readonly stateDir: string;
  readonly roots: Roots;
  /** `buffer.minFree`, bytes. */
  readonly minFree: number;
  /** major:minor of the file system; tests give one. */
  readonly device?: string | undefined;
  /** Standard output of a program; undefined where it is not there or fails. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string | undefined>;
  /** The process of the running gateway, and how long it runs in seconds. */
  readonly gateway?: { readonly pid: number; readonly uptime: number; readonly commits: number } | undefined;
}

export async function checkDisk(facts: DiskFacts): Promise<Finding[]> {
  return [...spaceFindings(facts), ...(await wearFindings(facts)), ...writeFindings(facts)];
}

/** The floor that the gateway keeps free (store/archive/tiers.ts). */
export function floorOf(minFree: number, size: number): number {
  return Math.min(minFree, size / 10);
}

function spaceFindings({ stateDir, minFree, roots }: DiskFacts): Finding[] {
  const folder = existsSync(stateDir) ? stateDir : path.dirname(stateDir);
  let space: { bavail: number; blocks: number; bsize: number; ffree: number; files: number };
  try {
    space = statfsSync(folder);
  } catch {
    return [unknown('disk', 'space', `The disk of ${stateDir} does not say how much room it has.`)];
  }
  const { bavail, blocks, bsize, ffree, files } = space;
  const findings: Finding[] = [];
  const free = bavail * bsize;
  const floor = floorOf(minFree, blocks * bsize);
  const words = `${formatSize(free)} of ${formatSize(blocks * bsize)} are free on the disk of ${stateDir}`;
  if (free < floor / 4)
    findings.push(
      fault(
        'disk',
        'disk-full',
        `${words}. The gateway wants to leave ${formatSize(floor)} free.`,
        'Remove files of other programs: du -xh / | sort -h | tail. The log has shrunk as far as it can.',
      ),
    );
  else if (free < floor)
    findings.push(
      warning(
        'disk',
        'disk-low',
        `${words}. The log shrinks to leave ${formatSize(floor)} free.`,
        'Remove files of other programs, or take a larger disk.',
      ),
    );
  else findings.push(ok('disk', 'space', `${words}.`));
  if (files > 0 && ffree < files / 100)
    findings.push(
      warning(
        'disk',
        'few-files',
        `The disk of ${stateDir} can hold only ${ffree} more files.`,
        'Remove small files of other programs.',
      ),
    );
  const mount = mountOf(folder, roots);
  if (mount?.type === 'tmpfs')
    findings.push(
      fault(
        'disk',
        'in-memory',
        `The log in ${stateDir} is in memory: a restart of the board loses it.`,
        'An image does so when the partition with the state cannot be used. Look at dmesg, make a backup, and take a new card.',
      ),
    );
  if (mount?.isReadOnly === true)
    findings.push(
      fault(
        'disk',
        'read-only',
        `The disk of ${stateDir} is read-only.`,
        'A disk becomes read-only after faults. Look at dmesg, make a backup, and take a new card.',
      ),
    );
  return findings;
}

function mountOf(folder: string, roots: Roots): { readonly type: string; readonly isReadOnly: boolean } | undefined {
  try {
    const real = realpathSync(folder);
    const mounts = readFileSync(path.join(roots.proc, 'mounts'), 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    const inside = mounts.filter(
      ([, point = '']) => real === point || real.startsWith(point.endsWith('/') ? point : `${point}/`),
    );
    const [, , type = '', options = ''] = inside.sort(([, a = ''], [, b = '']) => a.length - b.length).at(-1) ?? [];
    return { type, isReadOnly: options.split(',')[0] === 'ro' };
  } catch {
    return undefined;
  }
}

function word(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function wearFindings(facts: DiskFacts): Promise<Finding[]> {
  const disk = diskOf(facts.stateDir, facts.roots.sys, facts.device);
  if (disk === undefined)
    return [unknown('disk', 'wear', 'The system does not say on which disk the log is, so its wear is unknown.')];
  const life = word(path.join(disk.folder, 'device', 'life_time'));
  if (life !== undefined) return [emmc(disk.name, life, word(path.join(disk.folder, 'device', 'pre_eol_info')))];
  if (word(path.join(disk.folder, 'device', 'type')) === 'SD')
    return [
      unknown(
        'disk',
        'wear',
        `${disk.name} is an SD card. SD cards do not say how worn they are: change it as a precaution, and keep a backup.`,
      ),
    ];
  const report = await facts.run('smartctl', '-j', '-H', '-A', `/dev/${disk.name}`);
  return [
    report === undefined
      ? unknown(
          'disk',
          'wear',
          `${disk.name} does not say how worn it is here. With smartctl (package smartmontools) and root an SSD does.`,
        )
      : smart(disk.name, report),
  ];
}

/** 0x01 is up to 10 % of the life used, 0x0a up to 100 %, 0x0b more. */
function emmc(name: string, life: string, endOfLife: string | undefined): Finding {
  const parts = life
    .split(/\s+/)
    .map((text) => Number(text))
    .filter((n) => n >= 1 && n <= 11);
  if (parts.length === 0) return unknown('disk', 'wear', `The eMMC ${name} does not say how worn it is.`);
  const worst = Math.max(...parts);
  const used = worst > 10 ? 'more than all' : `at most ${worst * 10} %`;
  const text = `The eMMC ${name} has used ${used} of its life.`;
  const remedy = 'Make a backup now (sluice backup --with-log), and exchange the board or its card.';
  const reserve = Number(endOfLife ?? '0x01');
  if (worst > 10 || reserve === 3)
    return fault('disk', 'disk-worn', `${text}${reserve === 3 ? ' Its spare blocks are nearly gone.' : ''}`, remedy);
  if (worst >= 9 || reserve === 2)
    return warning('disk', 'disk-wearing', `${text}${reserve === 2 ? ' Most of its spare blocks are used.' : ''}`, remedy);
  return ok('disk', 'wear', text);
}

function smart(name: string, report: string): Finding {
  const remedy = 'Make a backup now (sluice backup --with-log), and exchange the disk.';
  let found: { smart_status?: { passed?: unknown }; nvme_smart_health_information_log?: { percentage_used?: unknown } };
  try {
    const parsed: unknown = JSON.parse(report);
    if (typeof parsed !== 'object' || parsed === null) throw new Error('no object');
    found = parsed;
  } catch {
    return unknown('disk', 'wear', `smartctl says nothing about ${name}.`);
  }
  const used = found.nvme_smart_health_information_log?.percentage_used;
  if (found.smart_status?.passed === false)
    return fault('disk', 'disk-failing', `${name} says that it is about to fail.`, remedy);
  if (typeof used === 'number' && used >= 90)
    return warning('disk', 'disk-wearing', `${name} has used ${used} % of its life.`, remedy);
  if (found.smart_status?.passed !== true) return unknown('disk', 'wear', `smartctl says nothing about the health of ${name}.`);
  return ok(
    'disk',
    'wear',
    `${name} says that it is healthy${typeof used === 'number' ? `; ${used} % of its life are used` : ''}.`,
  );
}

/** What the disk took since the machine started, and what the gateway wrote of it. */
function writeFindings(facts: DiskFacts): Finding[] {
  const { roots, gateway } = facts;
  const findings: Finding[] = [];
  const disk = diskOf(facts.stateDir, facts.roots.sys, facts.device);
  const up = Number(word(path.join(roots.proc, 'uptime'))?.split(' ')[0]);
  const sectors = Number(disk && word(path.join(disk.folder, 'stat'))?.split(/\s+/)[6]);
  if (disk !== undefined && Number.isFinite(sectors) && up > 600) {
    const daily = (sectors * SECTOR * DAY) / up;
    const text = `All programs write about ${formatSize(daily)} a day to ${disk.name}.`;
    findings.push(
      daily > MUCH_A_DAY && !(disk.name.startsWith('sd') || disk.name.startsWith('nvme'))
        ? warning(
            'disk',
            'much-written',
            `${text} A card does not last for years with that.`,
            'Find the program with iotop or pidstat -d. For the gateway, a longer buffer.commitEvery and report: write less.',
          )
        : ok('disk', 'written', text),
    );
  }
  const own = gateway && Number(/^write_bytes: (\d+)$/m.exec(word(path.join(roots.proc, String(gateway.pid), 'io')) ?? '')?.[1]);
  if (gateway !== undefined && gateway.uptime > 600) {
    const commits = Math.round((gateway.commits * DAY) / gateway.uptime);
    const bytes = own === undefined || Number.isNaN(own) ? '' : `, ${formatSize((own * DAY) / gateway.uptime)}`;
    findings.push(ok('disk', 'gateway-written', `The gateway writes ${commits} commits a day${bytes}.`));
  }
  return findings;
}
