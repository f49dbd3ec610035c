/** `sluice scan BUS`: which devices are on a wire. It never writes, and a Ctrl-C leaves nothing behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResolvedBus } from '../config/kinds.ts';
import { SluiceError } from '../core/errors.ts';
import { formatDuration, parseDuration } from '../core/units.ts';
import { MODBUS_KINDS } from '../drivers/modbus/kind.ts';
import { validConfig } from './config-file.ts';
import { paint, type RunningOptions } from './running.ts';
import { clean } from './terminal/clean.ts';
import { PatientWire } from './wire/patient-wire.ts';
import { type Found, FULL, QUICK, scanUnits, verdicts } from './wire/scanner.ts';
import { type Candidate, candidates, type Suggestion, suggest, suggestBySunspec } from './wire/suggest.ts';
import { suggestedLines } from './wire/suggested-lines.ts';
import { type AskUnit, chainOf, lookAtSunspec, type SunspecFound, sunspecWords } from './wire/sunspec.ts';
import { busNamed, heardOf, isSerial, openHere, openWire, ownerOf, wireOf } from './wire/wire.ts';

export interface ScanOptions extends RunningOptions {
  readonly full?: boolean;
  readonly units?: string;
  readonly rates?: string;
  readonly parity?: string;
  readonly all?: boolean;
  readonly timeout?: string;
}

/** Milliseconds, the bytes on a serial wire not counted (as Venus OS scans). */
const TIMEOUT = { serial: 100, network: 250 } as const;
/** The most common first. */
const RATES = [9600, 19_200, 4800, 2400, 38_400, 57_600, 115_200] as const;
const PARITIES = ['none', 'even', 'odd'] as const;
/** What became of a request that was sent. */
const ANSWERS: readonly string[] = ['timeout', 'bad-reply'];

interface Recognised extends Found {
  /** Its name in the configuration. */
  readonly device: string | null;
  /** What a SunSpec device says about itself; null for any other. */
  readonly sunspec: SunspecFound | null;
  readonly suggestions: readonly Suggestion[];
  /** Line settings with which it was found, where others than those of the bus were tried. */
  readonly line: object;
}

/** What came of one line: what was found, and units that could not be asked. */
interface LineEnd {
  readonly devices: readonly Recognised[];
  readonly unasked: number;
}

