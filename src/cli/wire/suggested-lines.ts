/** The lines of a configuration that read a device which a scan has found. Only what `sluice check` takes is suggested. */
import type { ResolvedBus } from '../../config/kinds.ts';
import { loadConfigText } from '../../config/load.ts';
import { formatDuration } from '../../core/units.ts';
import { kinds } from '../../gateway/registry.ts';
import { PROFILES } from '../config-file.ts';
import { isSerial } from './wire.ts';

/** The name of a bus that no configuration has. */
const FIELD = 'field';

interface Readable {
  readonly unit: number;
  /** ms */
  readonly latency: number | null;
  readonly profile: string;
}

/**
 * @param line settings with which it was found, where others than those of the bus were tried
 * @param taken names of devices that exist; undefined: the bus is in no configuration, and is written as well
 * @returns nothing where no configuration can have it
 */
export function suggestedLines(
  bus: ResolvedBus,
  line: object,
  { unit: unitId, latency, profile }: Readable,
  taken: ReadonlySet<string> | undefined,
): string[] {
  const settings = { ...bus.settings, ...line } as Readonly<Record<string, unknown>>;
  const name = freeName(`${profile}-${unitId}`, taken ?? new Set());
  const slow = latency === null || 2 * latency <= Number(settings.timeout) ? undefined : Math.ceil((2 * latency) / 1000) * 1000;
  const device = (of: string) =>
    `  ${name}: {bus: ${of}, unit: ${unitId}, profile: ${profile}${slow === undefined ? '' : `, timeout: ${formatDuration(slow)}`}}`;
  const keys = isSerial(bus) ? ['port', 'baudRate', 'parity'] : ['host', 'port'];
  const written = keys.map((key) => `${key}: ${scalar(settings[key])}`).join(', ');
  const whole = ['buses:', `  ${FIELD}: {protocol: ${bus.protocol}, ${written}}`, 'devices:', device(FIELD)];
  const text = ['gateway: {id: scan, stateDir: /tmp}', ...whole].join('\n');
  const options = { profileDirs: [PROFILES], readSecrets: false };
  if (loadConfigText(text, 'scan.yaml', kinds, options).config === undefined) return [];
  if (taken === undefined) return ['To read it, write:', ...whole];
  const changed = Object.entries(line).filter(([key, value]) => bus.settings[key] !== value);
  const also = changed.map(([key, value]) => `${key}: ${scalar(value)}`).join(' and ');
  return [`To read it, write ${also === '' ? '' : `${also} under buses: ${bus.name}, and `}under devices:`, device(bus.name)];
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  return name;
}

function scalar(value: unknown): string {
  const text = String(value);
  return /^\d+$|^[a-z/][\w./-]*$/i.test(text) ? text : JSON.stringify(text);
}
