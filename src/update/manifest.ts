/**
 * What an update is: the manifest, its signatures, and who may be believed.
 *
 * - Nothing of a manifest is read before one trusted key has signed it.
 * - A release needs the signature of a release key that is trusted and not revoked.
 * - New and revoked keys need the signature of a root key beside it.
 * - The sequence only grows: a release below the newest that this gateway has run well is refused, whoever signed it.
 */
import * as z from 'zod';
import { SluiceError } from '../core/errors.ts';
import { isSignedBy, signUpdate, type UpdateKey, type UpdateSecret, updateKey } from './keys.ts';

/** Bytes of the signed file. */
export const MOST_MANIFEST = 64 * 1024;
const MOST_SIGNATURES = 8;
export const MOST_KEYS = 16;
/** Fingerprints of revoked keys. They are never forgotten, so a manifest that would exceed this is refused. */
export const MOST_REVOKED = 256;
/** Bytes of one part. */
const MOST_PART = 8 * 1024 ** 3;
const MOST_INDEX = 16 * 1024 ** 2;

const FILE = /^[a-z0-9][a-z0-9._-]{0,100}$/;
const file = z.string().regex(FILE);
const bytes = (most: number) => z.int().min(0).max(most);
const part = z.strictObject({
  bytes: bytes(MOST_PART).min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  index: z.strictObject({ file, bytes: bytes(MOST_INDEX), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  pack: z.strictObject({ file, bytes: bytes(MOST_PART) }),
});
const keyText = z.string().refine((text) => updateKey(text) !== undefined, { error: 'is no key for updates' });

/** Files of the state that a release may name. */
const MOST_LAYOUTS = 16;
const layout = z.int().min(1).max(999_999);
export const layoutsSchema = z
  .record(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/), z.strictObject({ version: layout, readers: layout }))
  .refine((layouts) => Object.keys(layouts).length <= MOST_LAYOUTS, { error: `more than ${MOST_LAYOUTS} layouts` });
export type Layouts = z.infer<typeof layoutsSchema>;

export const manifestSchema = z.strictObject({
  v: z.literal(1),
  product: z.literal('sluice-image'),
  /** Which boards: a board takes only its own. */
  target: z.string().regex(/^[a-z0-9-]{1,40}$/),
  /** For people. */
  version: z.string().regex(/^[A-Za-z0-9.+~-]{1,64}$/),
  sequence: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  /** The day of the release. */
  date: z.iso.date(),
  notes: z.string().max(2000).optional(),
  /**
   * The files of the state and their layouts, as this release writes them: a release that is taken back must leave files that the
   * release before can go on with.
   */
  layouts: layoutsSchema.optional(),
  parts: z.record(z.string().regex(/^[a-z]{1,20}$/), part).refine((parts) => Object.keys(parts).length <= 8, {
    error: 'more than 8 parts',
  }),
  keys: z
    .strictObject({
      trust: z.array(keyText).max(MOST_KEYS).optional(),
      /** Fingerprints. */
      revoke: z
        .array(z.string().regex(/^[0-9a-f]{32}$/))
        .max(MOST_KEYS)
        .optional(),
    })
    .optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type Part = Manifest['parts'][string];

const envelopeSchema = z.strictObject({
  v: z.literal(1),
  manifest: z.base64(),
  signatures: z
    .array(z.strictObject({ key: z.string().regex(/^[0-9a-f]{32}$/), signature: z.base64() }))
    .min(1)
    .max(MOST_SIGNATURES),
});

/** What a gateway believes. */
export interface Trust {
  readonly keys: readonly UpdateKey[];
  /** Fingerprints. */
  readonly revoked: ReadonlySet<string>;
  /** Sequence of the newest release that ran well here. */
  readonly sequence: number;
}

export function signManifest(manifest: Manifest, secrets: readonly UpdateSecret[]): string {
  const bytes = Buffer.from(JSON.stringify(manifestSchema.parse(manifest)));
  const signatures = secrets.map((key) => ({ key: key.fingerprint, signature: signUpdate(bytes, key).toString('base64') }));
  return `${JSON.stringify({ v: 1, manifest: bytes.toString('base64'), signatures })}\n`;
}

const refuse = (why: string): never => {
  throw new SluiceError('update-refused', why);
};

/**
 * @param target what this board takes
 * @throws SluiceError `update-refused`: why, and what to do
 */
export function verifyManifest(text: Uint8Array, trust: Trust, target: string): Manifest {
  if (text.length > MOST_MANIFEST) refuse(`the manifest has more than ${MOST_MANIFEST / 1024} KiB; it is not one of Sluice`);
  const envelope = envelopeSchema.safeParse(fromJson(text));
  if (!envelope.success) return refuse('the manifest is damaged, or is not one of Sluice; fetch it again');
  const signed = Buffer.from(envelope.data.manifest, 'base64');
  const signers = trust.keys.filter(
    (key) =>
      !trust.revoked.has(key.fingerprint) &&
      envelope.data.signatures.some(
        (one) => one.key === key.fingerprint && isSignedBy(signed, Buffer.from(one.signature, 'base64'), key),
      ),
  );
  if (signers.length === 0) {
    const revoked = envelope.data.signatures.some(({ key }) => trust.revoked.has(key));
    return refuse(
      revoked
        ? 'the key that signed this update was revoked; ask the maker of the update for one that a valid key signed'
        : 'no key that this gateway trusts signed this update, or its bytes were changed; ask the maker of the update',
    );
  }
  const manifest = manifestSchema.safeParse(fromJson(signed));
  if (!manifest.success) return refuse('a newer tool made this update; this version cannot read its manifest');
  const found = manifest.data;
  if (!signers.some(({ role }) => role === 'release')) refuse('no release key that this gateway trusts signed this update');
  if (found.keys !== undefined && !signers.some(({ role }) => role === 'root'))
    refuse('this update changes keys, and no root key signed it');
  if (found.target !== target) refuse(`this update is for ${found.target}, and this board takes ${target}`);
  if (found.sequence < trust.sequence)
    refuse(
      `this update (${found.version}, number ${found.sequence}) is older than number ${trust.sequence}, which runs here; a gateway goes back only to the release in its other slot: sluice update rollback`,
    );
  return found;
}

/**
 * A failed update goes back to the running release, which opens what the new one wrote until then.
 * @param known files of the state, as the running release writes them
 * @throws SluiceError `update-refused`: it could not, so the update would have no way back
 */
export function assertWayBack({ version, layouts }: Manifest, known: Layouts): void {
  if (layouts === undefined)
    refuse('this update does not say how it stores readings, so a failed one could not be taken back; make its manifest again');
  for (const [name, own] of Object.entries(known)) {
    const next = layouts?.[name];
    if (next !== undefined && next.readers > own.version)
      refuse(
        `a failed update to ${version} could not be taken back: the running release cannot read its file of the ${name}. The file has layout ${next.version} for releases from layout ${next.readers} on, and the running one has layout ${own.version}. Install a release in between first`,
      );
  }
}

/**
 * What is believed from now on: keys change as soon as the manifest is verified, because a revocation must not wait for a
 * download. The sequence changes only when the release has run well (`ranWell`). Keys that were revoked stay revoked.
 */
export function trustAfter(trust: Trust, manifest: Manifest): Trust {
  const revoked = new Set([...trust.revoked, ...(manifest.keys?.revoke ?? [])]);
  const known = new Map(trust.keys.map((key) => [key.fingerprint, key]));
  for (const text of manifest.keys?.trust ?? []) {
    const key = updateKey(text);
    if (key !== undefined) known.set(key.fingerprint, key);
  }
  const keys = [...known.values()].filter(({ fingerprint }) => !revoked.has(fingerprint));
  // A gateway that trusts nobody could never be updated again.
  if (!keys.some(({ role }) => role === 'release') || !keys.some(({ role }) => role === 'root'))
    refuse('this update would leave the gateway without a root key or without a release key');
  if (keys.length > MOST_KEYS) refuse(`this update would leave the gateway with more than ${MOST_KEYS} keys`);
  if (revoked.size > MOST_REVOKED) refuse(`this update would leave the gateway with more than ${MOST_REVOKED} revoked keys`);
  return { keys, revoked, sequence: trust.sequence };
}

/** Both only grow, but for keys that are revoked. */
export function isSameTrust(one: Trust, other: Trust): boolean {
  const known = new Set(one.keys.map(({ fingerprint }) => fingerprint));
  return (
    one.revoked.size === other.revoked.size &&
    known.size === other.keys.length &&
    other.keys.every(({ fingerprint }) => known.has(fingerprint))
  );
}

export function ranWell(trust: Trust, sequence: number): Trust {
  return { ...trust, sequence: Math.max(trust.sequence, sequence) };
}

function fromJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
