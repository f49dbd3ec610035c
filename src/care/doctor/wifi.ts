/** The Wi-Fi that a card asks for: whether this system can do it, sees an adapter, and is connected. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Finding, ok, type Roots, warning } from './finding.ts';

/** Interfaces that are looked at. */
const MOST = 64;

export interface WifiFacts {
  /** `sluice.yaml` asks for it. */
  readonly asked: boolean;
  /** The system has a program for it. */
  readonly able: boolean;
}

export function checkWifi({ asked, able }: WifiFacts, { sys }: Pick<Roots, 'sys'>): Finding[] {
  if (!asked) return [];
  if (!able)
    return [
      warning(
        'network',
        'wifi-unsupported',
        'sluice.yaml asks for Wi-Fi, and this system cannot do it: it has neither NetworkManager nor the Wi-Fi of a Sluice image.',
        'Connect a network cable, or write the card with Raspberry Pi OS or with the Sluice image for a Raspberry Pi.',
      ),
    ];
  const adapters = adaptersIn(path.join(sys, 'class/net'));
  if (adapters.length === 0)
    return [
      warning(
        'network',
        'wifi-no-adapter',
        'sluice.yaml asks for Wi-Fi, and the system sees no Wi-Fi adapter.',
        'Look whether the board has one, and whether its driver found its firmware: sudo dmesg | grep -i firmware',
      ),
    ];
  const up = adapters.filter(({ state }) => state === 'up');
  if (up.length > 0) return [ok('network', 'wifi', `The Wi-Fi of ${up.map(({ name }) => name).join(', ')} is connected.`)];
  return [
    warning(
      'network',
      'wifi-away',
      `The Wi-Fi adapter ${adapters.map(({ name }) => name).join(', ')} is not connected.`,
      'Compare name, password and country of sluice.yaml with the network, and look at the antenna. The reason is in: journalctl -u NetworkManager -u "sluice-wifi@*"',
    ),
  ];
}

function adaptersIn(folder: string): { name: string; state: string }[] {
  try {
    return readdirSync(folder)
      .slice(0, MOST)
      .filter((name) => existsSync(path.join(folder, name, 'phy80211')))
      .map((name) => ({ name, state: readFileSync(path.join(folder, name, 'operstate'), 'utf8').trim() }));
  } catch {
    return [];
  }
}
