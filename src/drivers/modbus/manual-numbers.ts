/**
 * Register numbers as manuals write them, where a configuration has addresses that count from 0.
 *
 * The convention is that of the Modicon controllers: the first digit is the table, the rest counts from 1. 40011 is holding
 * register 10, 30001 input register 0, 10005 discrete input 4, 00017 coil 16; with six digits 400011 to 465536. The numbers of
 * five digits are addresses as well, and some devices really have their registers there (SunSpec from 40000, many inverters).
 */
import type { Table } from '../../codecs/modbus-point.ts';

export interface Meant {
  readonly table: Table;
  readonly address: number;
}

const TABLE_OF: Readonly<Record<string, Table>> = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' };
const LARGEST = { 5: 9999, 6: 65_536 } as const;

/** @param digits five or six, with leading zeros */
export function meantByNumber(digits: string): Meant | undefined {
  if (!/^\d{5,6}$/.test(digits)) return undefined;
  const table = TABLE_OF[digits[0] ?? ''];
  const number = Number(digits.slice(1));
  if (table === undefined || number < 1 || number > LARGEST[digits.length === 5 ? 5 : 6]) return undefined;
  return { table, address: number - 1 };
}

export function meantWords({ table, address }: Meant): string {
  return `write table: ${table}, address: ${address}`;
}

/** What an address that no register has may mean. */
export function addressFault(input: unknown): string | undefined {
  if (typeof input === 'string') {
    const text = input.trim();
    const number = /^(\d{5,6})$/.exec(text) ?? /^[0134]x\s*(\d{1,5})$/i.exec(text);
    const digits = number && (text.length === number[1]?.length ? text : `${text[0]}${number[1]?.padStart(5, '0')}`);
    const meant = digits ? meantByNumber(digits) : undefined;
    if (meant !== undefined && !/^0x/i.test(text)) return `${text} is a register number of a manual; ${meantWords(meant)}`;
    const [, hex] = /^(?:0x)?([0-9a-f]{1,4})h?$/i.exec(text) ?? [];
    if (hex !== undefined && !/^\d+$/.test(text)) return `write the hexadecimal number as 0x${hex.toUpperCase()}`;
    const [, first, last] = /^(\d+)\s*(?:-|–|to|\.\.)\s*(\d+)$/.exec(text) ?? [];
    if (first !== undefined && last !== undefined)
      return `write the first address only: ${Number(first)}; the type says how many registers it has (uint32, int32 and float32 have two)`;
  }
  if (typeof input === 'number' && input > 65_535) {
    const meant = meantByNumber(String(input));
    if (meant !== undefined) return `${input} is a register number of a manual; ${meantWords(meant)}`;
  }
  return undefined;
}

interface Placed {
  readonly name: string;
  readonly table: Table;
  readonly address: number;
  readonly model?: string | undefined;
}

/**
 * Addresses that look like numbers of a manual, one warning for a device.
 *
 * Nothing is said of a device that has a register where the convention has no number (40000, 20000 to 29999, from 50000 on): its
 * manual gives addresses. Nothing either of an address in hexadecimal, which no such number is.
 * @param written the address of a point as it stands in the file
 */
export function manualNumbers(
  points: readonly Placed[],
  written: (point: string) => string | undefined,
): { point: string; message: string }[] {
  const own = points.filter(({ model }) => model === undefined);
  if (own.some(({ address }) => address >= 10_000 && meantByNumber(String(address)) === undefined)) return [];
  const numbers = own.flatMap(({ name, address }) => {
    const text = written(name) ?? '';
    const meant = /^\d+$/.test(text) && Number(text) === address ? meantByNumber(text) : undefined;
    return meant === undefined ? [] : [{ name, text, meant, address }];
  });
  const [first] = numbers;
  if (first === undefined) return leadingZeros(own, written);
  const { text, meant, address } = first;
  const rest = numbers.length - 1;
  const others = rest === 0 ? '' : ` (and ${rest === 1 ? 'one more point' : `${rest} more points`} of this device)`;
  const literal = text.startsWith('0') ? String(address) : `0x${address.toString(16).toUpperCase()}`;
  return [
    {
      point: first.name,
      message: `${text} looks like a register number of a manual, which counts from ${text[0]}${'1'.padStart(text.length - 1, '0')}${others}; if so, ${meantWords(meant)}. If the manual means the address ${address} itself, write ${literal}, and this warning goes away`,
    },
  ];
}

/** `0017` is 17 here, and hexadecimal in many manuals. */
function leadingZeros(points: readonly Placed[], written: (point: string) => string | undefined) {
  const [first] = points.filter(({ name }) => /^0\d+$/.test(written(name) ?? ''));
  if (first === undefined) return [];
  const text = written(first.name) ?? '';
  return [
    {
      point: first.name,
      message: `${text} is read as ${first.address}; write ${first.address}, or 0x${text.replace(/^0+(?=.)/, '')} if the manual gives hexadecimal addresses`,
    },
  ];
}
