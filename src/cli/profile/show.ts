/** `sluice profile show NAME`: what a profile brings, and how a configuration names it. */
import { formatFault } from '../../config/fault.ts';
import { SluiceError } from '../../core/errors.ts';
import { profileFolders } from './list.ts';
import { resolveProfile } from './resolve.ts';

type Settings = Readonly<Record<string, unknown>>;

/** @throws SluiceError not-found, config-invalid */
export function profileShow(name: string, options: { config: string; json?: boolean }): void {
  const { profile, device, line, faults, missing } = resolveProfile(name, profileFolders(options.config));
  if (missing !== undefined) throw new SluiceError('not-found', missing);
  if (profile === undefined || device === undefined) throw new SluiceError('config-invalid', faults.map(formatFault).join('\n'));
  const { info, family, file } = profile;
  if (options.json) {
    const { settings, points } = device;
    const { vendor, model, title, sources, notes } = info;
    const about = { name: profile.name, vendor, model, title, family, file, sources, notes, line };
    process.stdout.write(`${JSON.stringify({ ...about, device: settings, points: Object.fromEntries(points) })}\n`);
    return;
  }
  const pairs = (settings: Settings) => Object.entries(settings).map(([key, value]) => `${key} ${String(value)}`);
  const width = Math.max(...[...device.points.keys()].map((point) => point.length));
  const unitWidth = Math.max(...[...device.points.values()].map(({ unit }) => String(unit ?? '').length));
  const lines = [
    `${profile.name}: ${info.vendor} ${info.model}, ${info.title}`,
    '',
    ...(info.notes === undefined ? [] : [...wrapped(info.notes), '']),
    ...(Object.keys(line).length === 0 ? [] : [`As delivered: ${pairs(line).join(', ')}`, '']),
    ...[...device.points].map(([point, settings]) =>
      `  ${point.padEnd(width)}  ${String(settings.unit ?? '').padEnd(unitWidth)}  ${placeWords(settings)}`.trimEnd(),
    ),
    '',
    'Sources',
    ...info.sources.map((source) => `  - ${source}`),
    '',
    `In a configuration: {bus: NAME OF THE BUS, ${'unit' in device.settings ? 'unit: 1, ' : 'topic' in device.settings ? 'topic: TOPIC OF THE DEVICE, ' : ''}profile: ${profile.name}}`,
    `File: ${file}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Where the value of a point comes from. */
function placeWords({ table, address, type, order, bit, from, scale, offset }: Settings): string {
  const place =
    table === undefined
      ? from === undefined
        ? []
        : [`from ${String(from)}`]
      : [`${String(table)} ${String(address)}`, String(type)];
  const more = [
    ...(order === undefined ? [] : [String(order)]),
    ...(bit === undefined ? [] : [`bit ${String(bit)}`]),
    ...(scale === undefined ? [] : [`× ${String(scale)}`]),
    ...(offset === undefined ? [] : [`+ ${String(offset)}`]),
  ];
  return [place.join(' '), ...more].filter((word) => word !== '').join(' ');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 100) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
