/**
 * `sluice read --orders`: the registers at an address under every type and byte order, and at the places next to it where
 * manuals disagree: one address lower (manuals that count from 1) and the other function (3 or 4).
 */
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { payloadOf } from '../../codecs/modbus-pdu.ts';
import type { ModbusPoint, Table } from '../../codecs/modbus-point.ts';
import { ordersOf, widthOf } from '../../codecs/modbus-point.ts';
import { compileRequest } from '../../codecs/modbus-registers.ts';
import { hasValue, reasonAt } from '../../core/point.ts';
import { exceptionWords } from '../../drivers/modbus/words.ts';
import { plausible, plausibleRaw } from './plausible.ts';
import type { Look } from './wire.ts';

const TYPES = ['int16', 'uint16', 'int32', 'uint32', 'float32', 'int64', 'uint64', 'float64'] as const;
type GridType = (typeof TYPES)[number];

/** What is looked for. */
export interface Sought {
  readonly table: 'holding' | 'input';
  readonly address: number;
  /** Registers, 1 to 125. */
  readonly count: number;
  /** The point as configured, where there is one: its scale, unit and range show what is plausible. */
  readonly point?: Pick<ModbusPoint, 'scale' | 'offset' | 'unit' | 'range'> | undefined;
}

export interface GridCell {
  readonly type: GridType;
  readonly order: string;
  /** Raw, without scale; a text where JSON has no such number. null: not a number. */
  readonly raw: number | string | null;
  /** With the scale of the point, where one was named. */
  readonly value: number | null;
  readonly plausible: boolean;
}
export interface Grid {
  readonly table: Table;
  readonly address: number;
  readonly function: 3 | 4;
  readonly registers: readonly number[];
  /** Why there are none, in words. */
  readonly error: string | null;
  readonly cells: readonly GridCell[];
}

/** All places, the one asked for first. Fewer registers are asked for where so many are refused. */
export async function lookAtOrders(
  exchange: (look: Look) => Promise<ExchangeReply>,
  unitId: number,
  sought: Sought,
  timeout: number | undefined,
): Promise<Grid[]> {
  const other = sought.table === 'holding' ? 'input' : 'holding';
  const grids: Grid[] = [];
  for (const table of [sought.table, other] as const)
    for (const address of [sought.address, sought.address - 1]) {
      if (address < 0) continue;
      let grid: Grid | undefined;
      for (const count of [...new Set([sought.count, Math.min(sought.count, 2), 1])]) {
        const request = { kind: 'read', table, start: address, count } as const;
        const reply = await exchange({ unit: unitId, request, ...(timeout === undefined ? {} : { timeout }) });
        grid = gridOf(table, address, reply, sought.point);
        // 2: an address is missing; 3: too many. Fewer may be there.
        if (reply.error?.exception !== 2 && reply.error?.exception !== 3) break;
      }
      if (grid !== undefined) grids.push(grid);
    }
  return grids;
}

export function gridOf(table: 'holding' | 'input', address: number, reply: ExchangeReply, point?: Sought['point']): Grid {
  const head = { table, address, function: table === 'holding' ? 3 : 4 } as const;
  if (reply.pdu === null) return { ...head, registers: [], error: failure(reply), cells: [] };
  const payload = payloadOf(Buffer.from(reply.pdu, 'hex'));
  const registers = Array.from(
    { length: payload.length / 2 },
    (_, i) => ((payload[i * 2] ?? 0) << 8) | (payload[i * 2 + 1] ?? 0),
  );
  const cells = TYPES.filter((type) => widthOf({ table, type, length: undefined }) <= registers.length).flatMap((type) =>
    ordersOf({ table, type, length: undefined }).map((order) =>
      cellOf({ name: 'x', table, address: 0, type, order }, payload, point),
    ),
  );
  return { ...head, registers, error: null, cells };
}

function cellOf(as: ModbusPoint & { order: string }, payload: Uint8Array, point: Sought['point']): GridCell {
  const { type, order } = as as { type: GridType; order: string };
  const shape = { device: '', points: [{ name: 'x', type, storage: 'number' as const }] };
  const sample = compileRequest(shape, [as], 0)(payload, 0);
  if (!hasValue(reasonAt(sample, 0))) return { type, order, raw: null, value: null, plausible: false };
  const [read = 0] = sample.values;
  const raw = Number(read);
  const value = point === undefined ? null : Number((raw * (point.scale ?? 1) + (point.offset ?? 0)).toPrecision(12));
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = point?.range ?? {};
  const everyday = !type.startsWith('float') || plausibleRaw(raw, type);
  const possible = value !== null && raw !== 0 && everyday && plausible(value, point?.unit) && value >= min && value <= max;
  const fits = value === null ? plausibleRaw(raw, type) : possible;
  return { type, order, raw: typeof read === 'bigint' ? String(read) : raw, value, plausible: fits };
}

function failure({ error }: ExchangeReply): string {
  if (error?.exception !== undefined) return `exception ${error.exception}: ${exceptionWords(error.exception).split(':')[0]}`;
  return error?.message ?? 'no answer';
}

const COLUMNS = [['ABCD', 'AB'], ['CDAB'], ['BADC', 'BA'], ['DCBA']] as const;

/** @param mark of what is plausible */
export function gridText(grid: Grid, mark: (text: string) => string): string {
  const head = `${grid.table} ${grid.address} (function ${grid.function})`;
  if (grid.error !== null) return `${head}: ${grid.error}`;
  const rows = TYPES.flatMap((type) => {
    const cells = grid.cells.filter((c) => c.type === type);
    if (cells.length === 0) return [];
    const texts = COLUMNS.map((orders) => {
      const cell = cells.find((c) => (orders as readonly string[]).includes(c.order));
      if (cell === undefined) return ' '.repeat(WIDTH);
      const text = cell.raw === null ? 'no number' : numberText(cell.value ?? cell.raw);
      return cell.plausible ? mark(`${text} *`.padEnd(WIDTH)) : text.padEnd(WIDTH);
    });
    return [`  ${type.padEnd(8)} ${texts.join(' ')}`.trimEnd()];
  });
  const registers = grid.registers.map((r) => r.toString(16).padStart(4, '0')).join(' ');
  const columns = ['AB, ABCD', 'CDAB', 'BA, BADC', 'DCBA'].map((c) => c.padEnd(WIDTH));
  return [`${head}: registers ${registers}`, `  ${''.padEnd(8)} ${columns.join(' ')}`.trimEnd(), ...rows].join('\n');
}

const WIDTH = 22;

function numberText(value: number | string): string {
  return typeof value === 'string' ? value : String(Number(value.toPrecision(7)));
}
