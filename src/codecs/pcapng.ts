/**
 * Frames of a bus as a pcapng file (IETF draft-ietf-opsawg-pcapng) that protocol analysers take apart:
 *
 * - serial lines: LINKTYPE_WIRESHARK_UPPER_PDU (252), whose tags name the dissector `mbrtu` and the ports, so that a
 *   request is told from a reply. An ASCII frame is shown as the RTU frame that says the same; a comment has the original;
 * - networks: IPv4 with TCP or UDP headers made for it, port 502 on the side of the device whatever it is in truth;
 * - messages of MQTT devices: the same with port 1883 on the side of the gateway, all devices as one;
 * - noise, damaged replies among it, as bytes that no dissector takes apart.
 *
 * Pure: frames in, blocks out, one after the other. Tags are those of Wireshark's epan/exported_pdu.h.
 */

import { crc16 } from './modbus-checksums.ts';

export type CaptureWay = 'out' | 'in' | 'noise';

export interface CaptureMedium {
  readonly kind: 'rtu' | 'ascii' | 'tcp' | 'udp' | 'mqtt';
  /** The address of the device, for network headers; an address that is not IPv4 is shown as 192.0.2.2. */
  readonly host?: string | undefined;
  /** Name of the bus. */
  readonly name: string;
  /** The program that wrote the file. */
  readonly program: string;
}

const UPPER_PDU = 252;
const RAW_IP = 101;
const TAG = { end: 0, dissector: 12, portType: 24, source: 25, destination: 26 } as const;
const PORT_TYPE_TCP = 2;
const MODBUS_PORT = 502;
const MQTT_PORT = 1883;
const OUR_PORT = 49_152;
/** TEST-NET-1 (RFC 5737): no host has it. */
const OUR_ADDRESS = [192, 0, 2, 1];
const SOME_DEVICE = [192, 0, 2, 2];
const OPTION = { comment: 1, name: 2, application: 4, resolution: 9 } as const;

export class PcapngWriter {
  readonly #medium: CaptureMedium;
  readonly #device: readonly number[];
  /** Next sequence number of each side. */
  #sequence = { out: 1, in: 1 };
  #packets = 0;

  constructor(medium: CaptureMedium) {
    this.#medium = medium;
    const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
      .exec(medium.host ?? '')
      ?.slice(1)
      .map(Number);
    this.#device = parts?.every((n) => n <= 255) ? parts : SOME_DEVICE;
  }

  /** Section header, and two interfaces: 0 frames, 1 noise. */
  header(): Uint8Array {
    const { kind, name, program } = this.#medium;
    const section = Buffer.alloc(16);
    section.writeUInt32LE(0x1a2b3c4d, 0);
    section.writeUInt16LE(1, 4);
    // Length of the section: not known.
    section.fill(0xff, 8, 16);
    const interfaceOf = (link: number, label: string) => {
      const fixed = Buffer.alloc(8);
      fixed.writeUInt16LE(link, 0);
      // Times are microseconds.
      return block(1, [fixed, option(OPTION.name, label), option(OPTION.resolution, Uint8Array.of(6)), END]);
    };
    return Buffer.concat([
      block(0x0a0d0d0a, [section, option(OPTION.application, program), END]),
      interfaceOf(kind === 'tcp' || kind === 'udp' || kind === 'mqtt' ? RAW_IP : UPPER_PDU, name),
      interfaceOf(UPPER_PDU, `${name} (noise)`),
    ]);
  }

  /** @param time UTC ms, fractions allowed. @param bytes the whole frame as on the wire */
  packet(way: CaptureWay, time: number, bytes: Uint8Array): Uint8Array {
    const { kind } = this.#medium;
    if (way === 'noise') return this.#block(1, time, upperPdu('data', way, bytes));
    if (kind === 'tcp' || kind === 'mqtt') return this.#block(0, time, this.#tcp(way, bytes));
    if (kind === 'udp') return this.#block(0, time, this.#udp(way, bytes));
    const shown = kind === 'ascii' ? rtuOfAscii(bytes) : bytes;
    if (shown === undefined) return this.#block(1, time, upperPdu('data', way, bytes));
    const comment = shown === bytes ? undefined : `Modbus ASCII ${Buffer.from(bytes).toString('latin1').trim()}`;
    return this.#block(0, time, upperPdu('mbrtu', way, shown), comment);
  }

