/**
 * A Modbus device made by somebody else: the servers of modbus-serial 8 as a program of their own. `node modbus-serial-server.ts
 * tcp PORT` or `rtu PATH BAUD`. Register `a` holds `a + 1000`, coil and input `a` are on where `a` is odd; what is written stays.
 * Addresses from 10,000 on are refused with exception 2. It prints `ready`, and `wrote ADDRESS VALUE` for each write.
 */
import { createRequire } from 'node:module';
import type { IServiceVector, ServerSerial, ServerTCP } from 'modbus-serial';

// The package exports its classes from CommonJS in a form that named imports do not see.
const library = createRequire(import.meta.url)('modbus-serial') as {
  ServerTCP: new (vector: IServiceVector, options: object) => ServerTCP;
  ServerSerial: new (vector: IServiceVector, options: object) => ServerSerial;
};
/** Milliseconds without a byte that end a request: this server knows no lengths, and a busy machine pauses in the middle of a frame. */
const QUIET = 60;
const [way = 'tcp', where = '', baud = '19200'] = process.argv.slice(2);
const registers = new Map<number, number>();
const coils = new Map<number, boolean>();

function known(address: number): void {
  if (address >= 10_000) throw Object.assign(new Error('no such address'), { modbusErrorCode: 2 });
}
function wrote(address: number, value: number | boolean): void {
  console.log(`wrote ${address} ${value}`);
}
const vector: IServiceVector = {
  getHoldingRegister(address: number) {
    known(address);
    return registers.get(address) ?? address + 1000;
  },
  getInputRegister(address: number) {
    known(address);
    return address + 1000;
  },
  getCoil(address: number) {
    known(address);
    return coils.get(address) ?? address % 2 === 1;
  },
  getDiscreteInput(address: number) {
    known(address);
    return address % 2 === 1;
  },
  setRegister(address: number, value: number) {
    known(address);
    registers.set(address, value);
    wrote(address, value);
  },
  setCoil(address: number, value: boolean) {
    known(address);
    coils.set(address, value);
    wrote(address, value);
  },
};
const server =
  way === 'tcp'
    ? new library.ServerTCP(vector, { host: '127.0.0.1', port: Number(where), unitID: 1 })
    : new library.ServerSerial(vector, { port: where, baudRate: Number(baud), unitID: 1, interval: QUIET });
server.on('initialized', () => console.log('ready'));
server.on('error', (error: unknown) => console.error(error));
