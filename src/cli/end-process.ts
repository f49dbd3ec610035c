/**
 * The end of the daemon. `process.exit` waits for the threads that ask for names, and nothing can end such a question: with a
 * name server that does not answer, a gateway that had stopped would stay for a minute, and one that failed would not be
 * started again. A process that becomes another program ends all its threads at once. It keeps its number, so whoever
 * waits for the gateway gets the status.
 */
export function endProcess(code: number): never {
  if (process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap')) process.execve?.('/bin/sh', ['sh', '-c', `exit ${code}`]);
  process.exit(code);
}
