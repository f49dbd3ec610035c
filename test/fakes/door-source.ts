/** The gateway as the socket for flows sees it, which does what a test says; and that socket in a folder of its own. */
import type { TestContext } from 'node:test';
import type { Clock } from '../../src/core/clock.ts';
import type { Command, CommandPort, Principal, RunOptions } from '../../src/core/commands.ts';
import type { FlowReading, FlowTaken } from '../../src/core/flow-points.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Sample, Shape } from '../../src/core/point.ts';
import type { Inventory, LatestValue, LiveSink, NoticeMessage } from '../../src/core/ports.ts';
import { FlowDoor } from '../../src/node-red/door/door.ts';
import type { DoorPlace } from '../../src/node-red/door/place.ts';
import type { DoorRule, DoorSource, FlowGrants, HistoryReading } from '../../src/node-red/door/source.ts';
import { type FlowsClient, flowsClient } from '../harness/flows-client.ts';
import { scratch } from '../harness/scratch.ts';

export class DoorWorld {
  readonly clock: Clock;
  readonly puts: FlowReading[] = [];
  readonly done: [command: Command, by: Principal][] = [];
  readonly refused: Command[] = [];
  readonly sinks = new Set<LiveSink>();
  readonly latest = new Map<string, LatestValue>();
  readonly notices: NoticeMessage[] = [];
  readonly rules = new Map<string, DoorRule>();
  grants: FlowGrants = {};
  inventory: Inventory = { v: 1, revision: 1, devices: {} };
  putAnswer: (reading: FlowReading) => FlowTaken = () => 'taken';
  /** What a command waits for. */
  commandWaits: Promise<void> = Promise.resolve();
  /** Pieces of history; the iterator counts how many were asked for. */
  pieces: readonly (readonly HistoryReading[])[] = [];
  asked = 0;
  /** In place of the pieces. */
  history: DoorSource['history'] | undefined;
  histories = 0;
  mostHistories = 0;
  known = true;
  /** UTC ms minus monotonic ms. */
  offset = 1e12;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  source(): DoorSource {
    const world = this;
    const commands: CommandPort = {
      permit: () => {},
      async run(command, by, options: RunOptions = {}) {
        try {
          options.begin?.();
        } catch (thrown) {
          world.refused.push(command);
          throw thrown;
        }
        world.done.push([command, by]);
        await world.commandWaits;
        const result =
          command.do === 'write'
            ? { value: command.value, at: world.clock.monotonic(), readBack: true, point: command.point, type: 'float64' }
            : { rule: 'r', state: 'normal', message: '' };
        return result as never;
      },
    };
    return {
      ...{
        gateway: () => 'g1',
        grants: () => world.grants,
        inventory: () => world.inventory,
        rules: () => world.rules,
        commands,
      },
      latest: { get: (device, point) => world.latest.get(`${device}.${point}`), all: () => world.latest.values() },
      ...{ alarms: () => world.notices, now: () => world.clock.monotonic() + world.offset, offset: () => world.offset },
      clockKnown: () => world.known,
      put: (reading) => {
        world.puts.push(reading);
        return world.putAnswer(reading);
      },
      async *history(call) {
        world.histories++;
        world.mostHistories = Math.max(world.mostHistories, world.histories);
        try {
          for await (const piece of world.history?.(call) ?? world.pieces) {
            world.asked++;
            yield piece;
          }
        } finally {
          world.histories--;
        }
      },
      status: () => ({ gateway: { id: 'g1' } }),
      feed: (sink) => {
        world.sinks.add(sink);
        return () => world.sinks.delete(sink);
      },
    };
  }

  sample(shape: Shape, ...values: number[]): void {
    const sample: Sample = { shape, at: this.clock.monotonic(), values, reasons: null };
    for (const sink of this.sinks) sink.sample(sample, undefined);
  }

  alarm(rule: string, seq: number): void {
    const json = JSON.stringify({ v: 1, seq, rule, state: 'normal', time: 1e12 + seq });
    for (const sink of this.sinks) sink.notice({ kind: 'alarm', key: rule, seq, json });
  }
}

/** `d.a`, `d.b`, … as one reply brings them. */
export function shapeOf(device: string, ...names: string[]): Shape {
  return { device, points: names.map((name) => ({ name, type: 'float64', storage: 'number', unit: 'Cel' })) };
}

export interface DoorBench {
  readonly world: DoorWorld;
  readonly door: FlowDoor;
  readonly socket: string;
  readonly token: string;
  /** With the welcome and the inventory. */
  client(): Promise<FlowsClient>;
  /** That has said nothing yet. */
  stranger(): Promise<FlowsClient>;
}

export async function doorBench(t: TestContext, clock: Clock, place: Partial<DoorPlace> = {}): Promise<DoorBench> {
  const world = new DoorWorld(clock);
  const door = new FlowDoor({ clock, logger: silentLogger, source: world.source(), changed: () => {} });
  t.after(() => door.close());
  const opened = await door.open({ folder: scratch(t, 'door'), mode: 0o600, ...place });
  if (opened === undefined) throw new Error(door.status().fault);
  const { socket, token } = opened;
  return {
    ...{ world, door, socket, token },
    client: () => flowsClient(t, socket, token),
    stranger: () => flowsClient(t, socket),
  };
}
