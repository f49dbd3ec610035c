/** `sluice simulate FILE`: serves the devices of a configuration, so that a gateway, a platform or a flow can be tried without them. */
import { readFileSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { GatewayConfig } from '../config/kinds.ts';
import { systemClock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Value } from '../core/point.ts';
import { formatSize } from '../core/units.ts';
import { validConfig } from './config-file.ts';
import { fileWords } from './file-words.ts';
import { FAULT_WORDS } from './simulate/faults.ts';
import { parseRecording } from './simulate/recording.ts';
import type { ServedBus } from './simulate/simulation.ts';
import { Simulation } from './simulate/simulation.ts';

/** A recording is held in memory, several times its size. */
const LARGEST_RECORDING = 64 * 1024 ** 2;
/** Points in a message, at most. */
const SHOWN = 40;

interface Options {
  readonly seed: number;
  readonly listen: string;
  readonly tcpPort?: ReadonlyMap<string, string>;
  readonly pty?: ReadonlyMap<string, string>;
  readonly port?: ReadonlyMap<string, string>;
  readonly mqtt?: ReadonlyMap<string, string>;
  readonly replay?: ReadonlyMap<string, string>;
  readonly fault?: readonly string[];
  readonly json?: boolean;
  readonly stopAtEof?: boolean;
}

/** What a line of standard input may begin with. */
const WORDS = ['silent', 'crc', 'exception', 'late', 'garbage', 'down', 'set'];
const TYPED = `
While it runs, each line on its standard input changes something:
  silent DEVICE on       a fault begins; off instead of on or an amount ends it
  crc DEVICE 10%
  exception DEVICE 2
  late DEVICE 300ms
  garbage BUS 10%
  down BUS on
  set DEVICE.POINT 9.5   holds a value; auto instead of it lets it move again`;

const HELP = `${TYPED}

The devices show values at which nothing is wrong, by unit, names and range.

Examples:
  $ sluice simulate gateway.yaml
  $ sluice simulate site.yaml --pty field=/tmp/field --fault late:fridge:300ms
  $ sluice simulate gateway.yaml --port air=/dev/pts/5 --seed 7
  $ sluice simulate site.yaml --mqtt radio=mqtt://zigbee@127.0.0.1:1883
  $ sluice simulate site.yaml --replay field=fault.jsonl --pty field=/tmp/field
`;

/**
 * @param args what follows the word `simulate`. Resolves after SIGINT or SIGTERM.
 * @throws SluiceError
 */
export async function simulate(args: readonly string[]): Promise<void> {
  await simulateCommand().parseAsync(args, { from: 'user' });
}

export function simulateCommand(): Command {
  const pairs = (word: string, before: ReadonlyMap<string, string> = new Map()) => {
    const at = word.indexOf('=');
    if (at < 1 || at === word.length - 1) throw new InvalidArgumentError('Write BUS=VALUE.');
    return new Map([...before, [word.slice(0, at), word.slice(at + 1)]]);
  };
  return new Command('sluice simulate')
    .showHelpAfterError('(sluice simulate --help shows what there is)')
    .exitOverride()
    .description('serve the devices of a configuration as Modbus servers, serial talkers and MQTT devices')
    .argument('<file>', 'the configuration')
    .option('--pty <bus=link>', 'make a pseudo-terminal for a serial bus (needs socat) and link to it', pairs)
    .option('--port <bus=path>', 'serve a serial bus on a port that exists', pairs)
    .option('--listen <host>', 'address on which network buses are served', '127.0.0.1')
    .option('--tcp-port <bus=port>', 'another port for a network bus; 0 takes any', pairs)
    .option(
      '--mqtt <bus=url>',
      'publish the devices of an MQTT bus to the broker of a gateway, mqtt://NAME@HOST:PORT; the password is in SLUICE_SIMULATE_PASSWORD',
      pairs,
    )
    .option('--replay <bus=file>', 'play a file of sluice capture --replay on a bus instead of its devices', pairs)
    .option('--fault <fault>', `a fault from the start: ${FAULT_WORDS}`, (word: string, all: string[] = []) => [...all, word])
    .option('--seed <number>', 'the same seed gives the same values', wholeNumber, 1)
    .option('--json', 'say what is served as JSON lines')
    .addOption(new Option('--stop-at-eof', 'end when standard input ends').hideHelp())
    .addHelpText('after', HELP)
    .action(serve);
}

function wholeNumber(word: string): number {
  if (!/^\d{1,9}$/.test(word)) throw new InvalidArgumentError('Write a whole number.');
  return Number(word);
}

async function serve(file: string, options: Options): Promise<void> {
  // Secrets belong to the gateway; a simulation on another machine does not have them.
  const { config } = validConfig(file, { readSecrets: false });
  const none: ReadonlyMap<string, string> = new Map();
  const { tcpPort = none, pty: ptys = none, port: ports = none, mqtt: brokers = none, replay = none, fault = [] } = options;
  for (const bus of [...ptys.keys(), ...ports.keys(), ...tcpPort.keys(), ...brokers.keys(), ...replay.keys()])
    if (!config.buses.has(bus))
      throw new SluiceError(
        'usage',
        `there is no bus ${bus} in ${file}; the buses are: ${[...config.buses.keys()].join(', ') || 'none'}`,
      );
  const simulation = new Simulation(config, {
    clock: systemClock,
    seed: options.seed,
    host: options.listen,
    tcpPorts: new Map(Array.from(tcpPort, ([bus, port]) => [bus, portOf(bus, port)])),
    ptys,
    ports,
    brokers,
    note: (words) => process.stderr.write(`sluice: ${words}\n`),
    replays: new Map(Array.from(replay, ([bus, file]) => [bus, parseRecording(textOf(file), file)])),
    unrecorded: (bus, request) =>
      process.stderr.write(`sluice: ${bus}: the recording has no request ${request}; it is not answered\n`),
  });
  for (const one of fault) simulation.faults.addOption(one);
  await simulation.start();
  for (const bus of simulation.served) process.stdout.write(`${options.json ? asJson(bus) : inWords(bus)}\n`);
  if (simulation.served.every(({ where }) => where === undefined)) {
    await simulation.stop();
    throw new SluiceError('usage', 'nothing is served');
  }

  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    try {
      const done = obey(simulation, config, line);
      if (done !== undefined && options.json !== true) process.stdout.write(`${done}\n`);
    } catch (error) {
      process.stderr.write(`sluice: ${toError(error).message}\n`);
    }
  });
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    if (options.stopAtEof) input.once('close', resolve);
  });
  input.close();
  process.stdin.destroy();
  await simulation.stop();
}

