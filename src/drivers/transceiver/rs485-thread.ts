/** The thread that switches the transceiver of one port: nothing that the gateway does meanwhile delays the release. */
import { parentPort, workerData } from 'node:worker_threads';
import { refusalOf } from './calls.ts';
import { HalfDuplex } from './half-duplex.ts';
import { kernelCalls } from './kernel-calls.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';

const { port, gpio, character, leaving } = workerData as ThreadData;
const tell = (message: FromThread): void => parentPort?.postMessage(message);

try {
  const line = new HalfDuplex({ calls: await kernelCalls(leaving), port, gpio, character });
  parentPort?.on('message', (message: ToThread) => {
    if (message.kind === 'leave') {
      line.close();
      tell({ kind: 'left' });
      parentPort?.close();
      return;
    }
    const { bytes } = message;
    try {
      if (Atomics.load(leaving, 0) === 0) line.send(bytes);
      tell({ kind: 'sent', bytes: bytes.length });
    } catch (thrown) {
      tell({ kind: 'refused', refusal: refusalOf(thrown, 'set') });
      parentPort?.close();
    }
  });
  tell({ kind: 'ready', held: line.held });
} catch (thrown) {
  tell({ kind: 'refused', refusal: refusalOf(thrown, 'open') });
  parentPort?.close();
}
