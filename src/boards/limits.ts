/**
 * What fits into the memory of a board. The figures are those of docs/benchmarks.md: the gateway with 1,000 points has at most 139 MB,
 * also while it packs. Node-RED takes its `nodeRed.memory` at most, and the unit grants as much again for code as it is written here.
 */
const MB = 1024 ** 2;
const GATEWAY = 140 * MB;
/** For the kernel, its page cache and the services of a small system. */
const SYSTEM = 100 * MB;
/** `nodeRed.memory` is granted so much more for code (systemd/sluice-node-red.service), is 96 MB at least, and 512 MB is a lot. */
const NODE_RED_CODE = 64 * MB;
const LEAST_NODE_RED = 96 * MB;
const MOST_NODE_RED = 512 * MB;

export interface Limits {
  /** Bytes that the gateway needs. */
  readonly gateway: number;
  /** The gateway fits. */
  readonly fits: boolean;
  /** The largest `nodeRed.memory` beside it, bytes; undefined: leave Node-RED off. */
  readonly nodeRedMemory: number | undefined;
}

/** @param memory MemTotal, bytes */
export function limitsOf(memory: number): Limits {
  const left = memory - SYSTEM - GATEWAY;
  const most = Math.min(MOST_NODE_RED, left - NODE_RED_CODE);
  return {
    gateway: GATEWAY,
    fits: left >= 0,
    nodeRedMemory: most < LEAST_NODE_RED ? undefined : Math.floor(most / (16 * MB)) * 16 * MB,
  };
}
