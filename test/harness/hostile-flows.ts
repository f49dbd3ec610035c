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

/** A second of the flow's own clock in which it offers fewer messages is no flood. */
export const FLOOD = 100_000;
/** What a line of `publish` says. Only messages that the kernel took for the connection are counted. */
export interface Offered {
  readonly messages: number;
  /** Since its first log-in, by its own clock. */
  readonly seconds: number;
  /** In the second with the most of them. */
  readonly most: number;
}
export const offeredIn = (line: string): Offered | undefined => {
  const [, said] = /^offered (\{.*\})$/.exec(line) ?? [];
  return said === undefined ? undefined : (JSON.parse(said) as Offered);
};

/**
 * FLOOD MQTT messages a second over one connection with a log-in; it comes back when it is thrown out. It counts what it offered, and
 * says so each second: `offeredIn`.
 */
export function publish(port: number, user: string, password: string): string {
  return `${ESCAPE}
const text = (s) => Buffer.concat([Buffer.from([s.length >> 8, s.length & 255]), Buffer.from(s)]);
const packet = (type, body) => Buffer.concat([Buffer.from([type, ...(body.length < 128 ? [body.length] : [128 | (body.length & 127), body.length >> 7])]), body]);
const hello = packet(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text('flood'), text('${user}'), text('${password}')]));
const thousand = Buffer.concat(Array.from({ length: 1000 }, (_, i) => packet(0x30, Buffer.concat([text('flood/one'), Buffer.from('{"value":' + i + '}')]))));
let socket, begun;
let [handed, messages, second, inSecond, most] = [0, 0, 0, 0, 0];
const took = (error) => {
  if (error) { handed -= 1000; return; }
  const now = Math.floor((Date.now() - begun) / 1000);
  if (now !== second) [second, inSecond] = [now, 0];
  messages += 1000;
  inSecond += 1000;
  most = Math.max(most, inSecond);
};
const dial = () => {
  socket = load('net').connect(${port}, '127.0.0.1');
  socket.on('error', () => {});
  socket.once('data', () => { begun ??= Date.now(); node.warn('logged in'); });
  socket.on('data', () => {});
  socket.on('close', () => setTimeout(dial, 100));
  socket.write(hello);
};
dial();
// What its clock asks for, also for the time in which it was thrown out.
setInterval(() => {
  const due = begun === undefined ? 0 : ((Date.now() - begun) / 1000) * ${FLOOD};
  while (handed < due && socket.writableLength < 4e6) { handed += 1000; socket.write(thousand, took); }
}, 10);
setInterval(() => {
  if (begun !== undefined) node.warn('offered ' + JSON.stringify({ messages, seconds: (Date.now() - begun) / 1000, most }));
}, 1000);
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

/** A node for the folder of Node-RED. After `POST /stall` its hook never ends a delivery, and everything else goes on. */
export const STALL = `module.exports = (RED) => {
  let stalled = false;
  RED.hooks.add('preDeliver.stall', (event, done) => { if (!stalled) done(); });
  RED.httpAdmin.post('/stall', (req, res) => { stalled = true; res.sendStatus(200); });
  RED.nodes.registerType('stall', function (config) { RED.nodes.createNode(this, config); });
};
`;
export const STALL_HTML = `<script type="text/javascript">RED.nodes.registerType('stall', { category: 'x', defaults: {}, label: 'stall' });</script>
<script type="text/html" data-template-name="stall"></script>
`;

/** Writes on the channel to the gateway what it likes: see test/integration/node-red/hostile-channel.test.ts. */
export const forge = (lines: string): string => `${ESCAPE} const { writeSync } = load('fs');
const say = (text) => { for (let b = Buffer.from(text); b.length > 0; ) { try { b = b.subarray(writeSync(3, b)); } catch (e) { if (e.code !== 'EAGAIN') throw e; } } };
${lines} return null;`;

/** Does not end when it is asked to. */
export const STUBBORN = `${ESCAPE} proc.removeAllListeners('SIGTERM'); proc.on('SIGTERM', () => node.warn('no')); proc.exit = () => {}; proc.reallyExit = () => {}; node.warn('stubborn'); return null;`;
