/** `sluice profile list`: the device library, and the profiles beside the configuration. */
import path from 'node:path';
import { ProfileLibrary } from '../../config/profiles.ts';
import { kinds } from '../../gateway/registry.ts';
import { PROFILES } from '../config-file.ts';
import { count } from '../words.ts';

export function profileList(options: { config: string; json?: boolean }): void {
  const library = new ProfileLibrary(profileFolders(options.config), kinds);
  const entries = library.names().map((name) => {
    const found = library.get(name);
    if (!('profile' in found)) return { name, broken: library.filesOf(name) };
    const { info, family, file, points } = found.profile;
    const { vendor, model, title } = info;
    return { name, vendor, model, title, family, points: points.size, file };
  });
  if (entries.some((entry) => 'broken' in entry)) process.exitCode = 1;
  if (options.json) {
    process.stdout.write(`${JSON.stringify(entries)}\n`);
    return;
  }
  const rows = entries.map((entry) =>
    'broken' in entry
      ? [entry.name, 'cannot be used', `sluice profile check ${entry.broken?.[0]}`]
      : [entry.name, `${entry.vendor} ${entry.model}`, `${entry.title}: ${entry.family}, ${count(entry.points, 'point')}`],
  );
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  for (const [name = '', model = '', title = ''] of rows)
    process.stdout.write(`${name.padEnd(widths[0] ?? 0)}  ${model.padEnd(widths[1] ?? 0)}  ${title}\n`);
}

/** The library, and `profiles/` beside the configuration, be that there or not. */
export function profileFolders(config: string): string[] {
  return [PROFILES, path.join(path.dirname(path.resolve(config)), 'profiles')];
}
