/**
 * Whether somebody keeps the system clock right, and whether it is right yet. Asked through probes, so that a test can
 * be any machine. Sources: systemd-timesyncd(8) (/run/systemd/timesync/synchronized), chronyc(1) (`-c tracking`, last
 * field), timedatectl(1) (NTPSynchronized, from the kernel's STA_UNSYNC), ntpq(8) (leap of `rv 0`: 11 is "alarm").
 */

/** How the machine is asked. None of them throws. */
export interface ClockProbes {
  exists(path: string): boolean;
  /** Names of the processes that can be seen, as the kernel cuts them (15 characters). */
  processes(): readonly string[];
  /** Standard output of a program; undefined when it is not there, fails or takes longer than its time limit. */
  run(program: string, ...args: readonly string[]): Promise<string | undefined>;
}

export interface TimeService {
  /** For people; undefined: no time service runs. */
  readonly name: string | undefined;
  readonly synchronised: boolean;
  /** Why it is not, in words. */
  readonly why?: string | undefined;
}

const units = (...names: readonly string[]): string[] => names.map((name) => `/sys/fs/cgroup/system.slice/${name}.service`);
/** The signs of a running service. Under a sandbox processes cannot be seen, control groups can. */
const SIGNS = {
  timesyncd: { paths: ['/run/systemd/timesync', ...units('systemd-timesyncd')], processes: ['systemd-timesyn'] },
  chrony: { paths: ['/run/chrony', '/run/chronyd.pid', ...units('chrony', 'chronyd')], processes: ['chronyd'] },
  other: {
    paths: [
      '/run/ntpd.pid',
      '/run/ntp.pid',
      '/run/openntpd',
      ...units('ntp', 'ntpd', 'ntpsec', 'openntpd', 'ntpd-rs', 'ntpd-rs-metrics'),
    ],
    processes: ['ntpd', 'openntpd', 'ntp-daemon', 'ntpd-rs'],
  },
} as const;

/** Every fault becomes an answer; it does not reject. */
export async function timeService(probes: ClockProbes): Promise<TimeService> {
  const processes = probes.processes();
  const runs = (sign: (typeof SIGNS)[keyof typeof SIGNS]): boolean =>
    sign.paths.some((path) => probes.exists(path)) || sign.processes.some((name) => processes.includes(name));
  if (runs(SIGNS.chrony)) return chrony(probes);
  if (runs(SIGNS.other)) return other(probes);
  if (!runs(SIGNS.timesyncd)) return { name: undefined, synchronised: false };
  const name = 'systemd-timesyncd';
  if (probes.exists('/run/systemd/timesync/synchronized')) return { name, synchronised: true };
  return { name, synchronised: false, why: 'it has not reached a time server yet' };
}

async function chrony(probes: ClockProbes): Promise<TimeService> {
  const name = 'chrony';
  const answer = (await probes.run('chronyc', '-c', 'tracking'))?.trim().split(',');
  // Reference, its name, stratum, …, leap status: 14 fields.
  if (answer === undefined || answer.length < 14) {
    const kernel = await byKernel(probes);
    if (kernel === true) return { name, synchronised: true };
    return { name, synchronised: false, why: 'chronyc does not answer: install it, or let the user of the gateway run it' };
  }
  const [reference] = answer;
  if (answer[13] === 'Not synchronised' || reference === '00000000')
    return { name, synchronised: false, why: 'it has not reached a time server yet' };
  // 127.127.1.1: with `local` chrony serves its own clock as if it were right.
  if (reference === '7F7F0101') return { name, synchronised: false, why: 'it gives only the clock of this board (`local`)' };
  return { name, synchronised: true };
}

async function other(probes: ClockProbes): Promise<TimeService> {
  const name = 'ntp';
  const why = 'it has not reached a time server yet';
  const kernel = await byKernel(probes);
  if (kernel !== undefined) return { name, synchronised: kernel, why: kernel ? undefined : why };
  const leap = /leap=(?:leap_)?(\w+)/.exec((await probes.run('ntpq', '-c', 'rv 0 leap')) ?? '')?.[1];
  if (leap === undefined) return { name, synchronised: false, why: 'neither timedatectl nor ntpq answers: install one of them' };
  const synchronised = leap !== '11' && leap !== 'alarm';
  return { name, synchronised, why: synchronised ? undefined : why };
}

/** The clock state that the kernel was given, as systemd shows it. */
async function byKernel(probes: ClockProbes): Promise<boolean | undefined> {
  const said = (await probes.run('timedatectl', 'show', '-p', 'NTPSynchronized'))?.trim();
  return said === 'NTPSynchronized=yes' ? true : said === 'NTPSynchronized=no' ? false : undefined;
}
