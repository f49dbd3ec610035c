/**
 * The bundle of a gateway that does not run, from its files. Nothing is written in the state directory. A lane ends before the first
 * record whose time a later start may still correct: nobody could commit here that it was handed over. What cannot be read must not
 * be covered, since a receipt would move the cursor over it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { GATEWAY_KEY_FILE, unusable } from '../../access/gateway-key.ts';
import { assertStick, type BundleQuery, platformOf } from '../../admin/bundles.ts';
import { BundleWriter, roomIn } from '../../codecs/bundle/container.ts';
import { type GatewaySecret, readGatewaySecret } from '../../codecs/bundle/keys.ts';
import { type ForwarderPrivacy, outwardOf } from '../../config/privacy.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { PRIVACY_CLASSES } from '../../core/privacy.ts';
import { type FilterSettings, recordFilter, severityLeaves } from '../../forwarders/mqtt/filter-keys.ts';
import { Content, ofRange, undelivered } from '../../store/bundle/content.ts';
import { FilesContent } from '../../store/bundle/stopped.ts';
import { volumes } from '../../store/bundle/volumes.ts';
import { HISTORY_FILE } from '../../store/files/history-layout.ts';
import { machineBoot } from '../../time/probes.ts';
import { configInForce } from '../in-force.ts';
import { openFiles } from '../open-files.ts';
import { codeOf } from './bundle-file.ts';

/** @throws SluiceError as a running gateway does, before the first bytes */
export async function* stoppedBundle(config: string, query: BundleQuery): AsyncGenerator<Uint8Array> {
  const site = configInForce(config);
  const { id: gateway, stateDir } = site.gateway;
  const { name, platform } = platformOf(site, query.forwarder);
  if (query.stick !== undefined) assertStick(query.stick.token, query.stick.id, platform);
  const key = keyIn(stateDir);
  const { reader, fault } = openFiles(stateDir);
  try {
    if (fault !== undefined)
      throw new SluiceError(
        'log-read',
        `${path.join(stateDir, HISTORY_FILE)} cannot be read (${fault}), so the older readings would be missing; no bundle was written. Start the gateway: it repairs the file, or says what to do. For the newest readings alone: sluice export`,
      );
    const content = new Content(query.max === undefined ? undefined : roomIn(query.max));
    const { from, to } = query;
    const ranged = from !== undefined || to !== undefined;
    const filter = (site.forwarders.get(name)?.settings.filter ?? {}) as FilterSettings;
    const { devices, points } = filter;
    const outward = outwardOf(site.privacy, (site.forwarders.get(name)?.settings ?? {}) as ForwarderPrivacy, PRIVACY_CLASSES);
    const files = new FilesContent(
      reader,
      gateway,
      name,
      recordFilter({ devices, points }, undefined, 0, outward),
      machineBoot()?.id,
    );
    const between = { from: from ?? 0, to: to ?? Number.MAX_SAFE_INTEGER };
    const pieces = ranged
      ? ofRange(files.range(between), content)
      : undelivered(files, content, (json) => severityLeaves(filter, json));
    let given = 0;
    yield* volumes({
      ...{ content, pieces, forwarder: ranged ? undefined : name, now: Date.now },
      writer: () => new BundleWriter({ id: randomBytes(16).toString('hex'), gateway, key, platform }),
      settle: async (last) => {
        given += content.records + content.notices;
        if (last) sayLeftOut(files, given === 0);
      },
    });
  } finally {
    reader.close();
  }
}

/** @throws SluiceError log-read: all of it was left out */
function sayLeftOut({ uncertain, damaged }: FilesContent, all: boolean): void {
  const why = [
    ...(uncertain ? ['the time of some records is not certain: they are left out. Start it to export them'] : []),
    ...damaged
      .slice(0, 1)
      .map(
        ({ first, last }) => `records ${first} to ${last} are damaged: what follows them is left out. Start it to repair its log`,
      ),
  ].map((words) => `the gateway does not run, and ${words}`);
  if (all && why.length > 0) throw new SluiceError('log-read', `${why.join('; ')}; no bundle was written`);
  for (const words of why) process.stderr.write(`sluice: ${words}\n`);
  if (damaged.length > 0) process.exitCode = 1;
}

function keyIn(stateDir: string): GatewaySecret {
  const file = path.join(stateDir, GATEWAY_KEY_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT')
      throw new SluiceError(
        'not-found',
        'this gateway has no key yet, so no platform knows it. Start it, and run "sluice gateway-key"',
        { cause },
      );
    throw new SluiceError('access-locked', `${file} cannot be read: ${toError(cause).message}; use sudo`, { cause });
  }
  const key = readGatewaySecret(text);
  if (key === undefined) throw unusable(file, 'is damaged');
  return key;
}
