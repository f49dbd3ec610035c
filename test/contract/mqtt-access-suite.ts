/** What the embedded broker may rely on, whoever implements MqttAccess. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { MqttAccess, MqttLogin } from '../../src/core/access-ports.ts';
import type { Role } from '../../src/core/commands.ts';

export interface MqttAccessPeer {
  readonly access: MqttAccess;
  addUser(name: string, role: Role, password: string): Promise<void>;
  /** @returns its password */
  addDevice(name: string, publish: readonly string[], subscribe: readonly string[]): Promise<string>;
  addCertificate(name: string, fingerprint: string): Promise<void>;
  /** @returns its text */
  addToken(name: string, role: Role, lasts: number): Promise<{ id: string; token: string }>;
  setPassword(name: string, password: string): Promise<void>;
  setRole(name: string, role: Role): Promise<void>;
  remove(name: string): Promise<void>;
  removeToken(name: string): Promise<void>;
  /** Time goes by. */
  advance(ms: number): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const PASSWORD = 'a long enough password';
const FINGERPRINT = 'ab'.repeat(32);

const login = (more: Partial<MqttLogin> = {}): MqttLogin => ({
  ...{ clientId: 'c1', username: undefined, password: undefined, certificate: undefined },
  caller: { address: '192.168.1.20', door: 'mqtt' },
  ...more,
});
const by = (username: string, password: string, more: Partial<MqttLogin> = {}): MqttLogin =>
  login({ username, password: bytes(password), ...more });
const LOCAL = { caller: { address: '127.0.0.1', door: 'mqtt' } } as const;

