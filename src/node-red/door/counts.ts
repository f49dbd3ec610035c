/** What went through the socket for flows since the start of the daemon. */
export interface DoorCounts {
  /** Lines of clients, and those that were none. */
  lines: number;
  faults: number;
  /** Wrong tokens and connections that said something else. */
  refusedHellos: number;
  /** Connections that were closed because there were too many. */
  refusedConnections: number;
  /** Readings and transitions that clients were given; readings that were dropped because a client took too few. */
  readings: number;
  alarms: number;
  dropped: number;
  calls: number;
  /** Calls that act, done and refused. */
  commands: number;
  refusedCommands: number;
  /** Readings of flows: taken, refused, and left out because there were too many. */
  puts: number;
  refusedPuts: number;
  leftOutPuts: number;
}

export function newCounts(): DoorCounts {
  return {
    ...{ lines: 0, faults: 0, refusedHellos: 0, refusedConnections: 0, readings: 0, alarms: 0, dropped: 0 },
    ...{ calls: 0, commands: 0, refusedCommands: 0, puts: 0, refusedPuts: 0, leftOutPuts: 0 },
  };
}
