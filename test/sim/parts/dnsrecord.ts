/** DNSRecords: what is done by hand to records of ours, and that a zone has exactly what documents want of it. */
import { condition, type Document } from '../../../resources/document.ts';
import type { DNSRecordSpec } from '../../../resources/generated.ts';
import type { Random } from '../../support/random.ts';
import type { Simulation } from '../simulation.ts';
import { DOMAIN, NAMES, THEIR_ADDRESS, zoneIn } from './domain.ts';
import type { Part } from './part.ts';

function anyOwn(sim: Simulation, random: Random) {
  const own = [...zoneIn(sim).sets].filter(([, { mark, type }]) => mark && type === 'A');
  return own.length > 0 ? random.pick(own) : undefined;
}

export const dnsRecordPart: Part = {
  kind: 'DNSRecord',
  theme: NAMES,
  disturbances: [
    {
      name: 'somebody changes a record of ours',
      weight: 2,
      announced: false,
      act(sim, random) {
        const [key, set] = anyOwn(sim, random) ?? [];
        if (key && set) zoneIn(sim).sets.set(key, { ...set, values: [THEIR_ADDRESS] });
      },
    },
    {
      name: 'somebody removes a record of ours',
      weight: 2,
      announced: false,
      act(sim, random) {
        const [key] = anyOwn(sim, random) ?? [];
        if (key) zoneIn(sim).sets.delete(key);
      },
    },
  ],
  problems: (sim) => [
    ...records(sim).flatMap((record) =>
      problemsOf(sim, record).map((problem) => `dnsrecord/${record.metadata.name}: ${problem}`),
    ),
    ...strays(sim),
  ],
  leftovers: (sim) => records(sim).map(({ metadata }) => `dnsrecord/${metadata.name} is left`),
};

function records({ memory }: Simulation): Document[] {
  return [...memory.documents.values()].filter(({ kind }) => kind === 'DNSRecord');
}

function isRefused(owner: Document | undefined): boolean {
  const reason = owner && condition(owner, 'Ready')?.reason;
  return reason === 'LocationConflict' || reason === 'PortConflict';
}

function problemsOf(sim: Simulation, record: Document): string[] {
  const { metadata, status } = record;
  const { name, type, values } = record.spec as unknown as DNSRecordSpec;
  const domain = sim.memory.documents.get(`Domain/${DOMAIN}`);
  // Without a way in nothing can be done; and whoever owns it says what is wrong with that.
  if (!domain || condition(domain, 'Ready')?.status !== 'True') return [];
  const [owner] = metadata.ownerReferences ?? [];
  if (!owner || sim.store?.get(owner.kind, owner.name)?.metadata.uid !== owner.uid)
    return ['it is an orphan'];
  if (metadata.deletionTimestamp) return ['it is still being deleted'];
  // Of an App that may not have what it asks for, all stays as it was.
  if (isRefused(sim.store?.get(owner.kind, owner.name))) return [];
  const ready = condition(record, 'Ready');
  if (ready?.status !== 'True' || status?.observedGeneration !== metadata.generation)
    return [`it is ${ready?.reason}: ${ready?.message}`];
  const found = zoneIn(sim).sets.get(`${name} ${type}`);
  const { owner: mark } = (domain.status ?? {}) as { owner?: string };
  if (!found || !values.every((value) => found.values.includes(value)))
    return [`the zone has ${found?.values.join() ?? 'nothing'}`];
  if (found.mark?.owner !== mark) return [`its mark is of ${found.mark?.owner}, not of ${mark}`];
  if (type === 'TXT') return [];
  const address = type === 'A' ? sim.world.address.addresses?.ipv4 : sim.world.address.addresses?.ipv6;
  return address === undefined || values.includes(address)
    ? []
    : [`it leads to ${values.join()}, not to ${address}`];
}

/** Records in the zone that are marked as ours and that no document wants. */
function strays(sim: Simulation): string[] {
  const zone = sim.world.dns.zones.get(DOMAIN);
  const domain = sim.memory.documents.get(`Domain/${DOMAIN}`);
  if (!zone || (domain && condition(domain, 'Ready')?.status !== 'True')) return [];
  const wanted = new Set(records(sim).map(({ spec }) => `${spec['name']} ${spec['type']}`));
  return [...zone.sets]
    .filter(([key, { mark }]) => mark && !wanted.has(key))
    .map(([key]) => `the zone has ${key}, which nobody wants`);
}
