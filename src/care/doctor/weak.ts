/** Settings that work and are weak. Each is a choice of a person; the check says what it opens. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { GatewayConfig, Listen } from '../../config/kinds.ts';
import { LOOPBACK } from '../../config/sections.ts';
import { type Finding, fault, ok, warning } from './finding.ts';

const DAY = 86_400_000;
/** Time to get a new certificate. */
const SOON = 30 * DAY;
const MOST_CERTIFICATE = 256 * 1024;

export interface WeakFacts {
  readonly config: GatewayConfig;
  /** The configuration as plain data. */
  readonly raw: unknown;
  readonly now: number;
}

export function checkWeak(facts: WeakFacts): Finding[] {
  const { config, raw } = facts;
  const findings = [
    ...inlineSecrets(raw),
    ...listenerFindings(config),
    ...forwarderFindings(config),
    ...sameUser(config),
    ...flowFindings(config),
    ...certificates(facts),
    ...claimFindings(config),
  ];
  return findings.length > 0 ? findings : [ok('security', 'settings', 'No setting is weak.')];
}

/** Where a password stands in the file itself: `forwarders.cloud.password`. */
export function inlineSecrets(raw: unknown): Finding[] {
  return inlineAt(raw, []).map((at) =>
    warning(
      ...(['security', 'inline-secret', `${at} has its secret in the configuration file.`] as const),
      'Write it into a file (chmod 600), and {file: NAME} in its place.',
    ),
  );
}

function inlineAt(value: unknown, at: readonly string[]): string[] {
  if (typeof value !== 'object' || value === null || at.length > 8) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = [...at, key];
    const secret = key === 'password' || (key === 'key' && at.at(-1) !== 'tls' && at[0] === 'forwarders');
    return typeof item === 'string' ? (secret ? [here.join('.')] : []) : inlineAt(item, here);
  });
}

function listenersOf(config: GatewayConfig): [string, Listen][] {
  const { broker, dashboard, nodeRed } = config;
  return [
    ...(broker?.listen ?? []).map((one): [string, Listen] => ['broker', one]),
    ...(dashboard?.listen ?? []).map((one): [string, Listen] => ['dashboard', one]),
    ...(nodeRed?.editor?.listen ?? []).map((one): [string, Listen] => ['nodeRed.editor', one]),
    ...(nodeRed?.http?.listen ?? []).map((one): [string, Listen] => ['nodeRed.http', one]),
  ];
}

function listenerFindings(config: GatewayConfig): Finding[] {
  return listenersOf(config).flatMap(([name, { host, port, insecure }]) =>
    insecure !== true
      ? []
      : [
          warning(
            ...([
              'security',
              'insecure-listener',
              `${name} listens on ${host}:${port} without TLS (insecure: true). Everybody on the way reads along.`,
            ] as const),
            'Write tls: true in place of insecure: true, and give clients tls/ca.crt.',
          ),
        ],
  );
}