export async function scan(name: string, options: ScanOptions): Promise<void> {
  const { bus, names, taken } = target(name, options);
  const lines = linesOf(bus, options);
  const unitIds = unitsOf(options, [...names.keys()], bus);
  const timeout = timeoutOf(options, bus);
  const swept = options.rates !== undefined || options.parity !== undefined;
  if (swept && taken !== undefined && (await ownerOf(bus.name, options)) !== undefined)
    throw new SluiceError(
      'usage',
      `the running gateway polls ${bus.name} with its own baud rate and parity. To try others stop it first (sudo systemctl stop sluice), scan, and start it again`,
    );
  const cancel = new AbortController();
  const onSignal = () => cancel.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const library = candidates();
  const all: Recognised[] = [];
  let unasked = 0;
  try {
    for (const line of lines) {
      const on = { ...bus, settings: { ...bus.settings, ...line } };
      const open = async () => (taken === undefined ? openHere(on) : openWire(on, options));
      const first = await open();
      const clock = { now: () => performance.now(), sleep: (ms: number) => sleep(ms) };
      const wire = new PatientWire(first, open, clock, cancel.signal);
      try {
        const scan = { units: unitIds, timeout, names, library, options, signal: cancel.signal, line, shared: first.shared };
        const end = await scanLine(on, wire, scan);
        all.push(...end.devices);
        unasked += end.unasked;
      } finally {
        await wire.close();
      }
      if (cancel.signal.aborted || (!options.all && all.some((f) => f.sound > 0))) break;
    }
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
  printEnd(all, { bus, units: unitIds, lines: lines.length, cancelled: cancel.signal.aborted, unasked, taken }, options);
}

interface LineScan {
  readonly units: readonly number[];
  readonly timeout: number;
  readonly names: ReadonlyMap<number, string>;
  readonly library: readonly Candidate[];
  readonly options: ScanOptions;
  readonly signal: AbortSignal;
  readonly line: object;
  /** A running gateway has the wire. */
  readonly shared: boolean;
}

async function scanLine(bus: ResolvedBus, wire: PatientWire, scan: LineScan): Promise<LineEnd> {
  const { units: unitIds, timeout, names, library, options, signal, line, shared } = scan;
  const { label, serial } = wireOf(bus);
  const devices: Recognised[] = [];
  if (options.json) print(JSON.stringify({ type: 'line', bus: bus.name, wire: label, shared, units: unitIds.length }));
  else
    print(
      `${bus.name}: ${label}, ${unitIds.length} ${unitIds.length === 1 ? 'unit' : 'units'}${shared ? ', between the polls of the running gateway' : ''}`,
    );
  const progress = progressLine(label, options);
  const end = await scanUnits(unitIds, {
    ...{ exchange: (look) => wire.exchange(look), timeout, signal, serial },
    sleep: (ms) => sleep(ms),
    progress: progress.show,
    found: async (device) => {
      const ask: AskUnit = (request) => wire.exchange({ unit: device.unit, request, timeout: 2 * timeout, quiet: true });
      const known = device.sound > 0 ? await recognise(library, ask, signal) : { sunspec: null, suggestions: [] };
      const one = { ...device, device: names.get(device.unit) ?? null, ...known, line };
      devices.push(one);
      progress.clear();
      const { line: _, ...shown } = one;
      if (options.json) print(JSON.stringify({ type: 'device', wire: label, ...shown }));
      else print(...deviceLines(one));
    },
  });
  progress.clear();
  for (const warning of verdicts(end, serial))
    print(options.json ? JSON.stringify({ type: 'warning', wire: label, message: warning }) : paint(33, `  ${warning}`));
  return { devices, unasked: [...end.unasked.values()].reduce((sum, list) => sum + list.length, 0) };
}

/** A SunSpec device says what it is; any other shows values that a profile fits or not. */
async function recognise(
  library: readonly Candidate[],
  ask: AskUnit,
  signal: AbortSignal,
): Promise<Pick<Recognised, 'sunspec' | 'suggestions'>> {
  const asked: AskUnit = (request) => {
    signal.throwIfAborted();
    return ask(request);
  };
  try {
    const chain = await chainOf(asked);
    if (chain !== undefined)
      return { sunspec: await lookAtSunspec(chain, asked), suggestions: await suggestBySunspec(library, chain, asked) };
  } catch (thrown) {
    // Cancelled, or a device that does not answer everything: it is compared like any other.
    if (!signal.aborted && !(thrown instanceof SluiceError && ANSWERS.includes(thrown.code))) throw thrown;
  }
  return { sunspec: null, suggestions: await suggest(library, ask, signal) };
}

function deviceLines(found: Recognised): string[] {
  const { unit: unitId, latency, device, identification, suggestions, sound, sunspec } = found;
  const name = device === null ? '' : ` (${device} of the configuration)`;
  const state =
    sound === 0 ? paint(31, 'something answers, but every answer is damaged') : `answers after ${Math.round(latency ?? 0)} ms`;
  return [
    `  ${paint(32, `unit ${unitId}`)}${name} ${state}`,
    ...(identification.length === 0 ? [] : [`    says it is: ${clean(identification.join(', '))}`]),
    ...(sunspec === null ? [] : [`    ${clean(sunspecWords(sunspec))}`]),
    ...suggestions.map((s) => `    ${s.weak ? 'may be' : 'looks like'} ${paint(1, s.profile)}: ${clean(s.evidence)}`),
    ...(suggestions.length > 0 || sound === 0
      ? []
      : [
          sunspec === null
            ? '    no profile fits; sluice read --orders shows what its registers may mean'
            : '    no profile has these models; a point can name one, see SunSpec in docs/reference/profiles.md',
        ]),
  ];
}

interface ScanSummary {
  readonly bus: ResolvedBus;
  readonly units: readonly number[];
  /** Line settings that were to be tried. */
  readonly lines: number;
  readonly cancelled: boolean;
  readonly unasked: number;
  readonly taken: ReadonlySet<string> | undefined;
}

function printEnd(all: readonly Recognised[], end: ScanSummary, options: ScanOptions): void {
  const { bus, units: unitIds, lines, cancelled, unasked, taken } = end;
  if (options.json) print(JSON.stringify({ type: 'done', found: all.length, units: unitIds.length, unasked, lines, cancelled }));
  else {
    const devices = `${all.length} ${all.length === 1 ? 'device' : 'devices'} found`;
    print(cancelled ? `cancelled; ${devices} so far` : devices);
    if (all.length === 0 && !cancelled) print(...nothingFound(bus, options).map((line) => `  ${line}`));
    for (const { unit: unitId, latency, line, device, suggestions } of all) {
      const profile = device === null ? suggestions[0]?.profile : undefined;
      const text = profile === undefined ? [] : suggestedLines(bus, line, { unit: unitId, latency, profile }, taken);
      print(...text);
      if (text.length > 0) break;
    }
  }
  if (cancelled || all.length === 0) process.exitCode = 1;
}

function nothingFound(bus: ResolvedBus, options: ScanOptions): string[] {
  const further = options.full || options.units !== undefined ? [] : ['other addresses: --full asks 1 to 247'];
  if (!isSerial(bus)) return ['check that the device has power, and its unit id', ...further];
  return [
    'check that the devices have power, and wires A and B (swap them)',
    ...(options.rates === undefined ? ['other line settings, while no gateway runs: --rates all --parity all'] : []),
    ...further,
  ];
}

interface Target {
  readonly bus: ResolvedBus;
  /** The names of the devices on it, by unit. */
  readonly names: ReadonlyMap<number, string>;
  /** Names of all devices of the configuration; undefined for a port or address that no configuration has. */
  readonly taken: ReadonlySet<string> | undefined;
}

function target(name: string, options: ScanOptions): Target {
  const free = (protocol: string, settings: object): Target => {
    const kind = MODBUS_KINDS.find((k) => k.protocol === protocol);
    const parsed = kind?.bus.safeParse(settings);
    if (!parsed?.success) throw new SluiceError('usage', `${name} is neither a bus, nor a port like /dev/ttyUSB0, nor HOST:PORT`);
    return { bus: { name, protocol, settings: parsed.data }, names: new Map(), taken: undefined };
  };
  if (name.includes('/')) return free('modbus-rtu', { port: name });
  const [, host, port] = /^(.+):(\d+)$/.exec(name) ?? [];
  if (host !== undefined) return free('modbus-tcp', { host, port: Number(port) });
  const { config } = validConfig(options.config, { readSecrets: false });
  const names = [...config.devices.values()].filter((d) => d.bus === name).map((d) => [Number(d.settings.unit), d.name] as const);
  const bus = busNamed(config, name);
  if (heardOf(bus) === 'gateway')
    throw new SluiceError(
      'usage',
      `the devices of ${name} send by themselves, so nothing can be asked; sluice capture ${name} shows what comes`,
    );
  return { bus, names: new Map(names), taken: new Set(config.devices.keys()) };
}

function linesOf(bus: ResolvedBus, options: ScanOptions): object[] {
  const { rates, parity } = options;
  if (rates === undefined && parity === undefined) return [{}];
  if (!isSerial(bus)) throw new SluiceError('usage', `${bus.name} is on the network: it has no baud rate and no parity`);
  const listed = <T>(
    text: string | undefined,
    all: readonly T[],
    own: T,
    parse: (word: string) => T | undefined,
  ): readonly T[] => {
    if (text === undefined) return [own];
    if (text === 'all') return all;
    return text.split(',').map((word) => {
      const value = parse(word);
      if (value === undefined) throw new SluiceError('usage', `"${word}" is none of: all, ${all.join(', ')}`);
      return value;
    });
  };
  const baudRates = listed(rates, RATES, Number(bus.settings.baudRate), (w) => (/^\d{3,7}$/.test(w) ? Number(w) : undefined));
  const parities = listed(parity, PARITIES, String(bus.settings.parity) as (typeof PARITIES)[number], (w) =>
    PARITIES.find((p) => p === w),
  );
  return parities.flatMap((p) => baudRates.map((baudRate) => ({ baudRate, parity: p })));
}

/** What the configuration has first, then known addresses, then the others. @throws SluiceError usage */
function unitsOf({ units, full }: ScanOptions, own: readonly number[], bus: ResolvedBus): number[] {
  // Over TCP a device that is no bridge answers 255 or 0 (MODBUS Messaging on TCP/IP V1.0b, section 4.4.2.1.2).
  const direct = bus.protocol === 'modbus-tcp' || bus.protocol === 'modbus-udp' ? [255, 0] : [];
  if (units === undefined) return [...new Set([...own, ...QUICK, ...direct, ...(full ? FULL : [])])];
  const wanted = units.split(',').flatMap((part) => {
    const [, from, to] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to ?? from)];
    if (from === undefined || first > last || last > 255)
      throw new SluiceError('usage', `"${part}" are not units; write 1-32, or 1,5,100`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(wanted)];
}

function timeoutOf({ timeout }: ScanOptions, bus: ResolvedBus): number {
  if (timeout === undefined) return isSerial(bus) ? TIMEOUT.serial : TIMEOUT.network;
  const ms = parseDuration(timeout);
  if (ms === undefined || ms < 10 || ms > 10_000)
    throw new SluiceError('usage', `--timeout is a duration from 10ms to ${formatDuration(10_000)}: 300ms`);
  return Math.round(ms);
}

/** On a terminal only. */
function progressLine(
  label: string,
  options: ScanOptions,
): { show: (unitId: number, done: number, all: number) => void; clear: () => void } {
  if (process.stderr.isTTY !== true || options.json) return { show: () => {}, clear: () => {} };
  return {
    show: (unitId, done, all) =>
      void process.stderr.write(`\r\u001b[K  ${label}: unit ${unitId} (${done} of ${all} done), Ctrl-C ends it`),
    clear: () => void process.stderr.write('\r\u001b[K'),
  };
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
