/** Asks a gateway how it runs: some times before the restart into another release, and after it until it proved itself. */
import type { GatewayConfig } from '../config/kinds.ts';
import { SluiceError, toError } from '../core/errors.ts';
import {
  type Before,
  compare,
  isFromUpstream,
  isThere,
  type Look,
  lookOf,
  stillWanted,
  type WellBefore,
  wellBefore,
} from './health.ts';
import type { Verdict } from './updater.ts';

/** Looks before the restart: what grows between all of them is quick. */
const LOOKS_BEFORE = 3;
/** So often a gateway is asked that does not answer: it may be starting. */
const TRIES_BEFORE = 3;
/** So many looks at one process, one behind the other: a gateway that ends again and again is not well. */
const LOOKS_AFTER = 6;
/** Where the configuration cannot be read: as it is without a word in it. */
const COMMIT_EVERY = 10_000;

/** The gateway, as its socket shows it. */
export interface Asked {
  /** Answers of `/api/v1/status` and `/readyz`. */
  status(): Promise<unknown>;
  ready(): Promise<unknown>;
  /** Whether a rejection says that no gateway runs. */
  isNobody(thrown: unknown): boolean;
  /** The time between two looks, some seconds. */
  pause(): Promise<void>;
  /** Monotonic milliseconds. */
  now(): number;
}

async function lookAt(gateway: Asked): Promise<Look> {
  const look = lookOf(await gateway.status());
  if (look === undefined) throw new SluiceError('internal', 'the status of the gateway cannot be understood');
  return look;
}

/** @returns undefined: no gateway runs. Rejects where one does and cannot be asked. */
export async function lookBefore(gateway: Asked): Promise<WellBefore | undefined> {
  for (let tries = 1; ; tries++) {
    try {
      const looks: [Look, ...Look[]] = [await lookAt(gateway)];
      while (looks.length < LOOKS_BEFORE) {
        await gateway.pause();
        looks.push(await lookAt(gateway));
      }
      if (looks.every(({ gateway: { boot } }) => boot === looks[0].gateway.boot)) return wellBefore(looks);
      // One that ends again and again does not run.
      if (tries === TRIES_BEFORE) return undefined;
    } catch (thrown) {
      if (tries === TRIES_BEFORE && gateway.isNobody(thrown)) return undefined;
      if (tries === TRIES_BEFORE) throw thrown;
    }
    await gateway.pause();
  }
}

export interface After {
  /** As this release reads the file; undefined: it cannot. */
  readonly config:
    | (Pick<GatewayConfig, 'buses' | 'devices'> & { readonly buffer: Pick<GatewayConfig['buffer'], 'commitEvery'> })
    | undefined;
  /** Milliseconds. */
  readonly within: number;
  /** Undefined: nobody knows. Then the gateway has to be ready and to write its log. */
  readonly before: Before | undefined;
}

export async function isWell(gateway: Asked, { config, within, before }: After): Promise<Verdict> {
  if (before !== undefined && before.gateway === undefined)
    return { well: true, why: 'no gateway ran before the update, so there was nothing to compare' };
  // A configuration from upstream may have more than the file.
  const wanted = (now: Look): WellBefore | undefined =>
    before?.gateway &&
    stillWanted(before.gateway, (bus, device) => {
      // Nobody took out what a release lost that cannot read the configuration from upstream.
      if (config === undefined || (before?.gateway?.upstream === true && !isFromUpstream(now))) return true;
      const inFile = device === undefined ? config.buses.has(bus) : config.devices.get(device)?.bus === bus;
      return inFile || isThere(now, bus, device);
    });
  const commits = (config?.buffer.commitEvery ?? COMMIT_EVERY) <= within / 2;
  const remarks = before === undefined ? ['nothing is known of how it ran before the update'] : [];
  const said = (words: readonly string[]): string => [...words, ...remarks].join('; ');
  let why = 'the gateway did not answer';
  let looks: Look[] = [];
  for (const end = gateway.now() + within; gateway.now() < end; await gateway.pause()) {
    try {
      if (before === undefined) await assertReady(gateway);
      const look = await lookAt(gateway);
      const [last = look] = looks.slice(-1);
      looks = last.gateway.boot === look.gateway.boot ? [...looks.slice(1 - LOOKS_AFTER), look] : [look];
      const { missing, quiet } = compare(wanted(look), looks[0] ?? look, look, commits);
      if (missing.length > 0) why = missing.join('; ');
      else if (looks.length < LOOKS_AFTER) why = 'the gateway started too late, or again and again';
      else return { well: true, why: said(quiet.map((words) => `not as before: ${words}`)) };
    } catch (thrown) {
      looks = [];
      why = toError(thrown).message;
    }
  }
  return { well: false, why: said([why]) };
}

async function assertReady(gateway: Asked): Promise<void> {
  const report = (await gateway.ready()) as { ready?: unknown };
  if (report.ready !== true)
    throw new SluiceError('not-running', `the gateway is not ready: ${JSON.stringify(report).slice(0, 300)}`);
}
