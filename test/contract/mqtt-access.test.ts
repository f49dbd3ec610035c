/** The accounts of the gateway, as the embedded broker meets them. */
import { ROOT, testAccess } from '../fakes/test-access.ts';
import { mqttAccessSuite } from './mqtt-access-suite.ts';

mqttAccessSuite('accounts', async (t) => {
  const { access, clock } = await testAccess(t);
  const { accounts } = access;
  return {
    access: access.mqtt,
    addUser: (name, role, password) => accounts.addUser({ name, role, password }, ROOT),
    addDevice: async (name, publish, subscribe) => (await accounts.addDevice({ name, publish, subscribe }, ROOT)) ?? '',
    addCertificate: async (name, certificate) =>
      void (await accounts.addDevice({ name, publish: [], subscribe: [], certificate }, ROOT)),
    addToken: (name, role, lasts) => accounts.addToken({ name, role, lasts }, ROOT),
    setPassword: (name, password) => accounts.setPassword(name, password, ROOT),
    setRole: (name, role) => accounts.setRole(name, role, ROOT),
    remove: (name) => accounts.removeUser(name, ROOT),
    removeToken: (name) => accounts.removeToken(name, ROOT),
    advance: (ms) => clock.advance(ms),
  };
});
