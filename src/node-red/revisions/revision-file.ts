/**
 * One revision as bytes: a first line that names the form, a line of JSON about the flows, the flows (gzip), and a SHA-256 of all
 * before it. Each file stands for itself: no index can be lost, and damage to one file is damage to one revision. Pure, but for zlib.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { MOST_FLOWS, REVISION_ORIGINS, type RevisionAbout } from '../../core/flow-revisions.ts';
import { LONGEST_HEAD, MOST_CREDENTIALS } from '../flow-lines.ts';

const FORM = 'sluice flows 1\n';
const SEAL = 32;
/** Bytes of a file; two of them are within the room of all revisions. */
export const MOST_FILE = 5_000_000;
export const MOST_TABS = 100;
export const LONGEST_LABEL = 60;
const LONGEST_TEXT = 250;

export interface TabMark {
  readonly id: string;
  readonly label: string;
  readonly nodes: number;
  /** Changes when the tab or something on it changes. */
  readonly mark: string;
}

/** What Node-RED says of its flows. */
export interface FlowsSummary {
  readonly tabs: readonly TabMark[];
  readonly moreTabs: number;
  readonly nodes: number;
  /** The hash of what is on none of these tabs. */
  readonly rest: string;
}

export interface FlowsContent {
  /** JSON: an array of nodes. */
  readonly flows: string;
  /** JSON, as Node-RED encrypted it: `{"$":"…"}`, or `{}`. */
  readonly credentials: string;
}

export interface RevisionHead extends FlowsSummary, RevisionAbout {
  /** The first 16 digits of the SHA-256 of the credentials. */
  readonly passwords: string;
}

const [pack, unpack] = [promisify(gzip), promisify(gunzip)];

export function hashOf({ flows, credentials }: FlowsContent): string {
  return createHash('sha256').update(credentials).update('\n').update(flows).digest('hex');
}

/** @returns undefined for what is no list: it came from a process that may run any code */
export function parsedList(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? (value as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

export const passwordsOf = ({ credentials }: FlowsContent): string =>
  createHash('sha256').update(credentials).digest('hex').slice(0, 16);

/** The flows, packed; the head may change before it is written. */
export async function packed({ flows, credentials }: FlowsContent): Promise<Uint8Array> {
  return pack(`${credentials}\n${flows}`);
}

export function fileOf(head: RevisionHead, body: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([Buffer.from(`${FORM}${JSON.stringify(head)}\n`), body]);
  return Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]);
}

/** @returns undefined for what is no whole revision */
export function headOf(file: Uint8Array): RevisionHead | undefined {
  return opened(file)?.head;
}

/** Rejects for what is no whole revision. */
export async function contentOf(file: Uint8Array): Promise<FlowsContent> {
  const found = opened(file);
  if (found === undefined) throw new Error('its seal is not right');
  const bytes = await unpack(found.body, { maxOutputLength: MOST_FLOWS + MOST_CREDENTIALS + 1 });
  const text = bytes.toString('utf8');
  const end = text.indexOf('\n');
  const content = { credentials: text.slice(0, Math.max(end, 0)), flows: text.slice(end + 1) };
  if (end < 0 || hashOf(content) !== found.head.hash) throw new Error('its content is not what it says');
  return content;
}

function opened(file: Uint8Array): { head: RevisionHead; body: Uint8Array } | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length < FORM.length + SEAL || bytes.toString('latin1', 0, FORM.length) !== FORM) return undefined;
  const seal = bytes.subarray(bytes.length - SEAL);
  const sealed = bytes.subarray(0, bytes.length - SEAL);
  if (!createHash('sha256').update(sealed).digest().equals(seal)) return undefined;
  const end = sealed.subarray(0, FORM.length + LONGEST_HEAD).indexOf('\n', FORM.length);
  if (end < 0) return undefined;
  const head = parsedHead(sealed.toString('utf8', FORM.length, end));
  return head === undefined ? undefined : { head, body: sealed.subarray(end + 1) };
}

function parsedHead(line: string): RevisionHead | undefined {
  const m = record(line);
  if (m === undefined) return undefined;
  const summary = summaryOf(m);
  const [number, time, bytes] = [count(m.number), count(m.time), count(m.bytes)];
  const origin = REVISION_ORIGINS.find((one) => one === m.origin);
  const { who, hash, passwords } = m;
  if (summary === undefined || number === undefined || number === 0 || time === undefined || bytes === undefined)
    return undefined;
  if (origin === undefined || typeof who !== 'string' || typeof hash !== 'string' || typeof passwords !== 'string')
    return undefined;
  return {
    ...{ number, time, who: cut(who, LONGEST_TEXT), origin, hash, passwords, bytes, ...summary },
    ...(m.estimated === true ? { estimated: true } : {}),
    ...(typeof m.door === 'string' ? { door: cut(m.door, LONGEST_TEXT) } : {}),
    ...(typeof m.of === 'string' ? { of: cut(m.of, LONGEST_TEXT) } : {}),
  };
}

/** Also of what comes from Node-RED, whose process may run any code: everything is bounded. */
export function summaryOf(m: Readonly<Record<string, unknown>>): FlowsSummary | undefined {
  const [nodes, moreTabs] = [count(m.nodes), count(m.moreTabs)];
  if (nodes === undefined || moreTabs === undefined || typeof m.rest !== 'string' || !Array.isArray(m.tabs)) return undefined;
  if (m.tabs.length > MOST_TABS) return undefined;
  const tabs: TabMark[] = [];
  for (const tab of m.tabs as unknown[]) {
    if (typeof tab !== 'object' || tab === null) return undefined;
    const { id, label, nodes: on, mark } = tab as Record<string, unknown>;
    const has = count(on);
    if (typeof id !== 'string' || typeof label !== 'string' || typeof mark !== 'string' || has === undefined) return undefined;
    tabs.push({ id: cut(id, 64), label: cut(label, LONGEST_LABEL), nodes: has, mark: cut(mark, 64) });
  }
  return { tabs, moreTabs, nodes, rest: cut(m.rest, 64) };
}

export function record(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
const cut = (text: string, longest: number): string => text.slice(0, longest);