export function mqttAccessSuite(name: string, make: (t: TestContext) => Promise<MqttAccessPeer>): void {
  const refused = { code: 'unauthorized' };

  test(`${name}: before the claim only loopback gets in without a name, to look`, async (t) => {
    const peer = await make(t);
    assert.equal(peer.access.claimed, false);
    for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) {
      const found = await peer.access.logIn(login({ caller: { address, door: 'mqtt' } }));
      assert.deepEqual(found, {
        ...{ principal: { who: 'anonymous', door: 'mqtt', role: 'viewer' }, owner: 'anonymous' },
        ...{ publish: [], subscribe: [] },
      });
    }
    await assert.rejects(peer.access.logIn(login()), refused);
    await assert.rejects(peer.access.logIn(by('anna', PASSWORD, LOCAL)), refused);
    const ended: string[] = [];
    peer.access.onRevoked((owner) => ended.push(owner));
    await peer.addUser('anna', 'administrator', PASSWORD);
    assert.deepEqual(ended, ['anonymous'], 'who looked without a name is ended');
    assert.equal(peer.access.claimed, true);
    await assert.rejects(peer.access.logIn(login(LOCAL)), refused);
  });

  test(`${name}: a person logs in with the password, and with nothing else`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    await peer.addUser('ben', 'viewer', PASSWORD);
    const found = await peer.access.logIn(by('ben', PASSWORD));
    assert.deepEqual([found.owner, found.principal], ['user:ben', { who: 'ben', door: 'mqtt', role: 'viewer' }]);
    for (const wrong of ['', PASSWORD.toUpperCase(), `${PASSWORD} `])
      await assert.rejects(peer.access.logIn(by('ben', wrong)), refused, wrong);
    await assert.rejects(peer.access.logIn(login({ username: 'ben', password: Uint8Array.of(0xff, 0xfe) })), refused);
    await assert.rejects(peer.access.logIn(login({ username: 'anna' })), refused);
  });

  test(`${name}: a device has its secret, its topics and no role to look`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    const secret = await peer.addDevice('plug-1', ['stat/plug-1/#', 'tele/plug-1/#'], ['cmnd/plug-1/#']);
    const other = await peer.addDevice('plug-2', [], []);
    assert.deepEqual(await peer.access.logIn(by('plug-1', secret)), {
      ...{ principal: { who: 'plug-1', door: 'mqtt', role: 'device' }, owner: 'device:plug-1' },
      ...{ publish: ['stat/plug-1/#', 'tele/plug-1/#'], subscribe: ['cmnd/plug-1/#'] },
    });
    for (const [user, password] of [
      ['plug-1', other],
      ['plug-3', secret],
      ['anna', secret],
      ['plug-1', PASSWORD],
    ] as const)
      await assert.rejects(peer.access.logIn(by(user, password)), refused);
    assert.equal((await peer.access.logIn(by('plug-1', secret))).owner, 'device:plug-1', 'a right secret is never held up');
  });

  test(`${name}: a certificate is a device, with its own name or none`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    await peer.addCertificate('meter-1', FINGERPRINT);
    const certificate = FINGERPRINT;
    assert.equal((await peer.access.logIn(login({ certificate }))).owner, 'device:meter-1');
    assert.equal((await peer.access.logIn(login({ certificate, username: 'meter-1' }))).owner, 'device:meter-1');
    await assert.rejects(peer.access.logIn(login({ certificate, username: 'anna' })), refused);
    await assert.rejects(peer.access.logIn(login({ certificate: 'cd'.repeat(32) })), refused);
    const person = await peer.access.logIn(by('anna', PASSWORD, { certificate }));
    assert.equal(person.owner, 'user:anna', 'a person may log in over a connection that has a certificate');
  });

  test(`${name}: a token has a name, a role and an end`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    const { id, token } = await peer.addToken('exporter', 'operator', 3_600_000);
    const found = await peer.access.logIn(by('exporter', token));
    assert.deepEqual([found.owner, found.principal.role, found.principal.who], [`token:${id}`, 'operator', 'exporter']);
    await assert.rejects(peer.access.logIn(by('anna', token)), refused);
    await assert.rejects(peer.access.logIn(by('exporter', `${token.slice(0, -2)}00`)), refused);
    const ended: string[] = [];
    peer.access.onRevoked((owner) => ended.push(owner));
    await peer.advance(3_600_000 + 120_000);
    assert.deepEqual(ended, [`token:${id}`]);
    await assert.rejects(peer.access.logIn(by('exporter', token)), refused);
  });

  test(`${name}: every change of a credential ends what it had open, once`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    await peer.addUser('ben', 'viewer', PASSWORD);
    await peer.addDevice('plug-1', [], []);
    const { id } = await peer.addToken('exporter', 'viewer', 3_600_000);
    const ended: string[] = [];
    const end = peer.access.onRevoked((owner) => ended.push(owner));
    await peer.setPassword('ben', `${PASSWORD} 2`);
    await peer.setRole('ben', 'operator');
    await peer.remove('ben');
    await peer.remove('plug-1');
    await peer.removeToken('exporter');
    assert.deepEqual(ended, ['user:ben', 'user:ben', 'user:ben', 'device:plug-1', `token:${id}`]);
    end();
    await peer.setRole('anna', 'administrator');
    assert.equal(ended.length, 5);
  });

  test(`${name}: the refusal says nothing of what was wrong`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    const words = new Set<string>();
    const tries = [by('anna', 'wrong-wrong'), by('nobody', 'wrong-wrong'), login(), login({ certificate: FINGERPRINT })];
    for (const one of tries) await peer.access.logIn(one).catch((error: Error) => words.add(error.message));
    assert.equal(words.size, 1, [...words].join('\n'));
  });

  test(`${name}: of a thousand wrong tries few are checked, and a device is not held up`, async (t) => {
    const peer = await make(t);
    await peer.addUser('anna', 'administrator', PASSWORD);
    const secret = await peer.addDevice('plug-1', [], []);
    const codes: Record<string, number> = {};
    for (let i = 0; i < 1000; i++)
      await peer.access.logIn(by('anna', `wrong number ${i}`)).catch(({ code }: { code: string }) => {
        codes[code] = (codes[code] ?? 0) + 1;
      });
    assert.ok((codes.unauthorized ?? 0) <= 6, JSON.stringify(codes));
    assert.equal((codes.unauthorized ?? 0) + (codes.throttled ?? 0), 1000);
    assert.equal((await peer.access.logIn(by('plug-1', secret))).owner, 'device:plug-1');
  });
}
