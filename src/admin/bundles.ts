/**
 * Bundles of a running gateway: what is written to a file and carried away, and receipts that come back.
 *
 * - Nothing is sent before the forwarder, the key and the stick are known to be right.
 * - The last bytes leave when the hand-over of everything in the bundle is committed.
 * - A receipt moves cursors only after both signatures in it are proven.
 */
import { randomBytes } from 'node:crypto';
import { GatewayKeyFile } from '../access/gateway-key.ts';
import { BundleWriter, roomIn } from '../codecs/bundle/container.ts';
import { grouped, type PlatformKey, platformKey } from '../codecs/bundle/keys.ts';
import { type BundleRange, readReceipt, receiptFor, type Statement } from '../codecs/bundle/statement.ts';
import { stickFault } from '../codecs/bundle/stick.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import { SluiceError } from '../core/errors.ts';
import type { GatewayEvent, Inventory } from '../core/ports.ts';
import { type FilterSettings, filteredInventory, severityLeaves } from '../forwarders/mqtt/filter-keys.ts';
import { Content, ofRange, undelivered } from '../store/bundle/content.ts';
import { liveContent, liveRange } from '../store/bundle/live.ts';
import { volumes } from '../store/bundle/volumes.ts';
import type { Received } from '../store/delivery/owed.ts';
import type { Log } from '../store/log.ts';

/** A bundle may not be smaller, bytes; its head, statement and proofs take some of it. */
export const MIN_BUNDLE = 1024 ** 2;
/** A commit is waited for so long; a disk that refuses for longer ends the bundle. */
const COMMIT_WITHIN = 15_000;

export interface BundleQuery {
  /** undefined: the only one with a platform. */
  readonly forwarder?: string | undefined;
  /** UTC ms, inclusive: records of this time instead of what is not delivered. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Bytes of a bundle; what does not fit goes into more of them, which follow. undefined: one bundle. */
  readonly max?: number | undefined;
  /** The bundle goes to a stick: its token, and the id of its file system. */
  readonly stick?: { readonly token: string; readonly id?: string | undefined } | undefined;
}

export interface BundleKeyReply {
  readonly gateway: string;
  /** `sluice-gateway-1:…` */
  readonly key: string;
  /** 32 hexadecimal digits in groups of four. */
  readonly fingerprint: string;
}

export interface ReceiptReply {
  readonly bundle: string;
  readonly forwarder: string;
  readonly ranges: readonly (BundleRange & { readonly outcome: Received })[];
}

/** The part of the gateway that it needs. */
export interface BundleSide {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly inventory: Inventory;
  /** UTC ms as the gateway knows it. */
  now(): number;
  event(event: GatewayEvent): void;
}

export class Bundles {
  readonly #g: () => BundleSide;
  #key: GatewayKeyFile | undefined;

  /** @param gateway throws while it starts */
  constructor(gateway: () => BundleSide) {
    this.#g = gateway;
  }

  async key(): Promise<BundleKeyReply> {
    const { config } = this.#g();
    const { text, fingerprint } = await this.#own(config).get();
    return { gateway: config.gateway.id, key: text, fingerprint: grouped(fingerprint) };
  }

