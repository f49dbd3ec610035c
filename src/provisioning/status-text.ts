/** `sluice-status.txt`: for a person who puts the card into a Windows computer. No secret is in it. */
import type { NetworkInterfaceInfo } from 'node:os';

export const STATUS_FILE = 'sluice-status.txt';
/** Lines of faults and remarks each. */
const MOST_LINES = 30;

export interface StatusFacts {
  readonly id: string | undefined;
  readonly fingerprint: string | undefined;
  readonly claimed: boolean;
  readonly hostName: string | undefined;
  readonly addresses: readonly string[];
  readonly pagePort: number | undefined;
  readonly version: string;
  readonly board: string;
  readonly os: string;
  /** The result in one sentence. */
  readonly result: string;
  readonly faults: readonly string[];
  readonly remarks: readonly string[];
}

export function statusText(facts: StatusFacts): string {
  const { id, fingerprint, addresses, hostName, pagePort } = facts;
  const lines = [
    'Sluice gateway: state of this card. The gateway writes this file. Your changes in it have no effect.',
    '',
    `Result:      ${facts.result}`,
    ...section('Mistakes in sluice.yaml. Correct them, and put the card back into the board:', facts.faults),
    ...section('Remarks:', facts.remarks),
    '',
    `Gateway id:  ${id ?? 'not known yet'}`,
    `Key:         ${fingerprint ?? 'not made yet'}`,
    `Claimed:     ${facts.claimed ? 'yes' : 'no'}`,
    `Address:     ${addresses.length === 0 ? 'none yet. The gateway writes it here about a minute and a half after the start' : addresses.join(', ')}`,
    ...(pagePort === undefined || addresses.length === 0
      ? []
      : [
          `Page:        ${[...(hostName === undefined ? [] : [`${hostName}.local`]), ...addresses.slice(0, 2)].map((host) => `https://${host}:${pagePort}/`).join(' or ')}`,
        ]),
    `Version:     Sluice ${facts.version}`,
    `System:      ${facts.os}`,
    `Board:       ${facts.board}`,
  ];
  // Control characters of a quoted value would reach the terminal of a reader.
  return `${lines.map((line) => line.replaceAll(/\p{Cc}/gu, ' ')).join('\r\n')}\r\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, MOST_LINES).map((line) => `  - ${line}`);
  return ['', title, ...shown, ...(lines.length > MOST_LINES ? [`  - and ${lines.length - MOST_LINES} more`] : [])];
}

/** Addresses that others may reach, IPv4 first. */
export function outerAddresses(interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>): string[] {
  const all = Object.values(interfaces).flatMap((list) => list ?? []);
  const outer = all.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address));
  return [
    ...new Set(
      [...outer.filter(({ family }) => family === 'IPv4'), ...outer.filter(({ family }) => family === 'IPv6')].map(
        ({ address }) => address,
      ),
    ),
  ].slice(0, 6);
}
