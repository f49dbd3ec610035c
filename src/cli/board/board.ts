/** The commands `sluice board …`. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Named } from '../../boards/detect.ts';
import { Led } from '../../boards/led.ts';
import { BoardLibrary } from '../../boards/library.ts';
import { type BoardLook, lookAt, remarksOf } from '../../boards/look.ts';
import { type Machine, machineAt } from '../../boards/machine.ts';
import type { Board } from '../../boards/schema.ts';
import { BOARD_PORT } from '../../config/board-ports.ts';
import { formatFault } from '../../config/fault.ts';
import { directionWords } from '../../config/gpio-line.ts';
import { readYamlFile } from '../../config/yaml-source.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { BOARD_ROOT, BOARDS } from '../config-file.ts';
import { count } from '../words.ts';

export interface BoardOptions {
  readonly config?: string;
  readonly root: string;
  readonly json?: boolean;
}

const library = (): BoardLibrary => new BoardLibrary(BOARDS);
const machineOf = ({ root }: BoardOptions): Machine => machineAt(root === '' ? BOARD_ROOT : path.resolve(root));
const print = (lines: readonly string[]): void => void process.stdout.write(lines.map((line) => `${line}\n`).join(''));

export function boardList({ json }: { json?: boolean }): void {
  const known = library();
  for (const fault of known.faults) process.stderr.write(`${formatFault(fault)}\n`);
  const rows = known.all().map(({ name, title, kind, ports }) => ({ name, title, kind, ports: Object.keys(ports) }));
  if (json) process.stdout.write(`${JSON.stringify({ boards: rows })}\n`);
  else {
    const wide = Math.max(...rows.map(({ name }) => name.length));
    print(rows.map(({ name, title, kind }) => `${name.padEnd(wide)}  ${title}${kind === 'hat' ? ' (HAT)' : ''}`));
  }
}

export function boardShow(name: string | undefined, options: BoardOptions): void {
  const known = library();
  if (name !== undefined) {
    const board = known.get(name);
    if (board === undefined) throw new SluiceError('not-found', `there is no board ${name}; "sluice board list" shows all`);
    if (options.json) process.stdout.write(`${JSON.stringify(board)}\n`);
    else print(linesOf(board));
    return;
  }
  const look = lookAt(known, machineOf(options), namedIn(options.config).named);
  if (options.json) process.stdout.write(`${JSON.stringify(look)}\n`);
  else print(lookLines(look));
}

export function boardCheck(options: BoardOptions): void {
  const { named, used } = namedIn(options.config);
  const look = lookAt(library(), machineOf(options), named);
  const remarks = remarksOf(look, used);
  const unknown = used.filter((name) => !look.ports.some((port) => port.name === name));
  for (const name of unknown)
    remarks.unshift({
      severity: 'fault',
      message: `The configuration uses board:${name}, and ${look.board?.title ?? 'this machine'} has no such port.`,
      remedy: look.ports.length === 0 ? 'Write the device file.' : `It has ${look.ports.map((port) => port.name).join(', ')}.`,
    });
  const faults = remarks.filter(({ severity }) => severity === 'fault').length;
  if (faults > 0) process.exitCode = 1;
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ board: look.board?.name ?? null, hats: look.hats.map((hat) => hat.name), remarks })}\n`,
    );
    return;
  }
  print([
    `${look.board?.title ?? 'Unknown board'}: ${look.because}.`,
    ...remarks.flatMap(({ severity, message, remedy }) => [`${severity}  ${message}`, `       ${remedy}`]),
    remarks.length === 0 ? 'All is there.' : `${count(faults, 'fault')}, ${count(remarks.length - faults, 'note')}.`,
  ]);
}

export async function boardIdentify(options: BoardOptions & { seconds: number }): Promise<void> {
  const machine = machineOf(options);
  const { led } = lookAt(library(), machine, namedIn(options.config).named);
  if (led === undefined)
    throw new SluiceError('not-found', 'this board has no LED that the gateway knows; see "sluice board show"');
  let wrong: string | undefined;
  const fault = (message: string): void => {
    wrong = message;
  };
  const one = new Led({ folder: path.join(machine.root, '/sys/class/leds'), name: led, fault });
  const cancel = new AbortController();
  const end = (): void => cancel.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  one.show('identify');
  if (wrong !== undefined) throw new SluiceError('forbidden', `${wrong}; run it as root`);
  print([`The LED ${led} blinks for ${options.seconds} s. Ctrl-C ends it.`]);
  await sleep(options.seconds * 1000, undefined, { signal: cancel.signal }).catch(() => {});
  one.end();
}

/** What a configuration says of the board, also one with faults elsewhere. */
function namedIn(file: string | undefined): { named: Named; used: string[] } {
  if (file === undefined) return { named: {}, used: [] };
  const source = readYamlFile(file);
  if (source.faults.length > 0) throw new SluiceError('config-invalid', source.faults.map(formatFault).join('\n'));
  const { gateway, buses } = asSection(source.value);
  const { board, hats } = asSection(gateway);
  const ports = Object.values(asSection(buses)).map((bus) => asSection(bus).port);
  return {
    named: {
      ...(typeof board === 'string' ? { board } : {}),
      ...(Array.isArray(hats) ? { hats: hats.filter((one) => typeof one === 'string') } : {}),
    },
    used: ports.flatMap((port) =>
      typeof port === 'string' && port.startsWith(BOARD_PORT) ? [port.slice(BOARD_PORT.length)] : [],
    ),
  };
}

