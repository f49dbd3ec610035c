/** `sluice update`: the two slots of a card image, and what the next release is. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../admin/client.ts';
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
import { type Applied, Updater } from '../update/updater.ts';
import { validConfig } from './config-file.ts';

/** The state of an image, where the configuration cannot be read. */
const STATE = '/var/lib/sluice';
/** How often the gateway is asked after a boot, milliseconds. */
const ASK_EVERY = 5_000;
/** So many good answers one after the other: a gateway that ends again and again is not well. */
const GOOD_ANSWERS = 6;

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
  readonly stateDir: string;
  readonly settings: GatewayConfig['gateway']['update'];
  readonly version: string;
}

/** A broken configuration must not keep a board from its update. */
function partsOf(options: UpdateOptions): Parts {
  const image = openImage(options.root);
  let gateway: GatewayConfig['gateway'] | undefined;
  try {
    gateway = validConfig(options.config, { readSecrets: false }).config.gateway;
  } catch (thrown) {
    if (options.from === undefined && options.timer !== true) process.stderr.write(`sluice: ${toError(thrown).message}\n`);
  }
  const stateDir = gateway?.stateDir ?? STATE;
  const state = new UpdateState(image.stateFolder, image.release);
  const zone = gateway?.timezone;
  const updater = new Updater({ ...image, state, layouts: LAYOUTS, now: Date.now, ...(zone !== undefined && { zone }) });
  return { slots: image.slots, updater, state, stateDir, settings: gateway?.update, version: image.release.version };
}

function sourceOf(options: UpdateOptions, { settings }: Parts): Source {
  const from = options.from ?? settings?.from;
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
    const why = attempt.why === undefined ? '' : `: ${attempt.why}`;
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
  const { settings } = parts;
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
  if (applied.outcome === 'offered' && (options.restart === true || options.timer === true)) restart(parts.slots);
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
  if (options.restart === true) restart(slots);
}

export async function updateRestart(options: UpdateOptions): Promise<void> {
  restart(partsOf(options).slots);
}

/** After a boot. */
export async function updateDecide(options: UpdateOptions): Promise<void> {
  const { slots, updater, stateDir } = partsOf(options);
  const working = markAtWork(options.root);
  const decision = await updater.decide(() => isWell(`${stateDir}/sluice.sock`, (options.within ?? 300) * 1000)).finally(working);
  process.stdout.write(`${decision.words}\n`);
  if (decision.restart) restart(slots);
}

async function isWell(socket: string, within: number): Promise<{ well: boolean; why: string }> {
  let why = 'the gateway did not answer';
  let good = 0;
  for (const end = performance.now() + within; performance.now() < end; await sleep(ASK_EVERY)) {
    try {
      const ready = (await request(socket, 'GET', '/readyz')) as { ready?: unknown };
      good = ready.ready === true ? good + 1 : 0;
      if (good === GOOD_ANSWERS) return { well: true, why: '' };
      if (ready.ready !== true) why = `the gateway is not ready: ${JSON.stringify(ready).slice(0, 300)}`;
    } catch (thrown) {
      good = 0;
      why = toError(thrown).message;
    }
  }
  return { well: false, why };
}

function restart(slots: Slots): void {
  const [program = 'reboot', ...args] = slots.restart();
  const { error, status } = spawnSync(program, args, { stdio: 'inherit' });
  if (error !== undefined || status !== 0)
    throw new SluiceError('update-failed', 'the board could not be restarted; restart it by hand', { cause: error });
}
