/**
 * Makes certificates: one JSON request on standard input, one JSON answer on standard output. A process of its own, since the
 * library takes 25 MB that the gateway needs once a year.
 *
 * A certificate authority of the board (P-256, pathlen 0, names of local networks only) signs the certificate of its listeners.
 */
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { IssueAnswer, IssueRequest, KeyPair } from './issuing.ts';
import { NAME_CONSTRAINTS, nameConstraints } from './name-constraints.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

x509.cryptoProvider.set(webcrypto);

async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const request = JSON.parse(Buffer.concat(chunks).toString('utf8')) as IssueRequest;
  const authority = request.authority ?? (await makeAuthority(request));
  const answer: IssueAnswer = { authority, server: await makeServer(request, authority) };
  process.stdout.write(JSON.stringify(answer));
}

async function makeAuthority({ subject, caFrom, caUntil, permits }: IssueRequest): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: distinguished(`${subject} certificate authority`),
    notBefore: new Date(caFrom),
    notAfter: new Date(caUntil),
    signingAlgorithm: ALGORITHM,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.Extension(NAME_CONSTRAINTS, true, new Uint8Array(nameConstraints(permits))),
    ],
  });
  return { key: await pem(keys.privateKey), certificate: `${certificate.toString('pem')}\n` };
}

async function makeServer({ subject, from, until, names, serverKey }: IssueRequest, authority: KeyPair): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys =
    serverKey === undefined ? await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) : await pairOf(serverKey);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: distinguished(subject),
    issuer: issuer.subject,
    notBefore: new Date(from),
    notAfter: new Date(until),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: (await pairOf(authority.key)).privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.dns.map((value) => ({ type: 'dns' as const, value })),
        ...names.addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { key: await pem(keys.privateKey), certificate: `${certificate.toString('pem')}\n` };
}

/** RFC 5280, section 4.1.2.2: positive, at most 20 bytes. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function distinguished(name: string): x509.JsonName {
  return [{ O: ['Sluice'] }, { CN: [name] }];
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

async function pairOf(key: string): Promise<webcrypto.CryptoKeyPair> {
  const [der] = x509.PemConverter.decode(key);
  if (der === undefined) throw new Error('the private key is not in PEM form');
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await webcrypto.subtle.importKey(
    'jwk',
    { ...(kty && { kty }), ...(crv && { crv }), ...(x && { x }), ...(y && { y }) },
    ALGORITHM,
    true,
    ['verify'],
  );
  return { privateKey, publicKey };
}

await main();
