/** A machine as `ClockProbes` sees it: what runs on it is what a test says. */
import type { ClockProbes } from '../../src/time/services.ts';

export class ClockMachine implements ClockProbes {
  readonly paths = new Set<string>();
  names: string[] = [];
  /** Standard output by command line; a program that is not here fails. */
  readonly answers = new Map<string, string>();
  /** Command lines, as they were run. */
  readonly asked: string[] = [];

  exists(path: string): boolean {
    return this.paths.has(path);
  }
  processes(): readonly string[] {
    return this.names;
  }
  async run(program: string, ...args: readonly string[]): Promise<string | undefined> {
    const line = [program, ...args].join(' ');
    this.asked.push(line);
    return this.answers.get(line);
  }

  timesyncd(synchronised: boolean): void {
    this.paths.add('/run/systemd/timesync');
    if (synchronised) this.paths.add('/run/systemd/timesync/synchronized');
    else this.paths.delete('/run/systemd/timesync/synchronized');
  }

  /** chronyd, and what `chronyc -c tracking` says of its reference and leap status. */
  chrony(reference: string, name: string, leap: string): void {
    this.names = ['init', 'chronyd'];
    const numbers = '0.000034,0.000012,0.000020,-4.210,0.001,0.034,0.012,0.001,64.2';
    this.answers.set('chronyc -c tracking', `${reference},${name},3,1803888000.123456789,${numbers},${leap}\n`);
  }
}
