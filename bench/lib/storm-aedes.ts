/** aedes alone, as its page shows it: `storm-aedes.ts PORT TLS-PORT CERT KEY`. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';

const [port, tlsPort, cert = '', key = ''] = process.argv.slice(2);
const aedes = await Aedes.createBroker();
const plain = createServer((socket) => aedes.handle(socket));
const tls = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => aedes.handle(socket));
await new Promise<void>((resolve) => plain.listen(Number(port), '127.0.0.1', 4096, resolve));
await new Promise<void>((resolve) => tls.listen(Number(tlsPort), '127.0.0.1', resolve));
console.log('running');
