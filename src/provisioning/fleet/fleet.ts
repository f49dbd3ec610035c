/**
 * From a table of sites to a `sluice.yaml` and a label for each card. Invariants:
 * - A table with one bad row writes nothing. Every bad row is named by its line.
 * - Each gateway has an id and a claim code of its own. Codes come from the generator for secrets.
 * - Only the user who asked reads the result: folders 0700, files 0600.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { claimCodeOf, newClaimCode, type RandomBytes } from '../../access/secrets.ts';
import { entryLines } from '../../config/add-entries.ts';
import { isSection } from '../../config/checker.ts';
import { formatFault } from '../../config/fault.ts';
import { parseYamlText } from '../../config/yaml-source.ts';
import { bytesOf, readSmall, syncFolder, writeNew } from '../../disk/durable.ts';
import { decode } from '../card-text.ts';
import { type CheckConfig, planOf } from '../plan.ts';
import { csvCell, parseCsv, type Row } from './csv.ts';
import { type SheetLabel, sheetHtml } from './sheet.ts';

export const MOST_SITES = 10_000;
const MOST_TABLE = 16 * 1024 * 1024;
const MOST_FAULTS = 50;
/** Files that a site names are not beside its own card yet. */
const NOWHERE = '/dev/null';

/** The columns that a table may have: keys of `sluice.yaml`. */
export const COLUMNS = [
  'id',
  'site',
  'name',
  'language',
  'timezone',
  'upstream.url',
  'upstream.username',
  'upstream.password',
  'upstream.clientId',
  'claimCode',
  'page',
  'wifi.name',
  'wifi.password',
  'wifi.country',
] as const;

export interface FleetOptions {
  readonly table: string;
  /** A `sluice.yaml` with what all sites share; undefined: nothing. */
  readonly template: string | undefined;
  readonly out: string;
  readonly check: CheckConfig;
  readonly random?: RandomBytes;
}

export interface Fleet {
  readonly sites: number;
  readonly faults: readonly string[];
}

interface Site {
  readonly id: string;
  readonly claimCode: string;
  readonly text: string;
  readonly label: SheetLabel;
}

