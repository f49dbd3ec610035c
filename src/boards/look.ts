/** Everything that is known of this machine and its board, and what a person has to do about it. It changes nothing. */
import { type FoundPort, type Named, portsOf, setupOf } from './detect.ts';
import type { BoardLibrary } from './library.ts';
import { type Limits, limitsOf } from './limits.ts';
import { isThere, ledNames, type Machine, mayUse } from './machine.ts';
import type { Board } from './schema.ts';

/** `nodeRed.memory` where nothing is written. */
const NODE_RED_DEFAULT = 160 * 1024 ** 2;

export interface BoardLook {
  readonly board: Board | undefined;
  readonly hats: readonly Board[];
  readonly because: string;
  readonly machine: Machine;
  readonly ports: readonly FoundPort[];
  /** The LED that is there; undefined: the board has none, or the kernel does not show it. */
  readonly led: string | undefined;
  readonly limits: Limits | undefined;
}

export interface Remark {
  readonly severity: 'fault' | 'note';
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
}

export function lookAt(library: BoardLibrary, machine: Machine, named: Named = {}): BoardLook {
  const setup = setupOf(library, machine, named);
  return {
    ...{ ...setup, machine, ports: portsOf(setup, machine) },
    led: ledOf(setup.board, machine),
    limits: machine.memory === undefined ? undefined : limitsOf(machine.memory),
  };
}

export function ledOf(board: Board | undefined, machine: Machine): string | undefined {
  const there = ledNames(machine);
  return board?.led?.names.find((name) => there.includes(name));
}

/** @param used names of ports that the configuration uses; only they are faults when they are missing */
export function remarksOf(look: BoardLook, used: readonly string[] = []): Remark[] {
  const { board, hats, machine, ports } = look;
  const remarks: Remark[] = [];
  const add = (severity: Remark['severity'], message: string, remedy: string): void => {
    remarks.push({ severity, message, remedy });
  };
  if (board === undefined)
    add(
      'note',
      'No board file describes this machine.',
      'Write the device files of serial ports, for example of /dev/serial/by-id.',
    );
  for (const { name, device, boot = [], found, where, direction } of ports) {
    // A port that nobody uses is no matter.
    if (!used.includes(name)) continue;
    if (found === undefined)
      add(
        'fault',
        `The port ${name} (${where}) is not there: ${device.join(', ')}.`,
        boot.length === 0
          ? 'Switch it on in the system, and start the board again.'
          : `Add to /boot/firmware/config.txt and start the board again: ${boot.join(' and ')}`,
      );
    else if (!mayUse(machine, found))
      add(
        'fault',
        `This user may not open ${found} (port ${name}).`,
        'Add the user to the group dialout, or run this command as root.',
      );
    if (typeof direction !== 'object') continue;
    const { gpio } = direction;
    if (!isThere(machine, gpio))
      add('fault', `${gpio}, which switches the direction of the port ${name}, is not there.`, 'Look at ls /dev/gpiochip*.');
    else if (!mayUse(machine, gpio))
      add(
        'fault',
        `This user may not open ${gpio}, which switches the direction of the port ${name}.`,
        'Add the user to the group gpio, or run this command as root.',
      );
  }
  const parts = [
    ['watchdog', 'a board that hangs stays hung'],
    ['rtc', 'the time is unknown after a power cut until a time server answers'],
  ] as const;
  for (const [part, why] of parts) {
    const one = board?.[part];
    if (one === undefined || isThere(machine, one.device)) continue;
    const boot =
      one.boot === undefined
        ? 'Look at the notes of the board (sluice board show).'
        : `Add to config.txt: ${one.boot.join(' and ')}`;
    add('note', `${one.device} is not there, so ${why}.`, boot);
  }
  if (board !== undefined && board.rtc === undefined && board.detect?.arch === undefined)
    add(
      'note',
      'The board has no clock that runs without power.',
      'Fit a clock module, or make sure that a time server answers.',
    );
  if (board?.led !== undefined && look.led === undefined)
    add(
      'note',
      `The LED is not there: ${board.led.names.join(', ')}.`,
      'Look at ls /sys/class/leds; the gateway works without it.',
    );
  if (look.led !== undefined && !mayUse(machine, `/sys/class/leds/${look.led}/trigger`))
    add(
      'note',
      `This user may not switch the LED ${look.led}.`,
      'Give the user of the gateway the right, as docs/reference/led.md shows.',
    );
  if (look.limits?.fits === false)
    add(
      'fault',
      `The board has ${mb(machine.memory)}, and the gateway needs ${mb(look.limits.gateway)} beside the system.`,
      'Use a board with at least 256 MB.',
    );
  else if (look.limits !== undefined && (look.limits.nodeRedMemory ?? 0) < NODE_RED_DEFAULT)
    add(
      'note',
      `Node-RED needs care on this board, which has ${mb(machine.memory)}.`,
      look.limits.nodeRedMemory === undefined
        ? 'Leave nodeRed off.'
        : `Write nodeRed: {memory: ${mb(look.limits.nodeRedMemory).replace(' ', '')}} at most.`,
    );
  for (const hat of hats)
    if (hat.detect !== undefined)
      add(
        'note',
        `${hat.title} is recognised by its ports.`,
        `Another board with this chip looks the same. Name it: hats: [${hat.name}]`,
      );
  return remarks;
}

function mb(bytes = 0): string {
  return `${Math.round(bytes / 1024 ** 2)} MB`;
}
