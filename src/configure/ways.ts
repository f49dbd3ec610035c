/**
 * What the board keeps for itself of its forwarders and of the privacy of its points: secrets go where the file on the board sends
 * them, grants and purposes are those of that file, and no point becomes less private.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, ResolvedForwarder } from '../config/kinds.ts';
import { classNow } from '../core/privacy.ts';
import { parseBrokerUrl, usesTls } from '../forwarders/mqtt/address.ts';
import type { Candidate } from './base.ts';
import { SAME } from './board-files.ts';

const HERE = 'changes only in the file on the board';

/** What one forwarder may not change. @param by it brought the configuration */
function* forwarderFaults(next: ResolvedForwarder, old: ResolvedForwarder | undefined, by: boolean): Generator<string> {
  const at = `forwarders.${next.name}`;
  const is = old === undefined ? 'leave it out' : 'write it as it stands there';
  const { commands = {}, purpose } = next.settings;
  const { commands: granted = {}, purpose: allowed } = old?.settings ?? {};
  if (by && (commands as { configure?: boolean }).configure !== true)
    yield `${at}.commands.configure is not true; the way by which a configuration comes has to stay, so that the next one can come`;
  else if (comparable(commands) !== comparable(granted)) yield `${at}.commands ${HERE} (it lets others act on the board); ${is}`;
  if (purpose !== allowed) yield `${at}.purpose ${HERE} (private readings leave for it); ${is}`;
  else if (purpose !== undefined && old !== undefined && !isSameWay(next, old))
    yield `${at} has a purpose, so its url, tls, proxy and platform change only in the file on the board; write them as they stand there`;
}

/** Files and variables that the text names and the file on the board does not. */
function* referenceFaults(next: Candidate, base: Candidate): Generator<string> {
  const moved = new Set<string>();
  for (const { forwarder, at, from } of next.references) {
    const known = base.references.some((one) => one.forwarder === forwarder && one.at === at && one.from === from);
    if (!known) {
      yield from.endsWith(`/${SAME}`)
        ? `the file on the board names no file at forwarders.${forwarder}.${at}, so ${SAME} means none`
        : `${from} is not named in the file on the board at forwarders.${forwarder}.${at}; only what stands there is read`;
      continue;
    }
    const [to, old] = [next.config.forwarders.get(forwarder), base.config.forwarders.get(forwarder)];
    if (to !== undefined && old !== undefined && !isSameWay(to, old)) moved.add(forwarder);
  }
  for (const name of moved)
    yield `forwarders.${name} takes secrets from the board, so its host, tls, proxy and platform change only in the file on the board; write them as they stand there`;
}

/** The same far side, reached as safely. Ports and paths may differ. */
function isSameWay(next: ResolvedForwarder, old: ResolvedForwarder): boolean {
  const [to, was] = [addressesOf(next), addressesOf(old)];
  const hosts = was.map(({ host }) => host.toLowerCase());
  const safe = was.some(usesTls);
  const rest = ({ type, settings: { proxy, platform, tls } }: ResolvedForwarder) =>
    comparable([type, (proxy as { url?: string } | undefined)?.url ?? null, platform ?? null, safe ? (tls ?? null) : null]);
  return (
    to.every((address) => hosts.includes(address.host.toLowerCase()) && (!safe || usesTls(address))) && rest(next) === rest(old)
  );
}

function addressesOf({ settings }: ResolvedForwarder) {
  return [settings.url].flat().flatMap((url) => {
    const address = typeof url === 'string' ? parseBrokerUrl(url) : undefined;
    return address === undefined || 'wrong' in address ? [] : [address];
  });
}

/** Points that have a class in the file on the board keep it. Another class could have weaker rules. */
function* classFaults(next: GatewayConfig, base: GatewayConfig): Generator<string> {
  for (const [device, { points }] of next.devices)
    for (const point of ['*', ...points.keys()]) {
      const was = classNow(base.privacy?.points ?? {}, device, point);
      if (was === undefined || classNow(next.privacy?.points ?? {}, device, point) === was) continue;
      yield `the privacy class of ${device}.${point} is ${was} and ${HERE}; write it as it stands there`;
    }
}

/** @returns sentences */
export function* wayFaults(next: Candidate, base: Candidate, forwarder: string): Generator<string> {
  for (const way of next.config.forwarders.values())
    yield* forwarderFaults(way, base.config.forwarders.get(way.name), way.name === forwarder);
  if (!next.config.forwarders.has(forwarder))
    yield `forwarders.${forwarder} is missing; the way by which a configuration comes has to stay, so that the next one can come`;
  yield* referenceFaults(next, base);
  yield* classFaults(next.config, base.config);
}