function forwarderFindings(config: GatewayConfig): Finding[] {
  return [...config.forwarders.values()].flatMap(({ name, settings }) => {
    const urls = [settings.url].flat().filter((url) => typeof url === 'string');
    const open = urls.find((url) => /^(?:mqtt|ws):\/\//.test(url) && !LOOPBACK.test(hostOf(url)));
    if (open === undefined) return [];
    const what = settings.password === undefined ? 'Readings' : 'The password and readings';
    return [
      warning(
        ...([
          'security',
          'forwarder-without-tls',
          `Forwarder ${name}: ${what} travel without encryption to ${hostOf(open)}.`,
        ] as const),
        'Write mqtts:// or wss://, with tls.ca where the broker has its own authority.',
      ),
    ];
  });
}

function hostOf(url: string): string {
  try {
    return new URL(url).hostname.replace(/^\[|\]$/g, '');
  } catch {
    return '';
  }
}

function sameUser({ nodeRed, hooks }: GatewayConfig): Finding[] {
  const remedy = 'Remove unsafeSameUser, and give it a user of its own: see install-as-a-service.md.';
  return [
    ...(nodeRed?.unsafeSameUser === true
      ? [
          warning(
            'security',
            'same-user-flows',
            'Node-RED runs as the user of the gateway: its flows can read every key.',
            remedy,
          ),
        ]
      : []),
    ...[...hooks.values()]
      .filter((hook) => hook.unsafeSameUser)
      .map((hook) =>
        warning(
          'security',
          'same-user-hook',
          `The program of ${hook.name} runs as the user of the gateway and can read every key.`,
          remedy,
        ),
      ),
  ];
}

function flowFindings({ nodeRed }: GatewayConfig): Finding[] {
  if (nodeRed?.enabled !== true) return [];
  return [
    ...(nodeRed.http?.logIn === 'open'
      ? [
          warning(
            'security',
            'open-flows',
            'Everybody who reaches nodeRed.http may call HTTP-in nodes.',
            'Remove logIn: open, or listen on loopback alone.',
          ),
        ]
      : []),
    ...(nodeRed.allow.exec
      ? [
          warning(
            'security',
            'flows-exec',
            'Flows may start programs (nodeRed.allow: exec).',
            'Remove exec where no flow needs it.',
          ),
        ]
      : []),
  ];
}

function certificates({ config, now }: WeakFacts): Finding[] {
  const files = new Set<string>();
  for (const { settings } of config.forwarders.values()) {
    const { tls } = settings;
    if (typeof tls !== 'object' || tls === null) continue;
    for (const [key, file] of Object.entries(tls))
      if ((key === 'ca' || key === 'cert') && typeof file === 'string') files.add(file);
  }
  for (const [, { tls }] of listenersOf(config)) if (typeof tls === 'object') files.add(tls.cert);
  const own = path.join(config.gateway.stateDir, 'tls', 'own.pem');
  if (existsSync(own)) files.add(own);
  return [...files].flatMap((file) => certificateFinding(file, now));
}

function certificateFinding(file: string, now: number): Finding[] {
  const remedy = 'Get a new certificate and put it into this file. The gateway reads it at the next connection.';
  let until: number;
  let text: string;
  try {
    if (statSync(file).size > MOST_CERTIFICATE) throw new Error('too large');
    text = readFileSync(file, 'utf8');
  } catch {
    return [
      fault(
        'security',
        'certificate-missing',
        `The certificate ${file} cannot be read.`,
        'Put the file there, readable for the gateway.',
      ),
    ];
  }
  try {
    const parts = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    until = Math.min(...parts.slice(0, 200).map((pem) => Date.parse(new X509Certificate(pem).validTo)));
    if (!Number.isFinite(until)) throw new Error('none');
  } catch {
    return [fault('security', 'certificate-damaged', `${file} has no certificate that can be read.`, remedy)];
  }
  const date = new Date(until).toISOString().slice(0, 10);
  if (until < now) return [fault('security', 'certificate-expired', `A certificate in ${file} expired on ${date}.`, remedy)];
  if (until < now + SOON)
    return [warning('security', 'certificate-expires', `A certificate in ${file} expires on ${date}.`, remedy)];
  return [];
}

/** Before the claim only loopback answers; a claim code that lies around for long is a door. */
function claimFindings({ gateway, dashboard, broker }: GatewayConfig): Finding[] {
  const open = [...(dashboard?.listen ?? []), ...(broker?.listen ?? [])].some(({ host }) => !LOOPBACK.test(host));
  if (!open || existsSync(path.join(gateway.stateDir, 'access.json')) || !existsSync(path.join(gateway.stateDir, 'claim')))
    return [];
  return [
    warning(
      'security',
      'unclaimed',
      'The gateway listens to the network and has no administrator yet.',
      'Claim it: sluice claim',
    ),
  ];
}
