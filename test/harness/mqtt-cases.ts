/** The table of test/cases/mqtt: read, sent to a broker, and what came of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { remaining, text } from './embedded-broker.ts';
import { waitFor } from './wait-for.ts';

const FOLDER = path.join(import.meta.dirname, '..', 'cases', 'mqtt');

export type Before = 'nothing' | 'connect' | 'connect31';
/** `here`: the embedded broker, whoever the client is; `anonymous`: for clients without an account only. */
export type Who = 'here' | 'anonymous' | 'mosquitto';

/** `open`, `closed`, or the bytes that are sent, with `closed` behind them where the connection ends. `none`: not compared. */
export type Outcome = string;

export interface Asked {
  readonly outcome: Outcome;
  /** Under which the embedded broker counts the end of the connection; undefined: it counts nothing. */
  readonly counter?: string | undefined;
}

/** Name and password of an account. */
export interface Login {
  readonly name: string;
  readonly secret: string;
}

export interface PacketCase {
  readonly file: string;
  readonly line: number;
  readonly before: Before;
  readonly asks: Asked;
  readonly statement: string;
  readonly bytes: Buffer;
  /** The same bytes: behind each part but the last the client waits for an answer. */
  readonly parts: readonly Buffer[];
  readonly name: string;
  readonly differs: Readonly<Partial<Record<Who, Asked & { readonly why: string }>>>;
}

export function packetCases(): PacketCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .flatMap(casesOf);
}

function casesOf(file: string): PacketCase[] {
  const found: PacketCase[] = [];
  let before: Before = 'nothing';
  for (const [i, text] of readFileSync(path.join(FOLDER, file), 'utf8').split('\n').entries()) {
    const given = /^before: (nothing|connect|connect31)$/.exec(text)?.[1];
    if (given !== undefined) before = given as Before;
    else if (text !== '' && !text.startsWith('#')) found.push(caseOf(file, i + 1, before, text));
  }
  return found;
}

function caseOf(file: string, line: number, before: Before, text: string): PacketCase {
  const [asks, statement, bytes, name, ...differs] = text.split(' | ');
  if (asks === undefined || statement === undefined || bytes === undefined || name === undefined)
    throw new Error(`${file}:${line} is not a case`);
  const parts = bytes.split(' > ').map(bytesOf);
  return {
    ...{ file, line, before, asks: askedOf(asks), statement, name, parts, bytes: Buffer.concat(parts) },
    differs: Object.fromEntries(
      differs.map((part) => {
        const [, who, outcome = '', why] = /^(here|anonymous|mosquitto): ([^:]+): (.+)$/.exec(part) ?? [];
        if (who === undefined) throw new Error(`${file}:${line}: "${part}" is no difference`);
        return [who, { ...askedOf(outcome), why }];
      }),
    ),
  };
}

function askedOf(words: string): Asked {
  const counter = / by ([a-z]+)$/.exec(words)?.[1];
  return { outcome: outcomeOf(words.replace(/ by [a-z]+$/, '')), counter };
}

function outcomeOf(words: string): Outcome {
  if (words === 'none') return words;
  const closed = /\bclosed$/.test(words);
  const hex = words.replace(/\b(closed|open)$/, '').replaceAll(' ', '');
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`"${words}" is no outcome`);
  return describe(Buffer.from(hex, 'hex'), closed);
}

function describe(bytes: Buffer, closed: boolean): Outcome {
  if (bytes.length === 0) return closed ? 'closed' : 'open';
  return `${bytes.toString('hex')}${closed ? ' closed' : ''}`;
}

