/**
 * DNSRecord: the records of one type at one name. Written by the reconcilers of App and Certificate, which own it; whoever needs
 * one makes the manifest with `dnsRecord`, waits until it is Ready and deletes it when done. Pure.
 */
import { createHash } from 'node:crypto';
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import { API_VERSION, type Document, type Manifest, type StatusBase } from './document.ts';
import type { DNSRecordSpec, DNSRecordStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';

export type DnsRecord = Document<DNSRecordSpec & Record<string, unknown>, DNSRecordStatus & StatusBase>;
export type RecordType = DNSRecordSpec['type'];

export const DNSRECORD_FINALIZER = 'holdfast.dev/dnsrecord';

export const dnsRecordKind: KindDefinition = {
  kind: 'DNSRecord',
  plural: 'dnsrecords',
  singular: 'dnsrecord',
  shortNames: ['dns', 'record'],
  schema: 'dnsrecord.v1.json',
  writtenBy: 'reconcilers',
  names: 'host',
  finalizers: [DNSRECORD_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'RECORD', value: 'spec.name' },
    { name: 'TYPE', value: 'spec.type' },
    { name: 'VALUES', value: (document) => (document as unknown as DnsRecord).spec.values.join(' ') },
    { name: 'DOMAIN', value: 'spec.domain', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.domain', 'spec.name', 'spec.type'],
};

/** A wanted record of an owner. The same owner, name and type give the same document. */
export function dnsRecord(
  owner: Document,
  record: {
    domain: string;
    name: string;
    type: RecordType;
    values: readonly string[];
    ttl?: number;
    adopt?: boolean;
  },
): Manifest {
  const { domain, name, type, values, ttl, adopt } = record;
  return {
    apiVersion: API_VERSION,
    kind: 'DNSRecord',
    metadata: { name: documentName(owner.metadata.uid, name, type) },
    spec: {
      domain,
      name,
      type,
      values: [...values],
      ...(ttl === undefined ? {} : { ttl }),
      ...(adopt ? { adopt } : {}),
    },
  };
}

/** The owner's uid is in it, so that a record that is still being removed for one owner is not in the way of the next. */
function documentName(ownerUid: string, name: string, type: RecordType): string {
  const hash = createHash('sha256').update(`${ownerUid} ${name} ${type}`).digest('hex').slice(0, 10);
  const readable = name.replace('*', 'any').replaceAll('_', '').slice(0, 200);
  return `${readable.replace(/^[-.]+|[-.]+$/g, '')}.${type.toLowerCase()}-${hash}`;
}

/** As much of a View as is needed. */
interface RecordView {
  list(kind: string): readonly Document[];
  derived<T>(name: string, kinds: readonly string[], compute: (view: RecordView) => T): T;
}

/** Those of a Domain, by an index that is made once for all of them. */
export function recordsOfDomain(view: RecordView, domain: string): readonly DnsRecord[] {
  const index = view.derived('records by domain', ['DNSRecord#status'], (all) => {
    const byDomain = new Map<string, DnsRecord[]>();
    for (const record of all.list('DNSRecord') as readonly DnsRecord[]) {
      const of = byDomain.get(record.spec.domain);
      if (of) of.push(record);
      else byDomain.set(record.spec.domain, [record]);
    }
    return byDomain;
  });
  return index.get(domain) ?? [];
}
