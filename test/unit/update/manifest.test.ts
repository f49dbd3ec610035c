/** Who may say what runs here: signatures, roles, revocation, the order of releases. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { makeUpdateSecret, type UpdateSecret, updateKey, updateSecret } from '../../../src/update/keys.ts';
import { type Manifest, ranWell, signManifest, type Trust, trustAfter, verifyManifest } from '../../../src/update/manifest.ts';

const [root, root2, release, release2, stranger] = [
  makeUpdateSecret('root'),
  makeUpdateSecret('root'),
  makeUpdateSecret('release'),
  makeUpdateSecret('release'),
  makeUpdateSecret('release'),
] as const;
const HEX = '0'.repeat(64);
const part = {
  bytes: 10,
  sha256: HEX,
  index: { file: 'root.index', bytes: 32, sha256: HEX },
  pack: { file: 'root.pack', bytes: 5 },
};
const MANIFEST: Manifest = {
  v: 1,
  product: 'sluice-image',
  target: 'uefi-arm64',
  version: '1.2.0',
  sequence: 12,
  date: '2026-11-27',
  parts: { root: part },
};
const trust = (more: Partial<Trust> = {}): Trust => ({ keys: [root, release], revoked: new Set(), sequence: 11, ...more });
const made = (change: Partial<Manifest>, ...secrets: UpdateSecret[]) =>
  Buffer.from(signManifest({ ...MANIFEST, ...change }, secrets));
const refused = (bytes: Buffer, words: RegExp, by = trust()) =>
  assert.throws(() => verifyManifest(bytes, by, 'uefi-arm64'), { code: 'update-refused', message: words });

test('a release that a release key signed is taken', () =>
  assert.deepEqual(verifyManifest(made({}, release), trust(), 'uefi-arm64'), MANIFEST));
test('the release that runs already is taken again', () =>
  assert.equal(verifyManifest(made({}, release), trust({ sequence: 12 }), 'uefi-arm64').sequence, 12));
test('an older release is refused, whoever signed it', () =>
  refused(made({}, release, root), /older than number 13.*rollback/s, trust({ sequence: 13 })));
test('the signature of a stranger counts for nothing', () => refused(made({}, stranger), /no key that this gateway trusts/));
test('a root key alone signs no release', () => refused(made({}, root), /no release key/));
test('a revoked key signs nothing', () =>
  refused(made({}, release), /was revoked/, trust({ revoked: new Set([release.fingerprint]) })));
test('an update for another board is refused', () =>
  refused(made({ target: 'rpi-arm64' }, release), /for rpi-arm64.*uefi-arm64/));
test('a release key changes no key', () =>
  refused(made({ keys: { trust: [release2.text] } }, release), /changes keys, and no root key/));

test('a stranger who puts the fingerprint of a trusted key beside his signature is refused', () => {
  const envelope = JSON.parse(made({}, stranger).toString('utf8'));
  envelope.signatures[0].key = release.fingerprint;
  refused(Buffer.from(JSON.stringify(envelope)), /no key that this gateway trusts/);
});

test('any changed byte is refused, or changes nothing', () => {
  const good = made({}, release);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] as number) ^ by;
      try {
        assert.deepEqual(verifyManifest(bytes, trust(), 'uefi-arm64'), MANIFEST);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, 'update-refused', `${thrown}`);
      }
    }),
    { numRuns: 400 },
  );
});

test('random and large files are refused in words', () => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('{'),
    Buffer.from('[]'),
    Buffer.alloc(200_000, 0x20),
    Buffer.from([0xff, 0xfe]),
  ])
    refused(bytes, /manifest/);
});

test('a root key rotates the release key, and the old one is worth nothing afterwards', () => {
  const rotated = { keys: { trust: [release2.text], revoke: [release.fingerprint] } };
  const manifest = verifyManifest(made(rotated, release, root), trust(), 'uefi-arm64');
  const after = trustAfter(trust(), manifest);
  assert.equal(after.sequence, 11, 'the release did not run yet');
  refused(made({ sequence: 13 }, release), /was revoked/, after);
  assert.equal(verifyManifest(made({ sequence: 13 }, release2), after, 'uefi-arm64').sequence, 13);
  // The manifest of before, with the revoked key among the trusted ones, brings it not back.
  const again = trustAfter(after, { ...MANIFEST, keys: { trust: [release.text] } });
  assert.ok(!again.keys.some(({ text }) => text === release.text));
});

test('a root key rotates the root key', () => {
  const manifest = verifyManifest(
    made({ keys: { trust: [root2.text], revoke: [root.fingerprint] } }, release, root),
    trust(),
    'uefi-arm64',
  );
  const after = trustAfter(trust(), manifest);
  refused(made({ keys: { trust: [stranger.text] } }, release, root), /no root key/, after);
  verifyManifest(made({ keys: { trust: [stranger.text] } }, release, root2), after, 'uefi-arm64');
});

test('no update leaves a gateway that trusts nobody', () => {
  for (const revoke of [[root.fingerprint], [release.fingerprint]])
    assert.throws(() => trustAfter(trust(), { ...MANIFEST, keys: { revoke } }), { code: 'update-refused' });
});

test('the number of the newest release only grows', () => {
  assert.equal(ranWell(trust(), 12).sequence, 12);
  assert.equal(ranWell(trust({ sequence: 20 }), 12).sequence, 20);
});

test('keys have one text each, and secrets are no keys', () => {
  assert.equal(updateKey(release.text)?.fingerprint, release.fingerprint);
  assert.equal(updateSecret(release.secret)?.text, release.text);
  assert.equal(updateKey(release.secret), undefined);
  const last = release.text.at(-1) as string;
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = letters[letters.indexOf(last) ^ 1] as string;
  assert.equal(updateKey(release.text.slice(0, -1) + other), undefined);
});
