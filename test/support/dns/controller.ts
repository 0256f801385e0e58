/**
 * The whole controller on fakes and a virtual clock, with zones in memory: documents go in, records come out. For tests of Domains,
 * DNSRecords and the names of Apps.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Core, startCore } from '../../../controller/core.ts';
import { openStore } from '../../../controller/store/open-store.ts';
import type { SqliteStore } from '../../../controller/store/sqlite-store.ts';
import { createFakeAddress, type FakeAddress } from '../../../reconcilers/drivers/address/fake.ts';
import { createFakeAuthority } from '../../../reconcilers/drivers/authority/fake.ts';
import { createFakeDns, type FakeDns } from '../../../reconcilers/drivers/dns/fake.ts';
import { createFakeDocker } from '../../../reconcilers/drivers/docker/fake.ts';
import { createFakeFirewall } from '../../../reconcilers/drivers/firewall/fake.ts';
import { createFakeHost } from '../../../reconcilers/drivers/host/fake.ts';
import { FakeNginx } from '../../../reconcilers/drivers/nginx/fake.ts';
import { API_VERSION, type Condition, condition, type Document } from '../../../resources/document.ts';
import { kinds } from '../../../resources/registry.ts';
import { validate } from '../../../resources/validation.ts';
import { VirtualClock } from '../clock.ts';
import { ROOT } from '../toys.ts';

export interface Small {
  readonly clock: VirtualClock;
  readonly dns: FakeDns;
  readonly address: FakeAddress;
  readonly store: SqliteStore;
  readonly core: Core;
  apply(...documents: [kind: string, name: string, spec: Record<string, unknown>][]): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
  get(kind: string, name: string): Document | undefined;
  condition(kind: string, name: string, type?: string): Condition | undefined;
  /** DNSRecords by name and type of the record. */
  record(name: string, type?: string): Document | undefined;
  /** What the zone holds, as "A wiki.example.com 192.0.2.1". */
  zone(name?: string): string[];
  /** Lets time pass in small pieces, and all that can go on go on. */
  pass(milliseconds: number): Promise<void>;
  /** The process ends and another begins; store and world stay. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const APP = { image: 'hello:1', port: 8080 };

export async function startSmall(): Promise<Small> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-small-'));
  const clock = new VirtualClock();
  const nginx = new FakeNginx();
  const docker = createFakeDocker({ clock, pathExists: () => true });
  docker.addImage('hello:1');
  const dns = createFakeDns();
  const address = createFakeAddress({ ipv4: '192.0.2.1' });
  const drivers = {
    docker,
    nginx,
    host: createFakeHost({ stateFolder: '/state' }),
    authority: createFakeAuthority({ clock, nginx }),
    probe: { ask: async () => ({ ok: true, status: 200, message: 'status 200' }) },
    firewall: createFakeFirewall(),
    dns,
    lookup: dns,
    address,
  };
  const silent = () => undefined;
  const log = { info: silent, warn: silent, error: silent, debug: silent };
  const open = () => openStore({ folder, clock, kinds, validate });
  const start = (store: SqliteStore) =>
    startCore({ store, drivers, stateFolder: '/state', version: '1', clock, log: log as never });
  const settle = async () => {
    for (let calm = 0; calm < 6; ) {
      await new Promise((resolve) => setImmediate(resolve));
      calm = small.core.engine.isIdle ? calm + 1 : calm + 0.2;
    }
  };
  const store = open();
  const small = {
    clock,
    dns,
    address,
    store,
    core: await start(store),
    async apply(...documents: [string, string, Record<string, unknown>][]) {
      const writes = documents.map(([kind, name, spec]) => ({
        verb: 'apply' as const,
        document: { apiVersion: API_VERSION, kind, metadata: { name }, spec },
        manager: 'test',
      }));
      await small.store.write(writes, ROOT);
    },
    async remove(kind: string, name: string) {
      await small.store.write([{ verb: 'delete', reference: { kind, name } }], ROOT);
    },
    get: (kind: string, name: string) => small.store.get(kind, name),
    condition: (kind: string, name: string, type = 'Ready') => {
      const document = small.store.get(kind, name);
      return document && condition(document, type);
    },
    record: (name: string, type = 'A') =>
      small.store.list('DNSRecord').items.find(({ spec }) => spec['name'] === name && spec['type'] === type),
    zone: (name = 'example.com') =>
      [...(dns.zones.get(name)?.sets.values() ?? [])]
        .map((set) => `${set.type} ${set.name} ${set.values.join(' ')}`)
        .sort(),
    async pass(milliseconds: number) {
      for (let left = milliseconds; left > 0; left -= 250) {
        clock.advance(Math.min(250, left));
        await settle();
      }
    },
    async restart() {
      await stop();
      small.store = open();
      small.core = await start(small.store);
    },
    async close() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const stop = async () => {
    const stopping = small.core.stop();
    clock.advance(20_000);
    await stopping;
    await small.store.close();
  };
  return small;
}