  /** The bytes of a bundle, or of several. Rejects before the first of them with `not-found`, `bundle-refused`, `access-locked`, `access-write`, `request-invalid`. */
  async *export({ forwarder, from, to, stick, max }: BundleQuery): AsyncGenerator<Uint8Array> {
    const g = this.#g();
    const { name, platform } = platformOf(g.config, forwarder);
    if (stick !== undefined) assertStick(stick.token, stick.id, platform);
    const outlet = g.log.outletOf(name);
    if (outlet === undefined) throw new SluiceError('not-found', `the forwarder ${name} keeps no place in the log`);
    const key = await this.#own(g.config).get();
    const gateway = g.config.gateway.id;
    const content = new Content(max === undefined ? undefined : roomIn(max));
    const ranged = from !== undefined || to !== undefined;
    // What is not committed is in no file, and its lane is not fixed.
    await this.#commit(g);
    const between = { from: from ?? 0, to: to ?? Number.MAX_SAFE_INTEGER };
    const filter = g.config.forwarders.get(name)?.settings.filter as FilterSettings | undefined;
    const pieces = ranged
      ? ofRange(
          liveRange(g.log, outlet, gateway, g.now(), between, () => this.#commit(g)),
          content,
        )
      : undelivered(liveContent(g.log, outlet, gateway), content, (json) => severityLeaves(filter, json));
    // A time range is everything of that time that the forwarder may have.
    const inventory = filteredInventory(ranged ? { outward: outlet.outward } : outlet.wanted, JSON.stringify(g.inventory));
    yield* volumes({
      ...{ content, pieces, inventory: Buffer.from(inventory), forwarder: ranged ? undefined : name },
      writer: () => new BundleWriter({ id: randomBytes(16).toString('hex'), gateway, key, platform }),
      now: () => g.now(),
      settle: () => this.#commit(g),
    });
  }

  /** @throws SluiceError bundle-refused, not-found, access-locked, log-write */
  async receipt(text: string): Promise<ReceiptReply> {
    const g = this.#g();
    const named = receiptFor(text);
    if (named === undefined) throw new SluiceError('bundle-refused', 'the receipt is damaged, or is no receipt of Sluice');
    const { name, platform } = platformOf(g.config, named);
    const read = readReceipt(text, { id: g.config.gateway.id, key: await this.#own(g.config).get() }, platform);
    if (read.kind === 'refused') throw new SluiceError('bundle-refused', `the receipt ${read.why}; nothing was changed`);
    const outlet = g.log.outletOf(name);
    if (outlet === undefined) throw new SluiceError('not-found', `the forwarder ${name} keeps no place in the log`);
    const { statement } = read;
    const ranges = statement.ranges.map((range) => ({ ...range, outcome: outlet.received(range) }));
    if (ranges.some(({ outcome }) => outcome === 'moved')) {
      g.event(receiptEvent(name, statement));
      await this.#commit(g);
    }
    return { bundle: statement.bundle, forwarder: name, ranges };
  }

  #own(config: GatewayConfig): GatewayKeyFile {
    this.#key ??= new GatewayKeyFile(config.gateway.stateDir);
    return this.#key;
  }

  /** @throws SluiceError log-write */
  #commit({ log, clock }: BundleSide): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(COMMIT_WITHIN, () =>
        reject(new SluiceError('log-write', 'the log could not be written; `sluice status` says why. Try again')),
      );
      log.flush().then(resolve, reject).finally(cancel);
    });
  }
}

function receiptEvent(forwarder: string, { bundle, records, readings, notices }: Statement): GatewayEvent {
  return {
    ...{ event: 'receipt', severity: 'info', message: `The platform of ${forwarder} has stored a bundle.` },
    data: { forwarder, bundle, records, readings, notices },
  };
}

/** The forwarder whose platform gets a bundle. @throws SluiceError not-found, usage */
export function platformOf(config: GatewayConfig, forwarder: string | undefined): { name: string; platform: PlatformKey } {
  const able = [...config.forwarders.values()].flatMap(({ name, settings }) => {
    const platform = typeof settings.platform === 'string' ? platformKey(settings.platform) : undefined;
    return platform === undefined ? [] : [{ name, platform }];
  });
  const names = able.map(({ name }) => name).join(', ');
  if (able.length === 0)
    throw new SluiceError(
      'not-found',
      'no forwarder knows the key of a platform: write a forwarder of `type: bundle` with `platform:`, or `platform:` beside another one',
    );
  if (forwarder === undefined) {
    if (able.length > 1)
      throw new SluiceError('request-invalid', `several forwarders have a platform; name one of them: ${names}`);
    return able[0] as (typeof able)[0];
  }
  const found = able.find(({ name }) => name === forwarder);
  if (found === undefined)
    throw new SluiceError('not-found', `there is no forwarder ${forwarder} with a platform; these have one: ${names}`);
  return found;
}

/** @throws SluiceError bundle-refused */
export function assertStick(token: string, id: string | undefined, platform: PlatformKey): void {
  const fault = stickFault(token, id, platform);
  if (fault === undefined) return;
  throw new SluiceError(
    'bundle-refused',
    `the stick ${fault}; nothing was written. The platform makes a stick with: sluice platform stick FOLDER`,
  );
}
