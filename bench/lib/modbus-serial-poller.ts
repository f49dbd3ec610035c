/**
 * A bare loop of modbus-serial, for the column beside ours: `node modbus-serial-poller.ts PORT DEVICES REQUESTS`. It keeps one
 * connection per device (each at a loopback address of its own, as the responder listens), asks every register alone, one
 * request at a time per connection, as fast as it goes. It keeps no log, checks no rules and forwards nothing.
 */
import modbusSerial from 'modbus-serial';

const [port = '502', devices = '1', requests = '20'] = process.argv.slice(2);

async function poll(index: number): Promise<never> {
  const client = new modbusSerial.default();
  await client.connectTCP(`127.0.0.${index + 1}`, { port: Number(port) });
  client.setID(index + 1);
  client.setTimeout(1000);
  for (;;) {
    for (let address = 0; address < Number(requests); address++) await client.readHoldingRegisters(address, 1);
  }
}
await Promise.all(Array.from({ length: Number(devices) }, (_, index) => poll(index)));
