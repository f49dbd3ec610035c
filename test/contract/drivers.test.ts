/** The contract of buses, held by every driver. */
import type { Sample } from '../../src/core/point.ts';
import { flowsBench } from '../fakes/flows-bench.ts';
import { World, type WorldRequest } from '../fakes/modbus-world.ts';
import { mqttBench } from '../fakes/mqtt-bench.ts';
import { LEVELS, setUp } from '../harness/serial-site.ts';
import { type DriverPeer, driverContract } from './driver-suite.ts';

for (const transport of ['tcp', 'rtu'] as const)
  driverContract(`modbus (${transport})`, (): DriverPeer => {
    let up = true;
    const answer = (request: WorldRequest) => {
      if (up) request.send(request.frame(), 5);
    };
    const world = new World({ transport, devices: [{ unit: 1, interval: 500, addresses: [1, 5000] }], answer });
    return {
      ...{ bus: world.bus, clock: world.clock, samples: world.samples, device: 'd1', silentWithin: 60_000 },
      talks: () => {
        up = true;
      },
      falls: () => {
        up = false;
      },
      breaks: () => {
        world.refuse = true;
        world.pipe?.drop();
      },
    };
  });

driverContract('serial', (): DriverPeer => {
  const site = setUp({ ...LEVELS, silentAfter: '30s' });
  return {
    ...{ bus: site.bus, clock: site.clock, samples: site.samples, device: 'probe', silentWithin: 31_000 },
    talks: () => site.ports.say('level=1.5\n'),
    falls: () => {},
    breaks: () => {
      site.ports.refuse = 'gone';
      site.ports.unplug();
    },
  };
});

driverContract('mqtt', (): DriverPeer => {
  const site = mqttBench(
    `
  plug:
    bus: radio
    topic: plug
    silentAfter: 30s
    points: {power: {topic: 'tele/{topic}/SENSOR'}, relay: {topic: 'tele/{topic}/STATE', from: POWER, type: bool}}`,
    { started: false },
  );
  const samples: readonly Sample[] = site.samples;
  return {
    ...{ bus: site.bus, clock: site.clock, samples, device: 'plug', silentWithin: 31_000 },
    talks: () => {
      site.topics.say('tele/plug/SENSOR', { power: 7 });
      site.topics.say('tele/plug/STATE', { POWER: 'ON' });
    },
    falls: () => {},
    breaks: () => {
      site.topics.open = false;
    },
  };
});

driverContract('flows', (): DriverPeer => {
  const site = flowsBench(
    `
  calc:
    bus: derived
    silentAfter: 30s
    points: {mean: {unit: Cel}, open: {type: bool}}`,
    { started: false },
  );
  return {
    ...{ bus: site.bus, clock: site.clock, samples: site.samples, device: 'calc', silentWithin: 31_000 },
    talks: () => {
      site.put('calc.mean', 21.5, { unit: 'Cel' });
      site.put('calc.open', true);
    },
    falls: () => {},
    breaks: () => {
      site.hub.open = false;
    },
  };
});
