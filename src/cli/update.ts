/** `sluice update`: the two slots of a card image, and what the next release is. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { GatewayConfig } from '../config/kinds.ts';
import { windowOf } from '../core/day-window.ts';
import { SluiceError, toError } from '../core/errors.ts';
import { LAYOUTS } from '../store/layouts.ts';
import { markAtWork } from '../update/at-work.ts';
import { openImage } from '../update/image.ts';
import type { Manifest } from '../update/manifest.ts';
import type { Slots } from '../update/slots.ts';
import { openSource, type Source } from '../update/source.ts';
import { UpdateState } from '../update/state.ts';
import { type Asked, isWell, lookBefore } from '../update/trial.ts';
import { type Applied, type LookBefore, Updater } from '../update/updater.ts';
import { validConfig } from './config-file.ts';
import { clean } from './terminal/clean.ts';
import { askedOver } from './update-health.ts';

/** The state of an image, where the configuration cannot be read. */
const STATE = 'var/lib/sluice';

export interface UpdateOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly from?: string;
  readonly restart?: boolean;
  /** The timer calls, not a person: window, budget and `automatic` count. */
  readonly timer?: boolean;
  /** How long a gateway may take until it polls and stores after a boot, seconds. */
  readonly within?: number;
  /** Another folder in place of `/`, in tests. */
  readonly root?: string;
}

interface Parts {
  readonly slots: Slots;
  readonly updater: Updater;
  readonly state: UpdateState;
  readonly gateway: Asked;
  readonly look: LookBefore;
  readonly config: GatewayConfig | undefined;
  readonly version: string;
}

/** A broken configuration must not keep a board from its update. */
function partsOf(options: UpdateOptions): Parts {
  const image = openImage(options.root);
  let config: GatewayConfig | undefined;
  try {
    config = validConfig(options.config, { readSecrets: false }).config;
  } catch (thrown) {
    if (options.from === undefined && options.timer !== true) process.stderr.write(`sluice: ${toError(thrown).message}\n`);
  }
  const stateDir = config?.gateway.stateDir ?? path.join(options.root ?? '/', STATE);
  const state = new UpdateState(image.stateFolder, image.release);
  const zone = config?.gateway.timezone;
  const updater = new Updater({ ...image, state, layouts: LAYOUTS, now: Date.now, ...(zone !== undefined && { zone }) });
  const gateway = askedOver(path.join(stateDir, 'sluice.sock'));
  // Where no gateway ever ran, none is asked and waited for.
  const look = async () => (existsSync(stateDir) ? await lookBefore(gateway) : undefined);
  return { slots: image.slots, updater, state, gateway, look, config, version: image.release.version };
}

function sourceOf(options: UpdateOptions, { config }: Parts): Source {
  const from = options.from ?? config?.gateway.update?.from;
  if (from === undefined)
    throw new SluiceError(
      'usage',
      'where is the update? Name its folder or its address with --from, or write gateway.update.from in the configuration',
    );
  return openSource(from);
}

