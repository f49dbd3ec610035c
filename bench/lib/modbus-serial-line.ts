/**
 * A bare loop of modbus-serial on a serial line, for the column beside ours: `node modbus-serial-line.ts PATH BAUD PLAN`. PLAN is
 * JSON, `[[unit, address, count], …]`: the cheapest requests that there are, found for it by hand. It asks them one after the
 * other, as fast as it goes. It keeps no log, checks no rules and forwards nothing.
 */
import modbusSerial from 'modbus-serial';

const [path = '', baud = '19200', plan = '[]'] = process.argv.slice(2);
const requests = JSON.parse(plan) as (readonly [unit: number, address: number, count: number])[];
const client = new modbusSerial.default();
await client.connectRTUBuffered(path, { baudRate: Number(baud), parity: 'none', dataBits: 8, stopBits: 1 });
client.setTimeout(1000);
for (;;) {
  for (const [unit, address, count] of requests) {
    client.setID(unit);
    await client.readHoldingRegisters(address, count);
  }
}
