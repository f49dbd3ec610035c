/**
 * Which gateway this is. Invariants:
 * - An id belongs to a card on a board. A card that was copied to another card on another board is another gateway: it gets a new id, and
 *   what makes the old one (log, keys, accounts) goes aside. Nothing is deleted.
 * - What is not known says nothing: a fact that one start could not read never makes a clone.
 * - `identity.json` changes last. A power cut before that repeats the step, and the step ends the same.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isSection } from '../config/checker.ts';
import { NAME } from '../config/schema-parts.ts';
import { readYamlFile } from '../config/yaml-source.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import { COPIED_MARK } from '../store/files/copied-mark.ts';
import type { Disk } from './disk.ts';
import { type MachineFacts, machineFacts, macSuffix } from './machine.ts';
import { leaveNotice } from './notices.ts';

export const IDENTITY_FILE = 'identity.json';
export const ASIDE = 'set-aside';
/** The id of the starter configuration, which is nobody's. */
const STARTER_ID = 'my-gateway';
const MOST_IDENTITY = 16 * 1024;
/** Ids of the boards that a card was copied from, the newest first. */
const MOST_FORMER = 16;

/**
 * What stays where it is on a clone: secrets that the configuration names, the record of provisioning, the flows of the same user, files
 * of the running system. All else belongs to the gateway that the card was copied from.
 */
const STAYS: ReadonlySet<string> = new Set([
  'secrets',
  'provision',
  ASIDE,
  IDENTITY_FILE,
  'notices.json',
  'node-red',
  'sluice.lock',
  'lost+found',
]);

export type Change = 'first' | 'same' | 'board-replaced' | 'card-replaced' | 'clone';

export interface Identity {
  readonly id: string;
  readonly machine: MachineFacts;
  readonly former: readonly string[];
}

/** What a start finds, against what the last one kept. */
export function changeOf(kept: MachineFacts, now: MachineFacts): Exclude<Change, 'first'> {
  const compare = (a: string | undefined, b: string | undefined) =>
    a === undefined || b === undefined ? 'unknown' : a === b ? 'same' : 'other';
  const board = compare(kept.serial, now.serial);
  const card = compare(kept.cid, now.cid);
  // One of two hardware facts that is the same proves more than the other disproves: a card cannot be in two boards.
  if (card === 'same') return board === 'other' ? 'board-replaced' : 'same';
  if (board === 'same') return card === 'other' ? 'card-replaced' : 'same';
  if (card === 'other' || board === 'other') return 'clone';
  return compare(kept.machineId, now.machineId) === 'other' ? 'clone' : 'same';
}

export interface IdentityContext {
  readonly root: string;
  readonly stateDir: string;
  readonly config: string;
  readonly owner: Owner | undefined;
  readonly disk: Disk;
  /** The process of a running gateway with this state; undefined: none. */
  readonly running: number | undefined;
  readonly random?: (count: number) => Uint8Array;
}

export interface Settled extends Identity {
  readonly change: Change;
}

/** @throws what the file system says; Error: a gateway runs with the state of a clone */
export function settleIdentity(context: IdentityContext): Settled {
  const { root, stateDir, config, disk, running } = context;
  const machine = machineFacts(root, stateDir);
  const kept = readIdentity(stateDir);
  const configured = idIn(config);
  if (kept === undefined) {
    const id = configured !== undefined && configured !== STARTER_ID ? configured : freshId(context, []);
    const identity = { id, machine, former: [] };
    write(context, identity);
    return { ...identity, change: 'first' };
  }
  const change = changeOf(kept.machine, machine);
  if (change === 'clone') {
    if (running !== undefined)
      throw new Error(
        `this card is a copy of the card of ${kept.id}, and a gateway runs with it (process ${running}). Stop it, and start the board again`,
      );
    const former = [kept.id, ...kept.former].slice(0, MOST_FORMER);
    const identity = { id: freshId(context, former), machine, former };
    setAside(context, kept);
    leaveNotice(context, {
      event: 'identity',
      severity: 'warning',
      message: `This card is a copy of the card of ${kept.id}. It is the gateway ${identity.id} now, with a new log and new keys. The log and the accounts of the copy lie in ${path.join(stateDir, ASIDE)}`,
      data: { was: kept.id, id: identity.id },
    });
    write(context, identity);
    return { ...identity, change };
  }
  if (change === 'card-replaced') {
    // An older copy of the card has used fewer numbers than the card itself had: they may not be used twice.
    disk.put(path.join(stateDir, COPIED_MARK), '', { mode: 0o600, owner: context.owner });
    leaveNotice(context, {
      event: 'identity',
      severity: 'warning',
      message: `The card of ${kept.id} was replaced by a copy. The log has a new id. Readings that the copy lacks are on the old card`,
      data: { id: kept.id },
    });
  } else if (change === 'board-replaced')
    leaveNotice(context, {
      event: 'identity',
      severity: 'info',
      message: `The card of ${kept.id} is in another board. It stays the same gateway`,
      data: { id: kept.id },
    });
  // A person who writes another id into the configuration has the last word.
  const own = configured !== undefined && configured !== STARTER_ID && !kept.former.includes(configured);
  const identity = { id: own ? configured : kept.id, machine: merged(kept.machine, machine), former: kept.former };
  if (JSON.stringify(identity) !== JSON.stringify(kept)) write(context, identity);
  return { ...identity, change };
}

