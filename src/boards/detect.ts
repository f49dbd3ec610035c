/** Which board this is, which HATs are on it, and which ports both have. */
import path from 'node:path';
import type { BoardLibrary } from './library.ts';
import { isThere, type Machine, ttyThere } from './machine.ts';
import type { Board, BoardPort, Direction } from './schema.ts';

export interface Setup {
  /** undefined: nothing describes this machine. */
  readonly board: Board | undefined;
  readonly hats: readonly Board[];
  /** Why they are these, for people. */
  readonly because: string;
}

/** What the configuration names. */
export interface Named {
  readonly board?: string | undefined;
  readonly hats?: readonly string[] | undefined;
}

export interface FoundPort extends BoardPort {
  readonly name: string;
  /** The board or the HAT that has it. */
  readonly of: string;
  /** The device file; undefined: none of them is there. */
  readonly found: string | undefined;
}

export type ResolvedPort = { readonly port: string; readonly direction?: Direction | undefined } | { readonly fault: string };

/** @returns the board that is named, or else the one that fits best; HATs that are named, or else those that fit */
export function setupOf(library: BoardLibrary, machine: Machine, named: Named = {}): Setup {
  const of = (kind: Board['kind']): Board[] => library.all().filter((one) => one.kind === kind);
  const chosen = named.board === undefined ? undefined : library.get(named.board);
  const fitting = of('board')
    .map((board) => ({ board, points: fit(board, machine) }))
    .filter(({ points }) => points > 0)
    .sort((a, b) => b.points - a.points);
  const board = named.board === undefined ? fitting[0]?.board : chosen?.kind === 'board' ? chosen : undefined;
  const hats =
    named.hats === undefined
      ? of('hat').filter((hat) => fit(hat, machine) > 0)
      : named.hats.flatMap((name) => library.get(name) ?? []).filter(({ kind }) => kind === 'hat');
  return { board, hats, because: reason(board, machine, named) };
}

function reason(board: Board | undefined, machine: Machine, { board: name }: Named): string {
  if (name !== undefined)
    return board === undefined ? `gateway.board names ${name}, which is no board` : 'gateway.board names it';
  if (board?.detect?.hardware !== undefined) return `the device tree has the hardware ${machine.hardware}`;
  const hit = board?.detect?.compatible?.find((one) => machine.compatible.includes(one));
  if (hit !== undefined) return `the device tree says ${hit}`;
  return board === undefined ? 'nothing describes this machine' : `no board file fits better; the processor is ${machine.arch}`;
}

/** 0: it is not this one. A name that stands earlier in the device tree is the closer one; a processor alone says least. */
function fit({ detect }: Board, machine: Machine): number {
  if (detect === undefined) return 0;
  let points = 0;
  if (detect.compatible !== undefined) {
    const at = machine.compatible.findIndex((one) => detect.compatible?.includes(one) === true);
    if (at < 0) return 0;
    points += 100 - at;
  }
  if (detect.hardware !== undefined) {
    if (machine.hardware?.startsWith(detect.hardware) !== true) return 0;
    points += 1000;
  }
  if (detect.tty !== undefined) {
    if (!detect.tty.every((tty) => ttyThere(machine, tty))) return 0;
    points += 10;
  }
  if (detect.arch !== undefined) {
    if (machine.arch !== detect.arch) return 0;
    points += 1;
  }
  return points;
}

/** Those of HATs first: a HAT takes the place of pins of the board. */
export function portsOf({ board, hats }: Setup, machine: Machine): FoundPort[] {
  const all = [...hats, ...(board === undefined ? [] : [board])].flatMap((one) =>
    Object.entries(one.ports).map(([name, port]): FoundPort => {
      const found = port.device.find((file) => isThere(machine, file));
      return { ...port, name, of: one.name, found };
    }),
  );
  return all.filter(({ name }, i) => all.findIndex((other) => other.name === name) === i);
}

/**
 * The device file behind `board:NAME`. A port whose device file is not there yet resolves to its first name, so that the bus says what
 * is missing and tries again: an overlay may come with the next boot.
 */
export function resolvePort(library: BoardLibrary, machine: Machine, name: string, named: Named = {}): ResolvedPort {
  for (const hat of named.hats ?? [])
    if (library.get(hat)?.kind !== 'hat')
      return { fault: `gateway.hats names ${hat}, which is no HAT; "sluice board list" shows all` };
  if (named.board !== undefined && library.get(named.board)?.kind !== 'board')
    return { fault: `gateway.board names ${named.board}, which is no board; "sluice board list" shows all` };
  const setup = setupOf(library, machine, named);
  const ports = portsOf(setup, machine);
  const port = ports.find((one) => one.name === name);
  const device = port?.found ?? port?.device[0];
  if (port !== undefined && device !== undefined)
    return { port: path.join(machine.root, device), direction: below(machine, port.direction) };
  const title = setup.board?.title ?? 'this machine';
  const known = ports.map((one) => `board:${one.name}`).join(', ');
  const name_ = named.board === undefined ? '; or name the board in gateway.board, and a HAT in gateway.hats' : '';
  return {
    fault:
      known === ''
        ? `${title} has no port ${name}; write the device file, for example one of ls /dev/serial/by-id${name_}`
        : `${title} has no port ${name}; it has ${known}${name_}`,
  };
}

function below({ root }: Machine, direction: Direction | undefined): Direction | undefined {
  return typeof direction === 'object' ? { ...direction, gpio: path.join(root, direction.gpio) } : direction;
}
