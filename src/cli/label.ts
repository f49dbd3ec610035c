/** `sluice label`: the label of this gateway, for a terminal or as a file. */
import path from 'node:path';
import { CLAIM_FILE } from '../access/account-files.ts';
import { claimCodeOf } from '../access/secrets.ts';
import { isSection } from '../config/checker.ts';
import { readYamlFile } from '../config/yaml-source.ts';
import { SluiceError } from '../core/errors.ts';
import { readSmall } from '../disk/durable.ts';
import { authorityFingerprintOf } from '../provisioning/authority.ts';
import { readIdentity } from '../provisioning/identity.ts';
import { type LabelFacts, labelForTerminal, labelPng, labelSvg, labelText } from '../provisioning/label.ts';
import { fingerprintOf } from '../provisioning/provision.ts';
import { WholeFile } from './bundle/bundle-file.ts';
import { readConfig } from './config-file.ts';

export interface LabelOptions {
  readonly config: string;
  readonly output?: string;
  readonly claim?: boolean;
  readonly json?: boolean;
}

export async function label(options: LabelOptions): Promise<void> {
  const facts = factsOf(options);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...facts, text: labelText(facts) })}\n`);
    return;
  }
  if (options.output === undefined) {
    process.stdout.write(labelForTerminal(facts));
    return;
  }
  const ending = path.extname(options.output).toLowerCase();
  if (ending !== '.svg' && ending !== '.png')
    throw new SluiceError('usage', `name a file that ends in .svg or .png, not ${path.basename(options.output)}`);
  // A claim code is a secret until the claim: a picture that is there already could be open to others.
  const file = WholeFile.for(options.output, facts.claimCode === undefined ? 0o644 : 0o600);
  try {
    file.write(ending === '.svg' ? Buffer.from(labelSvg(facts)) : labelPng(facts));
    file.finish(path.basename(options.output));
  } finally {
    file.abandon();
  }
  process.stdout.write(`Wrote ${options.output}.\n`);
}

function factsOf({ config, claim }: LabelOptions): LabelFacts {
  const { value } = readYamlFile(config);
  const section = isSection(value) && isSection(value.gateway) ? value.gateway : {};
  const loaded = readConfig(config, { readSecrets: false }).config?.gateway;
  const stateDir =
    loaded?.stateDir ??
    (typeof section.stateDir === 'string' ? path.resolve(path.dirname(config), section.stateDir) : '/var/lib/sluice');
  const id = loaded?.id ?? readIdentity(stateDir)?.id;
  if (id === undefined)
    throw new SluiceError(
      'not-found',
      `this gateway has no id yet: ${config} names none; run "sluice provision", or name the configuration with -c`,
    );
  const key = fingerprintOf(stateDir);
  const tls = authorityFingerprintOf(stateDir);
  const name = loaded?.name;
  if (claim !== true) return { id, name, key, tls };
  const code = claimCodeOf(readSmall(path.join(stateDir, CLAIM_FILE), 100)?.toString('utf8').trim() ?? '');
  if (code === undefined)
    throw new SluiceError(
      'not-found',
      'there is no claim code that this user may read: the gateway is claimed, has not started yet, or belongs to another user (try sudo)',
    );
  return { id, name, key, tls, claimCode: code };
}