/** `10 [ 'MQTT' 04 ]`: README.md of the folder says how it is written. */
export function bytesOf(notation: string): Buffer {
  const words = notation.match(/'[^']*'|"[^"]*"|\[|\]|[0-9a-f]{2}\*\d+|(?:[0-9a-f]{2})+/g) ?? [];
  if (words.join('') !== notation.replaceAll(/ (?=(?:[^"']|"[^"]*"|'[^']*')*$)/g, '')) throw new Error(`what is "${notation}"?`);
  const open: Buffer[][] = [[]];
  for (const word of words) {
    const last = open.at(-1) as Buffer[];
    if (word === '[') open.push([]);
    else if (word === ']') {
      open.pop();
      const body = Buffer.concat(last);
      open.at(-1)?.push(remaining(body.length), body);
    } else if (word.startsWith("'")) last.push(text(word.slice(1, -1)));
    else if (word.startsWith('"')) last.push(Buffer.from(word.slice(1, -1)));
    else if (word.includes('*')) last.push(Buffer.alloc(Number(word.slice(3)), Number.parseInt(word.slice(0, 2), 16)));
    else last.push(Buffer.from(word, 'hex'));
  }
  return Buffer.concat(open[0] as Buffer[]);
}

const PINGREQ = Buffer.from([0xc0, 0]);
const PINGRESP = Buffer.from([0xd0, 0]);

/** A good CONNECT. */
function preamble(before: 'connect' | 'connect31', login: Login | undefined): Buffer {
  const [protocol, flags] = [before === 'connect' ? "'MQTT' 04" : "'MQIsdp' 03", login === undefined ? '02' : 'c2'];
  const who = login === undefined ? '' : ` '${login.name}' '${login.secret}'`;
  return bytesOf(`10 [ ${protocol} ${flags} 000a 'table'${who} ]`);
}

/** Long packets are not sent byte by byte to the end: the first and last bytes one by one, the rest in one piece. */
const ENDS = 40;

/**
 * Sends the case on a connection of its own. @param expected how long it waits before it probes the connection
 * @param login of the CONNECT before the case @returns what came of it
 */
export async function outcome(
  port: number,
  { before, parts }: PacketCase,
  byteByByte: boolean,
  expected: Outcome,
  login?: Login,
): Promise<Outcome> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let got = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (chunk) => {
    got = Buffer.concat([got, chunk]);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  try {
    await waitFor('a connection', () => !socket.connecting || closed, { every: 1 });
    if (before !== 'nothing') {
      socket.write(preamble(before, login));
      await waitFor('the CONNACK', () => got.length >= 4 || closed, { every: 1 });
      if (closed || got[3] !== 0) throw new Error(`the good CONNECT was answered with ${got.toString('hex')}`);
      got = got.subarray(4);
    }
    for (const [i, part] of parts.entries()) {
      const answered = got.length;
      await send(socket, part, byteByByte);
      if (i < parts.length - 1) await waitFor('an answer to a part', () => got.length > answered || closed, { every: 1 });
    }
    // What is sent behind a CONNECT that is refused may cost its answer, and a broker may answer a PINGREQ before what came earlier.
    const answer = Buffer.from(/^[0-9a-f]+/.exec(expected.replace('closed', ''))?.[0] ?? '', 'hex').length;
    await waitFor(
      () => `the answer; there was ${got.toString('hex')}`,
      () => got.length >= Math.max(answer, before === 'nothing' ? 4 : 0) || closed,
      { every: 1 },
    );
    const probe = !closed && (answer === 0 || !expected.endsWith('closed'));
    const sofar = got.length;
    if (probe) socket.write(PINGREQ);
    await waitFor(
      () => `the end or a PINGRESP; there was ${got.toString('hex')}`,
      () => closed || (probe && got.length > sofar && got.subarray(-2).equals(PINGRESP)),
      { every: 1 },
    );
    return describe(closed ? got : got.subarray(0, -2), closed);
  } finally {
    socket.destroy();
  }
}

async function send(socket: Socket, bytes: Buffer, byteByByte: boolean): Promise<void> {
  if (!byteByByte) socket.write(bytes);
  const pieces = byteByByte ? [bytes.subarray(0, ENDS), bytes.subarray(ENDS, -ENDS), bytes.subarray(ENDS).subarray(-ENDS)] : [];
  for (const piece of pieces) {
    if (piece.length > ENDS) socket.write(piece);
    else
      for (const byte of piece) {
        socket.write(Buffer.of(byte));
        await nextTurn();
      }
  }
}
