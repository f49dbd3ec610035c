/** `sluice bundle`: one file for somebody who helps from far away. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { request, text } from '../../admin/client.ts';
import { filesBeside } from '../../care/files-beside.ts';
import { statusForSupport } from '../../care/status-for-support.ts';
import { makeSupport, type Part, versions } from '../../care/support.ts';
import { formatFault } from '../../config/fault.ts';
import { formatSize } from '../../core/units.ts';
import { VERSION } from '../../core/version.ts';
import { isWithheld } from '../../pipeline/withheld.ts';
import { isFolder, WholeFile } from '../bundle/bundle-file.ts';
import { type InForce, lookInForce } from '../in-force.ts';
import { type RunningOptions, socketOf } from '../running.ts';
import { findingsOf } from './doctor.ts';

/** Lines of the journal, bytes of the metrics, and milliseconds for the journal. */
const LINES = 2000;
const MOST_METRICS = 1024 * 1024;
const JOURNAL_WITHIN = 10_000;
const MOST_SECRET = 64 * 1024;

export interface SupportCommand extends RunningOptions {
  readonly list?: boolean;
}

export async function supportBundle(to: string | undefined, options: SupportCommand): Promise<void> {
  const found = lookInForce(options.config, { readSecrets: true });
  const { config, known } = found;
  // Where nobody knows a configuration, nobody knows which points are private.
  const isPrivate =
    found.unknown !== undefined ||
    known.some(
      ({ config: one }) => one === undefined || Object.keys(one.privacy?.points ?? {}).some((of) => isWithheld(one, of)),
    );
  const parts = partsOf(options, found, isPrivate);
  if (options.list) {
    const rows = [{ name: 'CONTENTS.txt', about: 'this list' }, ...parts].map(({ name, about }) => ({ name, about }));
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ parts: rows })}\n`
        : rows.map(({ name, about }) => `${name.padEnd(20)} ${about}\n`).join(''),
    );
    return;
  }
  const gateway = config?.gateway.id ?? 'gateway';
  const made = Date.now();
  const { bytes, files } = await makeSupport({
    ...{ gateway, titles: known.flatMap((one) => one.config?.gateway.name ?? []), parts, made },
    stateDir: config?.gateway.stateDir ?? '/var/lib/sluice',
    configs: known.flatMap(({ raw, config: loaded }) => [
      raw,
      ...(loaded === undefined ? [] : [[...loaded.forwarders.values()], [...loaded.buses.values()]]),
    ]),
    secrets: known.flatMap(({ raw }) => secretFiles(options.config, raw)),
  });
  const name = `sluice-support-${gateway}-${new Date(made).toISOString().slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-')}.tar.gz`;
  const target = to === undefined ? name : isFolder(to) ? path.join(to, name) : to;
  const file = WholeFile.for(target, 0o600);
  try {
    file.write(bytes);
    const where = file.finish(path.basename(target));
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ file: where, bytes: bytes.length, files })}\n`
        : `Wrote ${where} (${formatSize(bytes.length)}). Passwords, keys, names of places and coordinates were taken out.\nLook before you send it: tar -xzf ${path.basename(where)}\n`,
    );
  } finally {
    file.abandon();
  }
}

function partsOf(options: SupportCommand, { faults, known, version, unknown }: InForce, isPrivate: boolean): Part[] {
  const [board, ...upstream] = known;
  const socket = (): string => socketOf(options);
  return [
    { name: 'versions.json', about: 'versions of the program and the system, the board', make: async () => versions(VERSION) },
    {
      name: 'configuration.json',
      about: 'the configuration without comments and secrets, and its faults',
      make: async () => ({
        ...{ faults: faults.map(formatFault), configuration: board?.raw ?? null },
        ...(upstream.length > 0 && {
          inForce: version === undefined ? 'the configuration on the board' : `version ${version} from upstream`,
          upstream: upstream.map((one) => ({ version: one.version, configuration: one.raw ?? null })),
        }),
        ...(unknown !== undefined && { upstream: unknown }),
      }),
    },
    { name: 'doctor.json', about: 'what "sluice doctor" finds', make: () => findingsOf(options) },
    {
      name: 'status.json',
      about: isPrivate ? 'the status of the running gateway, without values of alarms' : 'the status of the running gateway',
      make: async () => statusForSupport(await request(socket(), 'GET', '/api/v1/status'), isPrivate),
    },
    { name: 'metrics.txt', about: 'its figures', make: () => metrics(socket()) },
    { name: 'journal.txt', about: `the last ${LINES} lines of the journal, with events`, make: journal },
  ];
}

async function metrics(socket: string): Promise<string> {
  let all = '';
  for await (const piece of text(socket, '/metrics')) if (all.length < MOST_METRICS) all += piece;
  return all;
}

function journal(): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['-u', 'sluice', '-n', String(LINES), '-o', 'short-iso', '--no-pager', '-q'];
    execFile('journalctl', args, { timeout: JOURNAL_WITHIN, maxBuffer: 16 * 1024 * 1024 }, (error, stdout) => {
      if (error !== null)
        reject(new Error('the journal cannot be read: run it as root, or as a member of the group systemd-journal'));
      else if (stdout.trim() === '') reject(new Error('the journal has no line of the service sluice'));
      else resolve(stdout);
    });
  });
}

/** What stands in small files beside the configuration may be a secret: none of their lines leaves. */
function secretFiles(configFile: string, raw: unknown): string[] {
  const folder = path.dirname(path.resolve(configFile));
  return filesBeside(configFile, raw).flatMap((name) => {
    const file = path.join(folder, name);
    try {
      if (/\.ya?ml$/.test(name) || statSync(file).size > MOST_SECRET) return [];
      return readFileSync(file, 'utf8')
        .split(/\r?\n/)
        .filter((line) => !line.startsWith('-----'));
    } catch {
      return [];
    }
  });
}
