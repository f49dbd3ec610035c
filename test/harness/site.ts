/**
 * A site as most suites need it: a device, an upstream broker with a subscriber, and the gateway between them. A suite says
 * what differs. `undefined` comes back after a skip, when a program of somebody else is not installed.
 */
import type { TestContext } from 'node:test';
import { Mosquitto, type MosquittoOptions, Subscriber } from '../peers/mosquitto.ts';
import { Peek } from './mqtt-peek.ts';
import { type Gateway, makeGateway } from './start-gateway.ts';

/** A device or a relay that listens on loopback. */
interface Reachable {
  readonly port: number;
}

/** The configuration. Each part is YAML text; a part that is left out has the default beside it. */
export interface SiteConfig {
  /** More keys of the bus `plant`, for example `timeout: 10s`. */
  readonly bus?: string;
  /** More entries of `buses:`, each on a line of its own. */
  readonly buses?: string;
  /** The entries of `devices:`; one device `d1` with the point `n`, register 0 of unit 1, every 30 ms. */
  readonly devices?: string;
  /** The entries of `rules:`; none. */
  readonly rules?: string;
  /** Keys of `buffer:`; `commitEvery: 100ms`. An empty text leaves the section out. */
  readonly buffer?: string;
  /** Whether the embedded broker listens; no. */
  readonly broker?: boolean;
  /** More keys of the forwarder `cloud`; `batch: {maxAge: 50ms}`. */
  readonly cloud?: string;
  /** Further sections. */
  readonly more?: string;
}

/** The upstream of a site. */
export interface UpstreamOptions<R> {
  /** Topics of a subscriber that is there before the gateway starts. */
  readonly topics: readonly [string, ...string[]];
  readonly mosquitto?: MosquittoOptions;
  /** Makes what stands between gateway and broker, for example `Relay.start`. */
  readonly through?: (t: TestContext, port: number) => Promise<R>;
}

export interface SiteOptions<D, R> extends SiteConfig {
  /** Starts the device, for example `SettableDevice.start`. */
  readonly device: (t: TestContext) => Promise<D | undefined>;
  readonly upstream?: UpstreamOptions<R>;
}

export interface Site<D> {
  readonly device: D;
  /** Configured and not started. */
  readonly gateway: Gateway;
  /** The configuration of this site with some parts changed. @param changes `upstream: false` takes the forwarder away */
  yaml(changes?: SiteConfig & { readonly upstream?: false }): string;
  /** A subscriber of the embedded broker. */
  peek(filter?: string): Promise<Peek>;
}

/** What a site with an upstream has besides. */
export interface Upstream<R> {
  readonly mosquitto: Mosquitto;
  readonly subscriber: Subscriber;
  /** What stands between gateway and broker; the broker itself without `through`. */
  readonly link: R;
}

const DEVICES = '  d1: {bus: plant, unit: 1, interval: 30ms, points: {n: {table: holding, address: 0, type: uint16}}}';

export function site<D extends Reachable, R extends Reachable = Mosquitto>(
  t: TestContext,
  options: SiteOptions<D, R> & { readonly upstream: UpstreamOptions<R> },
): Promise<(Site<D> & Upstream<R>) | undefined>;
export function site<D extends Reachable>(t: TestContext, options: SiteOptions<D, never>): Promise<Site<D> | undefined>;
export async function site<D extends Reachable, R extends Reachable>(
  t: TestContext,
  options: SiteOptions<D, R>,
): Promise<Site<D> | undefined> {
  const device = await options.device(t);
  if (device === undefined) return undefined;
  const upstream = options.upstream === undefined ? undefined : await upstreamOf(t, options.upstream);
  if (options.upstream !== undefined && upstream === undefined) return undefined;
  const configOf = (gateway: Gateway, changes: SiteConfig & { readonly upstream?: false } = {}) =>
    configText(gateway, device.port, changes.upstream === false ? undefined : upstream?.link.port, { ...options, ...changes });
  const gateway = makeGateway(t, (g) => configOf(g));
  return {
    ...{ device, gateway, ...upstream },
    yaml: (changes) => configOf(gateway, changes),
    peek: async (filter) => Peek.start(t, await gateway.brokerPort(), filter),
  };
}

async function upstreamOf<R extends Reachable>(
  t: TestContext,
  { topics, mosquitto: options, through }: UpstreamOptions<R>,
): Promise<Upstream<R | Mosquitto> | undefined> {
  const mosquitto = await Mosquitto.start(t, options);
  const subscriber = mosquitto && (await Subscriber.start(t, mosquitto.port, topics));
  if (mosquitto === undefined || subscriber === undefined) return undefined;
  return { mosquitto, subscriber, link: through === undefined ? mosquitto : await through(t, mosquitto.port) };
}

function configText(gateway: Gateway, device: number, upstream: number | undefined, parts: SiteConfig): string {
  const { bus, buses, devices = DEVICES, rules, buffer = 'commitEvery: 100ms', broker, cloud = 'batch: {maxAge: 50ms}' } = parts;
  return [
    `${gateway.section}`,
    'buses:',
    `  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device}${bus === undefined ? '' : `, ${bus}`}}`,
    ...(buses === undefined ? [] : [buses]),
    ...['devices:', devices],
    ...(rules === undefined ? [] : ['rules:', rules]),
    ...(buffer === '' ? [] : [`buffer: {${buffer}}`]),
    ...(broker ? ['broker: {listen: {port: 0}}'] : []),
    ...(upstream === undefined ? [] : ['forwarders:', `  cloud: {type: mqtt, url: 'mqtt://127.0.0.1:${upstream}', ${cloud}}`]),
    ...(parts.more === undefined ? [] : [parts.more]),
    '',
  ].join('\n');
}
