/**
 * Puts a plan in force. Invariants:
 * - The configuration changes in one step, and last of all that it needs. A power cut before leaves the old one with its secrets, a cut
 *   behind it the new one with its own. The next start completes the rest and ends the same.
 * - Secrets leave the card only after the gateway has them on its disk.
 * - Accounts, keys and the id of a claimed gateway never change here.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { CLAIM_FILE } from '../access/account-files.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import type { Disk } from './disk.ts';
import { writeNetwork } from './network.ts';
import { PEM_KEYS } from './pem-parts.ts';
import type { Plan, UpstreamFiles } from './plan.ts';
import { type Applied, SECRET_FILE, SECRET_NAMES, writeApplied } from './record.ts';
import type { SecretName } from './schema.ts';

export interface ApplyContext {
  readonly root: string;
  readonly config: string;
  readonly stateDir: string;
  readonly owner: Owner | undefined;
  readonly disk: Disk;
  readonly claimed: boolean;
  readonly before: Applied | undefined;
  readonly random?: (count: number) => Uint8Array;
}

/** Bytes of a configuration with the head of one that ran well. */
const MOST_TEXT = 1024 * 1024 + 64 * 1024;
/** Kept configurations: two that ran well, two from upstream, and what a cut left. */
const MOST_KEPT = 16;

/** @returns remarks for the status file. @throws what the file system says */
export function applyPlan(plan: Plan, context: ApplyContext): string[] {
  const { disk, stateDir, owner, before, random = randomBytes } = context;
  const remarks: string[] = [];
  const secrets = path.join(stateDir, 'secrets');
  disk.folder(secrets, { mode: 0o700, owner });
  disk.folder(path.join(stateDir, 'provision'), { mode: 0o700, owner });

  const names: { -readonly [Of in keyof UpstreamFiles]: string | undefined } = {
    password: plan.erased.includes('upstream.password') ? before?.passwordFile : undefined,
    key: plan.erased.includes('upstream.key') ? before?.keyFile : undefined,
  };
  const texts = { password: secretOf(plan, 'upstream.password'), ...plan.pems };
  for (const of of ['password', ...PEM_KEYS] as const) {
    const text = texts[of];
    if (text === undefined) continue;
    // A name of its own: until the configuration changes, the old one finds the old file.
    const name = `upstream-${of}-${Buffer.from(random(4)).toString('hex')}`;
    names[of] = name;
    disk.put(path.join(secrets, name), text, { mode: 0o600, owner });
  }
  const wifi = { text: secretOf(plan, 'wifi.password'), erased: plan.erased.includes('wifi.password') };
  remarks.push(...writeNetwork(plan.wanted, wifi, context));
  if (plan.claimCode !== undefined) {
    if (context.claimed) remarks.push('The gateway is claimed already. Its accounts stay, and the claim code has no effect.');
    else disk.put(path.join(stateDir, CLAIM_FILE), `${plan.claimCode}\n`, { mode: 0o600, owner });
  }

  const files = Object.entries(names).flatMap(([of, name]) => (name === undefined ? [] : [[of, path.join(secrets, name)]]));
  const text = plan.config(Object.fromEntries(files));
  const old = readSmall(context.config, 1024 * 1024);
  const group = { uid: process.getuid?.() ?? 0, gid: owner?.gid ?? process.getgid?.() ?? 0 };
  if (old === undefined || old.toString('utf8') !== text) {
    // After a cut behind the configuration the same file is applied once more, and the one before stays what it was.
    if (old !== undefined && withoutNames(old.toString('utf8')) !== withoutNames(text))
      disk.put(earlierOf(context.config), old, { mode: 0o640, owner: group });
    disk.folder(path.dirname(context.config), { mode: 0o750, owner: group });
    disk.put(context.config, text, { mode: 0o640, owner: group });
  }
  const salt = before?.salt ?? Buffer.from(random(32)).toString('hex');
  writeApplied(disk, stateDir, owner, {
    ...{ salt, full: plan.fullDigest(salt), redacted: plan.redactedDigest(salt) },
    ...{ passwordFile: names.password, keyFile: names.key },
    wifi: plan.wanted.wifi !== undefined,
  });
  return remarks;
}

const earlierOf = (config: string): string => `${config}.before-provisioning`;
/** Each time a secret is written, its file has another name. */
const withoutNames = (text: string): string => text.replaceAll(SECRET_NAMES, '$1');

/**
 * Removes secrets that nothing names any more: the configuration, the one before it, those that ran well and those from upstream
 * (care/last-good.ts, configure/record.ts). A hand may have broken the configuration, and then one of the others runs.
 */
export function dropOldSecrets({ disk, stateDir, config }: Pick<ApplyContext, 'disk' | 'stateDir' | 'config'>): void {
  const folder = path.join(stateDir, 'secrets');
  if (!isFolder(folder)) return;
  const kept = path.join(stateDir, 'config');
  const others = isFolder(kept) ? readdirSync(kept).filter((name) => name.endsWith('.yaml')) : [];
  const textOf = (file: string): string => readSmall(file, MOST_TEXT)?.toString('utf8') ?? '';
  const now = textOf(config);
  // What cannot be read may name all of them.
  if (now === '') return;
  const more = [earlierOf(config), ...others.slice(0, MOST_KEPT).map((name) => path.join(kept, name))];
  const used = [now, ...more.map(textOf)].join('\n');
  for (const name of readdirSync(folder))
    if (SECRET_FILE.test(name.replace(/\.new$/, '')) && !used.includes(name)) disk.remove(path.join(folder, name));
}

const isFolder = (dir: string): boolean => lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() === true;

function secretOf(plan: Plan, name: SecretName): string | undefined {
  return plan.secrets.find((secret) => secret.name === name)?.text;
}
