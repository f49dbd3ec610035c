/** The certificate of the gateway and its authority: what openssl says of them, when they are made anew, and damage of every kind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { Certificates, type OwnIdentity } from '../../../src/access/tls/certificates.ts';
import { hostNames, type Machine, MOST_ADDRESSES } from '../../../src/access/tls/host-names.ts';
import { certificateOf, identityOf } from '../../../src/access/tls/identity.ts';
import { issue } from '../../../src/access/tls/issuing.ts';
import { outsideLocal, permitted } from '../../../src/access/tls/name-constraints.ts';
import { renewalReason, VALID_DAYS, validityAt } from '../../../src/access/tls/renewal.ts';
import { silentLogger as silent } from '../../../src/core/logger.ts';
import { BELIEVED_UNTIL, BUILT } from '../../../src/core/version.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { scratch } from '../../harness/scratch.ts';

const DAY = 86_400_000;
const TODAY = BUILT + 30 * DAY;
const board: Machine = {
  hostname: 'ghat-1',
  interfaces: { eth0: [{ address: '192.168.4.20' }, { address: 'fe80::1' }, { address: 'fd00::20' }] },
};

interface Site {
  readonly dir: string;
  readonly file: string;
  machine: Machine;
  now: { utc: number; known: boolean };
  readonly reasons: string[];
  readonly logged: string[];
  make(issues?: typeof issue): Certificates;
}

function certificateSite(t: TestContext): Site {
  const dir = scratch(t, 'tls');
  const logged: string[] = [];
  const log = (data: unknown, words = '') => logged.push(`${JSON.stringify(data)} ${words}`);
  const one: Site = {
    dir,
    file: path.join(dir, 'tls/own.pem'),
    machine: board,
    now: { utc: TODAY, known: true },
    reasons: [],
    logged,
    make: (issues = issue) => {
      const certificates = new Certificates({
        ...{ stateDir: dir, subject: 'ghat-1', clock: new ManualClock(TODAY) },
        logger: { ...silent, info: log, warn: log, error: log },
        now: () => one.now,
        machine: () => one.machine,
        issue: issues,
        onChange: (_, why) => one.reasons.push(why),
      });
      t.after(() => certificates.stop());
      return certificates;
    },
  };
  return one;
}

function current(certificates: Certificates): OwnIdentity {
  const { current: identity } = certificates;
  assert.ok(identity !== undefined, certificates.fault);
  return identity;
}

const openssl = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  return { status, text: stdout + stderr };
};

test('openssl accepts the certificate, its names, and the limits of its authority', async (t) => {
  const one = certificateSite(t);
  const { cert, authority } = await started(one);
  const [leaf, ca] = [path.join(one.dir, 'leaf.pem'), path.join(one.dir, 'tls/ca.crt')];
  writeFileSync(leaf, cert);
  assert.equal(readFileSync(ca, 'utf8'), authority.certificate);
  for (const host of ['ghat-1', 'ghat-1.local', 'localhost'])
    assert.deepEqual(
      openssl('verify', '-attime', String(TODAY / 1000), '-x509_strict', '-verify_hostname', host, '-CAfile', ca, leaf),
      {
        status: 0,
        text: `${leaf}: OK\n`,
      },
    );
  for (const ip of ['192.168.4.20', '127.0.0.1', 'fd00::20'])
    assert.deepEqual(openssl('verify', '-attime', String(TODAY / 1000), '-x509_strict', '-verify_ip', ip, '-CAfile', ca, leaf), {
      status: 0,
      text: `${leaf}: OK\n`,
    });
  assert.notEqual(
    openssl('verify', '-attime', String(TODAY / 1000), '-verify_hostname', 'example.org', '-CAfile', ca, leaf).status,
    0,
  );
  const { text } = openssl('x509', '-in', ca, '-noout', '-text');
  assert.match(text, /CA:TRUE, pathlen:0/);
  assert.match(text, /Name Constraints: critical\s+Permitted:\s+DNS:localhost/);
  assert.equal(statSync(one.file).mode & 0o777, 0o600);
  assert.equal(statSync(ca).mode & 0o777, 0o644);
});

test('a stolen authority cannot vouch for a public name or address', async (t) => {
  const one = certificateSite(t);
  await started(one);
  const [ca = '', , caKey = ''] = [certificatesIn(one)[0], undefined, keysIn(one)[0]];
  for (const names of [
    { dns: ['bank.example.org'], addresses: [] },
    { dns: [], addresses: ['203.0.113.7'] },
  ]) {
    const { server } = await issue({
      ...{
        subject: 'x',
        names,
        permits: names,
        from: BUILT,
        until: BUILT + 300 * DAY,
        caFrom: BUILT,
        caUntil: BUILT + 400 * DAY,
      },
      authority: { certificate: ca, key: caKey },
    });
    const leaf = path.join(one.dir, 'stolen.pem');
    writeFileSync(leaf, server.certificate);
    assert.match(
      openssl('verify', '-attime', String(TODAY / 1000), '-CAfile', path.join(one.dir, 'tls/ca.crt'), leaf).text,
      /permitted subtree violation/,
    );
  }
});

test('a restart keeps authority, key and certificate; another gateway shares none of them', async (t) => {
  const one = certificateSite(t);
  const first = await started(one);
  const again = await started(one);
  assert.deepEqual([again.fingerprint, again.key], [first.fingerprint, first.key]);
  assert.deepEqual(one.reasons, ['there was none', 'it was read']);
  const other = await started(certificateSite(t));
  assert.notEqual(other.key, first.key);
  assert.notEqual(other.authority.fingerprint, first.authority.fingerprint);
  assert.notEqual(keysIn(one)[0], undefined);
});

test('a new address, the end, a clock that becomes known: new certificate, same authority', async (t) => {
  const one = certificateSite(t);
  one.now = { utc: Date.UTC(1970, 0, 1), known: false };
  const certificates = one.make();
  await certificates.start();
  const first = current(certificates);
  assert.deepEqual([first.from, first.until], [BUILT, Math.floor(BELIEVED_UNTIL / 1000) * 1000]);
  one.now = { utc: TODAY, known: true };
  await certificates.look();
  assert.equal(current(certificates).until, TODAY - DAY + VALID_DAYS * DAY);
  one.machine = { ...board, interfaces: { eth0: [{ address: '10.1.2.3' }, { address: 'fe80::1' }, { address: 'fd00::20' }] } };
  await certificates.look();
  one.now = { utc: TODAY + 350 * DAY, known: true };
  await certificates.look();
  await certificates.look();
  assert.deepEqual(one.reasons, [
    'there was none',
    'it was made before the clock was known',
    'it does not carry 10.1.2.3',
    'it ends soon',
  ]);
  const last = current(certificates);
  assert.deepEqual([last.key, last.authority], [first.key, first.authority]);
});

test('a public address that comes later is left out and reported once', async (t) => {
  const one = certificateSite(t);
  const certificates = one.make();
  await certificates.start();
  one.machine = {
    ...board,
    interfaces: { eth0: [{ address: '192.168.4.20' }, { address: 'fd00::20' }], ppp0: [{ address: '203.0.113.9' }] },
  };
  await certificates.look();
  await certificates.look();
  assert.deepEqual(one.reasons, ['there was none']);
  assert.equal(one.logged.filter((line) => line.includes('203.0.113.9')).length, 1);
});

test('every damage of the file ends in a working certificate, the damaged file lies aside', async (t) => {
  const one = certificateSite(t);
  await started(one);
  const good = readFileSync(one.file);
  const damages: Record<string, () => void> = {
    'empty file': () => truncateSync(one.file, 0),
    'cut in the middle': () => truncateSync(one.file, good.length / 2),
    'a flipped byte in a key': () => writeFileSync(one.file, flipped(good, good.indexOf('PRIVATE KEY') + 60)),
    'a flipped byte in the certificate': () => writeFileSync(one.file, flipped(good, good.lastIndexOf('BEGIN CERT') + 200)),
    'random bytes': () => writeFileSync(one.file, Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7919) % 256))),
    'much too long': () => writeFileSync(one.file, Buffer.alloc(10_000_000, 65)),
    'a folder in its place': () => {
      rmSync(one.file);
      mkdirSync(one.file);
    },
    'a pipe in its place': () => {
      rmSync(one.file);
      assert.equal(spawnSync('mkfifo', [one.file]).status, 0);
    },
    'another key': () => writeFileSync(one.file, good.toString().replace(keysIn(one)[1] ?? '', keysIn(one)[0] ?? '')),
  };
  for (const [name, damage] of Object.entries(damages)) {
    rmSync(one.file, { recursive: true, force: true });
    rmSync(`${one.file}.damaged`, { recursive: true, force: true });
    writeFileSync(one.file, good);
    damage();
    one.reasons.length = 0;
    await started(one);
    assert.deepEqual(one.reasons, ['there was none'], name);
    assert.ok(lstatSync(`${one.file}.damaged`), name);
  }
});

test('a file that others can read is closed to them', async (t) => {
  const one = certificateSite(t);
  await started(one);
  chmodSync(one.file, 0o644);
  await started(one);
  assert.equal(statSync(one.file).mode & 0o777, 0o600);
});

test('the copy for clients follows the authority, and no fault of it stops the gateway', async (t) => {
  const one = certificateSite(t);
  const ca = path.join(one.dir, 'tls/ca.crt');
  const { authority } = await started(one);
  const other = certificateSite(t);
  await started(other);
  const states: Readonly<Record<string, () => void>> = {
    'it is gone': () => {},
    'it is of another authority': () => writeFileSync(ca, readFileSync(path.join(other.dir, 'tls/ca.crt'))),
    'it is a link': () => symlinkSync(path.join(one.dir, 'elsewhere'), ca),
  };
  for (const [state, make] of Object.entries(states)) {
    rmSync(ca, { force: true });
    make();
    assert.equal((await started(one)).authority.fingerprint, authority.fingerprint, state);
    assert.equal(lstatSync(ca).isFile() && readFileSync(ca, 'utf8'), authority.certificate, state);
  }
  assert.deepEqual(
    one.logged.filter((line) => line.includes('cannot be written')),
    [],
  );

  // The certificate itself is made anew all the same.
  rmSync(ca);
  mkdirSync(ca);
  one.now = { utc: TODAY + (VALID_DAYS - 1) * DAY, known: true };
  const renewed = await started(one);
  assert.equal(renewed.authority.fingerprint, authority.fingerprint);
  assert.ok(certificateOf(renewed.cert).validToDate.getTime() > one.now.utc + DAY);
  assert.match(one.logged.join('\n'), /copy of the authority for clients cannot be written/);
});

test('a folder that is put right while the gateway runs keeps its authority', async (t) => {
  const one = certificateSite(t);
  const { authority } = await started(one);
  const folder = path.join(one.dir, 'tls');
  renameSync(folder, `${folder}.away`);
  writeFileSync(folder, 'a file in the way');
  const late = one.make();
  await late.start();
  await late.look();
  assert.match(late.fault ?? '', /move away/);
  rmSync(folder);
  renameSync(`${folder}.away`, folder);
  await late.look();
  assert.equal(current(late).authority.fingerprint, authority.fingerprint);
  assert.equal(late.fault, undefined);
  assert.equal(one.logged.filter((line) => line.includes('authority of this gateway cannot be used')).length, 1);
});

test('a folder that cannot be written is named, with what to do', async (t) => {
  for (const [code, words] of [
    ['EACCES', /give it to that user$/],
    ['EROFS', /give it to that user$/],
    ['ENOSPC', /make room on the disk of .*tls$/],
  ] as const) {
    const one = certificateSite(t);
    const failing = one.make(() => Promise.reject(Object.assign(new Error(`${code}: no`), { code })));
    await failing.start();
    assert.match(failing.fault ?? '', words);
  }
});

test('a failure is reported once, tried again, and shows no key', async (t) => {
  const dir = scratch(t, 'tls');
  writeFileSync(path.join(dir, 'tls'), 'a file in the way');
  const clock = new ManualClock(TODAY);
  const logged: string[] = [];
  const log = (data: unknown, words = '') => logged.push(`${JSON.stringify(data)} ${words}`);
  const certificates = new Certificates({
    ...{ stateDir: dir, subject: 'g1', clock, logger: { ...silent, info: log, warn: log, error: log } },
    ...{ now: () => ({ utc: TODAY, known: true }), machine: () => board, onChange: () => {} },
  });
  await certificates.start();
  assert.equal(certificates.current, undefined);
  assert.match(certificates.fault ?? '', /(?:EEXIST|ENOTDIR).*; move away what is in its place$/);
  rmSync(path.join(dir, 'tls'));
  await clock.advance(60_000);
  await certificates.look();
  assert.ok(certificates.current !== undefined);
  assert.equal(logged.filter((line) => line.includes('tried again')).length, 1);
  assert.ok(!logged.join('').includes('PRIVATE'));
  await certificates.stop();
});

test('two files that do not fit are refused in words that hold nothing of the key', async (t) => {
  const one = certificateSite(t);
  const first = await started(one);
  const other = await started(certificateSite(t));
  assert.throws(() => identityOf(other.key, first.cert), /does not belong to the certificate/);
  assert.throws(
    () => identityOf('secret words', first.cert),
    (error: Error) => /cannot be read/.test(error.message) && !/secret/.test(error.message),
  );
  assert.throws(() => certificateOf('nothing'), /no certificate in PEM form/);
});

test('property: a certificate carries every name that its authority permits, within bounds', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), fc.array(address, { maxLength: 80 }), (hostname, list) => {
      const names = hostNames({ hostname, interfaces: { a: list.map((one) => ({ address: one })) } });
      assert.ok(names.addresses.length <= MOST_ADDRESSES);
      assert.deepEqual(permitted(names, outsideLocal(names)), names);
      assert.ok(names.dns.includes('localhost'));
      for (const name of names.dns) assert.match(name, /^[a-z0-9.-]+$/);
    }),
  );
});

test('property: right after it is made, a certificate is not made again', () => {
  const names = hostNames(board);
  fc.assert(
    fc.property(fc.integer({ min: BUILT, max: BELIEVED_UNTIL }), fc.boolean(), (utc, known) => {
      const held = { ...validityAt({ utc, known }), names };
      assert.equal(renewalReason(held, names, { utc, known }), undefined);
      assert.ok(!known || (held.from <= utc && utc < held.until));
    }),
  );
});

async function started(one: Site): Promise<OwnIdentity> {
  const certificates = one.make();
  await certificates.start();
  await certificates.stop();
  return current(certificates);
}
const certificatesIn = (one: Site) =>
  readFileSync(one.file, 'latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
const keysIn = (one: Site) =>
  readFileSync(one.file, 'latin1').match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/g) ?? [];
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
