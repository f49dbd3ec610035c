/** Sites without a network: gateways with a device that is never silent, and a platform with its keys. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { request } from '../../src/admin/client.ts';
import type { WaitingReply } from '../../src/admin/log-questions.ts';
import { fakeTcp } from '../fakes/modbus-device.ts';
import { scratch } from './scratch.ts';
import { type Gateway, makeGateway, sluice } from './start-gateway.ts';
import { waitFor } from './wait-for.ts';

export class BundleSite {
  readonly t: TestContext;
  /** The folder of the keys, and the public key of the platform. */
  readonly keys: string;
  readonly platform: string;
  readonly folder: string;

  private constructor(t: TestContext, folder: string, platform: string) {
    this.t = t;
    this.folder = folder;
    this.keys = path.join(folder, 'platform');
    this.platform = platform;
  }

  static async make(t: TestContext): Promise<BundleSite> {
    const folder = scratch(t, 'bundles');
    const init = await sluice(t, 'platform', 'init', path.join(folder, 'platform'));
    assert.equal(init.code, 0, init.stderr);
    return new BundleSite(t, folder, init.stdout);
  }

  /** A gateway with a forwarder `carrier`, and what it has of another. Two points and a rule that is in alarm. */
  async gateway(id = 'ghat-1', forwarders = ''): Promise<Gateway> {
    const { port } = await fakeTcp(this.t);
    const gateway = makeGateway(
      this.t,
      ({ stateDir, runtimeDir }) => `gateway: {id: ${id}, stateDir: ${stateDir}, runtimeDir: ${runtimeDir}}
buses:
  plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${port}}
devices:
  pump:
    bus: plant
    unit: 1
    interval: 20ms
    points:
      speed: {table: holding, address: 0, type: uint16, unit: Hz}
      level: {table: holding, address: 1, type: uint16, scale: 0.1}
rules:
  fast: {point: pump.speed, above: 5, severity: warning}
buffer: {commitEvery: 200ms}
forwarders:
  carrier: {type: bundle, platform: "${this.platform}"}
${forwarders}`,
    );
    await gateway.up();
    return gateway;
  }

  async trust(gateway: Gateway): Promise<void> {
    const { gateway: id, key } = (await request(gateway.socket, 'GET', '/api/v1/bundle-key')) as { gateway: string; key: string };
    const trust = await sluice(this.t, 'platform', 'trust', id, key, '--keys', this.keys);
    assert.equal(trust.code, 0, trust.stderr);
  }

  /** Until so many readings wait for the forwarder. */
  async waits(gateway: Gateway, readings: number): Promise<number> {
    return waitFor(`${readings} readings`, async () => {
      const { forwarders } = (await request(gateway.socket, 'GET', '/api/v1/waiting')) as WaitingReply;
      const n = forwarders.find(({ name }) => name === 'carrier')?.readings ?? 0;
      return n >= readings ? n : undefined;
    });
  }

  /** @returns the file */
  async bundle(gateway: Gateway, name: string, ...more: string[]): Promise<string> {
    const folder = path.join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    const made = await sluice(this.t, 'export', '--bundle', folder, '-c', gateway.config, ...more);
    assert.equal(made.code, 0, made.stderr);
    assert.deepEqual(
      readdirSync(folder).filter((file) => file.startsWith('.')),
      [],
    );
    return made.stdout;
  }

  import(to: string, ...files: string[]): ReturnType<typeof sluice> {
    return sluice(this.t, 'import', ...files, '--to', path.join(this.folder, to), '--keys', this.keys);
  }

  /** Rows of a table of a database that an import filled. */
  rows(file: string, sql: string): unknown[][] {
    const db = new Database(path.join(this.folder, file), { readonly: true });
    try {
      return db.prepare(sql).raw().all() as unknown[][];
    } finally {
      db.close();
    }
  }

  read(file: string): string {
    return readFileSync(path.join(this.folder, file), 'utf8');
  }
}
