/**
 * A Modbus master made by somebody else: the clients of modbus-serial 8 as a program of their own. `node modbus-serial-client.ts
 * tcp PORT`, `rtu PATH BAUD` or `ascii PATH BAUD`. Standard input holds calls as JSON, `[["readHoldingRegisters", 0, 4], …]`; it
 * prints one JSON list of what each call gave: data, `true` for a write, or `{"exception": CODE}`.
 */
import { text } from 'node:stream/consumers';
import modbusSerial from 'modbus-serial';

const [way = 'tcp', where = '', baud = '19200'] = process.argv.slice(2);
const client = new modbusSerial.default();
const settings = { baudRate: Number(baud), parity: 'none', dataBits: 8, stopBits: 1 } as const;
if (way === 'tcp') await client.connectTCP('127.0.0.1', { port: Number(where) });
else if (way === 'rtu') await client.connectRTUBuffered(where, settings);
else await client.connectAsciiSerial(where, settings);
client.setID(1);
client.setTimeout(5000);

const calls = JSON.parse(await text(process.stdin)) as [keyof typeof client & string, ...unknown[]][];
const results: unknown[] = [];
for (const [name, ...args] of calls) {
  const call = client[name] as (...args: unknown[]) => Promise<{ data?: unknown }>;
  try {
    const { data } = await call.apply(client, args);
    results.push(name.startsWith('write') ? true : data);
  } catch (error) {
    const { modbusCode, message } = error as { modbusCode?: number; message?: string };
    results.push(modbusCode === undefined ? { error: message ?? String(error) } : { exception: modbusCode });
  }
}
console.log(JSON.stringify(results));
process.exit(0);
