/**
 * Bytes of the packages for Debian, as they are sent and as they are installed, and the exposure of the service. Load does not change
 * these figures. `npm run bench:packages`; with SLUICE_BENCH_FAST=1 they are packed quickly, and larger.
 */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { makePackages } from '../scripts/package.ts';
import { VERSION } from '../src/core/version.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { Workspace } from './lib/workspace.ts';

const ROOT = path.join(import.meta.dirname, '..');
const MB = 1e6;

await Workspace.use((space) => {
  printConditions('Packages for Debian');
  const made = makePackages({
    out: path.join(space.folder, 'packages'),
    architectures: ['arm64', 'amd64'],
    version: VERSION,
    fast: process.env.SLUICE_BENCH_FAST === '1',
  });
  const field = (file: string, name: string): string => execFileSync('dpkg-deb', ['--field', file, name], { encoding: 'utf8' });
  printTable([
    ['package', 'processor', 'bytes of the .deb', 'MB', 'installed, MB'],
    ...made
      .filter((file) => file.endsWith('.deb'))
      .map((file) => [
        field(file, 'Package').trim(),
        field(file, 'Architecture').trim(),
        statSync(file).size,
        (statSync(file).size / MB).toFixed(1),
        ((Number(field(file, 'Installed-Size')) * 1024) / MB).toFixed(1),
      ]),
  ]);
  const services = ['sluice', 'sluice-node-red', 'sluice-hook@', 'sluice-provision', 'sluice-status-file'];
  const exposure = services.map((name) => {
    const unit = path.join(ROOT, 'systemd', `${name}.service`);
    const words = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], { encoding: 'utf8' });
    return [`${name}.service`, /: (\d+\.\d+) /.exec(words.slice(words.indexOf('Overall exposure')))?.[1] ?? 'unknown'];
  });
  printTable([['unit', 'exposure (0 to 10)'], ...exposure]);
  return Promise.resolve();
});
