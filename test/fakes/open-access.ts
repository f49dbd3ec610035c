/** Accounts of a test broker: everybody gets in as a device that publishes under some filters and reads everything. */
import type { MqttAccess } from '../../src/core/access-ports.ts';

export function openAccess(...publish: string[]): MqttAccess {
  return {
    claimed: true,
    logIn: async () => ({
      ...{ principal: { who: 'anybody', door: 'mqtt', role: 'device' }, owner: 'anonymous' },
      ...{ publish, subscribe: ['#'] },
    }),
    has: () => true,
    onRevoked: () => () => {},
  };
}
