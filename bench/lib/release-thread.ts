/**
 * Sends requests as the thread of a transceiver does (src/drivers/transceiver), into a pseudo terminal. This machine has no GPIO chip: a call
 * of the same kind that the kernel refuses stands for each switching. The transmitter counts as empty when the time of the bytes is over.
 */
import { openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { HalfDuplex } from '../../src/drivers/transceiver/half-duplex.ts';
import { kernelCalls } from '../../src/drivers/transceiver/kernel-calls.ts';

export interface ReleaseData {
  /** Milliseconds of a character. */
  readonly character: number;
}

const { character } = workerData as ReleaseData;
const real = await kernelCalls(new Int32Array(new SharedArrayBuffer(4)));
const quiet = openSync('/dev/null', 'r');
let activeAt = 0;
let late = 0;
let bytesOnWire = 0;
const line = new HalfDuplex({
  calls: {
    ...real,
    takeLine: () => quiet,
    setLine(_, active) {
      real.isEmpty(quiet);
      if (active) activeAt = real.now();
      else late = real.now() - activeAt - bytesOnWire * character;
    },
    isEmpty(port) {
      real.isEmpty(port);
      return true;
    },
  },
  port: openSync('/dev/ptmx', 'r+'),
  gpio: { gpio: '/dev/null', line: 0, activeLow: false },
  character,
});
parentPort?.on('message', (bytes: Uint8Array) => {
  bytesOnWire = bytes.length;
  const before = process.threadCpuUsage();
  line.send(bytes);
  const { user, system } = process.threadCpuUsage(before);
  parentPort?.postMessage({ late, cpu: (user + system) / 1000 });
});
