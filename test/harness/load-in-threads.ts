/** Threads that are started from now on load a module of the tests first, as a line in a table of the product would have it. */
import { syncBuiltinESMExports } from 'node:module';
import threads, { type WorkerOptions } from 'node:worker_threads';

export function loadInThreads(file: string): void {
  threads.Worker = class extends threads.Worker {
    constructor(url: string | URL, options: WorkerOptions = {}) {
      super(url, { ...options, execArgv: ['--disable-warning=ExperimentalWarning', `--import=${file}`] });
    }
  };
  syncBuiltinESMExports();
}
