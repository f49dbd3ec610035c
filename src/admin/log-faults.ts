/** What is wrong with the log, in words. */
import type { Log } from '../store/log.ts';

export function logFaults({ fault, checkpointFault, tidyFault, mirrorFault }: ReturnType<Log['status']>): string[] {
  return [
    ...(fault === undefined ? [] : [`the log cannot be written: ${fault}`]),
    ...(checkpointFault === undefined
      ? []
      : [`the log's file takes nothing, commits continue in its write-ahead file: ${checkpointFault}`]),
    ...(tidyFault === undefined ? [] : [`the history of the log cannot be written: ${tidyFault}`]),
    ...(mirrorFault === undefined
      ? []
      : [`the newest readings are lost if the process is killed before their commit: ${mirrorFault}`]),
  ];
}