  #block(link: 0 | 1, time: number, data: Uint8Array, comment?: string): Uint8Array {
    const fixed = Buffer.alloc(20);
    const micros = BigInt(Math.round(time * 1000));
    fixed.writeUInt32LE(link, 0);
    fixed.writeUInt32LE(Number(micros >> 32n), 4);
    fixed.writeUInt32LE(Number(micros & 0xffffffffn), 8);
    fixed.writeUInt32LE(data.length, 12);
    fixed.writeUInt32LE(data.length, 16);
    return block(6, [fixed, padded(data), ...(comment === undefined ? [] : [option(OPTION.comment, comment), END])]);
  }

  #tcp(way: 'out' | 'in', bytes: Uint8Array): Uint8Array {
    const header = Buffer.alloc(20);
    // A broker listens itself; Modbus devices are called.
    const [from, to] = this.#medium.kind === 'mqtt' ? [MQTT_PORT, OUR_PORT] : [OUR_PORT, MODBUS_PORT];
    header.writeUInt16BE(way === 'out' ? from : to, 0);
    header.writeUInt16BE(way === 'out' ? to : from, 2);
    header.writeUInt32BE(this.#sequence[way], 4);
    header.writeUInt32BE(this.#sequence[way === 'out' ? 'in' : 'out'], 8);
    header[12] = 5 << 4;
    // PSH, ACK
    header[13] = 0x18;
    header.writeUInt16BE(65_535, 14);
    this.#sequence[way] = (this.#sequence[way] + bytes.length) >>> 0;
    return this.#ip(6, way, header, 16, bytes);
  }

  #udp(way: 'out' | 'in', bytes: Uint8Array): Uint8Array {
    const header = Buffer.alloc(8);
    header.writeUInt16BE(way === 'out' ? OUR_PORT : MODBUS_PORT, 0);
    header.writeUInt16BE(way === 'out' ? MODBUS_PORT : OUR_PORT, 2);
    header.writeUInt16BE(8 + bytes.length, 4);
    return this.#ip(17, way, header, 6, bytes);
  }

  /** @param sumAt where the checksum stands in the header above */
  #ip(protocol: number, way: 'out' | 'in', above: Buffer, sumAt: number, bytes: Uint8Array): Uint8Array {
    const addresses = way === 'out' ? [...OUR_ADDRESS, ...this.#device] : [...this.#device, ...OUR_ADDRESS];
    const length = above.length + bytes.length;
    const pseudo = Buffer.from([...addresses, 0, protocol, length >> 8, length & 255]);
    above.writeUInt16BE(checksum(Buffer.concat([pseudo, above, bytes])) || 0xffff, sumAt);
    const ip = Buffer.alloc(20);
    ip[0] = 0x45;
    ip.writeUInt16BE(20 + length, 2);
    ip.writeUInt16BE(this.#packets++ & 0xffff, 4);
    ip[8] = 64;
    ip[9] = protocol;
    ip.set(addresses, 12);
    ip.writeUInt16BE(checksum(ip), 10);
    return Buffer.concat([ip, above, bytes]);
  }
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function upperPdu(dissector: string, way: CaptureWay, bytes: Uint8Array): Uint8Array {
  const tag = (type: number, value: Uint8Array) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value]);
  };
  const number = (value: number) => Buffer.from([0, 0, value >> 8, value & 255]);
  const name = padded(Buffer.from(dissector, 'latin1'));
  const ports =
    way === 'noise'
      ? []
      : [
          tag(TAG.portType, number(PORT_TYPE_TCP)),
          tag(TAG.source, number(way === 'out' ? OUR_PORT : MODBUS_PORT)),
          tag(TAG.destination, number(way === 'out' ? MODBUS_PORT : OUR_PORT)),
        ];
  return Buffer.concat([tag(TAG.dissector, name), ...ports, tag(TAG.end, Buffer.alloc(0)), bytes]);
}

/** Unit, PDU and a checksum, of `:0103…LRC`; undefined where it is no ASCII frame. */
function rtuOfAscii(bytes: Uint8Array): Uint8Array | undefined {
  const hex = /^:((?:[0-9A-Fa-f]{2})+)\r?\n$/.exec(Buffer.from(bytes).toString('latin1'))?.[1];
  if (hex === undefined || hex.length < 6) return undefined;
  const body = Buffer.from(hex.slice(0, -2), 'hex');
  const sum = crc16(body, 0, body.length);
  return Buffer.concat([body, Buffer.from([sum & 255, sum >> 8])]);
}

const END = Buffer.alloc(4);

function option(code: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(bytes.length, 2);
  return Buffer.concat([head, padded(bytes)]);
}

function block(type: number, parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const out = Buffer.alloc(12 + body.length);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(out.length, 4);
  out.set(body, 8);
  out.writeUInt32LE(out.length, out.length - 4);
  return out;
}

function padded(bytes: Uint8Array): Uint8Array {
  return bytes.length % 4 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}
