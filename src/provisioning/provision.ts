/**
 * A card becomes a gateway: `sluice.yaml` on its boot partition is checked, put in force, freed of secrets, and answered by
 * `sluice-status.txt`. Invariants:
 * - Nothing that is on the card keeps the board from starting or changes a configuration that works: a bad file changes nothing.
 * - The same file twice changes nothing the second time. Hands on `gateway.yaml` stay until the file on the card changes.
 * - A claimed gateway takes another file only when that file names its id. No file changes its accounts, keys or id.
 * - Each write is whole or not at all (disk.ts). A power cut between any two ends in the old configuration or the new one.
 */
import { existsSync, lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import { wasClaimed } from '../access/account-files.ts';
import { GATEWAY_KEY_FILE, MAX_KEY_FILE } from '../access/gateway-key.ts';
import { gatewaySecretText, grouped, makeGatewaySecret, readGatewaySecret } from '../codecs/bundle/keys.ts';
import { toError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import { holderOf } from '../store/state-dir.ts';
import { applyPlan, dropOldSecrets } from './apply.ts';
import { type CardText, findText, MOST_BYTES } from './card-text.ts';
import { Disk, PowerCut, Swapped } from './disk.ts';
import { erase, type IdEdit } from './erase.ts';
import { readIdentity, type Settled, settleConfigId, settleIdentity } from './identity.ts';
import { macSuffix, serviceUser, systemWords } from './machine.ts';
import { networkRemarks } from './network.ts';
import { fits } from './pem-parts.ts';
import { type CheckConfig, type Plan, planOf } from './plan.ts';
import { type Applied, readApplied } from './record.ts';
import { STATUS_FILE, statusText } from './status-text.ts';

export interface ProvisionOptions {
  readonly boot: string | undefined;
  readonly config: string;
  readonly stateDir: string;
  /** `/`; a test has a folder of its own. */
  readonly root: string;
  readonly check: CheckConfig;
  readonly addresses: () => readonly string[];
  readonly disk?: Disk;
  readonly random?: (count: number) => Uint8Array;
  /** Only writes the status file anew. */
  readonly reportOnly?: boolean;
  /** What has to be finished before anything else is done, for the status file. It ends with a full stop. */
  readonly unfinished?: string | undefined;
}

export type Outcome = 'no-file' | 'applied' | 'unchanged' | 'refused' | 'failed';

export interface Provisioned {
  readonly outcome: Outcome;
  readonly id: string | undefined;
  readonly change: Settled['change'] | undefined;
  /** In one sentence. */
  readonly result: string;
  readonly faults: readonly string[];
  readonly remarks: readonly string[];
}

interface CardReport {
  readonly outcome: Outcome;
  readonly result: string;
  readonly faults?: readonly string[];
  readonly remarks?: readonly string[];
  readonly pagePort?: number | undefined;
}

/** Never throws, but for the power cut of a test. */
export function provision(options: ProvisionOptions): Provisioned {
  const { boot, config, stateDir, root, disk = new Disk() } = options;
  const owner = ownerOf(root, stateDir);
  let settled: Settled | undefined;
  let report: CardReport;
  try {
    if (options.reportOnly !== true && options.unfinished === undefined) {
      disk.folder(stateDir, { mode: 0o750, owner });
      const random = options.random === undefined ? {} : { random: options.random };
      settled = settleIdentity({ ...{ root, stateDir, config, owner, disk, running: holderOf(stateDir) }, ...random });
      settleConfigId({ config, disk, owner }, settled);
      makeKey(disk, stateDir, owner);
    }
    const identity = settled ?? readIdentity(stateDir);
    report =
      options.unfinished !== undefined
        ? { outcome: 'failed', result: options.unfinished }
        : identity === undefined
          ? { outcome: 'no-file', result: 'This board was not started with Sluice yet.' }
          : card(options, { disk, owner, ...identity });
  } catch (thrown) {
    if (thrown instanceof PowerCut) throw thrown;
    report = {
      outcome: 'failed',
      result: `The card was not taken over: ${toError(thrown).message}. The configuration stays as it was.`,
    };
  }
  const identity = readIdentity(stateDir) ?? settled;
  const id = identity?.id;
  const remarks = [...(report.remarks ?? [])];
  const claimed = wasClaimed(stateDir);
  const [was] = identity?.former ?? [];
  // Until somebody has seen it: the claim is over when a person has taken the new gateway over.
  if (was !== undefined && !claimed)
    remarks.push(`This card is a copy of the card of ${was}. It is a new gateway: ${id}. Claim it again. Its log is new.`);
  if (boot !== undefined) {
    const system = systemWords(root);
    const suffix = macSuffix(root);
    const text = statusText({
      ...{ id, ...system, version: VERSION, result: report.result, faults: report.faults ?? [], remarks },
      ...{ fingerprint: fingerprintOf(stateDir), claimed, addresses: options.addresses() },
      ...{ hostName: suffix === undefined ? undefined : `sluice-${suffix}`, pagePort: report.pagePort },
    });
    try {
      const file = path.join(boot, STATUS_FILE);
      // A card wears with every write, so the same words are not written twice.
      if (readSmall(file, 64 * 1024)?.toString('utf8') !== text) putStatus(disk, file, text);
    } catch (thrown) {
      if (thrown instanceof PowerCut) throw thrown;
      remarks.push(`${STATUS_FILE} cannot be written: ${toError(thrown).message}.`);
    }
  }
  return { outcome: report.outcome, id, change: settled?.change, result: report.result, faults: report.faults ?? [], remarks };
}

interface CardContext {
  readonly disk: Disk;
  readonly owner: Owner | undefined;
  readonly id: string;
  readonly former: readonly string[];
}

function card(options: ProvisionOptions, { disk, owner, id, former }: CardContext): CardReport {
  const { boot, config, stateDir, root } = options;
  const found = boot === undefined ? { kind: 'none' as const } : findText(boot);
  if (found.kind === 'none')
    return { outcome: 'no-file', result: 'There is no sluice.yaml on this card. The configuration stays as it was.' };
  if (found.kind === 'bad') return refused([`${path.basename(found.file)}:${found.line}:1: ${found.why}`]);
  // Faults name the file as a person sees it on the card, not the place where the card is mounted.
  const shown = { ...found, file: path.basename(found.file) };
  const planned = planOf(shown, { config, stateDir, id, former, check: options.check, folder: path.dirname(found.file) });
  if ('faults' in planned) return refused(planned.faults);
  const { plan } = planned;
  const pagePort = plan.wanted.page === 'network' ? 8443 : undefined;
  const before = readApplied(stateDir);
  const known =
    before !== undefined &&
    hasText(config) &&
    !plan.newId &&
    (plan.fullDigest(before.salt) === before.full ||
      (plan.secrets.length === 0 && plan.redactedDigest(before.salt) === before.redacted));
  const remarks = [...plan.warnings, ...networkRemarks(plan.wanted, root)];
  const report = (outcome: Outcome, result: string): CardReport => ({ outcome, result, remarks, pagePort });
  if (known) {
    if (options.reportOnly === true) return report('unchanged', 'sluice.yaml is in force.');
    dropOldSecrets({ disk, stateDir, config });
    takeOff(disk, found, plan, remarks);
    return report('unchanged', 'sluice.yaml is in force. Nothing was changed.');
  }
  const fault = strangerFault(plan, id, wasClaimed(stateDir)) ?? lostFault(plan, stateDir, before);
  if (fault !== undefined) {
    const { line, column } = plan.source.position(fault.at);
    return refused([`${shown.file}:${line}:${column}: ${fault.at.join('.')}: ${fault.words}`]);
  }
  if (options.reportOnly === true)
    return report('unchanged', 'sluice.yaml was changed. The next start of the board puts it in force.');
  const random = options.random === undefined ? {} : { random: options.random };
  remarks.push(
    ...applyPlan(plan, { ...{ root, config, stateDir, owner, disk, before, claimed: wasClaimed(stateDir) }, ...random }),
  );
  // The id that the file named is in the configuration: the identity follows it.
  if (plan.newId) settleIdentity({ root, stateDir, config, owner, disk, running: undefined });
  dropOldSecrets({ disk, stateDir, config });
  takeOff(disk, found, plan, remarks);
  return report('applied', 'sluice.yaml was put in force.');
}

/** A card that was repaired may have lost the configuration, or all that was in it. */
const hasText = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;

interface CardFault {
  readonly at: readonly string[];
  readonly words: string;
}

/** The card of another gateway, or an empty example, does not change a gateway that has an administrator. */
function strangerFault(plan: Plan, id: string, claimed: boolean): CardFault | undefined {
  if (!claimed || (plan.namesId && plan.id === id)) return undefined;
  const words =
    plan.wanted.id === undefined
      ? `this gateway is claimed and keeps its configuration. If this file is for it, add the line id: ${id}`
      : `this file is for the gateway ${plan.wanted.id}. This gateway is ${id}, is claimed and keeps its configuration. If the file is for it, write id: ${id}`;
  return { at: ['id'], words };
}

/** A restore brings the secrets of its backup, and the record of this board may name a later one. */
function keptFile(stateDir: string, name: string | undefined): string | undefined {
  const file = name === undefined ? undefined : path.join(stateDir, 'secrets', name);
  return file !== undefined && existsSync(file) ? file : undefined;
}

function lostFault(plan: Plan, stateDir: string, applied: Applied | undefined): CardFault | undefined {
  if (plan.erased.includes('upstream.password') && keptFile(stateDir, applied?.passwordFile) === undefined)
    return {
      at: ['upstream', 'password'],
      words: 'the password was erased from this file, and this board does not have it; write the password again',
    };
  if (!plan.erased.includes('upstream.key')) return undefined;
  const at = ['upstream', 'key'];
  const file = keptFile(stateDir, applied?.keyFile);
  const key = file === undefined ? undefined : readSmall(file, MOST_BYTES)?.toString('utf8');
  if (key === undefined)
    return {
      at,
      words: 'the private key is not on this card, and this board does not have it; write it again, or copy its file to the card',
    };
  const { cert } = plan.pems;
  if (cert === undefined || fits(cert, key)) return undefined;
  return { at, words: 'the private key that this board has does not belong to the certificate in `cert`; write the key of it' };
}

function refused(faults: readonly string[]): CardReport {
  return { outcome: 'refused', result: 'sluice.yaml has mistakes. The configuration stays as it was.', faults };
}

/** An old answer on a full card would be believed: it gives its room to the new one. */
function putStatus(disk: Disk, file: string, text: string): void {
  try {
    disk.put(file, text, { mode: 0o644 });
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC')) throw thrown;
    disk.remove(file);
    disk.put(file, text, { mode: 0o644 });
  }
}

/** With the id in it, a later change of this file counts also after the claim, and the file of another card does not. */
function idEdit({ wanted, id, formerId }: Plan): IdEdit | undefined {
  return wanted.id === undefined || formerId !== undefined ? { id, range: formerId } : undefined;
}

function takeOff(disk: Disk, found: CardText, plan: Plan, remarks: string[]): void {
  try {
    erase(disk, found, plan, idEdit(plan));
  } catch (thrown) {
    if (thrown instanceof PowerCut) throw thrown;
    if (thrown instanceof Swapped)
      remarks.push(
        `${path.basename(found.file)} was changed while the gateway read it. The file that is there now was not touched. The next start of the board looks at it.`,
      );
    else if (plan.secrets.length > 0)
      remarks.push(
        `The secrets are still on the card, because it cannot be written: ${toError(thrown).message}. Erase them yourself.`,
      );
  }
}

/** Once, at the first boot. A key that is there, in any state, is left alone: platforms know the gateway by it. */
function makeKey(disk: Disk, stateDir: string, owner: Owner | undefined): void {
  const file = path.join(stateDir, GATEWAY_KEY_FILE);
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined)
    disk.put(file, gatewaySecretText(makeGatewaySecret()), { mode: 0o600, owner });
}

/** The fingerprint of the key that signs the bundles of this gateway, in groups; undefined: there is none, or this user may not read it. */
export function fingerprintOf(stateDir: string): string | undefined {
  const key = readGatewaySecret(readSmall(path.join(stateDir, GATEWAY_KEY_FILE), MAX_KEY_FILE)?.toString('utf8') ?? '');
  return key === undefined ? undefined : grouped(key.fingerprint);
}

function ownerOf(root: string, stateDir: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const user = serviceUser(root);
  if (user !== undefined) return user;
  const stat = lstatSync(stateDir, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { uid: stat.uid, gid: stat.gid };
}