/** Makes the configuration carry the id of this gateway, where it carries the id of the starter or of another board. */
export function settleConfigId(context: Pick<IdentityContext, 'config' | 'disk' | 'owner'>, { id, former }: Identity): boolean {
  const source = readYamlFile(context.config);
  const written = idOf(source.value);
  if (written === undefined || written === id || !(written === STARTER_ID || former.includes(written))) return false;
  const range = source.range(['gateway', 'id']);
  const bytes = readSmall(context.config, 1024 * 1024);
  if (range === undefined || bytes === undefined) return false;
  const text = bytes.toString('utf8');
  const mark = text.startsWith('\ufeff') ? 1 : 0;
  const stat = lstatSync(context.config);
  context.disk.put(context.config, text.slice(0, range[0] + mark) + id + text.slice(range[1] + mark), {
    mode: stat.mode & 0o777,
    owner: { uid: stat.uid, gid: stat.gid },
  });
  return true;
}

export function readIdentity(stateDir: string): Identity | undefined {
  try {
    const text = readSmall(path.join(stateDir, IDENTITY_FILE), MOST_IDENTITY)?.toString('utf8');
    const found: unknown = JSON.parse(text ?? '');
    if (!isSection(found) || found.v !== 1 || !isId(found.id) || !isSection(found.machine) || !Array.isArray(found.former))
      return undefined;
    const { serial, cid, machineId } = found.machine;
    const word = (value: unknown) => (typeof value === 'string' ? value.slice(0, 128) : undefined);
    return {
      id: found.id,
      machine: { serial: word(serial), cid: word(cid), machineId: word(machineId) },
      former: found.former.filter(isId).slice(0, MOST_FORMER),
    };
  } catch {
    return undefined;
  }
}

function write({ disk, stateDir, owner }: IdentityContext, { id, machine, former }: Identity): void {
  disk.put(path.join(stateDir, IDENTITY_FILE), `${JSON.stringify({ v: 1, id, machine, former })}\n`, { mode: 0o640, owner });
}

/** Into one folder, whose name is the same after a power cut in the middle. Links are moved, not followed. */
function setAside({ stateDir, disk, owner }: IdentityContext, kept: Identity): void {
  const folder = path.join(stateDir, ASIDE);
  disk.folder(folder, { mode: 0o700, owner });
  const into = path.join(folder, kept.id);
  const free = readIdentity(into);
  // An earlier copy of the same gateway lies there already; it stays.
  const place =
    free === undefined || JSON.stringify(free.machine) === JSON.stringify(kept.machine)
      ? into
      : `${into}-${(kept.machine.cid ?? kept.machine.serial ?? 'x').slice(-8)}`;
  disk.folder(place, { mode: 0o700, owner });
  for (const name of readdirSync(stateDir).sort()) {
    // What a power cut left beside a file is written again.
    if (STAYS.has(name) || name.endsWith('.new')) continue;
    disk.move(path.join(stateDir, name), path.join(place, name));
  }
  disk.put(path.join(place, IDENTITY_FILE), `${JSON.stringify({ v: 1, ...kept })}\n`, { mode: 0o640, owner });
}

function freshId({ root, stateDir, random = randomBytes }: IdentityContext, taken: readonly string[]): string {
  const serial =
    machineFacts(root, stateDir)
      .serial?.toLowerCase()
      .replaceAll(/[^0-9a-f]/g, '') ?? '';
  const ends = [macSuffix(root), serial.length >= 6 ? serial.slice(-6) : undefined];
  for (const end of ends) if (end !== undefined && !taken.includes(`sluice-${end}`)) return `sluice-${end}`;
  return `sluice-${Buffer.from(random(4)).toString('hex')}`;
}

/** A fact that this start could not read stays as it was. */
function merged(kept: MachineFacts, now: MachineFacts): MachineFacts {
  return { serial: now.serial ?? kept.serial, cid: now.cid ?? kept.cid, machineId: now.machineId ?? kept.machineId };
}

const isId = (value: unknown): value is string => typeof value === 'string' && value.length <= 64 && NAME.test(value);

function idOf(value: unknown): string | undefined {
  const id = isSection(value) && isSection(value.gateway) ? value.gateway.id : undefined;
  return isId(id) ? id : undefined;
}
const idIn = (config: string): string | undefined => idOf(readYamlFile(config).value);
