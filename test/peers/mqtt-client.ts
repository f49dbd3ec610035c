/** mqtt.js in a process of its own: `mqtt-client.ts ORDER`. Order, input and output are those of mqtt-client.py. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import mqtt from 'mqtt';
import type { ClientOrder, ToDo } from './foreign-client.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as ClientOrder;
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const file = (name: string | undefined): Buffer | undefined => (name === undefined ? undefined : readFileSync(name));
const { will } = order;
const client = mqtt.connect({
  ...{ protocol: order.ca === undefined ? 'mqtt' : 'mqtts', host: '127.0.0.1', port: order.port, reconnectPeriod: 0 },
  ...{ clientId: order.id, clean: order.clean, keepalive: 60 },
  ...(order.user === undefined ? {} : { username: order.user, password: order.password ?? '' }),
  ...(order.ca === undefined ? {} : { ca: file(order.ca) as Buffer }),
  ...(order.cert === undefined ? {} : { cert: file(order.cert) as Buffer, key: file(order.key) as Buffer }),
  ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
});
client.on('packetreceive', (packet) => {
  if (packet.cmd === 'connack') say({ connack: packet.returnCode, present: packet.sessionPresent });
  else if (packet.cmd === 'suback') say({ suback: packet.granted[0] });
  else if (packet.cmd === 'puback') say({ puback: packet.messageId });
  else if (packet.cmd === 'publish')
    say({ message: packet.topic, payload: packet.payload.toString(), qos: packet.qos, retain: packet.retain });
});
client.on('error', (error) => say({ failed: error.message }));
client.on('close', () => {
  say({ closed: true });
  process.exit(0);
});
for await (const line of createInterface(process.stdin)) {
  const what = JSON.parse(line) as ToDo;
  // A denied filter or an end is reported by the packets above.
  if (what.do === 'subscribe') client.subscribe(what.filter, { qos: what.qos }, () => {});
  else if (what.do === 'publish')
    client.publish(what.topic, what.payload, { qos: what.qos, retain: what.retain ?? false }, () => {});
  else client.end();
}
