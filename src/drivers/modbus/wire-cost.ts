/**
 * What a read costs on the wire, in milliseconds and bytes, from the line settings and the device: what the planner
 * weighs and the budget adds up. Pure.
 *
 * - A read costs so much for the request and its reply, and so much for each data byte of the reply, nothing else.
 * - On a serial line bytes are what costs: every frame is followed by silence, every byte takes one character.
 * - On a network a byte costs next to nothing, and a request the time that the device takes to answer.
 */
import type { Table } from '../../codecs/modbus-point.ts';
import { isBitTable } from '../../codecs/modbus-point.ts';

export const WIRE_PROTOCOLS = ['modbus-rtu', 'modbus-ascii', 'modbus-tcp', 'modbus-rtu-over-tcp', 'modbus-udp'] as const;
export type WireProtocol = (typeof WIRE_PROTOCOLS)[number];

export interface LineTiming {
  /** Bits per second. */
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
}

export interface WireTiming {
  readonly protocol: WireProtocol;
  /** The timing of the serial line, also of one behind a converter; absent on a network. */
  readonly line?: LineTiming | undefined;
  /** Milliseconds between a reply and the next request, at least. */
  readonly turnaround: number;
  /** Requests under way at once, each to another device. */
  readonly inFlight: number;
}

export interface DeviceTiming {
  /** Milliseconds from the end of a request to the begin of the reply; absent: DEFAULT_RESPONSE_TIME. */
  readonly responseTime?: number | undefined;
  /** Milliseconds between a reply of this device and the next request, at least. */
  readonly turnaround: number;
}

/** The figures that the planner compares. */
export interface ReadCost {
  /** Milliseconds of a request and a reply without data, all pauses included. */
  readonly request: number;
  /** Milliseconds of a data byte of the reply. */
  readonly byte: number;
}

export interface WireCost extends ReadCost {
  /** Bytes on the wire of a request and a reply without data, frames included. */
  readonly requestBytes: number;
  /** Bytes on the wire for a data byte of the reply. */
  readonly bytesPerByte: number;
}

/**
 * Milliseconds from the end of a request to the begin of the reply, where nothing better is known. Serial: manuals that
 * give a figure say 5 to 35 ms (JUMO diraTRON interface description, 3.3) or 5 to 45 ms (JUMO LOGOSCREEN nt, 4.3) as typical.
 * Network: controllers answer within 1 ms, bridges and small boards take up to 20 ms. A converter takes both.
 */
export const DEFAULT_RESPONSE_TIME: Readonly<Record<WireProtocol, number>> = {
  'modbus-rtu': 20,
  'modbus-ascii': 20,
  'modbus-rtu-over-tcp': 30,
  'modbus-tcp': 10,
  'modbus-udp': 10,
};

/** Bytes of a request, of a reply without data, and of a data byte (MODBUS over Serial Line V1.02, 2.5; Messaging on TCP/IP V1.0b, 3). */
const FRAMES: Readonly<Record<WireProtocol, { request: number; reply: number; byte: number }>> = {
  // Unit, function, address, count, CRC | unit, function, byte count, CRC.
  'modbus-rtu': { request: 8, reply: 5, byte: 1 },
  'modbus-rtu-over-tcp': { request: 8, reply: 5, byte: 1 },
  // The same with an LRC of one byte, each byte as two characters, between a colon and two characters at the end.
  'modbus-ascii': { request: 17, reply: 11, byte: 2 },
  // The same without checksum, behind a header of six bytes.
  'modbus-tcp': { request: 12, reply: 9, byte: 1 },
  'modbus-udp': { request: 12, reply: 9, byte: 1 },
};

/** Ethernet at 10 Mbit/s, the slowest that is met. */
const NETWORK_BYTE = 0.0008;
/** Section 2.5.1.1: 3.5 characters, and 1.75 ms where that would be shorter (above 19200 baud). */
const SILENT_CHARACTERS = 3.5;
const LEAST_SILENCE = 1.75;

/** The assumed line behind a converter, of which only the speed is known: 8E1, the default of the standard. */
export function lineBehind(baudRate: number): LineTiming {
  return { baudRate, dataBits: 8, parity: 'even', stopBits: 1 };
}

/** Milliseconds of silence after an RTU frame. @param character milliseconds */
export function silenceOf(character: number): number {
  return Math.max(SILENT_CHARACTERS * character, LEAST_SILENCE);
}

/** Milliseconds of a character: start bit, data bits, parity bit, stop bits. */
export function characterTime({ baudRate, dataBits, parity, stopBits }: LineTiming): number {
  return ((1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits) / baudRate) * 1000;
}

export function wireCost(wire: WireTiming, device: DeviceTiming): WireCost {
  const { protocol, line } = wire;
  const frame = FRAMES[protocol];
  const bytes = { requestBytes: frame.request + frame.reply, bytesPerByte: frame.byte };
  const answer = device.responseTime ?? DEFAULT_RESPONSE_TIME[protocol];
  const each = line ? characterTime(line) : NETWORK_BYTE;
  // A device cannot answer before it has seen the silence that ends a frame; in ASCII characters mark the end.
  const silence = line ? silenceOf(each) : 0;
  const seen = protocol === 'modbus-ascii' ? 0 : silence;
  const pauses = Math.max(seen, answer) + Math.max(silence, wire.turnaround, device.turnaround);
  return { ...bytes, request: bytes.requestBytes * each + pauses, byte: bytes.bytesPerByte * each };
}

/** Data bytes of the reply to a read of so many registers or bits. */
export function dataBytes(table: Table, count: number): number {
  return isBitTable(table) ? Math.ceil(count / 8) : count * 2;
}

/** Milliseconds of a read. */
export function readTime(cost: ReadCost, table: Table, count: number): number {
  return cost.request + cost.byte * dataBytes(table, count);
}

/** Bytes on the wire of a read, request and reply. */
export function readBytes(cost: WireCost, table: Table, count: number): number {
  return cost.requestBytes + cost.bytesPerByte * dataBytes(table, count);
}