export async function updateStatus(options: UpdateOptions): Promise<void> {
  const { slots, updater, state, version } = partsOf(options);
  const attempt = updater.attempt();
  const { keys, sequence } = state.trust();
  if (options.json) {
    const trusted = keys.map(({ role, fingerprint }) => ({ role, fingerprint }));
    process.stdout.write(
      `${JSON.stringify({ running: slots.running, slots: slots.list(), sequence, attempt, keys: trusted })}\n`,
    );
    return;
  }
  const lines = slots.list().map((one) => {
    const mark = one.slot === slots.running ? '*' : ' ';
    const name = one.slot === slots.running ? (one.version ?? version) : (one.version ?? '');
    return `${mark} ${one.slot}  ${name.padEnd(16)} ${STATES[one.state]}`;
  });
  if (attempt !== undefined && attempt.state !== 'well') {
    const why = attempt.why === undefined ? '' : `: ${clean(attempt.why)}`;
    lines.push(`The last attempt, ${attempt.version}, ${ATTEMPTS[attempt.state]}${why}`);
  }
  for (const { role, fingerprint } of keys) lines.push(`${role} key ${fingerprint}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
const STATES = {
  empty: 'holds nothing that boots',
  trying: 'boots next; it has to run well',
  good: 'ran well',
  bad: 'did not run well',
} as const;
const ATTEMPTS = {
  offered: 'waits for a restart',
  well: 'ran well',
  failed: 'did not run well here',
  'rolled-back': 'was taken back by a person',
} as const;

export async function updateCheck(options: UpdateOptions): Promise<void> {
  const parts = partsOf(options);
  const { manifest, relation } = await parts.updater.check(sourceOf(options, parts));
  if (options.json) process.stdout.write(`${JSON.stringify({ relation, ...about(manifest) })}\n`);
  else {
    const words = {
      newer: 'It can be applied: sluice update apply',
      same: 'It runs here already.',
      failed: 'It did not run well here before. To try it again: sluice update apply',
    }[relation];
    process.stdout.write(
      `Release ${manifest.version} of ${manifest.date}, signed by a key that this gateway trusts.\n${words}\n`,
    );
    if (manifest.notes !== undefined) process.stdout.write(`${manifest.notes}\n`);
  }
}
const about = ({ version, sequence, date, notes }: Manifest) => ({ version, sequence, date, notes });

export async function updateApply(options: UpdateOptions): Promise<void> {
  const parts = partsOf(options);
  const settings = parts.config?.gateway.update;
  // A release that somebody applied may wait, also outside of the window and without a way to the next one.
  if (options.timer === true) await lookAgain(parts);
  if (options.timer === true && settings?.automatic !== true) return;
  const shown = process.stderr.isTTY === true;
  const lock = parts.state.lock();
  // The timer looks each hour: the LED shows what is written, and no look.
  let working: (() => void) | undefined;
  let applied: Applied;
  try {
    applied = await parts.updater.apply(sourceOf(options, parts), {
      perDay: options.timer === true ? (settings?.perDay ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
      now: options.timer !== true,
      look: parts.look,
      ...(settings?.window !== undefined && { window: windowOf(settings.window) }),
      onProgress: (done, all) => {
        working ??= markAtWork(options.root);
        if (shown) process.stderr.write(`\r${Math.floor((done / all) * 100)} %`);
      },
    });
  } finally {
    working?.();
    lock.release();
  }
  if (shown) process.stderr.write('\r');
  if (options.json) process.stdout.write(`${JSON.stringify({ ...applied, manifest: about(applied.manifest) })}\n`);
  else process.stdout.write(`${wordsOf(applied, options)}\n`);
  if (applied.outcome === 'offered' && (options.restart === true || options.timer === true)) restart(parts.slots, options);
}

function wordsOf(applied: Applied, { restart: now }: UpdateOptions): string {
  const { version } = applied.manifest;
  switch (applied.outcome) {
    case 'nothing':
      return `Release ${version} runs here already, or did not run well here. Nothing is to be done.`;
    case 'window':
      return `Release ${version} waits for the window of gateway.update.`;
    case 'paused':
      return `The window is over. ${bytesOf(applied)} The download continues in the next window.`;
    case 'budget':
      return `The bytes of today are used up. ${bytesOf(applied)} The download continues tomorrow.`;
    case 'offered':
      return `Release ${version} is on the card. ${bytesOf(applied)} ${now === true ? 'The board restarts.' : 'It begins with: sudo sluice update restart'}`;
  }
}
const bytesOf = ({ staged: { fetched, held } }: { staged: { fetched: number; held: number } }) =>
  `${(fetched / 1e6).toFixed(1)} MB were fetched; ${(held / 1e6).toFixed(1)} MB were here already.`;

export async function updateRollback(options: UpdateOptions): Promise<void> {
  const { slots, updater, state } = partsOf(options);
  const lock = state.lock();
  let version: string | undefined;
  try {
    version = updater.rollback().version;
  } finally {
    lock.release();
  }
  process.stdout.write(
    `The next restart of the board begins with the other slot${version === undefined ? '' : `: ${version}`}.\n`,
  );
  if (options.restart === true) restart(slots, options);
}

export async function updateRestart(options: UpdateOptions): Promise<void> {
  const parts = partsOf(options);
  await lookAgain(parts);
  restart(parts.slots, options);
}

/** The release may have waited for days. What cannot be kept holds up no restart. */
async function lookAgain({ updater, look }: Parts): Promise<void> {
  try {
    await updater.lookAgain(look);
  } catch (thrown) {
    process.stderr.write(`sluice: what runs well now could not be kept: ${toError(thrown).message}\n`);
  }
}

/** After a boot. */
export async function updateDecide(options: UpdateOptions): Promise<void> {
  const { slots, updater, gateway, config } = partsOf(options);
  const working = markAtWork(options.root);
  const within = (options.within ?? 300) * 1000;
  const decision = await updater.decide((before) => isWell(gateway, { config, within, before })).finally(working);
  process.stdout.write(`${decision.words}\n`);
  if (decision.restart) restart(slots, options);
}

function restart(slots: Slots, { root }: UpdateOptions): void {
  const [program = 'reboot', ...args] = slots.restart();
  // A card in a folder is not the card of this machine.
  if (root !== undefined) {
    process.stdout.write(`${[program, ...args].join(' ')}\n`);
    return;
  }
  const { error, status } = spawnSync(program, args, { stdio: 'inherit' });
  if (error !== undefined || status !== 0)
    throw new SluiceError('update-failed', 'the board could not be restarted; restart it by hand', { cause: error });
}
