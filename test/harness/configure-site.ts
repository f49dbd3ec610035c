/** A gateway that takes signed configurations, with a Mosquitto as upstream: messages go out by mosquitto_pub, answers are collected. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { configureSecret, makeConfigureSecret, type Signed, signConfiguration } from '../../src/core/configure-keys.ts';
import { fakeTcp } from '../fakes/modbus-device.ts';
import { peer } from '../peers/peers.ts';
import { type SiteConfig, site } from './site.ts';
import { waitFor } from './wait-for.ts';

export interface Answer {
  readonly id: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly result?: { readonly version: number; readonly state: string };
}

export const KEY = makeConfigureSecret();
const ROOT = 'sluice/g1';

/** `configure` message. @param changes of what is sent, after it was signed */
export function envelope(id: string, signed: Signed, pem = KEY.pem, changes: object = {}): string {
  const secret = configureSecret(pem);
  assert.ok(secret !== undefined);
  const { version, expires, yaml } = signed;
  const signature = signConfiguration(signed, secret.sign);
  return JSON.stringify({ id, do: 'configure', version, expires, yaml, signature, ...changes });
}

/** @param parts of the site; its device is a `fakeTcp` */
export async function configureSite(t: TestContext, parts: SiteConfig = {}) {
  const publish = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
  if (publish === undefined) return undefined;
  const s = await site(t, {
    ...{ device: fakeTcp, upstream: { topics: [`${ROOT}/result/+`, `${ROOT}/status`, `${ROOT}/event`] } },
    cloud: 'batch: {maxAge: 50ms}, commands: {configure: true}',
    ...parts,
  });
  if (s === undefined) return undefined;
  const { gateway, mosquitto, subscriber } = s;
  const plain = readFileSync(gateway.config, 'utf8');
  /** The file of the board with the pinned key, and this after it. */
  const file = (more = ''): string =>
    `${plain.replace('gateway: {', `gateway: {configure: {keys: ['${KEY.key.text}'], trial: 20s}, `)}${more}`;
  gateway.write(file());
  /** @param how `-s`: one message; `-l`: one a line */
  const say = (message: string, how: '-s' | '-l' = '-s'): void => {
    const words = ['-p', String(mosquitto.port), '-q', '1', '-t', `${ROOT}/command`, how];
    const { status, stderr } = spawnSync(publish, words, { encoding: 'utf8', input: message });
    assert.equal(status, 0, stderr);
  };
  const answers = (id: string): Answer[] =>
    subscriber
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/result/${id}`)
      .map(({ payload }) => JSON.parse(payload) as Answer);
  const answer = (id: string, nth = 1): Promise<Answer> =>
    waitFor(
      () => `answer ${nth} to ${id}; the log:\n${gateway.tail(8)}`,
      () => answers(id)[nth - 1],
    );
  const statuses = () =>
    subscriber
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/status`)
      .map(({ payload }) => JSON.parse(payload));
  const sign = (id: string, version: number, yaml: string): string =>
    envelope(id, { gateway: 'g1', version, expires: undefined, yaml });
  /** Signs for g1, sends, and waits for the first answer. */
  const ask = (id: string, version: number, yaml: string): Promise<Answer> => {
    say(sign(id, version, yaml));
    return answer(id);
  };
  return { ...s, file, sign, say, ask, answer, answers, statuses };
}