function asSection(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function lookLines(look: BoardLook): string[] {
  const { board, hats, because, machine, ports, led, limits } = look;
  return [
    `${board?.title ?? 'Unknown board'} (${board?.name ?? 'no board file'}): ${because}.`,
    ...(machine.model === undefined ? [] : [`model     ${machine.model}`]),
    ...hats.map((hat) => `HAT       ${hat.title} (${hat.name})`),
    ...ports.map(
      ({ name, found, device, where, direction }) =>
        `port      board:${name}  ${found ?? `${device.join(' or ')}, not there`}; ${where}${direction === undefined ? '' : `; direction: ${directionWords(direction)}`}`,
    ),
    ...(ports.length === 0 ? ['port      none of its own; see ls /dev/serial/by-id'] : []),
    ...(led === undefined ? [] : [`LED       ${led}: ${board?.led?.where}`]),
    ...(board?.rtc === undefined ? [] : [`clock     ${board.rtc.device}: ${board.rtc.chip}`]),
    ...(board?.watchdog === undefined ? [] : [`watchdog  ${board.watchdog.device} (${board.watchdog.driver})`]),
    ...(limits === undefined || machine.memory === undefined
      ? []
      : [
          `memory    ${formatSize(Math.round(machine.memory / 1024 ** 2) * 1024 ** 2)}; ${limits.nodeRedMemory === undefined ? 'leave nodeRed off' : `nodeRed.memory at most ${formatSize(limits.nodeRedMemory)}`}`,
        ]),
    ...(board?.notes === undefined ? [] : ['', board.notes]),
  ];
}

function linesOf({ name, title, kind, ports, led, buzzer, rtc, watchdog, notes, sources }: Board): string[] {
  return [
    `${title} (${name}${kind === 'hat' ? ', HAT' : ''})`,
    ...Object.entries(ports).map(
      ([port, { device, where, direction, boot }]) =>
        `port      board:${port}  ${device.join(' or ')}; ${where}${direction === undefined ? '' : `; direction: ${directionWords(direction)}`}${boot === undefined ? '' : `; config.txt: ${boot.join(' and ')}`}`,
    ),
    ...(led === undefined ? [] : [`LED       ${led.names.join(' or ')}: ${led.where}`]),
    ...(buzzer === undefined ? [] : [`buzzer    ${buzzer.how}`]),
    ...(rtc === undefined ? [] : [`clock     ${rtc.device}: ${rtc.chip}`]),
    ...(watchdog === undefined ? [] : [`watchdog  ${watchdog.device} (${watchdog.driver})`]),
    ...(notes === undefined ? [] : ['', notes, '']),
    ...sources.map((source) => `source    ${source}`),
  ];
}
