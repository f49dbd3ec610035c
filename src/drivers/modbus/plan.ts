/**
 * Which requests read a device's points: points of one table that lie near each other go into one request.
 * Pure and deterministic: the same points in the same order always give the same requests.
 */
import type { ModbusPoint, Table } from '../../codecs/modbus-point.ts';
import { isBitTable, TABLES, widthOf } from '../../codecs/modbus-point.ts';

export interface ReadLimits {
  /** 1..125 */
  readonly maxRegisters: number;
  /** 1..2000 */
  readonly maxBits: number;
  /** Registers that nobody asked for, read along between two points of one request; 16 bits count as one. */
  readonly maxGap: number;
}

/** What is read at once; a point is never split. */
export interface ReadRequest {
  readonly table: Table;
  readonly start: number;
  /** Registers, or bits of a coil or discrete table. */
  readonly count: number;
  /** By address; points at one address in the order written. */
  readonly points: readonly ModbusPoint[];
}

export function planReads(points: readonly ModbusPoint[], limits: ReadLimits): ReadRequest[] {
  const requests: ReadRequest[] = [];
  for (const table of TABLES) {
    const bits = isBitTable(table);
    const most = bits ? limits.maxBits : limits.maxRegisters;
    const gap = bits ? limits.maxGap * 16 : limits.maxGap;
    // The sort is stable, so points at one address stay in the order written.
    const sorted = points.filter((p) => p.table === table).sort((a, b) => a.address - b.address);
    let group: ModbusPoint[] = [];
    let start = 0;
    let end = 0;
    const close = () => {
      if (group.length > 0) requests.push({ table, start, count: end - start, points: group });
      group = [];
    };
    for (const point of sorted) {
      const last = Math.max(end, point.address + widthOf(point));
      if (group.length > 0 && (point.address - end > gap || last - start > most)) close();
      if (group.length === 0) {
        start = point.address;
        end = start;
      }
      group.push(point);
      end = Math.max(end, point.address + widthOf(point));
    }
    close();
  }
  return requests;
}