/** Writes nothing where there is a fault. @throws what the file system says */
export function makeFleet(options: FleetOptions): Fleet {
  const { table, template, out, check, random = randomBytes } = options;
  const faults: string[] = [];
  const rows = readTable(table, faults);
  const shared = template === undefined ? {} : readTemplate(template, faults);
  if (rows === undefined || shared === undefined) return { sites: 0, faults };
  const sites = sitesOf(rows, shared, { table, template, check, random, faults });
  if (faults.length > 0) return { sites: 0, faults: shortened(faults) };
  if (existsSync(out) && readdirSync(out).length > 0)
    return { sites: 0, faults: [`${out}: this folder holds something already; name another one`] };
  const making = `${out}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  chmodSync(making, 0o700);
  const write = (file: string, text: string): void => writeNew(path.join(making, file), [bytesOf(text)], { mode: 0o600 });
  for (const { id, text } of sites) {
    mkdirSync(path.join(making, id), { mode: 0o700 });
    write(path.join(id, 'sluice.yaml'), text);
    syncFolder(path.join(making, id));
  }
  write('labels.html', sheetHtml(sites.map(({ label }) => label)));
  const list = sites.map(({ id, claimCode, label }) => [id, label.name ?? '', claimCode].map(csvCell).join(','));
  write('claim-codes.csv', `id,name,claimCode\r\n${list.join('\r\n')}\r\n`);
  syncFolder(making);
  // An empty folder may be in its place.
  if (existsSync(out)) rmSync(out, { recursive: true });
  renameSync(making, out);
  // The labels may be on their cards when the power goes: the codes are in these files alone.
  syncFolder(path.dirname(out));
  return { sites: sites.length, faults: [] };
}

function readTable(table: string, faults: string[]): readonly Row[] | undefined {
  const bytes = readSmall(table, MOST_TABLE);
  if (bytes === undefined) {
    faults.push(`${table}: this file cannot be read, or has more than 16 MB; name a CSV file`);
    return undefined;
  }
  const text = decode(table, bytes);
  if (text.kind !== 'text') {
    faults.push(text.kind === 'bad' ? `${table}:${text.line}: ${text.why}` : `${table}: this file is empty`);
    return undefined;
  }
  const parsed = parseCsv(text.text, MOST_SITES + 1);
  if ('rows' in parsed) return parsed.rows;
  faults.push(`${table}:${parsed.line}: ${parsed.fault}`);
  return undefined;
}

function readTemplate(template: string, faults: string[]): Record<string, unknown> | undefined {
  const bytes = readSmall(template, 64 * 1024);
  const text = bytes === undefined ? undefined : decode(template, bytes);
  if (text === undefined || text.kind !== 'text') {
    faults.push(`${template}: ${text?.kind === 'bad' ? text.why : 'this file cannot be read, or has more than 64 kB'}`);
    return undefined;
  }
  const source = parseYamlText(template, text.text);
  faults.push(...source.faults.map(formatFault));
  if (source.faults.length === 0 && isSection(source.value)) return { ...source.value };
  if (source.faults.length === 0) faults.push(`${template}:1:1: write one key on each line, as in sluice.yaml`);
  return undefined;
}

interface Context {
  readonly table: string;
  readonly template: string | undefined;
  readonly check: CheckConfig;
  readonly random: RandomBytes;
  readonly faults: string[];
}

function sitesOf(
  rows: readonly Row[],
  shared: Readonly<Record<string, unknown>>,
  { table, template, check, random, faults }: Context,
): Site[] {
  const [head, ...rest] = rows;
  const columns = (head?.cells ?? []).map((cell) => COLUMNS.find((known) => known.toLowerCase() === cell.toLowerCase()));
  for (const [i, cell] of (head?.cells ?? []).entries())
    if (columns[i] === undefined)
      faults.push(`${table}:${head?.line}: there is no column "${cell.slice(0, 40)}"; the columns are ${COLUMNS.join(', ')}`);
  if (!columns.includes('id'))
    faults.push(`${table}:${head?.line ?? 1}: the column id is missing; each gateway needs a name of its own`);
  if (new Set(columns).size < columns.length) faults.push(`${table}:${head?.line}: a column stands twice; keep one of them`);
  if (rest.length === 0) faults.push(`${table}:${head?.line ?? 1}: there is no site below the row of names`);
  if (faults.length > 0) return [];
  const ids = new Map<string, number>();
  const codes = new Map<string, number>();
  const checked = checkedOnce(check);
  const sites: Site[] = [];
  for (const { line, cells } of rest) {
    if (faults.length > MOST_FAULTS) break;
    const before = faults.length;
    const fault = (words: string) => void faults.push(`${table}:${line}: ${words}`);
    if (cells.length !== columns.length) {
      fault(`this row has ${cells.length} cells, and the row of names has ${columns.length}`);
      continue;
    }
    const given = new Map(
      columns.flatMap((column, i) => (column === undefined || cells[i] === '' ? [] : [[column, cells[i] ?? '']])),
    );
    const id = given.get('id') ?? '';
    const other = ids.get(id);
    if (id === '') fault('the id is missing');
    else if (other !== undefined) fault(`the id ${id} stands in line ${other} already`);
    ids.set(id, line);
    const code = claimCode(given.get('claimCode'), codes, random);
    if (code === undefined)
      fault(
        'claimCode: a claim code has 12 letters and digits, without I, L, O and U, and belongs to one gateway; leave the cell empty for a new one',
      );
    else codes.set(code, line);
    const value = merged(shared, new Map([...given, ['claimCode', code ?? '']]));
    const text = `# ${id}: for the boot partition of its card. Made by "sluice fleet".\n${entryLines(value, 0)}\n`;
    const planned = planOf(
      { file: 'sluice.yaml', text, encoding: 'utf-8', hasMark: false },
      { config: '/etc/sluice/gateway.yaml', stateDir: '/var/lib/sluice', id, former: [], check: checked, folder: NOWHERE },
    );
    if ('plan' in planned && planned.plan.erased.includes('upstream.key'))
      fault('upstream.key: write the PEM text in the template; a fleet has no files beside its cards');
    // Keys say where: the lines are those of a file that nobody has seen.
    if (faults.length === before && 'faults' in planned)
      for (const words of planned.faults)
        fault(words.replace(/^sluice\.yaml:\d+:\d+: /, template === undefined ? '' : `with ${template}: `));
    if (faults.length > before || code === undefined || !('plan' in planned)) continue;
    const { name, site } = planned.plan.wanted;
    const title = [name, site].filter((part) => part !== undefined).join(', ');
    sites.push({ id, claimCode: code, text, label: { id, claimCode: code, name: title === '' ? undefined : title } });
  }
  return sites;
}

function claimCode(given: string | undefined, taken: ReadonlyMap<string, number>, random: RandomBytes): string | undefined {
  if (given !== undefined) {
    const code = claimCodeOf(given);
    return code === undefined || taken.has(code) ? undefined : code;
  }
  for (;;) {
    // 60 bits: a second try is for the sake of order.
    const code = newClaimCode(random);
    if (!taken.has(code)) return code;
  }
}

function merged(shared: Readonly<Record<string, unknown>>, given: ReadonlyMap<string, string>): Record<string, unknown> {
  const value: Record<string, unknown> = { ...shared };
  for (const [column, cell] of given) {
    const [first = '', second] = column.split('.');
    if (second === undefined) value[first] = cell;
    else value[first] = { ...(isSection(value[first]) ? value[first] : {}), [second]: cell };
  }
  return value;
}

/** Sites share their buses: the loader looks at each different configuration once. Names and ids are checked by the schema for each. */
function checkedOnce(check: CheckConfig): CheckConfig {
  const known = new Map<string, ReturnType<CheckConfig>>();
  return (text, file) => {
    const key = text.replaceAll(/^\s+(id|name|username|clientId): .*$/gm, '');
    const found = known.get(key) ?? check(text, file);
    // Bound: tables with a broker of their own for each site are checked row by row.
    if (known.size < 100) known.set(key, found);
    return found;
  };
}

function shortened(faults: readonly string[]): string[] {
  return faults.length <= MOST_FAULTS
    ? [...faults]
    : [...faults.slice(0, MOST_FAULTS), 'There are more; correct those above first.'];
}