/** @throws SluiceError usage */
function portOf(bus: string, written: string): number {
  if (!/^\d{1,5}$/.test(written) || Number(written) > 65_535)
    throw new SluiceError('usage', `--tcp-port ${bus}=${written}: write a port from 1 to 65535, or 0 for any`);
  return Number(written);
}

/** @throws SluiceError usage */
function textOf(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > LARGEST_RECORDING)
      throw new Error(
        `it has ${formatSize(size)}, and at most ${formatSize(LARGEST_RECORDING)} are played; record a shorter time`,
      );
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SluiceError('usage', `${file} cannot be read: ${fileWords(cause)}`, { cause });
  }
}

function inWords(bus: ServedBus): string {
  const devices = bus.devices.map((device) => {
    const unit = device.settings.unit === undefined ? '' : ` unit ${String(device.settings.unit)}`;
    return `${device.name}${unit} (${[...device.points.keys()].join(', ')})`;
  });
  return bus.where === undefined
    ? `${bus.name}: not served: ${bus.why}`
    : `${bus.name}: ${bus.protocol} on ${bus.where}: ${devices.join('; ')}`;
}

function asJson(bus: ServedBus): string {
  const devices = Object.fromEntries(bus.devices.map((device) => [device.name, [...device.points.keys()]]));
  return JSON.stringify({ bus: bus.name, protocol: bus.protocol, where: bus.where, why: bus.why, devices });
}

/** One line of standard input. @returns what holds from now on, in words; undefined for an empty line @throws SluiceError `usage` */
export function obey(simulation: Simulation, config: GatewayConfig, line: string): string | undefined {
  const [word = '', target = '', ...rest] = line.trim().split(/\s+/);
  if (word === '') return undefined;
  if (!WORDS.includes(word)) throw new SluiceError('usage', `${word} is not known here.${TYPED}`);
  if (word !== 'set') {
    const amount = rest[0] ?? 'on';
    simulation.faults.set(word, target, amount);
    return amount === 'off' ? `${target}: ${word} is over` : `${target}: ${word} ${amount} from now on`;
  }
  const [device = '', point = ''] = target.split('.');
  const settings = config.devices.get(device)?.points.get(point);
  if (settings === undefined)
    throw new SluiceError('usage', `there is no point ${target}; write one of: ${pointsOf(config).join(', ')}`);
  const text = rest.join(' ');
  simulation.set(device, point, text === 'auto' ? undefined : parseValue(text, settings));
  return text === 'auto' ? `${target} moves again` : `${target} is ${text} from now on`;
}

/** `device.point` of all, or the first of many. */
function pointsOf(config: GatewayConfig): string[] {
  const all = [...config.devices].flatMap(([device, { points }]) => [...points.keys()].map((point) => `${device}.${point}`));
  return all.length > SHOWN ? [...all.slice(0, SHOWN), '…'] : all;
}

function parseValue(text: string, settings: Readonly<Record<string, unknown>>): Value {
  const { type, scale = 1, offset = 0 } = settings;
  if (type === 'string' || type === 'datetime' || settings.enum !== undefined) return text;
  if (type === 'bool' || settings.bit !== undefined) {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new SluiceError('usage', `${JSON.stringify(text)} is not true or false; write one of them`);
  }
  if ((type === 'int64' || type === 'uint64') && scale === 1 && offset === 0 && /^-?\d+$/.test(text)) return BigInt(text);
  const number = Number(text);
  if (text === '' || !Number.isFinite(number)) throw new SluiceError('usage', `${JSON.stringify(text)} is not a number`);
  return number;
}
