/** The controller on fakes, with words for tests of Domains, DNSRecords and the names of Apps: every App answers as soon as it runs. */
import type { FakeAddress } from '../../../reconcilers/drivers/address/fake.ts';
import type { FakeDns } from '../../../reconcilers/drivers/dns/fake.ts';
import { createFakeProbe } from '../../../reconcilers/drivers/probe/fake.ts';
import { API_VERSION, type Condition, condition, type Document } from '../../../resources/document.ts';
import { VirtualClock } from '../clock.ts';
import { type RunningController, startController } from '../controller.ts';
import { ROOT } from '../toys.ts';

export type Wanted = [kind: string, name: string, spec: Record<string, unknown>];

export interface Small {
  readonly controller: RunningController;
  readonly dns: FakeDns;
  readonly address: FakeAddress;
  apply(...documents: Wanted[]): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
  get(kind: string, name: string): Document | undefined;
  condition(kind: string, name: string, type?: string): Condition | undefined;
  /** A DNSRecord by name and type of the record. */
  record(name: string, type?: string): Document | undefined;
  /** What the zone holds, as "A wiki.example.com 192.0.2.1". */
  zone(name?: string): string[];
  pass(milliseconds: number): Promise<void>;
}

export async function startSmall(): Promise<Small> {
  const clock = new VirtualClock();
  const probe = {
    ...createFakeProbe({ clock }),
    ask: async () => ({ ok: true, status: 200, message: 'status 200' }),
  };
  const controller = await startController({ world: { clock, probe } });
  const { dns, address } = controller.world;
  return {
    controller,
    dns,
    address,
    apply: (...documents) =>
      controller.apply(
        ...documents.map(([kind, name, spec]) => ({
          apiVersion: API_VERSION,
          kind,
          metadata: { name },
          spec,
        })),
      ),
    async remove(kind, name) {
      await controller.store.write([{ verb: 'delete', reference: { kind, name } }], ROOT);
    },
    get: controller.get,
    condition(kind, name, type = 'Ready') {
      const document = controller.get(kind, name);
      return document && condition(document, type);
    },
    record: (name, type = 'A') =>
      controller.store
        .list('DNSRecord')
        .items.find(({ spec }) => spec['name'] === name && spec['type'] === type),
    zone: (name = 'example.com') =>
      [...(dns.zones.get(name)?.sets.values() ?? [])]
        .map((set) => `${set.type} ${set.name} ${set.values.join(' ')}`)
        .sort(),
    pass: controller.pass,
  };
}
