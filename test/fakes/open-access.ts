/** Accounts of a test broker: everybody gets in as a device that publishes under some filters and reads everything. */
import type { MqttAccess } from '../../src/core/access-ports.ts';

export function openAccess(...publish: string[]): MqttAccess {
  return accessOf('anonymous', publish);
}

/** The same with one account, which may ask for as much as an account may. */
export function knownAccess(...publish: string[]): MqttAccess {
  return accessOf('user:anybody', publish);
}

function accessOf(owner: string, publish: string[]): MqttAccess {
  return {
    claimed: true,
    logIn: async () => ({
      ...{ principal: { who: 'anybody', door: 'mqtt', role: 'device' }, owner },
      ...{ publish, subscribe: ['#'] },
    }),
    has: () => true,
    onRevoked: () => () => {},
  };
}
