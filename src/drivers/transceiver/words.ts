/** Why a GPIO line cannot switch a transceiver, and what to do about it. */
import { readdir, stat } from 'node:fs/promises';
import type { GpioLine } from '../../config/gpio-line.ts';
import { SluiceError } from '../../core/errors.ts';
import { accounts, permissionWords } from '../serial-ports.ts';
import type { Refusal } from './calls.ts';
import { CONSUMER } from './kernel-calls.ts';

/** Names in a sentence. */
const MOST_NAMED = 12;

export interface Switch {
  /** Name of the serial port. */
  readonly path: string;
  readonly gpio: GpioLine;
}

/** Never throws. */
export async function refusedWords(
  code: 'bus-open' | 'bus-closed',
  refusal: Refusal,
  { path, gpio }: Switch,
): Promise<SluiceError> {
  const words = await why(refusal, gpio).catch(() => refusal.errno ?? refusal.call);
  return new SluiceError(code, `${path} cannot switch its transceiver: ${words}`, { data: { port: path, ...refusal } });
}

async function why(refusal: Refusal, { gpio, line }: GpioLine): Promise<string> {
  const { call, errno, holder, lines, bytes, waited = 0 } = refusal;
  const error = errno === undefined ? '' : ` (${errno})`;
  switch (call) {
    case 'koffi':
      return `the package koffi cannot be loaded, or does not know this processor; ${ELSE}`;
    case 'open':
      return notOpened(gpio, errno);
    case 'chip':
      return `${gpio} is no GPIO chip${error}; ${await chips()}`;
    case 'line':
      if (lines !== undefined) return `${gpio} has no line ${line}; it has the lines 0 to ${lines - 1} (gpioinfo lists them)`;
      if (holder === CONSUMER)
        return `line ${line} of ${gpio} is in use by a gateway already; give each bus a line of its own, and end other gateways`;
      if (errno === 'EBUSY')
        return `line ${line} of ${gpio} is in use by ${printable(holder)}; choose another line, or end what uses it (gpioinfo shows the user of each line)`;
      return `line ${line} of ${gpio} cannot be an output${error}; choose another line (gpioinfo lists them)`;
    case 'set':
      return `the chip ${gpio} did not switch line ${line}${error}; look at its driver: dmesg`;
    case 'copy':
    case 'write':
    case 'wait':
      return `the port does not take the request${error}; it may be unplugged`;
    case 'stuck':
      return `a request of ${bytes} bytes did not get out within ${Math.round(waited)} ms; the line is on receive again. Look at the flow control and at the driver of the port; ${ELSE}`;
    case 'thread':
      return `its thread ended${error}; look at the memory of the board ("sluice doctor")`;
  }
}

const ELSE = 'a transceiver on the line RTS takes direction: kernel, and one that switches itself takes direction: automatic';

async function notOpened(gpio: string, errno = ''): Promise<string> {
  if (errno === 'ENOENT' || errno === 'ENXIO' || errno === 'ENODEV') return `there is no GPIO chip ${gpio}; ${await chips()}`;
  if (errno !== 'EACCES' && errno !== 'EPERM') return `${gpio} cannot be opened (${errno}); ${await chips()}`;
  const found = await stat(gpio);
  return permissionWords(
    { ...found, mode: found.mode & 0o777 },
    { uid: process.getuid?.() ?? 0, groups: process.getgroups?.() ?? [] },
    await accounts(),
    { node: `chip ${gpio}`, group: 'gpio' },
  );
}

async function chips(): Promise<string> {
  const found = (await readdir('/dev').catch(() => [])).filter((name) => /^gpiochip\d+$/.test(name)).sort();
  if (found.length === 0) return 'this machine has no GPIO chip';
  return `there ${found.length === 1 ? 'is' : 'are'} ${found
    .slice(0, MOST_NAMED)
    .map((name) => `/dev/${name}`)
    .join(', ')}`;
}

/** Programs name themselves as they like. */
function printable(text = ''): string {
  return text.replaceAll(/\p{C}/gu, '').trim() || 'another program or driver';
}
