/**
 * The way to each destination, step by step, each bounded in time: interface, address, gateway, name, TCP, log-in. The first step that
 * fails is shown; those behind it would only fail as well.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { createConnection, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import type { GatewayConfig } from '../../config/kinds.ts';
import { LOOPBACK } from '../../config/sections.ts';
import { systemClock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import { parseBrokerUrl } from '../../forwarders/mqtt/address.ts';
import { tryLogIn } from '../../forwarders/mqtt/try-log-in.ts';
import { type Finding, fault, ok, type Roots, unknown, warning } from './finding.ts';

/** Milliseconds of each step. */
const WITHIN = 5000;
const MOST_FORWARDERS = 20;

export interface NetworkFacts {
  readonly config: GatewayConfig;
  readonly roots: Roots;
  /** The running gateway, whose connections count. undefined: none runs. */
  readonly forwarders:
    | readonly { readonly name: string; readonly state: string; readonly fault?: string | undefined }[]
    | undefined;
  /** Milliseconds of each step; default 5 s. */
  readonly within?: number;
  readonly interfaces?: typeof networkInterfaces;
}

export async function checkNetwork(facts: NetworkFacts): Promise<Finding[]> {
  const { config, forwarders } = facts;
  const mqtt = [...config.forwarders.values()].filter(({ settings }) => settings.url !== undefined).slice(0, MOST_FORWARDERS);
  if (mqtt.length === 0) return [ok('network', 'no-forwarder', 'No forwarder needs the network.')];
  const targets = mqtt.map(({ name, settings }) => ({
    name,
    settings,
    address: parseBrokerUrl(String([settings.url].flat()[0])),
  }));
  const away = targets.some(({ address }) => !('wrong' in address) && !LOOPBACK.test(address.host));
  const machine = away ? machineFindings(facts) : [];
  const each = await Promise.all(
    targets.map(async ({ name, settings, address }): Promise<Finding[]> => {
      const running = forwarders?.find((one) => one.name === name);
      if (running?.state === 'connected') return [ok('network', 'connected', `Forwarder ${name} is connected and logged in.`)];
      if ('wrong' in address) return [];
      const { host, port } = address;
      const steps = await reach(settings.proxy === undefined ? { host, port } : undefined, name, facts.within ?? WITHIN);
      if (steps.some(({ level }) => level !== 'ok')) return steps;
      // A second log-in would end the connection of the gateway that runs.
      if (running !== undefined)
        return [
          ...steps,
          fault(
            'network',
            'forwarder',
            `Forwarder ${name} of the running gateway is ${running.state}: ${running.fault ?? 'no fault is known'}`,
            'Do what the message says, then look at "sluice status".',
          ),
        ];
      return [...steps, await logIn(config.gateway.id, name, settings, facts.within ?? WITHIN)];
    }),
  );
  return [...machine, ...each.flat()];
}

function machineFindings({ roots, interfaces = networkInterfaces }: NetworkFacts): Finding[] {
  const found = Object.entries(interfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
      .map(({ address }) => `${name} ${address}`),
  );
  if (found.length === 0)
    return [
      fault(
        'network',
        'no-address',
        'No network interface has an address.',
        'Check the cable, the SIM or the Wi-Fi: ip address. A DHCP server has to give an address.',
      ),
    ];
  const findings = [ok('network', 'address', `This board has ${found.slice(0, 4).join(', ')}.`)];
  const route = gatewayOf(roots);
  findings.push(
    route === 'none'
      ? fault(
          'network',
          'no-gateway',
          'There is no default gateway: nothing outside of this network can be reached.',
          'Look at ip route. DHCP gives a gateway, or the settings of the interface name one.',
        )
      : route === undefined
        ? unknown('network', 'gateway', 'The system does not say which gateway it uses.')
        : ok('network', 'gateway', `The way out is over ${route}.`),
  );
  const servers = nameServers(roots);
  if (servers === 0)
    findings.push(
      warning(
        'network',
        'no-name-server',
        'No name server is configured.',
        'Look at /etc/resolv.conf. DHCP gives name servers, or the settings of the interface name them.',
      ),
    );
  return findings;
}

/** The interface of the default route; `none` where there is none. Hexadecimal columns of /proc/net/route. */
function gatewayOf(roots: Roots): string | 'none' | undefined {
  const lines = ['net/route', 'net/ipv6_route'].map((name) => {
    try {
      return readFileSync(path.join(roots.proc, name), 'utf8').split('\n');
    } catch {
      return undefined;
    }
  });
  if (lines[0] === undefined && lines[1] === undefined) return undefined;
  const four = lines[0]
    ?.map((line) => line.split('\t'))
    .find(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000');
  if (four?.[0] !== undefined) return four[0];
  const six = lines[1]
    ?.map((line) => line.split(/\s+/))
    .find(([to, length, , , , , , , , name]) => to === '0'.repeat(32) && length === '00' && name !== 'lo');
  return six?.at(9) ?? 'none';
}

function nameServers(roots: Roots): number | undefined {
  try {
    return readFileSync(path.join(roots.etc, 'resolv.conf'), 'utf8').match(/^\s*nameserver\s+\S+/gm)?.length ?? 0;
  } catch {
    return undefined;
  }
}

/** Name and TCP. A proxy looks up the name itself. */
async function reach(target: { host: string; port: number } | undefined, name: string, within: number): Promise<Finding[]> {
  if (target === undefined) return [];
  const { host, port } = target;
  const findings: Finding[] = [];
  if (isIP(host) === 0) {
    const found = await bounded(lookup(host), within);
    if (found instanceof Error)
      return [
        fault(
          'network',
          'name',
          `Forwarder ${name}: the name ${host} is not found (${found.message}).`,
          'Check the spelling of the address, and whether a name server answers: getent hosts example.org',
        ),
      ];
    findings.push(ok('network', 'name', `Forwarder ${name}: ${host} is ${found.address}.`));
  }
  const tcp = await connects(host, port, within);
  if (tcp !== undefined)
    return [
      ...findings,
      fault(
        'network',
        'tcp',
        `Forwarder ${name}: ${host} port ${port} does not take a connection (${tcp}).`,
        'The broker is off, the port is another one, or a firewall is on the way.',
      ),
    ];
  return [...findings, ok('network', 'tcp', `Forwarder ${name}: ${host} port ${port} takes connections.`)];
}

async function bounded<T>(work: Promise<T>, within: number): Promise<T | Error> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Error>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`no answer in ${within / 1000} s`)), within);
  });
  try {
    return await Promise.race([work.catch(toError), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why not; undefined: it connects. */
function connects(host: string, port: number, within: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(within, () => end(`no answer in ${within / 1000} s`));
    socket.once('connect', () => end(undefined));
    socket.once('error', (error) => end(error.message));
  });
}

async function logIn(
  gateway: string,
  forwarder: string,
  settings: Readonly<Record<string, unknown>>,
  within: number,
): Promise<Finding> {
  try {
    const tried = await tryLogIn({ gateway, forwarder, settings, clock: systemClock, within });
    return tried
      ? ok('network', 'log-in', `Forwarder ${forwarder}: the broker takes the log-in.`)
      : unknown('network', 'log-in', `Forwarder ${forwarder}: only the running gateway can log in at this platform.`);
  } catch (thrown) {
    return fault(
      'network',
      'log-in',
      `Forwarder ${forwarder}: ${toError(thrown).message}`,
      'Do what the message says, then run this again.',
    );
  }
}
