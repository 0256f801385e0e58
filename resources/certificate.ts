/** Certificate: one for some host names of a Domain. Written by the platform, which chooses which names share one. */
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import { ANNOTATION, type Document, type StatusBase } from './document.ts';
import type { CertificateSpec, CertificateStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';

export type Certificate = Document<CertificateSpec & Record<string, unknown>, CertificateStatus & StatusBase>;

export const certificateKind: KindDefinition = {
  kind: 'Certificate',
  plural: 'certificates',
  singular: 'certificate',
  shortNames: ['cert'],
  schema: 'certificate.v1.json',
  names: 'host',
  writtenBy: 'reconcilers',
  requests: [ANNOTATION.retriedAt],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'ISSUER', value: 'status.issuer' },
    { name: 'UNTIL', value: 'status.notAfter' },
    { name: 'RENEWAL', value: 'status.renewAt', wide: true },
    { name: 'HOSTS', value: (document) => hosts(document).join(','), wide: true },
    { name: 'DOMAIN', value: 'spec.domain', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.domain', 'spec.issuer'],
  references: ({ spec }) => {
    const secret = spec['secret'];
    const domain = { kind: 'Domain', name: String(spec['domain']) };
    return typeof secret === 'string' ? [domain, { kind: 'Secret', name: secret }] : [domain];
  },
};

function hosts(document: Document): string[] {
  return (document as unknown as Certificate).spec.hosts;
}

/** Whether a certificate for `name`, which may be a wildcard, is good for a host. */
export function covers(name: string, host: string): boolean {
  if (name === host) return true;
  return name.startsWith('*.') && host.includes('.') && host.slice(host.indexOf('.')) === name.slice(1);
}

export function coversAll(names: readonly string[], hosts: readonly string[]): boolean {
  return hosts.every((host) => names.some((name) => covers(name, host)));
}
